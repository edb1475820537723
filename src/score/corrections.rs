//! What was attached and corrected after a run, put where it belongs, so that a log can be judged with and without it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::event::{Attribution, Event, Fact, Judgement, Source};
use crate::model::ids::ExpectationId;
use crate::model::time::{Epoch, Stamp};

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

/// A correction of a time or of words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// The event that says so.
    pub seq: u64,
    /// The event that it corrects.
    pub of: u64,
    /// When that was, where its time is corrected.
    pub to: Option<Timestamp>,
    /// When the log had it.
    pub was: Timestamp,
    /// What it said, where its words are corrected.
    pub text: Option<String>,
    /// Who corrected it, as a pseudonym.
    pub author: Option<String>,
    /// When they did.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// A line that staff judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "JudgedLine")]
pub struct Judged {
    /// The event that says so.
    pub seq: u64,
    /// Which line.
    pub line: ExpectationId,
    /// What it came to.
    pub verdict: Judgement,
    /// Who judged it, as a pseudonym.
    pub author: Option<String>,
    /// When they did.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// What staff said of who ended it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Attributed {
    /// The event that says so.
    pub seq: u64,
    /// Who ended it.
    pub by: Attribution,
    /// Who says so, as a pseudonym.
    pub author: Option<String>,
    /// When they did.
    pub at: Timestamp,
    /// How they know.
    pub reason: String,
}

/// A log without what was said of it afterwards, and with that where it belongs.
pub(super) struct Corrected {
    pub(super) before: Vec<Event>,
    pub(super) after: Vec<Event>,
    pub(super) attached: Vec<Attached>,
    pub(super) changes: Vec<Change>,
    pub(super) judged: Vec<Judged>,
    pub(super) attributed: Vec<Attributed>,
}

impl Corrected {
    /// Reads a log; nothing where nothing was said of it afterwards.
    pub(super) fn read(events: &[Event]) -> Option<Self> {
        let created = events.first()?.at;
        let mut corrected = Self {
            before: Vec::new(),
            after: Vec::new(),
            attached: Vec::new(),
            changes: Vec::new(),
            judged: Vec::new(),
            attributed: Vec::new(),
        };
        for event in events {
            if corrected.hears(&created, event) {
                continue;
            }
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
        let silent = corrected.attached.is_empty()
            && corrected.changes.is_empty()
            && corrected.judged.is_empty()
            && corrected.attributed.is_empty();
        (!silent).then_some(corrected)
    }

    /// Takes what staff say of a run that is over; whether it was that.
    fn hears(&mut self, created: &Stamp, event: &Event) -> bool {
        let (seq, author, at) = (event.seq, event.origin.actor.clone(), event.at.wall);
        match &event.fact {
            Fact::Corrected { .. } => self.change(created, event),
            Fact::LineJudged {
                line,
                verdict,
                reason,
            } => self.judged.push(Judged {
                seq,
                line: line.clone(),
                verdict: *verdict,
                author,
                at,
                reason: reason.clone(),
            }),
            Fact::EndAttributed { by, reason } => self.attributed.push(Attributed {
                seq,
                by: *by,
                author,
                at,
                reason: reason.clone(),
            }),
            _ => return false,
        }
        true
    }

    /// Puts an event where, and says with it what, a later one corrects. Of several the last counts.
    fn change(&mut self, created: &Stamp, event: &Event) {
        let Fact::Corrected {
            seq,
            at,
            text,
            reason,
        } = &event.fact
        else {
            return;
        };
        let Some(known) = self.after.iter_mut().find(|known| known.seq == *seq) else {
            return;
        };
        let was = self.before.iter().find(|known| known.seq == *seq);
        let was = was.map_or(known.at.wall, |known| known.at.wall);
        if let Some(at) = at {
            let told = Stamp {
                wall: *at,
                mono_ns: 0,
                epoch: Epoch(created.epoch.0.wrapping_add(1)),
            };
            // By the wall clock, as whoever corrects it knows it.
            (known.at, known.origin.estimated) = placed(created, &told);
        }
        if let Some(retold) = text.as_ref().and_then(|text| known.fact.retold(text)) {
            known.fact = retold;
        }
        self.changes.push(Change {
            seq: event.seq,
            of: *seq,
            to: *at,
            was,
            text: text.clone(),
            author: event.origin.actor.clone(),
            at: event.at.wall,
            reason: reason.clone(),
        });
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
