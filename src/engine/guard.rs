//! Guards: stop conditions and limits, checked while the method runs.

use std::collections::BTreeSet;

use super::Draft;
use super::event::{Fact, Standing, StopCause};
use super::state::State;
use super::undo::Entry;
use crate::model::fault::Cause;
use crate::model::ids::StepId;
use crate::model::time::Stamp;

/// The stop that a condition or a limit demands now.
pub(super) fn advance(state: &State, now: Stamp) -> Option<Vec<Draft>> {
    let met = conditions(state).find(|(_, at)| now.reached(at));
    let cause = match met {
        Some((probe, _)) => StopCause::Condition { probe },
        None if ends_at(state).is_some_and(|at| now.reached(&at)) => StopCause::Limit,
        None => return None,
    };
    Some(vec![Draft::engine(now, Fact::StopRequested { cause })])
}

/// Probes that a stop condition names and that fail, and when they will have failed for too long.
pub(super) fn conditions(
    state: &State,
) -> impl Iterator<Item = (crate::model::ids::ProbeName, Stamp)> + '_ {
    let conditions = state
        .plan()
        .into_iter()
        .flat_map(|plan| &plan.experiment.stop_when);
    conditions.filter_map(|condition| match state.probe(&condition.probe).standing {
        Some((Standing::Failing, first)) => Some((
            condition.probe.clone(),
            first.after(condition.fails_for.duration()),
        )),
        _ => None,
    })
}

/// When `limits.duration` is over.
pub(super) fn ends_at(state: &State) -> Option<Stamp> {
    Some(
        state
            .running_since()?
            .after(state.plan()?.experiment.limits.duration.duration()),
    )
}

/// Why a step must not begin now: it would hit more services at once than allowed.
pub(super) fn exceeds_services(state: &State, step: &StepId) -> Option<String> {
    let limit = state.plan()?.experiment.limits.services?;
    let on = state.ledger().open().filter(|obligation| {
        matches!(obligation.injection.cause, Cause::Step(_))
            && !matches!(obligation.entry, Entry::Cancelled)
    });
    let hit: BTreeSet<_> = on
        .map(|obligation| &obligation.injection)
        .chain(state.injections_of(step))
        .filter_map(|injection| injection.act.service())
        .collect();
    (hit.len() > limit as usize).then(|| {
        format!(
            "`{step}` would hit {} services at once, and `limits.services` is {limit}",
            hit.len()
        )
    })
}
