//! `firedrill recover`: undoes what runs whose process died have left.
//!
//! A data folder that can't be written keeps nobody from undoing: what is owed is then read from a copy.

use super::exit::Exit;
use super::follow::{say_stuck, say_what_is_left};
use super::terminal::Terminal;
use super::{Common, abandoned};
use crate::app::{App, default_data};
use crate::compose::Engine;
use crate::engine::event::StopCause;
use crate::lifecycle::Signals;
use crate::model::ids::RunId;
use crate::ports::{Clock as _, Journal as _, Unfinished};
use crate::runtime::{RunHandle, RunStatus, StartError, recovery};
use crate::store::copy::Copy;
use crate::store::database::Database;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill recover              undo everything that is still open
  firedrill recover --dry-run    only say what that is
  firedrill recover --give-up 20261123-101500-4f2a91

What a `firedrill demo --docker` that was killed has left at the local Docker
daemon is removed as well; that of a demo that lives is not.

A run whose log can't be read can't be undone from it, and holds up its stack.
What it may have left is named firedrill-RUN-…: remove that by hand, then give
the run up. docs/safety.md says more.

Exit status: 0 when nothing is open any more, else 5. Runs that another living
process drives are left to it. What can't be undone is tried for a minute, then
named, with the command that undoes it by hand.

Where the data folder can't be written (a full disk, a read-only folder), what
is owed is read from a copy of the database in the temporary folder and undone
all the same. That can't be recorded, so the exit status is 5 even then: run it
again once the folder works.")]
pub(super) struct Args {
    /// Say what is open; touch nothing
    #[arg(long)]
    dry_run: bool,
    /// End a run whose log can't be read, once nothing of it is left on its stack
    #[arg(long, value_name = "RUN", conflicts_with = "dry_run")]
    give_up: Option<RunId>,
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let mut signals = Signals::catch()?;
    let gives_up = args.give_up.is_some();
    let dry_run = args.dry_run;
    let exit = Box::pin(journal(args, &common, &mut signals, terminal)).await?;
    if gives_up {
        return Ok(exit);
    }
    let docker = std::env::var("DOCKER_HOST").ok();
    // Where no daemon answers, no demo can have left anything there that is still on.
    let Ok(engine) = Engine::reach(docker.as_deref()).await else {
        return Ok(exit);
    };
    let contained = if dry_run {
        abandoned::owed(&engine, terminal).await.map(|owed| {
            for line in &owed {
                terminal.result(line);
            }
            if owed.is_empty() {
                Exit::Passed
            } else {
                Exit::Stuck
            }
        })
    } else {
        abandoned::settle(&engine, Some(&common.data()), &mut signals, terminal).await
    };
    let contained = contained.unwrap_or_else(|error| {
        terminal.error(&format!(
            "what demos left at {} can't be told: {error:#}",
            engine.host()
        ));
        Exit::Stuck
    });
    Ok(exit.worst(contained))
}

/// What the data folder says is open.
async fn journal(
    args: Args,
    common: &Common,
    signals: &mut Signals,
    terminal: Terminal,
) -> anyhow::Result<Exit> {
    let data = common.data();
    if !data.is_file() && !Database::is_in(&data) {
        terminal.note(&format!(
            "there is no journal in {}; hint: name another folder with `--data DIR`; demos keep theirs in {}",
            data.display(),
            default_data().join("demo").display()
        ));
        terminal.result(&format!("nothing is open in {}", data.display()));
        return Ok(Exit::Passed);
    }
    let (app, copy) = open(common, terminal).await?;
    if args.dry_run {
        return say_what_is_owed(app, &data.display().to_string(), terminal).await;
    }
    if let Some(run) = args.give_up {
        let exit = give_up(&app, &run, terminal).await?;
        app.close(StopCause::Signal).await;
        return Ok(exit);
    }
    let recovered = recovery::recover(&app.supervisor).await?;
    let mut exit = Exit::Passed;
    for run in &recovered.held {
        terminal.note(&format!(
            "run {run} is driven by another process, and left to it: it is still open"
        ));
        exit = Exit::Stuck;
    }
    for (run, error) in &recovered.failed {
        match error {
            StartError::Unreadable { .. } => terminal.error(&error.to_string()),
            _ => terminal.error(&format!("run {run} can't be taken up: {error}")),
        }
        exit = Exit::Stuck;
    }
    let undid = !recovered.taken.is_empty();
    for handle in recovered.taken {
        exit = exit.worst(settle(handle, signals, terminal).await?);
    }
    if exit == Exit::Passed && copy.is_some() && undid {
        terminal.error(&format!(
            "what was undone could not be recorded in {}: its runs count as open there; hint: run `firedrill \
             recover` again once it can be written",
            data.display()
        ));
        app.close(StopCause::Signal).await;
        return Ok(Exit::Stuck);
    }
    if exit == Exit::Passed {
        terminal.result(&format!("nothing is open any more in {}", data.display()));
        app.close(StopCause::Signal).await;
    }
    Ok(exit)
}

