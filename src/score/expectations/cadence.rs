//! Lines that ask for updates at a steady pace, from the first one until something.

use super::{Finding, Verdict, anchor};
use crate::engine::event::{ActorKind, Event, Fact, Update};
use crate::model::runbook::{Anchor, Audience, UpdatePart};
use crate::model::time::Millis;
use crate::score::measures::Reader;
use crate::score::timeline::Moment;
use crate::score::wording;
use crate::score::wording::Tell;

pub(super) fn judge(
    reader: &Reader<'_>,
    every: Millis,
    until: Anchor,
    audience: Option<Audience>,
    must_have: &[UpdatePart],
) -> Finding {
    let timeline = reader.timeline;
    let stop = anchor::moment(reader, until);
    let posted: Vec<(&Event, &Update)> = timeline
        .answers()
        .filter_map(|act| match &act.fact {
            Fact::UpdatePosted { update } => Some((act, update)),
            _ => None,
        })
        .filter(|(act, update)| {
            audience.is_none_or(|audience| update.audience == audience)
                && stop.is_none_or(|stop| Moment::from(*act).order() <= stop.order())
        })
        .collect();
    let Some(((first, _), (last, _))) = posted.first().zip(posted.last()) else {
        return none(reader, until, stop.is_some());
    };
    let end = stop.or(timeline.end.map(|end| end.at));
    let seqs: Vec<u64> = posted.iter().map(|(act, _)| act.seq).collect();
    let mut moments: Vec<Moment> = posted.iter().map(|(act, _)| (*act).into()).collect();
    moments.push(end.unwrap_or(timeline.last));
    let longest = moments
        .windows(2)
        .map(|pair| pair[1].after(&pair[0]))
        .max()
        .unwrap_or(0);
    let mut reason = format!(
        "{} until {}, longest gap {}; due every {}",
        count(posted.len()),
        match (stop, timeline.end) {
            (Some(_), _) => wording::anchor(until),
            (None, Some(_)) => "the end of the run",
            (None, None) => "now",
        },
        wording::span(longest),
        wording::span(every.get())
    );
    let lacking: Vec<String> = posted
        .iter()
        .filter_map(|(act, update)| {
            let parts: Vec<_> = must_have
                .iter()
                .copied()
                .filter(|p| !update.has(*p))
                .collect();
            let at = wording::span(Moment::from(*act).after(&first_moment(reader)));
            (!parts.is_empty()).then(|| format!("the one at {at} lacks {}", wording::parts(&parts)))
        })
        .collect();
    for lack in &lacking {
        reason.tell(format_args!("; {lack}"));
    }
    let seen = end.map_or(0, |end| end.after(&(*first).into()));
    let cut_short = stop.is_none() && timeline.end.is_some_and(|end| end.cut_short());
    let verdict = if !lacking.is_empty() || longest > every.get() {
        Verdict::Missed
    } else if end.is_none() {
        Verdict::Pending
    } else if cut_short && seen < every.get() {
        reason.push_str("; the run ended before the next was due");
        Verdict::Censored
    } else {
        Verdict::Met
    };
    let mut finding = Finding::new(verdict, reason).because(seqs);
    if verdict == Verdict::Pending {
        finding.due = Some(last.at.after(every.duration()));
    }
    if verdict == Verdict::Met {
        finding.share = 1.0;
        if !posted
            .iter()
            .any(|(act, _)| act.origin.kind == ActorKind::Human)
        {
            finding
                .reason
                .push_str("; not a person's doing: it earns nothing");
            finding = finding.idle_proof();
        }
    }
    finding
}

fn count(updates: usize) -> String {
    match updates {
        1 => "1 update".into(),
        many => format!("{many} updates"),
    }
}

/// Times within a run are told from its first impact, else from its beginning.
fn first_moment(reader: &Reader<'_>) -> Moment {
    reader.impact_moment().unwrap_or(reader.timeline.created)
}

fn none(reader: &Reader<'_>, until: Anchor, stopped: bool) -> Finding {
    let reason = if stopped {
        format!("no update was posted before {}", wording::anchor(until))
    } else {
        "no update was posted".to_owned()
    };
    match reader.timeline.end {
        None => Finding::new(Verdict::Pending, format!("{reason} yet")),
        Some(_) if reader.impact.is_none() => Finding::new(
            Verdict::NotApplicable,
            wording::never(Anchor::ImpactObserved),
        ),
        Some(end) if end.cut_short() && !stopped => Finding::new(
            Verdict::Censored,
            format!("{reason} before {}", end.sentence()),
        ),
        Some(_) => Finding::new(Verdict::Missed, reason),
    }
}
