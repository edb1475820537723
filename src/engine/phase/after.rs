//! After: where closing changed the stack, steady state must be seen once more.

use super::{failing, is_confirmed, unconfirmed};
use crate::engine::state::State;
use crate::engine::{Draft, verdict};
use crate::model::time::Stamp;

pub(in crate::engine) fn advance(state: &State, now: Stamp) -> Vec<Draft> {
    if state.stop().is_some() || is_confirmed(state) {
        return verdict::end(state, now, None);
    }
    if deadline(state).is_some_and(|deadline| now.reached(&deadline)) {
        let why = failing(state)
            .unwrap_or_else(|| format!("{} did not pass for long enough", unconfirmed(state)));
        return verdict::end(
            state,
            now,
            Some(format!(
                "steady state did not hold after everything was undone: {why}"
            )),
        );
    }
    Vec::new()
}

/// When steady state must have been seen again.
pub(in crate::engine) fn deadline(state: &State) -> Option<Stamp> {
    Some(
        state
            .phase_at()?
            .after(state.plan()?.experiment.recovery.within.duration()),
    )
}
