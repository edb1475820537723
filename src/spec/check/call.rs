//! What is asked of a stack or done to it: HTTP requests, programs, and what must come back.

use std::collections::BTreeMap;

use crate::model::fault::{Call, Capture, Verify};
use crate::model::probe::{Expect, HttpRequest, Program};
use crate::spec::check::names::listed;
use crate::spec::check::shape;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::diagnostic::Span;
use crate::spec::findings::Sink;
use crate::spec::form::{
    Form, Keys, NUMBER, Object, Rule, SOME_DURATION, defaulted, optional, required,
};
use crate::spec::tree::{Kind, Node};

/// A request, as a URL or in full.
pub(crate) const HTTP: Form = Form::Either(&[Form::Url, Form::Object(&REQUEST)]);

/// A program and its arguments.
pub(crate) const COMMAND: Form = Form::List(&Form::Sent, 1, 1_000);

pub(crate) static REQUEST: Object = Object {
    what: "an HTTP request",
    about: "One HTTP request on a fresh connection, without proxies from the environment.",
    groups: &[&[
        defaulted(
            "method",
            Form::Word(&[
                ("GET", "Read."),
                ("HEAD", "Read the head only."),
                ("POST", "Create, or call."),
                ("PUT", "Replace."),
                ("PATCH", "Change."),
                ("DELETE", "Remove."),
                ("OPTIONS", "Ask what is allowed."),
            ]),
            "GET",
            "The method.",
        ),
        required(
            "url",
            Form::Url,
            "Where it is sent: `http://` or `https://`.",
        ),
        optional(
            "headers",
            Form::Map(Keys::Header, &Form::Sent),
            "Header names and values.",
        ),
        optional(
            "body",
            Form::Sent,
            "The body, sent as `application/json` when it parses as JSON and no content type is given.",
        ),
    ]],
    rules: &[],
};

/// The keys that say what must come back.
pub(crate) static EXPECT: Object = Object {
    what: "an expectation",
    about: "What a passing answer looks like; everything given must hold.",
    groups: &[&[
        optional(
            "status",
            Form::Integer(100, 599),
            "The HTTP status; when absent, any of 200 to 299.",
        ),
        optional(
            "json",
            Form::Map(Keys::JsonPath, &Form::Any),
            "JSONPaths (RFC 9535) of the answer's body, and the value each must have.",
        ),
        optional("body", Form::Text, "A text the body must contain."),
        optional(
            "headers",
            Form::Map(Keys::Header, &Form::Text),
            "Header names, in any case, and the value each must have.",
        ),
        optional(
            "exit",
            Form::Integer(0, 255),
            "The exit status of a program; 0 when absent.",
        ),
        optional("below", NUMBER, "The number must be below this."),
        optional("above", NUMBER, "The number must be above this."),
        defaulted(
            "within",
            SOME_DURATION,
            "1s",
            "A later answer is a failing one.",
        ),
    ]],
    rules: &[],
};

/// Something done: a request or a program.
pub(crate) static CALL: Object = Object {
    what: "a call",
    about: "A request (which must answer 200 to 299) or a program (which must exit 0).",
    groups: &[CALL_KEYS],
    rules: &[Rule::ExactlyOne(&["http", "run"])],
};

pub(crate) static VERIFY: Object = Object {
    what: "a verification",
    about: "A call whose answer must be as expected.",
    groups: &[
        CALL_KEYS,
        &[optional(
            "expect",
            Form::Object(&EXPECT),
            "What must come back.",
        )],
    ],
    rules: &[Rule::ExactlyOne(&["http", "run"])],
};

/// What a hook or a remedy reads before it acts.
pub(crate) static CAPTURE: Object = Object {
    what: "a capture",
    about: "What is read just before something is done, and kept in the log. It stands for `${captured}` in what undoes \
            it, so that what was there comes back whatever it was. It must be one text, number or flag.",
    groups: &[
        CALL_KEYS,
        &[optional(
            "read",
            Form::JsonPath,
            "With `http`: the JSONPath (RFC 9535) of the value. Of a program, it is the line that it prints.",
        )],
    ],
    rules: &[
        Rule::ExactlyOne(&["http", "run"]),
        Rule::Needs("http", "read"),
        Rule::Needs("read", "http"),
    ],
};

pub(crate) static CALL_KEYS: &[crate::spec::form::Field] = &[
    optional("http", HTTP, "A URL or a request."),
    optional(
        "run",
        COMMAND,
        "A program and its arguments; never a shell line.",
    ),
];

/// The expectation of an absent `expect`.
pub(crate) fn no_expectation() -> Expect {
    Expect {
        status: None,
        json: BTreeMap::new(),
        body: None,
        headers: BTreeMap::new(),
        exit: None,
        below: None,
        above: None,
        within: crate::model::time::Millis::seconds(1),
    }
}

pub(crate) fn request(node: &Node) -> Option<HttpRequest> {
    if let Some(url) = node.template() {
        return Some(HttpRequest {
            method: "GET".to_owned(),
            url,
            headers: BTreeMap::new(),
            body: None,
        });
    }
    let view = View::new(node, &REQUEST);
    let headers = view.value("headers").map_or(&[][..], Node::entries);
    Some(HttpRequest {
        method: view.read("method")?,
        url: view.template("url")?,
        headers: headers
            .iter()
            .map(|entry| Some((entry.key.to_string(), entry.value.template()?)))
            .collect::<Option<_>>()?,
        body: view.template("body"),
    })
}

