//! Coverage: what of a stack was drilled, and what never.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::place::Spot;
use super::runs::bad_query;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::coverage::{self, Cover, Covered, STALE_DAYS, Seen, cells, is_stale};
use crate::http::problem::Problem;
use crate::model::failure::{Failure, Target};
use crate::model::ids::RunId;

/// Of which stack.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Which {
    /// Its name; the one that was drilled last where it is not said.
    stack: Option<String>,
}

/// What of a stack was drilled.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Coverage {
    /// The stacks that can be asked about.
    stacks: Vec<String>,
    /// Which this is of; null where there is none.
    stack: Option<String>,
    /// After how many days a drill is stale.
    stale_after_days: i64,
    /// Each way in which a part of it can be made to fail. Empty where nothing that can be started uses the stack.
    cells: Vec<Cell>,
}

/// A way in which a part of a stack fails.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CoverageCell")]
struct Cell {
    #[serde(flatten)]
    spot: Spot,
    /// How far it was drilled.
    state: Standing,
    /// Whether the last drill of it is too long ago.
    stale: bool,
    /// The last drill in which it failed so.
    drill: Option<Last>,
    /// The last experiment in which it did.
    experiment: Option<Last>,
    /// What in the library would bring it about.
    starts: Vec<Start>,
}

/// How far a cell was drilled.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CoverageState")]
enum Standing {
    /// In no run.
    Never,
    /// By experiments alone.
    Tried,
    /// In a drill.
    Drilled,
}

/// The last run that hit a cell. Of another team's only when it was is told.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CoveringRun")]
struct Last {
    /// When it was created.
    created: Timestamp,
    /// Which; null where whoever asks may not see it, and so are those that follow.
    run: Option<RunId>,
    /// What it was of.
    name: Option<String>,
    /// Whether both sides passed.
    passed: Option<bool>,
    /// The rating's letter, of a drill.
    rating: Option<String>,
}

/// Something in the library.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CoveringStart")]
struct Start {
    /// `drill` or `experiment`.
    kind: &'static str,
    /// Its name.
    name: String,
    /// Whether whoever asks may start it.
    allowed: bool,
}

impl From<&coverage::Start> for Start {
    fn from(start: &coverage::Start) -> Self {
        Self {
            kind: start.kind,
            name: start.name.clone(),
            allowed: start.allowed,
        }
    }
}

impl From<&Seen> for Last {
    fn from(seen: &Seen) -> Self {
        let hit = Some(&seen.hit).filter(|_| seen.visible);
        Self {
            created: seen.hit.created,
            run: hit.map(|hit| hit.run.clone()),
            name: hit.map(|hit| hit.name.clone()),
            passed: hit.and_then(|hit| hit.passed),
            rating: hit.and_then(|hit| hit.rating.clone()),
        }
    }
}

impl Cell {
    fn new(cover: &Cover, target: &Target, failure: Failure, now: Timestamp) -> Self {
        let (drill, experiment) = cover.hits.of(target, failure);
        let starts = cover.starts.get(&(target.key(), failure));
        Self {
            spot: Spot::new(target, failure, cover.stack()),
            state: match (drill, experiment) {
                (Some(_), _) => Standing::Drilled,
                (None, Some(_)) => Standing::Tried,
                (None, None) => Standing::Never,
            },
            stale: drill.is_some_and(|seen| is_stale(seen.hit.created, now)),
            drill: drill.map(Last::from),
            experiment: experiment.map(Last::from),
            starts: starts.map_or_else(Vec::new, |all| all.iter().map(Start::from).collect()),
        }
    }
}

/// What of a stack was drilled, and what never.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Coverage>, Problem> {
    let Query(which) = which.map_err(|error| bad_query(&error))?;
    let covered = Covered::of(&services, &actor, which.stack.as_deref()).await?;
    let now = services.now().wall;
    let of = |cover: &Cover| {
        let cells = cells(cover.stack()).into_iter();
        cells
            .map(|(target, failure)| Cell::new(cover, &target, failure, now))
            .collect()
    };
    Ok(Json(Coverage {
        cells: covered.cover.as_ref().map_or_else(Vec::new, of),
        stacks: covered.stacks,
        stack: covered.stack,
        stale_after_days: STALE_DAYS,
    }))
}
