//! Reading one run: its row, its log, where it stands, and what it is worth so far.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::Services;
use super::problem::{Problem, no_such_run};
use crate::engine::event::Event;
use crate::engine::state::State;
use crate::model::ids::RunId;
use crate::runtime::{RunHandle, RunStatus};
use crate::score::{self, Report};
use crate::store::runs::{RunRow, ShownEvent};

/// The most events of a log that are read for one answer. The runtime summarises probes, so a log of a day stays far
/// below it.
const MOST_EVENTS: u32 = 200_000;

/// The most runs whose readings are kept, and the most events of all of them together. An event is about a kilobyte.
const KEPT_RUNS: usize = 64;
const KEPT_EVENTS: usize = 100_000;

/// From how many events on a log is made sense of off the async threads: below that it takes less than a millisecond.
const MANY: usize = 300;

/// One run, as its log says at this moment.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) row: RunRow,
    /// Where it stands in this process, where it is driven here.
    pub(super) status: Option<RunStatus>,
    log: Arc<Log>,
}

/// What a log says, whoever asks: the same until it grows or something of it is erased.
#[derive(Debug)]
pub(super) struct Log {
    /// Without those whose facts were erased.
    pub(super) events: Vec<Event>,
    pub(super) state: State,
    pub(super) report: Option<Report>,
}

impl Deref for Reading {
    type Target = Log;

    fn deref(&self) -> &Log {
        &self.log
    }
}

impl Reading {
    /// Reads a run.
    pub(super) async fn of(services: &Services, run: &RunId) -> Result<Self, Problem> {
        let status = services.supervisor.get(run).map(|handle| handle.status());
        let row = services.database.run(run).await?;
        let erased = services.database.erased_of(run).await?;
        let version = Version {
            seq: row.head.seq,
            hash: row.head.hash.clone(),
            erased,
        };
        let place = services.readings.place(run, version);
        let log = place
            .get_or_try_init(|| async { Log::read(services, run).await.map(Arc::new) })
            .await?
            .clone();
        services.readings.bound();
        Ok(Self { row, status, log })
    }

    /// Whether it goes on.
    pub(super) fn is_live(&self) -> bool {
        !self.state.is_ended()
    }
}

impl Log {
    async fn read(services: &Services, run: &RunId) -> Result<Self, Problem> {
        let shown = services.database.events_after(run, 0, MOST_EVENTS).await?;
        if shown.len() < MANY {
            return Ok(Self::of(run, shown));
        }
        let run = run.clone();
        tokio::task::spawn_blocking(move || Self::of(&run, shown))
            .await
            .map_err(|error| Problem::internal(&error))
    }

    fn of(run: &RunId, shown: Vec<ShownEvent>) -> Self {
        let head = shown.last().map(|event| event.hash.clone());
        let events: Vec<Event> = shown.into_iter().filter_map(event).collect();
        let state = State::replay(run.clone(), &events);
        let report = score::judge(&events).map(|report| report.identified(run.clone(), head));
        Self {
            events,
            state,
            report,
        }
    }
}

/// Which log it is: a correction appends to it, and what is erased leaves its hashes as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    seq: u64,
    hash: String,
    erased: u64,
}

/// Where a log is, once somebody has read it: whoever asks meanwhile waits for the same.
type Cell = Arc<OnceCell<Arc<Log>>>;

#[derive(Debug)]
struct Kept {
    run: RunId,
    version: Version,
    cell: Cell,
}

/// Readings of late, so that a log that many look at is read and judged once. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Readings(Arc<Mutex<Vec<Kept>>>);

impl Readings {
    /// The place of a version of a log, what was asked for last at the end. Of each run one version is kept.
    fn place(&self, run: &RunId, version: Version) -> Cell {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|one| one.run == *run);
        let known = known.map(|at| kept.remove(at));
        let one = known
            .filter(|one| one.version == version)
            .unwrap_or_else(|| Kept {
                run: run.clone(),
                version,
                cell: Cell::default(),
            });
        let cell = one.cell.clone();
        kept.push(one);
        cell
    }

    /// Lets go what was not asked for for the longest, where it is too much.
    fn bound(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut runs, mut events) = (0, 0);
        let fits = kept.iter().rev().take_while(|one| {
            runs += 1;
            events += one.cell.get().map_or(0, |log| log.events.len());
            runs <= KEPT_RUNS && events <= KEPT_EVENTS
        });
        let surplus = kept.len() - fits.count();
        kept.drain(..surplus);
    }
}

fn event(shown: ShownEvent) -> Option<Event> {
    Some(Event {
        seq: shown.seq,
        at: shown.at,
        origin: shown.origin,
        fact: shown.fact?,
    })
}

/// A run's id, as it stands in an address.
pub(super) fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| no_such_run(text))
}

/// The handle of a run that is driven here, or why it can't be acted on.
pub(super) async fn driven(services: &Services, run: &RunId) -> Result<RunHandle, Problem> {
    if let Some(handle) = services.supervisor.get(run) {
        return Ok(handle);
    }
    let row = services.database.run(run).await?;
    Err(if row.ended.is_some() {
        Problem::conflict("run-ended", "the run is over")
    } else {
        Problem::conflict(
            "run-elsewhere",
            "another process drives this run; hint: act where it was started",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_for_the_longest_is_let_go() {
        let readings = Readings::default();
        let version = Version {
            seq: 1,
            hash: "a".to_owned(),
            erased: 0,
        };
        let run = |number: usize| -> RunId { format!("r{number}").parse().expect("an id") };
        let first = readings.place(&run(0), version.clone());
        for number in 1..KEPT_RUNS {
            readings.place(&run(number), version.clone());
        }
        readings.bound();
        let again = readings.place(&run(0), version.clone());
        assert!(Arc::ptr_eq(&first, &again), "it is still there");
        readings.place(&run(KEPT_RUNS), version.clone());
        readings.bound();
        let again = readings.place(&run(0), version.clone());
        assert!(Arc::ptr_eq(&first, &again), "it was asked for of late");
        let kept = readings.0.lock().expect("unharmed").len();
        assert_eq!(kept, KEPT_RUNS);
        let later = Version { seq: 2, ..version };
        let grown = readings.place(&run(0), later);
        assert!(!Arc::ptr_eq(&first, &grown), "a log that grew is another");
    }
}
