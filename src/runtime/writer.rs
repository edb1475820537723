//! The writer: brings a run's events to disk in order, beside the runner, so that undoing never waits for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::engine::event::{Event, Fact};
use crate::model::ids::RunId;
use crate::ports::{Durability, Journal, JournalError};

/// From one failed append to the next try.
const AGAIN: Duration = Duration::from_millis(500);

/// What became of an append.
#[derive(Debug)]
pub(super) enum Written {
    /// These are on disk.
    Done(Vec<Event>),
    /// Nothing was written; it is tried again.
    Failing(String),
    /// The log belongs to somebody else now: nothing more can be written.
    Lost(String),
}

/// Whether events must be on disk before the world may notice them.
fn durability(events: &[Event]) -> Durability {
    let grouped = |event: &Event| matches!(event.fact, Fact::ProbeSummary { .. });
    if events.iter().all(grouped) {
        Durability::Grouped
    } else {
        Durability::Durable
    }
}

/// Appends what it is given, several batches in one append where they pile up, until its sender is gone and
/// everything is written.
pub(super) async fn write(
    run: RunId,
    mut expected: u64,
    journal: Arc<dyn Journal>,
    mut batches: mpsc::UnboundedReceiver<Vec<Event>>,
    written: mpsc::UnboundedSender<Written>,
) {
    let mut pending: VecDeque<Event> = VecDeque::new();
    while let Some(batch) = batches.recv().await {
        pending.extend(batch);
        while let Ok(batch) = batches.try_recv() {
            pending.extend(batch);
        }
        let events = pending.make_contiguous();
        let mut failed = false;
        loop {
            let error = match journal
                .append(&run, expected, events, durability(events))
                .await
            {
                Ok(()) => break,
                // An append that failed may have been carried out all the same, its answer lost.
                Err(JournalError::OutOfSequence { actual, .. })
                    if failed
                        && actual == expected + events.len() as u64
                        && ends_with(&*journal, &run, events).await =>
                {
                    break;
                }
                Err(
                    error @ (JournalError::OutOfSequence { .. } | JournalError::Damaged { .. }),
                ) => {
                    tracing::error!(%run, %error, "the run's log can't be continued");
                    let _ = written.send(Written::Lost(error.to_string()));
                    return;
                }
                Err(error) => error,
            };
            // Nobody waits any more: the runner has given the log up, and recovery will undo again.
            if written.send(Written::Failing(error.to_string())).is_err() {
                return;
            }
            failed = true;
            sleep(AGAIN).await;
        }
        expected += events.len() as u64;
        let done = std::mem::take(&mut pending).into();
        if written.send(Written::Done(done)).is_err() {
            return;
        }
    }
}

/// Whether a run's log ends with exactly these events.
async fn ends_with(journal: &dyn Journal, run: &RunId, events: &[Event]) -> bool {
    let log = journal.load(run).await;
    log.is_ok_and(|log| log.ends_with(events))
}
