//! Proven ground, as far as a file shows it: places that firedrill acts on and that are written as addresses.
//!
//! Names are resolved before each run and each fault, by whoever makes the checks.

use std::net::IpAddr;

use crate::model::ground::{Ground, HINT, Socket};
use crate::model::stack::{Identity, Stack};
use crate::spec::address;
use crate::spec::check::probe;
use crate::spec::check::stack::unproven;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::diagnostic::Span;
use crate::spec::findings::Sink;
use crate::spec::tree::Node;

/// The keys of hooks and remedies that hold calls.
const CALLS: [&str; 6] = [
    "capture",
    "do",
    "verify",
    "undo",
    "verify_undone",
    "restore",
];

/// Every call of a hook or a remedy goes to proven ground. Without checks, that is loopback, by name too.
pub(crate) fn calls(node: &Node, stack: &Stack, sink: &mut Sink) {
    let inner = CALLS.iter().filter_map(|key| node.get(key));
    for call in [node].into_iter().chain(inner) {
        if stack.identity.is_empty() {
            for span in probe::far_places(call) {
                unproven(span, sink);
            }
            continue;
        }
        let http = call.get("http");
        if let Some(url) = http.map(|http| http.get("url").unwrap_or(http))
            && let Some(socket) = url.text().and_then(Socket::of_url)
        {
            place(&socket, url.span, stack, sink);
        }
    }
}

/// The servers through which firedrill disturbs a stack with identity checks.
pub(crate) fn servers(view: View<'_>, stack: &Stack, sink: &mut Sink) {
    if stack.identity.is_empty() {
        return;
    }
    let url = view.value("toxiproxy").and_then(|node| node.get("url"));
    if let Some(url) = url
        && let Some(socket) = url.text().and_then(Socket::of_url)
    {
        place(&socket, url.span, stack, sink);
    }
    let mut checks = stack.identity.iter();
    // The labels of its containers, read from it, prove a daemon wherever it is.
    if checks.any(|check| matches!(check, Identity::Containers { .. })) {
        return;
    }
    let host = view.value("docker").and_then(|node| node.get("host"));
    if let Some(host) = host
        && let Some(Ok(Some(place_of))) = host.text().map(address::docker_host)
    {
        let socket = Socket::new(&place_of.host, place_of.port.unwrap_or_default());
        place(&socket, host.span, stack, sink);
    }
}

fn place(socket: &Socket, span: Span, stack: &Stack, sink: &mut Sink) {
    let Some(address) = socket.address() else {
        return;
    };
    if let Err(found) = Ground::of(stack).footing(socket, &[address]) {
        let address: IpAddr = found.unwrap_or(address);
        sink.error(
            Code::UnprovenPlace,
            span,
            format!("nothing proves that {address} is staging: no identity check of the stack says anything about it"),
        )
        .with_label("acted on")
        .with_hint(HINT);
    }
}
