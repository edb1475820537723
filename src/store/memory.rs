//! A journal in memory, with the contract of the one in the database, for tests under paused time: a database's worker
//! thread is invisible to tokio's clock. It breaks where it is told to, as a crash or a full disk would.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{Error, chain};
use crate::engine::event::{Event, Fact};
use crate::model::ids::RunId;
use crate::ports::{Answer, Durability, Journal, JournalError, Unfinished};

/// How an append fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was stored, and the journal works again afterwards.
    Refused,
    /// Everything was stored, and the answer is an error all the same.
    Unanswered,
    /// Nothing was stored, and nothing ever will be: the disk is gone.
    Dead,
}

/// That a test broke the journal here.
#[derive(Debug, thiserror::Error)]
#[error("append {0} was made to fail")]
pub struct Broken(pub u64);

/// A journal in memory.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    runs: BTreeMap<RunId, Vec<Event>>,
    damaged: BTreeMap<RunId, String>,
    appends: u64,
    failures: BTreeMap<u64, Failure>,
    dead: bool,
}

impl MemoryJournal {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes append number `nth` fail, from 1, counted over all runs since the journal was made.
    pub fn fail(&self, nth: u64, failure: Failure) {
        self.state().failures.insert(nth, failure);
    }

    /// How many appends there were, failed ones included: what a test that breaks each of them in turn counts to.
    pub fn appends(&self) -> u64 {
        self.state().appends
    }

    /// A run's log so far, empty where there is no such run.
    pub fn events(&self, run: &RunId) -> Vec<Event> {
        self.state().runs.get(run).cloned().unwrap_or_default()
    }

    /// From now on, this run's log can't be read.
    pub fn damage(&self, run: &RunId, what: &str) {
        self.state().damaged.insert(run.clone(), what.to_owned());
    }

    /// What a process that starts after a crash finds: the same logs, and a journal that works.
    #[must_use]
    pub fn reopened(&self) -> Self {
        let state = self.state();
        Self {
            state: Mutex::new(State {
                runs: state.runs.clone(),
                damaged: state.damaged.clone(),
                ..State::default()
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // An append changes the log in one step: it is whole whatever its holder was doing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, run: &RunId, expected: u64, events: &[Event]) -> Result<(), JournalError> {
        if events.is_empty() {
            return Ok(());
        }
        chain::fit(run, expected, events)?;
        for event in events {
            // What the database would refuse to write is refused here, too.
            chain::Prepared::of(run, event)?;
        }
        let mut state = self.state();
        state.appends += 1;
        let nth = state.appends;
        let failure = match state.failures.remove(&nth) {
            _ if state.dead => Some(Failure::Dead),
            failure => failure,
        };
        let broken = || Err(JournalError::Storage(Box::new(Broken(nth))));
        match failure {
            Some(Failure::Dead) => {
                state.dead = true;
                return broken();
            }
            Some(Failure::Refused) => return broken(),
            Some(Failure::Unanswered) | None => {}
        }
        let actual = state.runs.get(run).map(|log| log.len() as u64);
        match actual {
            None if expected > 0 => return Err(JournalError::NoSuchRun(run.clone())),
            Some(actual) if actual != expected => {
                return Err(JournalError::OutOfSequence {
                    run: run.clone(),
                    expected,
                    actual,
                });
            }
            _ => {}
        }
        state
            .runs
            .entry(run.clone())
            .or_default()
            .extend_from_slice(events);
        if failure.is_some() { broken() } else { Ok(()) }
    }
}

impl Journal for MemoryJournal {
    fn append<'a>(
        &'a self,
        run: &'a RunId,
        expected: u64,
        events: &'a [Event],
        _durability: Durability,
    ) -> Answer<'a, Result<(), JournalError>> {
        Box::pin(async move { self.take(run, expected, events) })
    }

    fn load<'a>(&'a self, run: &'a RunId) -> Answer<'a, Result<Vec<Event>, JournalError>> {
        Box::pin(async move {
            if let Some(what) = self.state().damaged.get(run) {
                return Err(JournalError::Damaged {
                    run: run.clone(),
                    seq: 1,
                    what: what.clone(),
                });
            }
            let events = self.events(run);
            if events.is_empty() {
                return Err(Error::NoSuchRun(run.clone()).into());
            }
            Ok(events)
        })
    }

    fn unfinished(&self) -> Answer<'_, Result<Vec<Unfinished>, JournalError>> {
        Box::pin(async move {
            let state = self.state();
            let mut open: Vec<(Timestamp, Unfinished)> = state
                .runs
                .iter()
                .filter(|(_, log)| {
                    !log.iter()
                        .any(|event| matches!(event.fact, Fact::RunEnded { .. }))
                })
                .filter_map(|(run, log)| {
                    let first = log.first()?;
                    let Fact::RunCreated { plan, .. } = &first.fact else {
                        return None;
                    };
                    let (run, stack) = (run.clone(), plan.stack.name.clone());
                    Some((first.at.wall, Unfinished { run, stack }))
                })
                .collect();
            open.sort();
            Ok(open.into_iter().map(|(_, run)| run).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{contract, sample};

    #[tokio::test(start_paused = true)]
    async fn it_keeps_the_journals_contract() {
        contract::holds(&MemoryJournal::new()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_breaks_where_it_is_told_to() {
        let journal = MemoryJournal::new();
        let run = sample::run("r1");
        journal.fail(2, Failure::Refused);
        journal.fail(3, Failure::Unanswered);
        journal.fail(4, Failure::Dead);
        let append = |expected, event| {
            let (journal, run) = (&journal, &run);
            async move {
                journal
                    .append(run, expected, &[event], Durability::Durable)
                    .await
                    .is_ok()
            }
        };
        assert!(append(0, sample::created("a")).await);
        assert!(!append(1, sample::noted(2, "refused")).await);
        assert!(!append(1, sample::noted(2, "unanswered")).await);
        assert_eq!(journal.events(&run).len(), 2);
        assert!(!append(2, sample::noted(3, "dead")).await);
        assert!(!append(2, sample::noted(3, "still dead")).await);
        assert_eq!(journal.appends(), 5);

        let again = journal.reopened();
        again
            .append(&run, 2, &[sample::noted(3, "alive")], Durability::Durable)
            .await
            .expect("it works again");
        assert_eq!(again.events(&run).len(), 3);
    }
}
