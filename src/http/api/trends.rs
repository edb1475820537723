//! Trends: each scenario compared with itself only, in figures. Times are milliseconds, shares from 0 to 1.

use std::fmt;
use std::str::FromStr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runs::{bad_query, limited};
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::cursor;
use crate::http::problem::Problem;
use crate::http::series::{Narrowing, Shown, found, latest_runs, named, visible};
use crate::model::failure::Failure;
use crate::model::ids::{RunId, StackName, TeamName};
use crate::model::summary::{Side, Time};
use crate::stats::median::{Median, median};
use crate::stats::survival::{Step, Survival};
use crate::stats::trend::{Trend, trend};
use crate::stats::weakness::Weakness;
use crate::stats::{FEWEST, measured};
use crate::store::summaries::{Series, Summarised};

/// The most scenarios of one answer, and how many there are where nobody says.
const MOST: u32 = 100;
const USUAL: u32 = 24;

/// The kind of this list's cursors.
const LIST: &str = "t";

/// Drills or experiments.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Drills,
    Experiments,
}

/// Which scenarios, and which part of their list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Part {
    /// Only drills of this team.
    team: Option<TeamName>,
    /// Only what brings about this kind of failure.
    #[schemars(with = "Option<String>", extend("enum" = Failure::ALL.map(Failure::as_str)))]
    failure: Option<Failure>,
    /// Only drills, or only experiments.
    #[schemars(with = "Option<String>", extend("enum" = ["drills", "experiments"]))]
    kind: Option<Kind>,
    /// At most so many.
    #[schemars(range(min = 1, max = MOST))]
    limit: Option<u32>,
    /// Where the part before ended: its `next`.
    cursor: Option<String>,
}

/// A part of the list of scenarios.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Trends")]
pub(in crate::http) struct Listed {
    /// Those with the latest runs first.
    trends: Vec<InShort>,
    /// How many scenarios have rehearsals, which are left out.
    rehearsed: usize,
    /// From how many runs on there is a median.
    fewest: usize,
    /// The cursor of the part that follows; null at the end.
    next: Option<String>,
}

/// What is compared with itself only: runs of one drill or experiment on one stack, of one team, announced or not.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Scenario {
    /// Its number, which it keeps.
    id: i64,
    /// Whether it is a drill; else an experiment.
    drill: bool,
    /// The drill's name, else the experiment's.
    name: String,
    /// On which stack.
    stack: StackName,
    /// Who is drilled.
    team: Option<TeamName>,
    /// Whether the team was not told before.
    surprise: bool,
    /// How bad a drill's scenario is, such as `SEV1`.
    severity: Option<String>,
    /// The runbook's class.
    class: Option<String>,
    /// The kinds of failure that its steps bring about.
    failures: Vec<Failure>,
}

/// A scenario over its latest runs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScenarioTrend")]
struct InShort {
    scenario: Scenario,
    /// How many runs were looked at: the latest 60 at most.
    runs: usize,
    /// When the latest of them was created.
    latest: Timestamp,
    /// The four times over these runs.
    times: Times,
    /// Weaknesses that are open.
    open: usize,
    /// Weaknesses that were fixed.
    fixed: usize,
}

/// Every scenario of one name.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TrendsOfName")]
pub(in crate::http) struct Named {
    /// The drill's or experiment's.
    name: String,
    /// One for each stack, team and way of telling it.
    trends: Vec<Whole>,
    /// From how many runs on there is a median.
    fewest: usize,
}

/// A scenario in full.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WholeTrend")]
struct Whole {
    #[serde(flatten)]
    short: InShort,
    /// How many runs it has in all.
    all: u64,
    /// The runs that were looked at, latest first.
    latest_runs: Vec<Came>,
    /// For each of the four times, how many runs still went on after how long.
    survival: Curves,
    /// What failed, those that are open first.
    weaknesses: Vec<Found>,
}

