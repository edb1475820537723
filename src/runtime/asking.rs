//! Asking probes on an interval that neither drifts nor overlaps itself.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Ports;
use super::perform::bounded;
use crate::engine::watch::{Sample, SampleResult};
use crate::model::ids::ProbeName;
use crate::model::probe::Probe;

/// What a prober may take beyond the expectation's `within`. Past it the prober is broken, and nothing is known: a probe
/// that falls silent must not keep the standing it had.
const GRACE: Duration = Duration::from_secs(5);

/// Asks one probe until it is cancelled: at once, at every nudge (a phase began), and on its interval counted from
/// the first question of the phase. A question that outlasts its interval skips the times it missed.
///
/// Cancel safe: a question under way is dropped, and the prober kills what it had started.
pub(super) async fn ask(
    probe: Probe,
    ports: Ports,
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
            sample = sample(&probe, &ports) => sample,
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

async fn sample(probe: &Probe, ports: &Ports) -> Sample {
    let sent = ports.clock.now();
    let limit = probe.expect.within.duration() + GRACE;
    let answer = bounded(limit, ports.prober.ask(probe)).await;
    answer.unwrap_or_else(|why| Sample {
        sent,
        took: limit,
        result: SampleResult::Unknown(why),
    })
}
