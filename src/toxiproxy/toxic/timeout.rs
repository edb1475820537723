//! `timeout`: all bytes, and the end of the stream, vanish; after `timeout` milliseconds without any the connection is
//! closed, with 0 never. Deleting the toxic closes the connections it acted on, since their peers have missed bytes.

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
pub(crate) struct Timeout {
    timeout: u64,
}

impl Timeout {
    pub(super) fn merge(&mut self, attributes: &Fields) -> Result<(), Error> {
        read_span(attributes, "timeout", &mut self.timeout)
    }
}

pub(super) struct BlackHole {
    settings: Timeout,
    quiet_since: Instant,
}

impl BlackHole {
    pub(super) fn new(settings: Timeout, now: Instant) -> Self {
        Self {
            settings,
            quiet_since: now,
        }
    }
}

impl Stage for BlackHole {
    fn step(&mut self, inbox: &mut Queue, now: Instant) -> Step {
        if !inbox.is_empty() {
            inbox.clear();
            self.quiet_since = now;
        }
        if self.settings.timeout == 0 {
            return Step::Idle;
        }
        let due = self.quiet_since + Duration::from_millis(self.settings.timeout);
        if now < due {
            Step::WaitUntil(due)
        } else {
            Step::End(Ending::Close)
        }
    }

    fn retune(&mut self, kind: &Kind, now: Instant) {
        if let Kind::Timeout(settings) = kind {
            self.settings = *settings;
            self.quiet_since = now;
        }
    }

    fn ignores_backpressure(&self) -> bool {
        true
    }

    fn closes_when_removed(&self) -> bool {
        true
    }
}
