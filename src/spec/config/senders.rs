//! Who may send signals, and with what they prove themselves.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::check::refer;
use super::super::check::view::View;
use super::super::code::Code;
use super::super::findings::Sink;
use super::super::form::{Form, Keys, Object, SOME_DURATION, defaulted, optional, required};
use super::super::source;
use super::super::tree::Node;
use crate::model::probe::HttpRequest;
use crate::model::signal::{GrafanaSigning, Sandbox, Secret, Sender, Senders, SignalTest};

/// A secret: a value, mostly `${env:NAME}`, or a file that holds it.
pub(super) static SECRET: Form = Form::Either(&[Form::Text, Form::Object(&FILE)]);

static FILE: Object = Object {
    what: "a file with a secret",
    about: "A file that holds a secret and nothing else; a line's end after it doesn't count.",
    groups: &[&[required(
        "file",
        Form::Text,
        "Its path, beside the configuration where it is relative.",
    )]],
    rules: &[],
};

/// What senders sign with.
pub(super) static HOOKS: Object = Object {
    what: "hooks",
    about: "What senders of signals sign with. Alertmanager, CloudEvents and Statuspage can't sign: they bring one of \
            `tokens`.",
    groups: &[&[
        optional(
            "grafana",
            Form::Object(&GRAFANA),
            "How Grafana signs; without it, Grafana brings one of `tokens`.",
        ),
        optional(
            "pagerduty",
            Form::Object(&SIGNING),
            "What PagerDuty signs with.",
        ),
        optional("slack", Form::Object(&SIGNING), "What Slack signs with."),
        optional(
            "statuspage",
            Form::Object(&STATUSPAGE),
            "The status pages that drills post on.",
        ),
    ]],
    rules: &[],
};

static GRAFANA: Object = Object {
    what: "how Grafana signs",
    about: "As its contact point says under HMAC signature.",
    groups: &[&[
        required(
            "secret",
            Form::Either(&[Form::Text, Form::Object(&FILE)]),
            "The secret.",
        ),
        defaulted(
            "signature_header",
            Form::Text,
            "X-Grafana-Alerting-Signature",
            "The header of the signature.",
        ),
        optional(
            "timestamp_header",
            Form::Text,
            "The header of the time that is signed along; a copy is only told by it.",
        ),
    ]],
    rules: &[],
};

static SIGNING: Object = Object {
    what: "what a sender signs with",
    about: "Several secrets while one takes over from another.",
    groups: &[&[required(
        "secrets",
        Form::List(&SECRET, 1, 4),
        "The secrets, any of which is taken.",
    )]],
    rules: &[],
};

static STATUSPAGE: Object = Object {
    what: "status pages",
    about: "Those that drills post on. A post on any other page while a drill runs halts it.",
    groups: &[&[required(
        "pages",
        Form::Map(Keys::Text, &Form::Object(&PAGE)),
        "By their ids.",
    )]],
    rules: &[],
};

static PAGE: Object = Object {
    what: "a status page of drills",
    about: "A page that no customer reads.",
    groups: &[&[
        required("team", Form::Name, "The team that posts there."),
        defaulted(
            "posts",
            Form::Word(&[
                (
                    "unknown",
                    "Nobody can tell: posts are seen, and earn nothing.",
                ),
                ("people", "People write them."),
            ]),
            "unknown",
            "Who writes the posts: the page does not say.",
        ),
    ]],
    rules: &[],
};

/// How test signals are sent.
pub(super) static TESTS: Object = Object {
    what: "tests of signals",
    about: "How a tool is made to send a signal before a drill that depends on it.",
    groups: &[&[
        optional(
            "every",
            OFTEN,
            "How often each is tested whether or not a drill comes, so that a surprise, for which nothing is sent, knows too.",
        ),
        optional("alertmanager", Form::Object(&TEST), "Through Alertmanager."),
        optional("grafana", Form::Object(&TEST), "Through Grafana."),
        optional("pagerduty", Form::Object(&TEST), "Through PagerDuty."),
        optional(
            "cloudevents",
            Form::Object(&TEST),
            "Through whatever sends CloudEvents.",
        ),
    ]],
    rules: &[],
};

/// Often enough for a surprise to know, and not so often that it is a load.
const OFTEN: Form = Form::Duration(60_000, 12 * 3_600_000);

static TEST: Object = Object {
    what: "a test signal",
    about: "A request that makes the tool send a signal with `{nonce}`, which stands for a number, somewhere in it. It has \
            come through when its hook receives that number.",
    groups: &[&[
        required("url", Form::Url, "Where it is sent."),
        defaulted("method", Form::Text, "POST", "How."),
        optional(
            "headers",
            Form::Map(Keys::Header, &Form::Sent),
            "Headers of the request.",
        ),
        optional("body", Form::Sent, "Its body."),
        defaulted(
            "within",
            SOME_DURATION,
            "90s",
            "How long it may take until its hook receives it.",
        ),
    ]],
    rules: &[],
};

