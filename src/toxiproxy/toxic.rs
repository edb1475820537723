//! Toxics: what they are over the API (`Toxic`, `Kind`) and what they do to one direction of one connection (`Stage`).
//!
//! A stage is a state machine without I/O and without a clock: it looks at the queue before it and says what may go on
//! now, or when to ask again. It holds no bytes of its own, so removing it can lose none.

mod bandwidth;
mod latency;
mod limit_data;
mod packet_loss;
mod reset_peer;
mod slicer;
mod slow_close;
mod timeout;

use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::{
    body::Fields,
    error::Error,
    queue::{Chunk, Ending, Queue},
    random::Draws,
};

/// The direction of the bytes that a toxic acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// From the client to the upstream.
    Upstream,
    /// From the upstream to the client.
    Downstream,
}

impl Stream {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if text.eq_ignore_ascii_case("upstream") {
            Ok(Self::Upstream)
        } else if text.eq_ignore_ascii_case("downstream") {
            Ok(Self::Downstream)
        } else {
            Err(Error::InvalidStream)
        }
    }
}

/// A type of toxic with its attributes, which serialise as the API's `attributes` object.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Kind {
    Latency(latency::Latency),
    Bandwidth(bandwidth::Bandwidth),
    SlowClose(slow_close::SlowClose),
    Timeout(timeout::Timeout),
    ResetPeer(reset_peer::ResetPeer),
    Slicer(slicer::Slicer),
    LimitData(limit_data::LimitData),
    PacketLoss(packet_loss::PacketLoss),
    Noop(Noop),
}

/// Accepted as a type, changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Noop {}

impl Kind {
    /// The toxic of that type with its default attributes.
    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "latency" => Self::Latency(latency::Latency::default()),
            "bandwidth" => Self::Bandwidth(bandwidth::Bandwidth::default()),
            "slow_close" => Self::SlowClose(slow_close::SlowClose::default()),
            "timeout" => Self::Timeout(timeout::Timeout::default()),
            "reset_peer" => Self::ResetPeer(reset_peer::ResetPeer::default()),
            "slicer" => Self::Slicer(slicer::Slicer::default()),
            "limit_data" => Self::LimitData(limit_data::LimitData::default()),
            "packet_loss" => Self::PacketLoss(packet_loss::PacketLoss::default()),
            "noop" => Self::Noop(Noop {}),
            _ => return Err(Error::InvalidType),
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Bandwidth(_) => "bandwidth",
            Self::SlowClose(_) => "slow_close",
            Self::Timeout(_) => "timeout",
            Self::ResetPeer(_) => "reset_peer",
            Self::Slicer(_) => "slicer",
            Self::LimitData(_) => "limit_data",
            Self::PacketLoss(_) => "packet_loss",
            Self::Noop(_) => "noop",
        }
    }

    /// These attributes over the ones it has; those not given stay.
    pub(crate) fn merged(mut self, attributes: &Fields) -> Result<Self, Error> {
        match &mut self {
            Self::Latency(settings) => settings.merge(attributes),
            Self::Bandwidth(settings) => settings.merge(attributes),
            Self::SlowClose(settings) => settings.merge(attributes),
            Self::Timeout(settings) => settings.merge(attributes),
            Self::ResetPeer(settings) => settings.merge(attributes),
            Self::Slicer(settings) => settings.merge(attributes),
            Self::LimitData(settings) => settings.merge(attributes),
            Self::PacketLoss(settings) => settings.merge(attributes),
            Self::Noop(_) => Ok(()),
        }?;
        Ok(self)
    }

    /// Its work on one direction of one connection, from now on; none for a toxic that does nothing.
    pub(crate) fn stage(&self, draws: Draws, now: Instant) -> Option<Box<dyn Stage>> {
        Some(match *self {
            Self::Latency(settings) => Box::new(latency::Delay::new(settings, draws)),
            Self::Bandwidth(settings) => Box::new(bandwidth::Pace::new(settings, now)),
            Self::SlowClose(settings) => Box::new(slow_close::Linger::new(settings)),
            Self::Timeout(settings) => Box::new(timeout::BlackHole::new(settings, now)),
            Self::ResetPeer(settings) => Box::new(reset_peer::Fuse::new(settings)),
            Self::Slicer(settings) => Box::new(slicer::Knife::new(settings, draws, now)),
            Self::LimitData(settings) => Box::new(limit_data::Quota::new(settings)),
            Self::PacketLoss(settings) => Box::new(packet_loss::Sieve::new(settings, draws)),
            Self::Noop(_) => return None,
        })
    }
}

/// What a stage wants done now.
#[derive(Debug)]
pub(crate) enum Step {
    /// This goes on to the next queue; ask again at once.
    Forward(Chunk),
    /// The stream ends here; the stage is not asked again.
    End(Ending),
    /// Nothing before that instant, unless more comes in.
    WaitUntil(Instant),
    /// Nothing until more comes in.
    Idle,
}

pub(crate) trait Stage: Send {
    fn step(&mut self, inbox: &mut Queue, now: Instant) -> Step;

    /// Its attributes were changed; ignores another type's.
    fn retune(&mut self, kind: &Kind, now: Instant);

    /// How much memory may wait before it, in bytes; above that its source is not read.
    fn capacity(&self) -> usize {
        32 * 1024
    }

    /// Whether it works on although the queue after it is full, as do those which pass nothing on.
    fn ignores_backpressure(&self) -> bool {
        false
    }

    /// Whether taking it away closes the connection: the peers have missed bytes and could not go on.
    fn closes_when_removed(&self) -> bool {
        false
    }
}

/// What a stage does when its queue is empty: nothing, or hand the stream's end on.
fn drained(inbox: &Queue) -> Step {
    inbox.ended().map_or(Step::Idle, Step::End)
}

/// A year: longer than any drill, short enough that no sum of times overflows.
pub(crate) const LONGEST_MS: u64 = 31_536_000_000;

/// Reads a whole number of milliseconds (or of microseconds) into `target`, if given.
fn read_span(attributes: &Fields, field: &'static str, target: &mut u64) -> Result<(), Error> {
    read_whole(
        attributes,
        field,
        target,
        LONGEST_MS,
        "between 0 and 31536000000",
    )
}

fn read_whole(
    attributes: &Fields,
    field: &'static str,
    target: &mut u64,
    most: u64,
    rule: &'static str,
) -> Result<(), Error> {
    if let Some(value) = attributes.integer(field)? {
        *target = u64::try_from(value)
            .ok()
            .filter(|value| *value <= most)
            .ok_or(Error::Invalid { field, rule })?;
    }
    Ok(())
}

/// Reads a number in `0..=1`, if given.
pub(crate) fn read_share(
    fields: &Fields,
    field: &'static str,
    target: &mut f64,
) -> Result<(), Error> {
    if let Some(value) = fields.number(field)? {
        if !(0.0..=1.0).contains(&value) {
            return Err(Error::Invalid {
                field,
                rule: "between 0 and 1",
            });
        }
        *target = value;
    }
    Ok(())
}

/// Writes `1` rather than `1.0`, as Go does.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn go_number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if *value == 0.0 {
        serializer.serialize_u64(0)
    } else if (*value - 1.0).abs() < f64::EPSILON {
        serializer.serialize_u64(1)
    } else {
        serializer.serialize_f64(*value)
    }
}

#[cfg(test)]
mod tests;
