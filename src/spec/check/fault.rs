//! Faults: the steps of a method, one key each, and what each disturbs.

use std::collections::BTreeSet;

use crate::model::fault::{
    Confirm, Direction, Fault, Hook, Lasts, PartitionMode, Repeat, Start, Step, Strength, Toxic,
    Unconfirmed,
};
use crate::model::ids::{ProxyName, ServiceName, StepId};
use crate::model::stack::Stack;
use crate::model::time::Millis;
use crate::spec::check::call;
use crate::spec::check::container;
use crate::spec::check::cut;
use crate::spec::check::ramp;
use crate::spec::check::refer;
use crate::spec::check::scalar::microseconds;
use crate::spec::check::shape::head;
use crate::spec::check::step::STEP;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::diagnostic::Span;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Object, Variant};
use crate::spec::tree::Node;

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
    let repeat = repeat(view, lasts, sink);
    let fault = match name {
        "down" => down(view, stack, sink),
        "partition" if cut::is_via_docker(view) => cut::part(view, entry.span, stack, sink),
        "partition" => partition(view, stack, sink),
        "disconnect" => cut::disconnect(view, entry.span, stack, sink),
        "kill" | "stop" | "pause" | "restart" | "crash" | "squeeze" | "exec" => {
            container(view, name, entry.span, stack, sink)
        }
        "hook" => hook(view, sink),
        "confirm" => confirm(view),
        _ => toxic(name, view, lasts, stack, sink),
    };
    Some(Placed {
        step: Step {
            id: id?,
            fault: fault?,
            start: start?,
            lasts: lasts?,
            repeat: repeat.ok()?,
        },
        key: head(item),
        body: &entry.value,
    })
}

/// The form of a fault by its name.
pub(crate) fn form_of(name: &str) -> Option<&'static Object> {
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
    if name == "confirm" {
        return view.read("at_most").map(Lasts::For);
    }
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

/// What could not be read: why is among the findings.
struct Unread;

/// How often it happens. Where an occurrence outlasts the time to the next, both would be on at once.
fn repeat(view: View<'_>, lasts: Option<Lasts>, sink: &mut Sink) -> Result<Option<Repeat>, Unread> {
    if view.object.field("repeat").is_none() || view.value("repeat").is_none() {
        return Ok(None);
    }
    let times = view.integer("repeat").ok_or(Unread)?;
    let every: Millis = view.read("every").ok_or(Unread)?;
    if let Some(Lasts::For(length)) = lasts
        && every < length
    {
        sink.error(
            Code::OutOfRange,
            view.span("every").unwrap_or_default(),
            format!("a step that lasts {length} can't begin again after {every}"),
        )
        .with_hint("`every` counts from one beginning to the next: it is at least `for`");
    }
    Ok(Some(Repeat { times, every }))
}

fn confirm(view: View<'_>) -> Option<Fault> {
    Some(Fault::Confirm(Confirm {
        text: view.text("text")?.to_owned(),
        then: match view.text("then")? {
            "continue" => Unconfirmed::Continue,
            _ => Unconfirmed::Abort,
        },
    }))
}

/// The link's proxy, resolved on the stack where it is known.
fn proxy(view: View<'_>, stack: Option<&Stack>, sink: &mut Sink) -> Option<ProxyName> {
    let node = view.value("link")?;
    let link = refer::link(node, stack?, sink)?;
    if stack?.toxiproxy.is_none() {
        no_toxiproxy(node.span, sink);
    }
    protected(&link.to, stack?, node.span, sink);
    Some(link.proxy.clone())
}

/// A service that no fault may touch: a link counts the one it leads to.
pub(super) fn protected(service: &ServiceName, stack: &Stack, span: Span, sink: &mut Sink) {
    if stack.services.get(service).is_some_and(|one| one.protected) {
        sink.error(
            Code::Protected,
            span,
            format!("this would touch `{service}`, which is protected"),
        )
        .with_hint(format!(
            "the stack `{}` says `protected: true` of it: disturb something else",
            stack.name
        ));
    }
}

fn no_toxiproxy(span: Span, sink: &mut Sink) {
    sink.error(
        Code::NoToxiproxy,
        span,
        "the stack has no `toxiproxy`, so its links can't be disturbed",
    )
    .with_hint("add `toxiproxy: {embedded: true}` to the stack, or the `url` of a server");
}

