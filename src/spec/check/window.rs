//! When steps can be on, as far as it can be told before they run.
//!
//! A step that waits for another begins when that one *has ended and been undone*; the time the undoing takes is
//! unknown and counted as none. A step that lasts `until: remedied`, or that waits for a person, may end at any time up to
//! its deadline, so what waits for it has no fixed beginning. A step that repeats lasts from the beginning of its first
//! occurrence to the end of its last; what is on meanwhile is told by the windows of its occurrences.

use std::collections::BTreeMap;

use crate::model::fault::{Start, Step};
use crate::model::ids::StepId;
use crate::model::time::Millis;

/// When a step begins and ends, counted from the start of the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Not before.
    pub(crate) earliest_start: Millis,
    /// Not after.
    pub(crate) latest_start: Millis,
    /// Not after.
    pub(crate) latest_end: Millis,
}

impl Window {
    /// The window of one occurrence of a step, given the window of all.
    pub(crate) fn of(self, step: &Step, nth: u32) -> Self {
        let offset = step.offset(nth);
        let latest_start = plus(self.latest_start, offset);
        Self {
            earliest_start: plus(self.earliest_start, offset),
            latest_start,
            latest_end: plus(latest_start, step.lasts.deadline()),
        }
    }

    /// Whether it is known when it begins.
    pub(crate) fn is_fixed(self) -> bool {
        self.earliest_start == self.latest_start
    }

    /// Whether both are on at one time. A step without length is on at its instant.
    pub(crate) fn meets(self, other: Self) -> bool {
        let ends = |window: Self| {
            window
                .latest_end
                .max(Millis::new(window.latest_start.get().saturating_add(1)))
        };
        self.latest_start < ends(other) && other.latest_start < ends(self)
    }
}

fn plus(one: Millis, other: Millis) -> Millis {
    Millis::new(one.get().saturating_add(other.get()))
}

/// Each step's window; `None` for steps that wait for themselves or for one that there isn't.
pub(crate) fn windows(steps: &[&Step]) -> Vec<Option<Window>> {
    let mut known: BTreeMap<&StepId, Window> = BTreeMap::new();
    // Each round settles at least one more step, or none is left that can be.
    loop {
        let mut grew = false;
        for step in steps {
            if known.contains_key(&step.id) {
                continue;
            }
            let (earliest, latest) = match &step.start {
                Start::At(at) => (*at, *at),
                Start::After { step: other, wait } => match known.get(other) {
                    Some(window) => {
                        let earliest = if ends_early(steps, other) {
                            window.earliest_start
                        } else {
                            let length = length(steps, other);
                            plus(window.earliest_start, length)
                        };
                        (plus(earliest, *wait), plus(window.latest_end, *wait))
                    }
                    None => continue,
                },
            };
            let latest_end = plus(latest, step.whole());
            let window = Window {
                earliest_start: earliest,
                latest_start: latest,
                latest_end,
            };
            known.insert(&step.id, window);
            grew = true;
        }
        if !grew {
            break;
        }
    }
    steps
        .iter()
        .map(|step| known.get(&step.id).copied())
        .collect()
}

/// The longest time in which faults are on without a break; steps that overlap or follow each other count together.
/// What may end early counts with its deadline. `None` without steps, or where one never begins.
pub(crate) fn longest_stretch(steps: &[&Step]) -> Option<Millis> {
    let mut on: Vec<(Millis, Millis)> = Vec::new();
    for (step, window) in steps.iter().zip(windows(steps)) {
        let window = window?;
        if step.is_pause() {
            continue;
        }
        for nth in 1..=step.times() {
            let occurrence = window.of(step, nth);
            on.push((occurrence.latest_start, occurrence.latest_end));
        }
    }
    on.sort_unstable();
    let mut stretches: Vec<(Millis, Millis)> = Vec::new();
    for (start, end) in on {
        match stretches.last_mut() {
            Some((_, latest)) if start <= *latest => *latest = end.max(*latest),
            _ => stretches.push((start, end)),
        }
    }
    stretches
        .into_iter()
        .map(|(start, end)| Millis::new(end.get().saturating_sub(start.get())))
        .max()
}

fn ends_early(steps: &[&Step], id: &StepId) -> bool {
    steps.iter().any(|step| step.id == *id && step.ends_early())
}

fn length(steps: &[&Step], id: &StepId) -> Millis {
    steps
        .iter()
        .find(|step| step.id == *id)
        .map_or(Millis::ZERO, |step| step.whole())
}
