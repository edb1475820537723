//! `firedrill resume`: lifts the halt of a data folder.

use super::Common;
use super::exit::Exit;
use super::terminal::Terminal;
use crate::store::halt::Lever;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill resume                       runs may start again
  firedrill resume --data /srv/drills    those of that folder

Says what was lifted: who halted, why, and since when. Nothing that was stopped
begins again. Exit status: 0, also where nothing was halted, or 4 where the halt
can't be removed.")]
pub(super) struct Args {}

pub(super) fn run(_: &Args, common: &Common, terminal: Terminal) -> Exit {
    let data = common.data();
    match Lever::of(&data).lift() {
        Ok(Some(halt)) => {
            terminal.result(&format!(
                "lifted: halted by {} since {}: {}",
                halt.by, halt.at, halt.reason
            ));
            Exit::Passed
        }
        Ok(None) => {
            terminal.result(&format!("nothing was halted in {}", data.display()));
            Exit::Passed
        }
        Err(error) => {
            terminal.error(&format!(
                "the halt in {} can't be removed: {error}; hint: make the folder writable",
                data.display()
            ));
            Exit::Errored
        }
    }
}
