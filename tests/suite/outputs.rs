//! What a run writes, and where: results on standard output, progress on standard error, reports in files.

use serde_json::Value;

use crate::shop::{Experiment, IS_ON, Shop};
use crate::xml;

fn failing() -> Experiment {
    let during = "[{probe: shop-answers, fail_after: 1}, {probe: stock-well}]";
    Experiment {
        name: "failing",
        during,
        ..Experiment::cut("1s")
    }
}

fn passing() -> Experiment {
    Experiment {
        name: "passing",
        ..Experiment::slow("500ms")
    }
}

#[test]
fn results_go_to_standard_output_and_progress_to_standard_error_without_colours() {
    let shop = Shop::open();
    let finished = shop.run(&passing()).exits(0);
    assert!(
        finished
            .stdout
            .starts_with("experiment passing: passed (exit 0)\n"),
        "{}",
        finished.stdout
    );
    assert!(!finished.stdout.contains(IS_ON), "{}", finished.stdout);
    assert!(
        finished.stderr.contains(IS_ON) && !finished.stderr.contains("checks"),
        "{}",
        finished.stderr
    );
    assert!(
        finished
            .stderr
            .lines()
            .rev()
            .skip(1)
            .all(|line| line.starts_with('+')),
        "{}",
        finished.stderr
    );
    let last = finished.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("passing: passed (exit 0): the hypothesis held; more: `firedrill report "),
        "{last}"
    );
    shop.folder.write("wrong.yaml", "kind: Experiment\n");
    let wrong = shop.firedrill.run(["run", "wrong.yaml"]).exits(2);
    for text in [&finished.stdout, &finished.stderr, &wrong.stderr] {
        assert!(!text.contains('\x1b'), "colours in a file:\n{text}");
    }
}

#[test]
fn junit_has_a_suite_a_run_with_the_counts_of_its_cases() {
    let shop = Shop::open();
    let files = [failing(), passing()].map(|experiment| shop.experiment(&experiment));
    shop.firedrill
        .run(["run", &files[0], &files[1], "--junit", "results.xml"])
        .exits(1);
    let elements = xml::elements(&shop.folder.read("results.xml"));
    let suites: Vec<_> = elements
        .iter()
        .filter(|element| element.name == "testsuite")
        .collect();
    let counts = suites
        .iter()
        .map(|suite| ["tests", "failures", "errors", "skipped"].map(|name| suite.number(name)));
    // The hypothesis, two probes of steady state, and those of `during`.
    assert_eq!(counts.collect::<Vec<_>>(), [[5, 2, 0, 0], [4, 0, 0, 0]]);
    let named = |name: &str| {
        elements
            .iter()
            .filter(|element| element.name == name)
            .count()
    };
    assert_eq!(
        (
            named("testcase"),
            named("failure"),
            named("error"),
            named("skipped")
        ),
        (9, 2, 0, 0)
    );
    let failures = elements.iter().filter(|element| element.name == "failure");
    assert!(
        failures
            .into_iter()
            .all(|failure| failure.within == ["testsuites", "testsuite", "testcase"])
    );
    assert_eq!(suites[0].attributes["name"], "failing");
}

#[test]
fn json_names_the_run_and_the_chain_head_and_the_log_gives_the_same_report_again() {
    let shop = Shop::open();
    let file = shop.experiment(&passing());
    shop.firedrill
        .run(["run", &file, "--json", "report.json"])
        .exits(0);
    let written = shop.folder.read("report.json");
    let report: Value = serde_json::from_str(&written).expect("a report is JSON");
    let run = report["run"].as_str().expect("the run is named");
    let head = report["chain"]["head"]
        .as_str()
        .expect("the chain has a head");
    assert!(
        head.len() == 64 && head.chars().all(|c| c.is_ascii_hexdigit()),
        "{head}"
    );
    let again = shop
        .firedrill
        .run(["report", run, "--format", "json"])
        .exits(0);
    assert_eq!(again.stdout, written);
    shop.firedrill.run(["report", run]).exits(0).results(head);
}

