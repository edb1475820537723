//! A run's state: a total fold of its events. Any sequence of events gives a state; none panics.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{ActorKind, Alert, Event, Fact, Phase, Source, Standing, StopCause, Verdict};
use super::posts::Posts;
use super::undo::{Entry, Ledger, Obligation};
use crate::model::drill::{Remedy, Rule, When};
use crate::model::fault::{Cause, Injection, Step};
use crate::model::ids::{InjectionId, ProbeName, RemedyId, RunId, StepId};
use crate::model::plan::Plan;
use crate::model::team::{Rung, Seat};
use crate::model::time::{Epoch, Stamp};

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    run: RunId,
    seq: u64,
    epoch: Option<Epoch>,
    plan: Option<Box<Plan>>,
    /// Where each step's injections stand in the plan.
    by_step: BTreeMap<StepId, Vec<usize>>,
    /// The occurrences of steps that have not begun: a step's place in the method, and which of its occurrences.
    to_begin: BTreeSet<(usize, u32)>,
    /// The injections that will not happen, though their time never came.
    called_off: BTreeMap<InjectionId, Stamp>,
    /// The steps that wait or waited for a person.
    pauses: BTreeMap<StepId, Pause>,
    phase: Option<Phase>,
    phase_at: Option<Stamp>,
    phase_seq: u64,
    preflight: Option<Result<(), Vec<String>>>,
    running_since: Option<Stamp>,
    ledger: Ledger,
    probes: BTreeMap<ProbeName, ProbeState>,
    confirm_since: Option<Stamp>,
    last_effective: Option<Stamp>,
    last_undone: Option<Stamp>,
    impact: bool,
    /// The steps' injections that are on.
    on: BTreeSet<InjectionId>,
    disturbance: Option<Disturbance>,
    /// Probes seen often enough while faults were on.
    observed: BTreeSet<ProbeName>,
    deviations: Vec<String>,
    remedies: Vec<RemedyUse>,
    injects_delivered: BTreeSet<usize>,
    /// The messages in the order they were shown, and those that were answered.
    messages: Vec<usize>,
    replied: BTreeSet<usize>,
    /// On which side each is who did something or said that they are there, by pseudonym.
    seats: BTreeMap<String, Seat>,
    revealed: bool,
    /// The rules whose signal came, and those that chose their remedy.
    rules_met: BTreeSet<usize>,
    rules_used: BTreeSet<usize>,
    escalation: Escalation,
    /// The events that people did or tools told of, and whether each has words that can be other ones.
    told: BTreeMap<u64, bool>,
    ended_at: Option<Stamp>,
    observation: Option<bool>,
    undone_in_closing: bool,
    stop: Option<StopCause>,
    verdict: Option<(Verdict, Vec<String>)>,
    seen: BTreeSet<(u8, String)>,
    attached: BTreeSet<i64>,
    posts: Posts,
}

/// A stretch of time in which at least one fault was on: read back as applied, its undo not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disturbance {
    /// When the first fault was read back.
    pub from: Stamp,
    /// When the undo of the last one began; open while one is on.
    pub to: Option<Stamp>,
}

impl Disturbance {
    /// Whether an instant lies in it.
    pub fn holds(&self, at: &Stamp) -> bool {
        !at.is_before(&self.from) && self.to.is_none_or(|to| at.is_before(&to))
    }
}

/// A step that asked for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Until when it waits.
    pub until: Stamp,
    /// When somebody continued, or its time was up.
    pub ended: Option<Stamp>,
}

/// How a team's escalation chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Escalation {
    /// When it was paged, or the last step was taken.
    since: Option<Stamp>,
    /// How many steps were taken.
    taken: usize,
    /// Whether somebody has answered, so that nobody else is asked.
    answered: bool,
}

/// How a probe stands, as the log says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProbeState {
    /// Its standing and when that began.
    pub standing: Option<(Standing, Stamp)>,
    /// Why it fails.
    pub reason: Option<String>,
    /// The first of `pass_after` passes sent since the last change to the stack.
    pub confirmed: Option<Stamp>,
    /// Why it failed while it gated the run, if it did: a stack that comes and goes is not steady.
    pub refused: Option<String>,
}

