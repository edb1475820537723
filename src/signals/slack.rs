//! Slack's slash command: what somebody types, as the act that the room's form would be.
//!
//! `/drill [run=ID] WORD …`. It is signed together with its time, and one is known by its `trigger_id`.

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fields::bounded;
use super::{Arrival, Message, Person, Refusal, Signal, What, proof};
use crate::engine::event::{ActorKind, Update};
use crate::engine::input::TeamAct;
use crate::model::runbook::Audience;
use crate::model::signal::Secret;
use crate::model::team::Seat;
use crate::model::time::Millis;

/// Fields that are secrets or grant something, which are not kept.
const SECRET: [&str; 2] = ["token", "response_url"];

/// The largest body: far more than anybody types, so that reading one takes no time.
const LARGEST: usize = 64 << 10;

/// What can be typed.
pub const USAGE: &str = "\
join, detected SERVICE SYMPTOM, ack, declare SEV1, role ROLE [to=NAME], escalate WHO [WHY], cause STEP, remedy REMEDY, \
approve REMEDY, did TEXT, note TEXT, reply [MESSAGE] TEXT, step NUMBER [undo], nothing WHY, resolved, real (everything is undone and nothing is scored), \
update [customers|internal|regulator] [on=status_page,telegram] [next=20m] [recovery=10m-30m] TEXT; \
with several drills, run=ID comes first";

pub(super) fn prove(secrets: &[Secret], arrival: &Arrival<'_>) -> Result<(), Refusal> {
    let missing = Refusal::Unproven("the signature or its time is missing");
    let time = arrival.headers.get("x-slack-request-timestamp");
    let signature = arrival.headers.get("x-slack-signature");
    let (Some(time), Some(signature)) = (time, signature) else {
        return Err(missing);
    };
    let signatures = signature.trim().strip_prefix("v0=").into_iter();
    let pieces: [&[u8]; 4] = [b"v0:", time.as_bytes(), b":", arrival.body];
    if !proof::is_signed(secrets, &pieces, signatures) {
        return Err(Refusal::Unproven("the signature is wrong"));
    }
    if !proof::is_fresh(time, arrival.received) {
        return Err(Refusal::Unproven(
            "the signature's time is more than 300 s from now",
        ));
    }
    Ok(())
}

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Message, Refusal> {
    if arrival.body.len() > LARGEST {
        return Err(Refusal::Malformed(format!(
            "this is no slash command: it has more than {LARGEST} bytes"
        )));
    }
    let fields = form(arrival.body);
    let field = |name: &str| {
        let found = fields.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    let needed = |name: &str| {
        field(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                Refusal::Malformed(format!("this is no slash command: `{name}` is missing"))
            })
    };
    let (trigger, user) = (needed("trigger_id")?, needed("user_id")?);
    let (run, what) = command(field("text").unwrap_or_default(), arrival.received);
    let what = match what {
        Ok(act) => What::Command { run, act },
        Err(answer) => What::Unclear { answer },
    };
    Ok(Message {
        signals: vec![Signal {
            identity: trigger.to_owned(),
            thread: None,
            event_time: None,
            since: None,
            kind: ActorKind::Human,
            person: Some(Person {
                id: user.to_owned(),
                name: field("user_name").unwrap_or(user).to_owned(),
            }),
            what,
            part: Some(without_secrets(arrival.body)),
        }],
        truncated: 0,
    })
}

/// The body without the fields that nobody shall find at rest.
fn without_secrets(body: &[u8]) -> Vec<u8> {
    let kept: Vec<&[u8]> = body
        .split(|byte| *byte == b'&')
        .filter(|pair| {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
            !SECRET.contains(&decoded(name).as_str())
        })
        .collect();
    kept.join(&b'&')
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    body.split(|byte| *byte == b'&')
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decoded(halves.next().unwrap_or_default());
            (half(), half())
        })
        .collect()
}

