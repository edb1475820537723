//! What starts by itself.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::library::contents;
use crate::http::Services;
use crate::http::actor::Actor;
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
    /// Of which drill.
    drill: DrillName,
    /// When.
    at: Timestamp,
}

/// The next start of each scheduled drill, soonest first.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Json<Schedule>, Problem> {
    let contents = contents(&services).await?;
    let ask = services.upcoming.clone();
    let planned = tokio::task::spawn_blocking(move || ask())
        .await
        .map_err(|error| Problem::internal(&error))?;
    let told = planned
        .into_iter()
        .filter(|planned| actor.is_told_of(planned, &contents));
    let upcoming = told.map(|planned| Upcoming {
        drill: planned.drill,
        at: planned.at,
    });
    Ok(Json(Schedule {
        upcoming: upcoming.collect(),
    }))
}
