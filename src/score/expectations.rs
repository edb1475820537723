//! The runbook's lines, judged: each gets one verdict, what it earned, and a sentence that says why.
//!
//! A line's time is unknown, and so unscored, where the run ended before the line was due. What comes about without
//! any person is seen, but earns nothing: a team that does nothing scores nothing.

mod anchor;
mod cadence;
mod ending;
mod estimates;
mod milestone;

use schemars::JsonSchema;
use serde::Serialize;

use super::measures::Reader;
use super::phrases;
use super::recovery::Holding;
use super::timeline::Moment;
use super::wording;
use crate::engine::event::{ActorKind, Fact, Judgement};
use crate::model::ids::ExpectationId;
use crate::model::runbook::{Anchor, Expectation, Expected, Milestone, Target};
use crate::model::time::{Millis, Stamp};

/// What a line came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LineVerdict")]
pub enum Verdict {
    /// In time.
    Met,
    /// After `within`, before `limit`.
    Late,
    /// Not at all, too late, or not by whom it should have been.
    Missed,
    /// What must not happen happened.
    Violated,
    /// The run ended before it was due: unscored.
    Censored,
    /// Nothing could see it.
    NotObserved,
    /// There was no occasion for it.
    NotApplicable,
    /// The run goes on, and it can still be met.
    Pending,
}

impl Verdict {
    /// As reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Late => "late",
            Self::Missed => "missed",
            Self::Violated => "violated",
            Self::Censored => "censored",
            Self::NotObserved => "not observed",
            Self::NotApplicable => "not applicable",
            Self::Pending => "pending",
        }
    }
}

/// One line of the runbook, judged.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Line {
    /// Which line.
    pub id: ExpectationId,
    /// What it asks for.
    pub target: String,
    /// Its share of the points.
    pub weight: f64,
    /// Whether missing it caps the rating.
    pub critical: bool,
    /// What it came to.
    pub verdict: Verdict,
    /// The points it earned, up to its weight.
    pub credit: f64,
    /// Whether it can earn points: what comes about without a person only costs.
    pub earns: bool,
    /// The time it took, where it was timed.
    pub took_ms: Option<u64>,
    /// When it is due in full credit, where that is known.
    pub due: Option<Stamp>,
    /// Why, for people.
    pub reason: String,
    /// The events behind it.
    pub evidence: Vec<u64>,
}

/// What judging comes to, before weights.
#[derive(Debug, Clone, PartialEq)]
struct Finding {
    verdict: Verdict,
    /// From 0 to 1.
    share: f64,
    earns: bool,
    took_ms: Option<u64>,
    due: Option<Stamp>,
    reason: String,
    evidence: Vec<u64>,
}

impl Finding {
    fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self {
            verdict,
            share: 0.0,
            earns: true,
            took_ms: None,
            due: None,
            reason: reason.into(),
            evidence: Vec::new(),
        }
    }

    fn because(mut self, evidence: impl IntoIterator<Item = u64>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    fn due(mut self, due: Option<Stamp>) -> Self {
        self.due = due;
        self
    }

    /// Seen, but nobody's work.
    fn idle_proof(mut self) -> Self {
        self.earns = false;
        self.share = 0.0;
        self
    }

    fn met(reason: impl Into<String>) -> Self {
        Self {
            share: 1.0,
            ..Self::new(Verdict::Met, reason)
        }
    }
}

/// Judges every line of the runbook, in its order.
pub(super) fn judge(reader: &Reader<'_>, lines: &[Expectation]) -> Vec<Line> {
    lines
        .iter()
        .map(|line| {
            let finding = if reader.timeline.real {
                Finding::new(
                    Verdict::Censored,
                    "a responder said that the incident is real: the drill is not scored",
                )
            } else {
                finding(reader, line)
            };
            Line {
                id: line.id.clone(),
                target: wording::expected(&line.what),
                weight: line.weight,
                critical: line.critical,
                verdict: finding.verdict,
                credit: finding.share * line.weight,
                earns: finding.earns,
                took_ms: finding.took_ms,
                due: finding.due,
                reason: finding.reason,
                evidence: finding.evidence,
            }
        })
        .collect()
}