pub(crate) fn program(node: &Node, sink: &mut Sink) -> Option<Program> {
    let first = node.items().first()?;
    if first.text().is_some_and(|text| text.trim().is_empty()) {
        sink.error(
            Code::OutOfRange,
            first.span,
            "the program's name must not be empty",
        );
    }
    for item in node.items() {
        if item.text().is_some_and(|text| text.contains('\0')) {
            sink.error(
                Code::OutOfRange,
                item.span,
                "a program's argument must not hold a zero byte",
            );
        }
    }
    // Which program runs is for the reader of the file, and of the server's list of programs, to see.
    shape::misplaced_secret(first, first.span, false, sink);
    let mut command = vec![first.text()?.to_owned()];
    for argument in &node.items()[1..] {
        command.push(argument.template()?);
    }
    Some(Program {
        command,
        folder: Some(sink.source.folder.clone()),
    })
}

pub(crate) fn call(node: &Node, sink: &mut Sink) -> Option<Call> {
    if let Some(http) = node.get("http") {
        header_values(http, sink);
        return Some(Call::Http(request(http)?));
    }
    Some(Call::Run(program(node.get("run")?, sink)?))
}

pub(crate) fn capture(node: &Node, sink: &mut Sink) -> Option<Capture> {
    let read = View::new(node, &CAPTURE).text("read").map(str::to_owned);
    let call = call(node, sink)?;
    Some(Capture { call, read })
}

/// A header's value that holds a line break would be another header.
pub(crate) fn header_values(http: &Node, sink: &mut Sink) {
    for entry in http.get("headers").map_or(&[][..], Node::entries) {
        if entry
            .value
            .text()
            .is_some_and(|text| text.chars().any(char::is_control))
        {
            sink.error(
                Code::BadHeader,
                entry.value.span,
                format!(
                    "the value of the header `{}` holds a line break or another control character",
                    entry.key
                ),
            );
        }
    }
}

pub(crate) fn verify(node: &Node, sink: &mut Sink) -> Option<Verify> {
    let of = if node.get("http").is_some() {
        Asked::Http
    } else {
        Asked::Program
    };
    let expect = match node.entry("expect") {
        Some(entry) => expect(&entry.value, entry.span, of, sink)?,
        None => of.default_expectation(),
    };
    Some(Verify {
        call: call(node, sink)?,
        expect,
    })
}

/// What an expectation is about: each kind of answer can be judged by some keys only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Http,
    Tcp,
    Program,
    Difference,
    Prometheus,
}

impl Asked {
    fn what(self) -> &'static str {
        match self {
            Self::Http => "an HTTP answer",
            Self::Tcp => "a TCP connection",
            Self::Program => "a program",
            Self::Difference => "a difference",
            Self::Prometheus => "a Prometheus answer",
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Http => &["status", "json", "body", "headers", "within"],
            Self::Tcp => &["within"],
            Self::Program => &["exit", "within"],
            Self::Difference | Self::Prometheus => &["below", "above", "within"],
        }
    }

    pub(crate) fn default_expectation(self) -> Expect {
        let mut expect = no_expectation();
        expect.exit = (self == Self::Program).then_some(0);
        expect
    }
}

pub(crate) fn expect(node: &Node, anchor: Span, of: Asked, sink: &mut Sink) -> Option<Expect> {
    let view = View::new(node, &EXPECT);
    for entry in node.entries() {
        if EXPECT.field(&entry.key).is_some() && !of.keys().contains(&&*entry.key) {
            sink.error(
                Code::ExpectMismatch,
                entry.span,
                format!("{} can't be judged by `{}`", of.what(), entry.key),
            )
            .with_hint(format!(
                "it can by {}",
                listed(of.keys().iter().copied(), "and")
            ));
        }
    }
    let bounds = node.get("below").is_some() || node.get("above").is_some();
    if matches!(of, Asked::Difference | Asked::Prometheus) && !bounds {
        sink.error(
            Code::ExpectMismatch,
            anchor,
            format!("{} is a number: it needs `below` or `above`", of.what()),
        );
    }
    if let (Some(below), Some(above)) = (view.number("below"), view.number("above"))
        && above >= below
    {
        let at = view.span("above").unwrap_or(anchor);
        sink.error(
            Code::OutOfRange,
            at,
            format!("no number is above {above} and below {below}"),
        );
    }
    header_values(node, sink);
    let headers = view.value("headers").map_or(&[][..], Node::entries);
    let json = view.value("json").map_or(&[][..], Node::entries);
    for entry in json {
        unquoted_hex(&entry.value, sink);
    }
    Some(Expect {
        status: view.integer("status"),
        json: json
            .iter()
            .map(|entry| (entry.key.to_string(), entry.value.to_json()))
            .collect(),
        body: view.text("body").map(str::to_owned),
        headers: headers
            .iter()
            .map(|entry| Some((entry.key.to_string(), entry.value.text()?.to_owned())))
            .collect::<Option<_>>()?,
        exit: view.integer("exit").or(of.default_expectation().exit),
        below: view.number("below"),
        above: view.number("above"),
        within: view.read("within")?,
    })
}

/// Chains answer with hexadecimal texts, and YAML reads an unquoted one as a number that no such text equals.
fn unquoted_hex(node: &Node, sink: &mut Sink) {
    let Kind::Int(number) = node.kind else { return };
    let written = sink
        .source
        .text
        .get(node.span.start..node.span.end)
        .unwrap_or("");
    if written.starts_with("0x") {
        let message = format!("`{written}` without quotes is the number {number}");
        let hint = format!("where the answer holds a text, write \"{written}\"");
        sink.error(Code::UnquotedHex, node.span, message)
            .as_warning()
            .with_hint(hint);
    }
}