/// The four times.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TrendTimes")]
struct Times {
    /// Until the team knew; of drills.
    detect: Option<Figure>,
    /// Until somebody took it; of drills.
    acknowledge: Option<Figure>,
    /// Until users were hurt no more.
    mitigate: Option<Figure>,
    /// Until everything held.
    recover: Option<Figure>,
}

/// One of the four times over the runs of a scenario.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TrendFigure")]
struct Figure {
    /// In how many runs there was something to measure.
    of: usize,
    /// In how many of those its end was seen.
    measured: usize,
    /// The middle; null of too few.
    median: Option<Median>,
    /// Which way it goes; null where that can't be asked.
    trend: Option<Trend>,
}

/// What was left after how long, for each time that has enough runs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SurvivalCurves")]
struct Curves {
    detect: Vec<Step>,
    acknowledge: Vec<Step>,
    mitigate: Vec<Step>,
    recover: Vec<Step>,
}

/// A time of one run.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TimeTaken")]
struct Taken {
    /// How long it took.
    ms: u64,
    /// Whether it was cut short, and so took at least that.
    at_least: bool,
}

/// What a run came to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RunOutcome")]
struct Came {
    run: RunId,
    created: Timestamp,
    /// Whether both sides passed; null where it broke off.
    passed: Option<bool>,
    /// The rating's letter.
    rating: Option<String>,
    /// In percent.
    outcome: Option<f64>,
    /// The share of the weight that could be seen, in percent.
    observed: Option<f64>,
    detect: Option<Taken>,
    acknowledge: Option<Taken>,
    mitigate: Option<Taken>,
    recover: Option<Taken>,
    /// Who ended the impact, in a word.
    ended_by: Option<String>,
}

/// Something that failed, until it held again.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Weakness")]
struct Found {
    /// Whose.
    side: Side,
    /// The probe, or the line's id.
    id: String,
    /// How many runs showed it.
    failed: usize,
    /// The run that showed it first.
    discovered: Seen,
    /// The last run that showed it.
    last: Seen,
    /// The run in which it held again; null while it is open.
    fixed: Option<Seen>,
}

/// A run that showed something.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ShowingRun")]
struct Seen {
    run: RunId,
    created: Timestamp,
}

/// Where a scenario stands in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    latest: Timestamp,
    id: i64,
}

impl Row {
    fn of(series: &Series) -> Self {
        Self {
            latest: series.latest,
            id: series.id,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.latest, self.id)
    }
}

impl FromStr for Row {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (latest, id) = text.split_once('~').ok_or(())?;
        Ok(Self {
            latest: latest.parse().map_err(|_| ())?,
            id: id.parse().map_err(|_| ())?,
        })
    }
}

/// How the four times are had of a run.
type Of = fn(&Summarised) -> Option<Time>;

const DETECT: Of = |run| run.times.detect;
const ACKNOWLEDGE: Of = |run| run.times.acknowledge;
const MITIGATE: Of = |run| run.times.mitigate;
const RECOVER: Of = |run| run.times.recover;

/// Oldest first.
fn times(runs: &[Summarised], of: Of) -> Vec<Time> {
    runs.iter().rev().filter_map(of).collect()
}

impl Scenario {
    /// The scenario of a series.
    pub(in crate::http) fn of(series: &Series) -> Self {
        let scenario = &series.scenario;
        Self {
            id: series.id,
            drill: scenario.drill,
            name: scenario.name.clone(),
            stack: scenario.stack.clone(),
            team: scenario.team.clone(),
            surprise: scenario.surprise,
            severity: scenario.severity.clone(),
            class: scenario.class.clone(),
            failures: scenario.failures.clone(),
        }
    }
}

impl InShort {
    fn new(series: &Series, runs: &[Summarised]) -> Self {
        let found = found(runs);
        let open = found.iter().filter(|one| one.fixed.is_none()).count();
        let figure = |of: Of| Figure::new(&times(runs, of));
        let of_drill = |of: Of| series.scenario.drill.then(|| figure(of));
        Self {
            scenario: Scenario::of(series),
            runs: runs.len(),
            latest: series.latest,
            times: Times {
                detect: of_drill(DETECT),
                acknowledge: of_drill(ACKNOWLEDGE),
                mitigate: Some(figure(MITIGATE)),
                recover: Some(figure(RECOVER)),
            },
            open,
            fixed: found.len() - open,
        }
    }
}

