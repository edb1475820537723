//! The supervisor: starts runs, knows those that this process drives, and ends them all when it goes.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use super::Ports;
use super::feed::Feed;
use super::handle::{RunHandle, RunStatus};
use super::runner::{Runner, Start};
use crate::engine::Course;
use crate::engine::event::{Origin, Phase, StopCause, Trigger};
use crate::engine::input::Input;
use crate::engine::state::State;
use crate::model::ids::{LONGEST_NAME, RunId, StackName};
use crate::model::plan::Plan;
use crate::ports::{Claim, Halted, JournalError, Unfinished};

/// Commands that may wait at a run's door.
const COMMANDS: usize = 256;

/// Why a run did not start. Nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One run at a time on a stack.
    #[error("stack `{stack}` is in use by run {run}{hint}")]
    Busy {
        /// Which stack.
        stack: StackName,
        /// By which run.
        run: RunId,
        /// What to do about it.
        hint: &'static str,
    },
    /// What an earlier run may have left on the stack can't be known.
    #[error(
        "stack `{stack}` may still hold what run {run} left, whose log can't be read: {why}; hint: see to it by hand, \
         then `firedrill recover --give-up {run}`; docs/safety.md says how"
    )]
    Unreadable {
        /// Which stack.
        stack: StackName,
        /// By which run.
        run: RunId,
        /// What is wrong with its log.
        #[source]
        why: JournalError,
    },
    /// One run at a time on a stack, and this one's is not in the journal yet.
    #[error("stack `{0}` is in use by another process; hint: wait for it, or halt its run")]
    InUse(StackName),
    /// Nothing starts while everything is halted.
    #[error("everything is halted by {} since {}: {}; hint: `firedrill resume` lifts that", .0.by, .0.at, .0.reason)]
    Halted(Halted),
    /// As many run here as may.
    #[error(
        "{live} run(s) are live, and `runs` of the server's configuration allows {most}; hint: wait for one to end, or halt it"
    )]
    Full {
        /// How many are live.
        live: usize,
        /// How many may be.
        most: usize,
    },
    /// This process is going.
    #[error("firedrill is shutting down")]
    ShuttingDown,
    /// Somebody holds a run that is not there yet.
    #[error("run {0} is held by another process")]
    Held(RunId),
    /// Runs can't be held.
    #[error("the run could not be locked: {0}")]
    Lock(#[from] std::io::Error),
    /// The journal can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Starts and knows runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ports: Ports,
    most: Option<usize>,
    feed: Feed,
    tracker: TaskTracker,
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    closing: bool,
    runs: BTreeMap<RunId, RunHandle>,
}

impl Live {
    fn on(&self, stack: &StackName) -> Option<&RunId> {
        let mut runs = self.runs.values();
        runs.find(|run| run.plan.stack.name == *stack)
            .map(RunHandle::run)
    }
}

impl Supervisor {
    /// A supervisor whose tasks `tracker` owns.
    pub fn new(ports: Ports, tracker: TaskTracker) -> Self {
        Self::limited(ports, tracker, None)
    }

    /// A supervisor that starts no run beyond `most` live ones. What dead processes left is taken up all the same.
    pub fn limited(ports: Ports, tracker: TaskTracker, most: Option<usize>) -> Self {
        Self {
            shared: Arc::new(Shared {
                ports,
                most,
                feed: Feed::default(),
                tracker,
                live: Mutex::default(),
            }),
        }
    }

    /// Every run's events.
    pub fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    /// Gives a task its owner: it ends by itself, or with the process.
    pub fn own(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.tracker.spawn(task);
    }

    /// What it works through.
    pub fn ports(&self) -> &Ports {
        &self.shared.ports
    }

    /// The runs this process drives.
    pub fn live(&self) -> Vec<RunHandle> {
        self.lock().runs.values().cloned().collect()
    }

    /// One of them.
    pub fn get(&self, run: &RunId) -> Option<RunHandle> {
        self.lock().runs.get(run).cloned()
    }

