//! Signals that were attached after a run, put where they belong, so that a log can be judged with and without them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::event::{Event, Fact, Source};
use crate::model::time::Stamp;

/// A signal that somebody attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Attached {
    /// The event that says so.
    pub seq: u64,
    /// Which signal, in the inbox.
    pub signal: i64,
    /// From where.
    pub source: Source,
    /// When it was received.
    pub received: Timestamp,
    /// Whether that is known only by the wall clock.
    pub estimated: bool,
    /// Who attached it, as a pseudonym.
    pub author: Option<String>,
    /// When they did.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// A log without its attached signals, and with them where they belong.
pub(super) struct Corrected {
    pub(super) before: Vec<Event>,
    pub(super) after: Vec<Event>,
    pub(super) attached: Vec<Attached>,
}

impl Corrected {
    /// Reads a log; nothing where no signal was attached.
    pub(super) fn read(events: &[Event]) -> Option<Self> {
        let created = events.first()?.at;
        let mut corrected = Self {
            before: Vec::new(),
            after: Vec::new(),
            attached: Vec::new(),
        };
        for event in events {
            let Fact::SignalAttached {
                signal,
                received,
                told,
                fact,
                reason,
            } = &event.fact
            else {
                corrected.before.push(event.clone());
                corrected.after.push(event.clone());
                continue;
            };
            let (at, estimated) = placed(&created, received);
            let mut origin = told.as_ref().clone();
            origin.estimated |= estimated;
            corrected.after.push(Event {
                seq: event.seq,
                at,
                origin,
                fact: fact.as_ref().clone(),
            });
            corrected.attached.push(Attached {
                seq: event.seq,
                signal: *signal,
                source: told.source,
                received: received.wall,
                estimated,
                author: event.origin.actor.clone(),
                at: event.at.wall,
                reason: reason.clone(),
            });
        }
        (!corrected.attached.is_empty()).then_some(corrected)
    }
}

/// A stamp on the clock that the run began on: as it is where it was taken there, else by the wall clock.
fn placed(created: &Stamp, received: &Stamp) -> (Stamp, bool) {
    if received.epoch == created.epoch {
        return (*received, false);
    }
    let since = received.wall.duration_since(created.wall).as_nanos();
    let mono = i128::from(created.mono_ns).saturating_add(since);
    let at = Stamp {
        epoch: created.epoch,
        mono_ns: u64::try_from(mono.max(0)).unwrap_or(u64::MAX),
        wall: received.wall,
    };
    (at, true)
}
