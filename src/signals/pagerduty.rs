//! PagerDuty's webhooks, version 3: one event a message, signed, sent again for two days until it is answered.
//!
//! A page is `incident.triggered`. What people do with the incident is theirs only where the event's agent is a user:
//! without one it was a rule, a schedule or an integration.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::fields::{self, bounded, instant, needed, text};
use super::{Arrival, Message, Person, Refusal, Signal, What, proof};
use crate::engine::event::{ActorKind, Update};
use crate::engine::input::TeamAct;
use crate::model::drill::Severity;
use crate::model::runbook::Audience;
use crate::model::signal::Secret;
use crate::model::team::Role;

const WHAT: &str = "PagerDuty event";

/// Where its updates are read.
const CHANNEL: &str = "pagerduty";

pub(super) fn prove(secrets: &[Secret], arrival: &Arrival<'_>) -> Result<(), Refusal> {
    let header = arrival.headers.get("x-pagerduty-signature");
    let header = header.ok_or(Refusal::Unproven("the signature is missing"))?;
    let signatures = header
        .split(',')
        .filter_map(|one| one.trim().strip_prefix("v1="));
    if proof::is_signed(secrets, &[arrival.body], signatures) {
        Ok(())
    } else {
        Err(Refusal::Unproven("no signature is right"))
    }
}

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Message, Refusal> {
    let message = fields::json(arrival.body, WHAT)?;
    let event = message.get("event").unwrap_or(&Value::Null);
    let id = needed(&message, "/event/id", WHAT)?;
    let kind = needed(&message, "/event/event_type", WHAT)?;
    let happened = instant(event, "/occurred_at");
    let person = person(event);
    let incident = incident(event);
    // An event that two subscriptions send is one event, whatever the deliveries' headers say.
    let identity = fields::short(id);
    let data = event.get("data").unwrap_or(&Value::Null);
    let labels = labels(data);
    let what = match kind.strip_prefix("incident.") {
        Some("triggered") => What::Alert {
            firing: true,
            fingerprint: incident.clone().unwrap_or_else(|| id.to_owned()),
            starts_at: happened.unwrap_or(arrival.received),
            labels,
        },
        Some(what) => match act(what, data) {
            Some(act) => What::Act {
                act: of(person.as_ref(), act, what),
                labels,
            },
            None => other(kind),
        },
        None => other(kind),
    };
    Ok(Message {
        signals: vec![Signal {
            identity,
            thread: incident,
            event_time: happened,
            since: began(data),
            kind: if person.is_some() {
                ActorKind::Human
            } else {
                ActorKind::Automation
            },
            person,
            what,
            part: None,
        }],
        truncated: 0,
    })
}

fn other(kind: &str) -> What {
    What::Other {
        text: fields::short(kind),
    }
}

/// What nobody did is only noted: a rule's resolution is not the team's word. An acknowledgement stays one, and shows as
/// automation's.
fn of(person: Option<&Person>, act: TeamAct, what: &str) -> TeamAct {
    match act {
        TeamAct::Acknowledged | TeamAct::Noted { .. } => act,
        _ if person.is_none() => TeamAct::Noted {
            text: format!("{} by automation", what.replace(['_', '.'], " ")),
        },
        _ => act,
    }
}

/// The user who did it, where one did.
fn person(event: &Value) -> Option<Person> {
    let kind = text(event, "/agent/type")?;
    if !matches!(kind, "user_reference" | "user") {
        return None;
    }
    let id = text(event, "/agent/id")?;
    Some(Person {
        id: id.to_owned(),
        name: text(event, "/agent/summary").unwrap_or(id).to_owned(),
    })
}

/// The incident that it is about: the data itself, or what a note or an update refers to.
fn incident(event: &Value) -> Option<String> {
    let own = (text(event, "/data/type") == Some("incident"))
        .then(|| text(event, "/data/id"))
        .flatten();
    own.or(text(event, "/data/incident/id")).map(str::to_owned)
}

