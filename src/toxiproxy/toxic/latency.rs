//! `latency`: each chunk leaves `latency` ± `jitter` milliseconds after it was read. Delays overlap, order is kept.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{
    super::{
        body::Fields,
        error::Error,
        queue::{Chunk, Queue},
        random::Draws,
    },
    Kind, Stage, Step, drained, read_span,
};

/// In milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Latency {
    latency: u64,
    jitter: u64,
}

impl Latency {
    pub(super) fn merge(&mut self, attributes: &Fields) -> Result<(), Error> {
        read_span(attributes, "latency", &mut self.latency)?;
        read_span(attributes, "jitter", &mut self.jitter)
    }
}

pub(super) struct Delay {
    settings: Latency,
    draws: Draws,
    /// How many chunks have left: the index of the next one's jitter.
    passed: u64,
}

impl Delay {
    pub(super) fn new(settings: Latency, draws: Draws) -> Self {
        Self {
            settings,
            draws: draws.of("jitter"),
            passed: 0,
        }
    }

    /// `latency` plus a draw from `[-jitter, jitter)` at a microsecond's grain, never below nothing.
    fn delay(&self) -> Duration {
        let jitter = self.settings.jitter * 1000;
        let swing = self.draws.below(self.passed, 2 * jitter);
        Duration::from_micros((self.settings.latency * 1000 + swing).saturating_sub(jitter))
    }
}

impl Stage for Delay {
    fn step(&mut self, inbox: &mut Queue, now: Instant) -> Step {
        let Some(front) = inbox.front() else {
            return drained(inbox);
        };
        let due = front.read_at + self.delay();
        if now < due {
            return Step::WaitUntil(due);
        }
        self.passed += 1;
        // A second latency after this one counts from here: delays add up.
        let delayed = inbox.pop().map(|chunk| Chunk {
            read_at: due,
            ..chunk
        });
        delayed.map_or(Step::Idle, Step::Forward)
    }

    fn retune(&mut self, kind: &Kind, _now: Instant) {
        if let Kind::Latency(settings) = kind {
            self.settings = *settings;
        }
    }

    /// Slightly above the largest window that Linux gives a connection by default (6 MiB): a real long link would hold
    /// about as much. Bounded in bytes, so that a slow reader cannot exhaust the server's memory.
    fn capacity(&self) -> usize {
        8 * 1024 * 1024
    }
}
