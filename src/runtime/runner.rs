//! The runner: one run from its first event to its last.
//!
//! A loop over one state. Inputs come on three lanes: commands and outcomes first, then what the writer says, then
//! probe samples; deadlines between. After each input the events go to the writer, and what is outstanding is
//! performed beside the loop: `Capture` and `Apply` only once the event that asks for them is on disk, `Undo` at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::feed::Feed;
use super::handle::{ActError, Command, Owed, RunStatus, Undoing};
use super::perform::{self, Task};
use super::writer::{Written, write};
use super::{Ports, asking};
use crate::engine::effect::{Effect, EffectKey, EffectKind};
use crate::engine::event::{Event, Fact, Origin, Phase, StopCause};
use crate::engine::input::{Input, Outcome};
use crate::engine::state::Disturbance;
use crate::engine::undo::Entry;
use crate::engine::watch::{Sample, Watch};
use crate::engine::{Course, next_deadline, outstanding, phase};
use crate::model::ids::{InjectionId, ProbeName};
use crate::model::plan::Plan;
use crate::model::time::Stamp;
use crate::ports::{Claim, Presence};

/// How often active injections are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long the end of a run waits for a journal that fails, before it is left to recovery.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(20);

/// Outcomes and looks that may wait to be heard.
const REPORTS: usize = 256;

/// Effects under way at once: more would only run out of sockets, and their deadlines would count while they wait for
/// each other. Undoing never waits for what still begins, and hardly for targets that hang.
const MOST_UNDOING: usize = 300;
const MOST_DOING: usize = 100;

/// What effects and looks send back.
#[derive(Debug)]
enum Report {
    Outcome(EffectKey, Outcome),
    /// What a look found, and the level that was asked for when it began.
    Look(InjectionId, u32, Presence),
}

/// Everything one run needs while it is driven.
pub(super) struct Runner {
    course: Course,
    plan: Arc<Plan>,
    ports: Ports,
    feed: Feed,
    tracker: TaskTracker,
    cancel: CancellationToken,
    commands: mpsc::Receiver<Command>,
    status: watch::Sender<RunStatus>,
    undoing: watch::Sender<Vec<Undoing>>,
    /// Why the last try to undo each failed.
    undo_errors: BTreeMap<InjectionId, String>,
    owed: Arc<Owed>,
    /// Held until the run is over, so that nobody else recovers it meanwhile.
    _claim: Claim,

    to_disk: mpsc::UnboundedSender<Vec<Event>>,
    from_disk: mpsc::UnboundedReceiver<Written>,
    on_disk: u64,
    journal_error: Option<String>,
    /// Whether nothing more can ever be written.
    lost: bool,
    writer: AbortHandle,
    waiting: Vec<(u64, oneshot::Sender<Result<u64, ActError>>)>,

    report: mpsc::Sender<Report>,
    reports: mpsc::Receiver<Report>,
    in_flight: BTreeMap<EffectKey, AbortHandle>,
    applying: BTreeMap<InjectionId, EffectKey>,
    gone: BTreeMap<InjectionId, u32>,
    looking: Vec<AbortHandle>,

    watches: BTreeMap<ProbeName, Watch>,
    disturbed: Option<Disturbance>,
    confirming: Option<Stamp>,
    sample: mpsc::Sender<(ProbeName, Sample)>,
    samples: mpsc::Receiver<(ProbeName, Sample)>,
    nudge: watch::Sender<u64>,
}

/// What a runner is made from.
pub(super) struct Start {
    pub(super) course: Course,
    pub(super) plan: Arc<Plan>,
    pub(super) ports: Ports,
    pub(super) feed: Feed,
    pub(super) tracker: TaskTracker,
    pub(super) claim: Claim,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) status: watch::Sender<RunStatus>,
    pub(super) undoing: watch::Sender<Vec<Undoing>>,
    pub(super) owed: Arc<Owed>,
}

