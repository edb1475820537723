//! The table of contents: every address, and who answers it.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::api::{health, library, log, metrics, runs, scorecard, start};
use super::guard::{LARGEST_BODY, guard};
use super::hook::alertmanager;
use super::problem::Problem;
use super::{Services, assets};

/// Everything the server answers.
pub fn router(services: Services) -> Router {
    Router::new()
        .merge(operations())
        .nest("/api/v1", api())
        .route("/hooks/alertmanager", post(alertmanager::post))
        .route("/static/{*path}", get(assets::get))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(services.clone(), guard))
        .with_state(services)
}

fn operations() -> Router<Services> {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::get))
}

fn api() -> Router<Services> {
    Router::new()
        .route("/stacks", get(library::stacks))
        .route("/stacks/{name}", get(library::stack))
        .route("/experiments", get(library::experiments))
        .route("/experiments/{name}", get(library::experiment))
        .route("/drills", get(library::drills))
        .route("/drills/{name}", get(library::drill))
        .route("/runs", get(runs::list).post(start::post))
        .route("/runs/{run}", get(runs::get))
        .route("/runs/{run}/events", get(log::get).post(log::post))
        .route("/runs/{run}/scorecard", get(scorecard::get))
        .route("/runs/{run}/halt", post(runs::halt))
        .fallback(missing)
}

async fn missing(uri: Uri) -> Problem {
    Problem::missing(
        "no-such-address",
        format!("there is nothing at `{}`", uri.path()),
    )
}
