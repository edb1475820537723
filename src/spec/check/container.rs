//! Steps on containers that need more than a service: a crash's signal, a squeeze's limits, commands inside.

use crate::model::container::{Check, ContainerAction, CrashSignal, Exec, Size, Squeeze};
use crate::model::stack::Share;
use crate::model::time::Millis;
use crate::spec::check::call::{Asked, EXPECT, expect};
use crate::spec::check::step::{LASTING, TIMING};
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{Field, Form, Object, Range, Rule, defaulted, optional, required};
use crate::spec::tree::Node;

/// Whose container.
pub(crate) static OF_SERVICE: &[Field] = &[
    required("service", Form::Name, "The service whose container it is."),
    optional(
        "count",
        Form::Integer(1, 1_000),
        "Of a service with several containers: how many, drawn from the run's seed.",
    ),
    optional(
        "percent",
        Form::Integer(1, 100),
        "The same as a percentage of those that run, rounded down, and at least one.",
    ),
];

/// How many of a service's containers a step hits. `Err` where that could not be read: why is among the findings.
pub(crate) fn share(view: View<'_>, sink: &mut Sink) -> Result<Option<Share>, ()> {
    match (view.value("count"), view.value("percent")) {
        (None, None) => Ok(None),
        (Some(_), None) => view.integer("count").map(Share::Count).map(Some).ok_or(()),
        (None, Some(_)) => view
            .integer("percent")
            .map(Share::Percent)
            .map(Some)
            .ok_or(()),
        (Some(_), Some(_)) => {
            sink.error(
                Code::ConflictingKeys,
                view.key_span("percent").unwrap_or_default(),
                "`count` and `percent` say how many, each in its own way",
            )
            .with_hint("leave one of them out");
            Err(())
        }
    }
}

pub(crate) static CRASH: Object = Object {
    what: "a crash step",
    about: "The first process of a service's container dies as by itself, so that its restart policy acts. When the step \
            ends it is started, where no policy has done that. firedrill sends the signal itself where the container runs \
            on its own machine, else through `kill` inside the container.",
    groups: &[
        TIMING,
        OF_SERVICE,
        &[defaulted(
            "signal",
            Form::Word(&[
                ("KILL", "It can't be handled; only the host can send it."),
                ("TERM", "As when it is asked to end."),
                ("INT", "As a terminal's interrupt."),
                ("HUP", "As a terminal that is gone."),
                ("QUIT", "As a terminal's quit."),
                ("ABRT", "As a failed assertion."),
                ("SEGV", "As a wrong address."),
            ]),
            "KILL",
            "What kills it. All but KILL reach a container's first process only where it handles them.",
        )],
    ],
    rules: LASTING,
};

pub(crate) static SQUEEZE: Object = Object {
    what: "a squeeze step",
    about: "A service's container gets less memory or processor time; its former limits come back when the step ends.",
    groups: &[
        TIMING,
        OF_SERVICE,
        &[
            optional(
                "memory",
                Form::Size,
                "How much memory, less than its limit. A container without a memory limit is refused: Docker can't take one away again.",
            ),
            optional(
                "cpus",
                Form::Number(Range {
                    low: 0.01,
                    closed: true,
                    high: 1_000.0,
                }),
                "How many processors' time, such as 0.1; less than it may have now.",
            ),
        ],
    ],
    rules: SQUEEZE_RULES,
};

/// Those of [`LASTING`], and something to squeeze.
const SQUEEZE_RULES: &[Rule] = &[
    Rule::AtLeastOne(&["memory", "cpus"]),
    Rule::AtMostOne(&["at", "after"]),
    Rule::Needs("wait", "after"),
    Rule::ExactlyOne(&["for", "until"]),
    Rule::Needs("until", "at_most"),
    Rule::Needs("at_most", "until"),
    Rule::AtMostOne(&["repeat", "until"]),
    Rule::Needs("repeat", "every"),
    Rule::Needs("every", "repeat"),
];

/// A program inside a container, and its arguments.
const COMMAND: Form = Form::List(&Form::Free, 1, 1_000);

const RUN: Field = required(
    "run",
    COMMAND,
    "A program inside the container and its arguments; never a shell line.",
);

