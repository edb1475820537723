//! Running: steps begin, remedies act, messages arrive, guards watch, and observation comes to its end.

use super::{holds_since, is_confirmed};
use crate::engine::Draft;
use crate::engine::event::{Fact, Phase, UndoCause};
use crate::engine::guard;
use crate::engine::state::{RemedyProgress, RemedyUse, State};
use crate::engine::undo::Entry;
use crate::model::fault::{Act, Cause, Hook, Injection, Lasts, Start, Step};
use crate::model::ids::StepId;
use crate::model::time::Stamp;

pub(in crate::engine) fn advance(state: &State, now: Stamp) -> Vec<Draft> {
    if state.observation().is_some() {
        return vec![Draft::engine(
            now,
            Fact::PhaseBegan {
                phase: Phase::Closing,
            },
        )];
    }
    if let Some(stopped) = guard::advance(state, now) {
        return stopped;
    }
    let mut facts = begin_steps(state, now);
    if facts.is_empty() {
        facts = end_remedied(state, now);
    }
    if facts.is_empty() {
        facts = act_on_remedies(state, now);
    }
    if facts.is_empty() {
        facts = deliver_injects(state, now);
    }
    if facts.is_empty() {
        facts = end_observation(state, now);
    }
    facts
}

fn begin_steps(state: &State, now: Stamp) -> Vec<Draft> {
    let mut facts = Vec::new();
    let mut reach = guard::reach(state);
    let due = |step: &&Step| starts_at(state, step).is_some_and(|at| now.reached(&at));
    for step in state.steps_to_begin().filter(due) {
        for injection in state.injections_of(&step.id) {
            reach.add(&injection.act);
        }
        if let Some(reason) = guard::exceeds(state, &step.id, &reach) {
            // Those before it begin first, as the method says; the stop follows from that.
            return if facts.is_empty() {
                Draft::error(now, reason)
            } else {
                facts
            };
        }
        facts.extend(state.injections_of(&step.id).map(|injection| {
            Draft::engine(
                now,
                Fact::Due {
                    injection: Box::new(injection.clone()),
                },
            )
        }));
    }
    facts
}

/// When a step begins; `None` while it waits for another.
pub(in crate::engine) fn starts_at(state: &State, step: &Step) -> Option<Stamp> {
    match &step.start {
        Start::At(at) => Some(state.running_since()?.after(at.duration())),
        Start::After { step, wait } => Some(ended_at(state, step)?.after(wait.duration())),
    }
}

/// When the last injection of a step was undone.
fn ended_at(state: &State, step: &StepId) -> Option<Stamp> {
    let mut latest: Option<Stamp> = None;
    for injection in state.injections_of(step) {
        let Entry::Undone { at, .. } = state.ledger().get(&injection.id)?.entry else {
            return None;
        };
        latest = Some(latest.filter(|known| at.is_before(known)).unwrap_or(at));
    }
    latest
}

/// A remedy that is done ends the steps it names.
fn end_remedied(state: &State, now: Stamp) -> Vec<Draft> {
    let mut facts = Vec::new();
    for used in state
        .remedies()
        .iter()
        .filter(|used| used.progress == RemedyProgress::Done)
    {
        let Some(remedy) = state.remedy(&used.remedy) else {
            continue;
        };
        for injection in remedy
            .ends
            .iter()
            .flat_map(|step| state.injections_of(step))
        {
            let on = state
                .ledger()
                .get(&injection.id)
                .is_some_and(|o| matches!(o.entry, Entry::Active { .. } | Entry::Arming { .. }));
            // One injection may be named by several remedies; the first that was done ends it.
            let fresh = !facts.iter().any(|draft: &Draft| {
                matches!(&draft.fact, Fact::UndoBegan { injection: known, .. } if *known == injection.id)
            });
            if on && fresh {
                let cause = UndoCause::Remedied {
                    by: used.uses.clone(),
                };
                facts.push(Draft::engine(
                    now,
                    Fact::UndoBegan {
                        injection: injection.id.clone(),
                        cause,
                    },
                ));
            }
        }
    }
    facts
}

