//! What starts by itself.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::library::contents;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::page::calendar::is_told;
use crate::http::problem::Problem;
use crate::model::ids::DrillName;

/// The next starts.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Schedule {
    /// One for each scheduled drill.
    upcoming: Vec<Upcoming>,
}

/// A start that will happen.
#[derive(Debug, Serialize, JsonSchema)]
struct Upcoming {
    /// Of which drill; null of a surprise, to those who are not told.
    drill: Option<DrillName>,
    /// When; null of a surprise, to those who are not told.
    at: Option<Timestamp>,
    /// Of a surprise: not before.
    from: Option<Timestamp>,
    /// Of a surprise: not after.
    to: Option<Timestamp>,
}

/// The next start of each scheduled drill, soonest first.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Json<Schedule>, Problem> {
    let contents = contents(&services).await?;
    let ask = services.upcoming.clone();
    let planned = tokio::task::spawn_blocking(move || ask.next())
        .await
        .map_err(|error| Problem::internal(&error))?;
    // Of a surprise, its range is no secret; what has none is told to nobody whom it surprises.
    let kept = planned
        .into_iter()
        .filter(|planned| planned.range.is_some() || actor.is_told_of(planned, &contents));
    let upcoming = kept.map(|planned| {
        let told = planned.range.is_none() || is_told(&actor, &contents, &planned.drill);
        Upcoming {
            drill: Some(planned.drill).filter(|_| told),
            at: Some(planned.at).filter(|_| told),
            from: planned.range.map(|(from, _)| from),
            to: planned.range.map(|(_, to)| to),
        }
    });
    Ok(Json(Schedule {
        upcoming: upcoming.collect(),
    }))
}
