//! Random and mutated bodies on every route: whatever is sent, the server answers in time, never with a 5xx but those
//! that are documented, and lives on.

use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::server::Server;
use crate::http;

/// No request takes longer on a healthy server.
const BOUND: Duration = Duration::from_secs(5);

/// Requests in one run; more with `FIREDRILL_NOISE`.
const REQUESTS: u32 = 600;

const ROUTES: [(&str, &str); 11] = [
    ("POST", "/proxies"),
    ("POST", "/populate"),
    ("PATCH", "/proxies/p"),
    ("POST", "/proxies/p"),
    ("POST", "/proxies/p/toxics"),
    ("PATCH", "/proxies/p/toxics/t"),
    ("POST", "/proxies/p/toxics/t"),
    ("DELETE", "/proxies/p/toxics/t"),
    ("GET", "/proxies"),
    ("POST", "/reset"),
    ("POST", "/version"),
];

/// What a body may hold that the server knows.
fn words() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        "",
        "p",
        "q",
        "t",
        "latency",
        "bandwidth",
        "slicer",
        "packet_loss",
        "timeout",
        "reset_peer",
        "noop",
        "limit_data",
        "upstream",
        "DOWNSTREAM",
        "127.0.0.1:0",
        "127.0.0.1:9",
        "localhost:0",
        "[::1]:0",
        ":",
        "a:b:c",
        "127.0.0.1:99999",
        "\u{0}",
        "\u{1F525}",
        "a/b",
        "..",
        "%2F",
    ]);
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..5_i64).prop_map(Value::from),
    ];
    prop_oneof![
        3 => text.prop_map(Value::from),
        3 => number,
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => ".{0,12}".prop_map(Value::from),
    ]
}

fn keys() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "name",
        "listen",
        "upstream",
        "enabled",
        "toxics",
        "type",
        "stream",
        "toxicity",
        "attributes",
        "latency",
        "jitter",
        "rate",
        "timeout",
        "delay",
        "average_size",
        "size_variation",
        "bytes",
        "loss_rate",
        "correlation",
        "ttl",
        "owner",
        "NAME",
        "Attributes",
        "deadline",
    ]);
    prop_oneof![8 => known.prop_map(ToOwned::to_owned), 1 => ".{0,6}"]
}

/// JSON that looks like what the server reads.
fn documents() -> impl Strategy<Value = Value> {
    words().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            3 => prop::collection::btree_map(keys(), inner.clone(), 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::Array),
        ]
    })
}

/// What is right, so that mutations come near it.
fn right() -> impl Strategy<Value = Value> {
    let proxy = json!({"name": "q", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9", "enabled": false,
                       "toxics": [{"type": "latency", "attributes": {"latency": 1}}]});
    prop::sample::select(vec![
        proxy.clone(),
        json!([proxy]),
        json!({"name": "t", "type": "slicer", "stream": "upstream", "toxicity": 0.5,
               "attributes": {"average_size": 8, "size_variation": 4, "delay": 1}, "ttl": 1000, "owner": "o"}),
        json!({"attributes": {"latency": 3, "jitter": 1}, "toxicity": 0.2}),
        json!({"enabled": false, "ttl": 5}),
        json!({"listen": "127.0.0.1:0", "upstream": "127.0.0.1:10"}),
    ])
}

