//! What a log says that scores need, in the order it was measured: faults with who ended them, the turns of probes,
//! what people and machines did, and where observation ended.
//!
//! Only stamps of the clock the run began on are used: stamps of different epochs are never subtracted, so what came
//! after an interruption has no place in time here. People's acts after a stop are left out as well, because the
//! drill was over for them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::corrections::{Attributed, Judged};
use crate::engine::event::{
    ActorKind, Event, Fact, Knew, Phase, Standing, StopCause, UndoCause, UndoneBy, Verdict,
};
use crate::model::fault::{Cause, Injection};
use crate::model::ids::{ChannelName, ExpectationId, InjectionId, ProbeName, RemedyId};
use crate::model::plan::Plan;
use crate::model::signal::Sender;
use crate::model::team::Seat;
use crate::model::time::Stamp;

/// A point of the log: which event says so, and when it was so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Moment {
    /// The event behind it.
    pub seq: u64,
    /// When it was so, which for probes is before the event.
    pub at: Stamp,
}

impl Moment {
    /// Milliseconds from `earlier` to here; zero when this is the earlier one, or the clocks differ.
    pub fn after(&self, earlier: &Self) -> u64 {
        u64::try_from(self.signed(earlier)).unwrap_or(0)
    }

    /// Milliseconds from `earlier` to here.
    pub(super) fn signed(&self, earlier: &Self) -> i64 {
        self.at.since(&earlier.at).map_or(0, |length| {
            i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
        })
    }

    fn of(event: &Event) -> Self {
        Self {
            seq: event.seq,
            at: event.at,
        }
    }

    pub(super) fn order(&self) -> (u64, u64) {
        (self.at.mono_ns, self.seq)
    }
}

impl From<&Event> for Moment {
    fn from(event: &Event) -> Self {
        Self::of(event)
    }
}

/// One step's injection, from its request to its end.
#[derive(Debug, Clone)]
pub struct FaultSpan<'a> {
    /// What it does.
    pub injection: &'a Injection,
    /// When its request was sent; nothing it causes is earlier.
    pub sent: Moment,
    /// When it was read back.
    pub effective: Moment,
    /// When it was last read back stronger, where it grew.
    pub grown: Option<Moment>,
    /// When it was said to have vanished.
    pub lost: Option<Moment>,
    /// When its undo began, and why.
    pub undo_began: Option<(Moment, &'a UndoCause)>,
    /// When it was read back as removed, and who removed it.
    pub undone: Option<(Moment, UndoneBy)>,
}

/// A probe's change of standing.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// How it stands from here on.
    pub standing: Standing,
    /// The send time of the streak's first sample.
    pub first: Moment,
    /// The send time of the last sample that said otherwise.
    pub previous: Option<Stamp>,
    /// When the last sample of the streak settled it.
    pub decided: Stamp,
}

/// How observation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close<'a> {
    /// As planned.
    Observed,
    /// Somebody or something stopped the run.
    Stopped(&'a StopCause),
    /// Its process died.
    Interrupted,
    /// The run was over before it was observed.
    Over,
}

/// Where observation ended.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// When.
    pub at: Moment,
    /// How.
    pub how: Close<'a>,
}

impl End<'_> {
    /// Whether people may still have been about to act.
    pub fn cut_short(&self) -> bool {
        !matches!(self.how, Close::Observed)
    }

    /// How it ended, as half a sentence.
    pub fn sentence(&self) -> &'static str {
        match self.how {
            Close::Observed => "observation ended",
            Close::Stopped(_) => "the run was stopped",
            Close::Interrupted => "the run was interrupted",
            Close::Over => "the run ended",
        }
    }
}

/// A message that was to be delivered.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// When it was asked for.
    pub due: Moment,
    /// Where it went.
    pub channel: &'a ChannelName,
    /// The event of the update that it carries.
    pub update: Option<u64>,
    /// When the channel had it.
    pub delivered: Option<Moment>,
    /// Why it did not get there, as far as is known.
    pub failed: Option<&'a str>,
}

