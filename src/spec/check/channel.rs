//! Channels: where messages of drills are sent, and who reads them.

use std::collections::BTreeMap;

use crate::model::channel::{Account, Channel, Email, Encryption, Hidden, Way};
use crate::model::runbook::Audience;
use crate::spec::check::shape::head;
use crate::spec::check::stack::HEAD;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Keys, Object, Rule, defaulted, optional, required};
use crate::spec::tree::{Node, Secret};

/// Who reads messages.
pub(crate) const READERS: &[(&str, &str)] = &[
    ("customers", "Those who use the wallet."),
    ("internal", "Colleagues."),
    ("regulator", "Who must be told by law."),
];

/// The keys of the ways, of which a channel has one.
const WAYS: &[&str] = &[
    "firedrill",
    "statuspage",
    "slack",
    "discord",
    "telegram",
    "email",
    "webhook",
    "pagerduty",
    "banner",
];

pub(crate) static CHANNEL: Object = Object {
    what: "a channel",
    about: "Where messages of drills are sent, and who reads them. Each begins with `[DRILL]`, and goes only to channels \
            that the server's configuration lists under `channels`.",
    groups: &[
        HEAD,
        &[
            required(
                "name",
                Form::Name,
                "As drills, updates and the server's configuration name it.",
            ),
            required("audience", Form::Word(READERS), "Who reads it."),
            defaulted(
                "sandbox",
                Form::Flag,
                "false",
                "Whether it shows nothing but drills. What customers or a regulator would read must be one.",
            ),
            optional(
                "firedrill",
                Form::Word(&[
                    ("status_page", "The run's own status page."),
                    ("banner", "The banner above that page."),
                ]),
                "What firedrill itself serves: a sandbox that needs nothing else.",
            ),
            optional(
                "statuspage",
                Form::Object(&STATUSPAGE),
                "A page of Statuspage, or of what speaks its API.",
            ),
            optional("slack", Form::Object(&SLACK), "A Slack incoming webhook."),
            optional("discord", Form::Object(&DISCORD), "A Discord webhook."),
            optional("telegram", Form::Object(&TELEGRAM), "A Telegram bot."),
            optional("email", Form::Object(&EMAIL), "E-mail by SMTP."),
            optional(
                "webhook",
                Form::Object(&WEBHOOK),
                "Any address that takes JSON by `POST`.",
            ),
            optional(
                "pagerduty",
                Form::Object(&PAGERDUTY),
                "PagerDuty's Events API, version 2.",
            ),
            optional(
                "banner",
                Form::Object(&BANNER),
                "A banner inside the product: JSON by `PUT`, with `visible` false at the end.",
            ),
        ],
    ],
    rules: &[Rule::ExactlyOne(WAYS)],
};

static FILE: Object = Object {
    what: "a file with a secret",
    about: "A file that holds a secret and nothing else; a line's end after it doesn't count.",
    groups: &[&[required(
        "file",
        Form::Text,
        "Its path, beside the channel's file where it is relative.",
    )]],
    rules: &[],
};

/// A secret: a reference to the environment, or a file that holds it.
const SECRET: Form = Form::Either(&[Form::Sent, Form::Object(&FILE)]);

static STATUSPAGE: Object = Object {
    what: "a Statuspage page",
    about: "One incident a run, which the last message resolves. Subscribers are never notified.",
    groups: &[&[
        defaulted(
            "url",
            Form::Url,
            "https://api.statuspage.io",
            "The API's address, without a path.",
        ),
        required("page", Form::Name, "The page's id."),
        required(
            "key",
            SECRET,
            "The API key: `${env:NAME}`, or `{file: PATH}`.",
        ),
    ]],
    rules: &[],
};

static SLACK: Object = Object {
    what: "a Slack webhook",
    about: "An incoming webhook of a Slack app.",
    groups: &[&[required(
        "webhook",
        SECRET,
        "Its whole address, which is a secret: `${env:NAME}`, or `{file: PATH}`.",
    )]],
    rules: &[],
};

static DISCORD: Object = Object {
    what: "a Discord webhook",
    about: "A webhook of a Discord channel.",
    groups: &[&[required(
        "webhook",
        SECRET,
        "Its whole address, which is a secret: `${env:NAME}`, or `{file: PATH}`.",
    )]],
    rules: &[],
};

