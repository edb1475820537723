//! The feed: a run's events to whoever follows it live. A slow follower loses its place, never the run's time.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::engine::event::Event;
use crate::model::ids::RunId;

/// How many events a follower may lag behind before it must read the log again.
const KEPT: usize = 1024;

/// Every run's events, once they are on disk.
#[derive(Debug, Clone)]
pub struct Feed {
    sender: broadcast::Sender<(RunId, Arc<Event>)>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(KEPT).0,
        }
    }
}

impl Feed {
    /// What comes from now on. On `Lagged`, read the log from the last sequence seen.
    pub fn follow(&self) -> broadcast::Receiver<(RunId, Arc<Event>)> {
        self.sender.subscribe()
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.sender.receiver_count()
    }

    pub(super) fn publish(&self, run: &RunId, events: &[Event]) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        for event in events {
            // Nobody listening any more is no error.
            let _ = self.sender.send((run.clone(), Arc::new(event.clone())));
        }
    }
}
