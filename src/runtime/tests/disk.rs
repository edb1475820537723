//! A journal on a slow and mortal disk, over the one in memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::fakes::Trace;
use crate::engine::event::Event;
use crate::model::ids::RunId;
use crate::ports::{Answer, Durability, Journal, JournalError, Unfinished};
use crate::store::memory::MemoryJournal;

/// How the last append before a process's death ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// It is on disk, and nobody hears of it any more.
    Unanswered,
    /// It is on disk and answered; no later append ever is.
    Answered,
}

/// One process's way to the journal, which outlives it.
pub(super) struct Disk {
    journal: Arc<MemoryJournal>,
    trace: Trace,
    settings: Mutex<Settings>,
    reached: Notify,
}

#[derive(Default)]
struct Settings {
    delay: Duration,
    last: Option<(u64, Last)>,
}

impl Disk {
    pub(super) fn new(journal: Arc<MemoryJournal>, trace: Trace) -> Self {
        Self {
            journal,
            trace,
            settings: Mutex::default(),
            reached: Notify::new(),
        }
    }

    /// Every append takes this long before it is on disk.
    pub(super) fn delay(&self, length: Duration) {
        self.settings().delay = length;
    }

    /// From now on appends hang.
    pub(super) fn hang(&self) {
        self.ends_after(self.journal.appends(), Last::Answered);
    }

    /// Append number `last` of the journal is the last that reaches the disk.
    pub(super) fn ends_after(&self, last: u64, how: Last) {
        self.settings().last = Some((last, how));
    }

    /// Waits until the last append is on disk.
    pub(super) async fn ended(&self) {
        self.reached.notified().await;
    }

    fn settings(&self) -> std::sync::MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn store(
        &self,
        run: &RunId,
        expected: u64,
        events: &[Event],
        durability: Durability,
    ) -> Result<(), JournalError> {
        let (delay, last) = {
            let settings = self.settings();
            (settings.delay, settings.last)
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if last.is_some_and(|(last, _)| self.journal.appends() >= last) {
            self.reached.notify_one();
            return std::future::pending().await;
        }
        let stored = self.journal.append(run, expected, events, durability).await;
        if stored.is_ok() {
            self.trace.stored(run, events);
        }
        if let Some((last, how)) = last
            && self.journal.appends() >= last
        {
            self.reached.notify_one();
            if how == Last::Unanswered {
                return std::future::pending().await;
            }
        }
        stored
    }
}

impl Journal for Disk {
    fn append<'a>(
        &'a self,
        run: &'a RunId,
        expected: u64,
        events: &'a [Event],
        durability: Durability,
    ) -> Answer<'a, Result<(), JournalError>> {
        Box::pin(self.store(run, expected, events, durability))
    }

    fn load<'a>(&'a self, run: &'a RunId) -> Answer<'a, Result<Vec<Event>, JournalError>> {
        self.journal.load(run)
    }

    fn unfinished(&self) -> Answer<'_, Result<Vec<Unfinished>, JournalError>> {
        self.journal.unfinished()
    }
}
