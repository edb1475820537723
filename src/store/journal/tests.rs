//! The journal in the database: what outlives a crash, what damage is found, what erasing leaves, and how failures reach
//! their writers.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::*;
use crate::ports::Durability::{Durable, Grouped};
use crate::store::{contract, sample};

async fn open(folder: &sample::Folder) -> Database {
    Database::open(&folder.path).await.expect("opened")
}

/// A run of four events, the last of which ends it.
async fn four_events(database: &Database, run: &RunId) {
    let events = [
        sample::created("a"),
        sample::noted(2, "a secret that must go"),
        sample::noted(3, "three"),
        sample::ended(4),
    ];
    database
        .append(run, 0, &events, Durable)
        .await
        .expect("appended");
}

async fn execute(database: &Database, sql: &'static str) {
    sqlx::raw_sql(sql)
        .execute(database.writer())
        .await
        .expect("executed");
}

fn damage(result: Result<impl Sized, JournalError>) -> (u64, String) {
    match result {
        Err(JournalError::Damaged { seq, what, .. }) => (seq, what),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the damage was not found"),
    }
}

#[tokio::test]
async fn it_keeps_the_journals_contract() {
    let folder = sample::Folder::new();
    let database = open(&folder).await;
    contract::holds(&database).await;
    for run in database.recent_runs(100, None).await.expect("listed") {
        let head = database.verify(&run.id).await.expect("whole");
        assert_eq!(head, run.head);
    }
    database.close().await.expect("closed");
}

#[tokio::test]
async fn durable_events_outlive_a_process_that_is_killed() {
    const FOLDER: &str = "FIREDRILL_TEST_KILLED_WRITER";
    let run = sample::run("killed");
    if let Some(data) = std::env::var_os(FOLDER) {
        // The process to be killed: it writes until it is.
        let database = Database::open(data.as_ref()).await.expect("opened");
        let append = |seq, event, durability| {
            let (database, run) = (&database, &run);
            async move {
                database
                    .append(run, seq - 1, &[event], durability)
                    .await
                    .expect("appended");
            }
        };
        append(1, sample::created("a"), Durable).await;
        for seq in (2..).step_by(2) {
            append(seq, sample::noted(seq, "grouped"), Grouped).await;
            append(seq + 1, sample::noted(seq + 1, "durable"), Durable).await;
            println!("\ndurable {}", seq + 1);
        }
    }

    let folder = sample::Folder::new();
    let mut writer = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture"])
        .arg("store::journal::tests::durable_events_outlive_a_process_that_is_killed")
        .env(FOLDER, &folder.path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let told = BufReader::new(writer.stdout.take().expect("piped"))
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("durable ")?.parse::<usize>().ok())
        .nth(25);
    writer.kill().expect("killed");
    writer.wait().expect("gone");
    let told = told.expect("it wrote until it was killed");

    let database = open(&folder).await;
    let events = database.load(&run).await.expect("whole");
    assert!(events.len() >= told, "{} of {told}", events.len());
    let open = database.unfinished().await.expect("asked");
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].run, run);
}

#[tokio::test]
async fn what_was_durable_is_there_without_a_close_and_what_was_grouped_after_one() {
    let folder = sample::Folder::new();
    let run = sample::run("r1");
    let database = open(&folder).await;
    database
        .append(&run, 0, &[sample::created("a")], Durable)
        .await
        .expect("appended");
    drop(database);
    let database = open(&folder).await;
    assert_eq!(database.load(&run).await.expect("loaded").len(), 1);
    for seq in 2..300 {
        database
            .append(&run, seq - 1, &[sample::noted(seq, "grouped")], Grouped)
            .await
            .expect("queued");
    }
    database.close().await.expect("closed");
    let error = database
        .append(&run, 299, &[sample::noted(300, "late")], Grouped)
        .await
        .expect_err("closed")
        .to_string();
    assert!(error.contains("was closed"), "{error}");
    let database = open(&folder).await;
    assert_eq!(database.load(&run).await.expect("loaded").len(), 299);
}

