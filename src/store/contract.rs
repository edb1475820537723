//! What every journal must do: one suite for all implementations.

use crate::engine::event::{Event, Phase};
use crate::model::ids::RunId;
use crate::ports::Durability::{self, Durable, Grouped};
use crate::ports::{Journal, JournalError};
use crate::store::sample;

async fn append(
    journal: &dyn Journal,
    run: &RunId,
    expected: u64,
    events: &[Event],
    durability: Durability,
) {
    journal
        .append(run, expected, events, durability)
        .await
        .expect("appended");
}

/// Tries an empty journal.
pub(super) async fn holds(journal: &dyn Journal) {
    what_was_appended_is_loaded_in_order(journal).await;
    appends_are_all_or_nothing_and_in_sequence(journal).await;
    a_run_is_created_once_and_first(journal).await;
    runs_without_an_end_are_unfinished(journal).await;
    nothing_is_known_of_a_run_that_is_not_there(journal).await;
}

async fn what_was_appended_is_loaded_in_order(journal: &dyn Journal) {
    let run = sample::run("loaded");
    let mut log = vec![sample::created_drill("bad-token", 0)];
    append(journal, &run, 0, &log, Durable).await;
    let more = [
        sample::phase(2, Phase::Preflight),
        sample::noted(3, "Grüße, “quoted” \\ \u{0} 🔥"),
    ];
    append(journal, &run, 1, &more, Grouped).await;
    log.extend(more);
    for seq in 4..40 {
        let event = sample::noted(seq, &format!("note {seq}"));
        let durability = if seq % 7 == 0 { Durable } else { Grouped };
        append(
            journal,
            &run,
            seq - 1,
            std::slice::from_ref(&event),
            durability,
        )
        .await;
        log.push(event);
    }
    assert_eq!(journal.load(&run).await.expect("loaded"), log);
    append(journal, &run, 39, &[], Durable).await;
    assert_eq!(journal.load(&run).await.expect("loaded"), log);
}

async fn appends_are_all_or_nothing_and_in_sequence(journal: &dyn Journal) {
    let run = sample::run("in-sequence");
    append(journal, &run, 0, &[sample::created("a")], Durable).await;
    append(journal, &run, 1, &[sample::noted(2, "mine")], Durable).await;

    let late = [sample::noted(2, "theirs"), sample::noted(3, "theirs")];
    let error = journal.append(&run, 1, &late, Durable).await;
    assert!(
        matches!(
            error,
            Err(JournalError::OutOfSequence {
                expected: 1,
                actual: 2,
                ..
            })
        ),
        "{error:?}"
    );
    let early = journal
        .append(&run, 5, &[sample::noted(6, "too early")], Durable)
        .await;
    assert!(
        matches!(early, Err(JournalError::OutOfSequence { actual: 2, .. })),
        "{early:?}"
    );
    let gap = [sample::noted(3, "a"), sample::noted(5, "b")];
    let gap = journal.append(&run, 2, &gap, Durable).await;
    assert!(matches!(gap, Err(JournalError::Storage(_))), "{gap:?}");

    assert_eq!(journal.load(&run).await.expect("loaded").len(), 2);
    append(journal, &run, 2, &[sample::noted(3, "mine")], Durable).await;
}

async fn a_run_is_created_once_and_first(journal: &dyn Journal) {
    let run = sample::run("once");
    let uncreated = journal
        .append(&run, 0, &[sample::noted(1, "a")], Durable)
        .await;
    assert!(uncreated.is_err());
    append(journal, &run, 0, &[sample::created("a")], Durable).await;
    let again = journal
        .append(&run, 0, &[sample::created("b")], Durable)
        .await;
    assert!(
        matches!(again, Err(JournalError::OutOfSequence { actual: 1, .. })),
        "{again:?}"
    );
}

async fn runs_without_an_end_are_unfinished(journal: &dyn Journal) {
    let before = unfinished(journal).await.len();
    // The older of the two has the later name.
    let (older, newer) = (sample::run("unfinished-b"), sample::run("unfinished-a"));
    let created = [
        sample::created_drill("d", 100),
        sample::created_drill("d", 200),
    ];
    append(journal, &newer, 0, &created[1..], Grouped).await;
    append(journal, &older, 0, &created[..1], Grouped).await;
    let open = unfinished(journal).await;
    assert_eq!(open[before..], [older.clone(), newer.clone()]);

    append(journal, &older, 1, &[sample::ended(2)], Grouped).await;
    let open = unfinished(journal).await;
    assert_eq!(open[before..], [newer]);
    // A correction comes after the end, and does not open the run again.
    append(
        journal,
        &older,
        2,
        &[sample::noted(3, "a correction")],
        Durable,
    )
    .await;
    assert_eq!(unfinished(journal).await.len(), before + 1);
}

async fn unfinished(journal: &dyn Journal) -> Vec<RunId> {
    let open = journal.unfinished().await.expect("asked");
    open.into_iter().map(|one| one.run).collect()
}

async fn nothing_is_known_of_a_run_that_is_not_there(journal: &dyn Journal) {
    let run = sample::run("nowhere");
    let loaded = journal.load(&run).await;
    assert!(
        matches!(loaded, Err(JournalError::NoSuchRun(_))),
        "{loaded:?}"
    );
    let appended = journal
        .append(&run, 1, &[sample::noted(2, "a")], Durable)
        .await;
    assert!(
        matches!(appended, Err(JournalError::NoSuchRun(_))),
        "{appended:?}"
    );
}
