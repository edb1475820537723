//! Game days: drills one after the other. Whether there are such drills is for whoever looks their files up to say.

use crate::model::gameday::{GameDay, GoesOn, Part};
use crate::model::plan::Plan;
use crate::model::time::Millis;
use crate::spec::check::schedule::{self, DAY_SCHEDULE};
use crate::spec::check::shape::head;
use crate::spec::check::stack::HEAD;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{DURATION, Form, Object, defaulted, optional, required};
use crate::spec::tree::Node;

/// More drills than this are no day.
const MOST: usize = 100;

pub(crate) static GAME_DAY: Object = Object {
    what: "a game day",
    about: "Drills, one after the other. Each begins some time after everything of the one before is undone; after one that \
            was aborted, that errored or that is stuck, nothing more begins.",
    groups: &[
        HEAD,
        &[
            required("name", Form::Name, "Its name."),
            defaulted(
                "about",
                Form::Free,
                "",
                "What it is for: for whoever plans it, and exercise staff.",
            ),
            required(
                "drills",
                Form::List(&Form::Object(&PART), 1, MOST),
                "The drills, in their order. One may stand twice; they may be on different stacks.",
            ),
            defaulted(
                "goes_on",
                Form::Word(&[
                    ("passed", "Only after a drill that passed."),
                    (
                        "passed_or_failed",
                        "After a drill that passed, and after one in which the stack or the team fell short.",
                    ),
                ]),
                "passed_or_failed",
                "After what the next drill begins.",
            ),
            optional(
                "schedule",
                Form::Object(&DAY_SCHEDULE),
                "When it starts by itself.",
            ),
        ],
    ],
    rules: &[],
};

static PART: Object = Object {
    what: "a drill of a game day",
    about: "A drill, and how long after the one before it begins.",
    groups: &[&[
        required(
            "drill",
            Form::Name,
            "A drill's name. Surprise drills are refused: a game day tells of them.",
        ),
        defaulted(
            "pause",
            DURATION,
            "5m",
            "From when everything of the drill before is undone. The first has none.",
        ),
    ]],
    rules: &[],
};

pub(crate) fn read(root: &Node, sink: &mut Sink) -> Option<GameDay> {
    let view = View::new(root, &GAME_DAY);
    let items = view.items("drills").iter().enumerate();
    let drills: Vec<Option<Part>> = items
        .map(|(index, item)| part(index, View::new(item, &PART), sink))
        .collect();
    let schedule = view
        .value("schedule")
        .map(|node| schedule::of_game_day(node, sink));
    let goes_on = view.text("goes_on")?;
    Some(GameDay {
        name: view.read("name")?,
        about: view.text("about")?.to_owned(),
        drills: drills.into_iter().collect::<Option<_>>()?,
        goes_on: GoesOn::ALL
            .into_iter()
            .find(|one| one.as_str() == goes_on)?,
        schedule: match schedule {
            Some(read) => Some(read?),
            None => None,
        },
    })
}

fn part(index: usize, view: View<'_>, sink: &mut Sink) -> Option<Part> {
    let first = index == 0;
    if let Some(span) = view.key_span("pause").filter(|_| first) {
        sink.error(
            Code::MisplacedPause,
            span,
            "the first drill of a game day has no `pause`: it begins when the game day does",
        )
        .with_hint("leave it out, or give it to the drill after");
    }
    let pause = view.read("pause")?;
    Some(Part {
        drill: view.read("drill")?,
        pause: if first { Millis::ZERO } else { pause },
    })
}

/// What the plan of a drill says about its place in a game day.
pub(crate) fn against(item: &Node, plan: &Plan, sink: &mut Sink) {
    if !plan.is_surprise() {
        return;
    }
    let span = item
        .get("drill")
        .map_or_else(|| head(item), |node| node.span);
    sink.error(
        Code::SurpriseInGameDay,
        span,
        format!(
            "`{}` is a surprise drill, and a game day tells of it",
            plan.name()
        ),
    )
    .with_hint("leave it out, or take `surprise` out of its schedule");
}
