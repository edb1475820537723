//! Whether the process lives, and whether it may be sent work.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::Services;
use crate::http::problem::Problem;

/// It lives.
pub(in crate::http) async fn healthz(State(services): State<Services>) -> Json<Value> {
    Json(json!({"status": "ok", "version": services.version}))
}

/// What an earlier process left is taken up, and runs may start.
pub(in crate::http) async fn readyz(
    State(services): State<Services>,
) -> Result<Json<Value>, Problem> {
    if services.shutdown.is_cancelled() {
        return Err(Problem::unavailable(
            "shutting-down",
            "firedrill is shutting down",
        ));
    }
    if !services.ready.is_set() {
        return Err(Problem::unavailable(
            "recovering",
            "the first recovery pass is not done yet",
        ));
    }
    Ok(Json(json!({"status": "ready"})))
}
