//! How spec behaves from outside a file: texts in, findings and plans out.

mod experiment;

use std::collections::BTreeMap;

use super::check;
use super::diagnostic::{Findings, Sink, Source};
use super::document;

/// A stack that most tests run on.
const STACK: &str = r#"
kind: Stack
name: wallet-staging
environment: staging
identity:
  - {http: {url: "http://127.0.0.1:7002/", method: POST, body: '{"method":"eth_chainId"}'}, expect: {json: {"$.result": "0x7a69"}}}
  - {containers: {label: "env=staging"}}
  - {upstreams: {within: ["127.0.0.0/8", "172.16.0.0/12"]}}
toxiproxy: {url: "http://127.0.0.1:8474", create_proxies: true}
docker: {host: "unix:///var/run/docker.sock"}
services:
  wallet-api: {tier: customer, container: {label: "com.docker.compose.service=wallet-api"}}
  signer:     {tier: keys,     container: {name: wallet-signer}}
  node-a:     {tier: chain}
links:
  - {from: wallet-api, to: signer, proxy: api-signer, listen: "127.0.0.1:7101", upstream: "127.0.0.1:7001"}
  - {from: wallet-api, to: node-a, proxy: api-node-a, listen: "127.0.0.1:7102", upstream: "127.0.0.1:7002"}
probes:
  send-transaction:
    http: {method: POST, url: "http://127.0.0.1:7000/v1/transfers/canary"}
    expect: {status: 201, json: {"$.state": broadcast}, within: 1500ms}
    every: 2s
    impact: true
  nonce-gap: {http: "http://127.0.0.1:7000/v1/invariants", expect: {json: {"$.nonce_gap": 0}}}
  signer-port: {tcp: {address: "127.0.0.1:7001"}, expect: {within: 200ms}, every: 1s}
  backup-fresh: {process: {command: ["./check-backup", "--max-age", "1h"]}, every: 30s}
  node-lag: {difference: [{http: {url: "http://127.0.0.1:1/a"}, read: "$.height"}, {http: {url: "http://127.0.0.1:1/b"}, read: "$.height"}], expect: {below: 3}, every: 1s}
  error-rate: {prometheus: {url: "http://127.0.0.1:9090", query: "rate(errors[1m])"}, expect: {below: 0.01}, every: 5s}
"#;

/// The findings of one file's documents by themselves, as text.
fn findings(path: &str, text: &str) -> String {
    let source = Source::new(path, text);
    let (documents, mut found) = document::parse(&source, &BTreeMap::new(), &|_| None);
    for document in &documents {
        let mut sink = Sink::new(&source);
        if document.sound {
            check::read_alone(document, &mut sink);
        }
        found.extend(sink.into_found());
    }
    Findings::new(found).render(false)
}
