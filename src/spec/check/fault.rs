//! Faults: the steps of a method, one key each, and what each disturbs.

use std::collections::BTreeSet;

use crate::model::fault::{
    ContainerAction, Direction, Fault, Hook, Lasts, PartitionMode, Start, Step, Toxic,
};
use crate::model::ids::{ProxyName, ServiceName, StepId};
use crate::model::stack::Stack;
use crate::model::time::Millis;
use crate::spec::check::call::{self, CALL, VERIFY};
use crate::spec::check::refer;
use crate::spec::check::shape::{View, head, microseconds};
use crate::spec::diagnostic::{Code, Sink, Span};
use crate::spec::form::{
    DURATION, Field, Form, Object, Rule, SHARE, SOME_DURATION, SOME_SHARE, Variant, defaulted,
    later_variant, optional, required, variant,
};
use crate::spec::tree::Node;

/// One step of a method.
pub(crate) const STEP: Form = Form::Choice(
    "a step",
    &[
        variant("latency", Form::Object(&LATENCY), "Data arrives later."),
        variant(
            "bandwidth",
            Form::Object(&BANDWIDTH),
            "Data arrives at a limited rate.",
        ),
        variant(
            "slow_close",
            Form::Object(&SLOW_CLOSE),
            "The end of a connection arrives later.",
        ),
        variant("timeout", Form::Object(&TIMEOUT), "No data passes."),
        variant(
            "reset_peer",
            Form::Object(&RESET_PEER),
            "Connections are reset.",
        ),
        variant(
            "slicer",
            Form::Object(&SLICER),
            "Data arrives in small pieces.",
        ),
        variant(
            "limit_data",
            Form::Object(&LIMIT_DATA),
            "A connection closes after so many bytes.",
        ),
        variant(
            "packet_loss",
            Form::Object(&PACKET_LOSS),
            "Pieces of data vanish; only newer servers have it.",
        ),
        variant(
            "down",
            Form::Object(&DOWN),
            "A link's connections are closed and refused.",
        ),
        variant(
            "partition",
            Form::Object(&PARTITION),
            "All links from some services to others are cut.",
        ),
        variant(
            "kill",
            Form::Object(&CONTAINER),
            "A container dies at once and stays dead until the step ends.",
        ),
        variant(
            "stop",
            Form::Object(&CONTAINER),
            "A container ends in good order until the step ends.",
        ),
        variant(
            "pause",
            Form::Object(&CONTAINER),
            "A container freezes until the step ends.",
        ),
        variant(
            "restart",
            Form::Object(&RESTART),
            "A container restarts once.",
        ),
        variant(
            "hook",
            Form::Object(&HOOK),
            "Calls or programs of your own.",
        ),
        later_variant("crash", "A container's process dies as by itself."),
        later_variant("disconnect", "A container leaves its networks."),
        later_variant("squeeze", "A container gets less memory or processor time."),
        later_variant("exec", "A program runs in a container."),
    ],
);

static TIMING: &[Field] = &[
    optional(
        "id",
        Form::Name,
        "Unique in this experiment; the fault's name when absent.",
    ),
    optional(
        "at",
        DURATION,
        "When it begins, counted from the start of the method; 0s when absent.",
    ),
    optional("after", Form::Name, "The step whose end it waits for."),
    optional(
        "wait",
        DURATION,
        "How long after that step's end it begins; 0s when absent.",
    ),
    optional("for", DURATION, "How long it lasts."),
    optional(
        "until",
        Form::Word(&[("remedied", "Until a responder's remedy ends it.")]),
        "`remedied`: until a responder ends it, at the latest after `at_most`.",
    ),
    optional(
        "at_most",
        SOME_DURATION,
        "With `until: remedied`: the deadline.",
    ),
];

static LINKED: &[Field] = &[
    required(
        "link",
        Form::Text,
        "The link: `from -> to`, or its proxy's name.",
    ),
    defaulted(
        "toxicity",
        SOME_SHARE,
        "1",
        "The share of connections it hits.",
    ),
    defaulted(
        "direction",
        Form::Word(&[
            (
                "downstream",
                "Bytes from the service called back to the caller.",
            ),
            ("upstream", "Bytes from the caller to the service called."),
            ("both", "Each way."),
        ]),
        "downstream",
        "Towards whom the disturbed bytes flow.",
    ),
];

