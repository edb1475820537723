//! The overview: what runs now, what comes, what can be started, and how the last drills went.

use jiff::Timestamp;
use serde::Serialize;

use super::gamedays::DayLine;
use super::layout::Layout;
use super::library;
use super::review::ActionLine;
use super::room::{self, Timer};
use super::run_line::{RunLine, Score};
use super::sight::{self, Sight};
use super::time::Moment;
use crate::engine::event::Phase;
use crate::http::actor::Visitor;
use crate::http::calendar::Told;
use crate::http::catalogue::{Contents, DayEntry, Entry, Finding, Kind};
use crate::http::keeper::of_plan;
use crate::http::reading::Reading;
use crate::http::templates::Page;
use crate::model::access::{Permission, Place, Subject};
use crate::model::fault::Cause;
use crate::narrative;
use crate::store::signals::Signal;

/// How many of a drill's clocks are shown.
const NEXT: usize = 3;

/// The first page.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Overview {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) live: Vec<LiveRun>,
    /// Game days of which something goes on or is to come.
    pub(in crate::http) days: Vec<DayLine>,
    pub(in crate::http) upcoming: Vec<Next>,
    pub(in crate::http) scorecards: Vec<RunLine>,
    pub(in crate::http) drills: Vec<Startable>,
    pub(in crate::http) experiments: Vec<Startable>,
    /// Game days of the library.
    pub(in crate::http) game_days: Vec<Startable>,
    /// Corrective actions that are due first.
    pub(in crate::http) actions: Vec<ActionLine>,
    /// How many are open, and how many of them are overdue.
    pub(in crate::http) open: usize,
    pub(in crate::http) overdue: usize,
    /// Alerts that no run waited for.
    pub(in crate::http) unmatched: Vec<Unmatched>,
}

impl Page for Overview {
    const TEMPLATE: &'static str = "overview.html";
}

/// A run that goes on.
#[derive(Debug, Serialize)]
pub(in crate::http) struct LiveRun {
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    pub(in crate::http) drill: bool,
    pub(in crate::http) stack: String,
    pub(in crate::http) phase: String,
    pub(in crate::http) since: Moment,
    /// What the clock counts from.
    pub(in crate::http) clock: &'static str,
    /// What is on; nothing is said while a drill goes on.
    pub(in crate::http) faults: Option<Vec<String>>,
    /// What the runbook expects next, with its clock.
    pub(in crate::http) timers: Vec<Timer>,
    /// Whether this process drives it.
    pub(in crate::http) here: bool,
    pub(in crate::http) stuck: bool,
}

impl LiveRun {
    /// A run as its log says.
    pub(in crate::http) fn new(reading: &Reading, now: Timestamp) -> Self {
        let state = &reading.state;
        let (mut timers, _) = room::timers(reading, Sight::of(reading, false), now);
        timers.retain(|timer| timer.due.is_some());
        timers.sort_by(|one, other| {
            let due = |timer: &Timer| timer.due.as_ref().map(|due| due.iso.clone());
            due(one).cmp(&due(other))
        });
        timers.truncate(NEXT);
        let drill = state.plan().is_some_and(|plan| plan.drill.is_some());
        let (clock, since) = match state.running_since() {
            Some(at) => ("since the method began", at.into()),
            None => ("since it was created", reading.row.created.into()),
        };
        let on = state
            .ledger()
            .open()
            .filter(|obligation| {
                matches!(obligation.injection.cause, Cause::Step(_)) && obligation.armed().is_some()
            })
            .map(|obligation| narrative::disturbance(&obligation.injection));
        Self {
            id: reading.row.id.to_string(),
            name: reading.row.name.clone(),
            drill,
            stack: reading.row.stack.to_string(),
            phase: phase(sight::phase(state.phase(), !drill)).to_owned(),
            since,
            clock,
            faults: (!drill).then(|| on.collect()),
            timers,
            here: reading.status.is_some(),
            stuck: reading.row.stuck > 0,
        }
    }
}

/// A phase as people say it.
pub(in crate::http) fn phase(phase: Option<Phase>) -> &'static str {
    match phase {
        None | Some(Phase::Preflight) => "preflight: looking at every target",
        Some(Phase::Before) => "waiting for steady state",
        Some(Phase::Running) => "running",
        Some(Phase::Closing) => "undoing what is still on",
        Some(Phase::After) => "waiting for steady state again",
        Some(Phase::Ended) => "ended",
    }
}

/// A drill that will start by itself.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Next {
    pub(in crate::http) drill: String,
    pub(in crate::http) at: Moment,
    /// Until when it comes, where the time itself is not told.
    pub(in crate::http) until: Option<Moment>,
}

