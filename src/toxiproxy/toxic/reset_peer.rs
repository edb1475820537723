//! `reset_peer`: `timeout` milliseconds after the first bytes or the end of the stream, both sides get a TCP reset.
//!
//! Until then nothing passes, but nothing is thrown away either: deleting the toxic in time lets the bytes go on.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{
    super::{
        body::Fields,
        error::Error,
        queue::{Ending, Queue},
    },
    Kind, Stage, Step, read_span,
};

/// In milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct ResetPeer {
    timeout: u64,
}

impl ResetPeer {
    pub(super) fn merge(&mut self, attributes: &Fields) -> Result<(), Error> {
        read_span(attributes, "timeout", &mut self.timeout)
    }
}

pub(super) struct Fuse {
    settings: ResetPeer,
    lit_at: Option<Instant>,
}

impl Fuse {
    pub(super) fn new(settings: ResetPeer) -> Self {
        Self {
            settings,
            lit_at: None,
        }
    }
}

impl Stage for Fuse {
    fn step(&mut self, inbox: &mut Queue, now: Instant) -> Step {
        if inbox.is_empty() && inbox.ended().is_none() {
            return Step::Idle;
        }
        let due = *self.lit_at.get_or_insert(now) + Duration::from_millis(self.settings.timeout);
        if now < due {
            Step::WaitUntil(due)
        } else {
            Step::End(Ending::Reset)
        }
    }

    fn retune(&mut self, kind: &Kind, _now: Instant) {
        if let Kind::ResetPeer(settings) = kind {
            self.settings = *settings;
        }
    }

    fn ignores_backpressure(&self) -> bool {
        true
    }
}
