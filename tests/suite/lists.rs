//! Lists of files: each is in every report, in order, whatever became of it.

use std::path::PathBuf;

use proptest::prelude::*;
use rustix::process::Signal;
use serde_json::Value;

use ::firedrill::engine::event::Verdict as StackVerdict;
use ::firedrill::score::Report;
use ::firedrill::score::expectations::Verdict as LineVerdict;
use ::firedrill::score::report::entry::{Cause, Entry, Unjudged};
use ::firedrill::score::report::{CheckResult, junit};
use ::firedrill::score::rubric::TeamVerdict;
use ::firedrill::shipped;
use ::firedrill::spec::{Library, Options, Source};

use crate::firedrill::Firedrill;
use crate::ground::Folder;
use crate::idle_team::play;
use crate::shop::{Experiment, IS_ON, Shop};
use crate::xml::{self, Element};

fn named(name: &'static str, lasts: &str) -> Experiment {
    Experiment {
        name,
        ..Experiment::slow(lasts)
    }
}

/// The elements of a name.
fn all<'a>(elements: &'a [Element], name: &str) -> Vec<&'a Element> {
    elements.iter().filter(|one| one.name == name).collect()
}

fn names(elements: &[Element]) -> Vec<&str> {
    let suites = all(elements, "testsuite").into_iter();
    suites
        .map(|suite| suite.attributes["name"].as_str())
        .collect()
}

#[test]
fn a_signal_aborts_the_run_and_the_files_after_it_are_reported_as_skipped() {
    let shop = Shop::open();
    let before = shop.proxies.snapshot();
    let [first, second, third] =
        ["first", "second", "third"].map(|name| shop.experiment(&named(name, "60s")));
    let summary = shop.path("summary.md");
    let mut started = shop.firedrill.with("GITHUB_STEP_SUMMARY", &summary).start([
        "run",
        &first,
        &second,
        &third,
        "--junit",
        "results.xml",
        "--json",
        "results.json",
    ]);
    started.wait_for(IS_ON);
    started.signal(Signal::INT);
    let skipped = "(exit 3): not begun: a signal ended the list before";
    let finished = started
        .finish()
        .exits(3)
        .tells("first: aborted (exit 3): the run was aborted: interrupted by a signal; more: `firedrill report ")
        .tells(&format!("second: skipped {skipped}"))
        .tells(&format!("third: skipped {skipped}"))
        .tells("0 of 3 files passed (exit 3)");
    assert_eq!(shop.proxies.snapshot(), before, "{}", finished.stderr);
    assert_eq!(finished.stderr.matches(IS_ON).count(), 1);

    let junit = xml::elements(&shop.folder.read("results.xml"));
    assert_eq!(names(&junit), ["first", "second", "third"]);
    let counts = all(&junit, "testsuite")
        .into_iter()
        .map(|suite| ["tests", "failures", "errors", "skipped"].map(|name| suite.number(name)));
    // Of the first, the hypothesis is an error, and no probe was observed to the end.
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [[4, 0, 1, 3], [1, 0, 0, 1], [1, 0, 0, 1]]
    );
    let skipped: Vec<_> = all(&junit, "skipped")
        .into_iter()
        .map(|one| one.attributes["message"].as_str())
        .collect();
    assert_eq!(skipped[0], "not observed to the end: the run was stopped");
    assert_eq!(skipped[4], "not begun: a signal ended the list before");

    let json: Value = serde_json::from_str(&shop.folder.read("results.json")).expect("JSON");
    assert_eq!(json[0]["stack_verdict"], "aborted");
    for (index, file) in [(1, "second.yaml"), (2, "third.yaml")] {
        assert_eq!(json[index]["file"], file);
        assert_eq!(json[index]["cause"], "skipped");
        assert_eq!(json[index]["overall"]["exit_code"], 3);
    }
    let markdown = shop.folder.read("summary.md");
    assert!(markdown.contains("## third: skipped"), "{markdown}");
}

#[test]
fn a_wrong_file_is_an_error_in_the_reports_and_the_others_are_skipped() {
    let shop = Shop::open();
    let right = shop.experiment(&named("right", "1s"));
    shop.folder
        .write("wrong.yaml", "kind: Experiment\nname: wrong\n");
    shop.folder.write("results.xml", "an earlier list's");
    shop.firedrill
        .run(["run", &right, "wrong.yaml", "--junit", "results.xml"])
        .exits(2);
    let junit = xml::elements(&shop.folder.read("results.xml"));
    assert_eq!(names(&junit), ["right", "wrong.yaml"]);
    let error = all(&junit, "error");
    assert_eq!(error[0].attributes["type"], "wrong_file");
    assert!(error[0].attributes["message"].contains("wrong.yaml:1:1"));
    assert_eq!(all(&junit, "skipped").len(), 1);
    assert_eq!(shop.stock.requests(), [""; 0]);
}