/// One use of a remedy.
#[derive(Debug, Clone, PartialEq)]
pub struct RemedyUse {
    /// Which remedy.
    pub remedy: RemedyId,
    /// Its id in the undo ledger.
    pub uses: InjectionId,
    /// When it acts, unless it waits for others to agree.
    pub acts_at: Stamp,
    /// How far it has come.
    pub progress: RemedyProgress,
    /// How many others must agree.
    pub approvals: u32,
    /// Who has agreed, by pseudonym.
    pub agreed: BTreeSet<String>,
    /// Who chose it, by pseudonym, where a person did.
    pub chooser: Option<String>,
    /// When it was done.
    pub done_at: Option<Stamp>,
}

/// How far a use of a remedy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemedyProgress {
    /// Chosen; it acts once others have agreed.
    Waiting,
    /// Chosen; it acts when its time has come.
    Chosen,
    /// It acts.
    Acting,
    /// It has done what it does.
    Done,
    /// It failed.
    Failed,
}

impl State {
    /// A run without events.
    pub fn new(run: RunId) -> Self {
        Self {
            ledger: Ledger::new(run.clone()),
            run,
            seq: 0,
            epoch: None,
            plan: None,
            by_step: BTreeMap::new(),
            to_begin: BTreeSet::new(),
            called_off: BTreeMap::new(),
            pauses: BTreeMap::new(),
            phase: None,
            phase_at: None,
            phase_seq: 0,
            preflight: None,
            running_since: None,
            probes: BTreeMap::new(),
            confirm_since: None,
            last_effective: None,
            last_undone: None,
            impact: false,
            on: BTreeSet::new(),
            disturbance: None,
            observed: BTreeSet::new(),
            deviations: Vec::new(),
            remedies: Vec::new(),
            injects_delivered: BTreeSet::new(),
            messages: Vec::new(),
            replied: BTreeSet::new(),
            seats: BTreeMap::new(),
            revealed: false,
            rules_met: BTreeSet::new(),
            rules_used: BTreeSet::new(),
            escalation: Escalation::default(),
            told: BTreeMap::new(),
            ended_at: None,
            observation: None,
            undone_in_closing: false,
            stop: None,
            verdict: None,
            seen: BTreeSet::new(),
            attached: BTreeSet::new(),
            posts: Posts::default(),
        }
    }

    /// The state after these events.
    pub fn replay<'a>(run: RunId, events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut state = Self::new(run);
        for event in events {
            state.apply(event);
        }
        state
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The last event's sequence.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Whose clock the last event is stamped by.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// What the run does; absent only before its first event.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// The current phase.
    pub fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// When the current phase began.
    pub fn phase_at(&self) -> Option<Stamp> {
        self.phase_at
    }

    /// The event that began the current phase.
    pub fn phase_seq(&self) -> u64 {
        self.phase_seq
    }

    /// Whether preflight passed, once it is done; if not, what it found.
    pub fn preflight(&self) -> Option<Result<(), &[String]>> {
        let passed = self.preflight.as_ref()?;
        Some(passed.as_ref().copied().map_err(Vec::as_slice))
    }

    /// When the method began.
    pub fn running_since(&self) -> Option<Stamp> {
        self.running_since
    }

    /// What was done and is owed.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How a probe stands.
    pub fn probe(&self, name: &ProbeName) -> ProbeState {
        self.probes.get(name).cloned().unwrap_or_default()
    }

    /// Since when fresh passes count: the last change to the stack, or the phase's beginning.
    pub fn confirm_since(&self) -> Option<Stamp> {
        self.confirm_since
    }

    /// When the last fault took effect.
    pub fn last_effective(&self) -> Option<Stamp> {
        self.last_effective
    }

    /// When the last injection was undone.
    pub fn last_undone(&self) -> Option<Stamp> {
        self.last_undone
    }

    /// Whether users were hurt after a fault took effect.
    pub fn has_impact(&self) -> bool {
        self.impact
    }

    /// What the hypothesis did not survive, a line each.
    pub fn deviations(&self) -> &[String] {
        &self.deviations
    }

