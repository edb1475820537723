//! The moments that times count from, and what their absence means: that the team did not act, or that there was no
//! occasion.

use super::{Finding, Verdict};
use crate::engine::event::{ActorKind, Fact};
use crate::model::runbook::{Anchor, Target};
use crate::score::measures::Reader;
use crate::score::recovery::Holding;
use crate::score::timeline::Moment;
use crate::score::wording;

/// When a moment was, if it was.
pub(super) fn moment(reader: &Reader<'_>, anchor: Anchor) -> Option<Moment> {
    let timeline = reader.timeline;
    let act = |wanted: &dyn Fn(&Fact, ActorKind) -> bool| {
        timeline
            .answers()
            .find(|act| wanted(&act.fact, act.origin.kind))
            .map(Moment::from)
    };
    let again = |holding: &Holding| match holding {
        Holding::Again { start, .. } => Some(*start),
        _ => None,
    };
    match anchor {
        Anchor::FaultEffective => timeline.first_effective(),
        Anchor::ImpactObserved => reader.impact_moment(),
        Anchor::Detected => reader.detected().map(|signal| signal.moment),
        Anchor::Alerted => timeline.alerted(),
        Anchor::Paged => reader.paged().map(|signal| signal.moment),
        Anchor::Acknowledged => {
            act(&|fact, kind| matches!(fact, Fact::Acknowledged) && kind == ActorKind::Human)
        }
        Anchor::Declared => act(&|fact, _| matches!(fact, Fact::Declared { .. })),
        Anchor::Escalated => act(&|fact, _| matches!(fact, Fact::Escalated { .. })),
        Anchor::Dismissed => {
            act(&|fact, kind| matches!(fact, Fact::Dismissed { .. }) && kind == ActorKind::Human)
        }
        Anchor::Mitigated => again(&reader.mitigated),
        Anchor::Recovered => again(&reader.recovered),
        Anchor::Resolved => act(&|fact, _| matches!(fact, Fact::Resolved)),
    }
}

/// When a line's target was, if it was.
pub(super) fn target(reader: &Reader<'_>, target: &Target) -> Option<Moment> {
    match target {
        Target::Anchor(anchor) => moment(reader, *anchor),
        Target::Remedy(wanted) => reader
            .timeline
            .acts()
            .find(|act| matches!(&act.fact, Fact::RemedyChosen { remedy, .. } if remedy == wanted))
            .map(Moment::from),
    }
}

/// What a line comes to whose anchor never was.
pub(super) fn absent(reader: &Reader<'_>, anchor: Anchor) -> Finding {
    let reason = wording::never(anchor);
    let Some(end) = reader.timeline.end else {
        return Finding::new(Verdict::Pending, format!("{reason} yet"));
    };
    if reader.impact.is_none() && !matches!(anchor, Anchor::FaultEffective | Anchor::Alerted) {
        return Finding::new(
            Verdict::NotApplicable,
            wording::never(Anchor::ImpactObserved),
        );
    }
    if matches!(anchor, Anchor::Paged)
        && let Some(deaf) = reader.timeline.deaf(&reader.pagers())
    {
        return Finding::new(Verdict::NotObserved, format!("{reason}, and {deaf}"));
    }
    let by_nature = match anchor {
        Anchor::FaultEffective | Anchor::ImpactObserved | Anchor::Alerted | Anchor::Paged => true,
        Anchor::Acknowledged => reader.paged().is_none(),
        Anchor::Mitigated => reader.mitigated == Holding::NeverFailed,
        Anchor::Recovered => reader.recovered == Holding::NeverFailed,
        Anchor::Detected
        | Anchor::Declared
        | Anchor::Escalated
        | Anchor::Dismissed
        | Anchor::Resolved => false,
    };
    if by_nature {
        Finding::new(Verdict::NotApplicable, reason)
    } else if end.cut_short() {
        Finding::new(
            Verdict::Censored,
            format!("{reason} before {}", end.sentence()),
        )
    } else {
        Finding::new(
            Verdict::Missed,
            format!("{reason}, so there was nothing to count from"),
        )
    }
}
