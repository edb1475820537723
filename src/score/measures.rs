//! The four times of one run, each with both endpoints, its error bound, and whether and why it is censored.
//!
//! A value is a plain number only where both endpoints are on record on one clock. Everything else says what it is:
//! at least so long (censored), not yet (pending), or nothing to measure (not applicable).

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::detection::{self, Signal};
use super::recovery::{self, Ended, Holding, Interval, NotHeld};
use super::timeline::{Close, End, Moment, Timeline};
use crate::engine::event::{ActorKind, Fact};
use crate::model::ids::ProbeName;
use crate::model::signal::Sender;
use crate::model::time::Stamp;

/// One end of a measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Endpoint {
    /// What it is.
    pub what: String,
    /// When it was, and the event behind it.
    #[serde(flatten)]
    pub moment: Moment,
}

/// Why a time is only known to be at least so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Censoring {
    /// The fault's time was up.
    Timer,
    /// The run was stopped.
    Abort,
    /// Somebody else removed the fault.
    Outside,
    /// Observation ended first.
    ObservationEnded,
    /// They held at the end, but not for long enough.
    Unstable,
    /// The process that ran it died.
    Interrupted,
}

/// What a measure came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Reading {
    /// Both ends are known.
    Measured {
        /// The time in between.
        value_ms: u64,
    },
    /// The second end was never seen.
    Censored {
        /// It took at least so long.
        at_least_ms: u64,
        /// Why it was not seen.
        because: Censoring,
    },
    /// The run goes on.
    Pending,
    /// There is nothing to measure.
    NotApplicable,
}

/// What a machine's time to detect is made of, to the sender's clock and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Delays {
    /// The tool that sent the signal.
    pub sender: Sender,
    /// From impact until the tool's rule fired; negative where the clocks differ by more than it took.
    pub rule_ms: i64,
    /// From then until the signal was received.
    pub delivery_ms: i64,
}

/// One time of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Measure {
    /// Where it counts from.
    pub from: Option<Endpoint>,
    /// Where it counts to.
    pub to: Option<Endpoint>,
    /// What it came to.
    #[serde(flatten)]
    pub reading: Reading,
    /// How far it can be wrong.
    pub error_bound_ms: u64,
    /// How it came about.
    pub reason: String,
    /// Its parts, of a machine's detection after impact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delays: Option<Delays>,
}

impl Measure {
    fn absent(reading: Reading, reason: impl Into<String>) -> Self {
        Self {
            from: None,
            to: None,
            reading,
            error_bound_ms: 0,
            reason: reason.into(),
            delays: None,
        }
    }

    /// The time, where both ends are known.
    pub fn value_ms(&self) -> Option<u64> {
        match self.reading {
            Reading::Measured { value_ms } => Some(value_ms),
            _ => None,
        }
    }
}

/// When users were first hurt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Impact {
    /// The impact probe that showed it.
    pub probe: ProbeName,
    /// The send time of the streak's first failing sample, or of the fault where that is later.
    #[serde(flatten)]
    pub moment: Moment,
    /// The send time of the last good sample: users were hurt after this.
    pub last_good: Option<Stamp>,
}

/// Everything measured in one run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Measures {
    /// When the first fault was sent.
    pub fault_sent: Option<Moment>,
    /// When the first fault was read back.
    pub fault_effective: Option<Moment>,
    /// When users were first hurt.
    pub impact: Option<Impact>,
    /// All stretches in which users were hurt.
    pub impact_intervals: Vec<Interval>,
    /// Stretches in which steady state held again and was lost again.
    pub remissions: Vec<Interval>,
    /// Alerts that fired and people's reports, judged.
    pub signals: Vec<Signal>,
    /// TTD: impact to the first detection.
    pub time_to_detect: Measure,
    /// TTD by machines.
    pub time_to_detect_machine: Measure,
    /// TTD by people.
    pub time_to_detect_human: Measure,
    /// TTA: first page to the first human acknowledgement.
    pub time_to_acknowledge: Measure,
    /// TTM: impact to impact probes holding again.
    pub time_to_mitigate: Measure,
    /// TTR: impact to all of steady state holding again.
    pub time_to_recover: Measure,
    /// Who ended the impact.
    pub mitigation: Option<Ended>,
    /// Who brought all of steady state back.
    pub recovery: Option<Ended>,
}