#[test]
fn several_runs_are_a_list_in_json() {
    let shop = Shop::open();
    let files = [failing(), passing()].map(|experiment| shop.experiment(&experiment));
    shop.firedrill
        .run(["run", &files[0], &files[1], "--json", "reports.json"])
        .exits(1);
    let reports: Value =
        serde_json::from_str(&shop.folder.read("reports.json")).expect("reports are JSON");
    assert_eq!(reports[0]["overall"]["exit_code"], 1);
    assert_eq!(reports[1]["overall"]["exit_code"], 0);
}

#[test]
fn markdown_goes_to_its_file_and_to_the_step_summary_which_keeps_what_it_has() {
    let shop = Shop::open();
    let file = shop.experiment(&failing());
    let summary = shop.folder.write("summary.md", "# Earlier step\n");
    let firedrill = shop
        .firedrill
        .with("GITHUB_STEP_SUMMARY", &summary.display().to_string());
    firedrill
        .run(["run", &file, "--markdown", "report.md"])
        .exits(1);
    let report = shop.folder.read("report.md");
    assert!(
        report.contains("failing") && report.contains("shop-answers"),
        "{report}"
    );
    assert_eq!(
        shop.folder.read("summary.md"),
        format!("# Earlier step\n{report}")
    );
}

#[test]
fn a_dry_run_looks_at_everything_and_touches_nothing() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let file = shop.experiment(&passing());
    let line = ["run", &file, "--dry-run"];
    let rehearsed = shop.firedrill.run(line).exits(0);
    let rehearsed = rehearsed
        .results("latency")
        .tells("Toxiproxy")
        .tells("nothing was touched");
    assert!(!rehearsed.stderr.contains(IS_ON), "{}", rehearsed.stderr);
    assert_eq!(shop.proxies.snapshot(), before);
    let asked = shop.stock.requests();
    assert_eq!(asked, ["GET /health"; 2], "each probe is asked once");
    let stack = shop
        .folder
        .read("stacks/shop.yaml")
        .replace("proxy: shop-stock", "proxy: shop-stork");
    shop.folder.write("stacks/shop.yaml", &stack);
    shop.firedrill.run(line).exits(4).tells("shop-stork");
    assert_eq!(shop.proxies.snapshot(), before);
    assert_eq!(shop.stock.requests(), asked, "nothing unproven is asked");
}

#[test]
fn a_seed_is_taken_and_told_so_that_a_run_can_be_repeated() {
    let shop = Shop::open();
    let file = shop.experiment(&passing());
    shop.firedrill
        .run(["run", &file, "--seed", "7"])
        .exits(0)
        .tells("(seed 7)");
    let drawn = [(); 2].map(|()| {
        let told = shop.firedrill.run(["run", &file]).exits(0).stderr;
        let (_, seed) = told.split_once("(seed ").expect("the seed is told");
        seed.split_once(')').expect("the seed ends").0.to_owned()
    });
    assert_ne!(drawn[0], drawn[1], "without one, each run draws its own");
    shop.firedrill
        .run(["run", &file, "--seed", &drawn[0]])
        .exits(0)
        .tells(&format!("(seed {})", drawn[0]));
}

#[test]
fn findings_are_json_where_asked() {
    let shop = Shop::open();
    shop.folder
        .write("wrong.yaml", "kind: Experiment\nname: wrong\n");
    let checked = shop
        .firedrill
        .run(["validate", "wrong.yaml", "--json"])
        .exits(2);
    let findings: Value = serde_json::from_str(&checked.stdout).expect("findings are JSON");
    let findings = findings.as_array().expect("a list");
    assert!(!findings.is_empty());
    assert!(
        findings
            .iter()
            .all(|finding| finding["line"].is_u64() && finding["column"].is_u64()),
        "{findings:?}"
    );
}
