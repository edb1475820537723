//! Cuts: steps that take containers off their networks, and partitions that move them.

use std::collections::BTreeSet;

use crate::model::cut::{Address, Others};
use crate::model::fault::Fault;
use crate::model::ids::ServiceName;
use crate::model::stack::Stack;
use crate::spec::check::fault::with_container;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::diagnostic::Span;
use crate::spec::findings::Sink;
use crate::spec::form::{Field, Form, defaulted, optional, required};
use crate::spec::tree::Node;

/// Which address the container comes back with.
pub(crate) const ADDRESS: Field = defaulted(
    "address",
    Form::Word(&[
        (
            "same",
            "The one it had: a container whose address the daemon chose is refused, since only a fixed one can be asked for.",
        ),
        (
            "any",
            "A fixed one again; else whichever the daemon gives it.",
        ),
    ]),
    "same",
    "Which address the container must come back with.",
);

/// What of containers on neither side of a partition.
pub(crate) const OTHERS: Field = defaulted(
    "others",
    Form::Word(&[
        (
            "refuse",
            "There must be none that run on the networks that `to` leaves.",
        ),
        ("cut", "They may lose sight of `to` as well."),
    ]),
    "refuse",
    "With `via: docker`: what of containers on neither side.",
);

/// What belongs to a disconnect step alone.
pub(crate) static DISCONNECTED: &[Field] = &[
    required("service", Form::Name, "The service whose container it is."),
    optional(
        "networks",
        Form::List(&Form::Text, 1, 100),
        "The networks it leaves, by name; every user-defined one it is on when absent.",
    ),
    ADDRESS,
];

pub(super) fn disconnect(
    view: View<'_>,
    key: Span,
    stack: Option<&Stack>,
    sink: &mut Sink,
) -> Option<Fault> {
    let node = view.value("service")?;
    let service: ServiceName = node.text()?.parse().ok()?;
    if let Some(stack) = stack {
        with_container(node, &service, "disconnect", key, stack, sink);
        super::fault::protected(&service, stack, node.span, sink);
    }
    let mut networks: Vec<String> = Vec::new();
    for item in view.items("networks") {
        let name = item.text()?.to_owned();
        if matches!(name.as_str(), "host" | "none") {
            sink.error(
                Code::UnknownWord,
                item.span,
                format!("a container can't leave `{name}`"),
            )
            .with_hint("it is no network of its own: it is chosen when the container is made");
        }
        if networks.contains(&name) {
            super::refer::twice("network", &name, Some(item.span), sink);
        }
        networks.push(name);
    }
    Some(Fault::Disconnect {
        service,
        networks,
        address: address(view)?,
    })
}

/// A partition between groups of containers. What it needs that a partition of links does not, and the other way round.
pub(super) fn part(
    view: View<'_>,
    key: Span,
    stack: Option<&Stack>,
    sink: &mut Sink,
) -> Option<Fault> {
    let from: Vec<ServiceName> = view.all("from")?;
    let to: Vec<ServiceName> = view.all("to")?;
    if let Some(span) = view.key_span("mode") {
        sink.error(
            Code::ConflictingKeys,
            span,
            "`mode` is how links fare, and `via: docker` cuts none",
        )
        .with_hint(
            "leave it out: names of the other side no longer resolve, packets to it go nowhere",
        );
    }
    if let Some(stack) = stack {
        for (side, names) in [("from", &from), ("to", &to)] {
            let mut known: BTreeSet<&ServiceName> = BTreeSet::new();
            for (node, name) in view.items(side).iter().zip(names) {
                with_container(node, name, "partition", key, stack, sink);
                if !known.insert(name) {
                    super::refer::twice("service", name.as_str(), Some(node.span), sink);
                }
                if side == "to" {
                    super::fault::protected(name, stack, node.span, sink);
                    both_sides(node, name, &from, sink);
                }
            }
        }
    }
    Some(Fault::Part {
        from,
        to,
        others: match view.text("others")? {
            "refuse" => Others::Refuse,
            "cut" => Others::Cut,
            _ => return None,
        },
        address: address(view)?,
    })
}

/// What only a partition of containers has, in one of links.
pub(super) fn only_for_containers(view: View<'_>, sink: &mut Sink) {
    for key in ["others", "address"] {
        if let Some(span) = view.key_span(key) {
            sink.error(
                Code::ConflictingKeys,
                span,
                format!("`{key}` is about containers, and this partition cuts links"),
            )
            .with_hint("add `via: docker`, or leave it out");
        }
    }
}

fn both_sides(node: &Node, name: &ServiceName, from: &[ServiceName], sink: &mut Sink) {
    if from.contains(name) {
        sink.error(
            Code::EmptyPartition,
            node.span,
            format!("`{name}` is on both sides"),
        )
        .with_hint("a container can't be parted from itself");
    }
}

fn address(view: View<'_>) -> Option<Address> {
    match view.text("address")? {
        "same" => Some(Address::Same),
        "any" => Some(Address::Any),
        _ => None,
    }
}

/// Whether a step is a partition of containers.
pub(super) fn is_via_docker(view: View<'_>) -> bool {
    view.text("via") == Some("docker")
}

/// What the object of a partition is about, both ways.
pub(crate) const PARTED: &str = "By default every link from one group of services to another is cut. With `via: docker`, \
    the containers of `to` move to private networks of their own: they see each other there as before, and lose sight of \
    `from`.";