fn tests(view: View<'_>, sink: &mut Sink) -> BTreeMap<Sender, SignalTest> {
    let entries = view.value("signal_tests").map(Node::entries);
    let mut tests = BTreeMap::new();
    for entry in entries.unwrap_or_default() {
        let mut senders = Sender::ALL.into_iter();
        let Some(sender) = senders.find(|sender| *sender.as_str() == *entry.key) else {
            continue;
        };
        let view = View::new(&entry.value, &TEST);
        let read = || {
            let headers = view.value("headers").map(Node::entries).unwrap_or_default();
            let headers = headers
                .iter()
                .map(|entry| Some((entry.key.to_string(), entry.value.text()?.to_owned())));
            Some(SignalTest {
                request: HttpRequest {
                    method: view.text("method")?.to_owned(),
                    url: view.text("url")?.to_owned(),
                    headers: headers.collect::<Option<_>>()?,
                    body: view.text("body").map(str::to_owned),
                },
                within: view.read("within")?,
            })
        };
        let Some(test) = read() else {
            continue;
        };
        let numbered = |text: &str| text.contains(SignalTest::NUMBER);
        if !numbered(&test.request.url) && !test.request.body.as_deref().is_some_and(numbered) {
            sink.error(
                Code::MissingKey,
                entry.span,
                format!(
                    "a test signal is known by its number: neither `url` nor `body` holds `{}`",
                    SignalTest::NUMBER
                ),
            );
        }
        tests.insert(sender, test);
    }
    tests
}

/// The people behind senders' ids.
pub(super) static IDS: Form = Form::List(&Form::Text, 1, 20);

/// Reads who may send. A file of a secret is looked for beside `folder`.
pub(super) fn read(view: View<'_>, folder: &Path, sink: &mut Sink) -> Senders {
    let mut senders = Senders {
        tokens: view
            .value("tokens")
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .filter_map(|entry| secret(&entry.value, folder, sink))
            .collect(),
        tests: tests(view, sink),
        tested_every: view
            .value("signal_tests")
            .and_then(|node| View::new(node, &TESTS).read("every")),
        ..Senders::default()
    };
    for entry in view.value("people").map(Node::entries).unwrap_or_default() {
        for item in entry.value.items() {
            let Some(id) = item.text() else { continue };
            if senders
                .people
                .insert(id.to_owned(), entry.key.to_string())
                .is_some()
            {
                refer::twice("person", id, Some(item.span), sink);
            }
        }
    }
    let Some(hooks) = view.value("hooks").map(|node| View::new(node, &HOOKS)) else {
        return senders;
    };
    senders.grafana = hooks.value("grafana").and_then(|node| {
        let view = View::new(node, &GRAFANA);
        Some(GrafanaSigning {
            secret: secret(view.value("secret")?, folder, sink)?,
            signature_header: view.text("signature_header")?.to_owned(),
            timestamp_header: view.text("timestamp_header").map(str::to_owned),
        })
    });
    let mut signing = |name| {
        let node = hooks.value(name);
        let secrets = node.map_or(&[][..], |node| View::new(node, &SIGNING).items("secrets"));
        secrets
            .iter()
            .filter_map(|node| secret(node, folder, sink))
            .collect()
    };
    senders.pagerduty = signing("pagerduty");
    senders.slack = signing("slack");
    let pages = hooks.value("statuspage").and_then(|node| {
        let view = View::new(node, &STATUSPAGE);
        view.value("pages").map(Node::entries)
    });
    senders.sandboxes = pages
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| {
            let view = View::new(&entry.value, &PAGE);
            Some((
                entry.key.to_string(),
                Sandbox {
                    team: view.text("team")?.to_owned(),
                    by_people: view.text("posts")? == "people",
                },
            ))
        })
        .collect();
    senders
}

/// A secret's value. One that is empty would be anybody's.
fn secret(node: &Node, folder: &Path, sink: &mut Sink) -> Option<Secret> {
    if let Some(text) = node.text() {
        if text.trim().is_empty() {
            sink.error(
                Code::WrongLength,
                node.span,
                "this secret is empty: anybody could sign with it",
            );
            return None;
        }
        return Some(Secret::new(text));
    }
    let file = node.entry("file")?;
    let path = folder.join(file.value.text()?);
    let value = match source::read(&path) {
        Ok(source) => source.text.trim_end_matches(['\r', '\n']).to_owned(),
        Err(found) => {
            sink.error(Code::UnreadableFile, file.value.span, found.message);
            return None;
        }
    };
    if value.trim().is_empty() {
        sink.error(
            Code::UnreadableFile,
            file.value.span,
            "this file is empty: anybody could sign with its secret",
        );
        return None;
    }
    Some(Secret::new(value))
}