/// Ends a run that can't be recovered. One that can be is refused, and so is one that somebody drives.
async fn give_up(app: &App, run: &RunId, terminal: Terminal) -> anyhow::Result<Exit> {
    let ports = app.supervisor.ports();
    let Some(_claim) = ports.claims.claim(run)? else {
        terminal.error(&format!(
            "run {run} is driven by another process; hint: wait for it, or halt it"
        ));
        return Ok(Exit::Stuck);
    };
    let open = app.database.unfinished().await?;
    if !open.iter().any(|one| one.run == *run) {
        terminal.error(&format!(
            "there is no run {run} that has not ended; hint: `firedrill recover --dry-run` lists what is open"
        ));
        return Ok(Exit::Usage);
    }
    if app.database.load(run).await.is_ok() {
        terminal.error(&format!(
            "the log of run {run} can be read; hint: `firedrill recover` undoes what it left"
        ));
        return Ok(Exit::Usage);
    }
    app.database.give_up(run, app.clock.now().wall).await?;
    terminal.result(&format!(
        "run {run} is given up: firedrill undoes nothing of it any more"
    ));
    Ok(Exit::Passed)
}

/// Opens the data folder, or a copy of it where that can't be written. Which of these is said.
async fn open(common: &Common, terminal: Terminal) -> anyhow::Result<(App, Option<Copy>)> {
    let settings = common.settings();
    let error = match App::open(settings.clone()).await {
        Ok(app) => return Ok((app, None)),
        Err(error) if error.is_only_unwritable() && Database::is_in(&settings.data) => error,
        Err(error) => return Err(error.into()),
    };
    let copy = Copy::make(&settings.data).map_err(|why| {
        anyhow::anyhow!("{error}; and no place takes a copy of it to undo from: {why}")
    })?;
    terminal.note(&format!(
        "{error}\nundoing from a copy of the database in {}",
        copy.path().display()
    ));
    let app = App::open_copy(settings, &copy).await?;
    Ok((app, Some(copy)))
}

async fn say_what_is_owed(app: App, data: &str, terminal: Terminal) -> anyhow::Result<Exit> {
    let mut open = 0;
    for Unfinished { run, stack } in app.database.unfinished().await? {
        match recovery::owed(&app.supervisor, &run).await {
            Ok(lines) => {
                for line in lines {
                    open += 1;
                    terminal.result(&format!("run {run}: {line}"));
                }
            }
            Err(why) => {
                open += 1;
                terminal.error(&StartError::Unreadable { stack, run, why }.to_string());
            }
        }
    }
    if open == 0 {
        terminal.result(&format!("nothing is open in {data}"));
    }
    app.close(StopCause::Signal).await;
    Ok(if open == 0 { Exit::Passed } else { Exit::Stuck })
}

/// Waits until one run is over or stuck. Signals end nothing early: they tell what is left.
pub(super) async fn settle(
    mut handle: RunHandle,
    signals: &mut Signals,
    terminal: Terminal,
) -> anyhow::Result<Exit> {
    let run = handle.run().clone();
    terminal.note(&format!("undoing what run {run} left"));
    let asked = handle.clone();
    let settled = handle.settled();
    tokio::pin!(settled);
    let status = loop {
        // Cancel safe: a watch and signals lose nothing.
        tokio::select! {
            status = &mut settled => break status,
            () = signals.next() => say_what_is_left(&asked, terminal),
        }
    };
    Ok(match status {
        RunStatus::Ended {
            unrecorded: None, ..
        } => {
            terminal.result(&format!("run {run}: everything is undone"));
            Exit::Passed
        }
        RunStatus::Ended {
            unrecorded: Some(error),
            ..
        } => {
            terminal.error(&format!(
                "run {run} is undone, which could not be recorded: {error}"
            ));
            Exit::Stuck
        }
        status @ RunStatus::Stuck { .. } => {
            say_stuck(&asked, &status, terminal);
            Exit::Stuck
        }
        RunStatus::Live { phase } => anyhow::bail!("run {run} stopped in phase {phase:?}"),
    })
}
