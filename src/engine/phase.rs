//! The phases of a run, one file each: what follows in it, and when.

pub mod after;
pub mod before;
pub mod closing;
pub mod running;

use super::event::Standing;
use super::state::{ProbeState, State};
use crate::model::experiment::Patience;
use crate::model::ids::ProbeName;
use crate::model::plan::Plan;
use crate::model::probe::Tolerance;
use crate::model::time::Stamp;

/// The probes that say the stack is well: all of steady state, and every impact probe.
pub(super) fn gate(state: &State) -> impl Iterator<Item = &ProbeName> {
    let plan = state.plan();
    let steady = plan
        .into_iter()
        .flat_map(|plan| &plan.experiment.steady_state)
        .map(|tolerance| &tolerance.probe);
    let impact = plan
        .into_iter()
        .flat_map(|plan| plan.stack.probes.values())
        .filter_map(move |probe| {
            let listed = || {
                plan.is_some_and(|p| {
                    p.experiment
                        .steady_state
                        .iter()
                        .any(|t| t.probe == probe.name)
                })
            };
            (probe.impact && !listed()).then_some(&probe.name)
        });
    steady.chain(impact)
}

/// Every probe a run asks, with the streaks that count for it. Impact probes always run. A probe that several lists
/// name is watched once, by the strictest of them: none of them may pass because another one is more patient.
pub fn tolerances(state: &State) -> Vec<Tolerance> {
    state.plan().map(tolerances_of).unwrap_or_default()
}

/// The same of a plan.
pub fn tolerances_of(plan: &Plan) -> Vec<Tolerance> {
    let experiment = &plan.experiment;
    let mut all: Vec<Tolerance> = experiment.steady_state.clone();
    for tolerance in &experiment.during {
        match all.iter_mut().find(|known| known.probe == tolerance.probe) {
            Some(known) => {
                known.fail_after = known.fail_after.min(tolerance.fail_after);
                known.pass_after = known.pass_after.max(tolerance.pass_after);
            }
            None => all.push(tolerance.clone()),
        }
    }
    let mut add = |tolerance: Tolerance| {
        if !all.iter().any(|known| known.probe == tolerance.probe) {
            all.push(tolerance);
        }
    };
    let impact = plan
        .stack
        .probes
        .values()
        .filter(|probe| probe.impact)
        .map(|probe| &probe.name);
    let stops = experiment
        .stop_when
        .iter()
        .filter_map(|condition| condition.probe())
        .map(|(probe, _)| probe);
    for probe in impact.chain(stops) {
        add(Tolerance {
            probe: probe.clone(),
            fail_after: 3,
            pass_after: 3,
        });
    }
    all
}

/// How long the plan lets a probe fail until that stops the run.
pub fn patience_of(plan: &Plan, probe: &ProbeName) -> Vec<Patience> {
    let conditions = plan.experiment.stop_when.iter();
    conditions
        .filter_map(|condition| condition.probe())
        .filter(|(name, _)| *name == probe)
        .map(|(_, patience)| patience)
        .collect()
}

/// Why a probe with this tolerance says neither that it held while faults were on nor that it failed.
pub fn undecided(tolerance: &Tolerance) -> String {
    match tolerance.fail_after {
        0 | 1 => "it was not asked while faults were on".to_owned(),
        needed => format!(
            "it was asked fewer than {needed} times in a row while faults were on, or failed until they ended"
        ),
    }
}

/// Whether every gate probe has passed `pass_after` times since the stack last changed.
pub(super) fn is_confirmed(state: &State) -> bool {
    gate(state).all(|probe| {
        let probe = state.probe(probe);
        probe.confirmed.is_some() && !matches!(probe.standing, Some((Standing::Failing, _)))
    })
}

/// Since when the stack has been well without a break, after the last fault took effect; `None` while it is not.
pub(super) fn holds_since(state: &State) -> Option<Stamp> {
    let mut since = state.running_since()?;
    let mut later = |stamp: Stamp| {
        if since.is_before(&stamp) {
            since = stamp;
        }
    };
    if let Some(effective) = state.last_effective() {
        later(effective);
    }
    for probe in gate(state) {
        match state.probe(probe).standing {
            Some((Standing::Passing, first)) => later(first),
            _ => return None,
        }
    }
    Some(since)
}

/// The gate probes that fail, with the reason of each; `None` where none does.
pub(super) fn failing(state: &State) -> Option<String> {
    told(state, |probe| {
        matches!(probe.standing, Some((Standing::Failing, _)))
            .then(|| probe.reason.unwrap_or_default())
    })
}

/// The gate probes that have failed before anything was touched, even where they pass by now, with the reason of each.
pub(super) fn refused(state: &State) -> Option<String> {
    told(state, |probe| probe.refused)
}

fn told(state: &State, why: impl Fn(ProbeState) -> Option<String>) -> Option<String> {
    let told: Vec<String> = gate(state)
        .filter_map(|name| {
            why(state.probe(name)).map(|reason| match reason.as_str() {
                "" => format!("`{name}` fails"),
                reason => format!("`{name}` fails: {reason}"),
            })
        })
        .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Whether every gate probe has either passed or failed often enough.
pub(super) fn all_decided(state: &State) -> bool {
    gate(state).all(|name| {
        let probe = state.probe(name);
        probe.confirmed.is_some()
            || probe.refused.is_some()
            || matches!(probe.standing, Some((Standing::Failing, _)))
    })
}

/// The gate probes that have not passed often enough yet.
pub(super) fn unconfirmed(state: &State) -> String {
    gate(state)
        .filter(|probe| state.probe(probe).confirmed.is_none())
        .map(|probe| format!("`{probe}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