/// A log, read for scoring.
#[derive(Debug)]
pub struct Timeline<'a> {
    /// What the run does.
    pub plan: &'a Plan,
    /// When the run was created.
    pub created: Moment,
    /// When the method began, where that is on record.
    running: Option<Moment>,
    /// The injections of steps that took effect, in the order they were sent.
    pub faults: Vec<FaultSpan<'a>>,
    /// Where observation ended; nothing while the run lasts.
    pub end: Option<End<'a>>,
    /// The latest moment the log knows.
    pub last: Moment,
    /// How the stack's side ended, and why.
    pub verdict: Option<(Verdict, &'a [String])>,
    /// Whether a responder said that the incident is real.
    pub real: bool,
    /// Whether something stopped the run or its process died, before or after the end of observation.
    pub broken_off: bool,
    /// The highest sequence.
    pub seq: u64,
    /// Injections whose undo is stuck.
    pub stuck: Vec<InjectionId>,
    turns: BTreeMap<&'a ProbeName, Vec<Turn>>,
    standings: BTreeMap<&'a ProbeName, Standing>,
    unusable: BTreeMap<&'a ProbeName, &'a str>,
    observed: BTreeSet<&'a ProbeName>,
    acts: Vec<&'a Event>,
    delivered: BTreeMap<usize, Moment>,
    present: BTreeMap<&'a str, (Seat, Moment)>,
    /// Tools through which no test signal came, and why.
    deaf: BTreeMap<Sender, &'a str>,
    /// When people knew that it was a drill, told after it, too.
    knew: BTreeMap<&'a str, (Knew, Option<Timestamp>)>,
    /// Messages of updates, in the order in which they were asked for.
    pub deliveries: Vec<Delivery<'a>>,
    /// What staff said afterwards of the lines that only they can judge, and of who ended it.
    judged: &'a [Judged],
    pub(super) attributed: Option<&'a Attributed>,
}

impl<'a> Timeline<'a> {
    /// Reads a log. Nothing when it does not begin with the creation of a run.
    pub fn read(events: &'a [Event]) -> Option<Self> {
        let created = events.first()?;
        let Fact::RunCreated { plan, .. } = &created.fact else {
            return None;
        };
        let own: Vec<&Event> = events
            .iter()
            .filter(|event| event.at.epoch == created.at.epoch)
            .collect();
        let end = end(&own, events);
        let mut timeline = Self {
            plan,
            created: Moment::of(created),
            running: own.iter().find_map(|event| {
                matches!(
                    event.fact,
                    Fact::PhaseBegan {
                        phase: Phase::Running
                    }
                )
                .then(|| Moment::of(event))
            }),
            faults: faults(&own, events),
            end,
            last: own
                .iter()
                .map(|e| Moment::of(e))
                .max_by_key(Moment::order)
                .unwrap_or(Moment::of(created)),
            verdict: events.iter().find_map(|event| match &event.fact {
                Fact::RunEnded { verdict, reasons } => Some((*verdict, reasons.as_slice())),
                _ => None,
            }),
            real: events.iter().any(|event| {
                matches!(
                    event.fact,
                    Fact::StopRequested {
                        cause: StopCause::Real
                    }
                )
            }),
            broken_off: events.iter().any(|event| {
                matches!(
                    event.fact,
                    Fact::StopRequested { .. } | Fact::Interrupted { .. }
                )
            }),
            seq: events.last().map_or(0, |event| event.seq),
            stuck: stuck(events),
            turns: BTreeMap::new(),
            standings: BTreeMap::new(),
            unusable: BTreeMap::new(),
            observed: BTreeSet::new(),
            acts: Vec::new(),
            delivered: BTreeMap::new(),
            present: BTreeMap::new(),
            deaf: BTreeMap::new(),
            knew: knew(events),
            deliveries: Vec::new(),
            judged: &[],
            attributed: None,
        };
        for event in &own {
            timeline.take(event);
        }
        timeline.acts.sort_by_key(|e| Moment::of(e).order());
        for turns in timeline.turns.values_mut() {
            turns.sort_by_key(|turn| turn.first.order());
        }
        Some(timeline)
    }

    /// With what staff said afterwards.
    pub(super) fn with(self, judged: &'a [Judged], attributed: Option<&'a Attributed>) -> Self {
        Self {
            judged,
            attributed,
            ..self
        }
    }

