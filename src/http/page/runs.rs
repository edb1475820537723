//! All runs.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::runs::bad_query;
use crate::http::problem::Problem;
use crate::http::reading::run_id;
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::run_line::RunLine;
use crate::http::view::run_list::RunList;

/// Runs on one page.
const PART: u32 = 50;

/// Where a page begins.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Part {
    before: Option<String>,
}

/// A part of the list, latest first.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let before = part.before.as_deref().map(run_id).transpose()?;
    let mut rows = services
        .database
        .recent_runs(PART + 1, before.as_ref())
        .await?;
    let more = rows.len() > PART as usize;
    rows.truncate(PART as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id.to_string());
    rows.retain(|row| actor.sees(row));
    render(&RunList {
        layout: Layout::new(&services, "Runs", "runs", &actor).await?,
        next,
        runs: rows.iter().map(RunLine::from).collect(),
        further: before.is_some(),
    })
}
