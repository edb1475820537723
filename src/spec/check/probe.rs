//! Probes: what is asked, how often, and what must come back.

use crate::model::ids::ProbeName;
use crate::model::probe::{Ask, Probe, Reading, Tolerance};
use crate::model::stack::Stack;
use crate::spec::address;
use crate::spec::check::call::{self, Asked, COMMAND, EXPECT, HTTP};
use crate::spec::check::refer;
use crate::spec::check::view::View;
use crate::spec::diagnostic::Span;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, LONGEST, Object, Rule, STREAK, defaulted, optional, required};
use crate::spec::tree::{Entry, Node};

pub(crate) static PROBE: Object = Object {
    what: "a probe",
    about: "A measured health question, asked when a phase begins and then every so often.",
    groups: &[&[
        optional("http", HTTP, "Asks over HTTP: a URL, or a request."),
        optional(
            "tcp",
            Form::Object(&TCP),
            "Asks whether a TCP connection opens.",
        ),
        optional(
            "process",
            Form::Object(&PROCESS),
            "Asks a program, which answers by its exit status.",
        ),
        optional(
            "difference",
            Form::List(&Form::Object(&READING), 2, 2),
            "Reads two numbers over HTTP; the answer is their absolute difference.",
        ),
        optional(
            "prometheus",
            Form::Object(&PROMETHEUS),
            "Asks a Prometheus server; every sample it returns must be as expected.",
        ),
        optional(
            "expect",
            Form::Object(&EXPECT),
            "What a passing answer looks like.",
        ),
        defaulted(
            "every",
            Form::Duration(10, LONGEST),
            "1s",
            "From one question to the next.",
        ),
        defaulted(
            "impact",
            Form::Flag,
            "false",
            "Whether its failure means that users are hurt. Such probes always run.",
        ),
    ]],
    rules: &[Rule::ExactlyOne(&[
        "http",
        "tcp",
        "process",
        "difference",
        "prometheus",
    ])],
};

static TCP: Object = Object {
    what: "a TCP question",
    about: "Whether a TCP connection opens.",
    groups: &[&[required("address", Form::Address, "Where: `host:port`.")]],
    rules: &[],
};

static PROCESS: Object = Object {
    what: "a process question",
    about: "A program run to its end.",
    groups: &[&[required(
        "command",
        COMMAND,
        "The program and its arguments; relative programs are found beside this file.",
    )]],
    rules: &[],
};

static READING: Object = Object {
    what: "a reading",
    about: "A number read out of a JSON answer.",
    groups: &[&[
        required("http", HTTP, "Where it is asked."),
        required(
            "read",
            Form::JsonPath,
            "The JSONPath (RFC 9535) of the number.",
        ),
    ]],
    rules: &[],
};

pub(crate) static PROMETHEUS: Object = Object {
    what: "a Prometheus question",
    about: "An instant query.",
    groups: &[&[
        required("url", Form::Url, "The server's base URL."),
        required("query", Form::Text, "The query, in PromQL."),
    ]],
    rules: &[],
};

/// A probe's place in a steady state.
pub(crate) static TOLERANCE: Object = Object {
    what: "a condition",
    about: "A probe, and how many samples in a row change its standing.",
    groups: &[&[
        required("probe", Form::Name, "A probe of the stack."),
        defaulted(
            "fail_after",
            STREAK,
            "3",
            "Failing samples in a row until it counts as failing.",
        ),
        defaulted(
            "pass_after",
            STREAK,
            "3",
            "Passing samples in a row until it counts as passing.",
        ),
    ]],
    rules: &[],
};

pub(crate) fn read(entry: &Entry, sink: &mut Sink) -> Option<Probe> {
    question(entry.key.parse().ok()?, &entry.value, entry.span, sink)
}

