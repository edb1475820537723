//! A drill run by one command: its room is served for as long as it lasts, and who acts in it scores.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::{project, until};
use crate::http;
use crate::wallet::Wallet;

/// An alert as Alertmanager sends it when it begins to fire.
#[expect(
    clippy::disallowed_methods,
    reason = "an alert that began before its fault would be somebody else's"
)]
fn alert() -> String {
    json!({
        "version": "4",
        "alerts": [{
            "status": "firing",
            "labels": {"alertname": "TransfersFailing"},
            "annotations": {},
            "startsAt": jiff::Timestamp::now().to_string(),
            "fingerprint": "f00d",
        }],
    })
    .to_string()
}

#[test]
fn a_person_who_acts_in_the_room_scores() {
    let wallet = Wallet::start();
    let room = SocketAddr::new(wallet.host, 8700);
    let drill = project().join("drills/signer-outage.yaml");
    wallet
        .folder
        .write("server.yaml", "tokens: {alertmanager: \"${env:TOKEN}\"}\n");
    let mut started = wallet.firedrill.with("TOKEN", "s3cret").start([
        "run",
        &drill.display().to_string(),
        "--var",
        &wallet.variable(),
        "--listen",
        &room.to_string(),
        "--config",
        "server.yaml",
        "--json",
        "report.json",
    ]);
    started.wait_for("the run room: ");
    let told = started.told();
    let link = format!("http://{room}/runs/");
    let (_, rest) = told.split_once(&link).expect("the link is told");
    let run = rest.split_whitespace().next().expect("a run").to_owned();
    let page = http::send(room, "GET", &format!("/runs/{run}"), "").expect("the room answers");
    assert_eq!(page.status(), 200);
    let other = http::send(room, "POST", "/api/v1/runs", r#"{"drill":"bad-token"}"#);
    assert_eq!(
        other.expect("an answer").status(),
        404,
        "nothing starts here"
    );

    started.wait_for("send-transaction fails");
    let token = "authorization: Bearer s3cret\r\n";
    let taken = http::send_with(room, "POST", "/hooks/alertmanager", token, &alert());
    let taken = taken.expect("an answer");
    assert_eq!((taken.status(), &taken.json()["matched"]), (200, &json!(1)));
    let refused = http::send(room, "POST", "/hooks/alertmanager", &alert());
    assert_eq!(refused.expect("an answer").status(), 401);
    let acts = [
        json!({"type": "acknowledged"}),
        json!({"type": "detected", "service": "wallet-api", "symptom": "transfers fail"}),
        json!({"type": "declared", "severity": "SEV1"}),
        json!({"type": "role_taken", "role": "incident_commander"}),
        json!({"type": "cause_named", "cause": "signer-outage"}),
        json!({"type": "remedy_chosen", "remedy": "failover-signer"}),
    ];
    for mut act in acts {
        act["actor"] = json!("ann");
        let path = format!("/api/v1/runs/{run}/events");
        let answer = http::send(room, "POST", &path, &act.to_string()).expect("an answer");
        assert_eq!(answer.status(), 201, "{act}: {}", answer.body);
    }

    let finished = started
        .finish()
        .exits(0)
        .tells("signer-outage: passed (exit 0): stack and team passed")
        .tells(&format!("more: `firedrill report {run}`"));
    let report: Value =
        serde_json::from_str(&wallet.folder.read("report.json")).expect("a report is JSON");
    let outcome = report["scorecard"]["score"]["outcome"].as_f64();
    // Everything but the updates to customers was done.
    assert!(
        outcome.is_some_and(|outcome| (80.0..100.0).contains(&outcome)),
        "{outcome:?}\n{}",
        finished.stdout
    );
    assert_eq!(
        report["measures"]["time_to_acknowledge"]["state"],
        "measured"
    );
    assert_eq!(report["measures"]["mitigation"]["by"], "team");
    assert_eq!(wallet.proxies.toxics(), [""; 0]);
    until("the room is closed", Duration::from_secs(5), || {
        http::send(room, "GET", "/healthz", "").err()
    });
}

#[test]
fn a_drill_that_rates_people_is_refused_where_they_have_no_room() {
    let wallet = Wallet::start();
    let drill = project().join("drills/signer-outage.yaml");
    let file = drill.display().to_string();
    let line = ["run", &file, "--var", &wallet.variable()];
    for (option, told) in [
        ("--no-room", "run its experiment `signer-outage`"),
        ("--listen=192.0.2.1:8700", "192.0.2.1:8700 is not loopback"),
    ] {
        wallet
            .firedrill
            .run(line.iter().chain(&[option]))
            .exits(2)
            .tells(told)
            .tells("hint:");
    }
    assert!(!wallet.folder.has("data"), "a journal was made");
}

#[test]
fn a_room_whose_address_is_taken_is_an_error_before_anything_is_touched() {
    let wallet = Wallet::start();
    let drill = project().join("drills/signer-outage.yaml");
    let taken = format!("--listen={}:7000", wallet.host);
    wallet
        .firedrill
        .run([
            "run",
            &drill.display().to_string(),
            "--var",
            &wallet.variable(),
            &taken,
        ])
        .exits(4)
        .tells("can't be listened on")
        .tells("hint:");
    assert_eq!(wallet.proxies.toxics(), [""; 0]);
}
