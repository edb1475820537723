//! The undo ledger: what every injection of a run has come to, and what is still owed.
//!
//! `Planned → Cancelled | Arming`, `Arming → Active | Undoing`, `Active → Undoing`,
//! `Undoing → Undone | Stuck`, `Stuck → Undoing`. The ledger is a fold of events. An [`Armed`] can only be had from an
//! entry whose arming is in the log, so that a driver can't be asked to apply what was not recorded first.

use std::collections::BTreeMap;

use super::event::{Event, Fact, Token, UndoCause, UndoneBy};
use super::{FIRST_TRIES, HANGS_AFTER};
use crate::model::fault::Injection;
use crate::model::ids::{InjectionId, RunId};
use crate::model::time::{Millis, Stamp};

/// An injection whose undo is on record: what drivers act on.
#[derive(Debug, Clone, PartialEq)]
pub struct Armed {
    run: RunId,
    injection: Injection,
    token: Token,
    deadline: Stamp,
    level: u32,
    asked: u32,
}

impl Armed {
    /// The run it belongs to.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// What is done.
    pub fn injection(&self) -> &Injection {
        &self.injection
    }

    /// What the driver captured.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// When it ends at the latest.
    pub fn deadline(&self) -> Stamp {
        self.deadline
    }

    /// The level of its ramp that was read back last, 0 at first.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// The level that was asked for last. Where that is another than was read back, it may be at either.
    pub fn asked(&self) -> u32 {
        self.asked
    }
}

/// A change to what is on that was asked for and not read back yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adjusting {
    /// The event that asked for it.
    pub requested: u64,
    /// The level it leads to.
    pub level: u32,
}

/// Where an injection stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Its target shall be captured.
    Planned {
        /// The event that asked for it.
        requested: u64,
    },
    /// It will not happen.
    Cancelled,
    /// Its undo is durable; it may be applied, and may have been.
    Arming {
        /// The event that allows it.
        requested: u64,
    },
    /// It is on.
    Active {
        /// When the request was sent.
        sent: Stamp,
        /// When it was read back.
        effective: Stamp,
        /// The change that is under way, where it grows.
        adjusting: Option<Adjusting>,
    },
    /// It is being undone.
    Undoing {
        /// The event that asked for the next try.
        requested: u64,
        /// Why.
        cause: UndoCause,
        /// Whether a request of ours may still land: absence counts only on a second look.
        uncertain: bool,
        /// Whether this is the second look.
        looked: bool,
        /// Failed tries so far.
        attempts: u32,
        /// Whether the last of them got no answer for long.
        hangs: bool,
        /// When undoing began.
        since: Stamp,
        /// Not before.
        not_before: Option<Stamp>,
    },
    /// Undoing fails; it is tried on and on.
    Stuck {
        /// Why.
        error: String,
        /// What is kept of the undoing that failed.
        undoing: Box<Entry>,
    },
    /// It is gone, read back.
    Undone {
        /// When.
        at: Stamp,
        /// Why it was undone.
        cause: UndoCause,
        /// By whom.
        by: UndoneBy,
    },
}

impl Entry {
    /// Whether something may still be there.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Cancelled | Self::Undone { .. })
    }

    /// The event that asked for what it waits for now.
    fn requested(&self) -> Option<u64> {
        match self {
            Self::Planned { requested }
            | Self::Arming { requested }
            | Self::Undoing { requested, .. } => Some(*requested),
            Self::Stuck { undoing, .. } => undoing.requested(),
            Self::Active { adjusting, .. } => adjusting.map(|adjusting| adjusting.requested),
            Self::Cancelled | Self::Undone { .. } => None,
        }
    }

    /// Whether its undo has failed so often that what can be undone without it no longer waits.
    pub fn is_failing(&self) -> bool {
        match self {
            Self::Undoing { attempts, .. } => *attempts >= FIRST_TRIES,
            Self::Stuck { .. } => true,
            _ => false,
        }
    }

    /// Whether its target does not answer: whoever waits for its undo would wait for a whole call each time.
    pub fn is_hanging(&self) -> bool {
        match self {
            Self::Undoing { hangs, .. } => *hangs,
            Self::Stuck { undoing, .. } => undoing.is_hanging(),
            _ => false,
        }
    }

    /// Since when it is being undone.
    pub fn undoing_since(&self) -> Option<Stamp> {
        match self {
            Self::Undoing { since, .. } => Some(*since),
            Self::Stuck { undoing, .. } => undoing.undoing_since(),
            _ => None,
        }
    }

    /// Whether its undo has failed for too long.
    pub fn is_stuck(&self) -> bool {
        matches!(self, Self::Stuck { .. })
    }
}

/// One injection and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Obligation {
    /// What is done.
    pub injection: Injection,
    /// Where it stands.
    pub entry: Entry,
    /// What its undo needs, once captured.
    armed: Option<Armed>,
    /// Its place in the order of arming; undo goes newest first.
    pub order: u64,
}

