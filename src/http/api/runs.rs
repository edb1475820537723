//! Runs: the list, one of them, and the halt.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::start::malformed;
use crate::engine::event::{Source, StopCause};
use crate::http::Services;
use crate::http::actor::{self, Actor};
use crate::http::problem::Problem;
use crate::http::reading::{Reading, driven, run_id};
use crate::runtime::RunStatus;

/// The most rows of one answer.
const MOST: u32 = 500;

/// Which part of a list.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Part {
    limit: Option<u32>,
    before: Option<String>,
}

/// The latest runs, a part at a time.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let limit = part.limit.unwrap_or(50).clamp(1, MOST);
    let before = part.before.as_deref().map(run_id).transpose()?;
    let mut rows = services
        .database
        .recent_runs(limit + 1, before.as_ref())
        .await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id.clone());
    rows.retain(|row| actor.sees(row));
    Ok(Json(json!({"runs": rows, "next": next})))
}

/// One run: its row, where it stands, and its times so far.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    Path(run): Path<String>,
) -> Result<Json<Value>, Problem> {
    let reading = Reading::of(&services, &run_id(&run)?).await?;
    let mut value =
        serde_json::to_value(&reading.row).map_err(|error| Problem::internal(&error))?;
    value["live"] = json!(reading.is_live());
    value["status"] = reading.status.as_ref().map_or(Value::Null, status);
    value["measures"] = json!(reading.report.as_ref().map(|report| &report.measures));
    value["reasons"] = json!(reading.state.verdict().map(|(_, reasons)| reasons));
    value["stop"] = json!(reading.state.stop());
    Ok(Json(value))
}

fn status(status: &RunStatus) -> Value {
    match status {
        RunStatus::Live { phase } => json!({"state": "live", "phase": phase}),
        RunStatus::Stuck { what } => {
            let what: Vec<Value> = what
                .iter()
                .map(|(injection, error)| json!({"injection": injection, "error": error}))
                .collect();
            json!({"state": "stuck", "what": what})
        }
        RunStatus::Ended {
            verdict,
            unrecorded,
            ..
        } => {
            json!({"state": "ended", "verdict": verdict, "unrecorded": unrecorded})
        }
    }
}

/// Why a run shall be halted, and by whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Halt {
    reason: String,
    actor: Option<String>,
}

/// Halts a run. Everything it did is undone; the answer does not wait for that.
pub(in crate::http) async fn halt(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    halt: Result<Json<Halt>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(halt) = halt.map_err(|error| malformed(&error))?;
    let name = actor.acting_as(halt.actor.as_deref())?;
    stop(&services, &run, &halt.reason, Source::Api, &name).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"status": "halting"}))))
}

/// Stops a run on a person's word.
pub(in crate::http) async fn stop(
    services: &Services,
    run: &str,
    reason: &str,
    source: Source,
    name: &str,
) -> Result<(), Problem> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Problem::unprocessable("empty-text", "the reason is empty"));
    }
    let handle = driven(services, &run_id(run)?).await?;
    let origin = actor::person_at_once(services, source, name).await;
    let cause = StopCause::Halt {
        reason: reason.to_owned(),
    };
    handle.stop(cause, origin).await;
    Ok(())
}

/// A query that does not read.
pub(in crate::http) fn bad_query(error: &QueryRejection) -> Problem {
    Problem::bad("bad-query", error.body_text())
}
