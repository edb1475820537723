//! `slow_close`: the end of the stream is handed on `delay` milliseconds after it came.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{
    super::{body::Fields, error::Error, queue::Queue},
    Kind, Stage, Step, read_span,
};

/// In milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct SlowClose {
    delay: u64,
}

impl SlowClose {
    pub(super) fn merge(&mut self, attributes: &Fields) -> Result<(), Error> {
        read_span(attributes, "delay", &mut self.delay)
    }
}

pub(super) struct Linger {
    settings: SlowClose,
    ended_at: Option<Instant>,
}

impl Linger {
    pub(super) fn new(settings: SlowClose) -> Self {
        Self {
            settings,
            ended_at: None,
        }
    }
}

impl Stage for Linger {
    fn step(&mut self, inbox: &mut Queue, now: Instant) -> Step {
        if let Some(chunk) = inbox.pop() {
            return Step::Forward(chunk);
        }
        let Some(ending) = inbox.ended() else {
            return Step::Idle;
        };
        let due = *self.ended_at.get_or_insert(now) + Duration::from_millis(self.settings.delay);
        if now < due {
            Step::WaitUntil(due)
        } else {
            Step::End(ending)
        }
    }

    fn retune(&mut self, kind: &Kind, _now: Instant) {
        if let Kind::SlowClose(settings) = kind {
            self.settings = *settings;
        }
    }
}