#[test]
fn a_data_folder_that_can_not_be_made_is_an_error_of_every_file_and_said_once() {
    let shop = Shop::open();
    let files = ["one", "two"].map(|name| shop.experiment(&named(name, "1s")));
    let firedrill = shop.firedrill.with_data(PathBuf::from("/proc/x"));
    let finished = firedrill
        .run(["run", &files[0], &files[1], "--junit", "results.xml"])
        .exits(4);
    let cause = "No such file or directory";
    assert_eq!(
        finished.stderr.matches(cause).count(),
        1,
        "{}",
        finished.stderr
    );
    let junit = xml::elements(&shop.folder.read("results.xml"));
    assert_eq!(names(&junit), ["one", "two"]);
    let errors = all(&junit, "error");
    assert!(
        errors
            .iter()
            .all(|error| error.attributes["type"] == "not_begun"
                && error.attributes["message"].contains(cause)),
        "{errors:?}"
    );
    assert_eq!(errors.len(), 2);
    assert_eq!(shop.stock.requests(), [""; 0]);
}

#[test]
fn a_damaged_log_of_a_run_that_is_not_over_is_an_error_of_the_file_that_it_bars() {
    let shop = Shop::open();
    let started = shop.start(&Experiment::slow("2s"));
    started.crash();
    let damaged = tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(async {
            let options = sqlx::sqlite::SqliteConnectOptions::new()
                .filename(shop.folder.path().join("data/firedrill.db"));
            let pool = sqlx::SqlitePool::connect_with(options)
                .await
                .expect("it opens");
            let done = sqlx::query("UPDATE events SET payload = '{' WHERE seq = 1")
                .execute(&pool)
                .await
                .expect("it is written");
            pool.close().await;
            done.rows_affected()
        });
    assert_eq!(damaged, 1);
    shop.firedrill
        .run(["run", "trial.yaml", "--junit", "results.xml"])
        .exits(4)
        .tells("trial: not begun (exit 4): ");
    let junit = xml::elements(&shop.folder.read("results.xml"));
    let errors = all(&junit, "error");
    assert_eq!((names(&junit), errors.len()), (vec!["trial"], 1));
    assert_eq!(errors[0].attributes["type"], "not_begun");
}

#[test]
fn a_report_that_can_not_be_written_stops_everything_before_anything_is_touched() {
    let shop = Shop::open();
    let file = shop.experiment(&named("trial", "1s"));
    shop.folder.write("kept.xml", "an earlier list's");
    for option in ["--junit", "--json", "--markdown"] {
        shop.firedrill
            .run(["run", &file, option, "absent/results"])
            .exits(2)
            .tells("absent/results can't be written: No such file or directory")
            .tells("; hint: make its folder, or name another file\n");
    }
    shop.firedrill
        .run(["run", &file, "--junit", "kept.xml", "--json", "absent/x"])
        .exits(2);
    assert_eq!(shop.folder.read("kept.xml"), "an earlier list's");
    shop.firedrill
        .run(["run", &file, "--junit", "both", "--json", "both"])
        .exits(2)
        .tells("can't be two reports at once");
    shop.firedrill
        .run(["run", &file, "--junit", "results.xml", "--dry-run"])
        .exits(2)
        .tells("--dry-run");
    assert_eq!(shop.stock.requests(), [""; 0]);
    assert!(!shop.folder.has("data"), "a journal was made");
}

#[test]
fn reports_can_go_to_a_stream() {
    let shop = Shop::open();
    let file = shop.experiment(&named("trial", "500ms"));
    shop.firedrill
        .run(["run", &file, "--json", "/dev/stdout"])
        .exits(0)
        .results("experiment trial: passed")
        .results("\"took_ms\"");
}

#[test]
fn durations_are_those_of_the_run() {
    let shop = Shop::open();
    let file = shop.experiment(&named("trial", "1s"));
    let finished = shop
        .firedrill
        .run(["run", &file, "--junit", "results.xml"])
        .exits(0);
    let junit = xml::elements(&shop.folder.read("results.xml"));
    let seconds =
        |element: &Element| -> f64 { element.attributes["time"].parse().expect("seconds") };
    let suite = seconds(all(&junit, "testsuite")[0]);
    assert!(
        (1.0..finished.took.as_secs_f64()).contains(&suite),
        "{suite} s of {:?}",
        finished.took
    );
    let cases = all(&junit, "testcase");
    let of = |name: &str| {
        let case = cases
            .iter()
            .find(|case| case.attributes["name"].starts_with(name));
        seconds(case.unwrap_or_else(|| panic!("no {name} in {cases:?}")))
    };
    assert!((of("hypothesis") - suite).abs() < 1e-9);
    let during = of("during");
    assert!((1.0..=suite).contains(&during), "{during} s of {suite} s");
}

