//! Expectations: the lines of a runbook that a log can be judged against.

use crate::model::ids::RemedyId;
use crate::model::runbook::{
    Anchor, By, Expectation, Expected, Milestone, PhraseSet, Target, UpdatePart,
};
use crate::model::time::Millis;
use crate::spec::check::channel::{READERS, audience};
use crate::spec::check::drill::{ROLE, role};
use crate::spec::check::names::listed;
use crate::spec::check::shape::head;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{
    Form, Object, Range, Rule, SOME_DURATION, defaulted, optional, required, variant,
};
use crate::spec::tree::Node;

const ANCHOR_WORDS: &[(&str, &str)] = &[
    ("fault_effective", "The first fault was read back."),
    ("impact_observed", "Users were hurt."),
    ("detected", "The first qualifying detection."),
    (
        "alerted",
        "The first alert that fired or message that was shown, whether or not it counts as a detection.",
    ),
    (
        "paged",
        "The first page delivered; without a pager, the first qualifying alert received.",
    ),
    ("acknowledged", "The first human acknowledgement."),
    ("declared", "An incident was declared."),
    (
        "escalated",
        "Somebody else was called, by a person or by the chain.",
    ),
    ("dismissed", "A person said that nothing is wrong."),
    ("mitigated", "Impact probes hold again."),
    ("recovered", "All of steady state holds again."),
    ("resolved", "The team said that it is over."),
];

/// A moment of the incident.
const ANCHOR: Form = Form::Word(ANCHOR_WORDS);

/// A remedy chosen, or a moment.
const TARGET: Form = Form::Either(&[
    Form::Word(ANCHOR_WORDS),
    Form::Choice(
        "a moment",
        &[variant("remedy", Form::Name, "This remedy is chosen.")],
    ),
]);

const WEIGHT: Form = Form::Number(Range {
    low: 0.0,
    closed: false,
    high: 1_000_000.0,
});

/// More than none, up to all.
const SOME_PERCENT: Form = Form::Number(Range {
    low: 0.0,
    closed: false,
    high: 100.0,
});

