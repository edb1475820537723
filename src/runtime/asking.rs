//! Asking probes on an interval that neither drifts nor overlaps itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::watch::Sample;
use crate::model::ids::ProbeName;
use crate::model::probe::Probe;
use crate::ports::Prober;

/// Asks one probe until it is cancelled: at once, at every nudge (a phase began), and on its interval counted from
/// the first question of the phase. A question that outlasts its interval skips the times it missed.
///
/// Cancel safe: a question under way is dropped, and the prober kills what it had started.
pub(super) async fn ask(
    probe: Probe,
    prober: Arc<dyn Prober>,
    samples: mpsc::Sender<(ProbeName, Sample)>,
    mut nudge: watch::Receiver<u64>,
    cancel: CancellationToken,
) {
    let every = probe.every.duration().max(Duration::from_millis(10));
    let mut next = Instant::now();
    loop {
        nudge.mark_unchanged();
        let sample = tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            sample = prober.ask(&probe) => sample,
        };
        if samples.send((probe.name.clone(), sample)).await.is_err() {
            return;
        }
        next += every;
        let now = Instant::now();
        if next <= now {
            let missed = (now - next).as_nanos() / every.as_nanos() + 1;
            next += every * u32::try_from(missed).unwrap_or(u32::MAX);
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            changed = nudge.changed() => match changed {
                Ok(()) => next = Instant::now(),
                Err(_) => return,
            },
            () = tokio::time::sleep_until(next) => {}
        }
    }
}