/// A timeline with what the measures and the runbook's lines are both read from.
pub(super) struct Reader<'a> {
    pub(super) timeline: &'a Timeline<'a>,
    pub(super) impact: Option<Impact>,
    pub(super) signals: Vec<Signal>,
    pub(super) mitigated: Holding,
    pub(super) recovered: Holding,
    impact_intervals: Vec<Interval>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(timeline: &'a Timeline<'a>) -> Self {
        let impact_probes = impact_probes(timeline);
        let impact_intervals = recovery::failing(timeline, &impact_probes);
        let first = impact_intervals.first();
        Self {
            impact: first.and_then(|interval| impact(timeline, &impact_probes, interval)),
            signals: detection::signals(timeline),
            mitigated: recovery::holding(timeline, &impact_probes, first),
            recovered: recovery::holding(timeline, &all_probes(timeline), first),
            timeline,
            impact_intervals,
        }
    }

    /// When users were first hurt.
    pub(super) fn impact_moment(&self) -> Option<Moment> {
        self.impact.as_ref().map(|impact| impact.moment)
    }

    /// How one probe stands at the end.
    pub(super) fn probe(&self, probe: &ProbeName) -> Holding {
        recovery::holding(self.timeline, &[probe], self.impact_intervals.first())
    }

    /// The first page: the pager's own signal where the drill has one, else the first qualifying alert.
    pub(super) fn paged(&self) -> Option<&Signal> {
        let pager = self.timeline.plan.monitors().contains(&Sender::Pagerduty);
        self.signals.iter().find(|signal| {
            let pages = !pager || signal.sender == Some(Sender::Pagerduty);
            signal.qualifies() && signal.alert && pages
        })
    }

    /// The tools that could have paged.
    pub(super) fn pagers(&self) -> BTreeSet<Sender> {
        let monitors = self.timeline.plan.monitors();
        if monitors.contains(&Sender::Pagerduty) {
            [Sender::Pagerduty].into()
        } else {
            monitors
        }
    }

    /// The first qualifying detection.
    pub(super) fn detected(&self) -> Option<&Signal> {
        self.signals.iter().find(|signal| signal.qualifies())
    }

    pub(super) fn measures(&self) -> Measures {
        let all = recovery::failing(self.timeline, &all_probes(self.timeline));
        let by = |kind| {
            self.signals
                .iter()
                .find(|signal| signal.qualifies() && signal.by == kind)
        };
        Measures {
            fault_sent: self.timeline.first_sent(),
            fault_effective: self.timeline.first_effective(),
            impact: self.impact.clone(),
            impact_intervals: self.impact_intervals.clone(),
            remissions: remissions(&all, &self.recovered),
            signals: self.signals.clone(),
            time_to_detect: self.time_to_detect(self.detected()),
            time_to_detect_machine: self.time_to_detect(by(ActorKind::Automation)),
            time_to_detect_human: self.time_to_detect(by(ActorKind::Human)),
            time_to_acknowledge: self.time_to_acknowledge(),
            time_to_mitigate: self.time_to(
                &self.mitigated,
                &impact_probes(self.timeline),
                "impact probes hold again",
            ),
            time_to_recover: self.time_to(
                &self.recovered,
                &all_probes(self.timeline),
                "all of steady state holds again",
            ),
            mitigation: who(&self.mitigated),
            recovery: who(&self.recovered),
        }
    }

    fn time_to_detect(&self, signal: Option<&Signal>) -> Measure {
        let Some(impact) = &self.impact else {
            return self.without_impact();
        };
        let to = signal.map(|signal| Endpoint {
            what: signal.text.clone(),
            moment: signal.moment,
        });
        let early = to
            .as_ref()
            .is_some_and(|to| to.moment.signed(&impact.moment) < 0);
        let mut measure = self.between(
            impact_endpoint(impact),
            to,
            self.bound(&[&impact.probe]),
            "not detected",
        );
        if early {
            measure.reason = "detected before users were hurt".into();
        } else {
            measure.delays = signal.and_then(|signal| delays(signal, &impact.moment));
        }
        measure
    }

    fn time_to_acknowledge(&self) -> Measure {
        let Some(page) = self.paged() else {
            return match self.timeline.end {
                Some(_) => Measure::absent(Reading::NotApplicable, "nobody was paged"),
                None => Measure::absent(Reading::Pending, "nobody has been paged yet"),
            };
        };
        let acknowledged = self.timeline.answers().find(|act| {
            act.origin.kind == ActorKind::Human && matches!(act.fact, Fact::Acknowledged)
        });
        let from = Endpoint {
            what: format!("first page: {}", page.text),
            moment: page.moment,
        };
        let to = acknowledged.map(|act| Endpoint {
            what: "acknowledged by a person".into(),
            moment: act.into(),
        });
        self.between(from, to, 0, "not acknowledged")
    }

    fn time_to(&self, holding: &Holding, probes: &[&ProbeName], what: &str) -> Measure {
        let Some(impact) = &self.impact else {
            return self.without_impact();
        };
        let mut measure = Measure {
            from: Some(impact_endpoint(impact)),
            to: None,
            reading: Reading::Pending,
            error_bound_ms: self.bound(probes),
            reason: "the run goes on".into(),
            delays: None,
        };
        match holding {
            Holding::NeverFailed => {
                measure.reading = Reading::NotApplicable;
                measure.reason = "none of them ever failed".into();
            }
            Holding::Pending => {}
            Holding::Again { start, ended } => {
                measure.to = Some(Endpoint {
                    what: what.to_owned(),
                    moment: *start,
                });
                measure.reason = format!("ended by {}: {}", ended.by.as_str(), ended.reason);
                measure.reading = match censoring(ended.by) {
                    Some(because) => Reading::Censored {
                        at_least_ms: ended.moment.after(&impact.moment),
                        because,
                    },
                    None => Reading::Measured {
                        value_ms: start.after(&impact.moment),
                    },
                };
            }
            Holding::Not { until, why } => {
                let because = match (why, self.timeline.end.map(|end| end.how)) {
                    (NotHeld::Interrupted, _) => Censoring::Interrupted,
                    (_, Some(Close::Stopped(_) | Close::Over)) => Censoring::Abort,
                    (NotHeld::Unstable, _) => Censoring::Unstable,
                    (NotHeld::Failing, _) => Censoring::ObservationEnded,
                };
                measure.reading = Reading::Censored {
                    at_least_ms: until.after(&impact.moment),
                    because,
                };
                measure.reason = self.never(match why {
                    NotHeld::Unstable => "they held at the end, but not for long enough",
                    NotHeld::Failing | NotHeld::Interrupted => "they did not hold again",
                });
            }
        }
        measure
    }

    fn between(
        &self,
        from: Endpoint,
        to: Option<Endpoint>,
        error_bound_ms: u64,
        never: &str,
    ) -> Measure {
        let (reading, reason) = match (&to, self.timeline.end) {
            (Some(to), _) => (
                Reading::Measured {
                    value_ms: to.moment.after(&from.moment),
                },
                to.what.clone(),
            ),
            (None, None) => (Reading::Pending, format!("{never} yet")),
            (None, Some(end)) => (
                Reading::Censored {
                    at_least_ms: end.at.after(&from.moment),
                    because: cut(&end),
                },
                self.never(never),
            ),
        };
        Measure {
            from: Some(from),
            to,
            reading,
            error_bound_ms,
            reason,
            delays: None,
        }
    }

    fn never(&self, what: &str) -> String {
        let end = self
            .timeline
            .end
            .map_or("the run goes on", |e| e.sentence());
        format!("{what} until {end}")
    }

    fn without_impact(&self) -> Measure {
        match self.timeline.end {
            Some(_) => Measure::absent(Reading::NotApplicable, "no impact was observed"),
            None => Measure::absent(Reading::Pending, "no impact yet"),
        }
    }

    fn bound(&self, probes: &[&ProbeName]) -> u64 {
        recovery::widest_bound(self.timeline, probes)
    }
}

