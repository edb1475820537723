//! The forecast: all that is asked stands in the address, so that an answer can be linked and asked for again.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runs::bad_query;
use super::trends::Scenario;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::problem::Problem;
use crate::http::series::{drilled, foretell};
use crate::stats::forecast::{self, Forecast, MOST_INCIDENTS, Question};
use crate::stats::{FEWEST, Time, measured};
use crate::store::summaries::Series;

/// What is asked where nothing else is said: a year, counted and ahead.
const YEAR: f64 = 12.0;

/// A question.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Asked {
    /// How many real incidents were like a scenario, as `ID:COUNT`, several with commas between. Without it, there is only
    /// what can be asked about.
    #[schemars(regex(pattern = r"^[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*$"))]
    incidents: Option<String>,
    /// In how many months they were counted, above 0; 12 where it is not said.
    counted_months: Option<f64>,
    /// How many months ahead are asked about, above 0; 12 where it is not said.
    ahead_months: Option<f64>,
    /// How long users may be hurt in all of them, in milliseconds.
    budget_ms: Option<u64>,
    /// What random draws are made from; 1 where it is not said. The same question has the same answer.
    seed: Option<u64>,
}

/// What can be asked about, and the answer where something was asked.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Forecast")]
pub(in crate::http) struct Foretold {
    /// The drills that can be asked about, or could with more runs.
    choices: Vec<Choice>,
    /// From how many runs on one can be.
    fewest: usize,
    /// The answer; null where nothing was asked.
    answer: Option<Forecast>,
}

/// A drill that can be asked about.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ForecastChoice")]
struct Choice {
    scenario: Scenario,
    /// How many of its runs have a time to recover.
    drills: usize,
    /// In how many of them the stack recovered while it was observed.
    recovered: usize,
    /// Whether they are enough.
    enough: bool,
}

impl Choice {
    fn new((series, times): &(Series, Vec<Time>)) -> Self {
        Self {
            scenario: Scenario::of(series),
            drills: times.len(),
            recovered: measured(times),
            enough: times.len() >= FEWEST,
        }
    }
}

/// What can be asked about, and the answer where something was asked.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Foretold>, Problem> {
    let Query(asked) = asked.map_err(|error| bad_query(&error))?;
    let incidents = asked.incidents.as_deref().map(counts).transpose()?;
    let drilled = drilled(&services, &actor).await?;
    let answer = match incidents {
        Some(incidents) => {
            let scenarios = scenarios(&drilled, &incidents)?;
            let question = Question {
                counted_months: asked.counted_months.unwrap_or(YEAR),
                ahead_months: asked.ahead_months.unwrap_or(YEAR),
                budget_ms: asked.budget_ms,
                seed: asked.seed.unwrap_or(1),
            };
            let found = foretell(scenarios, question).await?;
            let found =
                found.map_err(|why| Problem::unprocessable("no-forecast", why.to_string()))?;
            Some(found)
        }
        None => None,
    };
    Ok(Json(Foretold {
        choices: drilled.iter().map(Choice::new).collect(),
        fewest: FEWEST,
        answer,
    }))
}

/// `3:2,7:1` as numbers.
fn counts(text: &str) -> Result<Vec<(i64, u32)>, Problem> {
    let one = |pair: &str| {
        let (id, count) = pair.split_once(':')?;
        Some((id.trim().parse().ok()?, count.trim().parse().ok()?))
    };
    let all: Option<Vec<(i64, u32)>> = text.split(',').map(one).collect();
    all.ok_or_else(|| {
        Problem::bad(
            "bad-query",
            format!("`incidents` is written like `3:2,7:1`, each count at most {MOST_INCIDENTS}"),
        )
    })
}

/// Those that are asked about, each once.
fn scenarios(
    drilled: &[(Series, Vec<Time>)],
    incidents: &[(i64, u32)],
) -> Result<Vec<forecast::Scenario>, Problem> {
    let mut scenarios = Vec::new();
    for (index, (id, count)) in incidents.iter().enumerate() {
        let twice = incidents[..index].iter().any(|(other, _)| other == id);
        if twice {
            return Err(Problem::unprocessable(
                "no-forecast",
                format!("scenario {id} is counted twice; hint: give one count"),
            ));
        }
        let known = drilled.iter().find(|(series, _)| series.id == *id);
        let (series, times) = known.ok_or_else(|| {
            Problem::unprocessable(
                "no-such-scenario",
                format!("no drill that can be asked about has the number {id}; hint: `choices` lists them"),
            )
        })?;
        scenarios.push(forecast::Scenario {
            name: series.scenario.called(),
            incidents: *count,
            times: times.clone(),
        });
    }
    Ok(scenarios)
}