impl Next {
    /// A start; of a surprise no more than its hours, to those who are told no more.
    pub(in crate::http) fn new(told: &Told) -> Self {
        Self {
            drill: told
                .start
                .as_ref()
                .map_or_else(|| "A surprise".to_owned(), |(drill, _)| drill.to_string()),
            at: told.at().into(),
            until: told
                .range
                .filter(|_| told.start.is_none())
                .map(|(_, to)| to.into()),
        }
    }
}

/// Something that can be started, or why it can't.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Startable {
    pub(in crate::http) name: String,
    pub(in crate::http) kind: &'static str,
    /// Where its file is shown, to those who may open it.
    pub(in crate::http) file: Option<String>,
    pub(in crate::http) stack: Option<String>,
    /// For a drill its team and severity, for an experiment its hypothesis.
    pub(in crate::http) summary: String,
    pub(in crate::http) findings: Vec<String>,
    /// Whether whoever looks may start it.
    pub(in crate::http) may_start: bool,
    pub(in crate::http) last: Option<Score>,
    pub(in crate::http) last_run: Option<String>,
}

impl Startable {
    /// All entries of one kind, with the latest of `scored` that is of each.
    pub(in crate::http) fn all(
        contents: &Contents,
        kind: Kind,
        scored: &[RunLine],
        visitor: &Visitor,
    ) -> Vec<Self> {
        contents
            .of(kind)
            .filter(|entry| visitor.sees_entry(entry))
            .map(|entry| {
                let last = scored
                    .iter()
                    .find(|run| run.name == entry.name && run.drill == (kind == Kind::Drill));
                let place = entry
                    .plan
                    .as_ref()
                    .map_or_else(|_| Place::default(), |plan| of_plan(plan));
                let may_start = visitor.may(Permission::Operate, &Subject::At(place));
                Self {
                    may_start,
                    file: may_start.then(|| library::address(&entry.path)),
                    ..Self::new(entry, last)
                }
            })
            .collect()
    }

    /// The game days that a visitor is told of.
    pub(in crate::http) fn days(contents: &Contents, visitor: &Visitor) -> Vec<Self> {
        let days = contents.days.iter().filter(|day| visitor.sees_day(day));
        days.map(|day| {
            let may_start = visitor.holds_throughout(day, Permission::Operate);
            Self {
                may_start,
                file: may_start.then(|| library::address(&day.path)),
                ..Self::day(day)
            }
        })
        .collect()
    }

    fn day(entry: &DayEntry) -> Self {
        let programme = entry.programme.as_ref();
        Self {
            name: entry.name.clone(),
            kind: "game day",
            file: None,
            stack: None,
            summary: programme.map_or_else(
                |_| "its files have findings".to_owned(),
                |programme| {
                    let drills = programme.day.drills.iter();
                    let names: Vec<&str> = drills.map(|part| part.drill.as_str()).collect();
                    format!("{}; {} at most", names.join(", then "), programme.longest())
                },
            ),
            findings: programme
                .err()
                .map(|findings| placed(findings))
                .unwrap_or_default(),
            may_start: false,
            last: None,
            last_run: None,
        }
    }

    fn new(entry: &Entry, last: Option<&RunLine>) -> Self {
        let plan = entry.plan.as_ref();
        let summary = plan.map_or_else(
            |_| "its files have findings".to_owned(),
            |plan| match &plan.drill {
                Some(exercise) => {
                    format!(
                        "{}, team {}",
                        exercise.drill.severity.as_str(),
                        exercise.team.name
                    )
                }
                None => plan.experiment.hypothesis.clone(),
            },
        );
        let findings = plan.err().map(|findings| placed(findings));
        Self {
            name: entry.name.clone(),
            kind: entry.kind.as_str(),
            file: None,
            stack: plan.ok().map(|plan| plan.stack.name.to_string()),
            summary,
            findings: findings.unwrap_or_default(),
            may_start: false,
            last: last.and_then(|run| run.score.clone()),
            last_run: last.map(|run| run.id.clone()),
        }
    }
}

/// Findings with their places, a line each.
fn placed(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| match finding.line {
            Some(line) => format!("{}:{line}: {}", finding.file, finding.message),
            None => format!("{}: {}", finding.file, finding.message),
        })
        .collect()
}

/// An alert that matched no run.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Unmatched {
    pub(in crate::http) source: String,
    pub(in crate::http) received: Moment,
    pub(in crate::http) repeats: u64,
    /// What it says.
    pub(in crate::http) text: String,
}

impl From<&Signal> for Unmatched {
    fn from(signal: &Signal) -> Self {
        Self {
            source: signal.source.clone(),
            received: signal.received.into(),
            repeats: signal.repeats,
            text: super::signals::text(signal),
        }
    }
}
