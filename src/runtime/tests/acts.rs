//! What is asked of runs from outside: acts, starts, ends.

use std::time::Duration;

use super::stage::{SECOND, Stage, ended, halt, live, person, running};
use crate::engine::event::{Fact, Origin, StopCause, Trigger, Verdict};
use crate::engine::input::{Rejection, TeamAct};
use crate::engine::tests::plans::{drill, experiment, name};
use crate::ports::Claims as _;
use crate::runtime::{ActError, StartError, recovery};
use crate::store::memory::Failure;

#[tokio::test(start_paused = true)]
async fn an_act_is_answered_only_once_it_is_on_disk() {
    let process = Stage::new().process();
    let handle = process.start(drill()).await;
    running(&process, &handle).await;
    process.until(SECOND * 5).await;
    process.disk.delay(SECOND * 3);
    let began = process.elapsed();
    let seq = handle
        .act(TeamAct::Acknowledged, person())
        .await
        .expect("it is taken");
    assert!(process.elapsed().abs_diff(began) >= SECOND * 3);
    let log = process.log(handle.run());
    let place = usize::try_from(seq).expect("few");
    assert_eq!(log[place - 1].fact, Fact::Acknowledged);
}

#[tokio::test(start_paused = true)]
async fn an_act_that_is_turned_away_leaves_nothing_in_the_log() {
    let process = Stage::new().process();
    let mut handle = process.start(drill()).await;
    let early = handle.act(TeamAct::Acknowledged, person()).await;
    assert!(
        matches!(early, Err(ActError::Rejected(Rejection::NotBegun))),
        "{early:?}"
    );
    running(&process, &handle).await;
    let before = process.log(handle.run()).len();
    let pray = TeamAct::RemedyChosen {
        remedy: name("pray"),
    };
    let unknown = handle.act(pray, person()).await;
    assert!(matches!(
        unknown,
        Err(ActError::Rejected(Rejection::NoSuchRemedy { .. }))
    ));
    assert_eq!(process.log(handle.run()).len(), before);
    halt(&handle).await;
    handle.ended().await;
    let late = handle.act(TeamAct::Acknowledged, person()).await;
    assert!(
        matches!(late, Err(ActError::Rejected(Rejection::Ended))),
        "{late:?}"
    );
    let log = process.log(handle.run());
    assert!(!log.iter().any(|event| event.fact == Fact::Acknowledged));
}

#[tokio::test(start_paused = true)]
async fn an_act_that_cannot_be_recorded_says_so() {
    let process = Stage::new().process();
    let handle = process.start(drill()).await;
    running(&process, &handle).await;
    let journal = &process.stage.journal;
    journal.fail(journal.appends() + 1, Failure::Dead);
    let act = handle.act(TeamAct::Acknowledged, person()).await;
    assert!(matches!(act, Err(ActError::Unrecorded(_))), "{act:?}");
}

