//! Trends: each scenario compared with itself only. Fewer than six runs are shown one by one; what was cut short stays in;
//! announced and surprise drills, different stacks and teams are never one figure.

use serde::Serialize;

use super::layout::Layout;
use super::plot::{self, Mark};
use super::time::{Moment, span};
use super::{Badge, figure};
use crate::http::series::{Shown, found};
use crate::http::templates::Page;
use crate::model::failure::Failure;
use crate::model::summary::{Side, Time};
use crate::stats::median::median;
use crate::stats::survival::Survival;
use crate::stats::trend::{Way, trend};
use crate::stats::weakness::Weakness;
use crate::stats::{FEWEST, measured};
use crate::store::summaries::{Series, Summarised};

/// All scenarios.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Trends {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) filters: Filters,
    pub(in crate::http) cards: Vec<Card>,
    /// Scenarios after those shown.
    pub(in crate::http) more: usize,
    /// Where they are, and those before.
    pub(in crate::http) next: Option<String>,
    pub(in crate::http) back: Option<String>,
    /// How many scenarios have rehearsals, which are left out.
    pub(in crate::http) rehearsed: usize,
    /// Whether anything was ever drilled.
    pub(in crate::http) any: bool,
    pub(in crate::http) fewest: usize,
    pub(in crate::http) window: u32,
}

impl Page for Trends {
    const TEMPLATE: &'static str = "trends.html";
}

/// What the list is narrowed to, and what it can be.
#[derive(Debug, Default, Serialize)]
pub(in crate::http) struct Filters {
    pub(in crate::http) team: String,
    pub(in crate::http) teams: Vec<String>,
    pub(in crate::http) failure: String,
    pub(in crate::http) failures: Vec<(&'static str, &'static str)>,
    /// `drills`, `experiments` or empty for both.
    pub(in crate::http) kind: String,
}

impl Filters {
    /// What can be chosen from among these, with what was chosen.
    pub(in crate::http) fn new(series: &[Series], team: &str, failure: &str, kind: &str) -> Self {
        let mut teams: Vec<String> = series
            .iter()
            .filter_map(|one| Some(one.scenario.team.as_ref()?.to_string()))
            .collect();
        teams.sort_unstable();
        teams.dedup();
        let known = |kind: &Failure| {
            series
                .iter()
                .any(|one| one.scenario.failures.contains(kind))
        };
        Self {
            team: team.to_owned(),
            teams,
            failure: failure.to_owned(),
            failures: Failure::ALL
                .into_iter()
                .filter(known)
                .map(|kind| (kind.as_str(), kind.title()))
                .collect(),
            kind: kind.to_owned(),
        }
    }
}

/// A scenario in figures.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Card {
    pub(in crate::http) id: i64,
    pub(in crate::http) name: String,
    pub(in crate::http) drill: bool,
    pub(in crate::http) stack: String,
    pub(in crate::http) team: Option<String>,
    pub(in crate::http) severity: Option<String>,
    pub(in crate::http) class: Option<String>,
    pub(in crate::http) failures: Vec<&'static str>,
    /// Whether the team was told before, of a drill.
    pub(in crate::http) told: Option<&'static str>,
    pub(in crate::http) runs: usize,
    pub(in crate::http) latest: Moment,
    /// Ratings, or verdicts of an experiment, oldest first.
    pub(in crate::http) strip: Vec<Square>,
    pub(in crate::http) times: Vec<TimeCard>,
    pub(in crate::http) open: usize,
    pub(in crate::http) fixed: usize,
    /// How many more runs a median takes.
    pub(in crate::http) missing: usize,
}

/// One run's result in a strip.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Square {
    pub(in crate::http) run: String,
    pub(in crate::http) text: String,
    pub(in crate::http) look: &'static str,
    pub(in crate::http) title: String,
}

/// One of the four times over the runs of a scenario.
#[derive(Debug, Serialize)]
pub(in crate::http) struct TimeCard {
    /// `MTTD`.
    pub(in crate::http) short: &'static str,
    /// `to detect`.
    pub(in crate::http) label: &'static str,
    /// The median; none of too few.
    pub(in crate::http) median: Option<String>,
    pub(in crate::http) interval: Option<String>,
    /// `detected 5 of 6`.
    pub(in crate::http) counts: String,
    pub(in crate::http) arrow: Option<Badge>,
    pub(in crate::http) drawing: Option<String>,
    pub(in crate::http) curve: Option<String>,
    pub(in crate::http) steps: Vec<StepRow>,
}

