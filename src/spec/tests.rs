//! How spec behaves from outside a file: texts in, findings and plans out.

mod channel;
mod cuts;
mod disk;
mod docs;
mod drill;
mod experiment;
mod gameday;
mod messages;
mod shapes;
mod stack;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::Source;
use super::{Library, Options};
use crate::model::plan::Plan;

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

/// A file of each kind without a mistake; of the runbook, its front matter.
pub(super) fn good_files() -> Vec<String> {
    let front = drill::RUNBOOK.split("---\n").nth(1).expect("front matter");
    [
        STACK,
        drill::EXPERIMENT,
        drill::DRILL,
        gameday::GAME_DAY,
        front,
        drill::TEAM,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// These variables, and an environment that holds `TOKEN`.
fn options(vars: &[(&str, &str)]) -> Options {
    Options {
        vars: vars
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        env: Arc::new(|name| (name == "TOKEN").then(|| "hunter2".to_owned())),
        ..Options::default()
    }
}

fn library(files: &[(&str, &str)], vars: &[(&str, &str)]) -> Library {
    Library::of(
        files.iter().map(|(path, text)| Source::new(*path, *text)),
        options(vars),
    )
}

/// All findings of these files, as text; lines' trailing spaces are cut.
fn check(files: &[(&str, &str)]) -> String {
    let paths: Vec<PathBuf> = files.iter().map(|(path, _)| PathBuf::from(path)).collect();
    tidy(&library(files, &[]).validate(&paths).findings.render(false))
}

fn tidy(text: &str) -> String {
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The plan of the last of these files.
fn plan(files: &[(&str, &str)], vars: &[(&str, &str)]) -> Result<Plan, String> {
    let target = files.last().expect("a file").0;
    library(files, vars)
        .plan(Path::new(target))
        .map_err(|findings| tidy(&findings.render(false)))
}

/// Findings of an experiment on the usual stack: its head is given, `text` is the rest.
fn experiment(text: &str) -> String {
    check(&[("stack.yaml", STACK), ("experiment.yaml", &head(text))])
}

fn head(text: &str) -> String {
    format!(
        "kind: Experiment\nname: e\nstack: wallet-staging\nhypothesis: It holds.\nsteady_state: [{{probe: nonce-gap}}]\n{text}"
    )
}

/// `unread` says that firedrill itself is wrong, so no file brings it about; nothing is planned that is `unsupported`.
const WITHOUT_TEST: [&str; 2] = ["unread", "unsupported"];

#[test]
fn every_code_is_shown_by_a_test() {
    let tests = [
        include_str!("tests/channel.rs"),
        include_str!("tests/disk.rs"),
        include_str!("tests/drill.rs"),
        include_str!("tests/experiment.rs"),
        include_str!("tests/gameday.rs"),
        include_str!("tests/messages.rs"),
        include_str!("tests/stack.rs"),
        include_str!("tests/yaml.rs"),
    ]
    .concat();
    let missing: Vec<&str> = super::Code::ALL
        .iter()
        .map(|code| code.as_str())
        .filter(|code| !WITHOUT_TEST.contains(code))
        .filter(|code| {
            !tests.contains(&format!("error[{code}]"))
                && !tests.contains(&format!("warning[{code}]"))
        })
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
