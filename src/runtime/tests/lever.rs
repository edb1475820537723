//! The lever that halts everything, pulled by whoever: every process stops what it drives, and starts nothing.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::stage::{SECOND, Stage, ended};
use crate::engine::event::{Fact, Source, Trigger, Verdict};
use crate::engine::tests::plans::experiment;
use crate::ports::{Clock as _, Halted};
use crate::runtime::{StartError, halt};

#[tokio::test(start_paused = true)]
async fn a_lever_that_anybody_pulls_aborts_what_lives_and_refuses_what_comes() {
    let stage = Stage::new();
    let process = stage.process();
    let end = CancellationToken::new();
    let tasks = tokio_util::task::TaskTracker::new();
    tasks.spawn(halt::watch(process.supervisor.clone(), end.clone()));
    let mut handle = process.start(experiment()).await;
    process.until(SECOND * 3).await;
    assert!(!stage.world.on().is_empty());

    stage.lever.set(Some(Halted {
        by: "ann".to_owned(),
        reason: "the exchange is down".to_owned(),
        at: process.clock.now().wall,
        source: Source::CommandLine,
    }));
    let pulled = process.elapsed();
    let (verdict, reasons, _) = ended(&handle.ended().await);
    assert_eq!(verdict, Verdict::Aborted);
    assert_eq!(reasons, "halted: the exchange is down");
    assert!(process.elapsed() < pulled + Duration::from_millis(250));
    let log = process.log(handle.run());
    let stop = log
        .iter()
        .find(|e| matches!(e.fact, Fact::StopRequested { .. }));
    let origin = &stop.expect("it was stopped").origin;
    assert_eq!(
        (origin.source, origin.actor.as_deref()),
        (Source::CommandLine, Some("p-1"))
    );
    stage.is_clean("after the halt").await;

    let start = || {
        process
            .supervisor
            .start(experiment(), None, Trigger::CommandLine)
    };
    let refused = start().await.expect_err("everything is halted");
    assert!(matches!(&refused, StartError::Halted(halted) if halted.by == "ann"));
    assert!(
        refused
            .to_string()
            .ends_with("hint: `firedrill resume` lifts that")
    );
    stage.lever.set(None);
    let handle = start().await.expect("it starts again");
    super::stage::halt(&handle).await;
    end.cancel();
}
