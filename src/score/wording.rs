//! How scores speak: lengths of time, and the words for moments, events and targets, alike in every report.

use std::fmt;

use super::rubric::figure;
use crate::model::runbook::{
    Anchor, Audience, By, Expected, Milestone, PhraseSet, Target, UpdatePart,
};
use crate::model::time::Millis;

/// Appending formatted text to a text, which can't fail.
pub(super) trait Tell {
    /// Appends.
    fn tell(&mut self, what: fmt::Arguments<'_>);
}

impl Tell for String {
    fn tell(&mut self, what: fmt::Arguments<'_>) {
        fmt::Write::write_fmt(self, what).expect("a string takes any text");
    }
}

/// A length of time for people, in tenths of a second, rounded up: a time past its limit never reads as within it.
pub(crate) fn span(milliseconds: u64) -> String {
    let tenths = milliseconds.div_ceil(100);
    let (whole, tenth) = (tenths / 10, tenths % 10);
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    let mut text = String::new();
    if hours > 0 {
        text.tell(format_args!("{hours}h"));
    }
    if minutes > 0 {
        text.tell(format_args!("{minutes}m"));
    }
    if tenth > 0 {
        text.tell(format_args!("{seconds}.{tenth}s"));
    } else if seconds > 0 || text.is_empty() {
        text.tell(format_args!("{seconds}s"));
    }
    text
}

/// The moment a time counts from, after "after" or "of".
pub(super) fn anchor(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::FaultEffective => "the fault",
        Anchor::ImpactObserved => "impact",
        Anchor::Detected => "detection",
        Anchor::Alerted => "the first alert or message",
        Anchor::Paged => "the page",
        Anchor::Acknowledged => "the acknowledgement",
        Anchor::Declared => "the declaration",
        Anchor::Escalated => "the escalation",
        Anchor::Dismissed => "the dismissal",
        Anchor::Mitigated => "mitigation",
        Anchor::Recovered => "recovery",
        Anchor::Resolved => "the all-clear",
    }
}

/// That a moment never came.
pub(super) fn never(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::FaultEffective => "no fault took effect",
        Anchor::ImpactObserved => "no impact was observed",
        Anchor::Detected => "nothing was detected",
        Anchor::Alerted => "no alert and no message came",
        Anchor::Paged => "nobody was paged",
        Anchor::Acknowledged => "nobody acknowledged",
        Anchor::Declared => "no incident was declared",
        Anchor::Escalated => "nobody else was called",
        Anchor::Dismissed => "nobody dismissed the alarm",
        Anchor::Mitigated => "impact probes did not hold again",
        Anchor::Recovered => "steady state did not hold again",
        Anchor::Resolved => "nobody gave the all-clear",
    }
}

/// What an event is, as something that was done.
pub(super) fn done(event: &Milestone) -> String {
    match event {
        Milestone::Detected => "detected".into(),
        Milestone::Acknowledged => "acknowledged".into(),
        Milestone::Declared => "declared".into(),
        Milestone::Escalated { to: Some(to) } => format!("escalated to {to}"),
        Milestone::Escalated { to: None } => "escalated".into(),
        Milestone::Dismissed => "dismissed".into(),
        Milestone::RoleAssigned(role) => format!("{} taken", role.title()),
        Milestone::CauseNamed(cause) => format!("cause `{cause}` named"),
        Milestone::RemedyChosen(remedy) => format!("remedy `{remedy}` chosen"),
        Milestone::Update {
            audience,
            channels,
            must_have,
        } => {
            let mut text = String::from("update posted");
            if let Some(audience) = audience {
                text.tell(format_args!(" for {}", readers(*audience)));
            }
            if !channels.is_empty() {
                text.tell(format_args!(" on {}", named(channels)));
            }
            if !must_have.is_empty() {
                text.tell(format_args!(" that says {}", parts(must_have)));
            }
            text
        }
        Milestone::Mitigated => "mitigated".into(),
        Milestone::Recovered => "recovered".into(),
        Milestone::Resolved => "all-clear given".into(),
    }
}

/// That an event did not happen.
pub(super) fn not_done(event: &Milestone) -> String {
    match event {
        Milestone::Detected
        | Milestone::Acknowledged
        | Milestone::Declared
        | Milestone::Escalated { .. }
        | Milestone::Dismissed
        | Milestone::Mitigated
        | Milestone::Recovered => format!("not {}", done(event)),
        Milestone::RoleAssigned(_) | Milestone::CauseNamed(_) | Milestone::RemedyChosen(_) => {
            let done = done(event);
            match done.rsplit_once(' ') {
                Some((what, how)) => format!("{what} not {how}"),
                None => done,
            }
        }
        Milestone::Update { .. } | Milestone::Resolved => format!("no {}", done(event)),
    }
}

