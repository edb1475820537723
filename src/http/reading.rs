//! Reading one run: its row, its log, where it stands, and what it is worth so far.

use crate::engine::event::Event;
use crate::engine::state::State;
use crate::model::ids::RunId;
use crate::runtime::{RunHandle, RunStatus};
use crate::score::{self, Report};
use crate::store::runs::{RunRow, ShownEvent};

use super::Services;
use super::problem::{Problem, no_such_run};

/// The most events of a log that are read for one answer. The runtime summarises probes, so a log of a day stays far
/// below it.
const MOST_EVENTS: u32 = 200_000;

/// One run, as its log says at this moment.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) row: RunRow,
    /// Without those whose facts were erased.
    pub(super) events: Vec<Event>,
    pub(super) state: State,
    pub(super) report: Option<Report>,
    /// Where it stands in this process, where it is driven here.
    pub(super) status: Option<RunStatus>,
}

impl Reading {
    /// Reads a run.
    pub(super) async fn of(services: &Services, run: &RunId) -> Result<Self, Problem> {
        let status = services.supervisor.get(run).map(|handle| handle.status());
        let row = services.database.run(run).await?;
        let shown = services.database.events_after(run, 0, MOST_EVENTS).await?;
        let head = shown.last().map(|event| event.hash.clone());
        let events: Vec<Event> = shown.into_iter().filter_map(event).collect();
        let state = State::replay(run.clone(), &events);
        let report = score::judge(&events).map(|report| report.identified(run.clone(), head));
        Ok(Self {
            row,
            events,
            state,
            report,
            status,
        })
    }

    /// Whether it goes on.
    pub(super) fn is_live(&self) -> bool {
        !self.state.is_ended()
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