pub(crate) static EXPECTATION: Object = Object {
    what: "an expectation",
    about: "One line a run is judged against: an event, a phrase, estimates, something forbidden, a probe, or staff's judgement.",
    groups: &[&[
        required("id", Form::Name, "Unique in this runbook."),
        optional(
            "event",
            Form::Word(&[
                ("detected", "The first qualifying detection."),
                ("acknowledged", "The first acknowledgement."),
                ("declared", "An incident was declared."),
                (
                    "escalated",
                    "Somebody else was called: anybody, or whom `to` names.",
                ),
                (
                    "dismissed",
                    "Somebody said that nothing is wrong: in a drill that breaks nothing.",
                ),
                ("role_assigned", "Somebody took the `role`."),
                (
                    "cause_named",
                    "The right cause was named: the step that `is` names.",
                ),
                ("remedy_chosen", "The `remedy` was chosen."),
                ("update", "An update was posted."),
                ("mitigated", "Impact probes hold again."),
                ("recovered", "All of steady state holds again."),
                ("resolved", "The team said that it is over."),
            ]),
            "What must happen.",
        ),
        optional(
            "by",
            Form::Word(&[
                ("human", "A person."),
                ("automation", "A machine."),
                (
                    "team",
                    "A person's action ended it: for `mitigated` and `recovered`.",
                ),
            ]),
            "Who must have caused it.",
        ),
        optional("within", SOME_DURATION, "In full credit up to here."),
        optional(
            "limit",
            SOME_DURATION,
            "In part credit up to here; at least `within`.",
        ),
        optional(
            "from",
            ANCHOR,
            "What the time counts from; each event has a sensible default.",
        ),
        optional("before", TARGET, "What it must come before."),
        optional("role", ROLE, "With `role_assigned`: the role."),
        optional(
            "to",
            Form::Text,
            "With `escalated`: whom; anybody when absent.",
        ),
        optional(
            "is",
            Form::Name,
            "With `cause_named`: the step that is the cause.",
        ),
        optional("remedy", Form::Name, "With `remedy_chosen`: the remedy."),
        optional(
            "audience",
            Form::Word(READERS),
            "With `update` and `estimates_hold`: for whom; any audience when absent.",
        ),
        optional(
            "channels",
            Form::List(&Form::Name, 1, 100),
            "With `update`: on at least one of these channels.",
        ),
        optional(
            "must_have",
            Form::List(
                &Form::Word(&[
                    ("next_update_at", "When the next one comes."),
                    ("estimated_recovery", "A range for the recovery."),
                ]),
                1,
                10,
            ),
            "With `update`: what it must carry.",
        ),
        optional(
            "every",
            SOME_DURATION,
            "With `update` and `until`: the longest gap between updates.",
        ),
        optional("until", ANCHOR, "With `every`: until when."),
        optional(
            "message_contains",
            Form::List(
                &Form::Word(&[
                    ("do_not_retry", "Users shall not send again."),
                    ("never_share_keys", "Users shall not give their keys away."),
                    ("funds_are_safe", "Users' money is safe."),
                ]),
                1,
                10,
            ),
            "At least one update holds a phrase of each of these sets.",
        ),
        optional(
            "estimates_hold",
            SOME_PERCENT,
            "At least this share of the estimated recoveries, in percent, held the one that was measured.",
        ),
        optional(
            "widest",
            SOME_DURATION,
            "With `estimates_hold`: an estimate whose range is longer does not count as one that held.",
        ),
        optional("forbid", TARGET, "What must not happen."),
        optional("probe", Form::Name, "This probe of the stack holds again."),
        optional(
            "manual",
            Form::Text,
            "What exercise staff judge after the drill.",
        ),
        defaulted("weight", WEIGHT, "1", "Its share of the points."),
        defaulted(
            "critical",
            Form::Flag,
            "false",
            "Whether missing it caps the rating.",
        ),
    ]],
    rules: &[
        Rule::ExactlyOne(&[
            "event",
            "message_contains",
            "estimates_hold",
            "forbid",
            "probe",
            "manual",
        ]),
        Rule::Needs("limit", "within"),
        Rule::Needs("every", "until"),
        Rule::Needs("until", "every"),
        Rule::Needs("from", "within"),
    ],
};

/// Keys that any line may have.
const ALWAYS: &[&str] = &["id", "weight", "critical"];
/// Keys of an event with a time of its own.
const TIMED: &[&str] = &["event", "by", "within", "limit", "from", "before"];

