//! `firedrill forecast`: what it answers from a year of drills, and what it refuses.

use ::firedrill::shipped;

use crate::firedrill::Firedrill;
use crate::ground::Folder;
use crate::history;

#[test]
fn a_forecast_is_the_same_twice_and_prints_what_it_takes_for_granted() {
    let folder = Folder::new();
    for (path, text) in shipped::FILES {
        folder.write(&format!("library/{path}"), text);
    }
    let firedrill = Firedrill::within(folder.path());
    firedrill
        .run(["forecast"])
        .exits(2)
        .tells("no drill has ended in this data folder");
    history::write(
        &folder.path().join("library"),
        &folder.path().join("data"),
        "127.0.0.1",
    );
    firedrill
        .run(["forecast"])
        .exits(0)
        .results("signer-outage, announced drills of wallet-oncall on wallet-demo: 9 with a time to recover")
        .results("bad-token, announced drills of wallet-oncall on wallet-demo: 4 with a time to recover, too few");
    let ask = [
        "forecast",
        "--incidents",
        "signer-outage=3",
        "--budget",
        "1h",
        "--seed",
        "7",
    ];
    let first = firedrill
        .run(ask)
        .exits(0)
        .results("users hurt for")
        .results("This takes for granted:")
        .results("3 real incidents in 12 months")
        .results("times to recover from 9 drills, of which 8 recovered")
        .results("A budget of 1h is not kept in");
    let again = firedrill.run(ask).exits(0);
    assert_eq!(first.stdout, again.stdout);
    let json = firedrill
        .run([
            "forecast",
            "--incidents",
            "signer-outage=3",
            "--format",
            "json",
        ])
        .exits(0);
    let found: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert!(found["hurt_ms"]["p90"].as_u64() > found["hurt_ms"]["p50"].as_u64());

    firedrill
        .run(["forecast", "--incidents", "bad-token=1"])
        .exits(2)
        .tells("was drilled 4 times");
    firedrill
        .run(["forecast", "--incidents", "moon=1"])
        .exits(2)
        .tells("no drill `moon` has ended");
    firedrill
        .run(["forecast", "--incidents", "signer-outage=some"])
        .exits(2)
        .tells("is no count of incidents");
}
