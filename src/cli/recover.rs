//! `firedrill recover`: undoes what runs whose process died have left.

use super::Common;
use super::exit::Exit;
use super::follow::say_stuck;
use super::terminal::Terminal;
use crate::app::{App, default_data};
use crate::engine::event::StopCause;
use crate::model::ids::RunId;
use crate::ports::{Clock as _, Journal as _, Unfinished};
use crate::runtime::{RunStatus, StartError, recovery};
use crate::store::database::Database;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill recover              undo everything that is still open
  firedrill recover --dry-run    only say what that is
  firedrill recover --give-up 20261123-101500-4f2a91

A run whose log can't be read can't be undone from it, and holds up its stack.
What it may have left is named firedrill-RUN-…: remove that by hand, then give
the run up. docs/safety.md says more.

Exit status: 0 when nothing is open any more, else 5. Runs that another living
process drives are left to it.")]
pub(super) struct Args {
    /// Say what is open; touch nothing
    #[arg(long)]
    dry_run: bool,
    /// End a run whose log can't be read, once nothing of it is left on its stack
    #[arg(long, value_name = "RUN", conflicts_with = "dry_run")]
    give_up: Option<RunId>,
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
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
    let app = common.open().await?;
    if args.dry_run {
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
            terminal.result(&format!("nothing is open in {}", data.display()));
        }
        app.close(StopCause::Signal).await;
        return Ok(if open == 0 { Exit::Passed } else { Exit::Stuck });
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
    for mut handle in recovered.taken {
        terminal.note(&format!("undoing what run {} left", handle.run()));
        match handle.settled().await {
            RunStatus::Ended {
                unrecorded: None, ..
            } => {
                terminal.result(&format!("run {}: everything is undone", handle.run()));
            }
            RunStatus::Ended {
                unrecorded: Some(error),
                ..
            } => {
                terminal.error(&format!(
                    "run {} is undone, which could not be recorded: {error}",
                    handle.run()
                ));
                exit = Exit::Stuck;
            }
            status @ RunStatus::Stuck { .. } => {
                say_stuck(&handle, &status, terminal);
                exit = Exit::Stuck;
            }
            RunStatus::Live { phase } => {
                anyhow::bail!("run {} stopped in phase {phase:?}", handle.run())
            }
        }
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
