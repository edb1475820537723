//! Lines that wait for something somebody does: detected, acknowledged, declared, an update posted and their like.

use super::{Clock, Finding, Verdict, anchor, nothing_found};
use crate::engine::event::{ActorKind, Event, Fact};
use crate::model::runbook::{Anchor, By, Milestone, Target};
use crate::score::detection;
use crate::score::measures::Reader;
use crate::score::recovery::error_bound;
use crate::score::timeline::Moment;
use crate::score::wording;
use crate::score::wording::Tell;

pub(super) fn judge(
    reader: &Reader<'_>,
    event: &Milestone,
    by: Option<By>,
    clock: Clock,
    before: Option<&Target>,
) -> Finding {
    if let Some(finding) = unseen(reader, event, by) {
        return finding;
    }
    if let Some(finding) = pointless(reader, event) {
        return finding;
    }
    let from = clock.from.unwrap_or(Anchor::ImpactObserved);
    let since = if clock.counts() {
        let Some(moment) = anchor::moment(reader, from) else {
            return anchor::absent(reader, from);
        };
        Some(moment)
    } else {
        None
    };
    let after = since.filter(|_| is_an_end(from)).map(|end| {
        let tolerance = tolerance(reader);
        (end, i64::try_from(tolerance).unwrap_or(i64::MAX))
    });
    let candidates = candidates(reader, event, by);
    let found = candidates
        .iter()
        .find(|(moment, _)| after.is_none_or(|(end, tolerance)| moment.signed(&end) >= -tolerance));
    let first = before.and_then(|target| anchor::target(reader, target));
    let what = wording::done(event);
    let Some((moment, kind)) = found else {
        return absent(
            reader,
            event,
            candidates.first(),
            since,
            &clock,
            first.zip(before),
        );
    };
    let (took, mut reason) = match &since {
        Some(anchor) => timed(&what, moment, anchor, from),
        None => (None, what),
    };
    let (verdict, share) = clock.grade(took.unwrap_or(0));
    let mut finding = Finding::new(verdict, "");
    finding.share = share;
    finding.took_ms = took;
    finding.due = since.and_then(|anchor| clock.due_from(&anchor));
    finding.evidence.push(moment.seq);
    if clock.last().is_some() {
        reason.tell(format_args!(
            "; {}",
            wording::due(clock.within, clock.limit)
        ));
    }
    if let Some((target, first)) = before.zip(first) {
        let name = wording::target(target);
        finding.evidence.push(first.seq);
        if moment.order() < first.order() {
            reason.tell(format_args!("; before {name}"));
        } else {
            let late = wording::span(moment.after(&first));
            reason.tell(format_args!("; {late} after {name}, not before it"));
            finding.verdict = Verdict::Missed;
            finding.share = 0.0;
        }
    }
    if *kind != ActorKind::Human && matches!(finding.verdict, Verdict::Met | Verdict::Late) {
        reason.push_str("; not a person's doing: it earns nothing");
        finding = finding.idle_proof();
    }
    finding.reason = reason;
    finding
}

fn timed(what: &str, moment: &Moment, anchor: &Moment, from: Anchor) -> (Option<u64>, String) {
    let name = wording::anchor(from);
    if moment.signed(anchor) < 0 {
        return (Some(0), format!("{what} before {name}"));
    }
    let took = moment.after(anchor);
    (
        Some(took),
        format!("{what} {} after {name}", wording::span(took)),
    )
}

/// A line that nothing in this drill could see.
fn unseen(reader: &Reader<'_>, event: &Milestone, by: Option<By>) -> Option<Finding> {
    if *event != Milestone::Detected {
        return None;
    }
    let reason = match by {
        Some(By::Human | By::Team) if !detection::counts_people(reader.timeline) => {
            "the drill's `detection` does not list `human`"
        }
        Some(By::Automation) if !detection::counts_machines(reader.timeline) => {
            "the drill's `detection` lists no alerts"
        }
        // What came all the same was seen.
        Some(By::Automation)
            if !reader
                .signals
                .iter()
                .any(|signal| signal.qualifies() && signal.alert) =>
        {
            let monitors = reader.timeline.plan.monitors();
            let reason = reader.timeline.deaf(&monitors)?;
            return Some(Finding::new(Verdict::NotObserved, reason));
        }
        _ => return None,
    };
    Some(Finding::new(Verdict::NotObserved, reason))
}

/// To dismiss what is really broken is never right; whether it is comes out at the end.
fn pointless(reader: &Reader<'_>, event: &Milestone) -> Option<Finding> {
    if *event != Milestone::Dismissed || reader.timeline.plan.decoy().is_some() {
        return None;
    }
    Some(match reader.timeline.end {
        None => Finding::new(Verdict::Pending, wording::not_done(event)),
        Some(_) => Finding::new(
            Verdict::NotApplicable,
            "something was broken: there was nothing to dismiss",
        ),
    })
}

/// Over is what must come first: an all-clear from before recovery is no all-clear.
fn is_an_end(anchor: Anchor) -> bool {
    matches!(
        anchor,
        Anchor::Mitigated | Anchor::Recovered | Anchor::Resolved
    )
}

fn tolerance(reader: &Reader<'_>) -> u64 {
    let probes = reader.timeline.plan.stack.probes.values();
    probes.map(error_bound).max().unwrap_or(0)
}