impl Runner {
    pub(super) fn new(start: Start) -> Self {
        let (to_disk, batches) = mpsc::unbounded_channel();
        let (written, from_disk) = mpsc::unbounded_channel();
        let (report, reports) = mpsc::channel(REPORTS);
        let (sample, samples) = mpsc::channel(64);
        let on_disk = start.course.state().seq();
        let run = start.course.state().run().clone();
        let journal = start.ports.journal.clone();
        let writer = start
            .tracker
            .spawn(write(run, on_disk, journal, batches, written));
        Self {
            course: start.course,
            plan: start.plan,
            ports: start.ports,
            feed: start.feed,
            tracker: start.tracker,
            cancel: CancellationToken::new(),
            commands: start.commands,
            status: start.status,
            undoing: start.undoing,
            undo_errors: BTreeMap::new(),
            owed: start.owed,
            _claim: start.claim,
            to_disk,
            from_disk,
            on_disk,
            journal_error: None,
            lost: false,
            writer: writer.abort_handle(),
            waiting: Vec::new(),
            report,
            reports,
            in_flight: BTreeMap::new(),
            applying: BTreeMap::new(),
            gone: BTreeMap::new(),
            looking: Vec::new(),
            watches: BTreeMap::new(),
            disturbed: None,
            confirming: None,
            sample,
            samples,
            nudge: watch::Sender::new(0),
        }
    }

