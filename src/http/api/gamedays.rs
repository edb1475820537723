//! Game days: begun, listed, looked at and ended.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runs::{bad_query, limited};
use super::start::malformed;
use crate::engine::event::Verdict;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::gamedays::{self, Day, Leg, Stands, Wish};
use crate::http::problem::Problem;
use crate::model::drill::Autopilot;
use crate::model::gameday::GoesOn;
use crate::model::ids::{GameDayId, GameDayName, RunId};
use crate::model::plan::SourceFile;
use crate::store::runs::ScorecardSummary;

/// The most of one answer, and how many there are where nobody says.
const MOST: u32 = 100;
const USUAL: u32 = 20;

/// What shall be started.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GameDayStart")]
pub(in crate::http) struct Wanted {
    /// The name of a game day in the server's library.
    game_day: String,
    /// What the random draws of each drill are made from.
    #[schemars(range(max = u64::MAX))]
    seed: Option<u64>,
    /// Values of variables that the files declare.
    #[serde(default)]
    vars: BTreeMap<String, String>,
    /// A scripted team that responds in place of people in each drill: then they are rehearsals.
    autopilot: Option<Autopilot>,
    /// Start only if the server's plans are made from files with exactly these contents.
    files: Option<Vec<SourceFile>>,
}

/// How many.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GameDayPart")]
pub(in crate::http) struct Part {
    /// At most so many.
    #[schemars(range(min = 1, max = MOST))]
    limit: Option<u32>,
}

/// The latest game days.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct GameDays {
    /// Latest first.
    game_days: Vec<GameDay>,
}

/// A game day, this time that it is held.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct GameDay {
    /// Its id.
    id: GameDayId,
    /// As its file names it.
    name: GameDayName,
    /// Whether a drill of it goes on, or one is still to come.
    going: bool,
    /// When its first drill was begun.
    begun: Timestamp,
    /// After what the next drill begins.
    goes_on: GoesOn,
    /// Its drills, in their order.
    drills: Vec<DrillOfDay>,
    /// Where the API has it.
    url: String,
    /// Where people find it.
    page: String,
}

/// A drill of a game day.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GameDayDrill")]
struct DrillOfDay {
    /// From 1.
    position: u32,
    /// Which.
    drill: String,
    /// How it stands.
    state: Standing,
    /// When it begins, while the pause before it lasts.
    begins: Option<Timestamp>,
    /// Its run, once it was begun.
    run: Option<RunId>,
    /// How that ended, the stack's side.
    verdict: Option<Verdict>,
    /// Its scorecard in a few figures, if it was scored.
    scorecard: Option<ScorecardSummary>,
    /// Why it was not begun.
    why: Option<String>,
}

/// How a drill of a game day stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "GameDayDrillState")]
enum Standing {
    /// It begins after others.
    Waits,
    /// The pause before it lasts.
    Pauses,
    /// It goes on.
    Live,
    /// It is over.
    Ended,
    /// It never begins.
    NotBegun,
}

impl From<Day> for GameDay {
    fn from(day: Day) -> Self {
        Self {
            url: format!("/api/v1/gamedays/{}", day.id),
            page: format!("/gamedays/{}", day.id),
            drills: day.drills.into_iter().map(DrillOfDay::from).collect(),
            id: day.id,
            name: day.name,
            going: day.going,
            begun: day.begun,
            goes_on: day.goes_on,
        }
    }
}

impl From<Leg> for DrillOfDay {
    fn from(leg: Leg) -> Self {
        let mut told = Self {
            position: leg.position,
            drill: leg.drill,
            state: Standing::Waits,
            begins: None,
            run: None,
            verdict: None,
            scorecard: None,
            why: None,
        };
        match leg.stands {
            Stands::Waits => {}
            Stands::Pauses(at) => {
                told.state = Standing::Pauses;
                told.begins = Some(at);
            }
            Stands::NotBegun(why) => {
                told.state = Standing::NotBegun;
                told.why = Some(why);
            }
            Stands::Begun(row) => {
                told.state = if row.ended.is_some() {
                    Standing::Ended
                } else {
                    Standing::Live
                };
                told.run = Some(row.id);
                told.verdict = row.verdict;
                told.scorecard = row.scorecard;
            }
        }
        told
    }
}

/// Begins a game day with its first drill, and says where it is.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    Actor(visitor): Actor,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let wish = Wish {
        name: wanted.game_day,
        seed: wanted.seed,
        vars: wanted.vars,
        autopilot: wanted.autopilot,
        files: wanted.files,
    };
    let (id, _) = gamedays::start(&services, &visitor, wish).await?;
    let day = gamedays::one(&services, &visitor, id.as_str()).await?;
    let day = GameDay::from(day);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, day.url.clone())],
        Json(day),
    ))
}

/// The latest game days.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<GameDays>, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let limit = limited(part.limit, USUAL, MOST)?;
    let days = gamedays::latest(&services, &actor, limit).await?;
    Ok(Json(GameDays {
        game_days: days.into_iter().map(GameDay::from).collect(),
    }))
}

/// One game day.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<GameDay>, Problem> {
    Ok(Json(gamedays::one(&services, &actor, &id).await?.into()))
}

/// Sees to it that nothing more of a game day begins.
pub(in crate::http) async fn end(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<GameDay>, Problem> {
    Ok(Json(gamedays::end(&services, &actor, &id).await?.into()))
}
