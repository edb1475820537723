//! Runs: the list, one of them, what of them is stuck, and the halt.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::start::malformed;
use crate::engine::event::{Phase, Source, StopCause, Verdict};
use crate::http::Services;
use crate::http::actor::{self, Actor};
use crate::http::keeper::of_run;
use crate::http::problem::Problem;
use crate::http::reading::{Reading, driven, run_id};
use crate::http::view::sight;
use crate::http::{cursor, tagged};
use crate::model::access::{Permission, Subject};
use crate::model::ids::{InjectionId, RunId};
use crate::runtime::RunStatus;
use crate::score::measures::Measures;
use crate::store::runs::{RunKind, RunRow, StuckRun};

/// The most rows of one answer, and how many there are where nobody says.
const MOST: u32 = 500;
const USUAL: u32 = 50;

/// The kind of this list's cursors.
const LIST: &str = "r";

/// Which part of a list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Part {
    /// At most so many.
    #[schemars(range(min = 1, max = MOST))]
    limit: Option<u32>,
    /// Where the part before ended: its `next`.
    cursor: Option<String>,
}

/// How many rows are asked for.
pub(in crate::http) fn limited(limit: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::bad(
        "bad-query",
        format!("`limit` is a number from 1 to {most}"),
    ))
}

/// A part of the list of runs.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Runs {
    /// Latest first.
    runs: Vec<RunRow>,
    /// The cursor of the part that follows; null at the end.
    next: Option<String>,
}

/// One run.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Run {
    #[serde(flatten)]
    row: RunRow,
    /// Whether it goes on.
    live: bool,
    /// Where it stands in this process, where it is driven here.
    status: Option<Status>,
    /// Its times so far; null where its first event was erased.
    measures: Option<Measures>,
    /// Why it ended as it did; null while it goes on.
    reasons: Option<Vec<String>>,
    /// Why it stops before its end.
    stop: Option<StopCause>,
}

/// Where a run stands.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Status {
    /// It goes on.
    Live {
        /// In this phase.
        phase: Phase,
    },
    /// Something can't be undone; it is still tried.
    Stuck {
        /// Each thing.
        what: Vec<Left>,
    },
    /// It is over.
    Ended {
        /// The stack's side.
        verdict: Verdict,
        /// Why its log is not whole, where it is not.
        unrecorded: Option<String>,
    },
}

/// What is left of a run.
#[derive(Debug, Serialize, JsonSchema)]
struct Left {
    injection: InjectionId,
    error: String,
}

/// What could not be undone.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Stuck {
    /// Oldest first.
    stuck: Vec<StuckRun>,
}

/// A run that is being halted.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Halting {
    /// `halting`.
    status: &'static str,
}

/// The latest runs, a part at a time.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Runs>, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let limit = limited(part.limit, USUAL, MOST)?;
    let before: Option<RunId> = part
        .cursor
        .as_deref()
        .map(|text| cursor::read(LIST, text))
        .transpose()?;
    let mut rows = services
        .database
        .recent_runs(limit + 1, before.as_ref())
        .await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more);
    let next = next.map(|row| cursor::after(LIST, &row.id));
    rows.retain(|row| actor.sees(row));
    for row in &mut rows {
        // Whoever is drilled is not told that faults are being undone.
        let drilled = row.kind == RunKind::Drill && row.ended.is_none();
        let knows = !drilled || actor.may(Permission::SeeAnswers, &Subject::At(of_run(row)));
        row.phase = sight::phase(row.phase, knows);
    }
    Ok(Json(Runs { runs: rows, next }))
}

/// One run: its row, where it stands, and its times so far.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let reading = Reading::of(&services, &run_id(&run)?).await?;
    let live = reading.is_live();
    let run = Run {
        live,
        status: reading.status.clone().map(Status::from),
        measures: reading
            .report
            .as_ref()
            .map(|report| report.measures.clone()),
        reasons: reading.state.verdict().map(|(_, reasons)| reasons.to_vec()),
        stop: reading.state.stop().cloned(),
        row: reading.row,
    };
    // A run that goes on says something else each time, and a process that drives one more than its log.
    if live || run.status.is_some() {
        return Ok(Json(run).into_response());
    }
    tagged::json(&headers, &run)
}

/// What of all runs could not be undone.
pub(in crate::http) async fn stuck(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Json<Stuck>, Problem> {
    let mut stuck = services.database.stuck_runs().await?;
    stuck.retain(|stuck| actor.sees(&stuck.run));
    Ok(Json(Stuck { stuck }))
}

impl From<RunStatus> for Status {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Live { phase } => Self::Live { phase },
            RunStatus::Stuck { what } => {
                let what = what.into_iter();
                let what = what.map(|(injection, error)| Left { injection, error });
                Self::Stuck {
                    what: what.collect(),
                }
            }
            RunStatus::Ended {
                verdict,
                unrecorded,
                ..
            } => Self::Ended {
                verdict,
                unrecorded,
            },
        }
    }
}

/// Why a run shall be halted, and by whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Halt {
    /// In words that the log keeps.
    #[schemars(length(min = 1))]
    reason: String,
    /// Who halts.
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
    let halting = Halting { status: "halting" };
    Ok((StatusCode::ACCEPTED, Json(halting)))
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
