//! `firedrill run`: experiments and drills as a gate.

use std::path::PathBuf;

use anyhow::Context as _;

use super::exit::Exit;
use super::follow::{Follower, conclude, say_stuck};
use super::terminal::Terminal;
use super::{Common, Variables};
use crate::app::App;
use crate::engine::event::{StopCause, Trigger};
use crate::lifecycle::Signals;
use crate::model::plan::Plan;
use crate::runtime::{RunStatus, recovery};
use crate::score::Report;
use crate::score::report::{junit, markdown, text};
use crate::spec;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill run experiments/slow-signer.yaml
  firedrill run experiments/*.yaml --junit results.xml --markdown summary.md
  firedrill run drills/bad-token.yaml --dry-run --var host=127.0.0.2

Every file is checked before anything is touched. SIGINT and SIGTERM undo everything, then end with
exit status 3. With GITHUB_STEP_SUMMARY set, the Markdown report is appended to that file too. Of
several files the worst exit status counts.")]
pub(super) struct Args {
    /// Files of experiments or drills
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Look at every target and say what would be done; touch nothing
    #[arg(long)]
    dry_run: bool,
    /// Make random draws repeatable [default: a new one each run]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the whole report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a Markdown report
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    #[command(flatten)]
    variables: Variables,
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let Some(plans) = load(&args, &common, terminal) else {
        return Ok(Exit::Usage);
    };
    if let Err(error) = try_reports(&args) {
        terminal.error(&format!("{error:#}"));
        return Ok(Exit::Usage);
    }
    let mut signals = Signals::catch().context("signals can't be caught")?;
    let app = common.open().await?;
    let exit = if args.dry_run {
        rehearse(&app, &plans, terminal).await
    } else {
        let (exit, reports) =
            Box::pin(run_all(&app, plans, args.seed, &mut signals, terminal)).await?;
        write_reports(&args, &reports)?;
        exit
    };
    if exit != Exit::Stuck {
        app.close(StopCause::Signal).await;
    }
    Ok(exit)
}

/// All files before anything is touched: one wrong file stops them all.
fn load(args: &Args, common: &Common, terminal: Terminal) -> Option<Vec<Plan>> {
    let options = common.options(&args.variables);
    let mut plans = Vec::new();
    let mut wrong = false;
    for file in &args.files {
        match spec::load_plan(file, &options) {
            Ok(plan) => plans.push(plan),
            Err(findings) => {
                wrong = true;
                terminal.note(&findings.render(terminal.has_colour()));
            }
        }
    }
    (!wrong).then_some(plans)
}

async fn rehearse(app: &App, plans: &[Plan], terminal: Terminal) -> Exit {
    let mut exit = Exit::Passed;
    for plan in plans {
        terminal.result(&spec::explain::explain(plan));
        match app.rehearse(plan).await {
            Ok(proof) => {
                for line in proof {
                    terminal.note(&format!("✓ {line}"));
                }
                terminal.note("dry run: nothing was touched");
            }
            Err(findings) => {
                for finding in findings {
                    terminal.error(&finding);
                }
                exit = Exit::Errored;
            }
        }
    }
    exit
}

async fn run_all(
    app: &App,
    plans: Vec<Plan>,
    seed: Option<u64>,
    signals: &mut Signals,
    terminal: Terminal,
) -> anyhow::Result<(Exit, Vec<Report>)> {
    app.keep_scores();
    if !settle_leftovers(app, &plans, terminal).await? {
        return Ok((Exit::Stuck, Vec::new()));
    }
    let mut exit = Exit::Passed;
    let mut reports = Vec::new();
    for plan in plans {
        let mut follower = Follower::new(app);
        let name = plan.name().to_owned();
        let handle = match app.supervisor.start(plan, seed, Trigger::CommandLine).await {
            Ok(handle) => handle,
            // What ran before keeps its reports.
            Err(error) => {
                terminal.error(&format!("{name} was not begun: {error}"));
                exit = exit.worst(Exit::Errored);
                break;
            }
        };
        let status = follower
            .settled(app, handle.clone(), signals, terminal)
            .await;
        let (one, report) = conclude(app, &handle, &status, terminal).await?;
        if let Some(report) = report {
            terminal.result(&text::render(&report));
            reports.push(report);
        }
        exit = exit.worst(one);
        // After a signal, and while something can't be undone, nothing more is begun.
        if one == Exit::Stuck || follower.was_signalled() {
            break;
        }
    }
    Ok((exit, reports))
}

/// What dead processes left on these stacks is undone first. Answers whether it could be: if not, nothing is begun.
async fn settle_leftovers(app: &App, plans: &[Plan], terminal: Terminal) -> anyhow::Result<bool> {
    let mut settled = true;
    let recovered = recovery::recover(&app.supervisor).await?;
    for (run, error) in &recovered.failed {
        terminal.note(&format!("run {run} is still open: {error}"));
    }
    for mut left in recovered.taken {
        // Other stacks' are undone beside this; nothing waits for them.
        if !plans
            .iter()
            .any(|plan| plan.stack.name == left.plan().stack.name)
        {
            continue;
        }
        terminal.note(&format!(
            "undoing what run {} of a dead process left",
            left.run()
        ));
        if let status @ RunStatus::Stuck { .. } = left.settled().await {
            say_stuck(left.run(), &status, terminal);
            settled = false;
        }
    }
    Ok(settled)
}

/// A report that can't be written is a wrong command line, found before anything is touched.
fn try_reports(args: &Args) -> anyhow::Result<()> {
    for path in [&args.junit, &args.json, &args.markdown]
        .into_iter()
        .flatten()
    {
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(())
}

fn write_reports(args: &Args, reports: &[Report]) -> anyhow::Result<()> {
    let write = |path: &PathBuf, text: String| {
        std::fs::write(path, text).with_context(|| format!("{} can't be written", path.display()))
    };
    if let Some(path) = &args.junit {
        write(path, junit::render_all(reports))?;
    }
    if let Some(path) = &args.json {
        let json = match reports {
            [one] => serde_json::to_string_pretty(one)?,
            several => serde_json::to_string_pretty(several)?,
        };
        write(path, json + "\n")?;
    }
    let markdown = || {
        reports
            .iter()
            .map(markdown::render)
            .collect::<Vec<_>>()
            .join("\n")
    };
    if let Some(path) = &args.markdown {
        write(path, markdown())?;
    }
    if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)?;
        file.write_all(markdown().as_bytes())?;
    }
    Ok(())
}
