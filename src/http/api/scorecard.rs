//! A run's scorecard, as JSON, Markdown or text.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::log::accepts;
use crate::http::Services;
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::score::report::{markdown, text};

/// The scorecard in the form that the client asks for. That of a run which goes on says so.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let reading = Reading::of(&services, &run_id(&run)?).await?;
    let live = reading.is_live();
    let report = reading.report.ok_or_else(|| {
        Problem::missing(
            "no-scorecard",
            "the run's log can't be judged: its first event was erased",
        )
    })?;
    let note = if live {
        "Provisional: the run goes on.\n\n"
    } else {
        ""
    };
    if accepts(&headers, "text/markdown") {
        let body = format!("{note}{}", markdown::render(&report));
        return Ok((
            [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")],
            body,
        )
            .into_response());
    }
    if accepts(&headers, "text/plain") {
        let body = format!("{note}{}", text::render(&report));
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response());
    }
    let mut value = serde_json::to_value(&report).map_err(|error| Problem::internal(&error))?;
    value["provisional"] = json!(live);
    Ok(Json(value).into_response())
}
