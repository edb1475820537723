//! Game days on the command line: drills in turn, pauses that a signal ends, and what keeps the rest from beginning.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::firedrill::Started;
use crate::ground::until;
use crate::http;
use crate::shop::{Shop, stack};
use crate::xml;

/// A shop with drills of which nothing is to be seen: they are over in a moment.
fn open() -> Shop {
    let shop = Shop::open();
    let url = format!("{{url: \"http://{}:8474\"}}", shop.host);
    let shut = stack(shop.host, &url)
        .replace("name: shop\n", "name: shut\n")
        .replace(":7001/health", ":7009/health");
    shop.folder.write("stacks/shut.yaml", &shut);
    shop.folder.write(
        "teams/crew.yaml",
        "kind: Team\nname: crew\nmembers: [ann]\n",
    );
    shop.folder.write(
        "runbooks/calm.md",
        "---\nkind: Runbook\nname: calm\nexpect:\n  - {id: judged, manual: Nobody was alarmed}\n---\n",
    );
    for (name, stack, during) in [
        ("quiet", "shop", "[]"),
        ("calm", "shop", "[]"),
        ("shut", "shut", "[]"),
    ] {
        shop.folder.write(
            &format!("experiments/{name}.yaml"),
            &format!(
                "kind: Experiment\nname: {name}\nstack: {stack}\nhypothesis: It is quiet.\n\
                 steady_state: [{{probe: stock-well, pass_after: 1}}]\nduring: {during}\nmethod: []\n\
                 recovery: {{within: 10s, stable_for: 200ms}}\n"
            ),
        );
        shop.folder.write(
            &format!("drills/{name}.yaml"),
            &format!(
                "kind: Drill\nname: {name}\nexperiment: {name}\nrunbook: calm\nteam: crew\nseverity: SEV3\ndecoy: 1s\n"
            ),
        );
    }
    shop
}

fn day(shop: &Shop, name: &str, rest: &str) -> String {
    let file = format!("gamedays/{name}.yaml");
    let text = format!("kind: GameDay\nname: {name}\n{rest}\n");
    shop.folder.write(&file, &text);
    file
}

/// The names and the causes of a JSON report's entries.
fn entries(shop: &Shop, file: &str) -> Vec<(String, Option<String>, u64)> {
    let json: Value = serde_json::from_str(&shop.folder.read(file)).expect("JSON");
    let all = json.as_array().expect("a list").iter();
    all.map(|entry| {
        let name = entry["name"].as_str().or(entry["drill"].as_str());
        let name = name
            .or(entry["scorecard"]["drill"].as_str())
            .unwrap_or_default();
        (
            name.to_owned(),
            entry["cause"].as_str().map(str::to_owned),
            entry["overall"]["exit_code"].as_u64().unwrap_or(99),
        )
    })
    .collect()
}

#[test]
fn drills_of_a_game_day_run_in_turn_as_if_their_files_had_been_given() {
    let shop = open();
    let file = day(
        &shop,
        "both",
        "drills: [{drill: quiet}, {drill: calm, pause: 1s}, {drill: quiet, pause: 1ms}]",
    );
    shop.firedrill
        .run(["run", &file, "--no-room", "--dry-run"])
        .exits(0)
        .tells("game day both, drill 1 of 3: quiet")
        .tells(
            "game day both, drill 2 of 3: calm, 1s after everything of the one before is undone",
        );
    let finished = shop
        .firedrill
        .run([
            "run",
            &file,
            "experiments/calm.yaml",
            "--no-room",
            "--json",
            "report.json",
            "--junit",
            "report.xml",
        ])
        .exits(0)
        .tells("game day both, drill 2 of 3: calm begins in 1s; a signal ends the list")
        .tells("4 of 4 files passed (exit 0)");
    assert_eq!(
        finished.stderr.matches("begins in").count(),
        2,
        "{}",
        finished.stderr
    );
    let junit = xml::elements(&shop.folder.read("report.xml"));
    let suites = junit.iter().filter(|element| element.name == "testsuite");
    let names: Vec<&str> = suites
        .map(|suite| suite.attributes["name"].as_str())
        .collect();
    assert_eq!(names, ["quiet", "calm", "quiet", "calm"]);
}

