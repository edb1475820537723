//! What pages over many runs are told, and how `SQLite` finds it.

use super::*;
use crate::model::failure::Target;
use crate::model::summary::{Side, Standing};
use crate::ports::{Durability, Journal as _};
use crate::store::sample;

fn scenario(name: &str) -> Scenario {
    Scenario {
        drill: true,
        name: name.into(),
        stack: "wallet-staging".parse().expect("a name"),
        team: Some("wallet-oncall".parse().expect("a name")),
        surprise: false,
        rehearsal: false,
        severity: Some("SEV1".into()),
        class: Some("availability".into()),
        failures: vec![Failure::CutOff],
    }
}

fn summary(name: &str) -> Summary {
    Summary {
        version: 7,
        scenario: scenario(name),
        passed: Some(true),
        rating: Some("P".into()),
        outcome: Some(90.0),
        observed: Some(100.0),
        times: Times {
            detect: Some(Time::Measured(1_000)),
            acknowledge: None,
            mitigate: Some(Time::Measured(5_000)),
            recover: Some(Time::AtLeast(9_000)),
        },
        ended_by: Some("team".into()),
        watched_ms: 60_000,
        hurt_ms: 6_000,
        hits: vec![(
            Target::Link("api-signer".parse().expect("a name")),
            Failure::CutOff,
        )],
        points: vec![Point {
            side: Side::Team,
            id: "detect".into(),
            standing: Standing::Held,
        }],
    }
}

/// Runs of a drill, a second apart, that are over.
async fn runs(database: &Database, drill: &str, ids: &[&str]) {
    for (later, id) in (0..).zip(ids) {
        let run = sample::run(id);
        let events = [sample::created_drill(drill, later), sample::ended(2)];
        database
            .append(&run, 0, &events, Durability::Durable)
            .await
            .expect("appended");
    }
}

#[tokio::test]
async fn a_summary_is_found_with_its_series_and_saved_again_replaces_itself() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    runs(&database, "bad-token", &["r1", "r2"]).await;
    let (first, second) = (sample::run("r1"), sample::run("r2"));
    database
        .save_summary(&second, &summary("bad-token"))
        .await
        .expect("saved");
    let older = Summary {
        rating: None,
        scenario: Scenario {
            severity: Some("SEV2".into()),
            ..scenario("bad-token")
        },
        ..summary("bad-token")
    };
    database.save_summary(&first, &older).await.expect("saved");

    let all = database.series().await.expect("asked");
    assert_eq!(all.len(), 1);
    assert_eq!(
        all[0].scenario,
        scenario("bad-token"),
        "an older run does not change what a series is"
    );
    let rows = database.summaries_of(all[0].id, 10).await.expect("asked");
    let ids: Vec<_> = rows.iter().map(|row| row.run.as_str()).collect();
    assert_eq!(ids, ["r2", "r1"]);
    assert_eq!(rows[0].times, summary("bad-token").times);
    assert_eq!(rows[0].points, summary("bad-token").points);
    assert_eq!(rows[1].rating, None);

    let again = Summary {
        rating: Some("M".into()),
        passed: Some(false),
        ..summary("bad-token")
    };
    database.save_summary(&second, &again).await.expect("saved");
    let rows = database.summaries_of(all[0].id, 1).await.expect("asked");
    assert_eq!(rows[0].rating.as_deref(), Some("M"));
    assert_eq!(
        database.runs_of_series(all[0].id).await.expect("asked"),
        2,
        "nothing is counted twice"
    );
    let nobody = database
        .save_summary(&sample::run("r9"), &summary("bad-token"))
        .await;
    assert!(matches!(nobody, Err(Error::NoSuchRun(_))), "{nobody:?}");
}

#[tokio::test]
async fn announced_and_surprise_drills_and_rehearsals_are_series_of_their_own() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    runs(&database, "bad-token", &["r1", "r2", "r3"]).await;
    for (id, surprise, rehearsal) in [
        ("r1", false, false),
        ("r2", true, false),
        ("r3", false, true),
    ] {
        let one = Summary {
            scenario: Scenario {
                surprise,
                rehearsal,
                ..scenario("bad-token")
            },
            ..summary("bad-token")
        };
        database
            .save_summary(&sample::run(id), &one)
            .await
            .expect("saved");
    }
    assert_eq!(database.series().await.expect("asked").len(), 3);
    let counted = database
        .counted_between(Timestamp::UNIX_EPOCH, Timestamp::MAX)
        .await
        .expect("asked");
    assert_eq!(
        counted,
        Counted {
            drills: 2,
            with_impact: 2,
            detected: 2,
            to_recover: 2,
            recovered: 0,
            passed: 2,
            judged: 2,
            watched_ms: 120_000,
            hurt_ms: 12_000,
        }
    );
}

#[tokio::test]
async fn the_latest_run_that_hit_a_cell_is_found_and_those_that_broke_off_are_not() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    runs(&database, "bad-token", &["r1", "r2", "r3"]).await;
    for (id, passed) in [("r1", Some(false)), ("r2", Some(true)), ("r3", None)] {
        let one = Summary {
            passed,
            ..summary("bad-token")
        };
        database
            .save_summary(&sample::run(id), &one)
            .await
            .expect("saved");
    }
    let stack = "wallet-staging".parse().expect("a name");
    let cells = [
        ("link:api-signer".to_owned(), Failure::CutOff),
        ("link:api-signer".to_owned(), Failure::Slow),
    ];
    let hits = database
        .latest_hits(&stack, true, &cells)
        .await
        .expect("asked");
    assert_eq!(hits.len(), 1);
    assert_eq!(
        (hits[0].run.as_str(), hits[0].failure, hits[0].passed),
        ("r2", Failure::CutOff, Some(true))
    );
    let none = database
        .latest_hits(&stack, false, &cells)
        .await
        .expect("asked");
    assert!(none.is_empty(), "no experiment hit it");
}

#[tokio::test]
async fn runs_without_a_summary_of_this_version_are_named_oldest_first() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    runs(&database, "bad-token", &["r1", "r2", "r3"]).await;
    let live = sample::run("r0");
    let begun = [sample::created_drill("bad-token", 0)];
    database
        .append(&live, 0, &begun, Durability::Durable)
        .await
        .expect("appended");
    database
        .save_summary(&sample::run("r2"), &summary("bad-token"))
        .await
        .expect("saved");
    let without = async |version, after: Option<&RunId>| {
        let rows = database
            .runs_without_summary(version, after, 10)
            .await
            .expect("asked");
        rows.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(without(7, None).await, ["r1", "r3"]);
    assert_eq!(without(8, None).await, ["r1", "r2", "r3"]);
    assert_eq!(without(8, Some(&sample::run("r2"))).await, ["r3"]);
}

/// How `SQLite` would go about a query.
async fn plan(database: &Database, query: &str) -> String {
    let rows: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}")))
            .fetch_all(database.readers())
            .await
            .expect("explained");
    let steps: Vec<String> = rows.into_iter().map(|(.., step)| step).collect();
    steps.join("\n")
}

#[tokio::test]
async fn no_page_looks_at_every_run() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    for query in [OF_SERIES, HOW_MANY, HITS, COUNTED] {
        let plan = plan(&database, query).await;
        for table in ["summaries", "runs", "hits", "events", "s"] {
            assert!(
                !plan.lines().any(|step| step == format!("SCAN {table}")
                    || step.starts_with(&format!("SCAN {table} "))),
                "{query}\n{plan}"
            );
        }
        assert!(!plan.contains("TEMP B-TREE"), "{query}\n{plan}");
    }
}
