//! What is wrong in the library's files.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::Services;
use crate::http::catalogue::Finding;
use crate::http::problem::Problem;

/// What a look at every file found.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Checked {
    /// How many files were looked at.
    pub(in crate::http) files: usize,
    /// What is wrong, file by file.
    pub(in crate::http) findings: Vec<Finding>,
}

/// Checks every file, and all against each other.
pub(in crate::http) async fn get(
    State(services): State<Services>,
) -> Result<Json<Checked>, Problem> {
    let library = services.library.clone();
    let (files, findings) = tokio::task::spawn_blocking(move || library.check())
        .await
        .map_err(|error| Problem::internal(&error))?;
    Ok(Json(Checked { files, findings }))
}