#[tokio::test]
async fn a_changed_byte_is_found_where_it_is() {
    let folder = sample::Folder::new();
    let run = sample::run("r1");
    let database = open(&folder).await;
    four_events(&database, &run).await;
    for (change, back, seq, what) in [
        (
            "UPDATE events SET payload = replace(payload, 'three', 'thrae') WHERE seq = 3",
            "UPDATE events SET payload = replace(payload, 'thrae', 'three') WHERE seq = 3",
            3,
            "its payload does not match its digest",
        ),
        (
            "UPDATE events SET header = replace(header, 'p-7f3a9c', 'p-7f3a9d') WHERE seq = 2",
            "UPDATE events SET header = replace(header, 'p-7f3a9d', 'p-7f3a9c') WHERE seq = 2",
            2,
            "its header does not match its hash",
        ),
        (
            "UPDATE events SET seq = 9 WHERE seq = 2",
            "UPDATE events SET seq = 2 WHERE seq = 9",
            2,
            "it is missing",
        ),
        (
            "UPDATE runs SET head_seq = 5",
            "UPDATE runs SET head_seq = 4",
            5,
            "it is missing",
        ),
        (
            "UPDATE events SET run = 'other' WHERE seq = 4; UPDATE runs SET head_seq = 3",
            "UPDATE events SET run = 'r1' WHERE seq = 4; UPDATE runs SET head_seq = 4",
            3,
            "the run's head is another event",
        ),
    ] {
        execute(&database, "PRAGMA foreign_keys = OFF").await;
        execute(&database, change).await;
        let expected = (seq, what.to_owned());
        assert_eq!(damage(database.load(&run).await), expected, "{change}");
        assert_eq!(damage(database.verify(&run).await), expected, "{change}");
        execute(&database, back).await;
        database.load(&run).await.expect("whole again");
    }
}

#[tokio::test]
async fn a_header_that_was_forged_with_its_hash_breaks_the_chain_behind_it() {
    let folder = sample::Folder::new();
    let run = sample::run("r1");
    let database = open(&folder).await;
    four_events(&database, &run).await;
    let header: String = sqlx::query_scalar("SELECT header FROM events WHERE seq = 2")
        .fetch_one(database.writer())
        .await
        .expect("there");
    let forged = header.replace("p-7f3a9c", "p-7f3a9d");
    sqlx::query("UPDATE events SET header = ?1, hash = ?2 WHERE seq = 2")
        .bind(&forged)
        .bind(chain::digest(forged.as_bytes()))
        .execute(database.writer())
        .await
        .expect("forged");
    let expected = (3, "it does not follow the event before it".to_owned());
    assert_eq!(damage(database.load(&run).await), expected);
    // A page of events that begins behind the forgery can't see it; one that spans it does.
    assert!(database.events_after(&run, 2, 10).await.is_ok());
    assert!(database.events_after(&run, 1, 10).await.is_err());
}

