//! `firedrill recover`: undoes what runs whose process died have left.
//!
//! A data folder that can't be written keeps nobody from undoing: what is owed is then read from a copy.

use super::Common;
use super::exit::Exit;
use super::follow::{say_stuck, say_what_is_left};
use super::terminal::Terminal;
use crate::app::{App, default_data};
use crate::engine::event::StopCause;
use crate::lifecycle::Signals;
use crate::ports::Journal as _;
use crate::runtime::{RunHandle, RunStatus, recovery};
use crate::store::copy::Copy;
use crate::store::database::Database;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill recover              undo everything that is still open
  firedrill recover --dry-run    only say what that is

Exit status: 0 when nothing is open any more, else 5. Runs that another living process drives are
left to it. What can't be undone is tried for a minute, then named, with the command that undoes it
by hand.

Where the data folder can't be written (a full disk, a read-only folder), what is owed is read from
a copy of the database in the temporary folder and undone all the same. That can't be recorded, so
the exit status is 5 even then: run it again once the folder works.")]
pub(super) struct Args {
    /// Say what is open; touch nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let mut signals = Signals::catch()?;
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
    let (app, copy) = open(&common, terminal).await?;
    if args.dry_run {
        return say_what_is_owed(app, &data.display().to_string(), terminal).await;
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
        terminal.error(&format!("run {run} can't be taken up: {error}"));
        exit = Exit::Stuck;
    }
    let undid = !recovered.taken.is_empty();
    for handle in recovered.taken {
        exit = exit.worst(settle(handle, &mut signals, terminal).await?);
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
    for run in app.database.unfinished().await? {
        for line in recovery::owed(&app.supervisor, &run).await? {
            open += 1;
            terminal.result(&format!("run {run}: {line}"));
        }
    }
    if open == 0 {
        terminal.result(&format!("nothing is open in {data}"));
    }
    app.close(StopCause::Signal).await;
    Ok(if open == 0 { Exit::Passed } else { Exit::Stuck })
}

/// Waits until one run is over or stuck. Signals end nothing early: they tell what is left.
async fn settle(
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
            say_stuck(&run, &status, terminal);
            Exit::Stuck
        }
        RunStatus::Live { phase } => anyhow::bail!("run {run} stopped in phase {phase:?}"),
    })
}
