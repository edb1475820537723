//! A run's log: read, followed, and added to by responders.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::runs::{bad_query, limited};
use super::start::malformed;
use crate::engine::event::{ActorKind, Source, Update};
use crate::engine::input::TeamAct;
use crate::http::actor::{self, Actor, Means};
use crate::http::cursor;
use crate::http::events::{Shape, follow, resume_after};
use crate::http::keeper::{Pass, of_run};
use crate::http::problem::{Problem, no_such_run};
use crate::http::reading::{Reading, run_id};
use crate::http::{Services, acting};
use crate::model::access::{Permission, Subject};
use crate::model::ids::RunId;
use crate::model::plan::Plan;
use crate::score::lacking::{Lack, lacking};
use crate::store::runs::ShownEvent;

/// The most events of one answer.
const MOST: u32 = 1000;

/// The kind of this list's cursors.
const LIST: &str = "e";

/// Which part of a log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Part {
    /// Only events after this sequence.
    #[schemars(range(max = u64::MAX))]
    after: Option<u64>,
    /// Where the part before ended: its `next`.
    cursor: Option<String>,
    /// At most so many.
    #[schemars(range(min = 1, max = MOST))]
    limit: Option<u32>,
}

/// A part of a log.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Events")]
pub(in crate::http) struct Page {
    /// Whose log.
    run: RunId,
    /// In the order of the log.
    events: Vec<ShownEvent>,
    /// The cursor of the part that follows; null at the end of what there is.
    next: Option<String>,
}

/// An act that is on disk.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Taken {
    /// In which run's log.
    pub(super) run: RunId,
    /// Up to which sequence.
    pub(super) seq: u64,
    /// What an update lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) lacks: Vec<Lack>,
}

impl Taken {
    /// In this run's log, up to this event.
    pub(super) fn new(run: RunId, seq: u64) -> Self {
        Self {
            run,
            seq,
            lacks: Vec::new(),
        }
    }
}

/// Stored events, or all from here on as a stream where the client accepts one.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    Path(run): Path<String>,
    headers: HeaderMap,
    pass: Pass,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let run = run_id(&run)?;
    let limit = limited(part.limit, MOST, MOST)?;
    let after = match &part.cursor {
        Some(text) => Some(cursor::read(LIST, text)?),
        None => part.after,
    };
    if accepts(&headers, "text/event-stream") {
        // A stream can't say any more that there is no such run.
        services.database.run(&run).await?;
        let after = resume_after(&headers, after);
        return Ok(follow(services, pass, run, after, Shape::Whole).into_response());
    }
    let after = after.unwrap_or(0);
    let mut events = services
        .database
        .events_after(&run, after, limit + 1)
        .await?;
    let more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let next = events.last().filter(|_| more);
    let next = next.map(|event| cursor::after(LIST, &event.seq));
    Ok(Json(Page { run, events, next }).into_response())
}

/// Whether the client asks for this media type by name.
pub(in crate::http) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|kind| {
            kind.split(';')
                .next()
                .is_some_and(|kind| kind.trim() == media_type)
        })
}

/// A responder's act, and whose it is.
#[derive(Debug)]
struct Submission {
    act: TeamAct,
    about: About,
}

/// What is said about an act, beside what it is.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct About {
    /// Who acts.
    actor: Option<String>,
    /// What kind of actor; a person where it is not said.
    kind: Option<ActorKind>,
    /// The sender's own id of it, by which repeats are known.
    source_id: Option<String>,
    /// When it happened, where that is not now.
    event_time: Option<Timestamp>,
    /// Whether that is somebody's estimate.
    #[serde(default)]
    estimated: bool,
}

impl Submission {
    /// Both are in one object: what is about the act is taken out first, so that the act can be strict.
    fn read(mut body: Map<String, Value>) -> Result<Self, Problem> {
        let mut about = Map::new();
        for key in ["actor", "kind", "source_id", "event_time", "estimated"] {
            about.extend(body.remove_entry(key));
        }
        let unfit =
            |error: serde_json::Error| Problem::unprocessable("unfit-act", error.to_string());
        Ok(Self {
            act: serde_json::from_value(Value::Object(body)).map_err(unfit)?,
            about: serde_json::from_value(Value::Object(about)).map_err(unfit)?,
        })
    }
}

/// Takes a responder's act; answers once it is on disk.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(body) = body.map_err(|error| malformed(&error))?;
    let run = run_id(&run)?;
    let Submission { act, about } = Submission::read(body)?;
    // That it is real is anybody's to say, and waits for no database.
    if act != TeamAct::Real {
        let row = services.database.run(&run).await?;
        if row.secret && !actor.sees(&row) {
            return Err(no_such_run(run.as_str()));
        }
        if act.is_for_staff() {
            actor.must(Permission::Operate, &Subject::At(of_run(&row)))?;
        }
    }
    let act = actor::pseudonymous(&services, act).await?;
    let name = actor.acting_as(about.actor.as_deref())?;
    let mut origin = if act == TeamAct::Real {
        actor::person_at_once(&services, Source::Api, &name).await
    } else {
        actor::person(&services, Source::Api, &name).await?
    };
    let unnamed = matches!(actor.means, Means::Token { .. }) && about.actor.is_none();
    origin.kind = about.kind.unwrap_or(if unnamed {
        ActorKind::Automation
    } else {
        ActorKind::Human
    });
    origin.source_id = about.source_id;
    origin.event_time = about.event_time;
    origin.estimated = about.estimated;
    let update = match &act {
        TeamAct::UpdatePosted(update) => Some(update.clone()),
        _ => None,
    };
    let seq = acting::act(&services, &run, act, origin).await?;
    let lacks = match update {
        Some(update) => lacks_of(&services, &run, &update).await?,
        None => Vec::new(),
    };
    Ok((StatusCode::CREATED, Json(Taken { run, seq, lacks })))
}

/// What an update of a run lacks, by the run's runbook.
async fn lacks_of(services: &Services, run: &RunId, update: &Update) -> Result<Vec<Lack>, Problem> {
    let of = |plan: &Plan| {
        let exercise = plan.drill.as_ref();
        exercise.map_or_else(Vec::new, |one| lacking(update, &one.runbook))
    };
    if let Some(handle) = services.supervisor.get(run) {
        return Ok(of(handle.plan()));
    }
    let reading = Reading::of(services, run).await?;
    Ok(reading.state.plan().map_or_else(Vec::new, of))
}
