//! The live line of a run: phase, what is on and for how long still, how probes stand, and a drill's timers. Pure: it
//! folds the events that the timeline tells, and is drawn for an instant and a width.

use std::collections::BTreeMap;

use crate::engine::event::{Event, Fact, Phase, Standing};
use crate::layout::{cut, width};
use crate::model::fault::{Cause, Lasts};
use crate::model::ids::{InjectionId, ProbeName, StepId};
use crate::model::plan::Plan;
use crate::model::time::Stamp;
use crate::score::judge;
use crate::score::measures::{Measure, Reading};
use crate::score::span;

/// How many cells a bar has.
const CELLS: u128 = 5;

/// What is so at this point of a run.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// Everything so far, for a drill whose log is known without a gap: its timers are read as the scorecard reads them.
    log: Option<Vec<Event>>,
    began: Option<Stamp>,
    phase: Option<(Phase, Stamp)>,
    faults: BTreeMap<InjectionId, Fault>,
    probes: BTreeMap<ProbeName, Standing>,
    timers: Vec<(&'static str, Timer)>,
}

#[derive(Debug)]
struct Fault {
    step: StepId,
    lasts: Lasts,
    armed: Stamp,
    deadline: Stamp,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Arming,
    On,
    Undoing,
    Stuck,
}

#[derive(Debug, Clone, Copy)]
enum Timer {
    Runs { from: Stamp },
    Done { value_ms: u64 },
}

impl Board {
    /// Takes in what happened.
    pub(super) fn take(&mut self, event: &Event, plan: &Plan) {
        self.began.get_or_insert(event.at);
        match &event.fact {
            Fact::RunCreated { plan, .. } if plan.drill.is_some() => self.log = Some(Vec::new()),
            Fact::PhaseBegan { phase } => self.phase = Some((*phase, event.at)),
            Fact::ProbeChanged {
                probe, standing, ..
            } => {
                self.probes.insert(probe.clone(), *standing);
            }
            Fact::ProbeConfirmed { probe, .. } => {
                self.probes.insert(probe.clone(), Standing::Passing);
            }
            Fact::Arming {
                injection,
                deadline,
                ..
            } => {
                let planned = plan.injections.iter().find(|one| one.id == *injection);
                // A remedy is no fault: what it does is told by the timeline.
                if let Some((planned, Cause::Step(step))) = planned.map(|one| (one, &one.cause)) {
                    let fault = Fault {
                        step: step.clone(),
                        lasts: planned.lasts,
                        armed: event.at,
                        deadline: *deadline,
                        state: State::Arming,
                    };
                    self.faults.insert(injection.clone(), fault);
                }
            }
            Fact::Active { injection, .. } => self.turn(injection, State::On),
            Fact::UndoBegan { injection, .. } => self.turn(injection, State::Undoing),
            Fact::Stuck { injection, .. } => self.turn(injection, State::Stuck),
            Fact::Undone { injection, .. } | Fact::Cancelled { injection } => {
                self.faults.remove(injection);
            }
            _ => {}
        }
        if let Some(log) = &mut self.log {
            log.push(event.clone());
            self.time(event);
        }
    }

    /// Says that events were missed: a drill's timers are not known any more.
    pub(super) fn missed(&mut self) {
        self.log = None;
        self.timers.clear();
    }

    fn turn(&mut self, injection: &InjectionId, state: State) {
        if let Some(fault) = self.faults.get_mut(injection) {
            fault.state = state;
        }
    }

    /// The timers, where this event can have moved them.
    fn time(&mut self, event: &Event) {
        if !matches!(
            event.fact,
            Fact::ProbeChanged { .. }
                | Fact::Active { .. }
                | Fact::AlertReceived { .. }
                | Fact::Detected { .. }
                | Fact::Acknowledged
        ) {
            return;
        }
        let Some(report) = self.log.as_deref().and_then(judge) else {
            return;
        };
        let measures = report.measures;
        self.timers = [
            ("TTD", &measures.time_to_detect),
            ("TTA", &measures.time_to_acknowledge),
        ]
        .into_iter()
        .filter_map(|(name, measure)| Some((name, timer(measure)?)))
        .collect();
    }

    /// The line at an instant, in at most `columns` columns. Empty before the run has begun.
    pub(super) fn line(&self, now: &Stamp, columns: usize, colour: bool) -> String {
        let (Some(began), Some((phase, since))) = (&self.began, &self.phase) else {
            return String::new();
        };
        let seconds = between(began, now) / 1000;
        let elapsed = format!("+{:02}:{:02}", seconds / 60, seconds % 60);
        let mut parts = vec![Part::new(
            None,
            format!(
                "{elapsed:8} … {} {}s",
                phase_words(*phase),
                between(since, now) / 1000
            ),
        )];
        parts.extend(self.standing());
        parts.extend(self.timers.iter().map(|(name, timer)| match timer {
            Timer::Runs { from } => {
                Part::new(None, format!("{name} {}s…", between(from, now) / 1000))
            }
            Timer::Done { value_ms } => Part::new(None, format!("{name} {}", span(*value_ms))),
        }));
        // Bars go first where there is too little room: the time left says the same.
        let faults = |bars| self.faults(now, bars);
        let needs = |more: &[Part]| {
            parts
                .iter()
                .chain(more)
                .map(|part| width(&part.text) + 3)
                .sum::<usize>()
        };
        let barred = faults(true);
        let shown = if needs(&barred) <= columns + 3 {
            barred
        } else {
            faults(false)
        };
        parts.extend(shown);
        drawn(&parts, columns, colour)
    }