static TELEGRAM: Object = Object {
    what: "a Telegram bot",
    about: "A bot that speaks in one chat.",
    groups: &[&[
        defaulted(
            "url",
            Form::Url,
            "https://api.telegram.org",
            "The Bot API's address, without a path.",
        ),
        required(
            "token",
            SECRET,
            "The bot's token: `${env:NAME}`, or `{file: PATH}`.",
        ),
        required(
            "chat",
            Form::Scalar,
            "The chat's id, or `@name` of a channel.",
        ),
    ]],
    rules: &[],
};

static EMAIL: Object = Object {
    what: "an e-mail",
    about: "Plain text by SMTP, one thread a run.",
    groups: &[&[
        required("server", Form::Address, "The mail server."),
        defaulted(
            "encryption",
            Form::Word(&[
                (
                    "starttls",
                    "It begins in the clear and must be encrypted before anything is said.",
                ),
                ("tls", "From the first byte."),
                (
                    "plain",
                    "Not at all: on this machine only, where there is an account.",
                ),
            ]),
            "starttls",
            "How the connection is encrypted.",
        ),
        optional(
            "user",
            Form::Text,
            "The account, where the server wants one.",
        ),
        optional(
            "password",
            SECRET,
            "Its password: `${env:NAME}`, or `{file: PATH}`.",
        ),
        required("from", Form::Text, "The sender's address."),
        required(
            "to",
            Form::List(&Form::Text, 1, 100),
            "The recipients' addresses.",
        ),
    ]],
    rules: &[
        Rule::Needs("user", "password"),
        Rule::Needs("password", "user"),
    ],
};

static WEBHOOK: Object = Object {
    what: "a webhook",
    about: "Any address that takes JSON. `Idempotency-Key` is the same whenever a message is sent.",
    groups: &[&[
        required(
            "url",
            Form::Url,
            "Where to; behind its host it may refer to secrets.",
        ),
        optional(
            "headers",
            Form::Map(Keys::Header, &Form::Sent),
            "Sent along; they may refer to secrets.",
        ),
    ]],
    rules: &[],
};

static PAGERDUTY: Object = Object {
    what: "a PagerDuty integration",
    about: "One incident a run, which the last message resolves.",
    groups: &[&[
        defaulted(
            "url",
            Form::Url,
            "https://events.pagerduty.com",
            "The API's address, without a path.",
        ),
        required(
            "routing_key",
            SECRET,
            "The integration key: `${env:NAME}`, or `{file: PATH}`.",
        ),
    ]],
    rules: &[],
};

static BANNER: Object = Object {
    what: "a banner",
    about: "A banner that the product under test shows while it is told to.",
    groups: &[&[
        required(
            "url",
            Form::Url,
            "Where to; behind its host it may refer to secrets.",
        ),
        optional(
            "headers",
            Form::Map(Keys::Header, &Form::Sent),
            "Sent along; they may refer to secrets.",
        ),
    ]],
    rules: &[],
};

pub(crate) fn read(root: &Node, sink: &mut Sink) -> Option<Channel> {
    let view = View::new(root, &CHANNEL);
    let way = way(view, sink)?;
    let audience = audience(view.text("audience")?)?;
    let sandbox = view.flag("sandbox")? || way.is_own();
    if !sandbox && audience != Audience::Internal {
        let span = view.span("audience").unwrap_or_else(|| head(root));
        sink.error(
            Code::RealChannel,
            span,
            format!("{} would take a drill's message for real", audience.title()),
        )
        .with_hint(
            "say `sandbox: true` where nothing but drills is shown, or use `firedrill: status_page`",
        );
        return None;
    }
    Some(Channel {
        name: view.read("name")?,
        audience,
        sandbox,
        way,
    })
}

/// An audience by its word.
pub(crate) fn audience(name: &str) -> Option<Audience> {
    Some(match name {
        "customers" => Audience::Customers,
        "internal" => Audience::Internal,
        "regulator" => Audience::Regulator,
        _ => return None,
    })
}

