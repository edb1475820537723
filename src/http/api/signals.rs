//! Signals that came in through hooks: which senders can be heard, and what they said.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::runs::bad_query;
use super::start::malformed;
use crate::engine::event::Source;
use crate::engine::input::{self, Input};
use crate::http::Services;
use crate::http::actor::{self, Actor};
use crate::http::hook::deliver;
use crate::http::keeper::of_run;
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::http::view::signals::{said, text};
use crate::model::access::{Permission, Subject};
use crate::model::ids::RunId;
use crate::model::signal::Sender;
use crate::model::time::Stamp;
use crate::runtime::amend::amend;
use crate::score::Report;
use crate::store::runs::ScorecardSummary;
use crate::store::signals::{Signal, Which};

/// The longest reason, in characters.
const LONGEST: usize = 1000;

/// The most signals of one answer.
const MOST: u32 = 500;

/// Which part, and of what.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct Part {
    /// At most so many.
    limit: Option<u32>,
    /// Only those that came before this one: the `next` of the part before.
    before: Option<i64>,
    /// All of them, and not only those that reached no run.
    #[serde(default)]
    all: bool,
}

/// Who can be heard, and a part of what came in, latest first: what reached no run, or all.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let limit = part.limit.unwrap_or(50).clamp(1, MOST);
    let which = if part.all {
        Which::All
    } else {
        Which::Unmatched
    };
    let database = &services.database;
    let mut signals = database.signals(which, part.before, limit + 1).await?;
    let more = signals.len() > limit as usize;
    signals.truncate(limit as usize);
    let heard = database.heard().await?;
    let sources = Sender::ALL.map(|sender| {
        let heard = heard.iter().find(|one| one.source == sender.as_str());
        json!({
            "source": sender,
            "configured": services.senders.knows(sender),
            "last_heard": heard.map(|one| one.last),
            "signals": heard.map_or(0, |one| one.signals),
        })
    });
    let next = signals.last().filter(|_| more).map(|signal| signal.id);
    let signals: Vec<Value> = signals.iter().map(row).collect();
    Ok(Json(
        json!({"sources": sources, "signals": signals, "next": next}),
    ))
}

/// One signal, with its body.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let signal = find(&services, &id).await?;
    let mut value = row(&signal);
    value["body"] = json!(signal.body);
    value["said"] = json!(said(&signal));
    Ok(Json(value))
}

/// A signal by its id, as it stands in an address.
pub(in crate::http) async fn find(services: &Services, id: &str) -> Result<Signal, Problem> {
    let missing = || Problem::missing("no-such-signal", format!("there is no signal `{id}`"));
    let number: i64 = id.parse().map_err(|_| missing())?;
    services.database.signal(number).await?.ok_or_else(missing)
}

/// Which run a signal belongs to, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Attachment {
    pub(in crate::http) run: String,
    pub(in crate::http) reason: String,
}

/// Attaches a signal to a run that is over; its score is made anew, beside what it was.
pub(in crate::http) async fn attach(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
    wanted: Result<Json<Attachment>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let (run, seq) = attach_to(&services, &actor, Source::Api, &id, &wanted).await?;
    Ok((StatusCode::CREATED, Json(json!({"run": run, "seq": seq}))))
}

/// Attaches a signal on somebody's word. Answers with the run and the event that says so.
pub(in crate::http) async fn attach_to(
    services: &Services,
    actor: &Actor,
    source: Source,
    id: &str,
    wanted: &Attachment,
) -> Result<(RunId, u64), Problem> {
    let signal = find(services, id).await?;
    let run = run_id(wanted.run.trim())?;
    let row = services.database.run(&run).await?;
    actor.must(Permission::Operate, &Subject::At(of_run(&row)))?;
    let taken = signal.run.as_deref().or(signal.attached.as_deref());
    if taken.is_some_and(|taken| taken != run.as_str()) || signal.run.is_some() {
        return Err(Problem::conflict(
            "signal-taken",
            format!("run {} has this signal already", taken.unwrap_or_default()),
        ));
    }
    let unread = || Problem::unprocessable("not-attachable", "an earlier version kept it unread");
    let told = said(&signal).ok_or_else(unread)?;
    let sender = Sender::ALL
        .into_iter()
        .find(|one| one.as_str() == signal.source)
        .ok_or_else(unread)?;
    let now = services.now();
    let attachment = input::Attachment {
        signal: signal.id,
        received: signal.stamp.unwrap_or(Stamp {
            wall: signal.received,
            mono_ns: 0,
            epoch: now.epoch,
        }),
        told: deliver::origin(services, sender, &told).await?,
        said: deliver::said(&told)?,
        reason: wanted.reason.trim().chars().take(LONGEST).collect(),
    };
    let input = Input::Attach {
        attachment: Box::new(attachment),
        origin: actor::person(services, source, &actor.name).await?,
    };
    let seq = amend(&services.supervisor, &run, input).await?;
    services.database.attach_signal(signal.id, &run).await?;
    let reading = Reading::of(services, &run).await?;
    if let Some(report) = &reading.report {
        save(services, &run, report).await?;
    }
    Ok((run, seq))
}

/// A drill's score in a few figures.
fn summary(report: &Report) -> Option<ScorecardSummary> {
    let score = &report.scorecard.as_ref()?.score;
    let overall = report.overall.as_ref();
    Some(ScorecardSummary {
        rubric: report.rubric.to_string(),
        rating: score.rating.map(|rating| rating.as_str().to_owned()),
        outcome: score.outcome,
        observed: score.observed,
        pass: overall.map(|overall| overall.exit_code == 0),
    })
}

/// Keeps the score as it is now in place of what it was; the report says both.
async fn save(services: &Services, run: &RunId, report: &Report) -> Result<(), Problem> {
    let Some(summary) = summary(report) else {
        return Ok(());
    };
    let json = serde_json::to_string(report).map_err(|error| Problem::internal(&error))?;
    services
        .database
        .save_scorecard(run, &summary, &json)
        .await?;
    Ok(())
}

fn row(signal: &Signal) -> Value {
    json!({
        "id": signal.id,
        "source": signal.source,
        "received": signal.received,
        "event_time": said(signal).and_then(|said| said.event_time),
        "repeats": signal.repeats,
        "text": text(signal),
        "run": signal.run,
        "attached": signal.attached,
    })
}
