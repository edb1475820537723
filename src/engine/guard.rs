//! Guards: stop conditions and limits, checked while the method runs.

use super::Draft;
use super::event::{Fact, Standing, StopCause};
use super::state::State;
use crate::model::experiment::Patience;
use crate::model::fault::Cause;
use crate::model::ids::{ProbeName, StepId};
use crate::model::reach::Reach;
use crate::model::time::{Millis, Stamp};

/// The stop that a condition or a limit demands now. Conditions by the number of samples, and those met before a probe's
/// standing has changed, come from its [`Watch`](super::watch::Watch).
pub(super) fn advance(state: &State, now: Stamp) -> Option<Vec<Draft>> {
    let met = conditions(state).find(|met| now.reached(&met.at));
    let cause = match met {
        Some(met) => met.cause(state),
        None if ends_at(state).is_some_and(|at| now.reached(&at)) => StopCause::Limit,
        None => return None,
    };
    Some(vec![Draft::engine(now, Fact::StopRequested { cause })])
}

/// A stop condition whose probe fails.
pub(super) struct Failing<'a> {
    probe: &'a ProbeName,
    fails_for: Millis,
    /// When it will have failed for too long.
    pub(super) at: Stamp,
}

impl Failing<'_> {
    fn cause(&self, state: &State) -> StopCause {
        let limit = self.fails_for;
        let failed = format!("it has failed for {limit}, which is the limit");
        StopCause::Condition {
            probe: self.probe.clone(),
            reason: Some(match state.probe(self.probe).reason {
                Some(reason) => format!("{failed}: {reason}"),
                None => failed,
            }),
        }
    }
}

/// Probes that a stop condition names and that fail, and when they will have failed for too long.
pub(super) fn conditions(state: &State) -> impl Iterator<Item = Failing<'_>> + '_ {
    let conditions = state
        .plan()
        .into_iter()
        .flat_map(|plan| &plan.experiment.stop_when);
    conditions.filter_map(|condition| {
        let (probe, Patience::FailsFor(fails_for)) = condition.probe()? else {
            return None;
        };
        match state.probe(probe).standing {
            Some((Standing::Failing, first)) => Some(Failing {
                probe,
                fails_for,
                at: first.after(fails_for.duration()),
            }),
            _ => None,
        }
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

/// What steps disturb now.
pub(super) fn reach(state: &State) -> Reach<'_> {
    let mut reach = Reach::default();
    let on = state
        .ledger()
        .open()
        .filter(|obligation| matches!(obligation.injection.cause, Cause::Step(_)));
    for obligation in on {
        reach.add(&obligation.injection.act);
    }
    reach
}

/// Why a step must not begin now: with it, more would be disturbed at once than allowed.
pub(super) fn exceeds(state: &State, step: &StepId, reach: &Reach<'_>) -> Option<String> {
    let plan = state.plan()?;
    let beyond = reach.beyond(&plan.experiment.limits, &plan.stack);
    let lines: Vec<String> = beyond
        .iter()
        .map(|excess| {
            format!(
                "`{step}` would hit {} at once, and `limits.{}` is {}",
                excess.hit,
                excess.keys.join("."),
                excess.allowed
            )
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}
