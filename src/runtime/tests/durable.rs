//! Intent before action, and an undo that waits for nothing.

use std::time::Duration;

use super::fakes::lock;
use super::stage::{SECOND, Stage, ended, halt, live, running};
use crate::engine::event::{Fact, Trigger, Verdict};
use crate::engine::tests::plans::{drill, experiment};
use crate::faults::fake::Verb;
use crate::runtime::recovery;
use crate::store::memory::Failure;

#[tokio::test(start_paused = true)]
async fn capture_and_apply_wait_until_their_events_are_on_a_slow_disk() {
    let process = Stage::new().process();
    process.disk.delay(SECOND * 2);
    let mut handle = process.start(experiment()).await;
    let status = handle.ended().await;
    assert_eq!(ended(&status), (Verdict::Passed, String::new(), None));
    let run = handle.run();
    let due = process.times(run, |f| matches!(f, Fact::Due { .. }))[0];
    let arming = process.times(run, |f| matches!(f, Fact::Arming { .. }))[0];
    let undo = process.times(run, |f| matches!(f, Fact::UndoBegan { .. }))[0];
    let capture = process.calls(Verb::Capture, "slow");
    let apply = process.calls(Verb::Apply, "slow");
    assert!(
        capture.len() == 1 && capture[0] >= due + SECOND * 2,
        "{capture:?}, due {due:?}"
    );
    assert!(
        apply.len() == 1 && apply[0] >= arming + SECOND * 2,
        "{apply:?}, armed {arming:?}"
    );
    assert_eq!(
        process.calls(Verb::Undo, "slow"),
        [undo],
        "the undo waits for nothing"
    );
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn a_halt_undoes_everything_at_once_while_the_journal_hangs_and_says_that_it_is_unrecorded() {
    let stage = Stage::new();
    let run = {
        let process = stage.process();
        let mut handle = process.start(drill()).await;
        running(&process, &handle).await;
        process.until(SECOND * 5).await;
        assert_eq!(stage.world.on().len(), 2);
        process.disk.hang();
        halt(&handle).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(
            stage.world.on().is_empty(),
            "undone before the journal has answered"
        );
        let status = handle.ended().await;
        let (verdict, _, unrecorded) = ended(&status);
        assert_eq!(verdict, Verdict::Aborted);
        assert!(
            unrecorded.is_some_and(|why| why.contains("did not answer within 20 s")),
            "{status:?}"
        );
        assert!(process.supervisor.live().is_empty());
        handle.run().clone()
    };
    // What is not recorded as undone is undone again, which finds nothing.
    let process = stage.process();
    let mut taken = recovery::recover(&process.supervisor)
        .await
        .expect("it is read")
        .taken;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].run(), &run);
    taken[0].ended().await;
    stage.is_clean("after recovery").await;
}