/// The keys that a line may have beside those it always may, and the words for such a line.
fn allowed(view: View<'_>) -> (Vec<&'static str>, String) {
    let only = |keys: &[&'static str], what: &str| (keys.to_vec(), what.to_owned());
    if let Some(event) = view.text("event") {
        if event == "update" && view.value("every").is_some() {
            return only(
                &["event", "every", "until", "audience", "must_have"],
                "a cadence of updates",
            );
        }
        let more: &[&'static str] = match event {
            "escalated" => &["to"],
            "role_assigned" => &["role"],
            "cause_named" => &["is"],
            "remedy_chosen" => &["remedy"],
            "update" => &["audience", "channels", "must_have", "every", "until"],
            _ => &[],
        };
        return ([TIMED, more].concat(), format!("the event `{event}`"));
    }
    if view.value("probe").is_some() {
        return only(&["probe", "within", "limit", "from"], "a probe's line");
    }
    if view.value("estimates_hold").is_some() {
        return only(
            &["estimates_hold", "widest", "audience"],
            "a line about estimates",
        );
    }
    if view.value("forbid").is_some() {
        return only(&["forbid"], "a forbidding line");
    }
    if view.value("manual").is_some() {
        return only(&["manual"], "a manual line");
    }
    only(&["message_contains"], "a line about messages")
}

pub(crate) fn read(view: View<'_>, sink: &mut Sink) -> Option<Expectation> {
    misplaced(view, sink);
    limits(view, sink);
    Some(Expectation {
        id: view.read("id")?,
        what: expected(view, sink)?,
        weight: view.number("weight")?,
        critical: view.flag("critical")?,
    })
}

fn misplaced(view: View<'_>, sink: &mut Sink) {
    let (keys, what) = allowed(view);
    for entry in view.node.entries() {
        let key = &*entry.key;
        if !ALWAYS.contains(&key) && !keys.contains(&key) {
            let fits = listed(keys.iter().copied(), "and");
            sink.error(
                Code::ConflictingKeys,
                entry.span,
                format!("`{key}` has no meaning in {what}"),
            )
            .with_hint(format!("it has {fits}"));
        }
    }
}

fn limits(view: View<'_>, sink: &mut Sink) {
    let (within, limit): (Option<Millis>, Option<Millis>) =
        (view.read("within"), view.read("limit"));
    if let (Some(within), Some(limit), Some(span)) = (within, limit, view.span("limit"))
        && limit < within
    {
        sink.error(
            Code::OutOfRange,
            span,
            format!("the limit is {limit}, less than `within`, which is {within}"),
        );
    }
    if let (Some(from), Some(span)) = (view.text("from"), view.span("from"))
        && view.text("event") == Some(from)
    {
        sink.error(
            Code::OutOfRange,
            span,
            format!("the time of `{from}` can't count from itself"),
        );
    }
}

fn needs(view: View<'_>, key: &str, event: &str, sink: &mut Sink) {
    if view.value(key).is_none() {
        let span = view.span("event").unwrap_or_else(|| head(view.node));
        sink.error(
            Code::MissingKey,
            span,
            format!("the event `{event}` needs `{key}` beside it"),
        );
    }
}

fn expected(view: View<'_>, sink: &mut Sink) -> Option<Expected> {
    if view.value("event").is_some() {
        return event(view, sink);
    }
    if view.value("message_contains").is_some() {
        let phrases: Option<Vec<_>> = words(view, "message_contains", phrase_set);
        return Some(Expected::MessageContains { phrases: phrases? });
    }
    if view.value("estimates_hold").is_some() {
        return Some(Expected::Estimates {
            hold: view.number("estimates_hold")?,
            widest: view.read("widest"),
            audience: view.text("audience").and_then(audience),
        });
    }
    if let Some(node) = view.value("forbid") {
        return Some(Expected::Forbid {
            target: target(node)?,
        });
    }
    if view.value("probe").is_some() {
        if view.value("within").is_none() {
            let span = view.key_span("probe").unwrap_or_else(|| head(view.node));
            sink.error(
                Code::MissingKey,
                span,
                "a probe's line needs `within` beside it",
            );
        }
        return Some(Expected::Probe {
            probe: view.read("probe")?,
            within: view.read("within")?,
            limit: view.read("limit"),
            from: match view.text("from") {
                Some(from) => anchor(from)?,
                None => Anchor::ImpactObserved,
            },
        });
    }
    Some(Expected::Manual {
        text: view.text("manual")?.to_owned(),
    })
}

fn event(view: View<'_>, sink: &mut Sink) -> Option<Expected> {
    let name = view.text("event")?;
    if view.text("by") == Some("team") && !["mitigated", "recovered"].contains(&name) {
        let span = view.span("by").unwrap_or_else(|| head(view.node));
        sink.error(Code::UnknownWord, span, format!("`by: team` has no meaning for the event `{name}`"))
            .with_hint("it says that a person's action ended it: for `mitigated` and `recovered`; elsewhere write `human`");
    }
    if name == "update" && view.value("every").is_some() {
        return Some(Expected::Cadence {
            every: view.read("every")?,
            until: anchor(view.text("until")?)?,
            audience: view.text("audience").and_then(audience),
            must_have: words(view, "must_have", update_part)?,
        });
    }
    match name {
        "role_assigned" => needs(view, "role", name, sink),
        "cause_named" => needs(view, "is", name, sink),
        "remedy_chosen" => needs(view, "remedy", name, sink),
        _ => {}
    }
    let (milestone, from) = milestone(view, name)?;
    let within: Option<Millis> = view.read("within");
    Some(Expected::Event {
        event: milestone,
        by: match view.text("by") {
            Some("human") => Some(By::Human),
            Some("automation") => Some(By::Automation),
            Some("team") => Some(By::Team),
            _ => None,
        },
        within,
        limit: view.read("limit"),
        from: match view.text("from") {
            Some(from) => Some(anchor(from)?),
            None => within.map(|_| from),
        },
        before: match view.value("before") {
            Some(node) => Some(target(node)?),
            None => None,
        },
    })
}

/// The event and what its time counts from when the file doesn't say.
fn milestone(view: View<'_>, name: &str) -> Option<(Milestone, Anchor)> {
    Some(match name {
        "detected" => (Milestone::Detected, Anchor::ImpactObserved),
        "acknowledged" => (Milestone::Acknowledged, Anchor::Paged),
        "declared" => (Milestone::Declared, Anchor::Detected),
        "escalated" => (
            Milestone::Escalated {
                to: view.text("to").map(str::to_owned),
            },
            Anchor::Detected,
        ),
        "dismissed" => (Milestone::Dismissed, Anchor::Alerted),
        "role_assigned" => (
            Milestone::RoleAssigned(role(view.text("role")?)?),
            Anchor::Declared,
        ),
        "cause_named" => (
            Milestone::CauseNamed(view.text("is")?.to_owned()),
            Anchor::ImpactObserved,
        ),
        "remedy_chosen" => (
            Milestone::RemedyChosen(view.read::<RemedyId>("remedy")?),
            Anchor::Detected,
        ),
        "update" => {
            let update = Milestone::Update {
                audience: view.text("audience").and_then(audience),
                channels: view.all("channels")?,
                must_have: words(view, "must_have", update_part)?,
            };
            (update, Anchor::Detected)
        }
        "mitigated" => (Milestone::Mitigated, Anchor::ImpactObserved),
        "recovered" => (Milestone::Recovered, Anchor::ImpactObserved),
        "resolved" => (Milestone::Resolved, Anchor::Recovered),
        _ => return None,
    })
}

fn target(node: &Node) -> Option<Target> {
    match node.text() {
        Some(name) => Some(Target::Anchor(anchor(name)?)),
        None => Some(Target::Remedy(node.get("remedy")?.text()?.parse().ok()?)),
    }
}

fn words<T>(view: View<'_>, key: &str, word: fn(&str) -> Option<T>) -> Option<Vec<T>> {
    view.items(key)
        .iter()
        .map(|item| word(item.text()?))
        .collect()
}

fn anchor(name: &str) -> Option<Anchor> {
    Some(match name {
        "fault_effective" => Anchor::FaultEffective,
        "impact_observed" => Anchor::ImpactObserved,
        "detected" => Anchor::Detected,
        "alerted" => Anchor::Alerted,
        "paged" => Anchor::Paged,
        "acknowledged" => Anchor::Acknowledged,
        "declared" => Anchor::Declared,
        "escalated" => Anchor::Escalated,
        "dismissed" => Anchor::Dismissed,
        "mitigated" => Anchor::Mitigated,
        "recovered" => Anchor::Recovered,
        "resolved" => Anchor::Resolved,
        _ => return None,
    })
}

fn update_part(name: &str) -> Option<UpdatePart> {
    Some(match name {
        "next_update_at" => UpdatePart::NextUpdateAt,
        "estimated_recovery" => UpdatePart::EstimatedRecovery,
        _ => return None,
    })
}

fn phrase_set(name: &str) -> Option<PhraseSet> {
    Some(match name {
        "do_not_retry" => PhraseSet::DoNotRetry,
        "never_share_keys" => PhraseSet::NeverShareKeys,
        "funds_are_safe" => PhraseSet::FundsAreSafe,
        _ => return None,
    })
}
