//! `firedrill recover`: undoes what runs whose process died have left.

use super::Common;
use super::exit::Exit;
use super::follow::say_stuck;
use super::terminal::Terminal;
use crate::app::default_data;
use crate::engine::event::StopCause;
use crate::ports::Journal as _;
use crate::runtime::{RunStatus, recovery};
use crate::store::database::Database;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill recover              undo everything that is still open
  firedrill recover --dry-run    only say what that is

Exit status: 0 when nothing is open any more, else 5. Runs that another living
process drives are left to it.")]
pub(super) struct Args {
    /// Say what is open; touch nothing
    #[arg(long)]
    dry_run: bool,
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
        for run in app.database.unfinished().await? {
            for line in recovery::owed(&app.supervisor, &run).await? {
                open += 1;
                terminal.result(&format!("run {run}: {line}"));
            }
        }
        if open == 0 {
            terminal.result(&format!("nothing is open in {}", data.display()));
        }
        app.close(StopCause::Signal).await;
        return Ok(if open == 0 { Exit::Passed } else { Exit::Stuck });
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
