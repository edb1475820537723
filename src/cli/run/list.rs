//! Runs of this process, one after the other, and first of all what dead ones left.

use super::room::Room;
use super::turns::{Bar, Planned, Turns};
use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::follow::{Follower, conclude, say_stuck, say_what_is_left};
use crate::cli::terminal::Terminal;
use crate::engine::event::Trigger;
use crate::lifecycle::Signals;
use crate::runtime::{RunHandle, RunStatus, StartError, recovery};
use crate::score::report::entry::{Cause, Entry};

/// What becomes of a list.
pub(super) struct List<'a> {
    pub(super) app: &'a App,
    pub(super) seed: Option<u64>,
    pub(super) room: Option<Room>,
    pub(super) signals: &'a mut Signals,
    pub(super) terminal: Terminal,
}

impl List<'_> {
    /// Runs every file that can be. Answers with an entry for each, in order.
    pub(super) async fn run(mut self, files: Vec<Planned>) -> Vec<Entry> {
        self.app.keep_scores();
        let bar = self.settle_leftovers(&files).await;
        self.take(files, bar).await
    }

    /// What dead processes left on these stacks is undone first. Where it can't be, nothing is begun.
    async fn settle_leftovers(&mut self, files: &[Planned]) -> Option<Bar> {
        let recovered = match recovery::recover(&self.app.supervisor).await {
            Ok(recovered) => recovered,
            Err(error) => {
                return Some(Bar::not_begun(
                    Exit::Errored,
                    format!("what dead processes left can't be read: {error}"),
                ));
            }
        };
        for (run, error) in &recovered.failed {
            self.terminal
                .note(&format!("run {run} is still open: {error}"));
        }
        let mut bar = None;
        for mut left in recovered.taken {
            // Other stacks' are undone beside this; nothing waits for them.
            let stack = &left.plan().stack.name;
            if !files.iter().any(|file| file.plan.stack.name == *stack) {
                continue;
            }
            let handle = left.clone();
            let run = handle.run();
            self.terminal
                .note(&format!("undoing what run {run} of a dead process left"));
            let asked = left.clone();
            let settled = left.settled();
            tokio::pin!(settled);
            let status = loop {
                // Cancel safe: a watch and signals lose nothing.
                tokio::select! {
                    status = &mut settled => break status,
                    () = self.signals.next() => {
                        bar.get_or_insert_with(Bar::signal);
                        self.terminal.note(&format!("still undoing what run {run} left; then nothing is begun"));
                        say_what_is_left(&asked, self.terminal);
                    }
                }
            };
            if let RunStatus::Stuck { .. } = status {
                say_stuck(&handle, &status, self.terminal);
                bar = Some(stuck(&format!("run {run} of a dead process")));
            }
        }
        bar
    }
}

impl Turns for List<'_> {
    type Item = Planned;

    fn planned(file: &Planned) -> &Planned {
        file
    }

    async fn one(&mut self, file: &Planned) -> (Entry, Option<Bar>) {
        let unbegun = |exit, reason: &str| file.without_run(Cause::NotBegun, exit, reason).into();
        let mut follower = Follower::new(self.app);
        let started = self
            .app
            .supervisor
            .start(file.plan.clone(), self.seed, Trigger::CommandLine);
        let handle = match started.await {
            Ok(handle) => handle,
            Err(error @ StartError::Halted(_)) => {
                return (unbegun(Exit::Aborted, &error.to_string()), None);
            }
            Err(error) => return (unbegun(Exit::Errored, &error.to_string()), None),
        };
        if let Some(link) = self.room.as_ref().map(|room| room.link(&handle)) {
            follower.greet(link);
        }
        let status = follower
            .settled(self.app, handle.clone(), self.signals, self.terminal)
            .await;
        let (exit, told) = match conclude(self.app, &handle, &status, self.terminal).await {
            Ok((exit, report)) => (exit, report.ok_or_else(|| why_no_report(&status))),
            Err(error) => (
                Exit::Errored,
                Err(format!("its report can't be made: {error:#}")),
            ),
        };
        let bar = if follower.was_signalled() {
            Some(Bar::signal())
        } else if exit == Exit::Stuck {
            Some(stuck(&format!(
                "run {} of {}",
                handle.run(),
                file.plan.name()
            )))
        } else {
            None
        };
        let entry = told.map_or_else(
            |reason| without_report(file, &handle, exit, &reason),
            |report| Entry::Judged(Box::new(report)),
        );
        (entry, bar)
    }

    fn conclusion(&self, entry: &Entry) -> String {
        entry.conclusion()
    }

    fn signals(&mut self) -> &mut Signals {
        self.signals
    }

    fn terminal(&self) -> Terminal {
        self.terminal
    }
}

fn stuck(what: &str) -> Bar {
    Bar::not_begun(
        Exit::Stuck,
        format!(
            "nothing is begun while {what} can't be undone; hint: `firedrill recover` tries again"
        ),
    )
}

fn without_report(file: &Planned, handle: &RunHandle, exit: Exit, reason: &str) -> Entry {
    let cause = if exit == Exit::Stuck {
        Cause::Stuck
    } else {
        Cause::Unrecorded
    };
    let mut unjudged = file.without_run(cause, exit, reason);
    unjudged.run = Some(handle.run().clone());
    unjudged.into()
}

/// Why a run that is over, or stuck, has no report.
fn why_no_report(status: &RunStatus) -> String {
    match status {
        RunStatus::Ended {
            reasons,
            unrecorded,
            ..
        } => {
            let recorded = unrecorded
                .as_ref()
                .map(|error| format!("its end could not be recorded: {error}"));
            let all: Vec<_> = recorded.iter().chain(reasons).map(String::as_str).collect();
            all.join("; ")
        }
        RunStatus::Stuck { what } => {
            let all: Vec<_> = what
                .iter()
                .map(|(id, error)| format!("`{id}` could not be undone: {error}"))
                .collect();
            all.join("; ")
        }
        RunStatus::Live { .. } => "it stopped being driven".to_owned(),
    }
}
