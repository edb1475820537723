//! Transparency: what a platform publishes of its drills. It says no more than the page does.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::Services;
use crate::http::problem::Problem;
use crate::http::published::{letter, published, sum, uptime};
use crate::stats::median::{Median, median};
use crate::stats::{FEWEST, Time, measured};
use crate::store::summaries::{Counted, Series, Summarised};

/// What a platform publishes.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Transparency {
    /// The platform, as it calls itself.
    platform: String,
    /// In which month this is said, such as `2026-03`.
    month: String,
    /// Drills of the last twelve months.
    year: Drills,
    /// In how many of them users were hurt and it was detected.
    detected: Share,
    /// In how many of them the stack recovered while it was observed.
    recovered: Share,
    /// For how much of the time that faults were on and the stack was watched it was well, in tenths of a percent, rounded
    /// down; null where it was not watched.
    uptime_permille: Option<u64>,
    /// Corrective actions that are open.
    open_actions: usize,
    /// How many of them are late.
    late_actions: usize,
    /// The same by three months, the latest first.
    quarters: Vec<Drills>,
    /// Each scenario, without its name.
    scenarios: Vec<Scenario>,
    /// From how many drills on there is a median.
    fewest: usize,
}

/// So many of so many.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PublishedShare")]
struct Share {
    part: u64,
    of: u64,
}

/// Drills of a time.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PublishedDrills")]
struct Drills {
    /// How many were held.
    drills: u64,
    /// How many of those that passed or failed passed.
    passed: Share,
}

/// A scenario, without its name.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PublishedScenario")]
struct Scenario {
    /// What stands for its name.
    letter: String,
    /// How bad it is, such as `SEV1`.
    severity: Option<String>,
    /// The runbook's class.
    class: Option<String>,
    /// Whether the team was not told before.
    surprise: bool,
    /// How many drills were looked at.
    drills: usize,
    /// Until the team knew.
    detect: Figure,
    /// Until everything held.
    recover: Figure,
}

/// A time over the drills of a scenario.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PublishedFigure")]
struct Figure {
    /// In how many drills there was something to measure.
    of: usize,
    /// In how many of those its end was seen.
    measured: usize,
    /// The middle; null of too few.
    median: Option<Median>,
}

impl Drills {
    fn of(quarters: &[Counted]) -> Self {
        Self {
            drills: sum(quarters, |one| one.drills),
            passed: Share {
                part: sum(quarters, |one| one.passed),
                of: sum(quarters, |one| one.judged),
            },
        }
    }
}

impl Figure {
    fn of(runs: &[Summarised], time: fn(&Summarised) -> Option<Time>) -> Self {
        let times: Vec<Time> = runs.iter().filter_map(time).collect();
        Self {
            of: times.len(),
            measured: measured(&times),
            median: median(&times),
        }
    }
}

impl Scenario {
    fn new(index: usize, (series, runs): &(Series, Vec<Summarised>)) -> Self {
        Self {
            letter: letter(index),
            severity: series.scenario.severity.clone(),
            class: series.scenario.class.clone(),
            surprise: series.scenario.surprise,
            drills: runs.len(),
            detect: Figure::of(runs, |run| run.times.detect),
            recover: Figure::of(runs, |run| run.times.recover),
        }
    }
}

/// What is published; nothing where nothing is.
pub(in crate::http) async fn get(
    State(services): State<Services>,
) -> Result<Json<Transparency>, Problem> {
    let published = published(&services)?;
    let gathered = published.gathered(&services).await?;
    let quarters = &gathered.quarters;
    let scenarios = gathered.scenarios.iter().enumerate();
    Ok(Json(Transparency {
        platform: published.platform().to_owned(),
        month: gathered.at.strftime("%Y-%m").to_string(),
        year: Drills::of(quarters),
        detected: Share {
            part: sum(quarters, |one| one.detected),
            of: sum(quarters, |one| one.with_impact),
        },
        recovered: Share {
            part: sum(quarters, |one| one.recovered),
            of: sum(quarters, |one| one.to_recover),
        },
        uptime_permille: uptime(quarters),
        open_actions: gathered.actions,
        late_actions: gathered.late,
        quarters: quarters
            .iter()
            .map(|one| Drills::of(std::slice::from_ref(one)))
            .collect(),
        scenarios: scenarios
            .map(|(index, one)| Scenario::new(index, one))
            .collect(),
        fewest: FEWEST,
    }))
}