fn finding(reader: &Reader<'_>, line: &Expectation) -> Finding {
    match &line.what {
        Expected::Event {
            event: event @ (Milestone::Mitigated | Milestone::Recovered),
            by,
            within,
            limit,
            from,
            before,
        } => {
            let holding = match event {
                Milestone::Mitigated => &reader.mitigated,
                _ => &reader.recovered,
            };
            let clock = Clock {
                within: *within,
                limit: *limit,
                from: *from,
            };
            ending::judge(
                reader,
                holding,
                &ending::Asked {
                    what: wording::done(event),
                    not: wording::not_done(event),
                    by: *by,
                    clock,
                    before: before.as_ref(),
                },
            )
        }
        Expected::Event {
            event,
            by,
            within,
            limit,
            from,
            before,
        } => {
            let clock = Clock {
                within: *within,
                limit: *limit,
                from: *from,
            };
            milestone::judge(reader, event, *by, clock, before.as_ref())
        }
        Expected::Cadence {
            every,
            until,
            audience,
            must_have,
        } => cadence::judge(reader, *every, *until, *audience, must_have),
        Expected::MessageContains { phrases } => message(reader, phrases),
        Expected::Estimates {
            hold,
            widest,
            audience,
        } => estimates::judge(reader, *hold, *widest, *audience),
        Expected::Forbid { target } => forbidden(reader, target),
        Expected::Probe {
            probe,
            within,
            limit,
            from,
        } => {
            let holding = reader.probe(probe);
            if holding == Holding::NeverFailed && reader.timeline.end.is_some() {
                return Finding::new(
                    Verdict::NotApplicable,
                    format!("probe `{probe}` never failed"),
                );
            }
            ending::judge(
                reader,
                &holding,
                &ending::Asked {
                    what: format!("probe `{probe}` held again"),
                    not: format!("probe `{probe}` did not hold again"),
                    by: None,
                    clock: Clock {
                        within: Some(*within),
                        limit: *limit,
                        from: Some(*from),
                    },
                    before: None,
                },
            )
        }
        Expected::Manual { .. } => manual(reader, &line.id),
    }
}

/// A line that only people can judge. Where nobody did anything there is nothing to earn.
fn manual(reader: &Reader<'_>, line: &ExpectationId) -> Finding {
    let Some(judged) = reader.timeline.judged(line) else {
        return Finding::new(Verdict::NotObserved, "staff have not judged it yet");
    };
    let reason = format!("staff: {}", judged.reason);
    let finding = match judged.verdict {
        Judgement::Missed => Finding::new(Verdict::Missed, reason),
        Judgement::Met if reader.timeline.idle() => {
            Finding::met(format!("{reason}; nobody acted: it earns nothing")).idle_proof()
        }
        Judgement::Met => Finding::met(reason),
    };
    finding.because([judged.seq])
}

/// When a line is due.
#[derive(Debug, Clone, Copy)]
struct Clock {
    within: Option<Millis>,
    limit: Option<Millis>,
    from: Option<Anchor>,
}

impl Clock {
    /// The last moment that still earns anything, in milliseconds.
    fn last(&self) -> Option<u64> {
        self.limit.or(self.within).map(Millis::get)
    }

    /// Whether it needs a moment to count from.
    fn counts(&self) -> bool {
        self.last().is_some() || self.from.is_some()
    }

    /// The time from the anchor, and the verdict it deserves.
    fn grade(&self, took: u64) -> (Verdict, f64) {
        let within = self.within.or(self.limit).map(Millis::get);
        let Some(within) = within else {
            return (Verdict::Met, 1.0);
        };
        if took <= within {
            return (Verdict::Met, 1.0);
        }
        match self.limit.map(Millis::get) {
            Some(limit) if took < limit => {
                (Verdict::Late, number(limit - took) / number(limit - within))
            }
            _ => (Verdict::Missed, 0.0),
        }
    }

    /// When it is due in full credit.
    fn due_from(&self, anchor: &Moment) -> Option<Stamp> {
        let within = self.within.or(self.limit)?;
        Some(anchor.at.after(within.duration()))
    }
}

/// Milliseconds as a number to divide; exact up to 49 days.
fn number(milliseconds: u64) -> f64 {
    f64::from(u32::try_from(milliseconds).unwrap_or(u32::MAX))
}

