//! `firedrill forecast`: how long users may be hurt in the time ahead, from counted incidents and from drills.

use std::fmt::Write as _;

use clap::ValueEnum;

use super::Common;
use super::exit::Exit;
use super::terminal::Terminal;
use crate::app::App;
use crate::engine::event::StopCause;
use crate::layout::{LongWords, paragraph};
use crate::model::ids::{StackName, TeamName};
use crate::model::time::Millis;
use crate::stats::forecast::{Forecast, Marks, Question, Scenario, forecast};
use crate::stats::{FEWEST, Time};
use crate::store::summaries::Series;

/// How many of a drill's latest runs count.
const WINDOW: u32 = 60;

/// The widest line.
const WIDTH: usize = 100;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill forecast --incidents signer-outage=3 --counted 12
  firedrill forecast --incidents signer-outage=3 --incidents bad-token=1 \\
      --counted 24 --ahead 12 --budget 4h20m
  firedrill forecast                    what can be asked about

How often incidents come is taken from real ones, which you count. How long
they last is taken from drills of the same scenario; each needs at least six.
Announced and surprise drills, teams and stacks are never pooled: where a name
is not enough, narrow it. docs/trends.md says how it is reckoned.")]
pub(super) struct Args {
    /// A drill, and how many real incidents were like it; may be repeated
    #[arg(long = "incidents", value_name = "DRILL=COUNT", value_parser = incidents)]
    incidents: Vec<(String, u32)>,
    /// In how many months they were counted
    #[arg(long, value_name = "MONTHS", default_value_t = 12.0)]
    counted: f64,
    /// How many months ahead are asked about
    #[arg(long, value_name = "MONTHS", default_value_t = 12.0)]
    ahead: f64,
    /// How long users may be hurt in all the time ahead, such as 4h20m
    #[arg(long, value_name = "LENGTH")]
    budget: Option<Millis>,
    /// What random draws are made from: the same question has the same answer
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only drills of this team
    #[arg(long, value_name = "NAME")]
    team: Option<TeamName>,
    /// Only drills on this stack
    #[arg(long, value_name = "NAME")]
    on: Option<StackName>,
    /// Only drills that the team was told of, or not
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Announced,
    Surprise,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn incidents(text: &str) -> Result<(String, u32), String> {
    let (name, count) = text.rsplit_once('=').ok_or("write it as DRILL=COUNT")?;
    let count = count
        .parse()
        .map_err(|_| format!("`{count}` is no count of incidents"))?;
    Ok((name.to_owned(), count))
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let app = common.open().await?;
    app.summarise().await;
    let exit = answer(&app, &args, terminal).await;
    app.close(StopCause::Signal).await;
    exit
}

async fn answer(app: &App, args: &Args, terminal: Terminal) -> anyhow::Result<Exit> {
    let mut series = app.database.series().await?;
    series.retain(|one| {
        let scenario = &one.scenario;
        scenario.drill
            && !scenario.rehearsal
            && args
                .team
                .as_ref()
                .is_none_or(|team| scenario.team.as_ref() == Some(team))
            && args
                .on
                .as_ref()
                .is_none_or(|stack| scenario.stack == *stack)
            && args
                .kind
                .is_none_or(|kind| scenario.surprise == (kind == Kind::Surprise))
    });
    if args.incidents.is_empty() {
        return choices(app, &series, terminal).await;
    }
    let mut scenarios = Vec::new();
    for (name, incidents) in &args.incidents {
        let named: Vec<&Series> = series
            .iter()
            .filter(|one| one.scenario.name == *name)
            .collect();
        let [one] = named.as_slice() else {
            let said = if named.is_empty() {
                format!(
                    "no drill `{name}` has ended; hint: `firedrill forecast` lists those that have"
                )
            } else {
                let all: Vec<String> = named.iter().map(|one| one.scenario.called()).collect();
                format!(
                    "`{name}` was drilled in several ways, which are never pooled: {}; hint: choose with --team, --on or --kind",
                    all.join("; ")
                )
            };
            terminal.error(&said);
            return Ok(Exit::Usage);
        };
        scenarios.push(Scenario {
            name: one.scenario.called(),
            incidents: *incidents,
            times: times(app, one).await?,
        });
    }
    let question = Question {
        counted_months: args.counted,
        ahead_months: args.ahead,
        budget_ms: args.budget.map(Millis::get),
        seed: args.seed,
    };
    match forecast(&scenarios, &question) {
        Ok(found) => {
            terminal.result(&match args.format {
                Format::Text => text(&found, args),
                Format::Json => serde_json::to_string_pretty(&found)?,
            });
            Ok(Exit::Passed)
        }
        Err(why) => {
            terminal.error(&why.to_string());
            Ok(Exit::Usage)
        }
    }
}

async fn times(app: &App, series: &Series) -> anyhow::Result<Vec<Time>> {
    let runs = app.database.summaries_of(series.id, WINDOW).await?;
    Ok(runs.iter().filter_map(|run| run.times.recover).collect())
}

async fn choices(app: &App, series: &[Series], terminal: Terminal) -> anyhow::Result<Exit> {
    if series.is_empty() {
        terminal
            .error("no drill has ended in this data folder; hint: name another with `--data DIR`");
        return Ok(Exit::Usage);
    }
    let mut list = String::new();
    for one in series {
        let drills = times(app, one).await?.len();
        let enough = if drills < FEWEST { ", too few" } else { "" };
        // Writing to a string can't fail.
        let _ = writeln!(
            list,
            "{}: {drills} with a time to recover{enough}",
            one.scenario.called()
        );
    }
    terminal.result(list.trim_end());
    terminal.note("say how many real incidents were like one of them: --incidents DRILL=COUNT");
    Ok(Exit::Passed)
}

fn text(found: &Forecast, args: &Args) -> String {
    let mut text = format!(
        "In {} months ahead, of {} trials:\n\n{:<34}{:>10}{:>10}{:>10}{:>10}\n",
        args.ahead, found.trials, "stays at or below, in", "5 %", "50 %", "90 %", "95 %"
    );
    let mut row = |what: &str, marks: Marks, write: &dyn Fn(u64) -> String| {
        let _ = writeln!(
            text,
            "{what:<34}{:>10}{:>10}{:>10}{:>10}",
            write(marks.p5),
            write(marks.p50),
            write(marks.p90),
            write(marks.p95)
        );
    };
    let (count, length) = (|number: u64| number.to_string(), crate::score::span);
    row("incidents", found.incidents, &count);
    row("users hurt for", found.hurt_ms, &length);
    for part in &found.parts {
        let name = part.name.split(',').next().unwrap_or(&part.name);
        row(&format!("  {name}: incidents"), part.incidents, &count);
        row(&format!("  {name}: hurt for"), part.hurt_ms, &length);
    }
    if let (Some(share), Some(budget)) = (found.beyond_budget, args.budget) {
        let _ = writeln!(
            text,
            "\nA budget of {budget} is not kept in {:.0} % of them.",
            share * 100.0
        );
    }
    text.push_str("\nThis takes for granted:\n");
    for one in &found.assumptions {
        text.push_str(&paragraph("- ", 2, one, WIDTH, LongWords::Whole));
    }
    text.trim_end().to_owned()
}
