//! Schedules: when a drill or a game day starts by itself.

use std::str::FromStr;

use crate::model::schedule::{BadSpan, Days, Schedule};
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{DURATION, Field, Form, Object, Rule, defaulted, optional, required};
use crate::spec::tree::Node;

/// What every schedule has.
const CALENDAR: &[Field] = &[
    required(
        "cron",
        Form::Cron,
        "Minute, hour, day of month, month, day of week.",
    ),
    defaulted(
        "timezone",
        Form::Timezone,
        "UTC",
        "An IANA zone such as `Europe/Berlin`.",
    ),
    defaulted(
        "tolerance",
        DURATION,
        "10m",
        "How late a start may still happen; a later one is skipped and said.",
    ),
    optional(
        "blackout",
        Form::List(&Form::Text, 0, 1_000),
        "Days on which it never starts, such as `2026-12-24` or `2026-12-20/2027-01-03`.",
    ),
];

pub(crate) static SCHEDULE: Object = Object {
    what: "a schedule",
    about: "When a drill starts by itself.",
    groups: &[
        CALENDAR,
        &[
            defaulted(
                "surprise",
                Form::Flag,
                "false",
                "Whether its responders are not told: until it is over, or staff reveal it, they see only what the stack shows.",
            ),
            optional(
                "window",
                Form::Text,
                "The hours of the day in which a surprise comes, such as `10:00-16:00`: on days that `cron` names, at a time that \
                 the server draws.",
            ),
        ],
    ],
    rules: &[Rule::Needs("window", "surprise")],
};

/// Why a game day never is a surprise.
const TOLD: &str =
    "a game day is told to everybody in it; schedule a drill by itself for a surprise";

pub(crate) static DAY_SCHEDULE: Object = Object {
    what: "a game day's schedule",
    about: "When a game day starts by itself.",
    groups: &[CALENDAR],
    rules: &[Rule::Never("surprise", TOLD), Rule::Never("window", TOLD)],
};

/// A drill's.
pub(crate) fn of_drill(node: &Node, sink: &mut Sink) -> Option<Schedule> {
    let view = View::new(node, &SCHEDULE);
    let window = view.value("window").map(|node| span(node, sink));
    let plain = calendar(view, sink);
    Some(Schedule {
        surprise: view.flag("surprise")?,
        window: match window {
            Some(read) => Some(read?),
            None => None,
        },
        ..plain?
    })
}

/// A game day's.
pub(crate) fn of_game_day(node: &Node, sink: &mut Sink) -> Option<Schedule> {
    calendar(View::new(node, &DAY_SCHEDULE), sink)
}

fn calendar(view: View<'_>, sink: &mut Sink) -> Option<Schedule> {
    let blackout: Vec<Option<Days>> = view
        .items("blackout")
        .iter()
        .map(|node| span(node, sink))
        .collect();
    Some(Schedule {
        cron: view.read("cron")?,
        timezone: view.read("timezone")?,
        tolerance: view.read("tolerance")?,
        surprise: false,
        window: None,
        blackout: blackout.into_iter().collect::<Option<_>>()?,
    })
}

/// A window or days, or why the text is neither.
fn span<T: FromStr<Err = BadSpan>>(node: &Node, sink: &mut Sink) -> Option<T> {
    match node.text()?.parse() {
        Ok(read) => Some(read),
        Err(error) => {
            sink.error(Code::BadWindow, node.span, error.to_string());
            None
        }
    }
}
