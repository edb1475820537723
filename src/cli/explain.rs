//! `firedrill explain`: what a run would do, without looking at anything but its files.

use std::path::PathBuf;

use super::exit::Exit;
use super::terminal::Terminal;
use super::{Common, Variables};
use crate::spec;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  firedrill explain drills/signer-outage.yaml")]
pub(super) struct Args {
    /// A file of an experiment or a drill
    file: PathBuf,
    #[command(flatten)]
    variables: Variables,
}

pub(super) fn run(args: &Args, common: &Common, terminal: Terminal) -> Exit {
    match spec::load_plan(&args.file, &common.options(&args.variables)) {
        Ok(plan) => {
            terminal.result(&spec::explain::explain_within(
                &plan,
                terminal.report_width(),
            ));
            Exit::Passed
        }
        Err(findings) => {
            terminal
                .block(&findings.render_within(terminal.has_colour(), terminal.findings_width()));
            Exit::Usage
        }
    }
}
