//! What starts by itself.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::library::contents;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::calendar;
use crate::http::problem::Problem;
use crate::model::ids::{DrillName, GameDayName};
use crate::model::schedule::Scheduled;

/// The next starts.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Schedule {
    /// One for each scheduled drill and game day.
    upcoming: Vec<Upcoming>,
}

/// A start that will happen.
#[derive(Debug, Serialize, JsonSchema)]
struct Upcoming {
    /// Of which drill; null of a game day, and of a surprise, to those who are not told.
    drill: Option<DrillName>,
    /// Of which game day; null of a drill.
    game_day: Option<GameDayName>,
    /// When; null of a surprise, to those who are not told.
    at: Option<Timestamp>,
    /// Of a surprise: not before.
    from: Option<Timestamp>,
    /// Of a surprise: not after.
    to: Option<Timestamp>,
}

/// The next start of each scheduled drill and game day, soonest first.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Json<Schedule>, Problem> {
    let contents = contents(&services).await?;
    let told = calendar::next(&services, &actor, &contents)
        .await?
        .into_iter();
    let upcoming = told.map(|told| {
        let (what, at) = told.start.unzip();
        Upcoming {
            drill: what.as_ref().and_then(Scheduled::drill).cloned(),
            game_day: what.as_ref().and_then(Scheduled::game_day).cloned(),
            at,
            from: told.range.map(|(from, _)| from),
            to: told.range.map(|(_, to)| to),
        }
    });
    Ok(Json(Schedule {
        upcoming: upcoming.collect(),
    }))
}