const LASTING: &[Rule] = &[
    Rule::AtMostOne(&["at", "after"]),
    Rule::Needs("wait", "after"),
    Rule::ExactlyOne(&["for", "until"]),
    Rule::Needs("until", "at_most"),
    Rule::Needs("at_most", "until"),
];

const MOMENTARY: &[Rule] = &[
    Rule::AtMostOne(&["at", "after"]),
    Rule::Needs("wait", "after"),
    Rule::AtMostOne(&["for", "until"]),
    Rule::Needs("until", "at_most"),
    Rule::Needs("at_most", "until"),
];

static LATENCY: Object = Object {
    what: "a latency step",
    about: "Data arrives later: `latency`, more or less `jitter`.",
    groups: &[
        TIMING,
        LINKED,
        &[
            required("latency", DURATION, "The delay."),
            defaulted("jitter", DURATION, "0s", "How far it varies either way."),
        ],
    ],
    rules: LASTING,
};

static BANDWIDTH: Object = Object {
    what: "a bandwidth step",
    about: "At most `rate` kilobytes (1,000 bytes) a second.",
    groups: &[
        TIMING,
        LINKED,
        &[required("rate", Form::Integer(1, 1_000_000_000), "KB/s.")],
    ],
    rules: LASTING,
};

static SLOW_CLOSE: Object = Object {
    what: "a slow_close step",
    about: "The end of the stream arrives later.",
    groups: &[TIMING, LINKED, &[required("delay", DURATION, "The delay.")]],
    rules: LASTING,
};

static TIMEOUT: Object = Object {
    what: "a timeout step",
    about: "No data passes.",
    groups: &[
        TIMING,
        LINKED,
        &[defaulted(
            "timeout",
            DURATION,
            "0s",
            "The connection closes after this long without data; never when 0s.",
        )],
    ],
    rules: LASTING,
};

static RESET_PEER: Object = Object {
    what: "a reset_peer step",
    about: "The connection is reset.",
    groups: &[
        TIMING,
        LINKED,
        &[defaulted(
            "timeout",
            DURATION,
            "0s",
            "Time until the reset.",
        )],
    ],
    rules: LASTING,
};

static SLICER: Object = Object {
    what: "a slicer step",
    about: "Data arrives in small pieces.",
    groups: &[
        TIMING,
        LINKED,
        &[
            required(
                "average_size",
                Form::Integer(1, 1_000_000_000),
                "Bytes in a piece on average.",
            ),
            defaulted(
                "size_variation",
                Form::Integer(0, 1_000_000_000),
                "0",
                "How far a piece's size varies; below `average_size`.",
            ),
            defaulted(
                "delay",
                Form::FineDuration,
                "0s",
                "The pause after each piece, such as `50us` or `1ms`.",
            ),
        ],
    ],
    rules: LASTING,
};

static LIMIT_DATA: Object = Object {
    what: "a limit_data step",
    about: "The connection closes after this many bytes.",
    groups: &[
        TIMING,
        LINKED,
        &[required(
            "bytes",
            Form::Integer(0, i64::MAX),
            "How many bytes pass.",
        )],
    ],
    rules: LASTING,
};

static PACKET_LOSS: Object = Object {
    what: "a packet_loss step",
    about: "Pieces of the stream vanish.",
    groups: &[
        TIMING,
        LINKED,
        &[
            required("loss_rate", SOME_SHARE, "The share of pieces lost."),
            defaulted(
                "correlation",
                SHARE,
                "0",
                "How much a loss makes the next more likely.",
            ),
        ],
    ],
    rules: LASTING,
};

static DOWN: Object = Object {
    what: "a down step",
    about: "The link's connections are closed and new ones refused.",
    groups: &[
        TIMING,
        &[required(
            "link",
            Form::Text,
            "The link: `from -> to`, or its proxy's name.",
        )],
    ],
    rules: LASTING,
};

static PARTITION: Object = Object {
    what: "a partition step",
    about: "Every link from one group of services to another is cut.",
    groups: &[
        TIMING,
        &[
            required(
                "from",
                Form::List(&Form::Name, 1, 1_000),
                "The services that call.",
            ),
            required(
                "to",
                Form::List(&Form::Name, 1, 1_000),
                "The services called.",
            ),
            defaulted(
                "mode",
                Form::Word(&[
                    ("drop", "Data vanishes either way."),
                    ("refuse", "Connections are closed and refused."),
                    ("reset", "Connections are reset."),
                ]),
                "drop",
                "How connections fare.",
            ),
        ],
    ],
    rules: LASTING,
};

