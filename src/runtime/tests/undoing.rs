//! Undoing what hangs, what lands late, what somebody else removed, and what does not want to go.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::fakes::lock;
use super::stage::{SECOND, Stage, ended, halt, live, running, unreachable};
use crate::engine::STUCK_AFTER;
use crate::engine::event::{Fact, UndoneBy, Verdict};
use crate::engine::tests::plans::{drill, experiment, name};
use crate::faults::fake::Verb;
use crate::model::ids::InjectionId;
use crate::runtime::{RunStatus, recovery};

#[tokio::test(start_paused = true)]
async fn an_apply_that_hangs_is_dropped_at_a_halt_and_found_on_the_second_look_when_it_lands_late()
{
    let process = Stage::new().process();
    lock(&process.driver.landing).insert(name("slow"), SECOND * 4);
    let mut handle = process.start(experiment()).await;
    process.until(SECOND * 4).await;
    assert_eq!(process.calls(Verb::Apply, "slow"), [SECOND * 2]);
    halt(&handle).await;
    let (verdict, _, unrecorded) = ended(&handle.ended().await);
    assert_eq!((verdict, unrecorded), (Verdict::Aborted, None));
    // It lands at 6 s: after the first look at 4 s, before the second at 7 s.
    assert_eq!(process.calls(Verb::Undo, "slow"), [SECOND * 4, SECOND * 7]);
    let by_us = |f: &Fact| {
        matches!(
            f,
            Fact::Undone {
                by: UndoneBy::Us,
                ..
            }
        )
    };
    assert_eq!(process.times(handle.run(), by_us), [SECOND * 7]);
    process.until(SECOND * 60).await;
    process.stage.is_clean("a minute later").await;
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_never_answers_ends_the_run_as_errored() {
    let process = Stage::new().process();
    let mut plan = experiment();
    plan.injections[0].lasts =
        crate::model::fault::Lasts::For(crate::model::time::Millis::seconds(90));
    process
        .stage
        .world
        .delay(Verb::Apply, &name("slow"), Duration::from_hours(1));
    let mut handle = process.start(plan).await;
    let (verdict, reasons, _) = ended(&handle.ended().await);
    assert_eq!(verdict, Verdict::Errored);
    assert!(
        reasons.contains("`slow` could not be done: no answer within 15 s"),
        "{reasons}"
    );
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_lost_from_outside_is_noticed_within_two_looks_and_once() {
    let process = Stage::new().process();
    let mut handle = process.start(experiment()).await;
    process.until(Duration::from_millis(4_500)).await;
    assert!(process.stage.world.lose(handle.run(), &name("slow")));
    let (verdict, reasons, _) = ended(&handle.ended().await);
    assert_eq!(verdict, Verdict::Errored);
    assert!(reasons.contains("removed by somebody else"), "{reasons}");
    let lost = process.times(handle.run(), |f| matches!(f, Fact::Lost { .. }));
    assert!(
        lost.len() == 1 && lost[0] <= Duration::from_millis(8_500),
        "{lost:?}"
    );
    assert_eq!(
        process.calls(Verb::Undo, "slow").len(),
        1,
        "what is left of it is cleared away"
    );
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn one_look_that_finds_nothing_is_not_believed() {
    let process = Stage::new().process();
    let mut handle = process.start(experiment()).await;
    process.until(Duration::from_millis(4_500)).await;
    process.stage.world.lose(handle.run(), &name("slow"));
    process.until(Duration::from_millis(6_500)).await;
    // Back again, as after the restart of a server that keeps its configuration.
    let log = process.log(handle.run());
    let state = crate::engine::state::State::replay(handle.run().clone(), &log);
    let armed = state
        .ledger()
        .armed(&name("slow"))
        .expect("it is armed")
        .clone();
    process.driver.lands(armed, Duration::ZERO);
    assert_eq!(ended(&handle.ended().await).0, Verdict::Passed);
    assert!(
        process
            .times(handle.run(), |f| matches!(f, Fact::Lost { .. }))
            .is_empty()
    );
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_fails_for_a_minute_is_stuck_and_still_tried_until_it_works() {
    let process = Stage::new().process();
    let slow: InjectionId = name("slow");
    process
        .stage
        .world
        .fail(Verb::Undo, &slow, u32::MAX, unreachable());
    let mut handle = process.start(experiment()).await;
    running(&process, &handle).await;
    process.until(SECOND * 3).await;
    halt(&handle).await;
    let status = handle.settled().await;
    let RunStatus::Stuck { what } = status else {
        panic!("it is not stuck: {status:?}")
    };
    assert_eq!(what[0].0, slow);
    assert!(what[0].1.contains("silence"), "{what:?}");
    let took = process.elapsed().abs_diff(SECOND * 3);
    assert!(
        took >= STUCK_AFTER && took < STUCK_AFTER + SECOND * 4,
        "{took:?}"
    );
    let tries = process.calls(Verb::Undo, "slow").len();
    process.until(SECOND * 600).await;
    assert!(matches!(handle.status(), RunStatus::Stuck { .. }));
    let later = process.calls(Verb::Undo, "slow").len();
    assert!(
        (30..=40).contains(&(later - tries)),
        "every 15 s: {later} after {tries}"
    );
    process
        .stage
        .world
        .fail(Verb::Undo, &slow, 0, unreachable());
    let (verdict, _, unrecorded) = ended(&handle.ended().await);
    assert_eq!((verdict, unrecorded), (Verdict::Aborted, None));
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_never_answers_is_tried_again_and_stuck_as_well() {
    let process = Stage::new().process();
    let slow: InjectionId = name("slow");
    process
        .stage
        .world
        .delay(Verb::Undo, &slow, Duration::from_hours(24));
    let mut handle = process.start(experiment()).await;
    assert!(matches!(handle.settled().await, RunStatus::Stuck { .. }));
    process.stage.world.delay(Verb::Undo, &slow, Duration::ZERO);
    handle.ended().await;
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_panics_in_an_undo_is_asked_again() {
    let process = Stage::new().process();
    *lock(&process.driver.panics) = 2;
    let mut handle = process.start(experiment()).await;
    let status = handle.ended().await;
    assert_eq!(ended(&status).2, None);
    assert_eq!(process.calls(Verb::Undo, "slow").len(), 3);
    let failed = process.times(
        handle.run(),
        |f| matches!(f, Fact::UndoFailed { error, .. } if error.contains("firedrill failed")),
    );
    assert_eq!(failed.len(), 2);
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn a_step_due_at_the_very_instant_of_a_halt_does_not_begin() {
    let process = Stage::new().process();
    let mut handle = process.start(drill()).await;
    // The toxic is due at 2 s, the hook at 3 s.
    process.until(SECOND * 3).await;
    halt(&handle).await;
    handle.ended().await;
    let due = process.times(handle.run(), |f| matches!(f, Fact::Due { .. }));
    let stop = process.times(handle.run(), |f| matches!(f, Fact::StopRequested { .. }));
    assert_eq!(stop, [SECOND * 3]);
    // Either came first; had the hook begun, it was undone.
    assert!((1..=2).contains(&due.len()), "{due:?}");
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_set_an_hour_either_way_moves_no_deadline() {
    for hour in [3_600, -3_600] {
        let process = Stage::new().process();
        let mut handle = process.start(experiment()).await;
        running(&process, &handle).await;
        process.until(SECOND * 5).await;
        process.clock.step(hour);
        let (verdict, reasons, _) = ended(&handle.ended().await);
        assert_eq!((verdict, reasons.as_str()), (Verdict::Passed, ""), "{hour}");
        // Ten seconds after it was applied at 2 s, whatever the wall says.
        assert_eq!(process.calls(Verb::Undo, "slow"), [SECOND * 12], "{hour}");
        process.stage.is_clean("at the end").await;
    }
}

#[test]
fn a_wall_clock_set_an_hour_either_way_does_not_hold_up_the_next_process() {
    for hours in [1, -3] {
        let stage = Stage::new();
        live(async {
            let process = stage.process();
            process.start(experiment()).await;
            process.until(SECOND * 5).await;
        });
        assert_eq!(stage.world.on().len(), 1, "the fault outlives its process");
        live(async {
            let process = stage.process();
            process.clock.step(hours * 3_600);
            let recovered = recovery::recover(&process.supervisor)
                .await
                .expect("it is in memory");
            for mut handle in recovered.taken {
                handle.ended().await;
            }
            assert_eq!(process.calls(Verb::Undo, "slow"), [Duration::ZERO]);
            stage.is_clean("recovered").await;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn effects_that_are_delivered_twice_are_as_those_delivered_once() {
    for plan in [experiment(), drill()] {
        let process = Stage::new().process();
        process.driver.twice.store(true, Ordering::SeqCst);
        let mut handle = process.start(plan).await;
        running(&process, &handle).await;
        process.until(SECOND * 6).await;
        assert!(!process.stage.world.on().is_empty());
        halt(&handle).await;
        let (verdict, _, unrecorded) = ended(&handle.ended().await);
        assert_eq!((verdict, unrecorded), (Verdict::Aborted, None));
        let by_other = |f: &Fact| {
            matches!(
                f,
                Fact::Undone {
                    by: UndoneBy::Other,
                    ..
                }
            )
        };
        assert!(process.times(handle.run(), by_other).is_empty());
        process.stage.is_clean("at the end").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_being_undone_is_named_with_since_when_and_why_it_failed_last() {
    let process = Stage::new().process();
    let slow: InjectionId = name("slow");
    process
        .stage
        .world
        .fail(Verb::Undo, &slow, u32::MAX, unreachable());
    let mut handle = process.start(experiment()).await;
    running(&process, &handle).await;
    process.until(SECOND * 3).await;
    assert!(handle.undoing().is_empty());
    halt(&handle).await;
    process.until(SECOND * 10).await;
    let undoing = handle.undoing();
    assert_eq!(undoing.len(), 1, "{undoing:?}");
    let told = undoing[0].to_string();
    // The first process's wall clock stands at an hour when it begins.
    assert!(
        told.starts_with("`slow` since 01:00:03Z, last: ") && told.contains("silence"),
        "{told}"
    );
    process
        .stage
        .world
        .fail(Verb::Undo, &slow, 0, unreachable());
    handle.ended().await;
    assert!(handle.undoing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_lasts_no_time_is_done_and_then_undone_at_once() {
    let process = Stage::new().process();
    process
        .stage
        .world
        .delay(Verb::Apply, &name("slow"), SECOND * 4);
    let mut plan = experiment();
    plan.injections[0].lasts =
        crate::model::fault::Lasts::For(crate::model::time::Millis::seconds(0));
    let mut handle = process.start(plan).await;
    handle.ended().await;
    let active = process.times(handle.run(), |f| matches!(f, Fact::Active { .. }));
    assert_eq!(active, [SECOND * 6], "it has happened");
    assert_eq!(process.calls(Verb::Undo, "slow"), [SECOND * 6]);
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_no_effect_within_its_time_is_no_success() {
    let process = Stage::new().process();
    process
        .stage
        .world
        .delay(Verb::Apply, &name("slow"), SECOND * 12);
    let mut handle = process.start(experiment()).await;
    let (verdict, reasons, _) = ended(&handle.ended().await);
    assert_eq!(verdict, Verdict::Errored);
    assert!(
        reasons.contains("`slow` did not take effect within the time it had"),
        "{reasons}"
    );
    process.stage.is_clean("at the end").await;
}