/// How long the rule took, and the way here: by wall clocks, since the tool has no other.
fn delays(signal: &Signal, impact: &Moment) -> Option<Delays> {
    let fired = signal.fired?;
    let between = |from: jiff::Timestamp, to: jiff::Timestamp| {
        i64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
    };
    Some(Delays {
        sender: signal.sender?,
        rule_ms: between(impact.at.wall, fired),
        delivery_ms: between(fired, signal.moment.at.wall),
    })
}

fn impact_endpoint(impact: &Impact) -> Endpoint {
    Endpoint {
        what: format!("impact observed by {}", impact.probe),
        moment: impact.moment,
    }
}

fn who(holding: &Holding) -> Option<Ended> {
    match holding {
        Holding::Again { ended, .. } => Some(ended.clone()),
        _ => None,
    }
}

fn cut(end: &End<'_>) -> Censoring {
    match end.how {
        Close::Observed => Censoring::ObservationEnded,
        Close::Stopped(_) | Close::Over => Censoring::Abort,
        Close::Interrupted => Censoring::Interrupted,
    }
}

pub(super) fn censoring(by: recovery::Ender) -> Option<Censoring> {
    use recovery::Ender;
    match by {
        Ender::Timer => Some(Censoring::Timer),
        Ender::Abort => Some(Censoring::Abort),
        Ender::Outside => Some(Censoring::Outside),
        Ender::Team | Ender::Automation | Ender::Stack | Ender::Unattributed => None,
    }
}