static COMMAND_KEYS: Object = Object {
    what: "a command in a container",
    about: "A program inside the container, which must exit 0.",
    groups: &[&[RUN]],
    rules: &[],
};

static CHECK: Object = Object {
    what: "a check in a container",
    about: "A program inside the container that must end as expected.",
    groups: &[&[
        RUN,
        optional("expect", Form::Object(&EXPECT), "How it must end."),
    ]],
    rules: &[],
};

pub(crate) static EXEC: Object = Object {
    what: "an exec step",
    about: "A command of your own inside a service's container, with what undoes it. Under `serve` only programs that its \
            configuration lists.",
    groups: &[
        TIMING,
        OF_SERVICE,
        &[
            required("do", Form::Object(&COMMAND_KEYS), "What is done."),
            optional(
                "verify",
                Form::Object(&CHECK),
                "What shows that it was done; without it the command's own status does.",
            ),
            required(
                "undo",
                Form::Object(&COMMAND_KEYS),
                "What undoes it. It may be called more than once.",
            ),
            optional(
                "verify_undone",
                Form::Object(&CHECK),
                "What shows that it was undone; without it the undo's own status does.",
            ),
        ],
    ],
    rules: LASTING,
};

/// What a step on a container does. `None` where that could not be read: why is among the findings.
pub(crate) fn action(name: &str, view: View<'_>, sink: &mut Sink) -> Option<ContainerAction> {
    Some(match name {
        "kill" => ContainerAction::Kill,
        "stop" => ContainerAction::Stop,
        "pause" => ContainerAction::Pause,
        "restart" => ContainerAction::Restart,
        "crash" => ContainerAction::Crash(view.read::<CrashSignal>("signal")?),
        "squeeze" => ContainerAction::Squeeze(squeeze(view)?),
        "exec" => ContainerAction::Exec(Box::new(exec(view, sink)?)),
        _ => return None,
    })
}

fn squeeze(view: View<'_>) -> Option<Squeeze> {
    let memory = match view.value("memory") {
        Some(_) => Some(view.read::<Size>("memory")?),
        None => None,
    };
    let milli_cpus = match view.value("cpus") {
        Some(_) => Some(thousandths(view.number("cpus")?)?),
        None => None,
    };
    Some(Squeeze { memory, milli_cpus })
}

/// A number of processors in thousandths of one.
fn thousandths(cpus: f64) -> Option<u32> {
    let text = format!("{:.0}", cpus * 1_000.0);
    text.parse().ok()
}

fn exec(view: View<'_>, sink: &mut Sink) -> Option<Exec> {
    let of = |key: &str, sink: &mut Sink| view.value(key).and_then(|node| command(node, sink));
    let (act, undo) = (of("do", sink), of("undo", sink));
    let verify = view.value("verify").map(|node| check(node, sink));
    let verify_undone = view.value("verify_undone").map(|node| check(node, sink));
    Some(Exec {
        act: act?,
        verify: match verify {
            Some(verify) => Some(verify?),
            None => None,
        },
        undo: undo?,
        verify_undone: match verify_undone {
            Some(verify) => Some(verify?),
            None => None,
        },
    })
}

fn command(node: &Node, sink: &mut Sink) -> Option<Vec<String>> {
    let run = node.get("run")?;
    let first = run.items().first()?;
    if first.text().is_some_and(|text| text.trim().is_empty()) {
        sink.error(
            Code::OutOfRange,
            first.span,
            "the program's name must not be empty",
        );
    }
    for item in run.items() {
        if item.text().is_some_and(|text| text.contains('\0')) {
            sink.error(
                Code::OutOfRange,
                item.span,
                "a program's argument must not hold a zero byte",
            );
        }
    }
    let words = run.items().iter();
    words.map(|item| item.text().map(str::to_owned)).collect()
}

fn check(node: &Node, sink: &mut Sink) -> Option<Check> {
    let expected = match node.entry("expect") {
        Some(entry) => expect(&entry.value, entry.span, Asked::Program, sink)?,
        None => Asked::Program.default_expectation(),
    };
    Some(Check {
        run: command(node, sink)?,
        exit: u8::try_from(expected.exit.unwrap_or_default()).ok()?,
        within: Millis::new(expected.within.get()),
    })
}