    /// The last stretch in which faults were on.
    pub fn disturbance(&self) -> Option<Disturbance> {
        self.disturbance
    }

    /// The probes of `during` that neither failed nor were seen often enough while faults were on to say that they held.
    /// None where nothing was to be broken.
    pub fn unobserved(&self) -> impl Iterator<Item = &ProbeName> {
        let experiment = self.plan.as_deref().map(|plan| &plan.experiment);
        experiment
            .into_iter()
            .filter(|experiment| !experiment.method.iter().all(Step::is_pause))
            .flat_map(|experiment| &experiment.during)
            .map(|tolerance| &tolerance.probe)
            .filter(|probe| !self.observed.contains(*probe) && !self.has_deviated(probe))
    }

    /// The remedies chosen so far.
    pub fn remedies(&self) -> &[RemedyUse] {
        &self.remedies
    }

    /// Whether a timed message was shown.
    pub fn is_delivered(&self, inject: usize) -> bool {
        self.injects_delivered.contains(&inject)
    }

    /// The message that a reply without a number answers: the latest that nobody has answered, else the latest.
    pub fn message_to_answer(&self) -> Option<usize> {
        let open = self.messages.iter().rev();
        open.clone()
            .find(|inject| !self.replied.contains(inject))
            .or_else(|| self.messages.last())
            .copied()
    }

    /// On which side somebody is, by pseudonym, once they did something or said that they are there.
    pub fn seat(&self, pseudonym: &str) -> Option<Seat> {
        self.seats.get(pseudonym).copied()
    }

    /// Whether an event is one that people did or tools told of, and if so whether it has words.
    pub fn told(&self, seq: u64) -> Option<bool> {
        self.told.get(&seq).copied()
    }

    /// When it was over.
    pub fn ended_at(&self) -> Option<Stamp> {
        self.ended_at
    }

    /// Whether its responders are not told that it runs.
    pub fn is_secret(&self) -> bool {
        !self.revealed && !self.is_ended() && self.plan().is_some_and(Plan::is_surprise)
    }

    /// The rules that may choose their remedy now: what they wait for is so, and they have not chosen yet.
    pub fn rules_due(&self) -> impl Iterator<Item = (usize, &Rule)> {
        let rules = self.plan().map_or(&[][..], Plan::rules);
        rules.iter().enumerate().filter(|(index, rule)| {
            !self.rules_used.contains(index)
                && match &rule.when {
                    When::Signal { .. } => self.rules_met.contains(index),
                    When::Probe(probe) => matches!(
                        self.probes.get(probe).and_then(|probe| probe.standing),
                        Some((Standing::Failing, _))
                    ),
                }
        })
    }

    /// How many steps of the team's escalation chain were taken.
    pub fn rungs_taken(&self) -> usize {
        self.escalation.taken
    }

    /// Whether a person has answered, so that the chain calls nobody else.
    pub fn is_answered(&self) -> bool {
        self.escalation.answered
    }

    /// The next step of the team's escalation chain, and when it is taken unless somebody answers before.
    pub fn next_rung(&self) -> Option<(usize, &Rung, Stamp)> {
        let Escalation {
            since,
            taken,
            answered,
        } = self.escalation;
        let rung = self
            .plan()?
            .drill
            .as_ref()?
            .team
            .escalation
            .get(taken)
            .filter(|_| !answered)?;
        Some((taken, rung, since?.after(rung.after.duration())))
    }

    /// From when a step counts that begins once a remedy is done: nothing before that. `None` for a step that begins by
    /// itself.
    pub fn begun_by_remedy(&self, step: &StepId) -> Option<Option<Stamp>> {
        let plan = self.plan()?;
        plan.starters(step).next()?;
        let done = self.remedies.iter().filter_map(|used| {
            let mut starters = plan.starters(step);
            starters
                .any(|remedy| remedy.id == used.remedy)
                .then_some(used.done_at?)
        });
        Some(done.reduce(|first, at| if at.is_before(&first) { at } else { first }))
    }

    /// Whether a step waits for a remedy to begin it, and may never begin.
    pub fn is_latent(&self, step: &StepId) -> bool {
        self.begun_by_remedy(step) == Some(None)
    }