static CONTAINER: Object = Object {
    what: "a container step",
    about: "Something done to a service's container, undone when the step ends.",
    groups: &[
        TIMING,
        &[required(
            "service",
            Form::Name,
            "The service whose container it is.",
        )],
    ],
    rules: LASTING,
};

static RESTART: Object = Object {
    what: "a restart step",
    about: "A service's container restarted once; nothing to undo but to see that it runs.",
    groups: &[
        TIMING,
        &[required(
            "service",
            Form::Name,
            "The service whose container it is.",
        )],
    ],
    rules: MOMENTARY,
};

static HOOK: Object = Object {
    what: "a hook step",
    about: "A disturbance of your own making, with what undoes it.",
    groups: &[
        TIMING,
        &[
            required("do", Form::Object(&CALL), "What is done."),
            optional(
                "verify",
                Form::Object(&VERIFY),
                "What shows that it was done; without it the call's own status does.",
            ),
            required(
                "undo",
                Form::Object(&CALL),
                "What undoes it. It may be called more than once.",
            ),
            optional(
                "verify_undone",
                Form::Object(&VERIFY),
                "What shows that it was undone; without it the undo's own status does.",
            ),
        ],
    ],
    rules: LASTING,
};

/// A step with the places that checks across files point at.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    /// The step.
    pub(crate) step: Step,
    /// The fault's key.
    pub(crate) key: Span,
    /// What stands under it.
    pub(crate) body: &'a Node,
}

/// The method's steps. `None` where one could not be read: why is among the findings.
pub(crate) fn steps<'a>(
    items: &'a [Node],
    stack: Option<&Stack>,
    sink: &mut Sink,
) -> Option<Vec<Placed<'a>>> {
    let ids = ids(items, sink);
    let mut all = Vec::new();
    let mut whole = true;
    for (item, id) in items.iter().zip(&ids) {
        match step(item, id.clone(), &ids, stack, sink) {
            Some(placed) => all.push(placed),
            None => whole = false,
        }
    }
    whole.then_some(all)
}

/// Every step's id, given or made from its fault's name.
fn ids(items: &[Node], sink: &mut Sink) -> Vec<Option<StepId>> {
    let given =
        |item: &Node| -> Option<StepId> { item.only()?.value.get("id")?.text()?.parse().ok() };
    let mut taken: BTreeSet<StepId> = BTreeSet::new();
    for item in items {
        let Some(id) = given(item) else { continue };
        let node = item.only().and_then(|entry| entry.value.get("id"));
        let span = node.map(|node| node.span);
        if id.as_str().contains(['#', ':']) {
            sink.error(
                Code::BadName,
                span.unwrap_or_default(),
                format!("a step's id has no `#` or `:`, and `{id}` has"),
            )
            .with_hint("they set the ids of its targets and of remedies apart");
        }
        if !taken.insert(id.clone()) {
            refer::twice("step", id.as_str(), span, sink);
        }
    }
    items
        .iter()
        .map(|item| {
            let entry = item.only()?;
            if entry.value.get("id").is_some() {
                return given(item);
            }
            let mut count = 1;
            loop {
                let name = if count == 1 {
                    entry.key.to_string()
                } else {
                    format!("{}-{count}", entry.key)
                };
                let id: StepId = name.parse().ok()?;
                if taken.insert(id.clone()) {
                    return Some(id);
                }
                count += 1;
            }
        })
        .collect()
}

fn step<'a>(
    item: &'a Node,
    id: Option<StepId>,
    ids: &[Option<StepId>],
    stack: Option<&Stack>,
    sink: &mut Sink,
) -> Option<Placed<'a>> {
    let entry = item.only()?;
    let name = &*entry.key;
    let view = View::new(&entry.value, form_of(name)?);
    let start = start(view, ids, sink);
    let lasts = lasts(view, name, sink);
    let fault = match name {
        "down" => down(view, stack, sink),
        "partition" => partition(view, stack, sink),
        "kill" => container(view, ContainerAction::Kill, entry.span, stack, sink),
        "stop" => container(view, ContainerAction::Stop, entry.span, stack, sink),
        "pause" => container(view, ContainerAction::Pause, entry.span, stack, sink),
        "restart" => container(view, ContainerAction::Restart, entry.span, stack, sink),
        "hook" => hook(view, sink),
        _ => toxic(name, view, stack, sink),
    };
    Some(Placed {
        step: Step {
            id: id?,
            fault: fault?,
            start: start?,
            lasts: lasts?,
        },
        key: head(item),
        body: &entry.value,
    })
}