/// All injections of a run, by id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    run: Option<RunId>,
    entries: BTreeMap<InjectionId, Obligation>,
    /// Which injection waits for the answer to the effect that this event asked for.
    awaiting: BTreeMap<u64, InjectionId>,
    /// When anything was undone last: not before that began the turn of what had waited for it.
    freed: Option<Stamp>,
}

impl Ledger {
    /// An empty ledger of a run.
    pub fn new(run: RunId) -> Self {
        Self {
            run: Some(run),
            entries: BTreeMap::new(),
            awaiting: BTreeMap::new(),
            freed: None,
        }
    }

    /// Every injection that has become due, by id.
    pub fn obligations(&self) -> impl Iterator<Item = &Obligation> {
        self.entries.values()
    }

    /// One injection.
    pub fn get(&self, id: &InjectionId) -> Option<&Obligation> {
        self.entries.get(id)
    }

    /// The injection that waits for the answer to the effect that event `requested` asked for.
    pub(super) fn awaiting(&self, requested: u64) -> Option<&Obligation> {
        self.entries.get(self.awaiting.get(&requested)?)
    }

    /// What may still be there.
    pub fn open(&self) -> impl Iterator<Item = &Obligation> {
        self.entries
            .values()
            .filter(|obligation| obligation.entry.is_open())
    }

    /// The recorded arming of an injection: the only way to a value that drivers apply or undo.
    pub fn armed(&self, id: &InjectionId) -> Option<&Armed> {
        self.entries.get(id)?.armed.as_ref()
    }

    /// Folds one event in. Events about unknown injections, or that a later one overtook, change nothing.
    pub fn apply(&mut self, event: &Event) {
        if let Fact::Due { injection } = &event.fact {
            if self.entries.contains_key(&injection.id) {
                return;
            }
            self.awaiting.insert(event.seq, injection.id.clone());
            let due = Obligation {
                injection: (**injection).clone(),
                entry: Entry::Planned {
                    requested: event.seq,
                },
                armed: None,
                order: event.seq,
            };
            self.entries.insert(injection.id.clone(), due);
            return;
        }
        let Some(id) = subject(&event.fact) else {
            return;
        };
        let Some(run) = self.run.clone() else { return };
        let Some(obligation) = self.entries.get_mut(id) else {
            return;
        };
        let before = obligation.entry.requested();
        obligation.apply(event, run, self.freed);
        let after = obligation.entry.requested();
        if matches!(obligation.entry, Entry::Undone { .. }) {
            self.freed = Some(event.at);
        }
        if before != after {
            if let Some(before) = before {
                self.awaiting.remove(&before);
            }
            if let Some(after) = after {
                self.awaiting.insert(after, id.clone());
            }
        }
    }
}

/// The injection an event of the ledger is about.
fn subject(fact: &Fact) -> Option<&InjectionId> {
    match fact {
        Fact::Arming { injection, .. }
        | Fact::Active { injection, .. }
        | Fact::AdjustBegan { injection, .. }
        | Fact::Adjusted { injection, .. }
        | Fact::Refused { injection, .. }
        | Fact::Cancelled { injection }
        | Fact::Lost { injection, .. }
        | Fact::UndoBegan { injection, .. }
        | Fact::LookAgain { injection, .. }
        | Fact::UndoFailed { injection, .. }
        | Fact::Stuck { injection, .. }
        | Fact::Undone { injection, .. } => Some(injection),
        _ => None,
    }
}

impl Obligation {
    /// What its undo needs, once captured.
    pub fn armed(&self) -> Option<&Armed> {
        self.armed.as_ref()
    }

