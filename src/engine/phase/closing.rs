//! Closing: everything that is still on is undone: faults first, then what remedies changed.

use crate::engine::event::{Fact, Phase, StopCause, UndoCause};
use crate::engine::state::State;
use crate::engine::undo::{Entry, Obligation};
use crate::engine::{Draft, posts, verdict};
use crate::model::fault::Cause;
use crate::model::time::Stamp;

pub(in crate::engine) fn advance(state: &State, now: Stamp) -> Vec<Draft> {
    // What a remedy has not even captured yet has touched nothing and never will.
    let faults = begin_undo(state, now, |obligation| {
        matches!(obligation.injection.cause, Cause::Step(_))
            || matches!(obligation.entry, Entry::Planned { .. })
    });
    if !faults.is_empty() {
        return faults;
    }
    let farewell = posts::farewell(state, now);
    if !farewell.is_empty() {
        return farewell;
    }
    // A failed-over signer goes back only when the one it stood in for is well again; a fault whose undo keeps failing
    // doesn't hold it up.
    let fault_is_open = state.ledger().open().any(|obligation| {
        matches!(obligation.injection.cause, Cause::Step(_)) && !obligation.entry.is_failing()
    });
    if fault_is_open {
        return Vec::new();
    }
    let remedies = begin_undo(state, now, |_| true);
    if !remedies.is_empty() {
        return remedies;
    }
    if state.ledger().open().next().is_some() {
        return Vec::new();
    }
    if state.stop().is_none() && state.was_undone_in_closing() {
        return vec![Draft::engine(
            now,
            Fact::PhaseBegan {
                phase: Phase::After,
            },
        )];
    }
    verdict::end(state, now, None)
}

fn begin_undo(state: &State, now: Stamp, which: impl Fn(&Obligation) -> bool) -> Vec<Draft> {
    let cause = match state.stop() {
        None => UndoCause::Closing,
        Some(StopCause::Error { .. }) => UndoCause::Error,
        Some(StopCause::Interrupted) => UndoCause::Interrupted,
        Some(_) => UndoCause::Abort,
    };
    state
        .ledger()
        .open()
        .filter(|obligation| which(obligation))
        .filter_map(|obligation| {
            let injection = obligation.injection.id.clone();
            let fact = match obligation.entry {
                Entry::Planned { .. } => Fact::Cancelled { injection },
                Entry::Arming { .. } | Entry::Active { .. } => Fact::UndoBegan {
                    injection,
                    cause: cause.clone(),
                },
                _ => return None,
            };
            Some(Draft::engine(now, fact))
        })
        .collect()
}