/// When the incident began. PagerDuty says it to the second: the end of that second is what it can't be later than.
fn began(data: &Value) -> Option<Timestamp> {
    let began = instant(data, "/created_at")?;
    if began.subsec_nanosecond() == 0 {
        began.checked_add(SignedDuration::from_millis(999)).ok()
    } else {
        Some(began)
    }
}

/// What drills know an incident by.
fn labels(data: &Value) -> BTreeMap<String, String> {
    [
        ("service", "/service/id"),
        ("service_name", "/service/summary"),
        ("title", "/title"),
        ("urgency", "/urgency"),
        ("priority", "/priority/summary"),
    ]
    .into_iter()
    .filter_map(|(name, pointer)| Some((name.to_owned(), bounded(text(data, pointer)?))))
    .collect()
}

/// What it is in a drill. What a drill has no word for is a note.
fn act(what: &str, data: &Value) -> Option<TeamAct> {
    let names = |pointer: &str| {
        let list = data.pointer(pointer).and_then(Value::as_array);
        let names: Vec<&str> = list
            .into_iter()
            .flatten()
            .filter_map(|one| text(one, "/summary"))
            .collect();
        names.join(", ")
    };
    let noted = |note: String| {
        Some(TeamAct::Noted {
            text: bounded(&note),
        })
    };
    match what {
        "acknowledged" => Some(TeamAct::Acknowledged),
        "resolved" => Some(TeamAct::Resolved),
        "priority_updated" => match severity(text(data, "/priority/summary").unwrap_or_default()) {
            Some(severity) => Some(TeamAct::Declared { severity }),
            None => noted(format!(
                "priority: {}",
                text(data, "/priority/summary").unwrap_or("none")
            )),
        },
        "role.assigned" => match role(data) {
            Some(role) => Some(TeamAct::RoleTaken { role, to: None }),
            None => noted(format!(
                "role: {}",
                text(data, "/role/summary")
                    .or(text(data, "/role/name"))
                    .unwrap_or("unnamed")
            )),
        },
        "status_update_published" => Some(TeamAct::UpdatePosted(Update {
            audience: Audience::Internal,
            channels: vec![CHANNEL.to_owned()],
            text: bounded(text(data, "/message")?),
            stage: None,
            next_update_at: None,
            estimated_recovery: None,
        })),
        "annotated" => noted(text(data, "/content")?.to_owned()),
        "escalated" => noted(format!("escalated to {}", names("/assignees"))),
        "delegated" => noted(format!(
            "delegated to {}",
            text(data, "/escalation_policy/summary").unwrap_or("another policy")
        )),
        "reassigned" => noted(format!("reassigned to {}", names("/assignees"))),
        "unacknowledged" => noted("the acknowledgement lapsed".to_owned()),
        "reopened" => noted("reopened".to_owned()),
        "responder.added" => noted(format!(
            "asked {} to help",
            text(data, "/user/summary")
                .or(text(data, "/escalation_policy/summary"))
                .unwrap_or("somebody")
        )),
        "responder.replied" => noted(format!(
            "answered a call for help: {}",
            text(data, "/state").unwrap_or("?")
        )),
        _ => None,
    }
}

/// `P1` to `P5`, `SEV1` or `SEV-1` to 5; the lower, the worse.
fn severity(priority: &str) -> Option<Severity> {
    let name = priority.trim().to_ascii_uppercase();
    let number = name.strip_prefix("SEV").or(name.strip_prefix('P'))?;
    let number: usize = number.trim_start_matches('-').trim().parse().ok()?;
    Severity::ALL.get(number.checked_sub(1)?).copied()
}

/// The role of this name, be it written in words or as an id.
fn role(data: &Value) -> Option<Role> {
    let name = text(data, "/role/summary").or(text(data, "/role/name"))?;
    let name = name.trim().to_lowercase().replace([' ', '-'], "_");
    let also = match name.as_str() {
        "scribe_lead" => "scribe",
        "customer_liaison" | "communications_lead" | "internal_liaison" => "communications",
        "subject_matter_expert" => "subject_expert",
        other => other,
    };
    Role::ALL.into_iter().find(|role| role.as_str() == also)
}