    /// `freed` is when anything was undone last.
    fn apply(&mut self, event: &Event, run: RunId, freed: Option<Stamp>) {
        match (&self.entry, &event.fact) {
            (
                Entry::Planned { .. },
                Fact::Arming {
                    token, deadline, ..
                },
            ) => {
                self.entry = Entry::Arming {
                    requested: event.seq,
                };
                self.order = event.seq;
                self.armed = Some(Armed {
                    run,
                    injection: self.injection.clone(),
                    token: token.clone(),
                    deadline: *deadline,
                    level: 0,
                    asked: 0,
                });
            }
            (Entry::Planned { .. }, Fact::Cancelled { .. }) => self.entry = Entry::Cancelled,
            (Entry::Arming { .. }, Fact::Active { sent, .. }) => {
                self.entry = Entry::Active {
                    sent: *sent,
                    effective: event.at,
                    adjusting: None,
                };
            }
            (Entry::Active { .. }, Fact::AdjustBegan { level, .. }) => {
                self.adjust(Some(Adjusting {
                    requested: event.seq,
                    level: *level,
                }));
                if let Some(armed) = &mut self.armed {
                    armed.asked = *level;
                }
            }
            (Entry::Active { .. }, Fact::Adjusted { level, .. }) => {
                self.adjust(None);
                if let Some(armed) = &mut self.armed {
                    armed.level = *level;
                }
            }
            (Entry::Arming { .. } | Entry::Active { .. }, Fact::UndoBegan { cause, .. }) => {
                self.entry = Entry::Undoing {
                    requested: event.seq,
                    cause: cause.clone(),
                    uncertain: matches!(self.entry, Entry::Arming { .. }),
                    looked: false,
                    attempts: 0,
                    hangs: false,
                    since: event.at,
                    not_before: None,
                };
            }
            // An undo taken up by another process: the old clock's times mean nothing here.
            (Entry::Undoing { .. } | Entry::Stuck { .. }, Fact::UndoBegan { .. }) => {
                self.restart(event);
            }
            (Entry::Undoing { .. } | Entry::Stuck { .. }, Fact::LookAgain { at, .. }) => {
                self.retry(event, *at, 0, true, false);
            }
            (
                Entry::Undoing { .. } | Entry::Stuck { .. },
                Fact::UndoFailed { attempt, again, .. },
            ) => {
                let hangs = self.hung(event.at, freed);
                self.retry(event, *again, *attempt, false, hangs);
            }
            (Entry::Undoing { .. }, Fact::Stuck { error, .. }) => {
                self.entry = Entry::Stuck {
                    error: error.clone(),
                    undoing: Box::new(self.entry.clone()),
                };
            }
            (Entry::Undoing { .. } | Entry::Stuck { .. }, Fact::Undone { by, .. }) => {
                let cause = self
                    .undoing()
                    .map_or(UndoCause::Interrupted, |(cause, _)| cause);
                self.entry = Entry::Undone {
                    at: event.at,
                    cause,
                    by: *by,
                };
            }
            _ => {}
        }
    }

    /// When it is undone at the latest, while it may be on. A fault without length is undone once it has happened.
    pub(super) fn ends_at(&self) -> Option<Stamp> {
        let once = self.injection.lasts.deadline() == Millis::ZERO;
        match self.entry {
            Entry::Active { effective, .. } if once => Some(effective),
            Entry::Arming { .. } | Entry::Active { .. } => self.armed.as_ref().map(Armed::deadline),
            _ => None,
        }
    }

    /// The next level of its ramp and when it is due; `None` while a change is under way, and at its full strength.
    pub fn next_level(&self) -> Option<(u32, Stamp)> {
        let Entry::Active {
            effective,
            adjusting: None,
            ..
        } = &self.entry
        else {
            return None;
        };
        let ramp = self.injection.act.ramp()?;
        let level = self.armed.as_ref()?.level.saturating_add(1);
        (level <= ramp.steps).then(|| (level, effective.after(ramp.due(level).duration())))
    }

    fn adjust(&mut self, change: Option<Adjusting>) {
        if let Entry::Active { adjusting, .. } = &mut self.entry {
            *adjusting = change;
        }
    }

    /// Why it is being undone and whether a request may still land.
    fn undoing(&self) -> Option<(UndoCause, bool)> {
        let entry = if let Entry::Stuck { undoing, .. } = &self.entry {
            undoing
        } else {
            &self.entry
        };
        match entry {
            Entry::Undoing {
                cause, uncertain, ..
            } => Some((cause.clone(), *uncertain)),
            _ => None,
        }
    }

    fn restart(&mut self, event: &Event) {
        let Some((cause, uncertain)) = self.undoing() else {
            return;
        };
        self.entry = Entry::Undoing {
            requested: event.seq,
            cause,
            uncertain,
            looked: false,
            attempts: 0,
            hangs: false,
            since: event.at,
            not_before: None,
        };
    }

    /// Whether a try that failed now had no answer for long. It began once its undo was asked for, and not while it waited
    /// for others; where that can't be told, it is no longer than it must have been.
    fn hung(&self, now: Stamp, freed: Option<Stamp>) -> bool {
        let long = |from: Stamp| {
            now.since(&from)
                .is_some_and(|length| length.unsigned_abs() >= HANGS_AFTER)
        };
        self.entry.undoing_since().is_some_and(long) && freed.is_none_or(long)
    }

    /// Schedules the next try inside `Undoing`, and keeps `Stuck` around it: stuck is left only by success.
    fn retry(
        &mut self,
        event: &Event,
        again: Stamp,
        failures: u32,
        second_look: bool,
        without_answer: bool,
    ) {
        let entry = if let Entry::Stuck { undoing, .. } = &mut self.entry {
            undoing.as_mut()
        } else {
            &mut self.entry
        };
        if let Entry::Undoing {
            requested,
            looked,
            attempts,
            hangs,
            not_before,
            ..
        } = entry
        {
            *hangs = without_answer;
            *requested = event.seq;
            *looked = second_look;
            *attempts = failures;
            *not_before = Some(again);
        }
    }
}