    /// Whether observation is over, and if so whether steady state held.
    pub fn observation(&self) -> Option<bool> {
        self.observation
    }

    /// Whether closing undid anything, so that steady state must be seen again.
    pub fn was_undone_in_closing(&self) -> bool {
        self.undone_in_closing
    }

    /// Why it stops before its end.
    pub fn stop(&self) -> Option<&StopCause> {
        self.stop.as_ref()
    }

    /// How it ended.
    pub fn verdict(&self) -> Option<(Verdict, &[String])> {
        self.verdict
            .as_ref()
            .map(|(verdict, reasons)| (*verdict, reasons.as_slice()))
    }

    /// Whether nothing more happens.
    pub fn is_ended(&self) -> bool {
        self.verdict.is_some()
    }

    /// What can't be undone at the moment.
    pub fn stuck(&self) -> impl Iterator<Item = &Obligation> {
        self.ledger
            .open()
            .filter(|obligation| obligation.entry.is_stuck())
    }

    /// Whether a signal of this source and id is in the log already.
    pub fn has_seen(&self, source: Source, id: &str) -> bool {
        self.seen.contains(&(source as u8, id.to_owned()))
    }

    /// The messages to channels.
    pub fn posts(&self) -> &Posts {
        &self.posts
    }

    /// Whether a signal of the inbox was attached.
    pub fn has_attached(&self, signal: i64) -> bool {
        self.attached.contains(&signal)
    }

