//! `firedrill report`: what a run came to, from its log.

use clap::ValueEnum;

use super::Common;
use super::exit::Exit;
use super::terminal::Terminal;
use crate::app::App;
use crate::engine::event::StopCause;
use crate::model::ids::RunId;
use crate::ports::JournalError;
use crate::score::report::{junit, markdown, text};
use crate::store::journal::ChainHead;

/// Runs read at once.
const PART: u32 = 500;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill report                                   the latest run
  firedrill report 20261123-101500-4f2a91
  firedrill report 20261123-101500-4f2a91 --format markdown
  firedrill report --verify                          every log, and the audit

`--verify` checks the hash chain of one run's log where a run is named, else of
every run's and of the audit. Exit status: 0 when all are whole, else 4.")]
pub(super) struct Args {
    /// The run's id, as `firedrill run` and the pages show it [default: the latest]
    run: Option<RunId>,
    /// The form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Check hash chains instead of showing a report
    #[arg(long, conflicts_with = "format")]
    verify: bool,
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
    if args.verify {
        let exit = verify(&app, args.run, terminal).await;
        app.close(StopCause::Signal).await;
        return exit;
    }
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

/// Checks the chain of one run, else of all and of the audit. Damage to one hides none of another.
async fn verify(app: &App, run: Option<RunId>, terminal: Terminal) -> anyhow::Result<Exit> {
    let mut damaged = 0_u64;
    let mut whole = 0_u64;
    let mut check = |run: &RunId, verified: Result<ChainHead, JournalError>| match verified {
        Ok(_) => whole += 1,
        Err(error) => {
            damaged += 1;
            terminal.error(&format!("run {run}: {error}"));
        }
    };
    if let Some(run) = run {
        check(&run, app.database.verify(&run).await);
    } else {
        let mut before = None;
        loop {
            let rows = app.database.recent_runs(PART, before.as_ref()).await?;
            for row in &rows {
                check(&row.id, app.database.verify(&row.id).await);
            }
            match rows.into_iter().next_back() {
                Some(last) => before = Some(last.id),
                None => break,
            }
        }
        match app.database.verify_audit().await {
            Ok(entries) => terminal.result(&format!("the audit is whole: {entries} entries")),
            Err(error) => {
                damaged += 1;
                terminal.error(&error.to_string());
            }
        }
    }
    terminal.result(&format!("{whole} logs of runs are whole"));
    if damaged == 0 {
        return Ok(Exit::Passed);
    }
    terminal.error(&format!(
        "{damaged} are damaged; hint: compare the data folder with a backup, since what was changed there was not \
         changed by firedrill"
    ));
    Ok(Exit::Errored)
}
