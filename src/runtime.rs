//! The runtime: drives the pure engine through the ports, and owns every task of every run.
//!
//! One runner a run: it takes inputs, appends what they amount to, and performs what is outstanding. Capturing and
//! applying wait until their event is on disk; undoing waits for nothing.

pub mod amend;
mod asking;
mod feed;
pub mod gameday;
pub mod halt;
mod handle;
mod perform;
pub mod pilot;
pub mod recovery;
mod runner;
pub mod scheduler;
pub mod supervisor;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

pub use feed::Feed;
pub use handle::{ActError, RunHandle, RunStatus, Undoing};
pub use supervisor::{StartError, Supervisor};

use crate::ports::{Claims, Clock, FaultDriver, Ids, Inspector, Journal, Lever, Notifier, Prober};

/// Everything the runtime needs of the world.
#[derive(Clone)]
pub struct Ports {
    /// The only source of stamps.
    pub clock: Arc<dyn Clock>,
    /// What must be new or random.
    pub ids: Arc<dyn Ids>,
    /// The logs.
    pub journal: Arc<dyn Journal>,
    /// What breaks and mends.
    pub driver: Arc<dyn FaultDriver>,
    /// What measures.
    pub prober: Arc<dyn Prober>,
    /// What proves that it is staging.
    pub inspector: Arc<dyn Inspector>,
    /// Who runs what.
    pub claims: Arc<dyn Claims>,
    /// What halts everything.
    pub lever: Arc<dyn Lever>,
    /// What sends messages.
    pub notifier: Arc<dyn Notifier>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}
