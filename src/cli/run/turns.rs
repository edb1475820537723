//! Files one after the other, here or on a server: each comes to an entry, whatever happens to it or before it.

use std::path::PathBuf;

use super::day::{Days, Place};
use crate::cli::exit::Exit;
use crate::cli::terminal::Terminal;
use crate::lifecycle::Signals;
use crate::model::plan::Plan;
use crate::score::report::entry::{Cause, Entry, Unjudged};
use crate::score::report::text;

/// A file whose plan is made.
#[derive(Debug)]
pub(super) struct Planned {
    /// As it was given; of a drill of a game day, the drill's own.
    pub(super) file: PathBuf,
    pub(super) plan: Plan,
    /// Where it stands in a game day, if it is a part of one.
    pub(super) place: Option<Place>,
}

impl Planned {
    /// An entry for it without a run.
    pub(super) fn without_run(&self, cause: Cause, exit: Exit, reason: &str) -> Unjudged {
        let file = self.file.display().to_string();
        Unjudged::new(file, Some(&self.plan), cause, exit.code(), reason)
    }
}

/// Why nothing more is begun.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) cause: Cause,
    pub(super) exit: Exit,
    pub(super) reason: String,
}

impl Bar {
    /// A signal came.
    pub(super) fn signal() -> Self {
        Self {
            cause: Cause::Skipped,
            exit: Exit::Aborted,
            reason: "not begun: a signal ended the list before".to_owned(),
        }
    }

    /// Something happened after which nothing can be begun.
    pub(super) fn not_begun(exit: Exit, reason: impl Into<String>) -> Self {
        Self {
            cause: Cause::NotBegun,
            exit,
            reason: reason.into(),
        }
    }
}

/// What takes files in turns.
pub(super) trait Turns {
    /// What has a turn.
    type Item;

    /// Its file.
    fn planned(item: &Self::Item) -> &Planned;

    /// One run, from its beginning to its entry; and what now keeps further ones from being begun.
    async fn one(&mut self, item: &Self::Item) -> (Entry, Option<Bar>);

    /// What an entry came to, in a line that says where there is more.
    fn conclusion(&self, entry: &Entry) -> String;

    fn signals(&mut self) -> &mut Signals;

    fn terminal(&self) -> Terminal;

    /// Runs every file that can be. Answers with an entry for each, in order.
    async fn take(&mut self, items: Vec<Self::Item>, mut bar: Option<Bar>) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut days = Days::default();
        let terminal = self.terminal();
        for item in items {
            let planned = Self::planned(&item);
            if bar.is_none() && self.signals().has_come().await {
                bar = Some(Bar::signal());
            }
            if let Some(place) = &planned.place
                && bar.is_none()
                && days.bar(planned).is_none()
                && place
                    .pause(planned.plan.name(), self.signals(), terminal)
                    .await
            {
                bar = Some(Bar::signal());
            }
            let entry = if let Some(bar) = bar.as_ref().or(days.bar(planned)) {
                planned.without_run(bar.cause, bar.exit, &bar.reason).into()
            } else {
                let (entry, after) = Box::pin(self.one(&item)).await;
                bar = after;
                days.had(planned, &entry);
                entry
            };
            terminal.result(&text::render_entry_within(&entry, terminal.report_width()));
            terminal.note(&self.conclusion(&entry));
            entries.push(entry);
        }
        entries
    }
}
