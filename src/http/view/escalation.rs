//! A team's escalation chain in the run room: which step it has come to, and when the next is taken.
//!
//! It begins with an alert, which responders are shown as well, so that it tells nobody more than they know.

use serde::Serialize;

use super::Badge;
use super::time::Moment;
use crate::engine::event::{Fact, Phase};
use crate::http::reading::Reading;
use crate::model::team::Rung;

/// The chain, as far as it has come.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Chain {
    /// How it stands, in a sentence.
    pub(in crate::http) told: &'static str,
    /// Its steps, in their order.
    pub(in crate::http) steps: Vec<Step>,
}

/// One step of it.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Step {
    /// From 1.
    pub(in crate::http) number: usize,
    /// Who is called.
    pub(in crate::http) who: String,
    /// How long after the page, or after the step before.
    pub(in crate::http) after: String,
    pub(in crate::http) standing: Badge,
    /// When it was taken.
    pub(in crate::http) taken: Option<Moment>,
    /// When it is taken, unless somebody answers before.
    pub(in crate::http) due: Option<Moment>,
}

impl Chain {
    /// The chain of a drill's team; nothing where it has none.
    pub(in crate::http) fn of(reading: &Reading) -> Option<Self> {
        let state = &reading.state;
        let rungs = &state.plan()?.drill.as_ref()?.team.escalation;
        if rungs.is_empty() {
            return None;
        }
        let (taken, answered) = (state.rungs_taken(), state.is_answered());
        let runs = state.phase() == Some(Phase::Running) && state.stop().is_none();
        let next = state.next_rung().filter(|_| runs);
        let told = match (&next, answered, runs) {
            (Some(_), ..) => {
                "Nobody has answered. Who acknowledges, declares, dismisses or resolves ends it."
            }
            (None, true, _) => "Somebody has answered: nobody else is called.",
            (None, false, true) if taken == 0 => {
                "It begins with the first alert that counts as a detection."
            }
            (None, false, true) => "Everybody was called, and nobody has answered.",
            (None, false, false) if taken == 0 => "Nobody was called.",
            (None, false, false) => "It has ended; nobody answered.",
        };
        let due = next.map(|(place, _, at)| (place, at));
        let steps = rungs.iter().enumerate().map(|(place, rung)| {
            let due = due.filter(|(next, _)| *next == place).map(|(_, at)| at);
            let called = called(reading, place);
            step(place, rung, called, due.map(Into::into), !runs || answered)
        });
        Some(Self {
            told,
            steps: steps.collect(),
        })
    }
}

fn step(place: usize, rung: &Rung, taken: Option<Moment>, due: Option<Moment>, over: bool) -> Step {
    let standing = match (&taken, &due) {
        (Some(_), _) => Badge::new("called", '✓', "warn"),
        (None, Some(_)) => Badge::new("next", '…', "live"),
        (None, None) if over => Badge::new("not called", '–', "plain"),
        (None, None) => Badge::new("not yet", '–', "plain"),
    };
    Step {
        number: place + 1,
        who: rung.to.join(", "),
        after: rung.after.to_string(),
        standing,
        taken,
        due,
    }
}

/// When a step was taken.
fn called(reading: &Reading, place: usize) -> Option<Moment> {
    let mut events = reading.events.iter();
    let event = events.find(
        |event| matches!(event.fact, Fact::Escalated { rung: Some(rung), .. } if rung == place),
    );
    event.map(|event| event.at.into())
}
