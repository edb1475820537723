//! Following a run: its events as lines, until it is over, stuck, or a signal stops it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval};

use super::enter::Enter;
use super::exit::Exit;
use super::teller::Teller;
use super::terminal::Terminal;
use crate::app::App;
use crate::engine::event::{ActorKind, Event, Fact, Origin, Source, StopCause};
use crate::engine::input::TeamAct;
use crate::lifecycle::Signals;
use crate::model::fault::{Fault, Unconfirmed};
use crate::model::ids::{RunId, StepId};
use crate::ports::Clock as _;
use crate::runtime::{ActError, RunHandle, RunStatus};
use crate::score::Report;

/// How often the live line is drawn.
const REDRAWN: Duration = Duration::from_millis(250);

/// Tells a run's events as they come.
pub(super) struct Follower {
    feed: broadcast::Receiver<(RunId, Arc<Event>)>,
    teller: Teller,
    signalled: bool,
    greeting: Option<String>,
    /// Whether people find a room in which they can let the method go on.
    has_room: bool,
    enter: Enter,
    /// The steps that wait for a person.
    waiting: Vec<StepId>,
}

impl Follower {
    /// Follows from now on: make it before the run starts.
    pub(super) fn new(app: &App) -> Self {
        Self {
            feed: app.supervisor.feed().follow(),
            teller: Teller::default(),
            signalled: false,
            greeting: None,
            has_room: false,
            enter: Enter::listen(),
            waiting: Vec::new(),
        }
    }

    /// Says where the run's room is, once the run is on disk, and so on the pages.
    pub(super) fn greet(&mut self, greeting: String) {
        self.has_room = true;
        self.greeting = Some(greeting);
    }

    /// Whether a signal has stopped the run: then nothing more shall begin.
    pub(super) fn was_signalled(&self) -> bool {
        self.signalled
    }

    /// Until the run is over or stuck. A first signal stops it; further ones say what is still being undone.
    pub(super) async fn settled(
        &mut self,
        app: &App,
        mut handle: RunHandle,
        signals: &mut Signals,
        terminal: Terminal,
    ) -> RunStatus {
        let mut beat = interval(REDRAWN);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut status = handle.clone();
        let settled = handle.settled();
        tokio::pin!(settled);
        let settled = loop {
            // Every branch is cancel safe: channels, signals, a watch and ticks lose nothing.
            tokio::select! {
                biased;
                () = signals.next() => {
                    if self.signalled {
                        say_what_is_left(&status, terminal);
                    } else {
                        self.signalled = true;
                        terminal.note("stopping: everything is being undone (a further signal tells what is left)");
                        status.stop(StopCause::Signal, Origin::machine(Source::CommandLine)).await;
                    }
                }
                received = self.feed.recv() => match received {
                    Ok((run, event)) if run == *status.run() => self.tell(app, &status, &event, terminal).await,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => self.teller.missed(),
                    Err(broadcast::error::RecvError::Closed) => break status.ended().await,
                },
                // Read all the time, so that what was pressed before somebody was asked counts for nothing.
                () = self.enter.pressed() => self.go_on(&status, terminal).await,
                settled = &mut settled => break settled,
                _ = beat.tick(), if terminal.is_live() => {
                    self.teller.draw(&app.clock.now(), terminal);
                }
            }
        };
        while let Ok((run, event)) = self.feed.try_recv() {
            if run == *status.run() {
                self.tell(app, &status, &event, terminal).await;
            }
        }
        terminal.erase();
        settled
    }

    async fn tell(&mut self, app: &App, handle: &RunHandle, event: &Event, terminal: Terminal) {
        if let Some(greeting) = self.greeting.take() {
            terminal.note(&greeting);
        }
        if let Some(actor) = &event.origin.actor
            && !self.teller.knows(actor)
        {
            let known = app.database.names(&[actor]).await.unwrap_or_default();
            let name = known.get(actor).unwrap_or(actor).clone();
            self.teller.learn(actor.clone(), name);
        }
        self.teller.tell(event, handle.plan(), terminal);
        match &event.fact {
            Fact::PauseBegan { step, .. } => self.ask(handle, step, terminal).await,
            Fact::PauseEnded { step, .. } => self.waiting.retain(|waiting| waiting != step),
            _ => {}
        }
    }