fn toxic(
    name: &str,
    view: View<'_>,
    lasts: Option<Lasts>,
    stack: Option<&Stack>,
    sink: &mut Sink,
) -> Option<Fault> {
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
    let full = Strength {
        toxic,
        toxicity: view.number("toxicity")?,
    };
    let ramp = match view.object.field("ramp").and_then(|_| view.value("ramp")) {
        Some(node) => Some(ramp::read(node, name, full, lasts, sink)?),
        None => None,
    };
    Some(Fault::Toxic {
        link: link?,
        direction: match view.text("direction")? {
            "downstream" => Direction::Downstream,
            "upstream" => Direction::Upstream,
            "both" => Direction::Both,
            _ => return None,
        },
        toxicity: full.toxicity,
        toxic,
        ramp,
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
    cut::only_for_containers(view, sink);
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
            let all = crate::spec::check::names::listed(all.iter().map(String::as_str), "and");
            format!("the stack `{}` has the links {all}", stack.name)
        };
        let has_container = |name: &ServiceName| {
            let service = stack.services.get(name);
            service.is_some_and(|service| service.container.is_some())
        };
        let hint = if stack.docker.is_some() && from.iter().chain(to).all(has_container) {
            format!("{hint}; `via: docker` parts their containers")
        } else {
            hint
        };
        sink.error(Code::EmptyPartition, span, "this partition cuts no link")
            .with_hint(hint);
    } else if stack.toxiproxy.is_none() {
        no_toxiproxy(span, sink);
    }
    for node in view.items("to") {
        let service = to.iter().find(|name| node.text() == Some(name.as_str()));
        let is_cut = |service: &&ServiceName| {
            let mut cut = stack.links.iter().filter(cut);
            cut.any(|link| link.to == **service)
        };
        if let Some(service) = service.filter(is_cut) {
            protected(service, stack, node.span, sink);
        }
    }
}

fn container(
    view: View<'_>,
    name: &str,
    key: Span,
    stack: Option<&Stack>,
    sink: &mut Sink,
) -> Option<Fault> {
    let action = container::action(name, view, sink);
    let share = container::share(view, sink);
    let node = view.value("service")?;
    let service: ServiceName = node.text()?.parse().ok()?;
    if let Some(stack) = stack {
        with_container(node, &service, name, key, stack, sink);
        protected(&service, stack, node.span, sink);
    }
    Some(Fault::Container {
        service,
        action: action?,
        share: share.ok()?,
    })
}

/// What the step `word` acts on must have a container, and the stack a daemon.
pub(super) fn with_container(
    node: &Node,
    service: &ServiceName,
    word: &str,
    key: Span,
    stack: &Stack,
    sink: &mut Sink,
) {
    if stack.docker.is_none() {
        sink.error(
            Code::NoDocker,
            key,
            format!(
                "`{word}` acts on a container, and the stack `{}` has no `docker`",
                stack.name
            ),
        )
        .with_hint("add `docker: {host: \"unix:///var/run/docker.sock\"}` to the stack");
    }
    if refer::service(node, stack, sink)
        && stack
            .services
            .get(service)
            .is_some_and(|service| service.container.is_none())
    {
        sink.error(Code::NoContainer, node.span, format!("the service `{service}` has no container"))
            .with_hint(format!(
                "say in the stack how it is found: {service}: {{container: {{name: …}}}} or {{label: key=value}}"
            ));
    }
}

fn hook(view: View<'_>, sink: &mut Sink) -> Option<Fault> {
    let call = |key: &str, sink: &mut Sink| view.value(key).and_then(|node| call::call(node, sink));
    let capture = view.value("capture");
    let capture = capture.map(|node| call::capture(node, sink));
    let act = call("do", sink);
    let undo = call("undo", sink);
    let verify = view.value("verify").map(|node| call::verify(node, sink));
    let verify_undone = view
        .value("verify_undone")
        .map(|node| call::verify(node, sink));
    Some(Fault::Hook(Hook {
        capture: match capture {
            Some(capture) => Some(capture?),
            None => None,
        },
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