/// Who an update is for.
pub(super) fn readers(audience: Audience) -> &'static str {
    match audience {
        Audience::Customers => "customers",
        Audience::Internal => "colleagues",
        Audience::Regulator => "the regulator",
    }
}

/// Channels, as people call them.
pub(super) fn named(channels: &[String]) -> String {
    let names: Vec<_> = channels.iter().map(|one| one.replace('_', " ")).collect();
    names.join(" or ")
}

/// What parts of an update say.
pub(super) fn parts(parts: &[UpdatePart]) -> String {
    let names: Vec<_> = parts.iter().map(|p| part(*p)).collect();
    names.join(" and ")
}

/// What a part of an update says.
pub(super) fn part(part: UpdatePart) -> &'static str {
    match part {
        UpdatePart::NextUpdateAt => "when the next update comes",
        UpdatePart::EstimatedRecovery => "when recovery is expected",
    }
}

/// A set of phrases, as people read it.
pub(super) fn phrase_set(set: PhraseSet) -> &'static str {
    match set {
        PhraseSet::DoNotRetry => "“do not retry”",
        PhraseSet::NeverShareKeys => "“never share keys”",
        PhraseSet::FundsAreSafe => "“funds are safe”",
    }
}

/// What comes first, or must not come.
pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Remedy(remedy) => format!("remedy `{remedy}`"),
        Target::Anchor(moment) => anchor(*moment).into(),
    }
}

fn by(who: By) -> &'static str {
    match who {
        By::Human => " by a person",
        By::Automation => " by automation",
        By::Team => " by the team",
    }
}

/// When a line was due.
pub(super) fn due(within: Option<Millis>, limit: Option<Millis>) -> String {
    match (within, limit) {
        (Some(within), Some(limit)) => format!(
            "due within {}, at the latest {}",
            span(within.get()),
            span(limit.get())
        ),
        (Some(only), None) | (None, Some(only)) => format!("due within {}", span(only.get())),
        (None, None) => "due before the end".into(),
    }
}

/// What a line asks for, in one line.
pub(super) fn expected(what: &Expected) -> String {
    match what {
        Expected::Event {
            event,
            by: who,
            within,
            limit,
            from,
            before,
        } => {
            let mut text = done(event);
            text.push_str(who.map_or("", by));
            if let Some(within) = within.or(*limit) {
                let from = anchor(from.unwrap_or(Anchor::ImpactObserved));
                text.tell(format_args!(" within {} of {from}", span(within.get())));
            } else if let Some(from) = from {
                text.tell(format_args!(" after {}", anchor(*from)));
            }
            if let (Some(_), Some(limit)) = (within, limit) {
                text.tell(format_args!(", at the latest {}", span(limit.get())));
            }
            if let Some(before) = before {
                text.tell(format_args!(" before {}", target(before)));
            }
            text
        }
        Expected::Cadence {
            every,
            until,
            audience,
            must_have,
        } => {
            let mut text = String::from("an update");
            if let Some(audience) = audience {
                text.tell(format_args!(" for {}", readers(*audience)));
            }
            text.tell(format_args!(
                " every {} until {}",
                span(every.get()),
                anchor(*until)
            ));
            if !must_have.is_empty() {
                text.tell(format_args!(", each of which says {}", parts(must_have)));
            }
            text
        }
        Expected::MessageContains { phrases } => {
            let names: Vec<_> = phrases.iter().map(|p| phrase_set(*p)).collect();
            format!("an update that says {}", names.join(" and "))
        }
        Expected::Estimates {
            hold,
            widest,
            audience,
        } => {
            let mut text = format!("at least {}% of the estimates", figure(*hold));
            if let Some(audience) = audience {
                text.tell(format_args!(" for {}", readers(*audience)));
            }
            text.push_str(" held the recovery");
            if let Some(widest) = widest {
                text.tell(format_args!(", in at most {}", span(widest.get())));
            }
            text
        }
        Expected::Forbid { target: what } => format!("never {}", target(what)),
        Expected::Probe {
            probe,
            within,
            limit,
            from,
        } => {
            let mut text = format!(
                "probe `{probe}` holds again within {} of {}",
                span(within.get()),
                anchor(*from)
            );
            if let Some(limit) = limit {
                text.tell(format_args!(", at the latest {}", span(limit.get())));
            }
            text
        }
        Expected::Manual { text } => format!("staff judge: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_in_tenths_and_never_hide_lateness() {
        for (ms, text) in [
            (0, "0s"),
            (1, "0.1s"),
            (2_300, "2.3s"),
            (72_000, "1m12s"),
            (300_000, "5m"),
            (300_001, "5m0.1s"),
            (3_600_000, "1h"),
            (3_661_500, "1h1m1.5s"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
