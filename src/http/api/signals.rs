//! Signals that came in through hooks: which senders can be heard, and what they said.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::runs::bad_query;
use crate::http::Services;
use crate::http::problem::Problem;
use crate::http::view::signals::{said, text};
use crate::model::signal::Sender;
use crate::store::signals::{Signal, Which};

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
