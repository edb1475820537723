//! `bandwidth`: at most `rate` kilobytes (of 1000 bytes) a second. A rate of 0, the default, lets nothing through.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{
    super::{body::Fields, error::Error, queue::Queue},
    Kind, Stage, Step, drained, read_whole,
};

/// A terabyte a second: beyond any socket, and far from overflow.
const FASTEST: u64 = 1_000_000_000;

/// In kilobytes a second, which is bytes a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Bandwidth {
    rate: u64,
}

impl Bandwidth {
    pub(super) fn merge(&mut self, attributes: &Fields) -> Result<(), Error> {
        read_whole(
            attributes,
            "rate",
            &mut self.rate,
            FASTEST,
            "between 0 and 1000000000",
        )
    }

    fn bytes_in(self, milliseconds: u64) -> usize {
        usize::try_from(self.rate.saturating_mul(milliseconds)).unwrap_or(usize::MAX)
    }
}

pub(super) struct Pace {
    settings: Bandwidth,
    /// When the last piece had been sent at the set rate. Counting on from there, not from when the timer fired, keeps
    /// the average exact however late timers are.
    free_at: Instant,
}

impl Pace {
    pub(super) fn new(settings: Bandwidth, now: Instant) -> Self {
        Self {
            settings,
            free_at: now,
        }
    }
}

impl Stage for Pace {
    fn step(&mut self, inbox: &mut Queue, now: Instant) -> Step {
        let Some(front) = inbox.front() else {
            return drained(inbox);
        };
        if self.settings.rate == 0 {
            return Step::Idle;
        }
        // Pieces of at most 100 ms, so that a slow line trickles instead of jumping.
        let length = front.data.len().min(self.settings.bytes_in(100));
        let nanoseconds = (length as u64).saturating_mul(1_000_000) / self.settings.rate;
        let done = self.free_at.max(front.queued_at) + Duration::from_nanos(nanoseconds);
        if now < done {
            return Step::WaitUntil(done);
        }
        self.free_at = done;
        inbox.pop_up_to(length).map_or(Step::Idle, Step::Forward)
    }

    fn retune(&mut self, kind: &Kind, now: Instant) {
        if let Kind::Bandwidth(settings) = kind {
            self.settings = *settings;
            // What waited under the old rate starts afresh under the new one.
            self.free_at = self.free_at.max(now);
        }
    }

    /// Twenty milliseconds' worth, so that a late timer doesn't starve a fast line.
    fn capacity(&self) -> usize {
        self.settings.bytes_in(20).clamp(32 * 1024, 4 * 1024 * 1024)
    }
}
