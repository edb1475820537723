//! A thousand faults at once: all undone, and without the engine's own time growing out of hand.

use std::time::Duration;

use super::stage::{SECOND, Stage, ended, halt};
use crate::engine::event::{Fact, Verdict};
use crate::engine::tests::plans::{experiment, name};
use crate::faults::fake::Verb;
use crate::model::fault::{Act, Cause, Start};
use crate::model::plan::Plan;
use crate::model::time::Millis;

const FAULTS: usize = 1_000;

/// The toxic of the small experiment a thousand times, on as many proxies or all on one.
fn thousand(proxies: usize) -> Plan {
    let mut plan = experiment();
    plan.experiment.limits.services = None;
    let step = plan.experiment.method.remove(0);
    let injection = plan.injections.remove(0);
    for nth in 0..FAULTS {
        let mut step = step.clone();
        step.id = name(&format!("slow-{nth:04}"));
        step.start = Start::At(Millis::ZERO);
        let mut injection = injection.clone();
        injection.id = name(step.id.as_str());
        injection.cause = Cause::Step(step.id.clone());
        if let Act::AddToxic { link, .. } = &mut injection.act {
            link.proxy = name(&format!("proxy-{}", nth % proxies));
        }
        plan.experiment.method.push(step);
        plan.injections.push(injection);
    }
    plan
}

#[expect(
    clippy::disallowed_methods,
    reason = "what it takes in real time is the question; the test's own time is paused"
)]
fn real() -> std::time::Instant {
    std::time::Instant::now()
}

#[tokio::test(start_paused = true)]
async fn a_halt_undoes_a_thousand_faults_at_once() {
    let process = Stage::new().process();
    let began = real();
    let mut handle = process.start(thousand(FAULTS)).await;
    process.until(SECOND * 3).await;
    assert_eq!(process.stage.world.on().len(), FAULTS);
    let on = real();
    halt(&handle).await;
    let (verdict, _, unrecorded) = ended(&handle.ended().await);
    let undone = on.elapsed();
    assert_eq!((verdict, unrecorded), (Verdict::Aborted, None));
    println!(
        "{FAULTS} faults: on after {:?}, undone after {undone:?}",
        on - began
    );
    // Far more than it takes, far less than a scan of everything for everything would.
    assert!(undone < Duration::from_secs(10), "{undone:?}");
    let times = process.times(handle.run(), |f| matches!(f, Fact::Undone { .. }));
    assert_eq!(times.len(), FAULTS);
    assert!(
        times.iter().all(|at| *at == SECOND * 3),
        "all at once, in the run's own time"
    );
    process.stage.is_clean("after the halt").await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_faults_on_one_proxy_go_newest_first() {
    let process = Stage::new().process();
    let mut handle = process.start(thousand(1)).await;
    process.until(SECOND * 3).await;
    assert_eq!(process.stage.world.on().len(), FAULTS);
    let began = real();
    halt(&handle).await;
    handle.ended().await;
    println!(
        "{FAULTS} faults on one proxy: undone after {:?}",
        began.elapsed()
    );
    let log = process.log(handle.run());
    let order = |kind: fn(&Fact) -> Option<String>| {
        log.iter()
            .filter_map(|event| kind(&event.fact))
            .collect::<Vec<_>>()
    };
    let mut armed = order(|fact| match fact {
        Fact::Arming { injection, .. } => Some(injection.to_string()),
        _ => None,
    });
    armed.reverse();
    let undone = order(|fact| match fact {
        Fact::Undone { injection, .. } => Some(injection.to_string()),
        _ => None,
    });
    assert_eq!(undone, armed);
    assert_eq!(process.calls(Verb::Undo, "slow-0000").len(), 1);
    process.stage.is_clean("after the halt").await;
}