    /// Each step that is on, once, by the target that lasts longest.
    fn faults(&self, now: &Stamp, bars: bool) -> Vec<Part> {
        let mut steps: BTreeMap<&StepId, &Fault> = BTreeMap::new();
        for fault in self.faults.values() {
            let shown = steps.entry(&fault.step).or_insert(fault);
            let rank = |fault: &Fault| (fault.state, fault.deadline.mono_ns);
            if rank(fault) > rank(shown) {
                *shown = fault;
            }
        }
        steps
            .into_iter()
            .map(|(step, fault)| match fault.state {
                State::Arming => Part::new(None, format!("{step} begins")),
                State::On => {
                    let left = span_in_seconds(between(now, &fault.deadline));
                    let left = match fault.lasts {
                        Lasts::For(_) => format!("{left} left"),
                        Lasts::UntilRemedied { .. } => format!("≤{left} left"),
                    };
                    let bar = if bars {
                        bar(&fault.armed, &fault.deadline, now) + " "
                    } else {
                        String::new()
                    };
                    Part::new(Some("33"), format!("{step} {bar}{left}"))
                }
                State::Undoing => Part::new(None, format!("{step} is being undone")),
                State::Stuck => Part::new(Some("1;31"), format!("{step} STUCK")),
            })
            .collect()
    }

    fn standing(&self) -> Option<Part> {
        let failing = self
            .probes
            .values()
            .filter(|standing| **standing == Standing::Failing)
            .count();
        let passing = self.probes.len() - failing;
        match (passing, failing) {
            (0, 0) => None,
            (_, 0) => Some(Part::new(None, format!("{passing} pass"))),
            _ => Some(Part::new(
                Some("31"),
                format!("{passing} pass, {failing} FAIL"),
            )),
        }
    }
}

/// A part of the line, and its colour.
struct Part {
    colour: Option<&'static str>,
    text: String,
}

impl Part {
    fn new(colour: Option<&'static str>, text: String) -> Self {
        Self { colour, text }
    }
}

fn drawn(parts: &[Part], columns: usize, colour: bool) -> String {
    let mut line = String::new();
    let mut room = columns;
    for (index, part) in parts.iter().enumerate() {
        let joint = if index == 0 { "" } else { " | " };
        let text = cut(&format!("{joint}{}", part.text), room);
        let whole = width(&text) == width(joint) + width(&part.text);
        room = room.saturating_sub(width(&text));
        match part.colour.filter(|_| colour && whole) {
            Some(code) => {
                line.push_str(joint);
                line.extend(["\x1b[", code, "m", &part.text, "\x1b[0m"]);
            }
            None => line.push_str(&text),
        }
        if !whole {
            break;
        }
    }
    line
}

fn timer(measure: &Measure) -> Option<Timer> {
    match (&measure.reading, &measure.from) {
        (Reading::Measured { value_ms }, _) => Some(Timer::Done {
            value_ms: *value_ms,
        }),
        (Reading::Pending, Some(from)) => Some(Timer::Runs {
            from: from.moment.at,
        }),
        _ => None,
    }
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Preflight => "checking targets",
        Phase::Before => "waiting for steady state",
        Phase::Running => "running",
        Phase::Closing => "undoing",
        Phase::After => "waiting for recovery",
        Phase::Ended => "ending",
    }
}

/// Milliseconds from one instant to a later one; zero where that is not known.
fn between(from: &Stamp, to: &Stamp) -> u128 {
    to.since(from)
        .map_or(0, |length| u128::try_from(length.as_millis()).unwrap_or(0))
}

/// A length in whole seconds, rounded up, so that nothing has 0 s left while it is on.
fn span_in_seconds(milliseconds: u128) -> String {
    let seconds = u64::try_from(milliseconds.div_ceil(1000)).unwrap_or(u64::MAX / 1000);
    span(seconds * 1000)
}

/// What is left of a stretch, as cells.
fn bar(from: &Stamp, until: &Stamp, now: &Stamp) -> String {
    let whole = between(from, until).max(1);
    let full = (between(now, until) * CELLS).div_ceil(whole).min(CELLS);
    (0..CELLS)
        .map(|cell| if cell < full { '▓' } else { '░' })
        .collect()
}

#[cfg(test)]
mod tests;
