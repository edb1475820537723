//! A run's scorecard, as JSON, Markdown or text.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::log::accepts;
use crate::http::Services;
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::http::tagged;
use crate::score::Report;
use crate::score::report::{markdown, text};

/// A report, as far as its run has come.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Judged<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// Whether the run goes on, so that this may change.
    provisional: bool,
}

/// The scorecard in the form that the client asks for. That of a run which goes on says so.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let reading = Reading::of(&services, &run_id(&run)?).await?;
    let live = reading.is_live();
    let report = reading.report.as_ref().ok_or_else(|| {
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
    let (media_type, body) = if accepts(&headers, "text/markdown") {
        let body = format!("{note}{}", markdown::render(report));
        ("text/markdown; charset=utf-8", body)
    } else if accepts(&headers, "text/plain") {
        let body = format!("{note}{}", text::render(report));
        ("text/plain; charset=utf-8", body)
    } else {
        let judged = Judged {
            report,
            provisional: live,
        };
        let body = serde_json::to_string(&judged).map_err(|error| Problem::internal(&error))?;
        ("application/json", body)
    };
    let mut response = if live {
        ([(header::CONTENT_TYPE, media_type)], body).into_response()
    } else {
        tagged::answer(&headers, media_type, body)
    };
    // Which form it is depends on what was asked for.
    let fields = response.headers_mut();
    fields.insert(header::VARY, header::HeaderValue::from_static("accept"));
    Ok(response)
}
