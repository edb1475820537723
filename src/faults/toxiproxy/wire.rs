//! Proxies and toxics as Toxiproxy's API shows and takes them.
//!
//! `owner` and `ttl` are extras of firedrill's own server, which older servers ignore: they count only where an answer
//! echoes them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::fault::{Stream, Strength, Toxic as Disturbance};

/// A proxy, as far as firedrill cares.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Proxy {
    pub(super) listen: String,
    pub(super) upstream: String,
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) owner: Option<String>,
    #[serde(default)]
    pub(super) ttl: Option<u64>,
}

/// A toxic.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Toxic {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) stream: String,
    pub(super) toxicity: f64,
    pub(super) attributes: Map<String, Value>,
    #[serde(default)]
    pub(super) owner: Option<String>,
    #[serde(default)]
    pub(super) ttl: Option<u64>,
}

/// What a toxic's `POST` carries.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) owner: &'a str,
    pub(super) ttl: u64,
    pub(super) stream: Stream,
    pub(super) strength: &'a Strength,
}

impl Wanted<'_> {
    pub(super) fn body(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.strength.toxic.kind(),
            "stream": self.stream.as_str(),
            "toxicity": self.strength.toxicity,
            "attributes": attributes(&self.strength.toxic),
            "owner": self.owner,
            "ttl": self.ttl,
        })
    }
}

/// What changes a toxic in its place. A toxicity that stays as it was strikes the same connections.
pub(super) fn change(strength: &Strength, ttl: u64) -> Value {
    json!({
        "toxicity": strength.toxicity,
        "attributes": attributes(&strength.toxic),
        "ttl": ttl,
    })
}

/// A toxic's attributes, in a line.
pub(super) fn attributes_read(toxic: &Toxic) -> String {
    let all = toxic.attributes.iter();
    let all: Vec<String> = all.map(|(name, value)| format!("{name} {value}")).collect();
    all.join(", ")
}

/// How what was read differs from what was wanted, if it does. Attributes that only the server knows are its own.
pub(super) fn difference(seen: &Toxic, stream: Stream, strength: &Strength) -> Option<String> {
    let Strength { toxic, toxicity } = strength;
    let differs = |what: &str, seen: &dyn std::fmt::Display, wanted: &dyn std::fmt::Display| {
        Some(format!("{what} is {seen}, expected {wanted}"))
    };
    if seen.kind != toxic.kind() {
        return differs("type", &seen.kind, &toxic.kind());
    }
    if seen.stream != stream.as_str() {
        return differs("stream", &seen.stream, &stream.as_str());
    }
    if !alike(seen.toxicity, *toxicity) {
        return differs("toxicity", &seen.toxicity, toxicity);
    }
    for (name, wanted) in &attributes(toxic) {
        let read = seen.attributes.get(name).unwrap_or(&Value::Null);
        let equal = match (read.as_f64(), wanted.as_f64()) {
            (Some(read), Some(wanted)) => alike(read, wanted),
            _ => false,
        };
        if !equal {
            return differs(name, read, wanted);
        }
    }
    None
}

/// Toxiproxy keeps shares in single precision.
fn alike(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-6 * right.abs().max(1e-6)
}

/// The attributes in the API's names and units.
fn attributes(toxic: &Disturbance) -> Map<String, Value> {
    let value = match *toxic {
        Disturbance::Latency { latency, jitter } => {
            json!({"latency": latency.get(), "jitter": jitter.get()})
        }
        Disturbance::Bandwidth { rate } => json!({"rate": rate}),
        Disturbance::SlowClose { delay } => json!({"delay": delay.get()}),
        Disturbance::Timeout { timeout } | Disturbance::ResetPeer { timeout } => {
            json!({"timeout": timeout.get()})
        }
        Disturbance::Slicer {
            average_size,
            size_variation,
            delay_us,
        } => {
            json!({"average_size": average_size, "size_variation": size_variation, "delay": delay_us})
        }
        Disturbance::LimitData { bytes } => json!({"bytes": bytes}),
        Disturbance::PacketLoss {
            loss_rate,
            correlation,
        } => json!({"loss_rate": loss_rate, "correlation": correlation}),
    };
    match value {
        Value::Object(attributes) => attributes,
        _ => Map::new(),
    }
}
