//! The only timer: the next instant at which something follows without an input.

use super::effect::undo_view;
use super::event::Phase;
use super::guard;
use super::phase::{after, before, running};
use super::state::{RemedyProgress, State};
use super::undo::{Entry, Obligation};
use crate::model::time::Stamp;

/// When the state must be looked at again; `None` when only an input can change it. An undo whose waiting time is over
/// is no deadline any more: it is outstanding, and its outcome is the input.
pub fn next_deadline(state: &State, now: &Stamp) -> Option<Stamp> {
    if state.is_ended() {
        return None;
    }
    let mut times: Vec<Stamp> = Vec::new();
    for obligation in state.ledger().open() {
        match undo_view(&obligation.entry) {
            Entry::Arming { .. } | Entry::Active { .. } => times.extend(obligation.ends_at()),
            Entry::Undoing { not_before, .. } => {
                times.extend(not_before.filter(|at| !now.reached(at)));
            }
            _ => {}
        }
    }
    times.extend(state.posts().deadlines());
    match state.phase() {
        Some(Phase::Before) => times.extend(before::deadline(state)),
        Some(Phase::After) => times.extend(after::deadline(state)),
        Some(Phase::Running) => {
            let to_come = state.steps_to_begin();
            times.extend(to_come.filter_map(|(step, nth)| running::starts_at(state, step, nth)));
            let growing = state.ledger().open();
            times.extend(growing.filter_map(Obligation::next_level).map(|(_, at)| at));
            times.extend(state.pauses().map(|(_, until)| until));
            let chosen = state
                .remedies()
                .iter()
                .filter(|used| used.progress == RemedyProgress::Chosen);
            times.extend(chosen.map(|used| used.acts_at));
            times.extend(running::inject_times(state).map(|(_, at)| at));
            times.extend(state.next_rung().map(|(.., at)| at));
            times.extend(running::held_at(state));
            times.extend(running::given_up_at(state));
            times.extend(guard::conditions(state).map(|met| met.at));
            times.extend(guard::ends_at(state));
        }
        _ => {}
    }
    times.into_iter().reduce(|earliest, at| {
        if at.is_before(&earliest) {
            at
        } else {
            earliest
        }
    })
}