    /// A step waits for a person. Where nobody can be asked, what its file says happens at once.
    async fn ask(&mut self, handle: &RunHandle, step: &StepId, terminal: Terminal) {
        let steps = &handle.plan().experiment.method;
        let then = steps.iter().find_map(|known| match &known.fault {
            Fault::Confirm(confirm) if known.id == *step => Some(confirm.then),
            _ => None,
        });
        let Some(then) = then else { return };
        self.waiting.push(step.clone());
        if self.enter.is_there() {
            terminal.note(&format!("press Enter to continue {step}"));
            return;
        }
        if self.has_room {
            terminal.note(&format!(
                "{step} is continued in the staff view of the run room"
            ));
            return;
        }
        terminal.note(&format!(
            "nobody can be asked: standard input is no terminal and there is no room, so {step} ends at once as its \
             file says: {}",
            then.as_str()
        ));
        let origin = Origin::machine(Source::CommandLine);
        match then {
            Unconfirmed::Abort => {
                let cause = StopCause::Unconfirmed { step: step.clone() };
                handle.stop(cause, origin).await;
            }
            Unconfirmed::Continue => Self::continue_step(handle, step, origin, terminal).await,
        }
    }

    /// Enter was pressed: the step that has waited longest goes on.
    async fn go_on(&mut self, handle: &RunHandle, terminal: Terminal) {
        if self.waiting.is_empty() {
            return;
        }
        let step = self.waiting.remove(0);
        let origin = Origin {
            kind: ActorKind::Human,
            ..Origin::machine(Source::CommandLine)
        };
        Self::continue_step(handle, &step, origin, terminal).await;
    }

    async fn continue_step(handle: &RunHandle, step: &StepId, origin: Origin, terminal: Terminal) {
        let act = TeamAct::Continued { step: step.clone() };
        match handle.act(act, origin).await {
            // Somebody else was quicker, or the run is over: both are told as events.
            Ok(_) | Err(ActError::Rejected(_)) => {}
            Err(error) => terminal.error(&format!("{step} could not be continued: {error}")),
        }
    }
}

/// Says what a run that shall end still waits for: each thing by name, since when, and why its last try failed.
pub(super) fn say_what_is_left(handle: &RunHandle, terminal: Terminal) {
    let undoing = handle.undoing();
    if undoing.is_empty() {
        if let RunStatus::Live { phase } = handle.status() {
            terminal.note(&format!(
                "run {} is still in phase {phase:?}: waiting until what was done is read back as undone",
                handle.run()
            ));
        }
        return;
    }
    for one in undoing {
        terminal.note(&format!("run {} is still undoing {one}", handle.run()));
    }
}

/// What a settled run ends a command with, with what must be said about it said.
pub(super) async fn conclude(
    app: &App,
    handle: &RunHandle,
    status: &RunStatus,
    terminal: Terminal,
) -> anyhow::Result<(Exit, Option<Report>)> {
    let run = handle.run();
    match status {
        RunStatus::Ended {
            verdict,
            reasons,
            unrecorded: Some(error),
        } => {
            terminal.error(&format!(
                "the end of run {run} could not be recorded: {error}"
            ));
            terminal.note("hint: everything was undone from memory; `firedrill recover` undoes it again once the data folder works");
            for reason in reasons {
                terminal.note(reason);
            }
            Ok((Exit::Errored.worst((*verdict).into()), None))
        }
        RunStatus::Ended { verdict, .. } => {
            let report = app.report(run).await?;
            let exit = report
                .exit_code()
                .map_or_else(|| (*verdict).into(), Exit::of_code);
            Ok((exit, Some(report)))
        }
        RunStatus::Stuck { .. } => {
            say_stuck(handle, status, terminal);
            Ok((Exit::Stuck, stuck_report(app, run).await))
        }
        RunStatus::Live { phase } => {
            anyhow::bail!("run {run} stopped being driven in phase {phase:?}")
        }
    }
}

/// The report of a stuck run. Its status is known before the event that says so is on disk, so it is waited for, a
/// while only: the disk may be what is broken.
async fn stuck_report(app: &App, run: &RunId) -> Option<Report> {
    for _ in 0..40 {
        let report = app.report(run).await.ok();
        if let Some(report) = report.filter(|report| !report.stuck.is_empty()) {
            return Some(report);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

/// Names what of a run could not be undone, and the command that tries again.
pub(super) fn say_stuck(handle: &RunHandle, status: &RunStatus, terminal: Terminal) {
    if let RunStatus::Stuck { what } = status {
        for (injection, error) in what {
            terminal.error(&format!(
                "{} of run {} could not be undone: {error}",
                handle.plan().called(injection),
                handle.run()
            ));
        }
    }
    terminal.note(
        "hint: put right what the message names, then run `firedrill recover` with the same --data",
    );
}
