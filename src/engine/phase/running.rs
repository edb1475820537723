//! Running: steps begin, remedies act, messages arrive, guards watch, and observation comes to its end.

use super::{holds_since, is_confirmed};
use crate::engine::Draft;
use crate::engine::decide::choose;
use crate::engine::event::{Fact, Phase, StopCause, UndoCause};
use crate::engine::guard;
use crate::engine::state::{RemedyProgress, RemedyUse, State};
use crate::engine::undo::Entry;
use crate::model::fault::{Act, Cause, Fault, Hook, Injection, Lasts, Start, Step, Unconfirmed};
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
    let follow = [
        begin_steps,
        grow,
        end_pauses,
        end_remedied,
        follow_rules,
        act_on_remedies,
        deliver_injects,
        escalate,
        end_observation,
    ];
    let mut facts = follow.iter().map(|next| next(state, now));
    facts.find(|facts| !facts.is_empty()).unwrap_or_default()
}

fn begin_steps(state: &State, now: Stamp) -> Vec<Draft> {
    let mut facts = Vec::new();
    let mut reach = guard::reach(state);
    let due = |(step, nth): &(&Step, u32)| {
        starts_at(state, step, *nth).is_some_and(|at| now.reached(&at))
    };
    for (step, nth) in state.steps_to_begin().filter(due) {
        if step.is_pause() {
            let fact = Fact::PauseBegan {
                step: step.id.clone(),
                until: now.after(step.lasts.deadline().duration()),
            };
            facts.push(Draft::engine(now, fact));
            continue;
        }
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
        facts.extend(state.occurrence_of(&step.id, nth).map(|injection| {
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

/// When an occurrence of a step begins; `None` while it waits for another step, or for the occurrence before it to be
/// undone: two of them at one time would stand in each other's way.
pub(in crate::engine) fn starts_at(state: &State, step: &Step, nth: u32) -> Option<Stamp> {
    let first = match (state.begun_by_remedy(&step.id), &step.start) {
        (Some(done), Start::At(wait) | Start::After { wait, .. }) => done?.after(wait.duration()),
        (None, Start::At(at)) => state.running_since()?.after(at.duration()),
        (None, Start::After { step, wait }) => ended_at(state, step)?.after(wait.duration()),
    };
    if let Some(before) = nth.checked_sub(1).filter(|before| *before > 0) {
        let mut earlier = state.occurrence_of(&step.id, before);
        if !earlier.all(|injection| is_over(state, injection)) {
            return None;
        }
    }
    Some(first.after(step.offset(nth).duration()))
}

/// Whether an injection was undone, or called off before its time came.
fn is_over(state: &State, injection: &Injection) -> bool {
    over_at(state, injection).is_some()
}

fn over_at(state: &State, injection: &Injection) -> Option<Stamp> {
    match state.ledger().get(&injection.id) {
        Some(obligation) => match obligation.entry {
            Entry::Undone { at, .. } => Some(at),
            _ => None,
        },
        None => state.called_off(&injection.id),
    }
}

/// When the last injection of a step was undone, or a person continued.
fn ended_at(state: &State, step: &StepId) -> Option<Stamp> {
    if let Some(pause) = state.pause(step) {
        return pause.ended;
    }
    let mut latest: Option<Stamp> = None;
    for injection in state.injections_of(step) {
        let at = over_at(state, injection)?;
        latest = Some(latest.filter(|known| at.is_before(known)).unwrap_or(at));
    }
    latest
}

/// Faults that grow are changed to the last level that is due.
fn grow(state: &State, now: Stamp) -> Vec<Draft> {
    let growing = state.ledger().open().filter_map(|obligation| {
        let (next, at) = obligation.next_level()?;
        let (ramp, Entry::Active { effective, .. }) =
            (obligation.injection.act.ramp()?, &obligation.entry)
        else {
            return None;
        };
        if !now.reached(&at) {
            return None;
        }
        let due = |level: &u32| now.reached(&effective.after(ramp.due(*level).duration()));
        let level = (next..=ramp.steps).take_while(due).last()?;
        let injection = obligation.injection.id.clone();
        Some(Draft::engine(now, Fact::AdjustBegan { injection, level }))
    });
    growing.collect()
}

/// A step that nobody continued in time ends as its file says.
fn end_pauses(state: &State, now: Stamp) -> Vec<Draft> {
    let late = state.pauses().find(|(_, until)| now.reached(until));
    let Some((step, _)) = late else {
        return Vec::new();
    };
    let asked = state.steps().iter().find(|known| known.id == *step);
    let then = match asked.map(|known| &known.fault) {
        Some(Fault::Confirm(confirm)) => confirm.then,
        _ => Unconfirmed::Abort,
    };
    let (step, continued) = (step.clone(), false);
    let mut facts = Vec::new();
    if then == Unconfirmed::Abort {
        let cause = StopCause::Unconfirmed { step: step.clone() };
        facts.push(Draft::engine(now, Fact::StopRequested { cause }));
    }
    facts.push(Draft::engine(now, Fact::PauseEnded { step, continued }));
    facts
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
        let ended = remedy.ends.iter();
        for (step, injection) in
            ended.flat_map(|step| state.injections_of(step).map(move |one| (step, one)))
        {
            // What a remedy begins is not ended by what was done before.
            let begun = state.begun_by_remedy(step).flatten();
            if begun
                .zip(used.done_at)
                .is_some_and(|(begun, done)| !begun.is_before(&done))
            {
                continue;
            }
            let known = state.ledger().get(&injection.id);
            // What a step would do again it does no more.
            if known.is_none() && injection.occurrence.is_some() {
                let to_come = state.called_off(&injection.id).is_none()
                    && !facts.iter().any(|draft: &Draft| {
                        matches!(&draft.fact, Fact::Cancelled { injection: known } if *known == injection.id)
                    });
                if to_come {
                    let injection = injection.id.clone();
                    facts.push(Draft::engine(now, Fact::Cancelled { injection }));
                }
                continue;
            }
            let on = known
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

/// What machines do by themselves: a rule whose signal came, or whose probe fails, chooses its remedy once.
fn follow_rules(state: &State, now: Stamp) -> Vec<Draft> {
    let chosen = state.rules_due().filter_map(|(index, rule)| {
        let fact = choose(state, rule.remedy.clone(), Some(index), now).ok()?;
        Some(Draft::engine(now, fact))
    });
    chosen.take(1).collect()
}

/// The next who is asked, where nobody has answered in time.
fn escalate(state: &State, now: Stamp) -> Vec<Draft> {
    let due = state.next_rung().filter(|(.., at)| now.reached(at));
    let fact = due.map(|(index, rung, _)| Fact::Escalated {
        to: rung.to.clone(),
        reason: None,
        rung: Some(index),
    });
    fact.map(|fact| Draft::engine(now, fact))
        .into_iter()
        .collect()
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
            capture: remedy.capture.clone(),
            act,
            verify: None,
            undo: remedy.restore.clone(),
            verify_undone: None,
        }),
        lasts: Lasts::UntilRemedied { at_most },
        occurrence: None,
        veiled: state.plan()?.is_surprise(),
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
    if let Some(end) = decoy_ends_at(state) {
        return (!remedy_is_under_way(state) && is_confirmed(state)).then_some(end);
    }
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
    if let Some(end) = decoy_ends_at(state) {
        return (!remedy_is_under_way(state)).then_some(end);
    }
    if progress(state) != Progress::Over || remedy_is_under_way(state) {
        return None;
    }
    let since = state.last_undone().or(state.running_since())?;
    let recovery = state.plan()?.experiment.recovery;
    // Holding for `stable_for` may begin at the last moment and still counts.
    Some(since.after(recovery.within.duration() + recovery.stable_for.duration()))
}

/// When a drill without faults has been watched for long enough.
fn decoy_ends_at(state: &State) -> Option<Stamp> {
    let lasts = state.plan()?.decoy()?;
    Some(state.running_since()?.after(lasts.duration()))
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
    let mut to_begin = state.steps_to_begin();
    if to_begin.any(|(step, _)| !state.is_latent(&step.id)) || state.pauses().next().is_some() {
        return Progress::Timed;
    }
    for step in state
        .steps()
        .iter()
        .filter(|step| !state.is_latent(&step.id))
    {
        for injection in state.injections_of(&step.id) {
            let Some(obligation) = state.ledger().get(&injection.id) else {
                if state.called_off(&injection.id).is_some() {
                    continue;
                }
                return Progress::Timed;
            };
            let remediable = matches!(step.lasts, Lasts::UntilRemedied { .. });
            match &obligation.entry {
                // What still grows has not shown all that it does.
                Entry::Active { adjusting, .. }
                    if remediable && adjusting.is_none() && obligation.next_level().is_none() =>
                {
                    overall = Progress::Remediable;
                }
                Entry::Undone { .. } | Entry::Cancelled | Entry::Stuck { .. } => {}
                _ => return Progress::Timed,
            }
        }
    }
    overall
}
