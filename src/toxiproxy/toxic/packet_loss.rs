//! `packet_loss`: drops a share of the chunks. TCP has delivered them already, so nobody sends them again: the stream
//! arrives with holes in it, which is what this toxic is for.

use serde::Serialize;
use tokio::time::Instant;

use super::{
    super::{body::Fields, error::Error, queue::Queue, random::Draws},
    Kind, Stage, Step, drained, go_number, read_share,
};

/// Both in `0..=1`: the share of chunks lost, and how far each draw leans on the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct PacketLoss {
    #[serde(serialize_with = "go_number")]
    loss_rate: f64,
    #[serde(serialize_with = "go_number")]
    correlation: f64,
}

impl Default for PacketLoss {
    fn default() -> Self {
        Self {
            loss_rate: 0.1,
            correlation: 0.0,
        }
    }
}

impl PacketLoss {
    pub(super) fn merge(&mut self, attributes: &Fields) -> Result<(), Error> {
        read_share(attributes, "loss_rate", &mut self.loss_rate)?;
        read_share(attributes, "correlation", &mut self.correlation)
    }
}

pub(super) struct Sieve {
    settings: PacketLoss,
    draws: Draws,
    seen: u64,
    last: f64,
}

impl Sieve {
    pub(super) fn new(settings: PacketLoss, draws: Draws) -> Self {
        let draws = draws.of("loss");
        // Seeded from its own stream: with a correlation of 1 each connection is wholly lost or wholly spared.
        Self {
            settings,
            draws,
            seen: 0,
            last: draws.of("first").unit(0),
        }
    }

    fn loses_next(&mut self) -> bool {
        let PacketLoss {
            loss_rate,
            correlation,
        } = self.settings;
        let draw = correlation * self.last + (1.0 - correlation) * self.draws.unit(self.seen);
        self.seen += 1;
        self.last = draw;
        draw < loss_rate
    }
}

impl Stage for Sieve {
    fn step(&mut self, inbox: &mut Queue, _now: Instant) -> Step {
        while let Some(chunk) = inbox.pop() {
            if !self.loses_next() {
                return Step::Forward(chunk);
            }
        }
        drained(inbox)
    }

    fn retune(&mut self, kind: &Kind, _now: Instant) {
        if let Kind::PacketLoss(settings) = kind {
            self.settings = *settings;
        }
    }
}
