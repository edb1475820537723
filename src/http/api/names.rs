//! Who is behind the pseudonyms of a run's log.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::Services;
use crate::http::actor;
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};

/// Who acted in a run.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct People {
    /// Names by pseudonym. One that was forgotten is not there.
    people: BTreeMap<String, String>,
}

/// The names behind a run's pseudonyms, as far as they are known.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    Path(run): Path<String>,
) -> Result<Json<People>, Problem> {
    let reading = Reading::of(&services, &run_id(&run)?).await?;
    let people = actor::names(&services, &reading.events).await?;
    Ok(Json(People { people }))
}
