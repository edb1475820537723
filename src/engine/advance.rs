//! What follows: the facts that a state implies at an instant. Each, once folded in, is implied no more.

use super::Draft;
use super::decide::called;
use super::event::{Fact, Phase, UndoCause};
use super::phase::{after, before, closing, running};
use super::state::State;
use super::undo::Entry;
use crate::model::fault::Cause;
use crate::model::time::Stamp;

/// The facts that follow now; empty when nothing does.
pub(super) fn advance(state: &State, now: Stamp) -> Vec<Draft> {
    let Some(_) = state.plan() else {
        return Vec::new();
    };
    if state.is_ended() {
        return Vec::new();
    }
    let begin = |phase| vec![Draft::engine(now, Fact::PhaseBegan { phase })];
    let overdue = overdue(state, now);
    if !overdue.is_empty() {
        return overdue;
    }
    let unanswered = state.posts().overdue(now);
    if !unanswered.is_empty() {
        return unanswered;
    }
    if let Some(loss) = lost(state, now) {
        return loss;
    }
    match state.phase() {
        None if state.stop().is_some() => begin(Phase::Closing),
        None => begin(Phase::Preflight),
        Some(Phase::Preflight | Phase::Before | Phase::Running) if state.stop().is_some() => {
            begin(Phase::Closing)
        }
        Some(Phase::Preflight) => match state.preflight() {
            None => Vec::new(),
            Some(Ok(())) => begin(Phase::Before),
            Some(Err(findings)) => Draft::error(now, format!("preflight: {}", findings.join("; "))),
        },
        Some(Phase::Before) => before::advance(state, now),
        Some(Phase::Running) => running::advance(state, now),
        Some(Phase::Closing) => closing::advance(state, now),
        Some(Phase::After) => after::advance(state, now),
        Some(Phase::Ended) => Vec::new(),
    }
}

/// Injections whose deadline has come are undone in whatever phase, and so is at once what lasts no time. A step that has
/// not taken effect until then disturbed nothing that anybody could see: its run is errored.
fn overdue(state: &State, now: Stamp) -> Vec<Draft> {
    let mut facts = Vec::new();
    for obligation in state.ledger().open() {
        if obligation.ends_at().is_some_and(|at| now.reached(&at)) {
            let injection = obligation.injection.id.clone();
            facts.push(Draft::engine(
                now,
                Fact::UndoBegan {
                    injection,
                    cause: UndoCause::Timer,
                },
            ));
            let ineffective = matches!(obligation.entry, Entry::Arming { .. })
                && matches!(obligation.injection.cause, Cause::Step(_));
            if ineffective && state.stop().is_none() {
                facts.extend(Draft::error(
                    now,
                    format!(
                        "`{}` did not take effect within the time it had",
                        obligation.injection.id
                    ),
                ));
            }
        }
    }
    facts
}

/// A fault that vanished spoils an experiment; in a drill somebody outside ended it, which scoring tells.
fn lost(state: &State, now: Stamp) -> Option<Vec<Draft>> {
    let is_drill = state.plan().is_some_and(|plan| plan.drill.is_some());
    if is_drill || state.stop().is_some() {
        return None;
    }
    let lost = state.ledger().obligations().find(|o| {
        let (Entry::Undoing { cause, .. } | Entry::Undone { cause, .. }) = &o.entry else {
            return false;
        };
        *cause == UndoCause::Lost && matches!(o.injection.cause, Cause::Step(_))
    })?;
    Some(Draft::error(
        now,
        format!(
            "`{}` was removed by somebody else while it should have been on",
            called(state, &lost.injection.id)
        ),
    ))
}
