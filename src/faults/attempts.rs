//! What this process has already asked of targets.
//!
//! Effects run at least once, and an answer can get lost. This memory makes repeats exact: when the first request was
//! sent, and whether an absence that is read back may be our own doing. Nothing depends on it for safety: after a
//! crash it is empty, and undo still works from the token.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::time::Stamp;

/// Requests sent, by owner tag. An entry lives until its undo is read back.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<Sent>);

#[derive(Debug, Default)]
struct Sent {
    applied: BTreeMap<String, Stamp>,
    answered: BTreeSet<String>,
    undone: BTreeSet<String>,
}

impl Attempts {
    /// Notes that an apply is sent now. The stamp of its first try, before which it can have had no effect.
    pub(super) fn applying(&self, owner: &str, now: Stamp) -> Stamp {
        *self.lock().applied.entry(owner.to_owned()).or_insert(now)
    }

    /// When an apply was first sent, if it was.
    pub(super) fn applied(&self, owner: &str) -> Option<Stamp> {
        self.lock().applied.get(owner).copied()
    }

    /// Notes that an apply was answered as done.
    pub(super) fn applied_for_sure(&self, owner: &str) {
        self.lock().answered.insert(owner.to_owned());
    }

    /// Whether an apply was answered as done: it need not be sent again.
    pub(super) fn is_applied_for_sure(&self, owner: &str) -> bool {
        self.lock().answered.contains(owner)
    }

    /// Notes that a request which undoes it is sent now.
    pub(super) fn undoing(&self, owner: &str) {
        self.lock().undone.insert(owner.to_owned());
    }

    /// Whether a request which undoes it was sent and its outcome never read back.
    pub(super) fn undo_sent(&self, owner: &str) -> bool {
        self.lock().undone.contains(owner)
    }

    /// It was read back as gone: nothing more needs to be known.
    pub(super) fn settled(&self, owner: &str) {
        let mut sent = self.lock();
        sent.applied.remove(owner);
        sent.answered.remove(owner);
        sent.undone.remove(owner);
    }

    /// A panic elsewhere can't leave these maps half-changed.
    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