impl Figure {
    fn new(times: &[Time]) -> Self {
        Self {
            of: times.len(),
            measured: measured(times),
            median: median(times),
            trend: trend(times),
        }
    }
}

impl From<Time> for Taken {
    fn from(time: Time) -> Self {
        Self {
            ms: time.ms(),
            at_least: !time.is_measured(),
        }
    }
}

impl Came {
    fn of(run: &Summarised) -> Self {
        let taken = |of: Of| of(run).map(Taken::from);
        Self {
            run: run.run.clone(),
            created: run.created,
            passed: run.passed,
            rating: run.rating.clone(),
            outcome: run.outcome,
            observed: run.observed,
            detect: taken(DETECT),
            acknowledge: taken(ACKNOWLEDGE),
            mitigate: taken(MITIGATE),
            recover: taken(RECOVER),
            ended_by: run.ended_by.clone(),
        }
    }
}

impl From<Shown> for Seen {
    fn from((created, run): Shown) -> Self {
        Self { run, created }
    }
}

impl From<Weakness<Shown>> for Found {
    fn from(found: Weakness<Shown>) -> Self {
        Self {
            side: found.side,
            id: found.id,
            failed: found.failed,
            discovered: found.discovered.into(),
            last: found.last.into(),
            fixed: found.fixed.map(Seen::from),
        }
    }
}

impl Whole {
    fn new(series: &Series, runs: &[Summarised], all: u64) -> Self {
        let curve = |of: Of| {
            let times = times(runs, of);
            if times.len() < FEWEST {
                return Vec::new();
            }
            Survival::of(&times).steps
        };
        Self {
            short: InShort::new(series, runs),
            all,
            latest_runs: runs.iter().map(Came::of).collect(),
            survival: Curves {
                detect: curve(DETECT),
                acknowledge: curve(ACKNOWLEDGE),
                mitigate: curve(MITIGATE),
                recover: curve(RECOVER),
            },
            weaknesses: found(runs).into_iter().map(Found::from).collect(),
        }
    }
}

/// Scenarios, those with the latest runs first, a part at a time.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Listed>, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let limit = limited(part.limit, USUAL, MOST)? as usize;
    let last = part.cursor.as_deref();
    let last: Option<Row> = last.map(|text| cursor::read(LIST, text)).transpose()?;
    let (mut series, rehearsed) = visible(&services, &actor).await?;
    let narrowing = Narrowing {
        team: part.team.as_ref().map_or("", TeamName::as_str),
        failure: part.failure.map_or("", Failure::as_str),
        kind: part.kind.map_or("", |kind| match kind {
            Kind::Drills => "drills",
            Kind::Experiments => "experiments",
        }),
    };
    series.retain(|one| {
        narrowing.takes(&one.scenario) && last.is_none_or(|last| Row::of(one) < last)
    });
    let next = series.get(limit.saturating_sub(1));
    let next = next.filter(|_| series.len() > limit);
    let next = next.map(|one| cursor::after(LIST, &Row::of(one)));
    let mut trends = Vec::new();
    for one in series.iter().take(limit) {
        let runs = latest_runs(&services, one).await?;
        trends.push(InShort::new(one, &runs));
    }
    Ok(Json(Listed {
        trends,
        rehearsed,
        fewest: FEWEST,
        next,
    }))
}

/// Every scenario of one name, each with its runs and what they showed.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<Named>, Problem> {
    let mut trends = Vec::new();
    for one in &named(&services, &actor, &name).await? {
        let runs = latest_runs(&services, one).await?;
        let all = services.database.runs_of_series(one.id).await?;
        trends.push(Whole::new(one, &runs, all));
    }
    Ok(Json(Named {
        name,
        trends,
        fewest: FEWEST,
    }))
}
