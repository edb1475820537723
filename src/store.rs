//! The store: the journal and what the server remembers beside it, in one `SQLite` file, and beside that the locks of
//! runs and the halt, which must work without it. The only place with SQL.
//!
//! The log is the truth: a row of `runs` is a projection, kept in the transaction that appends the events it was made
//! from. What else is kept here (signals, scheduled and keyed starts, who is behind a pseudonym) is stored for its own
//! sake. Nothing here decides anything, reads a clock or draws a random number: instants and random bytes come in as
//! arguments.

use crate::model::ids::RunId;
use crate::ports::JournalError;

mod chain;
mod columns;
mod forgetting;
mod intake;
mod projection;
mod writer;

pub mod accounts;
pub mod audit;
pub mod copy;
pub mod database;
pub mod evidence;
pub mod halt;
pub mod journal;
pub mod keyed;
pub mod lock;
pub mod memory;
pub mod people;
pub mod reviews;
pub mod runs;
pub mod schedule;
pub mod sessions;
pub mod signals;
pub mod summaries;
pub mod tokens;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod sample;

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// No such event.
    #[error("run {run} has no event {seq}")]
    NoSuchEvent {
        /// Which run.
        run: RunId,
        /// Which event.
        seq: u64,
    },
    /// Its undo may still need what shall be erased.
    #[error(
        "run {0} has not ended: what its undo may need can't be erased; hint: end it first, or settle it with `firedrill recover`"
    )]
    Unfinished(RunId),
    /// A run can't be replayed without this payload.
    #[error(
        "event {seq} of run {run} was erased ({reason}): the run can be shown, but not replayed"
    )]
    Erased {
        /// Which run.
        run: RunId,
        /// Which event.
        seq: u64,
        /// Why it was erased.
        reason: String,
    },
    /// A later firedrill wrote it.
    #[error(
        "event {seq} of run {run} has version {version}, and this firedrill knows up to {known}; hint: use the firedrill that wrote it, or a later one",
        known = chain::VERSION
    )]
    Newer {
        /// Which run.
        run: RunId,
        /// Which event.
        seq: u64,
        /// The event's version.
        version: u32,
    },
    /// What is kept of who did what does not add up.
    #[error("the audit is damaged at entry {seq}: {what}")]
    AuditDamaged {
        /// At which entry.
        seq: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The writer appended what can't follow.
    #[error("the events for run {run} can't be appended: {why}")]
    Unfit {
        /// Which run.
        run: RunId,
        /// What is wrong with them.
        why: &'static str,
    },
    /// A stored value does not read as what it should be.
    #[error("the database holds {text:?} where {what} should be")]
    Unreadable {
        /// What should be there.
        what: &'static str,
        /// What is there.
        text: String,
    },
    /// The log does not add up.
    #[error(transparent)]
    Journal(Box<JournalError>),
    /// The database was closed.
    #[error("the database was closed")]
    Closed,
    /// The database refused.
    #[error("{}{}", .0, database::hint(.0))]
    Database(#[from] sqlx::Error),
}

impl From<Error> for JournalError {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchRun(run) => Self::NoSuchRun(run),
            Error::Journal(inner) => *inner,
            other => Self::Storage(Box::new(other)),
        }
    }
}

impl From<JournalError> for Error {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::NoSuchRun(run) => Self::NoSuchRun(run),
            other => Self::Journal(Box::new(other)),
        }
    }
}

/// What the store answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;