/// Everything that answers the line, but for its time.
fn candidates(reader: &Reader<'_>, event: &Milestone, by: Option<By>) -> Vec<(Moment, ActorKind)> {
    let fits = |kind: ActorKind| match by {
        None => true,
        Some(By::Human | By::Team) => kind == ActorKind::Human,
        Some(By::Automation) => kind == ActorKind::Automation,
    };
    if *event == Milestone::Detected {
        let signals = reader.signals.iter();
        return signals
            .filter(|signal| signal.qualifies() && fits(signal.by))
            .map(|signal| (signal.moment, signal.by))
            .collect();
    }
    // A role taken before anything broke is taken all the same.
    let acts: Vec<&Event> = match event {
        Milestone::RoleAssigned(_) => reader.timeline.acts().collect(),
        _ => reader.timeline.answers().collect(),
    };
    acts.into_iter()
        .filter(|act| {
            fits(act.origin.kind)
                && answers(event, &act.fact, |channel| {
                    reader.timeline.reached(act, channel)
                })
        })
        .map(|act| (act.into(), act.origin.kind))
        .collect()
}

fn answers(event: &Milestone, fact: &Fact, reached: impl Fn(&str) -> bool) -> bool {
    match (event, fact) {
        (Milestone::Acknowledged, Fact::Acknowledged)
        | (Milestone::Declared, Fact::Declared { .. })
        | (Milestone::Dismissed, Fact::Dismissed { .. })
        | (Milestone::Resolved, Fact::Resolved) => true,
        (Milestone::Escalated { to: wanted }, Fact::Escalated { to, .. }) => {
            wanted.as_ref().is_none_or(|wanted| to.contains(wanted))
        }
        (Milestone::RoleAssigned(wanted), Fact::RoleTaken { role, .. }) => wanted == role,
        (Milestone::CauseNamed(wanted), Fact::CauseNamed { cause }) => wanted == cause,
        (Milestone::RemedyChosen(wanted), Fact::RemedyChosen { remedy, .. }) => wanted == remedy,
        (
            Milestone::Update {
                audience,
                channels,
                must_have,
            },
            Fact::UpdatePosted { update },
        ) => {
            audience.is_none_or(|audience| update.audience == audience)
                && (channels.is_empty()
                    || channels
                        .iter()
                        .any(|c| update.channels.contains(c) && reached(c)))
                && must_have.iter().all(|part| update.has(*part))
        }
        _ => false,
    }
}

fn absent(
    reader: &Reader<'_>,
    event: &Milestone,
    premature: Option<&(Moment, ActorKind)>,
    since: Option<Moment>,
    clock: &Clock,
    first: Option<(Moment, &Target)>,
) -> Finding {
    let what = wording::done(event);
    let mut reason = wording::not_done(event);
    if let Some(from) = clock.from.filter(|_| premature.is_some()) {
        reason = format!("{what} only before {}", wording::anchor(from));
    }
    let mut near: Vec<u64> = premature
        .map(|(moment, _)| moment.seq)
        .into_iter()
        .collect();
    let misses = near_misses(reader, event);
    if let Some((seqs, why)) = misses {
        reason.tell(format_args!(" ({why})"));
        near.extend(seqs);
    }
    if let Some((first, target)) = first {
        let reason = format!("{reason} before {}", wording::target(target));
        return Finding::new(Verdict::Missed, reason).because([first.seq]);
    }
    nothing_found(reader, since.as_ref(), clock, reason).because(near)
}

/// What came close, so that the reader learns why it did not count.
fn near_misses(reader: &Reader<'_>, event: &Milestone) -> Option<(Vec<u64>, String)> {
    match event {
        Milestone::Detected => {
            let misses: Vec<_> = reader
                .signals
                .iter()
                .filter(|signal| !signal.qualifies())
                .collect();
            let first = misses.first()?;
            let why = match first.class {
                detection::Class::PreExisting => "is from before the fault",
                detection::Class::FalseAlarm => "is a false alarm: no fault reaches that service",
                _ => "is not what the drill counts as a detection",
            };
            let seqs = misses.iter().map(|signal| signal.moment.seq).collect();
            Some((seqs, format!("{} {why}", first.text)))
        }
        Milestone::Escalated { .. } => {
            let mut others = reader.timeline.answers().filter_map(|act| match &act.fact {
                Fact::Escalated { to, .. } => Some((act, to.join(", "))),
                _ => None,
            });
            let (act, whom) = others.next()?;
            let by = match act.origin.kind {
                ActorKind::Human => "a person called",
                _ => "the chain called",
            };
            Some((vec![act.seq], format!("{by} {whom}")))
        }
        Milestone::CauseNamed(_) => {
            let wrong: Vec<_> = reader
                .timeline
                .answers()
                .filter_map(|act| match &act.fact {
                    Fact::CauseNamed { cause } => Some((act.seq, cause.as_str())),
                    _ => None,
                })
                .collect();
            let (_, first) = wrong.first()?;
            let seqs = wrong.iter().map(|(seq, _)| *seq).collect();
            Some((seqs, format!("`{first}` was named instead")))
        }
        Milestone::Update { channels, .. } => {
            let mut lost = reader.timeline.deliveries.iter().filter(|delivery| {
                delivery.failed.is_some() && channels.iter().any(|c| c == delivery.channel.as_str())
            });
            let first = lost.next()?;
            let why = first.failed.unwrap_or_default();
            let told = format!("a message to `{}` was not delivered: {why}", first.channel);
            Some((vec![first.due.seq], told))
        }
        _ => None,
    }
}
