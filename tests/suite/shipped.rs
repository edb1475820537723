//! Everything that ships is in order and runs as it is.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::firedrill::Firedrill;
use crate::ground::{Folder, project};
use crate::wallet::Wallet;

const FOLDERS: [&str; 5] = ["stacks", "experiments", "drills", "runbooks", "teams"];

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(project().join(folder)).expect("it ships");
    entries
        .map(|entry| entry.expect("it can be read").path())
        .collect()
}

/// Runs an experiment on a wallet stack of its own; its hypothesis must hold and nothing may be left.
fn holds(name: &str, variables: &[&str]) {
    let wallet = Wallet::start();
    let before = wallet.proxies.snapshot();
    let file = project()
        .join("experiments")
        .join(name)
        .display()
        .to_string();
    let host = wallet.variable();
    let mut line = vec!["run", &file, "--json", "report.json", "--var", &host];
    for variable in variables {
        line.extend(["--var", variable]);
    }
    let finished = wallet
        .firedrill
        .run(line)
        .exits(0)
        .tells(" is on (")
        .tells(" is off (");
    assert_eq!(wallet.proxies.snapshot(), before, "{}", finished.stderr);
    let report: Value = serde_json::from_str(&wallet.folder.read("report.json")).expect("a report");
    assert_eq!(report["stack_verdict"], "passed");
    wallet
        .firedrill
        .run(["recover", "--dry-run"])
        .exits(0)
        .results("nothing is open");
}

#[test]
fn every_shipped_file_is_without_findings() {
    let folder = Folder::new();
    let paths = FOLDERS.map(|name| project().join(name));
    let count: usize = FOLDERS.into_iter().map(|name| files(name).len()).sum();
    let checked =
        Firedrill::within(folder.path()).run([PathBuf::from("validate")].into_iter().chain(paths));
    let checked = checked.exits(0).results(&format!("{count} files in order"));
    assert_eq!(checked.stderr, "");
}

#[test]
fn every_shipped_experiment_and_drill_explains_itself() {
    let folder = Folder::new();
    let firedrill = Firedrill::within(folder.path());
    for file in files("experiments").into_iter().chain(files("drills")) {
        let name = file
            .file_stem()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        let explained = firedrill
            .run([PathBuf::from("explain"), file])
            .exits(0)
            .results(&name);
        let explained = explained.results("Timeline").results("undo");
        assert_eq!(explained.stderr, "");
    }
    assert!(!folder.has("data"), "explaining needs no journal");
}

#[test]
fn a_slow_signer_is_borne() {
    holds("slow-signer.yaml", &[]);
}

#[test]
fn a_node_that_is_cut_off_is_borne() {
    holds("cut-off-node.yaml", &[]);
}

#[test]
fn a_signer_outage_loses_and_repeats_nothing() {
    holds("signer-outage.yaml", &["lasts=10s"]);
}

#[test]
fn a_bad_token_release_stops_log_ins_only() {
    holds("token-rollout.yaml", &["lasts=10s"]);
}