/// The probes whose failure means that users are hurt.
pub(super) fn impact_probes<'a>(timeline: &Timeline<'a>) -> Vec<&'a ProbeName> {
    let probes = timeline.plan.stack.probes.iter();
    probes
        .filter(|(_, probe)| probe.impact)
        .map(|(name, _)| name)
        .collect()
}

/// Steady state, and impact probes with it: nothing has recovered while users are hurt.
pub(super) fn all_probes<'a>(timeline: &Timeline<'a>) -> Vec<&'a ProbeName> {
    let mut probes = impact_probes(timeline);
    for tolerance in &timeline.plan.experiment.steady_state {
        if !probes.contains(&&tolerance.probe) {
            probes.push(&tolerance.probe);
        }
    }
    probes
}

/// Which of the impact probes opened the first interval, and when it was last seen well.
fn impact(timeline: &Timeline<'_>, probes: &[&ProbeName], interval: &Interval) -> Option<Impact> {
    let (probe, turn) = probes.iter().find_map(|probe| {
        let turns = timeline.turns(probe).iter();
        let mut opening = turns.filter(|turn| turn.first.seq == interval.from.seq);
        Some((*probe, opening.next_back()?))
    })?;
    Some(Impact {
        probe: probe.clone(),
        moment: interval.from,
        last_good: turn.previous,
    })
}

/// The gaps between stretches of failure, but for the one that lasts to the end.
fn remissions(failing: &[Interval], holding: &Holding) -> Vec<Interval> {
    let mut gaps: Vec<_> = failing
        .windows(2)
        .filter_map(|pair| {
            Some(Interval {
                from: pair[0].to?,
                to: Some(pair[1].from),
            })
        })
        .collect();
    if let (
        Holding::Not {
            until,
            why: NotHeld::Unstable,
        },
        Some(last),
    ) = (holding, failing.last())
        && let Some(from) = last.to
    {
        gaps.push(Interval {
            from,
            to: Some(*until),
        });
    }
    gaps
}
