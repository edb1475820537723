//! Whether probes hold again, since when, and who ended what they showed.
//!
//! Only the *last* stretch counts, and only when it reaches the end of observation and is long enough; earlier ones
//! are remissions. Being well is measured by probes, never claimed; who made it so is read from the last cause on
//! record before it.

use schemars::JsonSchema;
use serde::Serialize;

use super::corrections::Attributed;
use super::timeline::{Close, FaultSpan, Moment, Timeline, Turn};
use crate::engine::event::{ActorKind, Attribution, Event, Fact, Standing, UndoCause, UndoneBy};
use crate::model::fault::Act;
use crate::model::ids::{InjectionId, ProbeName};
use crate::model::probe::Probe;

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ender {
    /// A person's action precedes.
    Team,
    /// A declared rule.
    Automation,
    /// The stack restarted or failed over by itself: a container that was down ran again, or all was well with every
    /// fault still on, and nobody had acted.
    Stack,
    /// The fault's own time was up.
    Timer,
    /// The run was stopped.
    Abort,
    /// Our fault was removed by somebody else.
    Outside,
    /// Nothing on record explains it, until staff say.
    Unattributed,
}

impl Ender {
    /// As reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Automation => "automation",
            Self::Stack => "stack",
            Self::Timer => "timer",
            Self::Abort => "abort",
            Self::Outside => "outside",
            Self::Unattributed => "unattributed",
        }
    }

    /// Whether it cut the exercise short, so that the team's time stays unknown.
    pub fn censors(self) -> bool {
        matches!(self, Self::Timer | Self::Abort | Self::Outside)
    }
}

/// Who ended it, when, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ended {
    /// Who.
    pub by: Ender,
    /// The cause on record; for nobody, the moment it was over.
    #[serde(flatten)]
    pub moment: Moment,
    /// How that is known.
    pub reason: String,
    /// The event by which staff said so, where nothing else on record does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributed: Option<u64>,
}

impl Ended {
    /// With what staff said, where nothing on record explains it.
    fn attributed(self, told: Option<&Attributed>) -> Self {
        let Some(told) = told.filter(|_| self.by == Ender::Unattributed) else {
            return self;
        };
        Self {
            by: match told.by {
                Attribution::Team => Ender::Team,
                Attribution::Automation => Ender::Automation,
                Attribution::Stack => Ender::Stack,
                Attribution::Outside => Ender::Outside,
            },
            reason: format!("staff say so: {} (event {})", told.reason, told.seq),
            attributed: Some(told.seq),
            ..self
        }
    }
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Interval {
    /// From here.
    pub from: Moment,
    /// To here; open when absent.
    pub to: Option<Moment>,
}

/// Why there is no "holds again".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotHeld {
    /// Some probe still failed.
    Failing,
    /// They held, but not for long enough.
    Unstable,
    /// The process that watched died.
    Interrupted,
}

/// How some probes stand at the end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Holding {
    /// None of them ever failed.
    NeverFailed,
    /// All of them hold again, from here to the end.
    Again { start: Moment, ended: Ended },
    /// They did not.
    Not { until: Moment, why: NotHeld },
    /// The run goes on.
    Pending,
}

/// Turns that were settled after the first fault was sent: what came before is not its doing.
fn turns<'t>(timeline: &'t Timeline<'_>, probe: &ProbeName) -> impl Iterator<Item = &'t Turn> {
    let sent = timeline.first_sent();
    timeline
        .turns(probe)
        .iter()
        .filter(move |turn| sent.is_some_and(|sent| !turn.decided.is_before(&sent.at)))
}

/// Stretches in which at least one of the probes failed, never beginning before the first fault was sent.
pub(super) fn failing(timeline: &Timeline<'_>, probes: &[&ProbeName]) -> Vec<Interval> {
    let Some(sent) = timeline.first_sent() else {
        return Vec::new();
    };
    let mut all: Vec<(usize, &Turn)> = Vec::new();
    for (index, probe) in probes.iter().enumerate() {
        all.extend(turns(timeline, probe).map(|turn| (index, turn)));
    }
    all.sort_by_key(|(_, turn)| turn.first.order());
    let mut down = vec![false; probes.len()];
    let mut intervals: Vec<Interval> = Vec::new();
    for (index, turn) in all {
        let was = down.contains(&true);
        down[index] = turn.standing == Standing::Failing;
        let is = down.contains(&true);
        if is && !was {
            let mut from = turn.first;
            if from.at.is_before(&sent.at) {
                from.at = sent.at;
            }
            intervals.push(Interval { from, to: None });
        } else if was
            && !is
            && let Some(open) = intervals.last_mut()
        {
            open.to = Some(turn.first);
        }
    }
    intervals
}

