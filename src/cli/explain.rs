//! `firedrill explain`: what a run would do, without looking at anything but its files.

use std::path::PathBuf;

use super::exit::Exit;
use super::terminal::Terminal;
use super::{Common, Variables};
use crate::spec::{self, Loaded};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  firedrill explain drills/signer-outage.yaml")]
pub(super) struct Args {
    /// A file of an experiment, a drill or a game day
    file: PathBuf,
    #[command(flatten)]
    variables: Variables,
}

pub(super) fn run(args: &Args, common: &Common, terminal: Terminal) -> Exit {
    let width = terminal.report_width();
    match spec::load(&args.file, &common.options(&args.variables)) {
        Ok(loaded) => {
            terminal.result(&match loaded {
                Loaded::Plan(plan) => spec::explain::explain_within(&plan, width),
                Loaded::GameDay(day) => spec::explain::explain_game_day_within(&day, width),
            });
            Exit::Passed
        }
        Err(findings) => {
            terminal
                .block(&findings.render_within(terminal.has_colour(), terminal.findings_width()));
            Exit::Usage
        }
    }
}
