//! What a run comes to, by its exit status, and that nothing is left whatever it is.

use std::time::Duration;

use serde_json::Value;

use crate::firedrill::Finished;
use crate::shop::{Experiment, Shop};

/// Runs an experiment, holds it to leaving nothing behind, and answers with its report too.
#[track_caller]
fn judged(shop: &Shop, experiment: &Experiment) -> (Finished, Value) {
    let before = shop.proxies.snapshot();
    let file = shop.experiment(experiment);
    let finished = shop.firedrill.run(["run", &file, "--json", "report.json"]);
    assert_eq!(
        shop.proxies.snapshot(),
        before,
        "something is left:\n{}",
        finished.stderr
    );
    let report = serde_json::from_str(&shop.folder.read("report.json"))
        .unwrap_or_else(|error| panic!("{error}:\n{}", finished.stderr));
    (finished, report)
}

#[test]
fn a_hypothesis_that_holds_passes() {
    let (finished, report) = judged(&Shop::open(), &Experiment::slow("1s"));
    finished
        .exits(0)
        .tells(" is on (")
        .tells(" is off (")
        .results("passed (exit 0)");
    assert_eq!(report["stack_verdict"], "passed");
    assert_ne!(report["measures"]["fault_effective"], Value::Null);
    assert_eq!(report["checks"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_probe_that_fails_because_of_the_fault_fails_the_hypothesis() {
    let experiment = Experiment {
        during: "[{probe: shop-answers, fail_after: 1}]",
        ..Experiment::cut("1s")
    };
    let (finished, report) = judged(&Shop::open(), &experiment);
    finished.exits(1).results("failed (exit 1)");
    assert_eq!(report["stack_verdict"], "failed");
    assert!(
        report["stack_reasons"].to_string().contains("shop-answers"),
        "{}",
        report["stack_reasons"]
    );
    assert_ne!(report["measures"]["impact"], Value::Null, "users were hurt");
}

#[test]
fn a_probe_that_answers_too_slowly_to_be_asked_while_the_fault_is_on_was_not_observed() {
    let shop = Shop::open();
    let stack = shop.folder.read("stacks/shop.yaml");
    let sleeper = "  sleeper: {process: {command: [sleep, \"4\"]}, expect: {exit: 0, within: 8s}, every: 200ms}\n";
    shop.folder
        .write("stacks/shop.yaml", &format!("{stack}{sleeper}"));
    let file = shop.experiment(&Experiment {
        during: "[{probe: sleeper}, {probe: stock-well}]",
        ..Experiment::slow("1s")
    });
    let formats = ["--json", "r.json", "--junit", "r.xml", "--markdown", "r.md"];
    shop.firedrill
        .run(["run", file.as_str()].into_iter().chain(formats))
        .exits(4)
        .results("errored (exit 4)")
        .results("sleeper: not observed");
    let report: Value =
        serde_json::from_str(&shop.folder.read("r.json")).expect("the report is JSON");
    assert_eq!(report["stack_verdict"], "errored");
    assert_eq!(report["checks"][2]["result"], "not_observed");
    assert_eq!(report["checks"][3]["result"], "held");
    let xml = shop.folder.read("r.xml");
    assert!(xml.contains("<error type=\"not_observed\""), "{xml}");
    let markdown = shop.folder.read("r.md");
    assert!(
        markdown.contains("during sleeper: **not observed**"),
        "{markdown}"
    );
}

#[test]
fn a_stack_that_does_not_recover_fails_the_hypothesis() {
    let shop = Shop::open();
    let experiment = Experiment {
        during: "[]",
        ..Experiment::slow("1s")
    };
    let started = shop.start(&experiment);
    shop.stock.be_well(false);
    started.finish().exits(1);
    assert_eq!(shop.proxies.toxics(), [""; 0]);
}

#[test]
fn without_a_steady_state_before_nothing_is_injected() {
    let shop = Shop::open();
    shop.stock.be_well(false);
    let (finished, report) = judged(&shop, &Experiment::slow("1s"));
    let told = finished.exits(4).tells("steady state").stderr;
    assert!(!told.contains(" is on ("), "{told}");
    assert_eq!(report["stack_verdict"], "errored");
    assert_eq!(report["measures"]["fault_sent"], Value::Null);
}

#[test]
fn a_stop_condition_ends_the_run_and_the_fault_with_it() {
    let experiment = Experiment {
        stop_when: "[{probe: shop-answers, fails_for: 500ms}]".to_owned(),
        ..Experiment::cut("60s")
    };
    let (finished, report) = judged(&Shop::open(), &experiment);
    let finished = finished.exits(3).tells("stop condition: shop-answers");
    assert!(
        finished.took < Duration::from_secs(20),
        "{:?}",
        finished.took
    );
    assert_eq!(report["stack_verdict"], "aborted");
}

#[test]
fn a_run_that_outlasts_its_limit_is_aborted() {
    let shop = Shop::open();
    let experiment = Experiment {
        limits: "{duration: 2s}",
        ..Experiment::slow("60s")
    };
    shop.run(&experiment).exits(2).tells("past the limit of 2s");

    // Its undo takes longer than its file lets one expect.
    let step = r#"hook: {id: fault, for: 1s, do: {run: ["true"]}, undo: {run: ["sleep", "3"]}}"#;
    let late = Experiment {
        limits: "{duration: 2s}",
        ..Experiment::of(step)
    };
    let (finished, report) = judged(&shop, &late);
    let finished = finished.exits(3).tells("limits.duration");
    assert!(
        finished.took < Duration::from_secs(20),
        "{:?}",
        finished.took
    );
    assert_eq!(report["stack_verdict"], "aborted");
}

#[test]
fn a_target_that_is_not_there_is_no_success() {
    let shop = Shop::open();
    let text = shop
        .folder
        .read("stacks/shop.yaml")
        .replace("proxy: shop-stock", "proxy: shop-stork");
    shop.folder.write("stacks/shop.yaml", &text);
    let (finished, report) = judged(&shop, &Experiment::slow("1s"));
    finished.exits(4).tells("shop-stork");
    assert_eq!(report["stack_verdict"], "errored");
}

#[test]
fn a_fault_that_somebody_else_removes_is_no_success() {
    let shop = Shop::open();
    let started = shop.start(&Experiment::slow("60s"));
    let toxic = shop.proxies.faults().pop().expect("the fault is on");
    shop.proxies.remove("shop-stock", &toxic);
    started.finish().exits(4).tells("removed by somebody else");
    assert_eq!(shop.proxies.toxics(), [""; 0]);
}

#[test]
fn hooks_are_done_verified_and_undone() {
    let shop = Shop::open();
    let (finished, _) = judged(&shop, &Experiment::of(http_hook(&shop, "1s")));
    finished.exits(0);
    assert_eq!(shop.stock.version(), crate::stand_in::FIRST_VERSION);
    let requests = shop.stock.requests();
    assert_eq!(
        requests
            .iter()
            .filter(|request| *request == "POST /version")
            .count(),
        2,
        "{requests:?}"
    );
}

#[test]
fn of_several_files_the_worst_outcome_is_the_exit_status() {
    let shop = Shop::open();
    let passing = shop.experiment(&Experiment {
        name: "passing",
        ..Experiment::slow("500ms")
    });
    let during = "[{probe: shop-answers, fail_after: 1}]";
    let failing = shop.experiment(&Experiment {
        name: "failing",
        during,
        ..Experiment::cut("500ms")
    });
    shop.firedrill
        .run(["run", &failing, &passing])
        .exits(1)
        .results("failed (exit 1)")
        .results("passed (exit 0)");
}

/// A hook that rolls out another version over HTTP.
pub(crate) fn http_hook(shop: &Shop, lasts: &str) -> String {
    let url = format!("http://{}:7001/version", shop.host);
    format!(
        r#"hook: {{id: fault, for: {lasts},
      do: {{http: {{method: POST, url: "{url}", body: '{{"version": 42}}'}}}},
      verify: {{http: {{url: "{url}"}}, expect: {{json: {{"$.version": 42}}}}}},
      undo: {{http: {{method: POST, url: "{url}", body: '{{"version": 41}}'}}}},
      verify_undone: {{http: {{url: "{url}"}}, expect: {{json: {{"$.version": 41}}}}}}}}"#
    )
}

#[test]
fn a_missing_proxy_is_created_before_any_probe_needs_it_and_not_by_a_dry_run() {
    let shop = Shop::open();
    let path = format!("/proxies/{}", crate::shop::PROXY);
    let gone = crate::http::send(shop.proxies.0, "DELETE", &path, "").expect("Toxiproxy answers");
    assert_eq!(gone.status(), 204);
    let server = format!(
        "{{url: \"http://{}:8474\", create_proxies: true}}",
        shop.host
    );
    shop.folder
        .write("stacks/shop.yaml", &crate::shop::stack(shop.host, &server));
    let file = shop.experiment(&Experiment::slow("1s"));
    shop.firedrill.run(["run", &file, "--dry-run"]).exits(0);
    assert_eq!(
        shop.proxies.snapshot(),
        serde_json::json!({}),
        "a dry run touched something"
    );
    shop.firedrill.run(["run", &file]).exits(0);
    assert!(shop.proxies.toxics().is_empty());
}