    /// What staff said last of a line.
    pub(super) fn judged(&self, line: &ExpectationId) -> Option<&'a Judged> {
        self.judged.iter().rfind(|one| one.line == *line)
    }

    fn take(&mut self, event: &'a Event) {
        match &event.fact {
            Fact::ProbeChanged {
                probe,
                standing,
                first,
                previous,
                ..
            } => {
                if first.epoch == event.at.epoch {
                    self.standings.insert(probe, *standing);
                }
                let observed = self.end.is_none_or(|end| event.seq <= end.at.seq);
                if observed && first.epoch == event.at.epoch {
                    self.turns.entry(probe).or_default().push(Turn {
                        standing: *standing,
                        first: Moment {
                            seq: event.seq,
                            at: *first,
                        },
                        previous: *previous,
                        decided: event.at,
                    });
                }
            }
            Fact::ProbeObserved { probe, .. } => {
                self.observed.insert(probe);
            }
            Fact::ProbeUnusable { probe, reason } => {
                self.unusable.entry(probe).or_insert(reason);
            }
            Fact::MessageDue { message } => self.deliveries.push(Delivery {
                due: Moment::of(event),
                channel: &message.channel,
                update: message.update,
                delivered: None,
                failed: None,
            }),
            Fact::MessageDelivered { message, .. } => {
                if let Some(delivery) = self.delivery(*message) {
                    delivery.delivered = Some(Moment::of(event));
                }
            }
            Fact::MessageFailed { message, error } => {
                if let Some(delivery) = self.delivery(*message) {
                    delivery.failed = Some(error);
                }
            }
            Fact::AlertReceived { .. }
            | Fact::Detected { .. }
            | Fact::Acknowledged
            | Fact::Declared { .. }
            | Fact::RoleTaken { .. }
            | Fact::CauseNamed { .. }
            | Fact::UpdatePosted { .. }
            | Fact::RemedyChosen { .. }
            | Fact::RemedyDone { .. }
            | Fact::ActionAttested { .. }
            | Fact::RemedyApproved { .. }
            | Fact::Escalated { .. }
            | Fact::Replied { .. }
            | Fact::Dismissed { .. }
            | Fact::Resolved => {
                let stopped = self.end.is_some_and(|end| {
                    end.cut_short() && Moment::of(event).order() > end.at.order()
                });
                if !stopped {
                    self.acts.push(event);
                }
            }
            Fact::SourceTested {
                sender,
                took_ms: None,
                heard_at: None,
                reason,
            } => {
                let reason = reason.as_deref().unwrap_or_default();
                self.deaf.insert(*sender, reason);
            }
            Fact::SourceTested { sender, .. } => {
                self.deaf.remove(sender);
            }
            Fact::InjectDelivered { index } => {
                self.delivered
                    .entry(*index)
                    .or_insert_with(|| Moment::of(event));
            }
            _ => {}
        }
        if let (ActorKind::Human, Some(actor), Some(seat)) = (
            event.origin.kind,
            event.origin.actor.as_deref(),
            event.fact.seat(),
        ) {
            self.present
                .entry(actor)
                .or_insert_with(|| (seat, Moment::of(event)));
        }
    }

    /// Who was there, by pseudonym: on which side, and since when.
    pub fn present(&self) -> impl Iterator<Item = (&'a str, Seat, Moment)> + '_ {
        self.present
            .iter()
            .map(|(actor, (seat, since))| (*actor, *seat, *since))
    }

    /// When somebody knew that it was a drill, by pseudonym, as they last said.
    pub fn knew(&self, who: &str) -> Option<(Knew, Option<Timestamp>)> {
        self.knew.get(who).copied()
    }

    /// Those who said when they knew, by pseudonym.
    pub fn asked(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.knew.keys().copied()
    }

    /// Why nothing of what would have come by these tools could be seen: none of them let a test signal through.
    pub fn deaf(&self, senders: &BTreeSet<Sender>) -> Option<String> {
        let reasons: Option<Vec<String>> = senders
            .iter()
            .map(|sender| {
                let why = self.deaf.get(sender)?;
                Some(format!(
                    "no test signal came through {}: {why}",
                    sender.title()
                ))
            })
            .collect();
        reasons
            .filter(|reasons| !reasons.is_empty())
            .map(|reasons| reasons.join("; "))
    }

    /// When a timed message was shown.
    pub fn delivered(&self, inject: usize) -> Option<Moment> {
        self.delivered.get(&inject).copied()
    }

    fn delivery(&mut self, due: u64) -> Option<&mut Delivery<'a>> {
        let mut all = self.deliveries.iter_mut();
        all.find(|delivery| delivery.due.seq == due)
    }

    /// Whether an update reached one of its channels: one of the drill's own only when it was delivered there, any other
    /// because whoever posted it says so.
    pub(super) fn reached(&self, update: &Event, channel: &str) -> bool {
        let mut messages = self.deliveries.iter().filter(|delivery| {
            delivery.update == Some(update.seq) && delivery.channel.as_str() == channel
        });
        match messages.next() {
            None => true,
            Some(message) => message.delivered.is_some(),
        }
    }

    /// What people and machines did, in the order of time.
    pub fn acts(&self) -> impl Iterator<Item = &'a Event> + '_ {
        self.acts.iter().copied()
    }

    /// What was done since the first fault was sent, in a decoy since its method began; what came before can't answer
    /// it, nor what is about something from before.
    pub fn answers(&self) -> impl Iterator<Item = &'a Event> + '_ {
        let sent = self.since();
        self.acts().filter(move |act| {
            sent.is_some_and(|sent| {
                let older = |at: Option<jiff::Timestamp>| at.is_some_and(|at| at < sent.at.wall);
                let told = act.origin.source.sender().is_some();
                !act.at.is_before(&sent.at)
                    && !(told && (older(act.origin.event_time) || older(act.origin.since)))
            })
        })
    }

    /// From when on something is answered.
    fn since(&self) -> Option<Moment> {
        if self.plan.decoy().is_some() {
            return Some(self.running.unwrap_or(self.created));
        }
        self.first_sent()
    }

    /// When the first alert fired or message was shown that could make a team look.
    pub(super) fn alerted(&self) -> Option<Moment> {
        let fires =
            |act: &&Event| matches!(&act.fact, Fact::AlertReceived { alert } if alert.firing);
        let alert = self.answers().find(fires).map(Moment::of);
        let since = self.since()?;
        let shown = self.delivered.values().copied();
        let shown = shown.filter(|shown| !shown.at.is_before(&since.at));
        shown.chain(alert).min_by_key(Moment::order)
    }

    /// When the first fault was sent.
    pub fn first_sent(&self) -> Option<Moment> {
        self.faults.first().map(|fault| fault.sent)
    }

    /// When the first fault was read back.
    pub fn first_effective(&self) -> Option<Moment> {
        self.faults
            .iter()
            .map(|fault| fault.effective)
            .min_by_key(Moment::order)
    }

    /// When the last fault was read back.
    pub fn last_effective(&self) -> Option<Moment> {
        self.faults
            .iter()
            .map(|fault| fault.grown.unwrap_or(fault.effective))
            .max_by_key(Moment::order)
    }

    /// A probe's changes of standing while it was observed, in the order of time.
    pub fn turns(&self, probe: &ProbeName) -> &[Turn] {
        self.turns.get(probe).map_or(&[], Vec::as_slice)
    }

    /// How a probe stood last, after observation too.
    pub fn standing(&self, probe: &ProbeName) -> Option<Standing> {
        self.standings.get(probe).copied()
    }

    /// Whether a probe was seen often enough while faults were on to have failed, and did not fail at the end.
    pub fn is_observed(&self, probe: &ProbeName) -> bool {
        self.observed.contains(probe)
    }

    /// Whether the run went its whole way and only its hypothesis could not be observed.
    pub fn is_unobserved(&self) -> bool {
        matches!(self.verdict, Some((Verdict::Errored, _))) && !self.broken_off
    }

    /// Why a probe could not be asked.
    pub fn unusable(&self, probe: &ProbeName) -> Option<&'a str> {
        self.unusable.get(probe).copied()
    }

    /// The remedy of this use of it, and the kind of actor that chose it.
    pub fn choice(&self, uses: &InjectionId) -> Option<(&'a RemedyId, ActorKind)> {
        self.acts().find_map(|act| match &act.fact {
            Fact::RemedyChosen {
                remedy, uses: this, ..
            } if this == uses => Some((remedy, act.origin.kind)),
            _ => None,
        })
    }

    /// Whether no person did anything at all.
    pub fn idle(&self) -> bool {
        !self.acts().any(|act| act.origin.kind == ActorKind::Human)
    }
}