#[tokio::test(start_paused = true)]
async fn a_halt_undoes_everything_at_once_while_the_journal_fails() {
    let stage = Stage::new();
    let process = stage.process();
    let mut handle = process.start(drill()).await;
    running(&process, &handle).await;
    process.until(SECOND * 5).await;
    stage
        .journal
        .fail(stage.journal.appends() + 1, Failure::Dead);
    halt(&handle).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(stage.world.on().is_empty());
    let began = process.elapsed();
    let (verdict, _, unrecorded) = ended(&handle.ended().await);
    assert_eq!(verdict, Verdict::Aborted);
    assert!(unrecorded.is_some_and(|why| why.contains("made to fail")));
    assert!(process.elapsed().abs_diff(began) <= SECOND * 21);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_fails_stops_the_run_and_what_it_misses_is_written_when_it_works_again() {
    let stage = Stage::new();
    let process = stage.process();
    let mut handle = process.start(drill()).await;
    running(&process, &handle).await;
    process.until(SECOND * 5).await;
    // Nothing but probe summaries for a while: the first of them meets the failure.
    stage
        .journal
        .fail(stage.journal.appends() + 1, Failure::Refused);
    let (verdict, reasons, unrecorded) = ended(&handle.ended().await);
    assert_eq!((verdict, unrecorded), (Verdict::Errored, None));
    assert!(reasons.contains("the journal failed"), "{reasons}");
    stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn an_append_whose_answer_was_lost_is_known_again_and_the_log_goes_on() {
    let stage = Stage::new();
    let process = stage.process();
    let mut handle = process.start(drill()).await;
    running(&process, &handle).await;
    process.until(SECOND * 5).await;
    stage
        .journal
        .fail(stage.journal.appends() + 1, Failure::Unanswered);
    let (verdict, _, unrecorded) = ended(&handle.ended().await);
    assert_eq!((verdict, unrecorded), (Verdict::Errored, None));
    stage.is_clean("at the end").await;
    let log = process.log(handle.run());
    assert!(log.iter().zip(1..).all(|(event, seq)| event.seq == seq));
}

#[test]
fn a_log_that_somebody_else_continues_is_left_alone_and_everything_is_undone() {
    let stage = Stage::new();
    live(async {
        let process = stage.process();
        let mut handle = process.start(drill()).await;
        running(&process, &handle).await;
        process.until(SECOND * 5).await;
        let log = process.log(handle.run());
        let seq = log.len() as u64;
        let mut foreign = log[0].clone();
        foreign.seq = seq + 1;
        foreign.fact = Fact::Acknowledged;
        let journal: &dyn crate::ports::Journal = &*stage.journal;
        journal
            .append(
                handle.run(),
                seq,
                &[foreign],
                crate::ports::Durability::Durable,
            )
            .await
            .expect("nobody guards it in this test");
        let began = process.elapsed();
        halt(&handle).await;
        let late = handle.act(
            crate::engine::input::TeamAct::Acknowledged,
            super::stage::person(),
        );
        assert!(late.await.is_err());
        let (_, _, unrecorded) = ended(&handle.ended().await);
        assert!(unrecorded.is_some_and(|why| why.contains("another process writes")));
        assert!(
            process.elapsed().abs_diff(began) < SECOND,
            "there is nothing to wait for"
        );
        assert!(stage.world.on().is_empty());
    });
    assert!(lock(&stage.trace.unrecorded).is_empty());
}

#[test]
fn a_log_that_can_not_be_read_holds_up_its_own_stack_and_no_other() {
    let stage = Stage::new();
    let left = live(async {
        let process = stage.process();
        let handle = process.start(experiment()).await;
        running(&process, &handle).await;
        handle.run().clone()
    });
    let stage = stage.reopened();
    stage
        .journal
        .damage(&left, "its payload does not match its digest");
    live(async {
        let process = stage.process();
        let recovered = recovery::recover(&process.supervisor)
            .await
            .expect("a pass");
        assert!(recovered.taken.is_empty());
        let told: Vec<String> = recovered
            .failed
            .iter()
            .map(|(_, why)| why.to_string())
            .collect();
        let start = |plan| process.supervisor.start(plan, None, Trigger::CommandLine);
        let refused = start(experiment()).await.err().map(|why| why.to_string());
        assert_eq!(refused.as_ref(), told.first());
        let refused = refused.expect("its own stack is held up");
        for part in [
            left.as_str(),
            "stack `staging`",
            "damaged at event 1: its payload does not match its digest",
            "hint: see to it by hand",
        ] {
            assert!(refused.contains(part), "{part} is not in {refused}");
        }
        let mut elsewhere = experiment();
        elsewhere.stack.name = "other".parse().expect("a name");
        elsewhere.experiment.stack = elsewhere.stack.name.clone();
        let mut handle = start(elsewhere).await.expect("another stack is free");
        assert_eq!(ended(&handle.ended().await).0, Verdict::Passed);
    });
}
