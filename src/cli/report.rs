//! `firedrill report`: what a run came to, from its log.

use clap::ValueEnum;

use super::Common;
use super::exit::Exit;
use super::terminal::Terminal;
use crate::engine::event::StopCause;
use crate::model::ids::RunId;
use crate::ports::JournalError;
use crate::score::report::{junit, markdown, text};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill report                                   the latest run
  firedrill report 20261123-101500-4f2a91
  firedrill report 20261123-101500-4f2a91 --format markdown")]
pub(super) struct Args {
    /// The run's id, as `firedrill run` and the pages show it [default: the latest]
    run: Option<RunId>,
    /// The form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Junit,
    Json,
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let app = common.open().await?;
    let latest = app.database.recent_runs(1, None).await?.pop();
    let Some(run) = args.run.or(latest.map(|row| row.id)) else {
        terminal.error("there is no run in this data folder; hint: name another with `--data DIR`");
        return Ok(Exit::Usage);
    };
    let report = match app.report(&run).await {
        Ok(report) => report,
        Err(error @ JournalError::NoSuchRun(_)) => {
            terminal.error(&format!(
                "{error} in {}; hint: name another folder with `--data DIR`",
                common.data().display()
            ));
            return Ok(Exit::Usage);
        }
        Err(error) => return Err(error.into()),
    };
    terminal.result(&match args.format {
        Format::Text => text::render_within(&report, terminal.report_width()),
        Format::Markdown => markdown::render(&report),
        Format::Junit => junit::render(&report),
        Format::Json => serde_json::to_string_pretty(&report)?,
    });
    app.close(StopCause::Signal).await;
    Ok(Exit::Passed)
}
