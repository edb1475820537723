//! The demo, whole: what the scorecard measures is compared with what really happened, as the script and an onlooker of
//! the stack saw it; and nothing is left afterwards.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::firedrill::Firedrill;
use crate::ground::{Folder, own_address};
use crate::http;
use crate::proxies::Proxies;

/// How often the onlooker looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a measurement may be off by beyond its own error bound.
const SLACK_MS: i64 = 50;

/// When the stack was really broken, and when it was really repaired.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) broken: Timestamp,
    pub(crate) repaired: Timestamp,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the onlooker has a clock of its own, to be compared with firedrill's"
)]
pub(crate) fn looks_until(what: &str, mut seen: impl FnMut() -> bool) -> Timestamp {
    for _ in 0..15_000 {
        if seen() {
            return Timestamp::now();
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("the onlooker never saw {what}");
}

/// Looks at the stack itself, not at firedrill.
fn look_on(host: IpAddr) -> Truth {
    let proxies = Proxies::on(host);
    looks_until("the proxies", || proxies.answers());
    let broken = looks_until("the fault", || !proxies.toxics().is_empty());
    let repaired = looks_until_failed_over(host);
    Truth { broken, repaired }
}

/// When the wallet signs with the other signer.
pub(crate) fn looks_until_failed_over(host: IpAddr) -> Timestamp {
    let api = SocketAddr::new(host, 7000);
    looks_until("the failover", || {
        http::send(api, "GET", "/admin/state", "")
            .is_ok_and(|answer| answer.json()["signer"] == "signer-b")
    })
}

fn at(script: &Value, what: &str) -> Timestamp {
    let entries = script.as_array().expect("a list");
    let entry = entries
        .iter()
        .find(|entry| entry["what"] == what)
        .unwrap_or_else(|| panic!("no `{what}` in {script}"));
    entry["at"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time")
}

#[track_caller]
fn agrees(report: &Value, measure: &str, truth: SignedDuration) {
    let measured = &report["measures"][measure];
    assert_eq!(measured["state"], "measured", "{measure}: {measured}");
    let value = measured["value_ms"].as_i64().expect("milliseconds");
    let bound = measured["error_bound_ms"].as_i64().unwrap_or(0);
    let truth = i64::try_from(truth.as_millis()).expect("a drill is short");
    let off = (value - truth).abs();
    assert!(
        off <= bound + SLACK_MS,
        "{measure}: measured {value} ms, truly {truth} ms: off by {off} ms, allowed {bound} + {SLACK_MS} ms"
    );
}

/// Holds the last run's report to what really happened, as the script and an onlooker of the stack saw it.
pub(crate) fn measured_truly(folder: &Folder, firedrill: &Firedrill, truth: &Truth) {
    let script: Value =
        serde_json::from_str(&folder.read("script.json")).expect("the script's own times");
    let report = firedrill.run(["report", "--format", "json"]).exits(0);
    let report: Value = serde_json::from_str(&report.stdout).expect("a report");
    // Where impact begins is measured between a last good and a first bad sample; what follows counts from the latter.
    let sample = |name: &str| {
        let stamp = &report["measures"]["impact"][name]["wall"];
        stamp
            .as_str()
            .expect("a time")
            .parse::<Timestamp>()
            .expect("a time")
    };
    let slack = SignedDuration::from_millis(SLACK_MS);
    assert!(
        sample("last_good") - slack <= truth.broken && truth.broken <= sample("at") + slack,
        "impact lies between {} and {}, and truly began at {}",
        sample("last_good"),
        sample("at"),
        truth.broken
    );
    let after_impact = |to: Timestamp| to.duration_since(sample("at"));
    let fired = at(&script, "TransfersFailing firing");
    agrees(&report, "time_to_detect_machine", after_impact(fired));
    agrees(
        &report,
        "time_to_detect_human",
        after_impact(at(&script, "detected")),
    );
    agrees(
        &report,
        "time_to_acknowledge",
        at(&script, "acknowledged").duration_since(fired),
    );
    agrees(&report, "time_to_mitigate", after_impact(truth.repaired));
    agrees(&report, "time_to_recover", after_impact(truth.repaired));
}

fn play(seed: &str) {
    let folder = Folder::new();
    let host = own_address();
    let firedrill = Firedrill::within(folder.path());
    let host_text = host.to_string();
    let demo = firedrill.start([
        "demo",
        "--exit",
        "--seed",
        seed,
        "--host",
        &host_text,
        "--script",
        "script.json",
    ]);
    let truth = look_on(host);
    let finished = demo.finish().exits(0);
    assert!(
        finished.stdout.contains("drill signer-outage: passed"),
        "{}",
        finished.stdout
    );

    measured_truly(&folder, &firedrill, &truth);

    assert!(
        !Proxies::on(host).answers(),
        "the demo's proxies are still there"
    );
    assert!(
        http::send(SocketAddr::new(host, 7000), "GET", "/healthz", "").is_err(),
        "the demo's wallet is still there"
    );
    let left = firedrill.run(["recover", "--dry-run"]).exits(0);
    assert!(left.stdout.contains("nothing is open"), "{}", left.stdout);
}

#[test]
fn the_demos_scorecard_agrees_with_what_happened_at_seed_1() {
    play("1");
}

#[test]
fn the_demos_scorecard_agrees_with_what_happened_at_seed_2() {
    play("2");
}

#[test]
fn the_demos_scorecard_agrees_with_what_happened_at_seed_20261123() {
    play("20261123");
}
