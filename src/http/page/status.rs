//! The sandbox status page of a run, and its banner for a product that shows it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse};

use crate::http::Services;
use crate::http::problem::{Problem, no_such_run};
use crate::http::reading::{Reading, run_id};
use crate::http::templates::render;
use crate::http::view::status::{Banner, Status};

/// The page.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    Path(run): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let reading = read(&services, &run).await?;
    let page: Html<String> = render(&Status::new(&reading.state, services.now().wall))?;
    // Whoever runs a search engine shall not take it for real either.
    Ok((
        [(header::HeaderName::from_static("x-robots-tag"), "noindex")],
        page,
    ))
}

/// The banner alone.
pub(in crate::http) async fn banner(
    State(services): State<Services>,
    Path(run): Path<String>,
) -> Result<Json<Banner>, Problem> {
    let reading = read(&services, &run).await?;
    Ok(Json(Banner::of(&reading.state)))
}

/// Experiments have no status page: nobody is told anything.
async fn read(services: &Services, run: &str) -> Result<Reading, Problem> {
    let reading = Reading::of(services, &run_id(run)?).await?;
    // Whose drill is a secret learns of it by nothing, this page included.
    if reading.row.secret {
        return Err(no_such_run(run));
    }
    let drilled = reading
        .state
        .plan()
        .is_some_and(|plan| plan.drill.is_some());
    if drilled {
        return Ok(reading);
    }
    Err(Problem::missing(
        "no-status-page",
        "this run is an experiment: it has no status page",
    ))
}
