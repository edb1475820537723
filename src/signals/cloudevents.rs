//! CloudEvents 1.0 over HTTP, in the structured and the binary mode, one event a message.
//!
//! An event is one by its `source` and `id`. Drills know it by its attributes: `type`, `source`, `subject` and
//! extensions.

use std::collections::BTreeMap;

use super::fields::{self, short};
use super::{Arrival, Message, Refusal, Signal, What};
use crate::engine::event::ActorKind;
use serde_json::Value;

const WHAT: &str = "CloudEvent";

/// How a header of the binary mode begins.
const HEADER: &str = "ce-";

/// Attributes that say how the data is written, by which nothing is known.
const ABOUT_DATA: [&str; 4] = ["data", "data_base64", "datacontenttype", "dataschema"];

pub(super) fn read(arrival: &Arrival<'_>) -> Result<Message, Refusal> {
    let kind = arrival.headers.get("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/cloudevents-batch+json") {
        return Err(Refusal::Malformed(
            "batches are not taken; hint: send one event a message".to_owned(),
        ));
    }
    let attributes = if kind.eq_ignore_ascii_case("application/cloudevents+json") {
        structured(arrival.body)?
    } else {
        binary(arrival)
    };
    let needed = |name: &str| {
        let value = attributes.get(name).filter(|value| !value.is_empty());
        value.cloned().ok_or_else(|| {
            Refusal::Malformed(format!("this is no {WHAT}: `{name}` is missing or no text"))
        })
    };
    let version = needed("specversion")?;
    if version != "1.0" {
        return Err(Refusal::Malformed(format!(
            "specversion `{}` is not known; hint: `1.0` is",
            short(&version)
        )));
    }
    let (id, source) = (needed("id")?, needed("source")?);
    needed("type")?;
    let time =
        match attributes.get("time") {
            Some(time) => Some(time.parse().map_err(|_| {
                Refusal::Malformed(format!("`time` is no instant: {}", short(time)))
            })?),
            None => None,
        };
    let mut labels = attributes;
    for own in ["specversion", "id", "time"] {
        labels.remove(own);
    }
    Ok(Message {
        signals: vec![Signal {
            identity: format!("{source}#{id}"),
            thread: None,
            event_time: time,
            since: None,
            kind: ActorKind::Automation,
            person: None,
            what: What::Alert {
                firing: true,
                labels,
                fingerprint: id,
                starts_at: time.unwrap_or(arrival.received),
            },
            part: None,
        }],
        truncated: 0,
    })
}

fn structured(body: &[u8]) -> Result<BTreeMap<String, String>, Refusal> {
    let Value::Object(event) = fields::json(body, WHAT)? else {
        return Err(Refusal::Malformed(format!("this is no {WHAT}: no object")));
    };
    let attributes = event.into_iter().filter_map(|(name, value)| {
        let value = match value {
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => return None,
        };
        (!ABOUT_DATA.contains(&name.as_str())).then_some((name, value))
    });
    Ok(attributes.collect())
}

fn binary(arrival: &Arrival<'_>) -> BTreeMap<String, String> {
    arrival
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(HEADER)?, value)))
        .filter(|(name, _)| !ABOUT_DATA.contains(name))
        .map(|(name, value)| (name.to_owned(), unescaped(value)))
        .collect()
}

/// A header's value: what a header can't hold stands in it as percent and two digits a byte.
fn unescaped(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%')
            .then(|| tail.get(..2).and_then(|two| std::str::from_utf8(two).ok()))
            .flatten()
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
