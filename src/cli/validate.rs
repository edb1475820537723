//! `firedrill validate`: files and folders, every finding at once.

use std::path::PathBuf;

use super::exit::Exit;
use super::terminal::Terminal;
use super::{Common, Variables};
use crate::spec;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill validate stacks experiments drills runbooks teams
  firedrill validate drills/bad-token.yaml --json

Every finding has a code, as in `error[unknown-link]`. The folder docs/errors/
has a page for each: what it means and what to do.

Exit status: 0 when no file has an error, else 2; warnings alone don't count.")]
pub(super) struct Args {
    /// Files, or folders with files in them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    variables: Variables,
}

pub(super) fn run(args: &Args, common: &Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let report = spec::validate(&args.paths, &common.options(&args.variables));
    let errors = report.findings.errors();
    if args.json {
        terminal.result(&serde_json::to_string_pretty(&report.findings.to_json())?);
    } else if !report.findings.is_empty() {
        terminal.block(
            &report
                .findings
                .render_within(terminal.has_colour(), terminal.findings_width()),
        );
    }
    if report.files.is_empty() {
        terminal.error(
            "there is no .yaml, .yml or .md file; hint: name files, or folders that hold some",
        );
        return Ok(Exit::Usage);
    }
    if errors > 0 {
        return Ok(Exit::Usage);
    }
    if !args.json {
        let count = report.files.len();
        terminal.result(&format!(
            "{count} file{} in order",
            if count == 1 { "" } else { "s" }
        ));
    }
    Ok(Exit::Passed)
}
