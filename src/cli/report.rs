//! `firedrill report`: what a run came to, from its log.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;

use super::Common;
use super::exit::Exit;
use super::terminal::Terminal;
use crate::app::App;
use crate::engine::event::StopCause;
use crate::evidence::Bundle;
use crate::model::ids::RunId;
use crate::ports::JournalError;
use crate::review;
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
  firedrill report --review --format html            the after-action report
  firedrill report --evidence run.evidence.json      all of it, in one file
  firedrill report --verify run.evidence.json        checks such a file
  firedrill report --verify                          every log, and the audit

`--verify` checks the hash chain of one run's log where a run is named, else of
every run's and of the audit. Of a file of evidence it checks all: the chain,
where it ends, the files that the run was made from, and that the scorecard is
what the log comes to; no data folder is needed. Exit status: 0 when all are
whole, else 4.")]
pub(super) struct Args {
    /// The run's id, as `firedrill run` and the pages show it; to be verified, a file of evidence, too [default: the
    /// latest run]
    run: Option<String>,
    /// The form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Show the after-action report, with what people wrote down; as Markdown, HTML or JSON
    #[arg(long)]
    review: bool,
    /// Write the log, the files that the run was made from and the scorecard to one file that can be checked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["review", "format"])]
    evidence: Option<PathBuf>,
    /// Check hash chains instead of showing a report
    #[arg(long, conflicts_with_all = ["format", "review", "evidence"])]
    verify: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Html,
    Junit,
    Json,
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    if args.verify
        && let Some(file) = args.run.as_deref().map(Path::new)
        && file.is_file()
    {
        return Ok(prove(file, terminal));
    }
    let fits = match args.format {
        Format::Html => args.review,
        Format::Junit => !args.review,
        Format::Text | Format::Markdown | Format::Json => true,
    };
    if !fits {
        terminal.error("there is no such form; hint: `--format html` is for `--review`, and `junit` for all else");
        return Ok(Exit::Usage);
    }
    let named = match args.run.as_deref().map(str::parse::<RunId>).transpose() {
        Ok(named) => named,
        Err(error) => {
            terminal.error(&format!(
                "{error}; hint: no file has that name, and no run can"
            ));
            return Ok(Exit::Usage);
        }
    };
    let app = common.open().await?;
    if args.verify {
        let exit = verify(&app, named, terminal).await;
        app.close(StopCause::Signal).await;
        return exit;
    }
    let latest = app.database.recent_runs(1, None).await?.pop();
    let Some(run) = named.or(latest.map(|row| row.id)) else {
        terminal.error("there is no run in this data folder; hint: name another with `--data DIR`");
        return Ok(Exit::Usage);
    };
    let told = match told(&app, &run, &args, terminal).await {
        Ok(Some(told)) => told,
        Ok(None) => {
            terminal.error(&format!(
                "run {run} goes on; hint: its after-action report and its evidence are there once it is over"
            ));
            return Ok(Exit::Usage);
        }
        Err(error) => match error.downcast::<JournalError>() {
            Ok(error @ JournalError::NoSuchRun(_)) => {
                terminal.error(&format!(
                    "{error} in {}; hint: name another folder with `--data DIR`",
                    common.data().display()
                ));
                return Ok(Exit::Usage);
            }
            Ok(error) => return Err(error.into()),
            Err(error) => return Err(error),
        },
    };
    if let Some(file) = &args.evidence {
        std::fs::write(file, told)
            .with_context(|| format!("{} can't be written", file.display()))?;
        terminal.note(&format!(
            "evidence of run {run} is in {}; hint: `firedrill report --verify {}` checks it",
            file.display(),
            file.display()
        ));
    } else {
        terminal.result(&told);
    }
    app.close(StopCause::Signal).await;
    Ok(Exit::Passed)
}

/// What is asked for, as text; nothing where the run must be over for it, and is not.
async fn told(
    app: &App,
    run: &RunId,
    args: &Args,
    terminal: Terminal,
) -> anyhow::Result<Option<String>> {
    if args.evidence.is_some() {
        return Ok(app.evidence(run).await?);
    }
    if args.review {
        let Some(review) = app.review(run).await? else {
            return Ok(None);
        };
        return Ok(Some(match args.format {
            Format::Json => serde_json::to_string_pretty(&review)?,
            Format::Html => crate::http::document(&review::markdown::render(&review)),
            Format::Text | Format::Markdown | Format::Junit => review::markdown::render(&review),
        }));
    }
    let report = app.report(run).await?;
    Ok(Some(match args.format {
        Format::Text => text::render_within(&report, terminal.report_width()),
        Format::Markdown | Format::Html => markdown::render(&report),
        Format::Junit => junit::render(&report),
        Format::Json => serde_json::to_string_pretty(&report)?,
    }))
}

/// Checks a file of evidence.
fn prove(file: &Path, terminal: Terminal) -> Exit {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            terminal.error(&format!("{} can't be read: {error}", file.display()));
            return Exit::Usage;
        }
    };
    match Bundle::read(&text).and_then(|bundle| bundle.prove()) {
        Ok(proven) => {
            terminal.result(&proven.to_string());
            Exit::Passed
        }
        Err(unproven) => {
            terminal.error(&format!("{}: {unproven}", file.display()));
            Exit::Errored
        }
    }
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
