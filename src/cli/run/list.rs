//! A list of files, run one after the other: each comes to an entry, whatever happens to it or before it.

use std::path::PathBuf;

use super::room::Room;
use crate::app::App;
use crate::cli::exit::Exit;
use crate::cli::follow::{Follower, conclude, say_stuck, say_what_is_left};
use crate::cli::terminal::Terminal;
use crate::engine::event::Trigger;
use crate::lifecycle::Signals;
use crate::model::plan::Plan;
use crate::runtime::{RunHandle, RunStatus, StartError, recovery};
use crate::score::report::entry::{Cause, Entry, Unjudged};
use crate::score::report::text;

/// A file whose plan is made.
pub(super) struct Planned {
    pub(super) file: PathBuf,
    pub(super) plan: Plan,
}

impl Planned {
    /// An entry for it without a run.
    pub(super) fn without_run(&self, cause: Cause, exit: Exit, reason: &str) -> Unjudged {
        let file = self.file.display().to_string();
        Unjudged::new(file, Some(&self.plan), cause, exit.code(), reason)
    }
}

/// Why nothing more is begun.
struct Bar {
    cause: Cause,
    exit: Exit,
    reason: String,
}

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
        let mut bar = self.settle_leftovers(&files).await;
        let mut entries = Vec::new();
        for file in files {
            if bar.is_none() && self.signals.has_come().await {
                bar = Some(Bar::signal());
            }
            let entry = if let Some(bar) = &bar {
                file.without_run(bar.cause, bar.exit, &bar.reason).into()
            } else {
                let (entry, after) = Box::pin(self.one(file)).await;
                bar = after;
                entry
            };
            let width = self.terminal.report_width();
            self.terminal
                .result(&text::render_entry_within(&entry, width));
            self.terminal.note(&entry.conclusion());
            entries.push(entry);
        }
        entries
    }

    /// One file's run, from its beginning to its entry; and what now keeps further ones from being begun.
    async fn one(&mut self, file: Planned) -> (Entry, Option<Bar>) {
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
            Some(Bar::stuck(&format!(
                "run {} of {}",
                handle.run(),
                file.plan.name()
            )))
        } else {
            None
        };
        let entry = told.map_or_else(
            |reason| without_report(&file, &handle, exit, &reason),
            |report| Entry::Judged(Box::new(report)),
        );
        (entry, bar)
    }

    /// What dead processes left on these stacks is undone first. Where it can't be, nothing is begun.
    async fn settle_leftovers(&mut self, files: &[Planned]) -> Option<Bar> {
        let recovered = match recovery::recover(&self.app.supervisor).await {
            Ok(recovered) => recovered,
            Err(error) => {
                return Some(Bar {
                    cause: Cause::NotBegun,
                    exit: Exit::Errored,
                    reason: format!("what dead processes left can't be read: {error}"),
                });
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
                bar = Some(Bar::stuck(&format!("run {run} of a dead process")));
            }
        }
        bar
    }
}

impl Bar {
    fn signal() -> Self {
        Self {
            cause: Cause::Skipped,
            exit: Exit::Aborted,
            reason: "not begun: a signal ended the list before".to_owned(),
        }
    }

    fn stuck(what: &str) -> Self {
        Self {
            cause: Cause::NotBegun,
            exit: Exit::Stuck,
            reason: format!(
                "nothing is begun while {what} can't be undone; hint: `firedrill recover` tries again"
            ),
        }
    }
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
