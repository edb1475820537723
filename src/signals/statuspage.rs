//! Statuspage's webhook, which others imitate: an incident with all its updates so far, newest first, or a component.
//!
//! It signs nothing and can set no header, so that the token is in its address. Every message repeats the incident's
//! earlier updates: each is one by its id, and one that was missed comes with the next. The page does not say who wrote
//! them.

use serde_json::Value;

use super::fields::{self, bounded, instant, needed, text};
use super::{Arrival, Message, Refusal, Signal, What};
use crate::engine::event::ActorKind;

const WHAT: &str = "status page's message";

/// The most updates of one message: a page shows fewer.
const MOST: usize = 200;

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Message, Refusal> {
    let message = fields::json(arrival.body, WHAT)?;
    let page = needed(&message, "/page/id", WHAT)?;
    if let Some(incident) = message.get("incident") {
        return posts(&message, page, incident);
    }
    if message.get("component_update").is_some() {
        let id = text(&message, "/component_update/id");
        let id = id.or(text(&message, "/component_update/created_at"));
        let component = text(&message, "/component/name").unwrap_or("a component");
        let status = text(&message, "/component_update/new_status").unwrap_or("?");
        return Ok(Message {
            signals: vec![Signal {
                identity: format!(
                    "component/{}",
                    id.map_or_else(|| super::proof::digest(arrival.body), str::to_owned)
                ),
                thread: None,
                event_time: instant(&message, "/component_update/created_at"),
                since: None,
                kind: ActorKind::Unknown,
                person: None,
                what: What::Other {
                    text: format!("{component} is {status} on page {page}"),
                },
                part: None,
            }],
            truncated: 0,
        });
    }
    Err(Refusal::Malformed(format!(
        "this is no {WHAT}: it holds neither `incident` nor `component_update`"
    )))
}

fn posts(message: &Value, page: &str, incident: &Value) -> Result<Message, Refusal> {
    let id = needed(message, "/incident/id", WHAT)?;
    let updates = incident.get("incident_updates").and_then(Value::as_array);
    let Some(updates) = updates else {
        return Err(Refusal::Malformed(format!(
            "this is no {WHAT}: `incident.incident_updates` is no list"
        )));
    };
    let began = instant(incident, "/created_at");
    let alone = updates.len() == 1;
    let truncated = u64::try_from(updates.len().saturating_sub(MOST)).unwrap_or(u64::MAX);
    // Oldest first, as they happened.
    let mut signals = Vec::new();
    for update in updates.iter().take(MOST).rev() {
        let own = needed(update, "/id", WHAT)?;
        signals.push(Signal {
            identity: format!("{page}/{id}/{own}"),
            thread: Some(format!("{page}/{id}")),
            event_time: instant(update, "/created_at"),
            since: began,
            kind: ActorKind::Unknown,
            person: None,
            what: What::Post {
                page: page.to_owned(),
                status: text(update, "/status").unwrap_or_default().to_lowercase(),
                text: bounded(text(update, "/body").unwrap_or_default()),
            },
            part: (!alone).then(|| update.to_string().into_bytes()),
        });
    }
    Ok(Message { signals, truncated })
}
