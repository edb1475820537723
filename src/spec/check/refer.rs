//! Names that must exist elsewhere: each that doesn't is shown with the nearest one and with those there are.

use crate::model::ids::ProxyName;
use crate::model::stack::{Link, Stack};
use crate::spec::check::names::{did_you_mean, listed, nearest};
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::findings::Sink;
use crate::spec::tree::{Node, short};

/// Reports a name that is not among those known.
pub(crate) fn unknown<'a, 's>(
    code: Code,
    what: &str,
    name: &str,
    span: Span,
    known: impl Iterator<Item = &'a str>,
    sink: &'s mut Sink,
) -> &'s mut Diagnostic {
    let mut known: Vec<&str> = known.collect();
    known.dedup();
    let near = nearest(name, known.iter().copied());
    let all = if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("there is {}", listed(known.iter().copied(), "and"))
    };
    sink.error(code, span, format!("there is no {what} `{}`", short(name)))
        .with_hint(did_you_mean(near, &all))
}

/// Reports an id or name that stands a second time.
pub(crate) fn twice(what: &str, name: &str, span: Option<Span>, sink: &mut Sink) {
    sink.error(
        Code::DuplicateId,
        span.unwrap_or_default(),
        format!("the {what} `{}` stands here a second time", short(name)),
    );
}

/// A probe of the stack.
pub(crate) fn probe(view: View<'_>, key: &str, stack: &Stack, sink: &mut Sink) {
    if let (Some(name), Some(span)) = (view.text(key), view.span(key)) {
        let known = || {
            stack
                .probes
                .keys()
                .map(crate::model::ids::ProbeName::as_str)
        };
        if !known().any(|probe| probe == name) {
            unknown(Code::UnknownProbe, "probe", name, span, known(), sink);
        }
    }
}

/// A service of the stack.
pub(crate) fn service(node: &Node, stack: &Stack, sink: &mut Sink) -> bool {
    let Some(name) = node.text() else {
        return false;
    };
    let known = || {
        stack
            .services
            .keys()
            .map(crate::model::ids::ServiceName::as_str)
    };
    let there = known().any(|service| service == name);
    if !there {
        unknown(
            Code::UnknownService,
            "service",
            name,
            node.span,
            known(),
            sink,
        );
    }
    there
}

/// A link of the stack, written `from -> to` or as its proxy's name.
pub(crate) fn link<'s>(node: &Node, stack: &'s Stack, sink: &mut Sink) -> Option<&'s Link> {
    let text = node.text()?;
    let Some((from, to)) = text.split_once("->") else {
        let found = text
            .parse::<ProxyName>()
            .ok()
            .and_then(|proxy| stack.link(&proxy));
        if found.is_none() {
            no_link(text, node.span, stack, sink);
        }
        return found;
    };
    let (from, to) = (from.trim(), to.trim());
    let found: Vec<&Link> = stack
        .links
        .iter()
        .filter(|link| link.from.as_str() == from && link.to.as_str() == to)
        .collect();
    match found[..] {
        [link] => Some(link),
        [] => {
            no_link(text, node.span, stack, sink);
            None
        }
        _ => {
            let proxies = listed(found.iter().map(|link| link.proxy.as_str()), "or");
            sink.error(
                Code::AmbiguousLink,
                node.span,
                format!("{} links lead from `{from}` to `{to}`", found.len()),
            )
            .with_hint(format!("name one by its proxy: {proxies}"));
            None
        }
    }
}

fn no_link(text: &str, span: Span, stack: &Stack, sink: &mut Sink) {
    if stack.links.is_empty() {
        sink.error(
            Code::UnknownLink,
            span,
            format!("there is no link `{}`", short(text)),
        )
        .with_hint(format!(
            "the stack `{}` has no links: add them under `links:`",
            stack.name
        ));
        return;
    }
    let ends: Vec<String> = stack
        .links
        .iter()
        .map(|link| format!("{} -> {}", link.from, link.to))
        .collect();
    let proxies = stack.links.iter().map(|link| link.proxy.as_str());
    let names: Vec<&str> = if text.contains("->") {
        ends.iter().map(String::as_str).collect()
    } else {
        proxies.collect()
    };
    let near = nearest(text, names.iter().copied());
    let all = stack
        .links
        .iter()
        .map(|link| format!("`{} -> {}` ({})", link.from, link.to, link.proxy))
        .take(30)
        .collect::<Vec<_>>()
        .join(", ");
    sink.error(
        Code::UnknownLink,
        span,
        format!("there is no link `{}`", short(text)),
    )
    .with_hint(did_you_mean(near, &format!("there is {all}")));
}
