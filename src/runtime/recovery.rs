//! Recovery: undoes what dead processes left. Nothing is resumed.

use super::handle::RunHandle;
use super::supervisor::{StartError, Supervisor};
use crate::engine::Course;
use crate::engine::state::State;
use crate::model::ids::RunId;
use crate::ports::{JournalError, Unfinished};

/// What a pass over the journal found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Runs taken up; each ends once everything of it is undone.
    pub taken: Vec<RunHandle>,
    /// Runs that another living process drives.
    pub held: Vec<RunId>,
    /// Runs that can't be taken up, and why.
    pub failed: Vec<(RunId, StartError)>,
}

/// Takes up every unfinished run that nobody holds.
pub async fn recover(supervisor: &Supervisor) -> Result<Recovered, JournalError> {
    let ports = supervisor.ports();
    let mut recovered = Recovered::default();
    for Unfinished { run, stack } in ports.journal.unfinished().await? {
        if supervisor.get(&run).is_some() {
            continue;
        }
        match take(supervisor, &run).await {
            Ok(Some(handle)) => recovered.taken.push(handle),
            Ok(None) => recovered.held.push(run),
            Err(error) => {
                let error = match error {
                    StartError::Journal(why) => StartError::Unreadable {
                        stack: stack.clone(),
                        run: run.clone(),
                        why,
                    },
                    other => other,
                };
                tracing::error!(%run, %stack, %error, "a run left by another process can't be taken up");
                recovered.failed.push((run, error));
            }
        }
    }
    Ok(recovered)
}

async fn take(supervisor: &Supervisor, run: &RunId) -> Result<Option<RunHandle>, StartError> {
    let ports = supervisor.ports();
    let Some(claim) = ports.claims.claim(run)? else {
        return Ok(None);
    };
    // Read only once it is ours: its process may have written until a moment ago.
    let events = ports.journal.load(run).await?;
    let course = Course::resume(run.clone(), &events);
    supervisor.take_over(&course, claim).map(Some)
}

/// What an unfinished run still owes, in words, without touching anything.
pub async fn owed(supervisor: &Supervisor, run: &RunId) -> Result<Vec<String>, JournalError> {
    let events = supervisor.ports().journal.load(run).await?;
    let state = State::replay(run.clone(), &events);
    let lines = state
        .ledger()
        .open()
        .filter(|obligation| obligation.armed().is_some());
    Ok(lines
        .map(|obligation| format!("undo `{}`", obligation.injection.id))
        .collect())
}
