//! What the targets drive: the Toxiproxy-compatible server's own sources, compiled here by themselves.
//!
//! They use nothing of the rest of firedrill (a test holds them to it), so a target builds in seconds and only what is
//! under test is instrumented, rather than the database and the HTTP clients as well.

#[path = "../../src"]
mod firedrill {
    pub mod toxiproxy;
}

pub use firedrill::toxiproxy;

use std::net::IpAddr;

use serde_json::Value;

/// Whether it is JSON with a `host:port` in it whose host is neither an address nor this machine: nobody asks a name
/// server for what a fuzzer made up.
pub fn names_a_host(body: &[u8]) -> bool {
    fn within(value: &Value) -> bool {
        match value {
            Value::String(text) => text.rsplit_once(':').is_some_and(|(host, _)| {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                !host.is_empty() && host != "localhost" && host.parse::<IpAddr>().is_err()
            }),
            Value::Array(items) => items.iter().any(within),
            Value::Object(fields) => fields.values().any(within),
            _ => false,
        }
    }
    let first = serde_json::Deserializer::from_slice(body)
        .into_iter::<Value>()
        .next();
    matches!(first, Some(Ok(value)) if within(&value))
}

/// A runtime for one target, on the fuzzer's own thread.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs a few descriptors only")
}