    /// Starts a run, unless everything is halted or its stack is in use.
    pub async fn start(
        &self,
        plan: Plan,
        seed: Option<u64>,
        trigger: Trigger,
    ) -> Result<RunHandle, StartError> {
        let run = self.shared.ports.ids.run();
        self.start_as(run, plan, seed, trigger).await
    }

    /// Starts a run under an id that was drawn before, so that whoever asks again for the same start can be told of it.
    /// Of several starts under one id at most one begins: the id is held like any run's.
    pub async fn start_as(
        &self,
        run: RunId,
        plan: Plan,
        seed: Option<u64>,
        trigger: Trigger,
    ) -> Result<RunHandle, StartError> {
        let ports = &self.shared.ports;
        if let Some(halted) = ports.lever.halted().await {
            return Err(StartError::Halted(halted));
        }
        let seed = seed.unwrap_or_else(|| {
            if plan.is_surprise() {
                ports.ids.sealed_seed(&run)
            } else {
                ports.ids.seed()
            }
        });
        self.refuse_live(&plan.stack.name)?;
        // Held from before the look at the journal until the run is over: of two processes' looks, one is the first.
        let of_stack = ports.claims.claim(&stack_lock(&plan.stack.name))?;
        self.refuse_open_obligations(&plan.stack.name).await?;
        let Some(of_stack) = of_stack else {
            self.refuse_live(&plan.stack.name)?;
            return Err(StartError::InUse(plan.stack.name));
        };
        let of_run = ports
            .claims
            .claim(&run)?
            .ok_or_else(|| StartError::Held(run.clone()))?;
        let claim: Claim = Box::new((of_run, of_stack));
        let plan = ports.inspector.draw(plan, seed).await;
        let input = Input::Create {
            plan: Box::new(plan.clone()),
            seed,
            trigger,
        };
        self.drive(Course::new(run), Arc::new(plan), claim, input)
    }

    /// Takes up a run that a dead process left, and undoes it.
    pub(super) fn take_over(&self, state: &Course, claim: Claim) -> Result<RunHandle, StartError> {
        let plan = state
            .state()
            .plan()
            .cloned()
            .ok_or_else(|| JournalError::NoSuchRun(state.state().run().clone()))?;
        self.drive(state.clone(), Arc::new(plan), claim, Input::TakeOver)
    }

    fn drive(
        &self,
        course: Course,
        plan: Arc<Plan>,
        claim: Claim,
        first: Input,
    ) -> Result<RunHandle, StartError> {
        let run = course.state().run().clone();
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (status, watched) = watch::channel(RunStatus::Live {
            phase: Phase::Preflight,
        });
        let (undoing, told) = watch::channel(Vec::new());
        let handle = RunHandle {
            run: run.clone(),
            plan: plan.clone(),
            commands: sender,
            status: watched,
            undoing: told,
            owed: Arc::default(),
        };
        // From before anybody can find it on.
        let secret = plan.is_surprise() && !course.state().is_ended();
        handle.owed.secret.store(secret, Ordering::Relaxed);
        {
            // The look and the entry under one lock: of two starts on one stack, one wins.
            let mut live = self.lock();
            let recovers = matches!(first, Input::TakeOver);
            if live.closing && !recovers {
                return Err(StartError::ShuttingDown);
            }
            if !recovers && let Some(other) = live.on(&plan.stack.name) {
                return Err(busy(&plan.stack.name, other));
            }
            if let Some(most) = self.shared.most.filter(|most| live.runs.len() >= *most)
                && !recovers
            {
                return Err(StartError::Full {
                    live: live.runs.len(),
                    most,
                });
            }
            live.runs.insert(run.clone(), handle.clone());
        }
        let shared = self.shared.clone();
        if let (Some(autopilot), Input::Create { .. }) = (plan.autopilot(), &first) {
            // Followed before the run begins: nothing of it can fall in between.
            let (events, clock) = (shared.feed.follow(), shared.ports.clock.clone());
            let pilot = super::pilot::fly(handle.clone(), autopilot, events, clock);
            shared.tracker.spawn(pilot);
        }
        let start = Start {
            course,
            plan,
            ports: shared.ports.clone(),
            feed: shared.feed.clone(),
            tracker: shared.tracker.clone(),
            claim,
            commands,
            status,
            undoing,
            owed: handle.owed.clone(),
        };
        let gone = Gone {
            supervisor: self.clone(),
            run,
        };
        self.shared.tracker.spawn(async move {
            tracing::info!(run = %gone.run, name = start.plan.name(), stack = %start.plan.stack.name, "run begins");
            let (status, ended) = Box::pin(Runner::new(start).drive(first)).await;
            if let RunStatus::Ended { verdict, reasons, .. } = &ended {
                tracing::info!(run = %gone.run, ?verdict, reasons = reasons.join("; "), "run ended");
            }
            // Only now, when its stack and its log are free again: who waited for its end may start the next one.
            drop(gone);
            status.send_replace(ended);
        });
        Ok(handle)
    }

