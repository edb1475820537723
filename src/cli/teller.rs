//! Telling a run on a terminal: each event as a line, and the live line beneath.

use std::collections::BTreeMap;

use super::live::Board;
use super::terminal::Terminal;
use crate::engine::event::Event;
use crate::model::plan::Plan;
use crate::model::time::{Stamp, since_began};
use crate::narrative;

/// What is told of one run, and who its people are.
#[derive(Debug, Default)]
pub(super) struct Teller {
    began: Option<Stamp>,
    names: BTreeMap<String, String>,
    board: Board,
}

impl Teller {
    /// Whether somebody has looked up who a pseudonym is.
    pub(super) fn knows(&self, pseudonym: &str) -> bool {
        self.names.contains_key(pseudonym)
    }

    /// Who a pseudonym is.
    pub(super) fn learn(&mut self, pseudonym: String, name: String) {
        self.names.insert(pseudonym, name);
    }

    /// Tells an event.
    pub(super) fn tell(&mut self, event: &Event, plan: &Plan, terminal: Terminal) {
        let began = *self.began.get_or_insert(event.at);
        self.board.take(event, plan);
        let name = |pseudonym: &str| {
            let known = self.names.get(pseudonym);
            known.cloned().unwrap_or_else(|| pseudonym.to_owned())
        };
        if let Some((tone, sentence)) = narrative::sentence(event, plan, name) {
            terminal.event(&since_began(&began, &event.at), tone, &sentence);
        }
    }

    /// Says that events were missed.
    pub(super) fn missed(&mut self) {
        self.board.missed();
    }

    /// Draws the live line for this instant.
    pub(super) fn draw(&self, now: &Stamp, terminal: Terminal) {
        let room = terminal.width().saturating_sub(1);
        terminal.draw(&self.board.line(now, room, terminal.has_colour()));
    }
}