fn act_on_remedies(state: &State, now: Stamp) -> Vec<Draft> {
    let due =
        |used: &&RemedyUse| used.progress == RemedyProgress::Chosen && now.reached(&used.acts_at);
    let Some(used) = state.remedies().iter().find(due) else {
        return Vec::new();
    };
    let fact = match injection(state, used) {
        Some(injection) => Fact::Due {
            injection: Box::new(injection),
        },
        None => Fact::RemedyDone {
            uses: used.uses.clone(),
        },
    };
    vec![Draft::engine(now, fact)]
}

/// What a remedy does to the stack, as an entry of the undo ledger: its `restore` is the undo.
fn injection(state: &State, used: &RemedyUse) -> Option<Injection> {
    let remedy = state.remedy(&used.remedy)?;
    let act = remedy.act.clone()?;
    let at_most = state.plan()?.experiment.limits.duration;
    Some(Injection {
        id: used.uses.clone(),
        cause: Cause::Remedy(used.remedy.clone()),
        act: Act::Hook(Hook {
            act,
            verify: None,
            undo: remedy.restore.clone(),
            verify_undone: None,
        }),
        lasts: Lasts::UntilRemedied { at_most },
    })
}

fn deliver_injects(state: &State, now: Stamp) -> Vec<Draft> {
    inject_times(state)
        .filter(|(_, at)| now.reached(at))
        .map(|(index, _)| Draft::engine(now, Fact::InjectDelivered { index }))
        .collect()
}

/// Timed messages not shown yet, and when they are due.
pub(in crate::engine) fn inject_times(state: &State) -> impl Iterator<Item = (usize, Stamp)> + '_ {
    let began = state.running_since();
    let injects = state
        .plan()
        .and_then(|plan| plan.drill.as_ref())
        .map(|exercise| &exercise.drill.injects);
    injects
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(index, _)| !state.is_delivered(*index))
        .filter_map(move |(index, inject)| Some((index, began?.after(inject.at.duration()))))
}

fn end_observation(state: &State, now: Stamp) -> Vec<Draft> {
    let end = |held| vec![Draft::engine(now, Fact::ObservationEnded { held })];
    if held_at(state).is_some_and(|at| now.reached(&at)) {
        return end(true);
    }
    if given_up_at(state).is_some_and(|at| now.reached(&at)) {
        return end(false);
    }
    Vec::new()
}

/// When steady state will have held `stable_for`, if nothing breaks it and only a remedy is waited for.
pub(in crate::engine) fn held_at(state: &State) -> Option<Stamp> {
    let ready = match progress(state) {
        Progress::Over => true,
        Progress::Remediable => state.has_impact(),
        Progress::Timed => false,
    };
    if !ready || remedy_is_under_way(state) || !is_confirmed(state) {
        return None;
    }
    Some(holds_since(state)?.after(state.plan()?.experiment.recovery.stable_for.duration()))
}

/// When recovery is given up, once nothing is on any more.
pub(in crate::engine) fn given_up_at(state: &State) -> Option<Stamp> {
    if progress(state) != Progress::Over || remedy_is_under_way(state) {
        return None;
    }
    let since = state.last_undone().or(state.running_since())?;
    let recovery = state.plan()?.experiment.recovery;
    // Holding for `stable_for` may begin at the last moment and still counts.
    Some(since.after(recovery.within.duration() + recovery.stable_for.duration()))
}

fn remedy_is_under_way(state: &State) -> bool {
    state.remedies().iter().any(|used| {
        matches!(
            used.progress,
            RemedyProgress::Chosen | RemedyProgress::Acting
        )
    })
}

/// How far the method has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// A step is still to come, or ends by itself.
    Timed,
    /// Only faults that a remedy may end are on.
    Remediable,
    /// Every step has ended.
    Over,
}

fn progress(state: &State) -> Progress {
    let mut overall = Progress::Over;
    if state.steps_to_begin().next().is_some() {
        return Progress::Timed;
    }
    for step in state.steps() {
        for injection in state.injections_of(&step.id) {
            match state
                .ledger()
                .get(&injection.id)
                .map(|obligation| &obligation.entry)
            {
                Some(Entry::Active { .. }) if matches!(step.lasts, Lasts::UntilRemedied { .. }) => {
                    overall = Progress::Remediable;
                }
                Some(Entry::Undone { .. } | Entry::Cancelled | Entry::Stuck { .. }) => {}
                _ => return Progress::Timed,
            }
        }
    }
    overall
}
