//! `slicer`: cuts the stream into pieces of about `average_size` bytes, with a pause of `delay` microseconds after each.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{
    super::{body::Fields, error::Error, queue::Queue, random::Draws},
    Kind, Stage, Step, drained, read_span, read_whole,
};

/// Larger than any chunk there is; keeps the arithmetic far from overflow.
const LARGEST: u64 = 1 << 31;

/// Sizes in bytes, the delay in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Slicer {
    average_size: u64,
    size_variation: u64,
    delay: u64,
}

impl Slicer {
    pub(super) fn merge(&mut self, attributes: &Fields) -> Result<(), Error> {
        read_whole(
            attributes,
            "average_size",
            &mut self.average_size,
            LARGEST,
            "between 1 and 2147483648",
        )?;
        read_whole(
            attributes,
            "size_variation",
            &mut self.size_variation,
            LARGEST,
            "between 0 and 2147483648",
        )?;
        read_span(attributes, "delay", &mut self.delay)?;
        // Cutting would never come to an end otherwise.
        if self.average_size == 0 {
            return Err(Error::Invalid {
                field: "average_size",
                rule: "between 1 and 2147483648",
            });
        }
        Ok(())
    }

    /// How far sizes really vary: clients ask for as much as the average, and a piece has at least one byte.
    fn variation(self) -> u64 {
        self.size_variation.min(self.average_size.saturating_sub(1))
    }
}

pub(super) struct Knife {
    settings: Slicer,
    draws: Draws,
    drawn: u64,
    /// Lengths still to be cut off the first chunk, the next one last.
    plan: Vec<u64>,
    rested_at: Instant,
}

impl Knife {
    pub(super) fn new(settings: Slicer, draws: Draws, now: Instant) -> Self {
        Self {
            settings,
            draws: draws.of("slice"),
            drawn: 0,
            plan: Vec::new(),
            rested_at: now,
        }
    }

    /// The next piece's length. Halves the remaining stretch, a little off the middle, until the piece in front is small
    /// enough; both halves are at least one byte because the variation is below the average.
    fn next_length(&mut self, chunk: usize) -> usize {
        let (average_size, variation) = (self.settings.average_size, self.settings.variation());
        let mut length = self.plan.pop().unwrap_or(chunk as u64);
        while length > average_size + variation {
            let shift = self.draws.below(self.drawn, 2 * variation + 1);
            self.drawn += 1;
            let left = length / 2 + shift - variation;
            self.plan.push(length - left);
            length = left;
        }
        usize::try_from(length).unwrap_or(usize::MAX)
    }
}

impl Stage for Knife {
    fn step(&mut self, inbox: &mut Queue, now: Instant) -> Step {
        if now < self.rested_at {
            return Step::WaitUntil(self.rested_at);
        }
        let Some(front) = inbox.front() else {
            return drained(inbox);
        };
        let length = self.next_length(front.data.len());
        self.rested_at = now + Duration::from_micros(self.settings.delay);
        inbox.pop_up_to(length).map_or(Step::Idle, Step::Forward)
    }

    fn retune(&mut self, kind: &Kind, now: Instant) {
        if let Kind::Slicer(settings) = kind {
            self.settings = *settings;
            self.rested_at = self
                .rested_at
                .min(now + Duration::from_micros(settings.delay));
            // Cut to the old sizes; the rest of the chunk is planned anew as one stretch.
            self.plan.clear();
        }
    }
}