/// A question and its expectation, under whatever name. `anchor` is where to point for what is missing.
pub(crate) fn question(
    name: ProbeName,
    node: &Node,
    anchor: Span,
    sink: &mut Sink,
) -> Option<Probe> {
    let view = View::new(node, &PROBE);
    let ask = ask(view, sink);
    let of = match &ask {
        Some((_, of)) => *of,
        None => return None,
    };
    let expect = match node.entry("expect") {
        Some(expect) => call::expect(&expect.value, expect.span, of, sink)?,
        None if matches!(of, Asked::Difference | Asked::Prometheus) => {
            call::expect(&Node::empty(), anchor, of, sink)?
        }
        None => of.default_expectation(),
    };
    Some(Probe {
        name,
        ask: ask?.0,
        expect,
        every: view.read("every")?,
        impact: view.flag("impact")?,
    })
}

fn ask(view: View<'_>, sink: &mut Sink) -> Option<(Ask, Asked)> {
    if let Some(http) = view.value("http") {
        call::header_values(http, sink);
        return Some((Ask::Http(call::request(http)?), Asked::Http));
    }
    if let Some(tcp) = view.value("tcp") {
        let address = View::new(tcp, &TCP).read("address")?;
        return Some((Ask::Tcp { address }, Asked::Tcp));
    }
    if let Some(process) = view.value("process") {
        let program = call::program(process.get("command")?, sink)?;
        return Some((Ask::Process(program), Asked::Program));
    }
    if let Some(prometheus) = view.value("prometheus") {
        let view = View::new(prometheus, &PROMETHEUS);
        let ask = Ask::Prometheus {
            url: view.template("url")?,
            query: view.read("query")?,
        };
        return Some((ask, Asked::Prometheus));
    }
    let [one, other] = view.items("difference") else {
        return None;
    };
    let sides = Box::new([reading(one, sink)?, reading(other, sink)?]);
    Some((Ask::Difference { sides }, Asked::Difference))
}

fn reading(node: &Node, sink: &mut Sink) -> Option<Reading> {
    let view = View::new(node, &READING);
    let http = view.value("http")?;
    call::header_values(http, sink);
    Some(Reading {
        http: call::request(http)?,
        read: view.read("read")?,
    })
}

/// The places a probe reaches beyond loopback.
pub(crate) fn far_places(node: &Node) -> Vec<Span> {
    let mut far = Vec::new();
    let mut url = |node: Option<&Node>| {
        let node = node.map(|node| node.get("url").unwrap_or(node));
        if let Some(node) = node
            && node
                .text()
                .is_some_and(|text| address::url(text).is_ok_and(|place| !place.is_loopback()))
        {
            far.push(node.span);
        }
    };
    url(node.get("http"));
    url(node.get("prometheus"));
    for side in node.get("difference").map_or(&[][..], Node::items) {
        url(side.get("http"));
    }
    if let Some(address) = node.get("tcp").and_then(|tcp| tcp.get("address"))
        && address.text().is_some_and(|text| {
            address::host_and_port(text).is_ok_and(|place| !place.is_loopback())
        })
    {
        far.push(address.span);
    }
    far
}

/// A list of conditions; a probe stands in it once.
pub(crate) fn tolerances(
    items: &[Node],
    stack: Option<&Stack>,
    sink: &mut Sink,
) -> Option<Vec<Tolerance>> {
    let mut all: Vec<Tolerance> = Vec::new();
    let mut whole = true;
    for item in items {
        let view = View::new(item, &TOLERANCE);
        if let Some(stack) = stack {
            refer::probe(view, "probe", stack, sink);
        }
        let tolerance = (|| {
            Some(Tolerance {
                probe: view.read::<ProbeName>("probe")?,
                fail_after: view.integer("fail_after")?,
                pass_after: view.integer("pass_after")?,
            })
        })();
        match tolerance {
            Some(tolerance) => {
                if all.iter().any(|other| other.probe == tolerance.probe) {
                    refer::twice("probe", tolerance.probe.as_str(), view.span("probe"), sink);
                }
                all.push(tolerance);
            }
            None => whole = false,
        }
    }
    whole.then_some(all)
}