#[tokio::test]
async fn an_erased_payload_is_gone_and_the_chain_still_holds() {
    let folder = sample::Folder::new();
    let run = sample::run("r1");
    let database = open(&folder).await;
    four_events(&database, &run).await;
    let head = database.verify(&run).await.expect("whole");
    assert!(folder.holds(b"a secret that must go"));

    database
        .erase_payload(&run, 2, "asked for by its author")
        .await
        .expect("erased");
    assert!(
        !folder.holds(b"a secret that must go"),
        "a copy of it is left"
    );
    assert_eq!(database.verify(&run).await.expect("whole"), head);
    let error = database.load(&run).await.expect_err("can't be replayed");
    insta::assert_snapshot!(error, @"the journal could not be used: event 2 of run r1 was erased (asked for by its author): the run can be shown, but not replayed");

    database
        .erase_payload(&run, 2, "again")
        .await
        .expect("no change");
    let shown = database.events_after(&run, 0, 10).await.expect("shown");
    let lines: Vec<_> = shown
        .iter()
        .map(|event| {
            let erased = event.erased.as_deref().unwrap_or("-");
            format!(
                "{} {} {} {erased}",
                event.seq,
                event.kind,
                event.fact.is_some()
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "1 run_created true -",
            "2 noted false asked for by its author",
            "3 noted true -",
            "4 run_ended true -",
        ]
    );
    assert_eq!(shown.last().expect("four").hash, head.hash);
}

#[tokio::test]
async fn what_an_undo_may_need_is_not_erased() {
    let folder = sample::Folder::new();
    let (run, ended) = (sample::run("r1"), sample::run("r2"));
    let database = open(&folder).await;
    database
        .append(&run, 0, &[sample::created("a")], Grouped)
        .await
        .expect("appended");
    four_events(&database, &ended).await;
    let error = database.erase_payload(&run, 1, "why").await;
    assert!(matches!(error, Err(Error::Unfinished(_))), "{error:?}");
    let error = database.erase_payload(&ended, 9, "why").await;
    assert!(
        matches!(error, Err(Error::NoSuchEvent { seq: 9, .. })),
        "{error:?}"
    );
    let error = database.erase_payload(&sample::run("r3"), 1, "why").await;
    assert!(matches!(error, Err(Error::NoSuchRun(_))), "{error:?}");
    assert_eq!(database.load(&run).await.expect("loaded").len(), 1);
}

#[tokio::test]
async fn two_handles_on_one_run_do_not_mix() {
    let folder = sample::Folder::new();
    let run = sample::run("r1");
    let (one, other) = (open(&folder).await, open(&folder).await);
    one.append(&run, 0, &[sample::created("a")], Durable)
        .await
        .expect("appended");
    other
        .append(&run, 1, &[sample::noted(2, "other")], Durable)
        .await
        .expect("appended");
    let error = one
        .append(&run, 1, &[sample::noted(2, "one")], Durable)
        .await;
    assert!(
        matches!(error, Err(JournalError::OutOfSequence { actual: 2, .. })),
        "{error:?}"
    );
    assert_eq!(one.load(&run).await.expect("loaded").len(), 2);
}

#[tokio::test]
async fn a_grouped_failure_is_told_at_the_next_append_and_leaves_no_gap() {
    let folder = sample::Folder::new();
    let (run, bystander) = (sample::run("r1"), sample::run("r2"));
    let (one, other) = (open(&folder).await, open(&folder).await);
    one.append(&run, 0, &[sample::created("a")], Durable)
        .await
        .expect("appended");
    one.append(&bystander, 0, &[sample::created("b")], Durable)
        .await
        .expect("appended");
    other
        .append(&run, 1, &[sample::noted(2, "theirs")], Durable)
        .await
        .expect("appended");

    // The first can't follow; the others only look as if they could.
    for seq in 2..5 {
        let _ = one
            .append(&run, seq - 1, &[sample::noted(seq, "mine")], Grouped)
            .await;
        one.append(&bystander, seq - 1, &[sample::noted(seq, "b")], Grouped)
            .await
            .expect("another run's failure is not this one's");
    }
    one.queue().settle().await;
    // Whether it was told in the loop or is told now, the run goes on behind what is there.
    let mut told = 0;
    let log = loop {
        let log = one.load(&run).await.expect("whole");
        let next = log.len() as u64;
        let event = sample::noted(next + 1, "mine, again");
        match one.append(&run, next, &[event], Durable).await {
            Ok(()) => break one.load(&run).await.expect("whole"),
            Err(JournalError::OutOfSequence { actual: 2, .. }) => told += 1,
            Err(other) => panic!("{other}"),
        }
        assert!(told < 2, "it was told twice");
    };
    assert_eq!(log.len(), 3);
    assert_eq!(one.load(&bystander).await.expect("whole").len(), 4);
    one.close().await.expect("nothing is left to tell");
}

#[tokio::test]
async fn a_failure_that_no_append_told_of_is_told_when_closing() {
    let folder = sample::Folder::new();
    let run = sample::run("nowhere");
    let database = open(&folder).await;
    database
        .append(&run, 1, &[sample::noted(2, "a")], Grouped)
        .await
        .expect("queued");
    let error = database.close().await;
    assert!(
        matches!(error, Err(JournalError::NoSuchRun(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_full_disk_fails_appends_whole_and_room_lets_them_go_on() {
    let folder = sample::Folder::new();
    let (run, other) = (sample::run("r1"), sample::run("r2"));
    let roomy = open(&folder).await;
    execute(
        &roomy,
        "CREATE TABLE filler (bytes BLOB); INSERT INTO filler VALUES (zeroblob(200000))",
    )
    .await;
    let pages: u32 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(roomy.writer())
        .await
        .expect("counted");
    roomy.close().await.expect("closed");

    let database = Database::open_limited(&folder.path, pages + 4)
        .await
        .expect("opened");
    let created = [sample::created("a")];
    for run in [&run, &other] {
        database
            .append(run, 0, &created, Durable)
            .await
            .expect("it fits");
    }
    let large = [
        sample::noted(2, &"x".repeat(300)),
        sample::noted(3, &"x".repeat(60_000)),
    ];
    let error = database
        .append(&run, 1, &large, Durable)
        .await
        .expect_err("no room")
        .to_string();
    assert!(error.contains("hint: free some space"), "{error}");
    assert_eq!(database.load(&run).await.expect("whole").len(), 1);

    // Queued together, the one that has no room does not take the other with it.
    let small = [sample::noted(2, "small")];
    let (too_large, fits) = tokio::join!(
        database.append(&run, 1, &large, Durable),
        database.append(&other, 1, &small, Durable),
    );
    assert!(too_large.is_err());
    fits.expect("it fits");

    // A grouped one is told at the next, in the same words, whatever was queued in between.
    let between = [sample::noted(4, "in between")];
    for (expected, events) in [(1, &large[..]), (3, &between[..])] {
        database
            .append(&run, expected, events, Grouped)
            .await
            .expect("queued");
    }
    database.queue().settle().await;
    let told = database
        .append(&run, 4, &[sample::noted(5, "next")], Grouped)
        .await
        .expect_err("told")
        .to_string();
    assert_eq!(told, error);

    execute(&database, "DROP TABLE filler").await;
    database
        .append(&run, 1, &large, Durable)
        .await
        .expect("there is room again");
    assert_eq!(database.load(&run).await.expect("whole").len(), 3);
    database.close().await.expect("closed");
}

#[tokio::test]
async fn many_runs_write_at_once() {
    let folder = sample::Folder::new();
    let database = open(&folder).await;
    let writers = (0..40).map(|number| {
        let database = database.clone();
        async move {
            let run = sample::run(&format!("run-{number}"));
            let mut events = vec![sample::created("a")];
            database.append(&run, 0, &events, Durable).await?;
            for seq in 2..12 {
                let event = sample::noted(seq, &format!("{number}:{seq}"));
                let durability = if seq % 2 == 0 { Grouped } else { Durable };
                database
                    .append(&run, seq - 1, std::slice::from_ref(&event), durability)
                    .await?;
                events.push(event);
            }
            assert_eq!(database.load(&run).await?, events);
            Ok::<_, JournalError>(())
        }
    });
    for result in futures_util::future::join_all(writers).await {
        result.expect("written");
    }
    database.close().await.expect("closed");
}

#[tokio::test]
async fn a_run_that_was_given_up_is_open_no_more_and_its_log_stays_as_it_was() {
    let folder = sample::Folder::new();
    let database = open(&folder).await;
    let run = sample::run("r1");
    let created = [sample::created("a")];
    database
        .append(&run, 0, &created, Durable)
        .await
        .expect("appended");
    let at = sample::at(9).wall;
    database.give_up(&run, at).await.expect("given up");
    assert_eq!(database.unfinished().await.expect("asked"), []);
    assert_eq!(database.load(&run).await.expect("as before"), created);
    let row = database.run(&run).await.expect("its row");
    assert_eq!((row.ended, row.verdict), (Some(at), Some(Verdict::Errored)));
    assert!(database.give_up(&run, at).await.is_err(), "only once");
}

#[tokio::test]
async fn what_is_unfinished_is_found_among_ten_thousand_runs_without_looking_at_them() {
    let folder = sample::Folder::new();
    let run = sample::run("open");
    let database = open(&folder).await;
    sqlx::query(
        "INSERT INTO runs (id, name, kind, stack, started_by, seed, created, ended, verdict, head_seq, head_hash)
         WITH RECURSIVE past(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM past WHERE n < 10000)
         SELECT 'past-' || n, 'a', 'experiment', 's', 'schedule', '1', '2026-01-01T00:00:00.000000000Z',
                '2026-01-01T00:01:00.000000000Z', 'passed', 0, '' FROM past",
    )
    .execute(database.writer())
    .await
    .expect("made");
    database
        .append(&run, 0, &[sample::created("a")], Durable)
        .await
        .expect("appended");
    let open = database.unfinished().await.expect("asked");
    assert_eq!(open.iter().map(|one| &one.run).collect::<Vec<_>>(), [&run]);
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "EXPLAIN QUERY PLAN {UNFINISHED}"
    )))
    .fetch_all(database.readers())
    .await
    .expect("explained");
    let [(.., step)] = plan.as_slice() else {
        panic!("more than one step: {plan:?}")
    };
    assert!(step.contains("INDEX runs_unfinished"), "{step}");
}
