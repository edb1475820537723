//! Messages of a live run: they leave once their event is on disk, and never from a process that only recovers.

use super::stage::{SECOND, Stage, halt, live, person, running};
use crate::engine::event::{Fact, Update};
use crate::engine::input::TeamAct;
use crate::engine::tests::plans::told_drill;
use crate::model::message::Stage as Point;
use crate::model::runbook::Audience;
use crate::runtime::recovery;

fn update(text: &str) -> TeamAct {
    TeamAct::UpdatePosted(Update {
        audience: Audience::Internal,
        channels: vec!["chat".into()],
        text: text.into(),
        stage: None,
        next_update_at: None,
        estimated_recovery: None,
    })
}

#[tokio::test(start_paused = true)]
async fn a_message_leaves_only_once_it_is_on_disk_and_its_delivery_is_in_the_log() {
    let stage = Stage::new();
    let process = stage.process();
    let mut handle = process.start(told_drill()).await;
    running(&process, &handle).await;
    process.until(SECOND * 5).await;
    process.disk.delay(SECOND * 3);
    let asked = async {
        handle
            .act(update("Look here."), person())
            .await
            .expect("it is taken");
    };
    tokio::join!(asked, async {
        process.until(SECOND * 7).await;
        assert!(
            stage.notifier.taken().is_empty(),
            "it left before it was on disk"
        );
    });
    process.disk.delay(std::time::Duration::ZERO);
    process.until(SECOND * 20).await;
    let taken = stage.notifier.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].message.text, "[DRILL] Look here.");
    let log = process.log(handle.run());
    assert!(log.iter().any(|event| matches!(
        &event.fact,
        Fact::MessageDelivered { message, .. } if *message == taken[0].key
    )));
    halt(&handle).await;
    handle.ended().await;
    let last = stage.notifier.taken().pop().expect("a last word");
    assert_eq!(last.message.stage, Point::DrillOver);
}

#[test]
fn what_a_dead_process_was_sending_is_not_sent_by_the_next() {
    let stage = Stage::new();
    let run = live(async {
        let process = stage.process();
        let handle = process.start(told_drill()).await;
        running(&process, &handle).await;
        stage.notifier.hush(true);
        handle
            .act(update("Look here."), person())
            .await
            .expect("it is taken");
        process.until(SECOND * 8).await;
        assert_eq!(stage.notifier.taken().len(), 1, "it is under way");
        handle.run().clone()
    });
    stage.notifier.hush(false);
    live(async {
        let next = stage.process();
        let recovered = recovery::recover(&next.supervisor)
            .await
            .expect("it is read");
        for mut handle in recovered.taken {
            handle.ended().await;
        }
        let taken = stage.notifier.taken();
        let words: Vec<_> = taken.iter().map(|post| post.message.stage).collect();
        assert_eq!(words, [Point::FirstNotice, Point::DrillOver]);
        assert!(next.log(&run).iter().any(|event| matches!(
            &event.fact,
            Fact::MessageFailed { error, .. } if error.contains("is not sent again")
        )));
    });
}
