//! The runbook's steps, and who has ticked off which.

use serde::Serialize;

use super::markdown;
use super::time::Moment;
use crate::engine::event::{Event, Fact};
use crate::model::runbook::Runbook;

/// One step.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct StepLine {
    pub(in crate::http) number: u32,
    /// Its heading, as text.
    pub(in crate::http) title: String,
    /// What stands below it, as HTML that is safe to show.
    pub(in crate::http) html: String,
    /// Whether it is the first that is not done.
    pub(in crate::http) next: bool,
    /// Who ticked it off last, and when.
    pub(in crate::http) done: Option<Ticked>,
}

/// A step that is done.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Ticked {
    pub(in crate::http) by: String,
    pub(in crate::http) at: Moment,
    pub(in crate::http) seq: u64,
}

/// The steps as the log has them: the last word on each counts.
pub(in crate::http) fn all(
    runbook: &Runbook,
    events: &[Event],
    name: &dyn Fn(&str) -> String,
) -> Vec<StepLine> {
    let last_word = |number: u32| {
        events.iter().rev().find_map(|event| match event.fact {
            Fact::StepTicked { step, done } if step == number => Some((event, done)),
            _ => None,
        })
    };
    let steps = runbook.steps();
    let mut lines: Vec<StepLine> = steps
        .into_iter()
        .map(|step| StepLine {
            next: false,
            number: step.number,
            title: markdown::text(step.title),
            html: markdown::html(step.body),
            done: last_word(step.number)
                .filter(|(_, done)| *done)
                .map(|(event, _)| Ticked {
                    by: event
                        .origin
                        .actor
                        .as_deref()
                        .map_or_else(|| "somebody".to_owned(), name),
                    at: event.at.into(),
                    seq: event.seq,
                }),
        })
        .collect();
    if let Some(next) = lines.iter_mut().find(|line| line.done.is_none()) {
        next.next = true;
    }
    lines
}
