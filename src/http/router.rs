//! The table of contents: every address, and who answers it.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::api::{halt as lever, health, library, log, metrics, runs, scorecard, start};
use super::guard::{LARGEST_BODY, guard};
use super::hook::alertmanager;
use super::page::{
    act, explain, halt, identity, overview, room, scorecard as card, start as begin,
};
use super::problem::Problem;
use super::{Services, assets, page};

/// Everything the server answers.
pub fn router(services: Services) -> Router {
    Router::new()
        .merge(operations())
        .merge(pages(&services))
        .nest("/api/v1", api())
        .route("/hooks/alertmanager", post(alertmanager::post))
        .route("/static/{*path}", get(assets::get))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(services.clone(), guard))
        .with_state(services)
}

fn pages(services: &Services) -> Router<Services> {
    Router::new()
        .route("/", get(overview::get))
        .route("/start", post(begin::post))
        .route("/name", post(identity::post))
        .route("/halt", post(halt::everything))
        .route("/halt/lift", post(halt::lift))
        .route("/runs", get(page::runs::get))
        .route("/runs/{run}", get(room::get))
        .route("/runs/{run}/changes", get(room::changes))
        .route("/runs/{run}/acts", post(act::post))
        .route("/runs/{run}/halt", post(halt::run))
        .route("/runs/{run}/real", post(halt::real))
        .route("/runs/{run}/scorecard", get(card::get))
        .fallback(page::missing)
        .layer(from_fn_with_state(services.clone(), explain))
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
        .route(
            "/halt",
            get(lever::get).post(lever::post).delete(lever::delete),
        )
        .fallback(missing)
}

async fn missing(uri: Uri) -> Problem {
    Problem::missing(
        "no-such-address",
        format!("there is nothing at `{}`", uri.path()),
    )
}