#[tokio::test(start_paused = true)]
async fn an_act_sent_twice_counts_once_and_both_are_answered() {
    let process = Stage::new().process();
    let handle = process.start(drill()).await;
    running(&process, &handle).await;
    let origin = Origin {
        source_id: Some("abc".to_owned()),
        ..person()
    };
    for _ in 0..2 {
        handle
            .act(TeamAct::Acknowledged, origin.clone())
            .await
            .expect("it is taken");
    }
    let acks = process.times(handle.run(), |f| *f == Fact::Acknowledged);
    assert_eq!(acks.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stack_is_used_by_one_run_at_a_time_and_free_as_soon_as_its_end_is_told() {
    let process = Stage::new().process();
    let mut first = process.start(experiment()).await;
    let second = process
        .supervisor
        .start(experiment(), None, Trigger::Api)
        .await;
    assert!(
        matches!(&second, Err(StartError::Busy { run, .. }) if run == first.run()),
        "{second:?}"
    );
    let mut other = experiment();
    other.stack.name = name("elsewhere");
    process.start(other).await;
    first.ended().await;
    assert!(process.supervisor.get(first.run()).is_none());
    process.start(experiment()).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_supervisors_that_start_on_one_stack_at_once_one_is_refused() {
    let stage = Stage::new();
    let (one, two) = (stage.process(), stage.process());
    // The first one's run is not in the journal yet when the second one looks.
    one.disk.delay(SECOND);
    let mut first = one.start(experiment()).await;
    let refused = two.supervisor.start(experiment(), None, Trigger::Api).await;
    assert!(matches!(refused, Err(StartError::InUse(_))), "{refused:?}");
    one.until(SECOND * 3).await;
    let refused = two.supervisor.start(experiment(), None, Trigger::Api).await;
    let message = refused.expect_err("it is refused").to_string();
    assert!(message.contains("run-1 of another process"), "{message}");
    first.ended().await;
    two.start(experiment()).await;
}

#[test]
fn no_run_starts_on_a_stack_where_a_dead_process_left_something() {
    let stage = Stage::new();
    live(async {
        let process = stage.process();
        let handle = process.start(experiment()).await;
        running(&process, &handle).await;
        process.until(SECOND * 3).await;
    });
    live(async {
        let process = stage.process();
        let refused = process
            .supervisor
            .start(experiment(), None, Trigger::CommandLine)
            .await
            .expect_err("it is refused");
        assert!(matches!(refused, StartError::Busy { .. }));
        assert!(
            refused.to_string().contains("whose process died"),
            "{refused}"
        );
        let owed = recovery::owed(&process.supervisor, &name("run-1")).await;
        assert_eq!(owed.expect("it is read"), ["undo `slow`"]);
        let recovered = recovery::recover(&process.supervisor)
            .await
            .expect("it is read");
        for mut taken in recovered.taken {
            let (verdict, reasons, _) = ended(&taken.ended().await);
            assert_eq!(verdict, Verdict::Errored);
            assert!(
                reasons.contains("the process that ran it died"),
                "{reasons}"
            );
        }
        stage.is_clean("after recovery").await;
        process.start(experiment()).await;
    });
}

#[tokio::test(start_paused = true)]
async fn recovery_leaves_runs_alone_that_a_living_process_holds() {
    let stage = Stage::new();
    let (one, two) = (stage.process(), stage.process());
    let mut handle = one.start(experiment()).await;
    running(&one, &handle).await;
    let recovered = recovery::recover(&two.supervisor)
        .await
        .expect("it is read");
    assert!(recovered.taken.is_empty() && recovered.failed.is_empty());
    assert_eq!(recovered.held, [handle.run().clone()]);
    let own = recovery::recover(&one.supervisor)
        .await
        .expect("it is read");
    assert!(own.taken.is_empty() && own.held.is_empty());
    assert_eq!(ended(&handle.ended().await).0, Verdict::Passed);
    assert!(
        stage
            .locks
            .claim(handle.run())
            .expect("locks work")
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn shutting_down_stops_every_run_waits_for_it_and_lets_none_begin() {
    let process = Stage::new().process();
    let mut other = experiment();
    other.stack.name = name("elsewhere");
    let (mut one, two) = (process.start(drill()).await, process.start(other).await);
    process.until(SECOND * 4).await;
    assert_eq!(process.stage.world.on().len(), 3);
    process.disk.delay(SECOND);
    let left = process
        .supervisor
        .shut_down(StopCause::Signal, Origin::engine(), Duration::from_secs(30))
        .await;
    assert!(left.is_empty(), "{left:?}");
    process.stage.is_clean("after shutting down").await;
    assert_eq!(ended(&one.ended().await).0, Verdict::Aborted);
    assert_eq!(ended(&two.status()).1, "interrupted by a signal");
    let refused = process
        .supervisor
        .start(experiment(), None, Trigger::Api)
        .await;
    assert!(
        matches!(refused, Err(StartError::ShuttingDown)),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn shutting_down_names_the_runs_that_do_not_end_in_time() {
    let process = Stage::new().process();
    let world = &process.stage.world;
    world.fail(
        crate::faults::fake::Verb::Undo,
        &name("slow"),
        u32::MAX,
        super::stage::unreachable(),
    );
    let handle = process.start(experiment()).await;
    process.until(SECOND * 4).await;
    let left = process
        .supervisor
        .shut_down(StopCause::Signal, Origin::engine(), Duration::from_secs(30))
        .await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].run(), handle.run());
    assert_eq!(process.elapsed(), SECOND * 34);
}