/// A report with a scorecard, to be changed.
fn report() -> Report {
    let sources = shipped::FILES
        .iter()
        .map(|(path, text)| Source::new(*path, *text));
    let mut library = Library::of(sources, Options::default());
    let plan = library.plan(&PathBuf::from("drills/signer-outage.yaml"));
    let log = play(plan.unwrap_or_else(|found| panic!("{}", found.render(false))));
    ::firedrill::score::judge(&log).expect("a report")
}

fn check() -> impl Strategy<Value = CheckResult> {
    prop_oneof![
        Just(CheckResult::Held),
        any::<String>().prop_map(CheckResult::HeldSoFar),
        any::<String>().prop_map(CheckResult::Failed),
        any::<String>().prop_map(CheckResult::Unusable),
        Just(CheckResult::NotReached),
    ]
}

fn line() -> impl Strategy<Value = LineVerdict> {
    prop::sample::select(vec![
        LineVerdict::Met,
        LineVerdict::Late,
        LineVerdict::Missed,
        LineVerdict::Violated,
        LineVerdict::Censored,
        LineVerdict::NotObserved,
        LineVerdict::NotApplicable,
        LineVerdict::Pending,
    ])
}

fn judged(base: Report) -> impl Strategy<Value = Entry> {
    let stack = prop::option::of(prop::sample::select(vec![
        StackVerdict::Passed,
        StackVerdict::Failed,
        StackVerdict::Aborted,
        StackVerdict::Errored,
    ]));
    let team = prop::sample::select(vec![
        TeamVerdict::Passed,
        TeamVerdict::Failed,
        TeamVerdict::Withheld,
        TeamVerdict::Unrated,
        TeamVerdict::Pending,
    ]);
    let parts = (
        stack,
        prop::option::of(team),
        prop::collection::vec(check(), 8),
        prop::collection::vec(line(), 16),
        any::<String>(),
        0..10_000_000_u64,
    );
    parts.prop_map(move |(stack, team, checks, lines, text, took_ms)| {
        let mut report = base.clone();
        report.stack_verdict = stack;
        report.stack_reasons = vec![text.clone()];
        report.hypothesis = text;
        report.took_ms = took_ms;
        for (check, result) in report.checks.iter_mut().zip(checks) {
            check.result = result;
        }
        match (team, report.scorecard.as_mut()) {
            (Some(verdict), Some(scorecard)) => {
                scorecard.score.verdict = verdict;
                for (line, verdict) in scorecard.lines.iter_mut().zip(lines) {
                    line.verdict = verdict;
                }
            }
            _ => report.scorecard = None,
        }
        Entry::Judged(Box::new(report))
    })
}

fn unjudged() -> impl Strategy<Value = Entry> {
    let cause = prop::sample::select(vec![
        Cause::WrongFile,
        Cause::NotBegun,
        Cause::Skipped,
        Cause::Unrecorded,
        Cause::Stuck,
    ]);
    (any::<String>(), cause, any::<String>())
        .prop_map(|(file, cause, reason)| Unjudged::new(file, None, cause, 4, reason).into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn junit_is_well_formed_and_its_counts_are_those_of_its_cases(
        entries in prop::collection::vec(prop_oneof![judged(report()), unjudged()], 0..5)
    ) {
        let elements = xml::elements(&junit::render_all(&entries));
        let root = &elements[0];
        let suites = all(&elements, "testsuite");
        prop_assert_eq!(suites.len(), entries.len());
        for (count, name) in
            [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
        {
            prop_assert_eq!(root.number(count), all(&elements, name).len());
            let sum: usize = suites.iter().map(|suite| suite.number(count)).sum();
            prop_assert_eq!(sum, root.number(count));
        }
        // Within each suite too: elements come in document order.
        for part in elements.split(|one| one.name == "testsuite").skip(1).zip(&suites) {
            let (inside, suite) = part;
            for (count, name) in
                [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
            {
                prop_assert_eq!(suite.number(count), all(inside, name).len());
            }
            prop_assert!(suite.number("tests") > 0, "a file without a case");
        }
    }
}

#[test]
fn nobody_is_told_of_a_room_where_no_drill_is_run() {
    let shop = Shop::open();
    let told = shop.run(&named("trial", "500ms")).exits(0).stderr;
    assert!(!told.contains("http://127.0.0.1:8700"), "{told}");
    let folder = Folder::new();
    Firedrill::within(folder.path())
        .run(["run", "--no-room", "--listen", "127.0.0.1:8700", "x.yaml"])
        .exits(2)
        .tells("cannot be used with");
}