/// A step of a curve, in words.
#[derive(Debug, Serialize)]
pub(in crate::http) struct StepRow {
    pub(in crate::http) after: String,
    pub(in crate::http) at_risk: usize,
    pub(in crate::http) left: String,
    pub(in crate::http) error: String,
}

/// One scenario, or several of one name, in full.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Trend {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) name: String,
    pub(in crate::http) parts: Vec<Part>,
    pub(in crate::http) fewest: usize,
    pub(in crate::http) window: u32,
}

impl Page for Trend {
    const TEMPLATE: &'static str = "trend.html";
}

/// A scenario with its runs and weaknesses.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Part {
    pub(in crate::http) card: Card,
    /// How many runs it has in all.
    pub(in crate::http) all: u64,
    pub(in crate::http) rows: Vec<Row>,
    pub(in crate::http) weaknesses: Vec<WeaknessRow>,
}

/// A run, latest first.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Row {
    pub(in crate::http) run: String,
    pub(in crate::http) created: Moment,
    pub(in crate::http) result: Badge,
    pub(in crate::http) rating: Option<String>,
    pub(in crate::http) look: &'static str,
    pub(in crate::http) outcome: Option<String>,
    pub(in crate::http) observed: Option<String>,
    pub(in crate::http) times: Vec<String>,
    pub(in crate::http) ended_by: Option<String>,
}

/// Something that failed.
#[derive(Debug, Serialize)]
pub(in crate::http) struct WeaknessRow {
    pub(in crate::http) id: String,
    pub(in crate::http) side: &'static str,
    pub(in crate::http) state: Badge,
    pub(in crate::http) failed: usize,
    pub(in crate::http) discovered: Seen,
    pub(in crate::http) last: Seen,
    pub(in crate::http) fixed: Option<Seen>,
}

/// A run that showed something.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Seen {
    pub(in crate::http) run: String,
    pub(in crate::http) at: Moment,
}

/// The four times: in short, in words, what "measured" means, and how a run has it.
type Which = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Summarised) -> Option<Time>,
);

const TIMES: [Which; 4] = [
    ("MTTD", "to detect", "detected", |run| run.times.detect),
    ("MTTA", "to acknowledge", "acknowledged", |run| {
        run.times.acknowledge
    }),
    ("MTTM", "to mitigate", "mitigated", |run| run.times.mitigate),
    ("MTTR", "to recover", "recovered", |run| run.times.recover),
];

impl Card {
    /// A scenario from its latest runs, given latest first. `whole`: with curves, too.
    pub(in crate::http) fn new(series: &Series, runs: &[Summarised], whole: bool) -> Self {
        let scenario = &series.scenario;
        let found = found(runs);
        let open = found.iter().filter(|one| one.fixed.is_none()).count();
        let times = TIMES
            .iter()
            .filter(|(short, ..)| scenario.drill || matches!(*short, "MTTM" | "MTTR"))
            .map(|which| TimeCard::new(which, runs, whole))
            .collect();
        Self {
            id: series.id,
            name: scenario.name.clone(),
            drill: scenario.drill,
            stack: scenario.stack.to_string(),
            team: scenario.team.as_ref().map(ToString::to_string),
            severity: scenario.severity.clone(),
            class: scenario.class.clone(),
            failures: scenario.failures.iter().map(|kind| kind.title()).collect(),
            told: scenario.drill.then_some(if scenario.surprise {
                "surprise"
            } else {
                "announced"
            }),
            runs: runs.len(),
            latest: series.latest.into(),
            strip: runs.iter().rev().map(square).collect(),
            times,
            open,
            fixed: found.len() - open,
            missing: FEWEST.saturating_sub(runs.len()),
        }
    }
}

