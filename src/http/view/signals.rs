//! The inbox: what came in through hooks, above all what reached no run.

use serde::Serialize;

use super::layout::Layout;
use super::run_line::RunLine;
use super::time::Moment;
use crate::http::templates::Page;
use crate::model::signal::{Sender, Senders};
use crate::signals::Signal as Said;
use crate::store::signals::{Heard, Signal};

/// The page of signals.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Inbox {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) sources: Vec<SourceLine>,
    pub(in crate::http) signals: Vec<SignalRow>,
    /// Drills that are over, which signals can be attached to.
    pub(in crate::http) runs: Vec<RunLine>,
    /// Whether those that reached a run are shown as well.
    pub(in crate::http) all: bool,
    /// Whether this is not the first part.
    pub(in crate::http) further: bool,
    /// Where the next part begins.
    pub(in crate::http) next: Option<i64>,
}

impl Page for Inbox {
    const TEMPLATE: &'static str = "signals.html";
}

/// A sender, and whether it can be heard.
#[derive(Debug, Serialize)]
pub(in crate::http) struct SourceLine {
    pub(in crate::http) name: &'static str,
    pub(in crate::http) address: String,
    /// Whether there is anything it could prove itself with.
    pub(in crate::http) open: bool,
    pub(in crate::http) heard: Option<Moment>,
    pub(in crate::http) signals: u64,
}

impl SourceLine {
    /// Every sender.
    pub(in crate::http) fn all(senders: &Senders, heard: &[Heard]) -> Vec<Self> {
        Sender::ALL
            .into_iter()
            .map(|sender| {
                let heard = heard.iter().find(|one| one.source == sender.as_str());
                Self {
                    name: sender.title(),
                    address: format!("/hooks/{sender}"),
                    open: senders.knows(sender),
                    heard: heard.map(|one| one.last.into()),
                    signals: heard.map_or(0, |one| one.signals),
                }
            })
            .collect()
    }
}

/// A signal.
#[derive(Debug, Serialize)]
pub(in crate::http) struct SignalRow {
    pub(in crate::http) id: i64,
    pub(in crate::http) source: String,
    pub(in crate::http) received: Moment,
    /// When it happened, as its sender says.
    pub(in crate::http) happened: Option<Moment>,
    pub(in crate::http) repeats: u64,
    pub(in crate::http) text: String,
    /// Who is behind it, where a person is.
    pub(in crate::http) who: Option<String>,
    pub(in crate::http) run: Option<String>,
    pub(in crate::http) attached: Option<String>,
}

impl From<&Signal> for SignalRow {
    fn from(signal: &Signal) -> Self {
        let said = said(signal);
        Self {
            id: signal.id,
            source: title(&signal.source),
            received: signal.received.into(),
            happened: said
                .as_ref()
                .and_then(|said| said.event_time)
                .map(Into::into),
            repeats: signal.repeats,
            text: text(signal),
            who: said.and_then(|said| said.person).map(|person| person.name),
            run: signal.run.clone(),
            attached: signal.attached.clone(),
        }
    }
}

/// What a kept signal says; nothing of one that an earlier version kept.
pub(in crate::http) fn said(signal: &Signal) -> Option<Said> {
    serde_json::from_str(signal.reading.as_deref()?).ok()
}

/// What a kept signal says, in a line.
pub(in crate::http) fn text(signal: &Signal) -> String {
    said(signal).map_or_else(
        || signal.body.chars().take(200).collect(),
        |said| said.summary(),
    )
}

fn title(source: &str) -> String {
    let sender = Sender::ALL.into_iter().find(|one| one.as_str() == source);
    sender.map_or_else(|| source.to_owned(), |sender| sender.title().to_owned())
}