    /// Drives the run from `first` until it is over and on disk, or the disk has failed for too long. Answers with how it
    /// ended, which is to be told only once the run is nobody's any more.
    pub(super) async fn drive(mut self, first: Input) -> (watch::Sender<RunStatus>, RunStatus) {
        self.take(first, None);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut give_up: Option<tokio::time::Instant> = None;
        loop {
            self.perform();
            self.publish_status();
            if self.is_finished() {
                break;
            }
            if self.course.state().is_ended() {
                let limit =
                    *give_up.get_or_insert_with(|| tokio::time::Instant::now() + JOURNAL_PATIENCE);
                if self.lost || tokio::time::Instant::now() >= limit {
                    break;
                }
            }
            let deadline = self.sleep_until_deadline(give_up);
            // Every branch is cancel safe: receiving from a channel or a timer loses nothing when another wins.
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => self.take(command.input, command.reply),
                Some(report) = self.reports.recv() => self.hear_all(report),
                Some(written) = self.from_disk.recv() => self.written(written),
                () = deadline => self.take(Input::Tick, None),
                _ = look.tick() => self.look(),
                Some((probe, sample)) = self.samples.recv() => self.watch(&probe, &sample),
            }
        }
        self.cancel.cancel();
        for handle in self.looking.iter().chain(self.in_flight.values()) {
            handle.abort();
        }
        // What it still writes could meet the recovery of this very run.
        self.writer.abort();
        let why = self.journal_error.take().unwrap_or_else(|| {
            format!(
                "the journal did not answer within {} s",
                JOURNAL_PATIENCE.as_secs()
            )
        });
        for (_, reply) in self.waiting.drain(..) {
            let _ = reply.send(Err(ActError::Unrecorded(why.clone())));
        }
        let (verdict, reasons) = self
            .course
            .state()
            .verdict()
            .expect("the loop ends only with a verdict");
        let ended = RunStatus::Ended {
            verdict,
            reasons: reasons.to_vec(),
            unrecorded: (self.on_disk < self.course.state().seq()).then_some(why),
        };
        (self.status, ended)
    }

    fn is_finished(&self) -> bool {
        let state = self.course.state();
        state.is_ended() && self.on_disk >= state.seq()
    }

    fn sleep_until_deadline(&self, give_up: Option<tokio::time::Instant>) -> tokio::time::Sleep {
        let now = self.ports.clock.now();
        let due =
            next_deadline(self.course.state(), &now).and_then(|deadline| deadline.since(&now));
        let far = Duration::from_hours(1);
        let wait = due.map_or(far, |due| {
            if due.is_negative() {
                Duration::ZERO
            } else {
                due.unsigned_abs()
            }
        });
        let at = tokio::time::Instant::now() + wait.min(far);
        tokio::time::sleep_until(give_up.map_or(at, |limit| limit.min(at)))
    }

    fn take(&mut self, input: Input, reply: Option<oneshot::Sender<Result<u64, ActError>>>) {
        let before = self.course.state().phase();
        let events = match self.course.take(input, self.ports.clock.now()) {
            Ok(events) => events,
            Err(rejection) => {
                if let Some(reply) = reply {
                    let _ = reply.send(Err(rejection.into()));
                }
                return;
            }
        };
        let seq = self.course.state().seq();
        if let Some(reply) = reply {
            self.waiting.push((seq, reply));
            self.answer_waiting();
        }
        if self.lost {
            self.refuse_waiting();
        }
        if events.is_empty() {
            return;
        }
        for event in &events {
            if let Fact::UndoFailed {
                injection, error, ..
            } = &event.fact
            {
                self.undo_errors.insert(injection.clone(), error.clone());
            }
        }
        // The writer outlives the runner's sender; a failed send means that the log was given up, which it has said.
        let _ = self.to_disk.send(events);
        let after = self.course.state().phase();
        if before != after {
            self.enter(after);
        }
        self.confirm();
        self.disturb();
    }

    /// A phase began: probes start with the gate, and each is asked at once where the phase waits for answers.
    fn enter(&mut self, phase: Option<Phase>) {
        if matches!(
            phase,
            None | Some(Phase::Preflight | Phase::Closing | Phase::Ended)
        ) {
            return;
        }
        // Before new askers listen: they ask at once by themselves, and would ask twice.
        self.nudge.send_modify(|count| *count += 1);
        if phase >= Some(Phase::Before) && phase < Some(Phase::Ended) && self.watches.is_empty() {
            let stopped = self.course.state().stop().is_some();
            if !stopped {
                self.start_asking();
            }
        }
    }

    fn start_asking(&mut self) {
        for tolerance in phase::tolerances(self.course.state()) {
            let Some(probe) = self.plan.probe(&tolerance.probe).cloned() else {
                continue;
            };
            let stops = phase::patience_of(&self.plan, &tolerance.probe);
            let watch = Watch::new(tolerance).stopping(stops);
            self.watches.insert(probe.name.clone(), watch);
            let (ports, samples) = (self.ports.clone(), self.sample.clone());
            self.tracker.spawn(asking::ask(
                probe,
                ports,
                samples,
                self.nudge.subscribe(),
                self.cancel.child_token(),
            ));
        }
    }

    /// Only passes since the stack last changed count.
    fn confirm(&mut self) {
        let since = self.course.state().confirm_since();
        if since == self.confirming {
            return;
        }
        self.confirming = since;
        if let Some(since) = since {
            for watch in self.watches.values_mut() {
                watch.confirm(since);
            }
        }
    }

    /// Only samples sent while faults are on say whether something held meanwhile.
    fn disturb(&mut self) {
        let disturbed = self.course.state().disturbance();
        if disturbed == self.disturbed {
            return;
        }
        self.disturbed = disturbed;
        let Some(stretch) = disturbed else { return };
        let watches = self.watches.values_mut();
        let summaries: Vec<_> = watches.filter_map(|watch| watch.disturb(stretch)).collect();
        // Late where the run is over by now: then nothing is added to its log.
        if self.course.state().is_ended() {
            return;
        }
        for fact in summaries {
            self.take(Input::Watched(fact), None);
        }
    }

    fn watch(&mut self, probe: &ProbeName, sample: &Sample) {
        let Some(watch) = self.watches.get_mut(probe) else {
            return;
        };
        for fact in watch.observe(sample) {
            self.take(Input::Watched(fact), None);
        }
    }

    /// Takes what has come in by now before looking at what follows: of a thousand undos, many end together.
    fn hear_all(&mut self, first: Report) {
        self.hear(first);
        for _ in 1..REPORTS {
            let Ok(report) = self.reports.try_recv() else {
                break;
            };
            self.hear(report);
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Outcome(key, outcome) => {
                self.in_flight.remove(&key);
                self.take(Input::Outcome { key, outcome }, None);
            }
            // Seen gone twice in a row: one look may have met a server that was restarting.
            // It was changed while it was looked at: what was read may be how it was before or after.
            Report::Look(injection, level, _) if self.level_of(&injection) != Some(level) => {
                self.gone.remove(&injection);
            }
            Report::Look(injection, _, Presence::Gone(evidence)) => {
                let seen = self.gone.entry(injection.clone()).or_insert(0);
                *seen += 1;
                if *seen >= 2 {
                    self.take(
                        Input::Lost {
                            injection,
                            evidence,
                        },
                        None,
                    );
                }
            }
            Report::Look(injection, _, Presence::Present) => {
                self.gone.remove(&injection);
            }
        }
    }

    fn written(&mut self, written: Written) {
        match written {
            Written::Done(events) => {
                self.on_disk = events.last().map_or(self.on_disk, |event| event.seq);
                self.journal_error = None;
                self.feed.publish(self.course.state().run(), &events);
                self.answer_waiting();
            }
            Written::Failing(error) => self.journal_fails(error),
            Written::Lost(error) => {
                self.lost = true;
                self.journal_fails(error);
            }
        }
    }

    fn journal_fails(&mut self, error: String) {
        if self.journal_error.is_none() {
            tracing::error!(run = %self.course.state().run(), %error, "the journal fails: undoing from memory");
        }
        let reason = format!("the journal failed: {error}");
        self.journal_error = Some(error);
        self.refuse_waiting();
        let cause = StopCause::Error { reason };
        self.take(
            Input::Stop {
                cause,
                origin: Origin::engine(),
            },
            None,
        );
    }

    fn refuse_waiting(&mut self) {
        let why = self.journal_error.clone().unwrap_or_default();
        for (_, reply) in self.waiting.drain(..) {
            let _ = reply.send(Err(ActError::Unrecorded(why.clone())));
        }
    }

    fn answer_waiting(&mut self) {
        let on_disk = self.on_disk;
        for (seq, reply) in std::mem::take(&mut self.waiting) {
            if seq <= on_disk {
                let _ = reply.send(Ok(seq));
            } else {
                self.waiting.push((seq, reply));
            }
        }
    }

    /// Performs what is outstanding and not under way.
    fn perform(&mut self) {
        let now = self.ports.clock.now();
        let effects = outstanding(self.course.state(), &now);
        let (mut undoing, mut doing) = (0, 0);
        for effect in &effects {
            if self.in_flight.contains_key(&effect.key) {
                *slot(effect, &mut undoing, &mut doing) += 1;
            }
        }
        for effect in effects {
            let undoes = matches!(effect.kind, EffectKind::Undo(_));
            if self.in_flight.contains_key(&effect.key) || (!undoes && effect.key.0 > self.on_disk)
            {
                continue;
            }
            // What has no place yet gets one when an outcome comes in, which is heard here.
            let under_way = slot(&effect, &mut undoing, &mut doing);
            if *under_way >= if undoes { MOST_UNDOING } else { MOST_DOING } {
                continue;
            }
            *under_way += 1;
            if let EffectKind::Undo(id) = &effect.kind {
                self.abandon_apply(id);
            }
            let Some(task) = Task::of(&effect, self.course.state()) else {
                continue;
            };
            let (run, plan, ports) = (
                self.course.state().run().clone(),
                self.plan.clone(),
                self.ports.clone(),
            );
            if let EffectKind::Apply(id) | EffectKind::Adjust(id) = &effect.kind {
                self.applying.insert(id.clone(), effect.key);
            }
            let (key, report) = (effect.key, self.report.clone());
            let handle = self.tracker.spawn(async move {
                let outcome = task.perform(run, plan, ports).await;
                let _ = report.send(Report::Outcome(key, outcome)).await;
            });
            self.in_flight.insert(effect.key, handle.abort_handle());
        }
    }

    /// The level that was last asked for of what is on.
    fn level_of(&self, injection: &InjectionId) -> Option<u32> {
        let armed = self.course.state().ledger().armed(injection)?;
        Some(armed.asked())
    }

    /// An apply or a change that is still under way is dropped when its undo begins; the engine looks twice for what lands late.
    fn abandon_apply(&mut self, id: &InjectionId) {
        let applying = self.applying.remove(id);
        if let Some(handle) = applying.and_then(|key| self.in_flight.remove(&key)) {
            handle.abort();
        }
    }

    /// Looks whether what should be on still is.
    fn look(&mut self) {
        self.looking.retain(|handle| !handle.is_finished());
        if !self.looking.is_empty() {
            return;
        }
        let active = self
            .course
            .state()
            .ledger()
            .open()
            .filter(|o| matches!(o.entry, Entry::Active { .. }));
        for armed in active.filter_map(|obligation| obligation.armed().cloned()) {
            let (ports, report) = (self.ports.clone(), self.report.clone());
            let handle = self.tracker.spawn(async move {
                if let Some(presence) = perform::look(&armed, &ports).await {
                    let id = armed.injection().id.clone();
                    let _ = report.send(Report::Look(id, armed.asked(), presence)).await;
                }
            });
            self.looking.push(handle.abort_handle());
        }
    }

    fn publish_status(&self) {
        self.publish_undoing();
        let state = self.course.state();
        if state.is_ended() {
            return;
        }
        let (mut active, mut open) = (0, 0);
        for obligation in state.ledger().open() {
            active += usize::from(matches!(obligation.entry, Entry::Active { .. }));
            open += usize::from(obligation.armed().is_some());
        }
        self.owed.active.store(active, Ordering::Relaxed);
        self.owed.open.store(open, Ordering::Relaxed);
        self.owed.secret.store(state.is_secret(), Ordering::Relaxed);
        let stuck: Vec<_> = state
            .stuck()
            .map(|obligation| match &obligation.entry {
                Entry::Stuck { error, .. } => (obligation.injection.id.clone(), error.clone()),
                _ => (obligation.injection.id.clone(), String::new()),
            })
            .collect();
        let status = if stuck.is_empty() {
            RunStatus::Live {
                phase: state.phase().unwrap_or(Phase::Preflight),
            }
        } else {
            RunStatus::Stuck { what: stuck }
        };
        self.status.send_if_modified(|known| {
            let changed = *known != status;
            *known = status;
            changed
        });
    }

    /// Says what is being undone, for whoever asks why the run is not over.
    fn publish_undoing(&self) {
        let open = self.course.state().ledger().open();
        let undoing: Vec<_> = open
            .filter_map(|obligation| {
                let injection = &obligation.injection.id;
                Some(Undoing {
                    injection: injection.clone(),
                    since: obligation.entry.undoing_since()?.wall,
                    error: self.undo_errors.get(injection).cloned(),
                })
            })
            .collect();
        self.undoing.send_if_modified(|told| {
            let changed = *told != undoing;
            *told = undoing;
            changed
        });
    }
}

/// The count that an effect belongs to.
fn slot<'a>(effect: &Effect, undoing: &'a mut usize, doing: &'a mut usize) -> &'a mut usize {
    match effect.kind {
        EffectKind::Undo(_) => undoing,
        EffectKind::Inspect
        | EffectKind::Capture(_)
        | EffectKind::Apply(_)
        | EffectKind::Adjust(_)
        | EffectKind::Send => doing,
    }
}