/// How far a time read off this probe can be wrong: `every` × ⌈`within`/`every`⌉, in milliseconds.
pub(super) fn error_bound(probe: &Probe) -> u64 {
    let every = probe.every.get().max(1);
    every.saturating_mul(probe.expect.within.get().div_ceil(every).max(1))
}

/// The largest error bound of these probes, in milliseconds.
pub(super) fn widest_bound(timeline: &Timeline<'_>, probes: &[&ProbeName]) -> u64 {
    probes
        .iter()
        .filter_map(|name| timeline.plan.stack.probes.get(*name))
        .map(error_bound)
        .max()
        .unwrap_or(0)
}

/// Whether all of these probes hold again, since when, and who ended it.
pub(super) fn holding(
    timeline: &Timeline<'_>,
    probes: &[&ProbeName],
    impact: Option<&Interval>,
) -> Holding {
    let intervals = failing(timeline, probes);
    let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else {
        return Holding::NeverFailed;
    };
    let Some(end) = timeline.end else {
        return Holding::Pending;
    };
    let not = |why| Holding::Not { until: end.at, why };
    if matches!(end.how, Close::Interrupted) {
        return not(NotHeld::Interrupted);
    }
    let Some(over) = last.to else {
        return not(NotHeld::Failing);
    };
    let mut start = over;
    // A stretch counts from when the last fault took effect: before that there was more to come.
    if let Some(effective) = timeline.last_effective()
        && start.at.is_before(&effective.at)
    {
        start = effective;
    }
    let stable = timeline.plan.experiment.recovery.stable_for.get();
    if end.at.after(&start) < stable {
        return not(NotHeld::Unstable);
    }
    let since = impact.map_or(first.from, |impact| impact.from);
    let bound = widest_bound(timeline, probes);
    Holding::Again {
        start,
        ended: ended(timeline, since, over, bound).attributed(timeline.attributed),
    }
}

struct Cause {
    moment: Moment,
    by: Ender,
    attested: bool,
    reason: String,
}

/// The latest cause on record that lies after impact and not after the moment it was over. A remedy may come up to the
/// error bound later, because a sample can be answered after it was sent; any other cause may only where nothing else
/// explains it, so that neither a timer nor a quick attestation takes what was not its doing.
fn ended(timeline: &Timeline<'_>, impact: Moment, over: Moment, bound: u64) -> Ended {
    let bound = i64::try_from(bound).unwrap_or(i64::MAX);
    let mut causes = causes(timeline);
    causes.retain(|cause| cause.moment.signed(&impact) >= -bound);
    let latest = |allowed: &dyn Fn(&Cause) -> i64| {
        causes
            .iter()
            .filter(|cause| cause.moment.signed(&over) <= allowed(cause))
            .max_by_key(|cause| cause.moment.order())
    };
    let remedy = |cause: &Cause| !cause.attested && !cause.by.censors();
    let found = latest(&|cause| if remedy(cause) { bound } else { 0 })
        .or_else(|| latest(&|_| bound))
        // What was not our doing is noticed only when it is looked at, which can be after it was over.
        .or_else(|| {
            let noticed = |cause: &&Cause| matches!(cause.by, Ender::Outside | Ender::Stack);
            causes.iter().find(noticed)
        });
    match found {
        Some(cause) => Ended {
            by: cause.by,
            moment: if cause.moment.order() > over.order() {
                Moment {
                    seq: cause.moment.seq,
                    at: over.at,
                }
            } else {
                cause.moment
            },
            reason: cause.reason.clone(),
            attributed: None,
        },
        None if bears_it(timeline, &over) => Ended {
            by: Ender::Stack,
            moment: over,
            reason: "every fault was still on, and no action is on record".into(),
            attributed: None,
        },
        None => Ended {
            by: Ender::Unattributed,
            moment: over,
            reason: "nothing on record precedes it".into(),
            attributed: None,
        },
    }
}

/// Whether every fault was on at that moment and nobody, neither a person nor a rule, acted at any time since the first
/// one: an action attested late may have been done in time.
fn bears_it(timeline: &Timeline<'_>, over: &Moment) -> bool {
    let on = |fault: &FaultSpan<'_>| {
        let ended = fault
            .undo_began
            .map(|(began, _)| began)
            .into_iter()
            .chain(fault.lost);
        fault.effective.order() <= over.order()
            && ended.into_iter().all(|end| end.order() > over.order())
    };
    timeline.faults.iter().all(on) && !timeline.answers().any(is_action)
}

