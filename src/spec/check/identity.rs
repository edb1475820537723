//! The proof that a stack is staging: what is checked, and that the check proves something.

use crate::model::stack::Identity;
use crate::spec::address;
use crate::spec::check::call::{self, Asked, EXPECT, HTTP};
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::diagnostic::Span;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Object, Rule, optional, required};
use crate::spec::tree::{Kind, Node};

pub(crate) static IDENTITY: Object = Object {
    what: "an identity check",
    about: "One proof that the stack is staging.",
    groups: &[&[
        optional(
            "http",
            HTTP,
            "A request whose answer must be as expected, such as a chain id or a header.",
        ),
        optional(
            "expect",
            Form::Object(&EXPECT),
            "With `http`: what must come back.",
        ),
        optional(
            "containers",
            Form::Object(&CONTAINERS),
            "Every container the stack names carries this label.",
        ),
        optional(
            "upstreams",
            Form::Object(&UPSTREAMS),
            "Every link's upstream resolves into these networks only.",
        ),
    ]],
    rules: &[
        Rule::ExactlyOne(&["http", "containers", "upstreams"]),
        Rule::Needs("http", "expect"),
        Rule::Needs("expect", "http"),
    ],
};

static CONTAINERS: Object = Object {
    what: "a containers check",
    about: "Every container the stack names carries this label.",
    groups: &[&[required("label", Form::Label, "`key=value`.")]],
    rules: &[],
};

static UPSTREAMS: Object = Object {
    what: "an upstreams check",
    about: "Every link's upstream resolves into these networks only.",
    groups: &[&[required(
        "within",
        Form::List(&Form::Network, 1, 100),
        "Networks in CIDR form.",
    )]],
    rules: &[],
};

pub(crate) fn read(items: &[Node], sink: &mut Sink) -> Option<Vec<Identity>> {
    let mut all = Vec::new();
    let mut whole = true;
    for item in items {
        match identity_check(item, sink) {
            Some(check) => all.push(check),
            None => whole = false,
        }
    }
    whole.then_some(all)
}

fn identity_check(item: &Node, sink: &mut Sink) -> Option<Identity> {
    let view = View::new(item, &IDENTITY);
    if let Some(http) = view.value("http") {
        call::header_values(http, sink);
        let expected = item.entry("expect")?;
        let request = call::request(http);
        let expect = call::expect(&expected.value, expected.span, Asked::Http, sink);
        let body = request
            .as_ref()
            .and_then(|request| request.body.as_deref())
            .unwrap_or("");
        mainnet(body, &expected.value, sink);
        return Some(Identity::Http {
            request: request?,
            expect: expect?,
        });
    }
    if let Some(containers) = view.value("containers") {
        let label = View::new(containers, &CONTAINERS).read("label")?;
        return Some(Identity::Containers { label });
    }
    let upstreams = View::new(view.value("upstreams")?, &UPSTREAMS);
    for node in upstreams.items("within") {
        if node.text().map(address::network) == Some(Ok(address::Breadth::Anywhere)) {
            sink.error(
                Code::OutOfRange,
                node.span,
                "this network is so wide that being in it proves nothing",
            )
            .with_hint("name the networks of the staging environment, such as `10.20.0.0/16`");
        }
    }
    Some(Identity::Upstreams {
        within: upstreams.all("within")?,
    })
}

/// A check that holds on any stack proves nothing, and would let one through unproven.
pub(crate) fn idle_checks(view: View<'_>, sink: &mut Sink) {
    let services = view.value("services").map_or(&[][..], Node::entries);
    let containers = services
        .iter()
        .any(|entry| entry.value.get("container").is_some());
    for item in view.items("identity") {
        let check = View::new(item, &IDENTITY);
        let idle = if let Some(span) = check.key_span("upstreams") {
            view.items("links")
                .is_empty()
                .then_some((span, "the stack has no links"))
        } else if let Some(span) = check.key_span("containers") {
            (!containers).then_some((span, "no service of the stack has a container"))
        } else {
            let expect = check.value("expect");
            let said = ["json", "body", "headers"];
            let said = expect.is_some_and(|node| said.iter().any(|key| node.get(key).is_some()));
            let span = check.key_span("expect").filter(|_| !said);
            span.map(|span| {
                (
                    span,
                    "it expects no `json`, `body` or `headers` of the answer",
                )
            })
        };
        if let Some((span, why)) = idle {
            sink.error(
                Code::NoIdentity,
                span,
                format!("this check proves nothing: {why}"),
            );
        }
    }
}

/// Ethereum's mainnet is chain 1; a file that expects it is refused whatever else it says.
fn mainnet(body: &str, expect: &Node, sink: &mut Sink) {
    if !["eth_chainId", "net_version"]
        .iter()
        .any(|method| body.contains(method))
    {
        return;
    }
    let mut spans = Vec::new();
    for entry in expect.get("json").map_or(&[][..], Node::entries) {
        spans.extend(chain_one(&entry.value));
    }
    if let Some(node) = expect.get("body")
        && node
            .text()
            .is_some_and(|text| ["\"0x1\"", "\"1\""].iter().any(|id| text.contains(id)))
    {
        spans.push(node.span);
    }
    for span in spans {
        sink.error(Code::Mainnet, span, "chain 1 is the Ethereum mainnet").with_hint(
            "firedrill never runs on a mainnet, and nothing overrides that: point the stack at a staging chain",
        );
    }
}

/// Where a value is chain 1: by itself, or as the `result` of a whole answer.
fn chain_one(node: &Node) -> Option<Span> {
    let one = match &node.kind {
        Kind::Int(number) => *number == 1,
        #[expect(clippy::float_cmp, reason = "the chain id 1, written as 1.0")]
        Kind::Float(number) => *number == 1.0,
        Kind::Text(text) => is_one(text),
        Kind::Map(_) => return chain_one(node.get("result")?),
        _ => false,
    };
    one.then_some(node.span)
}

fn is_one(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let number = match text.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    number == Some(1)
}
