//! What a run leaves to be handed on: an after-action report in every form, and evidence that any change breaks.

use crate::shop::{Experiment, Shop};

#[test]
fn evidence_is_proven_without_a_data_folder_and_any_change_to_it_is_seen() {
    let shop = Shop::open();
    let trial = shop.experiment(&Experiment::slow("500ms"));
    shop.firedrill.run(["run", &trial]).exits(0);
    shop.firedrill
        .run(["report", "--evidence", "one.json"])
        .exits(0)
        .tells("evidence of run");
    shop.firedrill
        .run(["report", "--evidence", "two.json"])
        .exits(0);
    let evidence = shop.folder.read("one.json");
    assert_eq!(
        evidence,
        shop.folder.read("two.json"),
        "it is the same each time"
    );
    assert!(
        evidence.contains("hypothesis"),
        "the files that the run was made from are in it"
    );

    let elsewhere = shop.firedrill.with_data(shop.folder.path().join("nowhere"));
    let proven = elsewhere.run(["report", "--verify", "one.json"]).exits(0);
    for part in [
        "the log is whole",
        "files are those that it was made from",
        "the scorecard is what the log comes to by rubric",
    ] {
        assert!(
            proven.stdout.contains(part),
            "no `{part}`: {}",
            proven.stdout
        );
    }
    assert!(
        !proven.stdout.contains("were not kept"),
        "every file was kept: {}",
        proven.stdout
    );
    assert!(
        !shop.folder.path().join("nowhere").exists(),
        "a check of a file opens no data folder"
    );

    for (from, to, part) in [
        (
            "\\\"type\\\":\\\"run_ended\\\"",
            "\\\"type\\\":\\\"run_endad\\\"",
            "the log is not whole",
        ),
        (
            "kind: Experiment",
            "kind: experiment",
            "is not the one that the run was made from",
        ),
        (
            "\"stack_verdict\": \"passed\"",
            "\"stack_verdict\": \"failed\"",
            "the scorecard is not what the log comes to",
        ),
    ] {
        assert!(evidence.contains(from), "there is no {from} to change");
        shop.folder
            .write("changed.json", &evidence.replace(from, to));
        shop.firedrill
            .run(["report", "--verify", "changed.json"])
            .exits(4)
            .tells(part);
    }
    shop.folder.write("other.json", "{}");
    shop.firedrill
        .run(["report", "--verify", "other.json"])
        .exits(4)
        .tells("this is no evidence");
}

#[test]
fn an_after_action_report_comes_as_markdown_html_and_json() {
    let shop = Shop::open();
    let trial = shop.experiment(&Experiment::slow("500ms"));
    shop.firedrill.run(["run", &trial]).exits(0);
    let markdown = shop.firedrill.run(["report", "--review"]).exits(0).stdout;
    for part in [
        "# After-action report: trial",
        "## Objectives",
        "## Timeline",
        "## Corrective actions",
    ] {
        assert!(markdown.contains(part), "no `{part}` in {markdown}");
    }
    let html = shop
        .firedrill
        .run(["report", "--review", "--format", "html"])
        .exits(0)
        .stdout;
    assert!(
        html.starts_with("<!doctype html>") && html.contains("<h2>Objectives</h2>"),
        "{html}"
    );
    let json = shop
        .firedrill
        .run(["report", "--review", "--format", "json"])
        .exits(0)
        .stdout;
    let review: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(review["overview"]["name"], "trial");
    assert_eq!(review["survey"]["answers"], 0);
    shop.firedrill
        .run(["report", "--format", "html"])
        .exits(2)
        .tells("is for `--review`");
}
