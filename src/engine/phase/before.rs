//! Before: steady state gates. Nothing has been touched, and nothing is until it holds. A probe that has failed here keeps
//! the run from beginning, even where it passes a moment later: what comes and goes is not steady.

use std::time::Duration;

use super::{all_decided, is_confirmed, refused, tolerances, unconfirmed};
use crate::engine::Draft;
use crate::engine::event::{Fact, Phase};
use crate::engine::state::State;
use crate::model::time::Stamp;

/// What a slow machine may add to the time the samples need.
const SLACK: Duration = Duration::from_secs(5);

/// How long failing probes are gathered at the most.
const TOGETHER: Duration = Duration::from_secs(5);

pub(in crate::engine) fn advance(state: &State, now: Stamp) -> Vec<Draft> {
    if let Some(refused) = refused(state) {
        if deadline(state).is_some_and(|deadline| !now.reached(&deadline)) {
            return Vec::new();
        }
        return Draft::error(now, format!("steady state does not hold before: {refused}"));
    }
    if is_confirmed(state) {
        return vec![Draft::engine(
            now,
            Fact::PhaseBegan {
                phase: Phase::Running,
            },
        )];
    }
    if deadline(state).is_some_and(|deadline| now.reached(&deadline)) {
        let waiting = unconfirmed(state);
        return Draft::error(
            now,
            format!(
                "steady state does not settle before: {waiting} neither passes nor fails for long enough"
            ),
        );
    }
    Vec::new()
}

/// When every probe must have passed or failed often enough. Where one fails, that is when every other that fails from
/// the beginning has failed as well, so that all are told together; not even then where a slow one takes too long.
pub(in crate::engine) fn deadline(state: &State) -> Option<Stamp> {
    let fails = refused(state).is_some();
    if fails && all_decided(state) {
        return state.phase_at();
    }
    let plan = state.plan()?;
    let longest = tolerances(state)
        .iter()
        .filter_map(|tolerance| {
            let probe = plan.stack.probes.get(&tolerance.probe)?;
            let one = probe.every.duration() + probe.expect.within.duration();
            let samples = if fails {
                tolerance.fail_after
            } else {
                tolerance.fail_after.saturating_add(tolerance.pass_after)
            };
            Some(one * samples)
        })
        .max()
        .unwrap_or_default();
    let longest = if fails {
        longest.min(TOGETHER)
    } else {
        longest + SLACK
    };
    state.phase_at().map(|began| began.after(longest))
}