#[test]
fn after_a_drill_that_errored_the_rest_is_skipped_and_other_files_have_their_turn() {
    let shop = open();
    let file = day(
        &shop,
        "gated",
        "drills: [{drill: shut}, {drill: quiet, pause: 1h}, {drill: calm, pause: 1h}]",
    );
    shop.firedrill
        .run([
            "run",
            &file,
            "drills/quiet.yaml",
            "--no-room",
            "--json",
            "report.json",
        ])
        .exits(4)
        .tells("quiet: skipped (exit 4): not begun: drill `shut` of the game day errored")
        .tells("1 of 4 files passed (exit 4)");
    let entries = entries(&shop, "report.json");
    let skipped = Some("skipped".to_owned());
    assert_eq!(entries[1], ("quiet".to_owned(), skipped.clone(), 4));
    assert_eq!(entries[2], ("calm".to_owned(), skipped, 4));
    assert_eq!((entries[0].2, entries[3].2), (4, 0));
}

#[test]
fn a_signal_during_a_pause_ends_the_list_at_once() {
    let shop = open();
    let file = day(
        &shop,
        "long",
        "drills: [{drill: quiet}, {drill: calm, pause: 1h}]",
    );
    let mut started = shop.firedrill.start([
        "run",
        &file,
        "drills/quiet.yaml",
        "--no-room",
        "--json",
        "report.json",
    ]);
    started.wait_for("calm begins in 1h");
    started.signal(Signal::INT);
    started
        .finish()
        .exits(3)
        .tells("calm: skipped (exit 3): not begun: a signal ended the list before");
    let entries = entries(&shop, "report.json");
    let codes: Vec<u64> = entries.iter().map(|entry| entry.2).collect();
    assert_eq!(codes, [0, 3, 3]);
}

#[test]
fn a_wrong_game_day_is_one_entry_and_the_drills_of_a_right_one_are_skipped() {
    let shop = open();
    let right = day(&shop, "right", "drills: [{drill: quiet}, {drill: calm}]");
    let wrong = day(&shop, "wrong", "drills: [{drill: quite}]");
    shop.firedrill
        .run(["run", &right, &wrong, "--no-room", "--json", "report.json"])
        .exits(2)
        .tells("there is no drill `quite`")
        .tells("did you mean `quiet`?");
    let entries = entries(&shop, "report.json");
    let causes: Vec<_> = entries.iter().map(|entry| entry.1.as_deref()).collect();
    assert_eq!(
        causes,
        [Some("skipped"), Some("skipped"), Some("wrong_file")]
    );
}

/// Starts a server on the shop's own library.
fn serve(shop: &Shop) -> (Started, SocketAddr) {
    let address = SocketAddr::new(shop.host, 8700);
    let owner = shop.firedrill.with_data(shop.folder.path().join("server"));
    let server = owner.start(["serve", "--listen", &address.to_string()]);
    until("the server is ready", Duration::from_secs(30), || {
        http::send(address, "GET", "/readyz", "")
            .ok()
            .filter(|answer| answer.status() == 200)
    });
    (server, address)
}

fn held(address: SocketAddr) -> Value {
    let answer = http::send(address, "GET", "/api/v1/gamedays", "").expect("an answer");
    answer.json()["game_days"].clone()
}

#[test]
fn a_server_holds_a_game_day_that_is_followed_from_here_and_a_signal_ends_the_rest_there() {
    let shop = open();
    let file = day(
        &shop,
        "there",
        "drills: [{drill: quiet}, {drill: calm, pause: 1s}]",
    );
    let long = day(
        &shop,
        "long",
        "drills: [{drill: quiet}, {drill: calm, pause: 1h}]",
    );
    let (_server, address) = serve(&shop);
    let url = format!("http://{address}");
    let report = ["--json", "report.json"];
    let line = ["run", &file, "--server", &url];
    shop.firedrill
        .run(line.iter().chain(&report))
        .exits(0)
        .tells("2 of 2 files passed (exit 0)");
    let days = held(address);
    let drills = days[0]["drills"].as_array().expect("drills");
    let json: Value = serde_json::from_str(&shop.folder.read("report.json")).expect("JSON");
    for (index, drill) in drills.iter().enumerate() {
        assert_eq!(drill["run"], json[index]["run"], "{days:#}");
    }

    let line = ["run", &long, "--server", &url];
    let mut started = shop.firedrill.start(line.iter().chain(&report));
    started.wait_for("calm begins in 1h");
    started.signal(Signal::INT);
    started.finish().exits(3);
    let days = held(address);
    assert_eq!(days[0]["name"], "long");
    assert_eq!(days[0]["drills"][1]["state"], "not_begun");
    assert_eq!(days[0]["going"], false);
    assert!(!shop.folder.has("data"), "a journal was made here");
}