/// The form of a fault by its name.
fn form_of(name: &str) -> Option<&'static Object> {
    let Form::Choice(_, variants) = &STEP else {
        return None;
    };
    let variant: &Variant = variants.iter().find(|one| one.name == name)?;
    match variant.form {
        Some(Form::Object(object)) => Some(object),
        _ => None,
    }
}

fn start(view: View<'_>, ids: &[Option<StepId>], sink: &mut Sink) -> Option<Start> {
    let Some(after) = view.value("after") else {
        return match view.value("at") {
            Some(_) => view.read("at").map(Start::At),
            None => Some(Start::At(Millis::ZERO)),
        };
    };
    let step: StepId = after.text()?.parse().ok()?;
    if !ids.iter().flatten().any(|id| *id == step) {
        let known = ids.iter().flatten().map(StepId::as_str);
        refer::unknown(
            Code::UnknownStep,
            "step",
            step.as_str(),
            after.span,
            known,
            sink,
        );
    }
    let wait = match view.value("wait") {
        Some(_) => view.read("wait")?,
        None => Millis::ZERO,
    };
    Some(Start::After { step, wait })
}

fn lasts(view: View<'_>, name: &str, sink: &mut Sink) -> Option<Lasts> {
    if view.value("until").is_some() {
        return Some(Lasts::UntilRemedied {
            at_most: view.read("at_most")?,
        });
    }
    if view.value("for").is_none() && name == "restart" {
        return Some(Lasts::For(Millis::ZERO));
    }
    let length: Millis = view.read("for")?;
    if length == Millis::ZERO && name != "restart" {
        let span = view.span("for").unwrap_or_default();
        sink.error(
            Code::OutOfRange,
            span,
            "a step that lasts no time disturbs nothing",
        )
        .with_hint("give it at least `1ms`");
    }
    Some(Lasts::For(length))
}

/// The link's proxy, resolved on the stack where it is known.
fn proxy(view: View<'_>, stack: Option<&Stack>, sink: &mut Sink) -> Option<ProxyName> {
    let node = view.value("link")?;
    let link = refer::link(node, stack?, sink)?;
    if stack?.toxiproxy.is_none() {
        no_toxiproxy(node.span, sink);
    }
    Some(link.proxy.clone())
}

fn no_toxiproxy(span: Span, sink: &mut Sink) {
    sink.error(
        Code::NoToxiproxy,
        span,
        "the stack has no `toxiproxy`, so its links can't be disturbed",
    )
    .with_hint("add `toxiproxy: {embedded: true}` to the stack, or the `url` of a server");
}

fn toxic(name: &str, view: View<'_>, stack: Option<&Stack>, sink: &mut Sink) -> Option<Fault> {
    let link = proxy(view, stack, sink);
    let toxic = match name {
        "latency" => Toxic::Latency {
            latency: view.read("latency")?,
            jitter: view.read("jitter")?,
        },
        "bandwidth" => Toxic::Bandwidth {
            rate: view.integer("rate")?,
        },
        "slow_close" => Toxic::SlowClose {
            delay: view.read("delay")?,
        },
        "timeout" => Toxic::Timeout {
            timeout: view.read("timeout")?,
        },
        "reset_peer" => Toxic::ResetPeer {
            timeout: view.read("timeout")?,
        },
        "slicer" => slicer(view, sink)?,
        "limit_data" => Toxic::LimitData {
            bytes: view.integer("bytes")?,
        },
        "packet_loss" => Toxic::PacketLoss {
            loss_rate: view.number("loss_rate")?,
            correlation: view.number("correlation")?,
        },
        _ => return None,
    };
    Some(Fault::Toxic {
        link: link?,
        direction: match view.text("direction")? {
            "downstream" => Direction::Downstream,
            "upstream" => Direction::Upstream,
            "both" => Direction::Both,
            _ => return None,
        },
        toxicity: view.number("toxicity")?,
        toxic,
    })
}

