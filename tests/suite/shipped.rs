//! Everything that ships is in order and runs as it is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, thread};

use serde_json::Value;

use crate::firedrill::Firedrill;
use crate::ground::{Folder, project};
use crate::http::send;
use crate::wallet::Wallet;

const FOLDERS: [&str; 6] = [
    "stacks",
    "experiments",
    "drills",
    "gamedays",
    "runbooks",
    "teams",
];

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(project().join(folder)).expect("it ships");
    entries
        .map(|entry| entry.expect("it can be read").path())
        .collect()
}

/// Runs an experiment on a wallet stack of its own; its hypothesis must hold and nothing may be left.
fn holds(file: &Path, text: &str) {
    let wallet = Wallet::start();
    let before = wallet.proxies.snapshot();
    let (file, host) = (file.display().to_string(), wallet.variable());
    let mut line = vec!["run", &file, "--json", "report.json", "--var", &host];
    // Faults that wait for a team which is not there are given less time than the file gives them.
    if text.contains("lasts: {type: duration") {
        line.extend(["--var", "lasts=10s"]);
    }
    let finished = wallet.firedrill.run(line).exits(0);
    let finished = finished.tells(" is on (").tells(" is off (");
    assert_eq!(wallet.proxies.snapshot(), before, "{}", finished.stderr);
    let report: Value =
        serde_json::from_str(&wallet.folder.read("report.json")).expect("a report is JSON");
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
fn every_shipped_game_day_explains_itself() {
    let folder = Folder::new();
    for file in files("gamedays") {
        let explained = Firedrill::within(folder.path())
            .run([PathBuf::from("explain"), file])
            .exits(0)
            .results("In this order")
            .results("at most");
        assert_eq!(explained.stderr, "");
    }
}

#[test]
fn every_shipped_experiment_on_the_demo_wallet_runs_as_it_is_and_its_hypothesis_holds() {
    let experiments = files("experiments").into_iter().map(|file| {
        let text = fs::read_to_string(&file).expect("an experiment can be read");
        (file, text)
    });
    let (demo, elsewhere): (Vec<_>, Vec<_>) =
        experiments.partition(|(_, text)| text.contains("stack: wallet-demo\n"));
    // Those of the stack that consists of containers are explained above; nothing else may be left out.
    for (file, text) in &elsewhere {
        assert!(
            text.contains("stack: wallet-docker\n"),
            "{}",
            file.display()
        );
    }
    assert!(demo.len() >= 4, "{demo:?}");
    thread::scope(|scope| {
        for (file, text) in &demo {
            scope.spawn(|| holds(file, text));
        }
    });
}

#[test]
fn what_was_there_before_a_rollout_comes_back_though_it_is_not_what_the_stack_begins_with() {
    let wallet = Wallet::start();
    let api = SocketAddr::new(wallet.host, 7000);
    let post = |path: &str, body: &str| {
        let answer = send(api, "POST", path, body).expect("the wallet answers");
        assert_eq!(answer.status(), 200);
    };
    post("/admin/token-service", r#"{"version":40}"#);
    let file = project().join("experiments/token-rollout.yaml");
    let (file, host) = (file.display().to_string(), wallet.variable());
    let line = ["run", &file, "--var", &host, "--var", "lasts=3s"];
    wallet.firedrill.run(line).exits(0);
    let state = send(api, "GET", "/admin/state", "").expect("the wallet answers");
    assert_eq!(state.json()["token_version"], 40);
}