/// Whether an event is somebody's doing something to the stack.
fn is_action(event: &Event) -> bool {
    matches!(
        event.fact,
        Fact::RemedyChosen { .. } | Fact::RemedyDone { .. } | Fact::ActionAttested { .. }
    )
}

/// Who brought back what a fault had taken away, and how: a container that was down and runs again although nobody had
/// acted was restarted or replaced by the stack; anything else was removed by somebody.
fn returned(timeline: &Timeline<'_>, fault: &FaultSpan<'_>, noticed: &Moment) -> (Ender, String) {
    let acted = timeline
        .answers()
        .any(|act| is_action(act) && Moment::from(act).order() <= noticed.order());
    let id = &fault.injection.id;
    match &fault.injection.act {
        Act::Container {
            service, action, ..
        } if !acted && action.ends_it() => (
            Ender::Stack,
            format!("fault {id} no longer held down {service}, and nobody had acted"),
        ),
        _ if fault.lost.is_some() => (Ender::Outside, format!("fault {id} vanished")),
        _ => (
            Ender::Outside,
            format!("fault {id} was gone when it was to be undone"),
        ),
    }
}

fn causes(timeline: &Timeline<'_>) -> Vec<Cause> {
    let mut causes: Vec<Cause> = timeline
        .acts()
        .filter_map(|event| {
            let (by, attested, reason) = match &event.fact {
                Fact::RemedyDone { uses } => {
                    let (by, remedy) = remedy(timeline, uses);
                    (by, false, format!("{remedy} was done"))
                }
                Fact::ActionAttested { text } => {
                    let by = chosen_by(event.origin.kind);
                    (by, true, format!("action attested: {text}"))
                }
                _ => return None,
            };
            Some(Cause {
                moment: event.into(),
                by,
                attested,
                reason,
            })
        })
        .collect();
    for fault in &timeline.faults {
        causes.extend(removals(timeline, fault));
    }
    causes
}

fn chosen_by(kind: ActorKind) -> Ender {
    match kind {
        ActorKind::Human => Ender::Team,
        ActorKind::Automation => Ender::Automation,
        ActorKind::Unknown => Ender::Unattributed,
    }
}

/// Who chose this use of a remedy, and which it is.
fn remedy(timeline: &Timeline<'_>, uses: &InjectionId) -> (Ender, String) {
    match timeline.choice(uses) {
        Some((remedy, kind)) => (chosen_by(kind), format!("remedy `{remedy}`")),
        None => (Ender::Unattributed, format!("a remedy ({uses})")),
    }
}

fn removals(timeline: &Timeline<'_>, fault: &FaultSpan<'_>) -> Vec<Cause> {
    let id = timeline.plan.called(&fault.injection.id);
    let mut causes = Vec::new();
    let mut push = |moment, by, reason| {
        causes.push(Cause {
            moment,
            by,
            attested: false,
            reason,
        });
    };
    if let Some(moment) = fault.lost {
        let (by, reason) = returned(timeline, fault, &moment);
        push(moment, by, reason);
    }
    let Some((began, cause)) = fault.undo_began else {
        return causes;
    };
    let by = match cause {
        UndoCause::Timer => Some((Ender::Timer, "its time was up".to_owned())),
        UndoCause::Remedied { by } => {
            let (by, remedy) = remedy(timeline, by);
            Some((by, format!("{remedy} ended it")))
        }
        UndoCause::Abort => Some((Ender::Abort, "the run was stopped".to_owned())),
        UndoCause::Error | UndoCause::Interrupted => {
            Some((Ender::Abort, "the run broke off".to_owned()))
        }
        UndoCause::Closing | UndoCause::Refused | UndoCause::Lost => None,
    };
    if let Some((by, why)) = by {
        push(began, by, format!("fault {id} was undone: {why}"));
    }
    // What a remedy had already cleared away was not removed by a stranger.
    let ours = matches!(
        cause,
        UndoCause::Remedied { .. } | UndoCause::Refused | UndoCause::Lost | UndoCause::Closing
    );
    if let Some((moment, UndoneBy::Other)) = fault.undone
        && !ours
    {
        let (by, reason) = returned(timeline, fault, &moment);
        push(moment, by, reason);
    }
    causes
}