/// The first thing that ended observation. After a death, that is the last event the dead process left.
fn end<'a>(own: &[&'a Event], events: &'a [Event]) -> Option<End<'a>> {
    let (event, how) = events.iter().find_map(|event| {
        let how = match &event.fact {
            Fact::ObservationEnded { .. } => Close::Observed,
            Fact::StopRequested { cause } => Close::Stopped(cause),
            Fact::Interrupted { .. } => Close::Interrupted,
            Fact::RunEnded { .. } => Close::Over,
            _ => return None,
        };
        Some((event, how))
    })?;
    let first = own.first()?;
    let at = if event.at.epoch == first.at.epoch && how != Close::Interrupted {
        Moment::of(event)
    } else {
        own.iter()
            .filter(|e| e.seq < event.seq)
            .map(|e| Moment::of(e))
            .max_by_key(Moment::order)?
    };
    Some(End { at, how })
}

fn faults<'a>(own: &[&'a Event], events: &'a [Event]) -> Vec<FaultSpan<'a>> {
    let mut injections: BTreeMap<&InjectionId, &Injection> = BTreeMap::new();
    for event in events {
        match &event.fact {
            Fact::RunCreated { plan, .. } => {
                injections.extend(plan.injections.iter().map(|i| (&i.id, i)));
            }
            Fact::Due { injection } => {
                injections.insert(&injection.id, injection);
            }
            _ => {}
        }
    }
    let mut spans: BTreeMap<&InjectionId, FaultSpan<'a>> = BTreeMap::new();
    for event in own {
        match &event.fact {
            Fact::Active {
                injection: id,
                sent,
                ..
            } => {
                let Some(injection) = injections.get(id) else {
                    continue;
                };
                if !matches!(injection.cause, Cause::Step(_)) || sent.epoch != event.at.epoch {
                    continue;
                }
                spans.entry(id).or_insert_with(|| FaultSpan {
                    injection,
                    sent: Moment {
                        seq: event.seq,
                        at: *sent,
                    },
                    effective: Moment::of(event),
                    grown: None,
                    lost: None,
                    undo_began: None,
                    undone: None,
                });
            }
            Fact::Adjusted { injection: id, .. } => {
                if let Some(span) = spans.get_mut(id) {
                    span.grown = Some(Moment::of(event));
                }
            }
            Fact::Lost { injection: id, .. } => {
                if let Some(span) = spans.get_mut(id) {
                    span.lost.get_or_insert(Moment::of(event));
                }
            }
            Fact::UndoBegan {
                injection: id,
                cause,
            } => {
                if let Some(span) = spans.get_mut(id) {
                    span.undo_began.get_or_insert((Moment::of(event), cause));
                }
            }
            Fact::Undone {
                injection: id, by, ..
            } => {
                if let Some(span) = spans.get_mut(id) {
                    span.undone.get_or_insert((Moment::of(event), *by));
                }
            }
            _ => {}
        }
    }
    let mut spans: Vec<_> = spans.into_values().collect();
    spans.sort_by_key(|span| span.sent.order());
    spans
}

/// What people said last, whenever they said it.
fn knew(events: &[Event]) -> BTreeMap<&str, (Knew, Option<Timestamp>)> {
    let told = events.iter().filter_map(|event| match &event.fact {
        Fact::Knew { when, at } => Some((event.origin.actor.as_deref()?, (*when, *at))),
        _ => None,
    });
    told.collect()
}

fn stuck(events: &[Event]) -> Vec<InjectionId> {
    let mut stuck: Vec<InjectionId> = Vec::new();
    for event in events {
        match &event.fact {
            Fact::Stuck { injection, .. } if !stuck.contains(injection) => {
                stuck.push(injection.clone());
            }
            Fact::Undone { injection, .. } => stuck.retain(|id| id != injection),
            _ => {}
        }
    }
    stuck
}