/// How a line stands for which nothing was found, counted from its anchor.
fn nothing_found(
    reader: &Reader<'_>,
    anchor: Option<&Moment>,
    clock: &Clock,
    reason: String,
) -> Finding {
    let timeline = reader.timeline;
    let due = anchor.and_then(|anchor| clock.due_from(anchor));
    let past = |until: &Moment| {
        anchor
            .zip(clock.last())
            .map(|(anchor, last)| until.signed(anchor) >= i64::try_from(last).unwrap_or(i64::MAX))
    };
    match timeline.end {
        None if past(&timeline.last) == Some(true) => Finding::new(Verdict::Missed, reason),
        None => Finding::new(Verdict::Pending, format!("{reason} yet")),
        Some(end) => match past(&end.at) {
            Some(false) => Finding::new(
                Verdict::Censored,
                format!("{reason}, but {} before it was due", end.sentence()),
            ),
            None if end.cut_short() => Finding::new(
                Verdict::Censored,
                format!("{reason} before {}", end.sentence()),
            ),
            Some(true) | None => Finding::new(Verdict::Missed, reason),
        },
    }
    .due(due)
}

/// At least one update holds a phrase of every set.
fn message(reader: &Reader<'_>, phrases: &[crate::model::runbook::PhraseSet]) -> Finding {
    let names: Vec<_> = phrases
        .iter()
        .map(|set| wording::phrase_set(*set))
        .collect();
    let names = names.join(" and ");
    let mut nearest: Option<(Vec<&str>, u64)> = None;
    let mut by_machine = None;
    for act in reader.timeline.answers() {
        let Fact::UpdatePosted { update } = &act.fact else {
            continue;
        };
        let lacking: Vec<_> = phrases
            .iter()
            .filter(|set| !phrases::says(&update.text, **set))
            .map(|set| wording::phrase_set(*set))
            .collect();
        if lacking.is_empty() {
            let found = Finding::met(format!("an update says {names}")).because([act.seq]);
            if act.origin.kind == ActorKind::Human {
                return found;
            }
            by_machine.get_or_insert(found.idle_proof());
        } else if nearest
            .as_ref()
            .is_none_or(|(least, _)| lacking.len() < least.len())
        {
            nearest = Some((lacking, act.seq));
        }
    }
    if let Some(mut found) = by_machine {
        found
            .reason
            .push_str(", posted by a machine: it earns nothing");
        return found;
    }
    let reason = match &nearest {
        Some((lacking, _)) => format!(
            "no update says {names}: the nearest lacks {}",
            lacking.join(" and ")
        ),
        None => "no update was posted".to_owned(),
    };
    if reader.timeline.end.is_some() && reader.impact.is_none() && nearest.is_none() {
        return Finding::new(Verdict::NotApplicable, "no impact was observed");
    }
    let clock = Clock {
        within: None,
        limit: None,
        from: None,
    };
    nothing_found(reader, None, &clock, reason).because(nearest.map(|(_, seq)| seq))
}

fn forbidden(reader: &Reader<'_>, target: &Target) -> Finding {
    let decoy = reader.timeline.plan.decoy().is_some();
    if decoy && *target == Target::Anchor(Anchor::Dismissed) {
        return match reader.timeline.end {
            None => Finding::new(
                Verdict::Pending,
                "whether it was right comes out at the end",
            ),
            Some(_) => Finding::new(
                Verdict::NotApplicable,
                "nothing was broken: to say so is right",
            ),
        };
    }
    let happened = anchor::target(reader, target);
    let name = wording::target(target);
    match (happened, reader.timeline.end) {
        (Some(moment), _) => {
            let since = reader.impact_moment().map_or(String::new(), |impact| {
                let after = wording::span(moment.after(&impact));
                format!(", {after} after impact")
            });
            Finding::new(Verdict::Violated, format!("{name} happened{since}"))
                .because([moment.seq])
                .idle_proof()
        }
        (None, None) => {
            Finding::new(Verdict::Pending, format!("{name} has not happened")).idle_proof()
        }
        (None, Some(_)) => {
            Finding::met(format!("{name} did not happen; it earns nothing")).idle_proof()
        }
    }
}
