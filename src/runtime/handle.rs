//! Handles: the cheap way to speak to a run. Its channels stay behind it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use crate::engine::event::{Alert, Origin, Phase, StopCause, Verdict};
use crate::engine::input::{Input, Proof, Rejection, TeamAct};
use crate::model::ids::{InjectionId, RunId};
use crate::model::plan::Plan;
use crate::model::signal::Sender;

/// An input, and who waits for it to be on disk.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) input: Input,
    pub(super) reply: Option<oneshot::Sender<Result<u64, ActError>>>,
}

/// A run that this process drives.
#[derive(Debug, Clone)]
pub struct RunHandle {
    pub(super) run: RunId,
    pub(super) plan: Arc<Plan>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) status: watch::Receiver<RunStatus>,
    pub(super) undoing: watch::Receiver<Vec<Undoing>>,
    pub(super) owed: Arc<Owed>,
}

/// How much of a run is on, how much it still owes, and whether it is kept from its responders; written by its runner.
#[derive(Debug, Default)]
pub(super) struct Owed {
    pub(super) active: AtomicUsize,
    pub(super) open: AtomicUsize,
    pub(super) secret: AtomicBool,
}

/// What is being undone, and how that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undoing {
    /// What.
    pub injection: InjectionId,
    /// Since when.
    pub since: Timestamp,
    /// Why the last try failed, if one did.
    pub error: Option<String>,
}

impl fmt::Display for Undoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            injection,
            since,
            error,
        } = self;
        write!(f, "`{injection}` since {}", since.strftime("%H:%M:%SZ"))?;
        match error {
            Some(error) => write!(f, ", last: {error}"),
            None => Ok(()),
        }
    }
}

/// Where a run stands, seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStatus {
    /// It goes on.
    Live {
        /// In which phase.
        phase: Phase,
    },
    /// Something can't be undone; it is still tried.
    Stuck {
        /// What, and why not.
        what: Vec<(InjectionId, String)>,
    },
    /// It is over and everything is undone.
    Ended {
        /// The stack's side.
        verdict: Verdict,
        /// Why.
        reasons: Vec<String>,
        /// Whether the log of it is whole; if not, why.
        unrecorded: Option<String>,
    },
}

/// Why an act was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// It makes no sense here and now.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It could not be made durable.
    #[error("it could not be recorded: {0}")]
    Unrecorded(String),
}

impl RunHandle {
    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// What it does.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How many of its injections are on, read back.
    pub fn active(&self) -> usize {
        self.owed.active.load(Ordering::Relaxed)
    }

    /// How many may still be there, on or being undone.
    pub fn open(&self) -> usize {
        self.owed.open.load(Ordering::Relaxed)
    }

    /// Whether its responders are not told that it runs.
    pub fn is_secret(&self) -> bool {
        self.owed.secret.load(Ordering::Relaxed)
    }

    /// Takes a responder's act. Answers with the last sequence once it is on disk.
    pub async fn act(&self, act: TeamAct, origin: Origin) -> Result<u64, ActError> {
        self.send(Input::Team { act, origin }).await
    }

    /// Takes an alert. Answers once it is on disk.
    pub async fn alert(&self, alert: Alert, origin: Origin) -> Result<u64, ActError> {
        self.send(Input::Alert { alert, origin }).await
    }

    /// Takes whether a tool can be heard. Answers once it is on disk.
    pub async fn source(
        &self,
        sender: Sender,
        heard: Result<Proof, String>,
    ) -> Result<u64, ActError> {
        self.send(Input::Source { sender, heard }).await
    }

    /// Stops the run; everything is undone. Does not wait for that.
    pub async fn stop(&self, cause: StopCause, origin: Origin) {
        // A run that is gone needs no stop, and the undo does not wait for the disk.
        let input = Input::Stop { cause, origin };
        let _ = self.commands.send(Command { input, reply: None }).await;
    }

    async fn send(&self, input: Input) -> Result<u64, ActError> {
        let (reply, answer) = oneshot::channel();
        let command = Command {
            input,
            reply: Some(reply),
        };
        self.commands
            .send(command)
            .await
            .map_err(|_| Rejection::Ended)?;
        answer
            .await
            .unwrap_or(Err(ActError::Rejected(Rejection::Ended)))
    }

    /// Where it stands now.
    pub fn status(&self) -> RunStatus {
        self.status.borrow().clone()
    }

    /// What is being undone now, and what each waits for.
    pub fn undoing(&self) -> Vec<Undoing> {
        self.undoing.borrow().clone()
    }

    /// Waits until it is over, or stuck. Cancel safe.
    pub async fn settled(&mut self) -> RunStatus {
        let done = |status: &RunStatus| !matches!(status, RunStatus::Live { .. });
        // The sender goes only after it has said how the run ended.
        let _ = self.status.wait_for(done).await;
        self.status()
    }

    /// Waits until it is over, however long it is stuck. Cancel safe.
    pub async fn ended(&mut self) -> RunStatus {
        let done = |status: &RunStatus| matches!(status, RunStatus::Ended { .. });
        // The sender goes only after it has said how the run ended.
        let _ = self.status.wait_for(done).await;
        self.status()
    }
}
