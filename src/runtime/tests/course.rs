//! Whole runs with exact times, and probes that keep theirs.

use std::time::Duration;

use super::fakes::Asked;
use super::stage::{SECOND, Stage, ended, running};
use crate::engine::event::{Fact, Phase, Verdict};
use crate::engine::tests::plans::{drill, experiment};
use crate::engine::watch::SampleResult;
use crate::faults::fake::Verb;
use crate::model::time::Millis;

fn seconds(times: &[u64]) -> Vec<Duration> {
    times
        .iter()
        .map(|s| SECOND * u32::try_from(*s).expect("few"))
        .collect()
}

fn sent(asked: &[Asked]) -> Vec<Duration> {
    asked.iter().map(|asked| asked.sent).collect()
}

#[tokio::test(start_paused = true)]
async fn an_experiment_passes_with_every_step_at_its_time() {
    let process = Stage::new().process();
    let mut handle = process.start(experiment()).await;
    let (verdict, reasons, unrecorded) = ended(&handle.ended().await);
    assert_eq!(
        (verdict, reasons.as_str(), unrecorded),
        (Verdict::Passed, "", None)
    );
    let at = |kind: fn(&Fact) -> bool| process.times(handle.run(), kind);
    // Two passes a second apart, the step a second into the method, ten seconds of it, then two fresh passes.
    assert_eq!(
        at(|f| matches!(f, Fact::PhaseBegan { .. })),
        seconds(&[0, 0, 1, 13])
    );
    assert_eq!(at(|f| matches!(f, Fact::Due { .. })), seconds(&[2]));
    assert_eq!(at(|f| matches!(f, Fact::Active { .. })), seconds(&[2]));
    assert_eq!(at(|f| matches!(f, Fact::UndoBegan { .. })), seconds(&[12]));
    assert_eq!(at(|f| matches!(f, Fact::Undone { .. })), seconds(&[12]));
    assert_eq!(at(|f| matches!(f, Fact::RunEnded { .. })), seconds(&[13]));
    assert_eq!(process.calls(Verb::Apply, "slow"), seconds(&[2]));
    assert_eq!(process.calls(Verb::Undo, "slow"), seconds(&[12]));
    assert!(process.supervisor.live().is_empty());
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn probes_are_asked_at_once_in_each_phase_and_then_neither_drift_nor_stop() {
    let process = Stage::new().process();
    process.prober.takes("gap", Duration::from_millis(137));
    let mut handle = process.start(experiment()).await;
    handle.ended().await;
    let canary = sent(&process.prober.asked("canary"));
    // Before begins at 0. The second pass of `gap` is in at 1.137 s, and with it the method begins.
    let method = Duration::from_millis(1137);
    let mut expected = vec![Duration::ZERO, SECOND, method];
    expected.extend((1..=12).map(|nth| method + SECOND * nth));
    assert_eq!(
        canary[..expected.len().min(canary.len())],
        expected[..canary.len().min(expected.len())]
    );
    assert!(canary.len() >= 13, "{canary:?}");
    let gap = process.prober.asked("gap");
    for pair in gap[2..].windows(2) {
        let (one, two) = (pair[0].sent, pair[1].sent);
        let whole = Duration::from_secs(two.abs_diff(one).as_secs());
        assert_eq!(
            two.abs_diff(one),
            whole,
            "an answer's time shifts the next question: {gap:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_slower_than_its_interval_skips_turns_and_never_overlaps_itself() {
    let process = Stage::new().process();
    let mut plan = experiment();
    plan.experiment.limits.duration = Millis::seconds(60);
    process.prober.takes("gap", Duration::from_millis(2_500));
    let mut handle = process.start(plan).await;
    handle.ended().await;
    let gap = process.prober.asked("gap");
    assert!(gap.len() > 4, "{gap:?}");
    for pair in gap.windows(2) {
        let answered = pair[0].answered.expect("only the last is abandoned");
        assert!(pair[1].sent >= answered, "{pair:?} overlap");
    }
    // Asked on whole seconds of its phase only: at 0, 3, 6 s, the times it missed left out.
    let before: Vec<_> = gap.iter().take(2).map(|asked| asked.sent).collect();
    assert_eq!(before, seconds(&[0, 3]));
    let method = gap[2].sent;
    for asked in &gap[2..6] {
        assert_eq!(
            asked.sent.abs_diff(method).as_millis() % 3_000,
            0,
            "{gap:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_drill_without_a_team_runs_to_the_end_of_its_faults() {
    let process = Stage::new().process();
    let mut handle = process.start(drill()).await;
    handle.ended().await;
    // The kill waits two seconds for the toxic's end at 12 s; the hook ends at its `at_most`.
    assert_eq!(process.calls(Verb::Apply, "kill"), seconds(&[14]));
    assert_eq!(process.calls(Verb::Undo, "kill"), seconds(&[19]));
    assert_eq!(process.calls(Verb::Apply, "bad-token"), seconds(&[3]));
    assert_eq!(process.calls(Verb::Undo, "bad-token"), seconds(&[63]));
    let injects = process.times(handle.run(), |f| matches!(f, Fact::InjectDelivered { .. }));
    assert_eq!(injects, seconds(&[9]));
    process.stage.is_clean("at the end").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_touched_where_staging_is_not_proven() {
    let process = Stage::new().process();
    let finding = "chain id 0x1 is a mainnet".to_owned();
    super::fakes::lock(&process.inspector.findings).push(finding.clone());
    let mut handle = process.start(experiment()).await;
    assert_eq!(ended(&handle.ended().await).0, Verdict::Errored);
    assert!(process.prober.asked("canary").is_empty());
    assert!(super::fakes::lock(&process.stage.trace.calls).is_empty());

    // Nor where it is proven before the run and not any more before the fault.
    super::fakes::lock(&process.inspector.findings).clear();
    let mut handle = process.start(experiment()).await;
    running(&process, &handle).await;
    super::fakes::lock(&process.inspector.findings).push(finding);
    let (verdict, reasons, _) = ended(&handle.ended().await);
    assert_eq!(verdict, Verdict::Errored);
    assert!(
        reasons.contains("not proven to be staging: chain id 0x1"),
        "{reasons}"
    );
    assert!(super::fakes::lock(&process.stage.trace.calls).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_is_not_well_is_not_touched() {
    let process = Stage::new().process();
    process
        .prober
        .answers("canary", SampleResult::Failed("status 503".to_owned()));
    let mut handle = process.start(experiment()).await;
    let (verdict, reasons, _) = ended(&handle.ended().await);
    assert_eq!(verdict, Verdict::Errored);
    assert!(reasons.contains("`canary` fails: status 503"), "{reasons}");
    assert!(super::fakes::lock(&process.stage.trace.calls).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_falls_silent_or_panics_leaves_the_run_blind_and_ends_it() {
    for panics in [false, true] {
        let process = Stage::new().process();
        let mut handle = process.start(experiment()).await;
        running(&process, &handle).await;
        process.until(SECOND * 3).await;
        if panics {
            process.prober.breaks("gap");
        } else {
            process.prober.takes("gap", Duration::from_hours(1));
        }
        let (verdict, reasons, _) = ended(&handle.ended().await);
        if panics {
            assert_eq!(verdict, Verdict::Errored);
            assert!(
                reasons.contains("probe `gap` could not be asked"),
                "{reasons}"
            );
        } else {
            // The third unanswered question of six seconds is over while the stack should be seen to recover.
            assert_eq!(verdict, Verdict::Errored);
            assert!(reasons.contains("no answer within 6 s"), "{reasons}");
        }
        process.stage.is_clean("at the end").await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_follower_gets_every_event_once_it_is_on_disk_and_in_order() {
    let process = Stage::new().process();
    process.disk.delay(SECOND / 4);
    let mut feed = process.supervisor.feed().follow();
    let mut handle = process.start(experiment()).await;
    let mut seen = Vec::new();
    loop {
        let (run, event) = feed.recv().await.expect("few events, so none is missed");
        assert_eq!(run, *handle.run());
        assert!(
            process.log(&run).len() as u64 >= event.seq,
            "told before it was on disk"
        );
        let over = matches!(event.fact, Fact::RunEnded { .. });
        seen.push((*event).clone());
        if over {
            break;
        }
    }
    handle.ended().await;
    assert_eq!(seen, process.log(handle.run()));
    let phases = seen.iter().filter_map(|event| match event.fact {
        Fact::PhaseBegan { phase } => Some(phase),
        _ => None,
    });
    assert_eq!(
        phases.collect::<Vec<_>>(),
        [
            Phase::Preflight,
            Phase::Before,
            Phase::Running,
            Phase::Closing
        ]
    );
}
