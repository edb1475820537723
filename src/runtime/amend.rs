//! Amending the log of a run that is over: one more event, by a person, that changes nothing but what is known.

use super::Supervisor;
use crate::engine::Course;
use crate::engine::input::{Input, Rejection};
use crate::model::ids::RunId;
use crate::ports::{Durability, JournalError};

/// How often it is tried where somebody else amends the same log.
const TRIES: usize = 3;

/// Why a log was not amended.
#[derive(Debug, thiserror::Error)]
pub enum AmendError {
    /// It makes no sense.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The journal can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Takes an input into the log of a run that is over. Answers with its last sequence once that is on disk; the same
/// input twice changes nothing.
pub async fn amend(supervisor: &Supervisor, run: &RunId, input: Input) -> Result<u64, AmendError> {
    let ports = supervisor.ports();
    let mut left = TRIES;
    loop {
        let events = ports.journal.load(run).await?;
        let mut course = Course::resume(run.clone(), &events);
        let expected = course.state().seq();
        let amended = course.take(input.clone(), ports.clock.now())?;
        if amended.is_empty() {
            return Ok(expected);
        }
        let done = ports
            .journal
            .append(run, expected, &amended, Durability::Durable)
            .await;
        left -= 1;
        match done {
            Ok(()) => return Ok(course.state().seq()),
            Err(JournalError::OutOfSequence { .. }) if left > 0 => {}
            Err(error) => return Err(error.into()),
        }
    }
}