    /// The injections of a step, as planned.
    pub fn injections_of<'a>(
        &'a self,
        step: &StepId,
    ) -> impl Iterator<Item = &'a Injection> + use<'a> {
        let injections = self.plan().map_or(&[][..], |plan| &plan.injections);
        let places = self.by_step.get(step).into_iter().flatten();
        places.filter_map(|&place| injections.get(place))
    }

    /// The injections of one occurrence of a step, as planned.
    pub fn occurrence_of<'a>(
        &'a self,
        step: &StepId,
        nth: u32,
    ) -> impl Iterator<Item = &'a Injection> + use<'a> {
        self.injections_of(step)
            .filter(move |injection| injection.nth() == nth)
    }

    /// The occurrences of steps that have not begun, each from 1.
    pub fn steps_to_begin(&self) -> impl Iterator<Item = (&Step, u32)> {
        let steps = self.steps();
        let to_begin = self.to_begin.iter();
        to_begin.filter_map(|&(place, nth)| Some((steps.get(place)?, nth)))
    }

    /// When an injection was called off before its time came.
    pub fn called_off(&self, injection: &InjectionId) -> Option<Stamp> {
        self.called_off.get(injection).copied()
    }

    /// The steps that wait for a person now, and until when.
    pub fn pauses(&self) -> impl Iterator<Item = (&StepId, Stamp)> {
        let open = self
            .pauses
            .iter()
            .filter(|(_, pause)| pause.ended.is_none());
        open.map(|(step, pause)| (step, pause.until))
    }

    /// How a step's wait for a person stands, once it has begun.
    pub fn pause(&self, step: &StepId) -> Option<Pause> {
        self.pauses.get(step).copied()
    }

    /// The steps of the method.
    pub fn steps(&self) -> &[Step] {
        self.plan()
            .map_or(&[], |plan| plan.experiment.method.as_slice())
    }

    /// A remedy of the drill.
    pub fn remedy(&self, id: &RemedyId) -> Option<&Remedy> {
        self.plan()?
            .drill
            .as_ref()?
            .drill
            .remedies
            .iter()
            .find(|remedy| remedy.id == *id)
    }

    /// Whether a step's injections are on, or may be.
    pub fn is_disturbed(&self) -> bool {
        self.ledger.open().any(|o| {
            matches!(o.injection.cause, Cause::Step(_)) && !matches!(o.entry, Entry::Planned { .. })
        })
    }

    /// Folds one event in.
    pub fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.epoch = Some(event.at.epoch);
        if let Some(id) = &event.origin.source_id {
            self.seen.insert((event.origin.source as u8, id.clone()));
        }
        self.ledger.apply(event);
        self.posts.apply(event);
        self.place(event);
        if event.fact.is_told() {
            self.told.insert(event.seq, event.fact.retold("").is_some());
        }
        match &event.fact {
            Fact::RunCreated { plan, .. } => self.create(plan),
            Fact::PhaseBegan { phase } => self.begin(*phase, event),
            Fact::PreflightPassed { .. } => self.preflight = Some(Ok(())),
            Fact::PreflightFailed { findings } => self.preflight = Some(Err(findings.clone())),
            Fact::ProbeChanged {
                probe,
                standing,
                first,
                reason,
                ..
            } => {
                self.change(probe, *standing, *first, reason.as_ref());
            }
            Fact::ProbeConfirmed { probe, first } => self.confirm(probe, *first),
            Fact::ProbeObserved { probe, .. } => {
                self.observed.insert(probe.clone());
            }
            Fact::Active { injection, .. } => {
                if self.is_step(injection) {
                    self.last_effective = Some(event.at);
                    self.disturb(injection, event.at);
                }
                self.unconfirm(event.at);
            }
            // A stronger fault is another one: what held before says nothing about it.
            Fact::Adjusted { .. } => {
                self.last_effective = Some(event.at);
                self.unconfirm(event.at);
            }
            Fact::Cancelled { injection } => self.call_off(injection, event.at),
            Fact::PauseBegan { step, until } => {
                self.begin_step(step, 1);
                let pause = Pause {
                    until: *until,
                    ended: None,
                };
                self.pauses.insert(step.clone(), pause);
            }
            Fact::PauseEnded { step, .. } => {
                if let Some(pause) = self.pauses.get_mut(step) {
                    pause.ended.get_or_insert(event.at);
                }
            }
            Fact::UndoBegan { injection, .. } => self.settle(injection, event.at),
            Fact::Undone { injection, .. } => {
                self.last_undone = Some(event.at);
                self.unconfirm(event.at);
                self.undone_in_closing |= self.phase == Some(Phase::Closing);
                if self.is_step(injection) {
                    self.note_failing_during();
                }
            }
            Fact::RemedyChosen {
                remedy,
                uses,
                acts_at,
                approvals,
                rule,
            } => {
                self.rules_used.extend(rule);
                let approvals = approvals.unwrap_or(0);
                self.remedies.push(RemedyUse {
                    remedy: remedy.clone(),
                    uses: uses.clone(),
                    acts_at: *acts_at,
                    progress: if approvals > 0 {
                        RemedyProgress::Waiting
                    } else {
                        RemedyProgress::Chosen
                    },
                    approvals,
                    agreed: BTreeSet::new(),
                    chooser: event.origin.actor.clone(),
                    done_at: None,
                });
            }
            Fact::RemedyApproved { uses, acts_at } => {
                let used = self.remedies.iter_mut().find(|used| used.uses == *uses);
                if let Some(used) = used.filter(|used| used.progress == RemedyProgress::Waiting) {
                    used.agreed.extend(event.origin.actor.clone());
                    if let Some(at) = acts_at {
                        used.acts_at = *at;
                        used.progress = RemedyProgress::Chosen;
                    }
                }
            }
            Fact::Due { injection } => match &injection.cause {
                Cause::Step(step) => self.begin_step(step, injection.nth()),
                Cause::Remedy(_) => self.progress(&injection.id, RemedyProgress::Acting),
            },
            Fact::RemedyDone { uses } => {
                self.progress(uses, RemedyProgress::Done);
                if let Some(used) = self.remedies.iter_mut().find(|used| used.uses == *uses) {
                    used.done_at.get_or_insert(event.at);
                }
            }
            Fact::RemedyFailed { uses, .. } => self.progress(uses, RemedyProgress::Failed),
            Fact::SignalAttached { signal, .. } => {
                self.attached.insert(*signal);
            }
            Fact::InjectDelivered { index } => {
                let fresh = self.injects_delivered.insert(*index);
                self.messages.extend(fresh.then_some(*index));
            }
            Fact::Replied { inject, .. } => {
                self.replied.insert(*inject);
            }
            Fact::AlertReceived { alert } => self.hear(alert, event),
            Fact::Escalated {
                rung: Some(rung), ..
            } => {
                self.escalation.taken = rung.saturating_add(1);
                self.escalation.since = Some(event.at);
            }
            Fact::Revealed => self.revealed = true,
            Fact::ObservationEnded { held } => self.observation = Some(*held),
            Fact::StopRequested { cause } => {
                self.stop.get_or_insert_with(|| cause.clone());
            }
            Fact::Interrupted { .. } => {
                self.stop.get_or_insert(StopCause::Interrupted);
            }
            Fact::RunEnded { verdict, reasons } => {
                self.ended_at = Some(event.at);
                self.verdict = Some((*verdict, reasons.clone()));
                self.phase = Some(Phase::Ended);
            }
            _ => {}
        }
    }

    /// Whoever does something is there: on the side that they named, else on the side whose acts they do.
    fn place(&mut self, event: &Event) {
        if event.origin.kind != ActorKind::Human {
            return;
        }
        let answers = matches!(
            event.fact,
            Fact::Acknowledged | Fact::Declared { .. } | Fact::Dismissed { .. } | Fact::Resolved
        );
        self.escalation.answered |= answers;
        if let (Some(seat), Some(actor)) = (event.fact.seat(), &event.origin.actor) {
            self.seats.entry(actor.clone()).or_insert(seat);
        }
    }

    /// An alert that fires may be the page, and what a rule waits for.
    fn hear(&mut self, alert: &Alert, event: &Event) {
        if !alert.firing || self.phase != Some(Phase::Running) {
            return;
        }
        if alert.qualifies {
            self.escalation.since.get_or_insert(event.at);
        }
        let Some(sender) = event.origin.source.sender() else {
            return;
        };
        let rules = self.plan.as_deref().map_or(&[][..], Plan::rules);
        let met = rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.when.is_met_by(sender, &alert.labels))
            .map(|(index, _)| index);
        self.rules_met.extend(met);
    }

    fn create(&mut self, plan: &Plan) {
        self.by_step.clear();
        for (place, injection) in plan.injections.iter().enumerate() {
            if let Cause::Step(step) = &injection.cause {
                self.by_step.entry(step.clone()).or_default().push(place);
            }
        }
        let steps = plan.experiment.method.iter().enumerate();
        self.to_begin = steps
            .filter(|(_, step)| step.is_pause() || self.by_step.contains_key(&step.id))
            .flat_map(|(place, step)| (1..=step.times()).map(move |nth| (place, nth)))
            .collect();
        self.plan = Some(Box::new(plan.clone()));
    }

    fn begin_step(&mut self, step: &StepId, nth: u32) {
        let steps = self.plan.as_deref().map(|plan| &plan.experiment.method);
        if let Some(place) = steps.and_then(|steps| steps.iter().position(|s| s.id == *step)) {
            self.to_begin.remove(&(place, nth));
        }
    }

    /// An injection whose time has not come will not happen. Its occurrence begins no more.
    fn call_off(&mut self, injection: &InjectionId, at: Stamp) {
        if self.ledger.get(injection).is_some() {
            return;
        }
        let planned = self.plan.as_deref().map(|plan| &plan.injections);
        let planned = planned.and_then(|all| all.iter().find(|one| one.id == *injection));
        if let Some((Cause::Step(step), nth)) = planned.map(|one| (one.cause.clone(), one.nth())) {
            self.called_off.insert(injection.clone(), at);
            self.begin_step(&step, nth);
        }
    }

    fn begin(&mut self, phase: Phase, event: &Event) {
        self.phase = Some(phase);
        self.phase_at = Some(event.at);
        self.phase_seq = event.seq;
        if phase == Phase::Running {
            self.running_since = Some(event.at);
        }
        if matches!(phase, Phase::Before | Phase::Running | Phase::After) {
            self.unconfirm(event.at);
        }
    }

    /// From here on only fresh passes count.
    fn unconfirm(&mut self, since: Stamp) {
        self.confirm_since = Some(since);
        for probe in self.probes.values_mut() {
            probe.confirmed = None;
        }
    }

    fn confirm(&mut self, probe: &ProbeName, first: Stamp) {
        if self
            .confirm_since
            .is_some_and(|since| !first.is_before(&since))
        {
            self.probes.entry(probe.clone()).or_default().confirmed = Some(first);
        }
    }

    fn change(
        &mut self,
        probe: &ProbeName,
        standing: Standing,
        first: Stamp,
        reason: Option<&String>,
    ) {
        let state = self.probes.entry(probe.clone()).or_default();
        state.standing = Some((standing, first));
        state.reason = reason.cloned();
        if standing == Standing::Passing {
            self.confirm(probe, first);
            return;
        }
        state.confirmed = None;
        if self.phase == Some(Phase::Before) {
            state.refused = Some(reason.cloned().unwrap_or_default());
        }
        if !self.has_disturbed(&first) {
            return;
        }
        let Some(plan) = self.plan.as_deref() else {
            return;
        };
        self.impact |= plan.stack.probes.get(probe).is_some_and(|p| p.impact);
        if plan
            .experiment
            .during
            .iter()
            .any(|tolerance| tolerance.probe == *probe)
        {
            self.deviate(probe, reason);
        }
    }

    /// Whether a fault was on at that time: sent before it, and not undone before it.
    fn has_disturbed(&self, at: &Stamp) -> bool {
        self.phase == Some(Phase::Running)
            && self.ledger.obligations().any(|o| {
                matches!(o.injection.cause, Cause::Step(_))
                    && match &o.entry {
                        Entry::Active { sent, .. } => !at.is_before(sent),
                        Entry::Undoing { .. } | Entry::Stuck { .. } => true,
                        Entry::Undone { at: gone, .. } => at.is_before(gone),
                        Entry::Planned { .. } | Entry::Cancelled | Entry::Arming { .. } => false,
                    }
            })
    }

    /// A probe that had been failing all along shows no change; it is noted when the fault goes.
    fn note_failing_during(&mut self) {
        let Some(plan) = self.plan.as_deref() else {
            return;
        };
        let failing: Vec<_> = plan
            .experiment
            .during
            .iter()
            .filter_map(|tolerance| {
                let state = self.probes.get(&tolerance.probe)?;
                matches!(state.standing, Some((Standing::Failing, _)))
                    .then(|| (tolerance.probe.clone(), state.reason.clone()))
            })
            .collect();
        for (probe, reason) in failing {
            self.deviate(&probe, reason.as_ref());
        }
    }

    /// A fault is on.
    fn disturb(&mut self, injection: &InjectionId, at: Stamp) {
        let active = self
            .ledger
            .get(injection)
            .is_some_and(|o| matches!(o.entry, Entry::Active { .. }));
        if !active {
            return;
        }
        if self.on.is_empty() {
            self.disturbance = Some(Disturbance { from: at, to: None });
        }
        self.on.insert(injection.clone());
    }

    /// A fault is taken back.
    fn settle(&mut self, injection: &InjectionId, at: Stamp) {
        if self.on.remove(injection)
            && self.on.is_empty()
            && let Some(stretch) = &mut self.disturbance
        {
            stretch.to = Some(at);
        }
    }

    fn has_deviated(&self, probe: &ProbeName) -> bool {
        let line = deviation(probe);
        self.deviations.iter().any(|known| known.starts_with(&line))
    }

    fn deviate(&mut self, probe: &ProbeName, reason: Option<&String>) {
        if self.has_deviated(probe) {
            return;
        }
        let line = deviation(probe);
        self.deviations
            .push(reason.map_or_else(|| line.clone(), |reason| format!("{line}: {reason}")));
    }

    fn is_step(&self, injection: &InjectionId) -> bool {
        self.ledger
            .get(injection)
            .is_some_and(|o| matches!(o.injection.cause, Cause::Step(_)))
    }

    fn progress(&mut self, uses: &InjectionId, progress: RemedyProgress) {
        if let Some(used) = self.remedies.iter_mut().find(|used| used.uses == *uses) {
            used.progress = progress;
        }
    }
}

fn deviation(probe: &ProbeName) -> String {
    format!("`{probe}` failed while faults were on")
}