    fn refuse_live(&self, stack: &StackName) -> Result<(), StartError> {
        match self.lock().on(stack) {
            Some(other) => Err(busy(stack, other)),
            None => Ok(()),
        }
    }

    /// No run starts on a stack where an earlier one still owes something. Of a log that can't be read, only its row tells
    /// the stack: it holds up that one, and no other.
    async fn refuse_open_obligations(&self, stack: &StackName) -> Result<(), StartError> {
        for Unfinished { run, stack: told } in self.shared.ports.journal.unfinished().await? {
            if self.get(&run).is_some() {
                continue;
            }
            let events = match self.shared.ports.journal.load(&run).await {
                Ok(events) => events,
                Err(why) if told == *stack => {
                    let stack = told;
                    return Err(StartError::Unreadable { stack, run, why });
                }
                Err(error) => {
                    tracing::error!(%run, stack = %told, %error, "a run's log can't be read: nothing starts on its stack");
                    continue;
                }
            };
            let state = State::replay(run.clone(), &events);
            if state.plan().is_some_and(|plan| plan.stack.name == *stack) {
                let hint = if self.shared.ports.claims.claim(&run)?.is_some() {
                    ", whose process died; hint: `firedrill recover` undoes what it left"
                } else {
                    " of another process; hint: wait for it, or halt it"
                };
                return Err(StartError::Busy {
                    stack: stack.clone(),
                    run,
                    hint,
                });
            }
        }
        Ok(())
    }

    /// Refuses new runs, stops those that are live, and waits until each is over or `patience` has passed.
    /// Answers with those that are not.
    pub async fn shut_down(
        &self,
        cause: StopCause,
        origin: Origin,
        patience: Duration,
    ) -> Vec<RunHandle> {
        self.lock().closing = true;
        let live = self.live();
        for handle in &live {
            handle.stop(cause.clone(), origin.clone()).await;
        }
        let deadline = tokio::time::Instant::now() + patience;
        let mut left = Vec::new();
        for mut handle in live {
            if tokio::time::timeout_at(deadline, handle.ended())
                .await
                .is_err()
            {
                left.push(handle);
            }
        }
        left
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        // The map is whole at every instant: a panic elsewhere leaves nothing half-done in it.
        self.shared
            .live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a run when its runner is gone, even where that was no orderly end, so that recovery may take it up.
struct Gone {
    supervisor: Supervisor,
    run: RunId,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.supervisor.lock().runs.remove(&self.run);
    }
}

fn busy(stack: &StackName, run: &RunId) -> StartError {
    StartError::Busy {
        stack: stack.clone(),
        run: run.clone(),
        hint: "; hint: wait for it, or halt it",
    }
}

/// The name under which a stack is held, which no run has. A long one is cut, and shares with its like.
fn stack_lock(stack: &StackName) -> RunId {
    let mut text = format!("stack:{stack}");
    text.truncate(LONGEST_NAME);
    text.parse()
        .expect("a stack's name is a name, and so is this")
}