fn decoded(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%')
            .then(|| tail.get(..2).and_then(|two| std::str::from_utf8(two).ok()))
            .flatten()
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(match (code, *first) {
            (Some(code), _) => code,
            (None, b'+') => b' ',
            (None, other) => other,
        });
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a command's text asks for, and of which run; else what to answer.
pub(super) fn command(text: &str, now: Timestamp) -> (Option<String>, Result<TeamAct, String>) {
    let (first, rest) = word(text);
    if let Some(run) = first.strip_prefix("run=") {
        return (Some(run.chars().take(80).collect()), act(rest, now));
    }
    (None, act(text, now))
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

fn act(text: &str, now: Timestamp) -> Result<TeamAct, String> {
    let (verb, rest) = word(text);
    let said = |what: &str| {
        let text = bounded(rest);
        if text.is_empty() {
            Err(format!("say {what}: {verb} {}", what.to_uppercase()))
        } else {
            Ok(text)
        }
    };
    Ok(match verb.to_lowercase().as_str() {
        "detected" => {
            let (service, symptom) = word(rest);
            if symptom.is_empty() {
                return Err("name a service and how it shows: detected SERVICE SYMPTOM".to_owned());
            }
            TeamAct::Detected {
                service: parsed("service", service)?,
                symptom: bounded(symptom),
            }
        }
        "ack" | "acknowledge" | "acknowledged" => TeamAct::Acknowledged,
        "declare" | "declared" => TeamAct::Declared {
            severity: parsed("severity", &rest.to_uppercase().replace('-', ""))?,
        },
        "role" => {
            let (role, to) = match rest.split_once("to=") {
                Some((role, to)) => (role.trim(), Some(bounded(to.trim()))),
                None => (rest, None),
            };
            TeamAct::RoleTaken {
                role: parsed("role", &role.to_lowercase().replace([' ', '-'], "_"))?,
                to: to.filter(|to| !to.is_empty()),
            }
        }
        "join" | "here" => TeamAct::Joined {
            seat: Seat::Responder,
        },
        "escalate" => {
            let (to, why) = word(rest);
            if to.is_empty() {
                return Err("say whom to call: escalate WHO [WHY]".to_owned());
            }
            TeamAct::Escalated {
                to: bounded(to),
                reason: Some(bounded(why)).filter(|why| !why.is_empty()),
            }
        }
        "reply" => {
            let (first, after) = word(rest);
            // People count messages from 1.
            let message = first
                .parse::<usize>()
                .ok()
                .and_then(|nth| nth.checked_sub(1));
            let text = bounded(if message.is_some() { after } else { rest });
            if text.is_empty() {
                return Err("say the reply: reply [MESSAGE] TEXT".to_owned());
            }
            TeamAct::Replied {
                inject: message,
                text,
            }
        }
        "step" => {
            let (number, undo) = word(rest);
            TeamAct::StepTicked {
                step: number
                    .parse()
                    .map_err(|_| "say which step of the runbook: step NUMBER [undo]".to_owned())?,
                done: undo != "undo",
            }
        }
        "nothing" | "dismiss" => TeamAct::Dismissed {
            reason: said("why")?,
        },
        "approve" => TeamAct::RemedyApproved {
            remedy: parsed("remedy", rest)?,
        },
        "cause" => TeamAct::CauseNamed {
            cause: said("the step")?,
        },
        "remedy" => TeamAct::RemedyChosen {
            remedy: parsed("remedy", rest)?,
        },
        "did" => TeamAct::ActionAttested {
            text: said("what you did")?,
        },
        "note" => TeamAct::Noted {
            text: said("the note")?,
        },
        "resolved" | "resolve" => TeamAct::Resolved,
        "real" => TeamAct::Real,
        "update" => TeamAct::UpdatePosted(update(rest, now)?),
        "" | "help" => return Err(format!("say one of: {USAGE}")),
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(format!("`{other}` is no command; say one of: {USAGE}"));
        }
    })
}

/// A value of a type that the API reads from a text.
fn parsed<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, String> {
    let text: String = text.chars().take(200).collect();
    serde_json::from_value(Value::String(text)).map_err(|error| format!("the {what}: {error}"))
}

fn update(text: &str, now: Timestamp) -> Result<Update, String> {
    let mut update = Update {
        audience: Audience::Customers,
        channels: Vec::new(),
        text: String::new(),
        stage: None,
        next_update_at: None,
        estimated_recovery: None,
    };
    let mut rest = text.trim();
    if let Ok(audience) = parsed("audience", &word(rest).0.to_lowercase()) {
        update.audience = audience;
        rest = word(rest).1;
    }
    let instant = |length: &str| -> Result<Timestamp, String> {
        let length: Millis = length.parse().map_err(|error| format!("{error}"))?;
        let length = i64::try_from(length.get()).map_err(|_| "too long".to_owned())?;
        now.checked_add(SignedDuration::from_millis(length))
            .map_err(|_| "too long".to_owned())
    };
    loop {
        let (first, after) = word(rest);
        match first.split_once('=') {
            Some(("on", channels)) => {
                update.channels = channels
                    .split(',')
                    .filter(|one| !one.is_empty())
                    .map(|one| one.chars().take(80).collect())
                    .collect();
            }
            Some(("next", length)) => update.next_update_at = Some(instant(length)?),
            Some(("recovery", range)) => {
                let (from, to) = range
                    .split_once('-')
                    .ok_or("write the expected recovery as recovery=10m-30m")?;
                let (from, to) = (instant(from)?, instant(to)?);
                if from > to {
                    return Err("the expected recovery ends before it begins".to_owned());
                }
                update.estimated_recovery = Some((from, to));
            }
            _ => break,
        }
        rest = after;
    }
    update.text = bounded(rest);
    if update.text.is_empty() {
        return Err("an update says something: update customers next=20m TEXT".to_owned());
    }
    Ok(update)
}
