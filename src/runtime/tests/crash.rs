//! Processes killed at every point of their log, on stacks that keep what was done to them.
//!
//! A process dies by losing its runtime: every task of it goes where it stands. The next one finds the same world, the
//! same log, and the requests that were still on their way.

use std::time::Duration;

use super::disk::Last;
use super::fakes::lock;
use super::stage::{Process, SECOND, Stage, ended, halt, live, person};
use crate::engine::event::{Fact, Verdict};
use crate::engine::input::TeamAct;
use crate::engine::tests::plans::{drill, experiment, name};
use crate::faults::fake::Verb;
use crate::model::plan::Plan;
use crate::runtime::{RunHandle, recovery};
use crate::store::memory::Failure;

/// What the people in front of a run do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// They watch.
    Watch,
    /// They fail over, then roll back: two injections and a remedy with a restore are on for a while.
    Mend,
    /// They fail over, and halt it with everything on.
    Halt,
}

impl Script {
    async fn play(self, process: &Process, mut handle: RunHandle) {
        if self != Self::Watch {
            process.until(SECOND * 5).await;
            choose(&handle, "failover").await;
            process.until(SECOND * 7).await;
            if self == Self::Halt {
                halt(&handle).await;
            } else {
                choose(&handle, "rollback").await;
            }
        }
        handle.ended().await;
    }
}

async fn choose(handle: &RunHandle, remedy: &str) {
    let act = TeamAct::RemedyChosen {
        remedy: name(remedy),
    };
    // A run that the journal's failure has stopped takes no remedy any more.
    let _ = handle.act(act, person()).await;
}