fn way(view: View<'_>, sink: &mut Sink) -> Option<Way> {
    if let Some(own) = view.text("firedrill") {
        return Some(match own {
            "banner" => Way::OwnBanner,
            _ => Way::OwnPage,
        });
    }
    let part =
        |name: &str, object: &'static Object| view.value(name).map(|node| View::new(node, object));
    if let Some(part) = part("statuspage", &STATUSPAGE) {
        return Some(Way::Statuspage {
            url: part.text("url")?.to_owned(),
            page: part.text("page")?.to_owned(),
            key: hidden(part, "key", sink)?,
        });
    }
    if let Some(part) = part("slack", &SLACK) {
        return Some(Way::Slack {
            webhook: hidden(part, "webhook", sink)?,
        });
    }
    if let Some(part) = part("discord", &DISCORD) {
        return Some(Way::Discord {
            webhook: hidden(part, "webhook", sink)?,
        });
    }
    if let Some(part) = part("telegram", &TELEGRAM) {
        return Some(Way::Telegram {
            url: part.text("url")?.to_owned(),
            token: hidden(part, "token", sink)?,
            chat: written(part.value("chat")?)?,
        });
    }
    if let Some(part) = part("email", &EMAIL) {
        return email(part, sink).map(Way::Email);
    }
    if let Some(part) = part("webhook", &WEBHOOK) {
        return Some(Way::Webhook {
            url: part.template("url")?,
            headers: headers(part)?,
        });
    }
    if let Some(part) = part("pagerduty", &PAGERDUTY) {
        return Some(Way::Pagerduty {
            url: part.text("url")?.to_owned(),
            routing_key: hidden(part, "routing_key", sink)?,
        });
    }
    let part = part("banner", &BANNER)?;
    Some(Way::Banner {
        url: part.template("url")?,
        headers: headers(part)?,
    })
}

/// A chat's id is a number, which YAML reads as one.
fn written(node: &Node) -> Option<String> {
    match node.to_json() {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn email(part: View<'_>, sink: &mut Sink) -> Option<Email> {
    let encryption = match part.text("encryption")? {
        "tls" => Encryption::Tls,
        "plain" => Encryption::Plain,
        _ => Encryption::Starttls,
    };
    let server = part.text("server")?.to_owned();
    let account = match part.text("user") {
        Some(user) => Some(Account {
            user: user.to_owned(),
            password: hidden(part, "password", sink)?,
        }),
        None => None,
    };
    let here = ["127.", "localhost:", "[::1]:"];
    if account.is_some()
        && encryption == Encryption::Plain
        && !here.iter().any(|start| server.starts_with(start))
    {
        let span = part.span("encryption").unwrap_or_else(|| head(part.node));
        sink.error(
            Code::OutOfRange,
            span,
            "the password would cross the network unencrypted",
        )
        .with_hint("use `starttls` or `tls`");
        return None;
    }
    let mut whole = true;
    for node in part.items("to").iter().chain(part.value("from")) {
        let text = node.text().unwrap_or_default();
        // A name may stand before an address in angle brackets.
        let address = text.rsplit_once('<').map_or(text, |(_, rest)| rest);
        let fits = address.trim_end_matches('>').rsplit_once('@');
        if fits.is_none_or(|(user, host)| user.trim().is_empty() || host.trim().is_empty()) {
            sink.error(Code::BadAddress, node.span, "this is no e-mail address")
                .with_hint("write `name@host`, or `Name <name@host>`");
            whole = false;
        }
    }
    whole.then_some(Email {
        server,
        encryption,
        account,
        from: part.text("from")?.to_owned(),
        to: part.all("to")?,
    })
}

fn headers(part: View<'_>) -> Option<BTreeMap<String, String>> {
    let entries = part.value("headers").map_or(&[][..], Node::entries);
    entries
        .iter()
        .map(|entry| Some((entry.key.to_lowercase(), entry.value.template()?)))
        .collect()
}

/// A secret as a plan holds it: where it is found, never what it is. One that stands in the file is none.
fn hidden(part: View<'_>, key: &str, sink: &mut Sink) -> Option<Hidden> {
    let node = part.value(key)?;
    if let Some(file) = node.get("file") {
        let path = std::path::Path::new(&sink.source.folder).join(file.text()?);
        return Some(Hidden::File(path.to_string_lossy().into_owned()));
    }
    if let Some(Secret::Reference(_)) = &node.secret {
        return Some(Hidden::Environment(node.template()?));
    }
    let span = part.span(key).unwrap_or_else(|| head(part.node));
    sink.error(
        Code::PlainSecret,
        span,
        format!("`{key}` is a secret, and stands here for everybody to read"),
    )
    .with_hint(format!(
        "write `{key}: \"${{env:NAME}}\"`, or `{key}: {{file: PATH}}`"
    ));
    None
}
