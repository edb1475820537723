//! The halt of everything: whoever pulls the lever, in whichever process, every run that this one drives is stopped.
//!
//! The lever is looked at a few times a second, beside the journal: a database that is locked or gone delays nothing. Its
//! own state says who was stopped already, so that a run that slipped in between is stopped at the next look.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::supervisor::Supervisor;
use crate::engine::event::StopCause;
use crate::model::ids::RunId;
use crate::ports::Halted;

/// How often the lever is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Stops what lives whenever the lever is pulled, until `end`.
pub async fn watch(supervisor: Supervisor, end: CancellationToken) {
    let mut stopped = BTreeSet::new();
    loop {
        // Cancel safe: a look that is dropped is taken again by nobody, which is what the end is for.
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        match supervisor.ports().lever.halted().await {
            Some(halted) => stop(&supervisor, &halted, &mut stopped).await,
            None => stopped.clear(),
        }
    }
}

async fn stop(supervisor: &Supervisor, halted: &Halted, stopped: &mut BTreeSet<RunId>) {
    let live: Vec<_> = supervisor
        .live()
        .into_iter()
        .filter(|handle| !stopped.contains(handle.run()))
        .collect();
    if live.is_empty() {
        return;
    }
    let origin = supervisor.ports().lever.origin(halted).await;
    for handle in live {
        tracing::warn!(run = %handle.run(), by = halted.by, reason = halted.reason, "halted");
        let cause = StopCause::Halt {
            reason: halted.reason.clone(),
        };
        handle.stop(cause, origin.clone()).await;
        stopped.insert(handle.run().clone());
    }
}

impl Supervisor {
    /// Stops every run that this process drives, at once: the lever itself reaches the others.
    pub async fn halt(&self, halted: &Halted) {
        stop(self, halted, &mut BTreeSet::new()).await;
    }
}