fn slicer(view: View<'_>, sink: &mut Sink) -> Option<Toxic> {
    let average_size: u64 = view.integer("average_size")?;
    let size_variation: u64 = view.integer("size_variation")?;
    if let Some(span) = view.span("size_variation")
        && size_variation >= average_size
    {
        sink.error(
            Code::OutOfRange,
            span,
            format!("{size_variation} is out of range: it must be below `average_size`, which is {average_size}"),
        );
    }
    Some(Toxic::Slicer {
        average_size,
        size_variation,
        delay_us: microseconds(view.text("delay")?)?,
    })
}

fn down(view: View<'_>, stack: Option<&Stack>, sink: &mut Sink) -> Option<Fault> {
    Some(Fault::Down {
        link: proxy(view, stack, sink)?,
    })
}

fn partition(view: View<'_>, stack: Option<&Stack>, sink: &mut Sink) -> Option<Fault> {
    let from: Option<Vec<ServiceName>> = view.all("from");
    let to: Option<Vec<ServiceName>> = view.all("to");
    if let Some(stack) = stack {
        let mut known = true;
        for node in view.items("from").iter().chain(view.items("to")) {
            known &= refer::service(node, stack, sink);
        }
        if let (true, Some(from), Some(to)) = (known, &from, &to) {
            cuts(view, stack, from, to, sink);
        }
    }
    Some(Fault::Partition {
        from: from?,
        to: to?,
        mode: match view.text("mode")? {
            "drop" => PartitionMode::Drop,
            "refuse" => PartitionMode::Refuse,
            "reset" => PartitionMode::Reset,
            _ => return None,
        },
    })
}

/// A partition must cut something: one that matches no link would pass without having done anything.
fn cuts(view: View<'_>, stack: &Stack, from: &[ServiceName], to: &[ServiceName], sink: &mut Sink) {
    let span = view.key_span("from").unwrap_or_default();
    let cut =
        |link: &&crate::model::stack::Link| from.contains(&link.from) && to.contains(&link.to);
    if stack.links.iter().find(cut).is_none() {
        let all: Vec<String> = stack
            .links
            .iter()
            .map(|link| format!("{} -> {}", link.from, link.to))
            .collect();
        let hint = if all.is_empty() {
            format!("the stack `{}` has no links", stack.name)
        } else {
            let all = crate::spec::check::shape::listed(all.iter().map(String::as_str), "and");
            format!("the stack `{}` has the links {all}", stack.name)
        };
        sink.error(Code::EmptyPartition, span, "this partition cuts no link")
            .with_hint(hint);
    } else if stack.toxiproxy.is_none() {
        no_toxiproxy(span, sink);
    }
}

fn container(
    view: View<'_>,
    action: ContainerAction,
    key: Span,
    stack: Option<&Stack>,
    sink: &mut Sink,
) -> Option<Fault> {
    let node = view.value("service")?;
    let service: ServiceName = node.text()?.parse().ok()?;
    if let Some(stack) = stack {
        if stack.docker.is_none() {
            sink.error(
                Code::NoDocker,
                key,
                format!(
                    "`{}` acts on a container, and the stack `{}` has no `docker`",
                    action.as_str(),
                    stack.name
                ),
            )
            .with_hint("add `docker: {host: \"unix:///var/run/docker.sock\"}` to the stack");
        }
        if refer::service(node, stack, sink)
            && stack
                .services
                .get(&service)
                .is_some_and(|service| service.container.is_none())
        {
            sink.error(Code::NoContainer, node.span, format!("the service `{service}` has no container"))
                .with_hint(format!(
                    "say in the stack how it is found: {service}: {{container: {{name: …}}}} or {{label: key=value}}"
                ));
        }
    }
    Some(Fault::Container { service, action })
}

fn hook(view: View<'_>, sink: &mut Sink) -> Option<Fault> {
    let mut call =
        |key: &str, sink: &mut Sink| view.value(key).and_then(|node| call::call(node, sink));
    let act = call("do", sink);
    let undo = call("undo", sink);
    let verify = view.value("verify").map(|node| call::verify(node, sink));
    let verify_undone = view
        .value("verify_undone")
        .map(|node| call::verify(node, sink));
    Some(Fault::Hook(Hook {
        act: act?,
        verify: match verify {
            Some(verify) => Some(verify?),
            None => None,
        },
        undo: Some(undo?),
        verify_undone: match verify_undone {
            Some(verify) => Some(verify?),
            None => None,
        },
    }))
}
