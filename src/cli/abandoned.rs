//! What containerised demos whose process died have left at the Docker daemon: their runs are recovered while the
//! containers are still there to be repaired, then everything goes. Those of living demos are left alone, and so are those
//! of whom that can't be told, which is said.

use std::path::Path;

use super::demo::settings;
use super::exit::Exit;
use super::recover;
use super::terminal::Terminal;
use crate::app::App;
use crate::clock::SystemClock;
use crate::compose::{Engine, Estate, Standing, estates};
use crate::engine::event::StopCause;
use crate::lifecycle::Signals;
use crate::ports::Clock as _;
use crate::runtime::recovery;
use crate::store::database::Database;

/// Removes it, and says what. The journal in `recovered` has been seen to already.
pub(super) async fn settle(
    engine: &Engine,
    recovered: Option<&Path>,
    signals: &mut Signals,
    terminal: Terminal,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Passed;
    for estate in dead(engine, terminal).await? {
        terminal.note(&format!(
            "removing what demo {} left at {} when its process died: {estate}",
            estate.demo(),
            engine.host()
        ));
        if let Some(data) = estate.data()
            && estate.runs()
            && !recovered.is_some_and(|recovered| is_same(recovered, &data))
            && Database::is_in(&data)
        {
            recover_runs(&data, signals, terminal).await;
        }
        match estate.remove(engine).await {
            Ok(()) => terminal.note("it is removed"),
            Err(left) => {
                terminal.error(&left.to_string());
                exit = Exit::Stuck;
            }
        }
    }
    Ok(exit)
}

/// A line for each demo whose things would be removed.
pub(super) async fn owed(engine: &Engine, terminal: Terminal) -> anyhow::Result<Vec<String>> {
    let dead = dead(engine, terminal).await?;
    let lines = dead.iter().map(|estate| {
        let (demo, host) = (estate.demo(), engine.host());
        format!("demo {demo}, whose process died, left at {host}: {estate}")
    });
    Ok(lines.collect())
}

async fn dead(engine: &Engine, terminal: Terminal) -> anyhow::Result<Vec<Estate>> {
    let now = SystemClock::start().now().wall.as_second();
    let mut dead = Vec::new();
    for estate in estates(engine).await? {
        match estate.standing(now) {
            Standing::Alive => {}
            Standing::Dead => dead.push(estate),
            Standing::OtherBoot | Standing::Unseen => terminal.note(&format!(
                "demo {} has something at {} ({estate}), and whether its process lives can't be told from here; hint: \
                 where it does not, {}",
                estate.demo(),
                engine.host(),
                estate.by_hand()
            )),
        }
    }
    Ok(dead)
}

/// Undoes what a dead demo's runs left on its containers. What can't be undone there goes with them, and is said.
async fn recover_runs(data: &Path, signals: &mut Signals, terminal: Terminal) {
    let undone = async {
        let app = App::open(settings(data.to_owned())).await?;
        let recovered = recovery::recover(&app.supervisor).await?;
        for handle in recovered.taken {
            recover::settle(handle, signals, terminal).await?;
        }
        app.close(StopCause::Signal).await;
        anyhow::Ok(())
    };
    if let Err(error) = undone.await {
        terminal.note(&format!(
            "the runs in {} can't be recovered: {error:#}",
            data.display()
        ));
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}
