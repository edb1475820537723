//! What lists and pages are told about runs.

use super::*;
use crate::engine::event::Event;
use crate::ports::{Durability, Journal};
use crate::store::sample;

async fn append(database: &Database, run: &RunId, expected: u64, events: &[Event]) {
    database
        .append(run, expected, events, Durability::Durable)
        .await
        .expect("appended");
}

fn ids(rows: &[RunRow]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

fn drill(name: &str) -> DrillName {
    name.parse().expect("a name")
}

#[tokio::test]
async fn a_runs_row_follows_its_log() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    let run = sample::run("r1");
    append(&database, &run, 0, &[sample::created_drill("bad-token", 0)]).await;
    let row = database.run(&run).await.expect("there");
    assert_eq!(
        (row.name.as_str(), row.kind, row.trigger.clone(), row.seed),
        ("bad-token", RunKind::Drill, Trigger::CommandLine, u64::MAX)
    );
    assert_eq!(
        (row.stack.as_str(), row.created, row.phase, row.ended),
        ("wallet-staging", sample::at(1).wall, None, None)
    );

    append(&database, &run, 1, &[sample::phase(2, Phase::Closing)]).await;
    let both = [sample::stuck(3, "slow#1"), sample::stuck(4, "slow#2")];
    append(&database, &run, 2, &both).await;
    append(&database, &run, 4, &[sample::undone(5, "slow#1")]).await;
    let row = database.run(&run).await.expect("there");
    assert_eq!((row.phase, row.stuck), (Some(Phase::Closing), 1));
    let stuck = database.stuck_runs().await.expect("listed");
    assert_eq!(stuck.len(), 1);
    assert_eq!(stuck[0].run, row);
    let still_on = StuckInjection {
        injection: "slow#2".parse().expect("a name"),
        error: "slow#2 would not go".into(),
        since: sample::at(4).wall,
    };
    assert_eq!(stuck[0].injections, [still_on]);
    assert_eq!(ids(&database.live_runs().await.expect("listed")), ["r1"]);

    append(
        &database,
        &run,
        5,
        &[sample::undone(6, "slow#2"), sample::ended(7)],
    )
    .await;
    let row = database.run(&run).await.expect("there");
    assert_eq!(
        (row.verdict, row.ended, row.stuck),
        (Some(Verdict::Passed), Some(sample::at(7).wall), 0)
    );
    assert_eq!(row.head, database.verify(&run).await.expect("whole"));
    assert!(database.stuck_runs().await.expect("listed").is_empty());
    assert!(database.live_runs().await.expect("listed").is_empty());

    let nobody = database.run(&sample::run("r2")).await;
    assert!(matches!(nobody, Err(Error::NoSuchRun(_))), "{nobody:?}");
}

#[tokio::test]
async fn lists_go_from_the_latest_and_page_by_page() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    // Two of one instant, told apart by their ids.
    for (id, name, later) in [
        ("e", "bad-token", 0),
        ("d", "slow-signer", 1),
        ("c", "bad-token", 2),
        ("b", "bad-token", 3),
        ("a", "bad-token", 3),
    ] {
        append(
            &database,
            &sample::run(id),
            0,
            &[sample::created_drill(name, later)],
        )
        .await;
    }
    append(
        &database,
        &sample::run("x"),
        0,
        &[sample::created("bad-token")],
    )
    .await;

    let mut seen = Vec::new();
    let mut last: Option<RunId> = None;
    loop {
        let page = database
            .recent_runs(2, last.as_ref())
            .await
            .expect("listed");
        let Some(row) = page.last() else { break };
        last = Some(row.id.clone());
        seen.extend(page.iter().map(|row| row.id.to_string()));
    }
    assert_eq!(seen, ["b", "a", "c", "d", "x", "e"]);

    let of_drill = database
        .runs_of_drill(&drill("bad-token"), 3)
        .await
        .expect("listed");
    assert_eq!(ids(&of_drill), ["b", "a", "c"]);
    assert_eq!(
        ids(&database.live_runs().await.expect("listed")),
        ["e", "x", "d", "c", "a", "b"]
    );
}