/// Bytes: anything, JSON, or JSON with some bytes changed, cut out or repeated.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![2 => right(), 3 => documents()]
        .prop_map(|value| value.to_string().into_bytes());
    let mutated = (
        prop_oneof![right(), documents()],
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    )
        .prop_map(|(value, mutations)| {
            let mut bytes = value.to_string().into_bytes();
            for (at, byte, kind) in mutations {
                let at = at.index(bytes.len().max(1));
                match kind {
                    0 if at < bytes.len() => bytes[at] = byte,
                    1 => bytes.truncate(at),
                    _ => bytes.insert(at.min(bytes.len()), byte),
                }
            }
            bytes
        });
    let deep = (
        1..3000_usize,
        prop::sample::select(vec!["[", "{\"toxics\":", "{\"attributes\":"]),
    )
        .prop_map(|(depth, open)| open.repeat(depth).into_bytes());
    let bodies = prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..200),
        4 => text,
        4 => mutated,
        1 => deep,
    ];
    bodies.prop_filter("tests ask no name server", |body| {
        let first = serde_json::Deserializer::from_slice(body)
            .into_iter::<Value>()
            .next();
        !matches!(first, Some(Ok(value)) if names_a_host(&value))
    })
}

/// Whether it holds `host:port` where the host is neither an address nor this machine.
fn names_a_host(value: &Value) -> bool {
    match value {
        Value::String(text) => text.rsplit_once(':').is_some_and(|(host, _)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            !host.is_empty() && host != "localhost" && host.parse::<IpAddr>().is_err()
        }),
        Value::Array(items) => items.iter().any(names_a_host),
        Value::Object(fields) => fields.values().any(names_a_host),
        _ => false,
    }
}

fn is_documented(status: u16, body: &str) -> bool {
    match status {
        200 | 201 | 204 | 400 | 404 | 405 | 409 => true,
        // An address that can't be parsed, resolved or bound.
        500 => ["listen", "address", "lookup", "bind"]
            .iter()
            .any(|word| body.contains(word)),
        _ => false,
    }
}

#[test]
fn no_body_ends_the_server_or_makes_it_answer_late() {
    let server = Server::start(["--state", "state.json", "--metrics"]);
    let cases = std::env::var("FIREDRILL_NOISE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(REQUESTS);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let routes = prop::sample::select(ROUTES.to_vec());
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&(routes, bodies()), |((method, path), body)| {
        let prepare = json!({"name": "p", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"});
        // Whatever came before, there is something to change.
        let _ = http::send(server.api, "POST", "/proxies", &prepare.to_string());
        let _ = http::send(
            server.api,
            "POST",
            "/proxies/p/toxics",
            r#"{"name":"t","type":"latency"}"#,
        );
        let began = Instant::now();
        let answer = http::send_bytes(server.api, method, path, &body)
            .map_err(|error| TestCaseError::fail(format!("no answer: {error}")))?;
        prop_assert!(began.elapsed() < BOUND, "it took {:?}", began.elapsed());
        prop_assert!(
            is_documented(answer.status(), &answer.body),
            "{} {}",
            answer.first,
            answer.body
        );
        // Names come from the noise: what it created goes, so that nothing piles up.
        let proxies = http::send(server.api, "GET", "/proxies", "")
            .map_err(|error| TestCaseError::fail(format!("it does not live on: {error}")))?;
        if proxies.json().as_object().is_some_and(|all| all.len() > 20) {
            for name in proxies
                .json()
                .as_object()
                .into_iter()
                .flat_map(|all| all.keys())
            {
                let _ = http::send(
                    server.api,
                    "DELETE",
                    &format!("/proxies/{}", escaped(name)),
                    "",
                );
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}\n{}", server.process.told());
    }
    let told = server.process.told();
    assert!(!told.contains("panicked"), "{told}");
    assert_eq!(server.call("GET", "/metrics", "").status(), 200);
    // What all this left behind can be read again.
    let count = server
        .ok("GET", "/proxies", "")
        .json()
        .as_object()
        .map(serde_json::Map::len);
    let server = Server::within(server.crash(), ["--state", "state.json"]);
    assert_eq!(
        server
            .ok("GET", "/proxies", "")
            .json()
            .as_object()
            .map(serde_json::Map::len),
        count
    );
}

fn escaped(name: &str) -> String {
    use std::fmt::Write as _;
    let mut path = String::new();
    for byte in name.bytes() {
        let _ = write!(path, "%{byte:02X}");
    }
    path
}
