//! The engine: pure decisions from a log. No I/O, no clock, no randomness of its own.
//!
//! [`Course::take`] turns one input into the events it amounts to and all that follow from them; [`outstanding`] says
//! what the world is to be asked now; [`next_deadline`] is the only timer. The same three serve live running,
//! recovery, and every property test.

mod advance;
mod deadline;
mod decide;
pub mod effect;
pub mod event;
mod guard;
pub mod input;
pub mod phase;
pub mod posts;
pub mod state;
#[cfg(test)]
pub(crate) mod tests;
pub mod undo;
mod verdict;
pub mod watch;

use std::time::Duration;

pub use deadline::next_deadline;
pub use effect::outstanding;

use crate::model::ids::RunId;
use crate::model::time::Stamp;
use event::{Event, Fact, Origin, StopCause};
use input::{Input, Rejection};
use state::State;

/// How long undoing may fail until it is called stuck.
pub const STUCK_AFTER: Duration = Duration::from_mins(1);

/// How often an undo may fail while others still wait for it. One failure may be a hiccup, and the second try follows
/// within a quarter of a second, so order is kept through it. A call has ten seconds, so waiting for more could take
/// up most of the minute after which things are stuck.
pub const FIRST_TRIES: u32 = 2;

/// A try to undo that took so long and failed hangs: it was no hiccup. Less than a driver's call may take.
pub const HANGS_AFTER: Duration = Duration::from_secs(5);

/// How long after something reads as absent it is looked at again, where a request of ours may still land.
pub const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// How many rounds of consequences one input can have: far more than any plan needs, so that a mistake in the rules
/// ends instead of spinning.
const MOST_ROUNDS: usize = 10_000;

/// From one failed undo to the next try.
fn backoff(attempt: u32, stuck: bool) -> Duration {
    if stuck {
        return Duration::from_secs(15);
    }
    Duration::from_millis(200 << attempt.saturating_sub(1).min(4)).min(Duration::from_secs(3))
}

/// A fact without its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// When it was so.
    pub at: Stamp,
    /// Where it came from.
    pub origin: Origin,
    /// What is so.
    pub fact: Fact,
}

impl Draft {
    fn engine(at: Stamp, fact: Fact) -> Self {
        Self {
            at,
            origin: Origin::engine(),
            fact,
        }
    }

    /// firedrill could not do its work: the run stops.
    fn error(at: Stamp, reason: impl Into<String>) -> Vec<Self> {
        let reason = reason.into();
        vec![Self::engine(
            at,
            Fact::StopRequested {
                cause: StopCause::Error { reason },
            },
        )]
    }
}

/// A run's state as it goes on: the fold of its events, and the way to the next ones.
#[derive(Debug, Clone)]
pub struct Course {
    state: State,
}

impl Course {
    /// A run without events.
    pub fn new(run: RunId) -> Self {
        Self {
            state: State::new(run),
        }
    }

    /// A run as its log left it.
    pub fn resume(run: RunId, events: &[Event]) -> Self {
        Self {
            state: State::replay(run, events),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes one input: the events it amounts to, already folded in, to be appended before any effect is performed.
    pub fn take(&mut self, input: Input, now: Stamp) -> Result<Vec<Event>, Rejection> {
        let mut events = Vec::new();
        let mut drafts = decide::decide(&self.state, input, now)?;
        for _ in 0..MOST_ROUNDS {
            for draft in drafts {
                let event = Event {
                    seq: self.state.seq() + 1,
                    at: draft.at,
                    origin: draft.origin,
                    fact: draft.fact,
                };
                self.state.apply(&event);
                events.push(event);
            }
            drafts = advance::advance(&self.state, now);
            if drafts.is_empty() {
                return Ok(events);
            }
        }
        debug_assert!(
            false,
            "every consequence is implied once; {MOST_ROUNDS} rounds did not settle"
        );
        Ok(events)
    }
}