impl TimeCard {
    fn new(which: &Which, runs: &[Summarised], whole: bool) -> Self {
        let (short, label, done, of) = *which;
        let marks: Vec<Mark> = runs
            .iter()
            .rev()
            .filter_map(|run| {
                let time = of(run)?;
                Some(Mark {
                    time,
                    day: run.created.strftime("%Y-%m-%d").to_string(),
                })
            })
            .collect();
        let times: Vec<Time> = marks.iter().map(|mark| mark.time).collect();
        let found = median(&times);
        let survival = Survival::of(&times);
        Self {
            short,
            label,
            median: found.map(|median| match median.ms {
                Some(ms) => span(ms),
                None => format!("over {}", span(survival.longest_ms)),
            }),
            interval: found.map(|median| {
                let high = median.high_ms.map_or_else(
                    || "no upper end".to_owned(),
                    |high| format!("to {}", span(high)),
                );
                format!(
                    "{} {high}, {} % sure",
                    span(median.low_ms),
                    plot::percent((median.confidence * 100.0).floor() / 100.0)
                )
            }),
            counts: if times.is_empty() {
                "nothing to measure".to_owned()
            } else {
                format!("{done} {} of {}", measured(&times), times.len())
            },
            arrow: arrow(&times),
            drawing: plot::dots(label, &marks, found.as_ref()),
            curve: if whole && times.len() >= FEWEST {
                plot::curve(label, &survival)
            } else {
                None
            },
            steps: if whole && times.len() >= FEWEST {
                steps(&survival)
            } else {
                Vec::new()
            },
        }
    }
}

fn steps(survival: &Survival) -> Vec<StepRow> {
    let steps = survival.steps.iter().map(|step| StepRow {
        after: span(step.ms),
        at_risk: step.at_risk,
        left: plot::percent(step.left),
        error: plot::percent(step.error),
    });
    steps.collect()
}

fn arrow(times: &[Time]) -> Option<Badge> {
    let trend = trend(times)?;
    Some(match trend.way {
        Way::Shorter => Badge::new("faster", '↓', "good"),
        Way::Longer => Badge::new("slower", '↑', "bad"),
        Way::NotTold => Badge::new("no trend", '→', "plain"),
    })
}

/// A time in words.
fn told(time: Time) -> String {
    match time {
        Time::Measured(ms) => span(ms),
        Time::AtLeast(ms) => format!("at least {}", span(ms)),
    }
}

/// How a rating or a verdict looks.
fn look(passed: Option<bool>) -> &'static str {
    match passed {
        Some(true) => "good",
        Some(false) => "bad",
        None => "plain",
    }
}

fn square(run: &Summarised) -> Square {
    let day = run.created.strftime("%Y-%m-%d");
    let text = match (&run.rating, run.passed) {
        (Some(rating), _) => rating.clone(),
        (None, Some(true)) => "✓".to_owned(),
        (None, Some(false)) => "✗".to_owned(),
        (None, None) => "–".to_owned(),
    };
    Square {
        run: run.run.to_string(),
        title: format!("{day}: {}", result(run.passed).word),
        text,
        look: look(run.passed),
    }
}

fn result(passed: Option<bool>) -> Badge {
    match passed {
        Some(true) => Badge::new("passed", '✓', "good"),
        Some(false) => Badge::new("failed", '✗', "bad"),
        None => Badge::new("broke off", '■', "warn"),
    }
}

fn seen((at, run): &Shown) -> Seen {
    Seen {
        run: run.to_string(),
        at: (*at).into(),
    }
}

impl Part {
    /// A scenario in full, from its latest runs, given latest first.
    pub(in crate::http) fn new(series: &Series, runs: &[Summarised], all: u64) -> Self {
        Self {
            card: Card::new(series, runs, true),
            all,
            rows: runs.iter().map(row).collect(),
            weaknesses: found(runs).iter().map(weakness).collect(),
        }
    }
}

fn row(run: &Summarised) -> Row {
    Row {
        run: run.run.to_string(),
        created: run.created.into(),
        result: result(run.passed),
        rating: run.rating.clone(),
        look: look(run.passed),
        outcome: run.outcome.map(figure),
        observed: run.observed.map(figure),
        times: TIMES
            .iter()
            .map(|(.., of)| of(run).map_or_else(|| "–".to_owned(), told))
            .collect(),
        ended_by: run.ended_by.clone(),
    }
}

fn weakness(found: &Weakness<Shown>) -> WeaknessRow {
    WeaknessRow {
        id: found.id.clone(),
        side: match found.side {
            Side::Stack => "stack",
            Side::Team => "team",
        },
        state: if found.fixed.is_some() {
            Badge::new("fixed", '✓', "good")
        } else {
            Badge::new("open", '✗', "bad")
        },
        failed: found.failed,
        discovered: seen(&found.discovered),
        last: seen(&found.last),
        fixed: found.fixed.as_ref().map(seen),
    }
}