/// What is run, and how it goes.
type Case = (&'static str, fn() -> Plan, Script);

fn cases() -> [Case; 3] {
    [
        ("an experiment", experiment, Script::Watch),
        ("a drill that is mended", drill, Script::Mend),
        ("a drill that is halted", drill, Script::Halt),
    ]
}

/// A world in which everything takes a while, so that there is an inside of every call to die in.
fn slow_stage() -> Stage {
    let stage = Stage::new();
    for id in ["slow", "kill", "bad-token", "remedy:failover#1"] {
        for verb in [Verb::Capture, Verb::Apply, Verb::Undo] {
            stage
                .world
                .delay(verb, &name(id), Duration::from_millis(300));
        }
    }
    stage
}

/// How many appends a whole life has.
fn appends(plan: fn() -> Plan, script: Script) -> u64 {
    let stage = slow_stage();
    live(async {
        let process = stage.process();
        let handle = process.start(plan()).await;
        script.play(&process, handle).await;
        stage.is_clean("a life without a crash").await;
    });
    stage.journal.appends()
}

/// A life that ends with its `last` append, or some time after that in which nothing is written any more.
fn die(stage: &Stage, plan: fn() -> Plan, script: Script, last: u64, how: Last, lingers: Duration) {
    live(async {
        let process = stage.process();
        process.disk.ends_after(last, how);
        let handle = process.start(plan()).await;
        tokio::select! {
            biased;
            () = process.disk.ended() => {}
            () = script.play(&process, handle) => {}
        }
        if !lingers.is_zero() {
            tokio::time::sleep(lingers).await;
        }
    });
}

/// The next process recovers, while the requests of the dead one land.
async fn recover(stage: &Stage, at: &str) -> Process {
    let process = stage.process();
    for armed in std::mem::take(&mut *lock(&stage.trace.under_way)) {
        process.driver.lands(armed, SECOND);
    }
    let recovered = recovery::recover(&process.supervisor)
        .await
        .expect("it is in memory");
    assert!(
        recovered.held.is_empty() && recovered.failed.is_empty(),
        "{at}: {recovered:?}"
    );
    for mut handle in recovered.taken {
        let (verdict, reasons, unrecorded) = ended(&handle.ended().await);
        assert_eq!(unrecorded, None, "{at}");
        assert!(
            matches!(verdict, Verdict::Errored | Verdict::Aborted),
            "{at}: {verdict:?}, {reasons}"
        );
        let log = process.log(handle.run());
        let interrupted = |fact: &Fact| matches!(fact, Fact::Interrupted { .. });
        assert!(log.iter().any(|event| interrupted(&event.fact)), "{at}");
    }
    process
}

fn settle(stage: &Stage, at: &str) {
    live(async {
        let process = recover(stage, at).await;
        // Whatever was on its way has landed by now.
        process.until(SECOND * 60).await;
        stage.is_clean(at).await;
    });
}

#[test]
fn a_process_killed_after_any_append_leaves_nothing_that_the_next_one_does_not_undo() {
    let mut points = 0;
    for (what, plan, script) in cases() {
        let all = appends(plan, script);
        assert!(all > 8, "{what} has only {all} appends");
        for last in 0..=all {
            let lives = [
                (Last::Unanswered, Duration::ZERO),
                // Between the append and the first step of what it allows, inside that, and after it.
                (Last::Answered, Duration::ZERO),
                (Last::Answered, Duration::from_millis(150)),
                (Last::Answered, Duration::from_millis(450)),
                (Last::Answered, SECOND * 5),
            ];
            for (how, lingers) in lives {
                let stage = slow_stage();
                die(&stage, plan, script, last, how, lingers);
                settle(
                    &stage,
                    &format!("{what}, {last} of {all}, {how:?}, {lingers:?}"),
                );
                points += 1;
            }
        }
    }
    println!("killed at {points} points of three lives");
}

#[test]
fn a_process_killed_at_any_millisecond_of_an_arming_leaves_nothing() {
    let mut points = 0;
    // The toxic is captured, armed, applied and read back from 2 s on.
    for at in (1_950..2_750).step_by(10) {
        let stage = slow_stage();
        live(async {
            let process = stage.process();
            process.disk.delay(Duration::from_millis(45));
            process.start(experiment()).await;
            process.until(Duration::from_millis(at)).await;
        });
        settle(&stage, &format!("killed after {at} ms"));
        points += 1;
    }
    println!("killed at {points} instants of one arming");
}

#[test]
fn a_recovery_that_dies_itself_is_taken_up_by_the_next_one() {
    let mut points = 0;
    for (what, plan, script) in cases() {
        let all = appends(plan, script);
        for last in 1..all {
            for again in 1.. {
                let stage = slow_stage();
                die(
                    &stage,
                    plan,
                    script,
                    last,
                    Last::Answered,
                    Duration::from_millis(150),
                );
                let at = format!("{what}, {last} of {all}, then {again} more");
                let written = stage.journal.appends();
                let whole = live(async {
                    let process = stage.process();
                    process.disk.ends_after(written + again, Last::Answered);
                    let armed = std::mem::take(&mut *lock(&stage.trace.under_way));
                    for armed in &armed {
                        process.driver.lands(armed.clone(), SECOND);
                    }
                    let recovered = recovery::recover(&process.supervisor).await;
                    let taken = recovered.expect("it is in memory").taken;
                    let whole = tokio::select! {
                        biased;
                        () = process.disk.ended() => false,
                        () = async {
                            for mut handle in taken {
                                handle.ended().await;
                            }
                        } => true,
                    };
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    if process.elapsed() < SECOND {
                        // Neither has it landed in this life.
                        lock(&stage.trace.under_way).extend(armed);
                    }
                    whole
                });
                settle(&stage, &at);
                points += 1;
                if whole || stage.journal.appends() <= written + again {
                    break;
                }
            }
        }
    }
    println!("killed at {points} points of recoveries");
}

#[test]
fn whatever_append_fails_everything_is_undone_and_what_is_not_recorded_is_recovered() {
    let mut points = 0;
    for (what, plan, script) in cases() {
        let all = appends(plan, script);
        for nth in 1..=all {
            for failure in [Failure::Refused, Failure::Unanswered, Failure::Dead] {
                let at = format!("{what}, {nth} of {all}, {failure:?}");
                let stage = slow_stage();
                stage.journal.fail(nth, failure);
                live(async {
                    let process = stage.process();
                    let handle = process.start(plan()).await;
                    script.play(&process, handle.clone()).await;
                    let on = stage.world.on();
                    assert!(on.is_empty(), "{at}: left on: {on:?}");
                    let (_, _, unrecorded) = ended(&handle.status());
                    assert_eq!(unrecorded.is_some(), failure == Failure::Dead, "{at}");
                });
                settle(&stage.reopened(), &at);
                points += 1;
            }
        }
    }
    println!("failed at {points} appends of three lives");
}
