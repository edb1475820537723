//! Lines that wait for the stack to be well again: what probes show, credited to whoever ended it.

use super::{Clock, Finding, Verdict, anchor, nothing_found};
use crate::model::runbook::{Anchor, By, Target};
use crate::score::measures::Reader;
use crate::score::recovery::{Ended, Ender, Holding, NotHeld};
use crate::score::timeline::{Close, Moment};
use crate::score::wording;
use crate::score::wording::Tell;

/// What a line asks for.
pub(super) struct Asked<'a> {
    /// What shall have come about, in words.
    pub(super) what: String,
    /// That it did not, in words.
    pub(super) not: String,
    /// By whom.
    pub(super) by: Option<By>,
    /// By when.
    pub(super) clock: Clock,
    /// Before what.
    pub(super) before: Option<&'a Target>,
}

pub(super) fn judge(reader: &Reader<'_>, holding: &Holding, asked: &Asked<'_>) -> Finding {
    let clock = &asked.clock;
    let from = clock.from.unwrap_or(Anchor::ImpactObserved);
    let Some(since) = anchor::moment(reader, from) else {
        return anchor::absent(reader, from);
    };
    match holding {
        Holding::NeverFailed if reader.timeline.end.is_some() => {
            Finding::new(Verdict::NotApplicable, "it was never lost")
        }
        Holding::NeverFailed | Holding::Pending => {
            nothing_found(reader, Some(&since), clock, asked.not.clone())
        }
        Holding::Not { why, .. } => {
            let why = match why {
                NotHeld::Unstable => " for long enough",
                NotHeld::Failing | NotHeld::Interrupted => "",
            };
            let reason = format!("{}{why}", asked.not);
            nothing_found(reader, Some(&since), clock, reason)
        }
        Holding::Again { start, ended } => again(reader, asked, &since, start, ended),
    }
}

fn again(
    reader: &Reader<'_>,
    asked: &Asked<'_>,
    since: &Moment,
    start: &Moment,
    ended: &Ended,
) -> Finding {
    let clock = &asked.clock;
    let from = wording::anchor(clock.from.unwrap_or(Anchor::ImpactObserved));
    let evidence = [start.seq, ended.moment.seq];
    if ended.by.censors() {
        return cut(reader, asked, since, ended).because(evidence);
    }
    let took = start.after(since);
    let mut reason = format!(
        "{} {} after {from}, ended by {}; {}",
        asked.what,
        wording::span(took),
        ended.by.as_str(),
        wording::due(clock.within, clock.limit)
    );
    let by_whom = match asked.by {
        None => true,
        Some(By::Human | By::Team) => ended.by == Ender::Team,
        Some(By::Automation) => ended.by == Ender::Automation,
    };
    let (mut verdict, mut share) = clock.grade(took);
    if !by_whom {
        reason.tell(format_args!("; not the {}'s doing", whose(asked.by)));
        verdict = Verdict::Missed;
    }
    if let Some(target) = asked.before
        && let Some(first) = anchor::target(reader, target)
        && first.order() <= start.order()
    {
        reason.tell(format_args!("; not before {}", wording::target(target)));
        verdict = Verdict::Missed;
    }
    if verdict == Verdict::Missed {
        share = 0.0;
    }
    let mut finding = Finding::new(verdict, reason);
    finding.share = share;
    finding.took_ms = Some(took);
    finding.due = clock.due_from(since);
    if ended.by != Ender::Team && verdict != Verdict::Missed {
        finding.reason.push_str("; it earns nothing");
        finding = finding.idle_proof();
    }
    finding.because(evidence)
}

fn whose(by: Option<By>) -> &'static str {
    match by {
        Some(By::Automation) => "automation",
        _ => "team",
    }
}

/// It was ended over the team's head: unscored where that came before the line was due, else missed.
fn cut(reader: &Reader<'_>, asked: &Asked<'_>, since: &Moment, ended: &Ended) -> Finding {
    let from = wording::anchor(asked.clock.from.unwrap_or(Anchor::ImpactObserved));
    let elapsed = ended.moment.after(since);
    let stopped = reader
        .timeline
        .end
        .is_some_and(|end| end.how != Close::Observed);
    let due = wording::due(asked.clock.within, asked.clock.limit);
    let told = format!(
        "{} only through {} ({}), {} after {from}; {due}",
        asked.what,
        ended.by.as_str(),
        ended.reason,
        wording::span(elapsed),
    );
    let verdict = match asked.clock.last() {
        Some(last) if elapsed >= last => Verdict::Missed,
        None if ended.by == Ender::Timer && !stopped => Verdict::Missed,
        _ => Verdict::Censored,
    };
    Finding::new(verdict, told).due(asked.clock.due_from(since))
}