#[tokio::test]
async fn the_latest_scorecard_of_a_drill_is_that_of_its_latest_scored_run() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    let (first, second, third) = (sample::run("r1"), sample::run("r2"), sample::run("r3"));
    for (run, later) in [(&first, 0), (&second, 10), (&third, 20)] {
        append(
            &database,
            run,
            0,
            &[sample::created_drill("bad-token", later)],
        )
        .await;
    }
    let name = drill("bad-token");
    assert_eq!(
        database.last_scorecard_of(&name).await.expect("asked"),
        None
    );

    let summary = ScorecardSummary {
        rubric: "1".into(),
        rating: Some("S".into()),
        outcome: Some(66.7),
        observed: Some(100.0),
        pass: Some(false),
    };
    let withheld = ScorecardSummary {
        rating: None,
        outcome: None,
        pass: None,
        ..summary.clone()
    };
    for (run, summary, json) in [
        (&second, &summary, r#"{"draft":true}"#),
        (&second, &withheld, r#"{"of":"r2"}"#),
        (&first, &summary, r#"{"of":"r1"}"#),
    ] {
        database
            .save_scorecard(run, summary, json)
            .await
            .expect("saved");
    }
    let last = database
        .last_scorecard_of(&name)
        .await
        .expect("asked")
        .expect("scored");
    assert_eq!((last.run, last.json.as_str()), (second, r#"{"of":"r2"}"#));
    assert_eq!(last.summary, withheld);
    let row = database.run(&first).await.expect("there");
    assert_eq!(row.scorecard, Some(summary.clone()));
    assert_eq!(database.scorecard_of(&third).await.expect("asked"), None);
    let nobody = database
        .save_scorecard(&sample::run("r9"), &summary, "{}")
        .await;
    assert!(matches!(nobody, Err(Error::NoSuchRun(_))), "{nobody:?}");
}

#[tokio::test]
async fn events_are_read_on_from_where_a_reader_is() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    let run = sample::run("r1");
    append(&database, &run, 0, &[sample::created("a")]).await;
    for seq in 2..10 {
        // Also what is only queued: a reader who was told of an event finds it.
        database
            .append(
                &run,
                seq - 1,
                &[sample::noted(seq, "n")],
                Durability::Grouped,
            )
            .await
            .expect("queued");
        let seen = database
            .events_after(&run, seq - 1, 10)
            .await
            .expect("read");
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].fact, Some(sample::noted(seq, "n").fact));
        assert_eq!(seen[0].origin, sample::noted(seq, "n").origin);
    }
    let some = database.events_after(&run, 3, 2).await.expect("read");
    let seqs: Vec<_> = some.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [4, 5]);
    assert!(
        database
            .events_after(&run, 9, 2)
            .await
            .expect("read")
            .is_empty()
    );
    let nobody = database.events_after(&sample::run("r9"), 0, 2).await;
    assert!(matches!(nobody, Err(Error::NoSuchRun(_))), "{nobody:?}");
}

#[tokio::test]
async fn a_damaged_column_is_said_and_not_guessed() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    append(&database, &sample::run("r1"), 0, &[sample::created("a")]).await;
    sqlx::query("UPDATE runs SET phase = 'lunch'")
        .execute(database.writer())
        .await
        .expect("damaged");
    let error = database.live_runs().await.expect_err("unreadable");
    assert_eq!(
        error.to_string(),
        r#"the database holds "lunch" where a phase should be"#
    );
}

#[tokio::test]
async fn the_runs_of_a_game_day_are_found_in_their_order_and_say_which_drill_they_are() {
    let folder = sample::Folder::new();
    let database = Database::open(&folder.path).await.expect("opened");
    for (run, day, position, later) in
        [("r1", "d1", 1, 0), ("r2", "d1", 2, 10), ("r3", "d2", 1, 20)]
    {
        let turn = sample::turn(day, position);
        let created = sample::created_in_game_day("outage", later, turn.clone());
        append(&database, &sample::run(run), 0, &[created]).await;
        let row = database.run(&sample::run(run)).await.expect("there");
        assert_eq!(row.trigger, Trigger::GameDay(turn));
    }
    append(&database, &sample::run("r4"), 0, &[sample::created("slow")]).await;
    let first = "d1".parse().expect("an id");
    let rows = database.runs_of_game_day(&first).await.expect("listed");
    assert_eq!(ids(&rows), ["r1", "r2"]);
    let rows = database.runs_of_game_days(1).await.expect("listed");
    assert_eq!(ids(&rows), ["r3"], "those of the latest");
    let rows = database.runs_of_game_days(9).await.expect("listed");
    assert_eq!(ids(&rows), ["r1", "r2", "r3"]);
}
