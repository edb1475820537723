//! Every channel against a receiver that speaks as the real one does, over real sockets.

mod guarding;
mod payloads;
mod receiver;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Notifiers;
use crate::clock::SystemClock;
use crate::engine::posts::{Message, Post};
use crate::model::channel::{Account, Channel, Email, Encryption, Hidden, Way};
use crate::model::message::Stage;
use crate::model::runbook::Audience;
use crate::outbound::Outbound;

/// Notifiers that may send to the channel `c`, with secrets that name the receiver.
fn notifiers(address: &str) -> Notifiers {
    let address = address.to_owned();
    let environment = Arc::new(move |name: &str| match name {
        "WEBHOOK" => Some(format!("http://{address}/services/T0/B0/s3cret")),
        "KEY" => Some("k3y".to_owned()),
        _ => None,
    });
    Notifiers::new(
        Arc::new(SystemClock::start()),
        Arc::new(Outbound::with_environment(environment)),
        BTreeSet::from(["c".to_owned()]),
    )
}

fn key(name: &str) -> Hidden {
    Hidden::Environment(format!("${{env:{name}}}"))
}

/// Every way to send that leaves firedrill, each to this receiver.
fn ways(address: &str) -> Vec<Way> {
    let url = || format!("http://{address}");
    vec![
        Way::Statuspage {
            url: url(),
            page: "p1".into(),
            key: key("KEY"),
        },
        Way::Slack {
            webhook: key("WEBHOOK"),
        },
        Way::Discord {
            webhook: key("WEBHOOK"),
        },
        Way::Telegram {
            url: url(),
            token: key("KEY"),
            chat: "-100".into(),
        },
        Way::Email(mail(address)),
        Way::Webhook {
            url: format!("{}/in/${{env:KEY}}", url()),
            headers: [("x-token".to_owned(), "Bearer ${env:KEY}".to_owned())].into(),
        },
        Way::Pagerduty {
            url: url(),
            routing_key: key("KEY"),
        },
        Way::Banner {
            url: format!("{}/banner", url()),
            headers: std::collections::BTreeMap::new(),
        },
    ]
}

fn mail(address: &str) -> Email {
    Email {
        server: address.to_owned(),
        encryption: Encryption::Plain,
        account: Some(Account {
            user: "drill".into(),
            password: key("KEY"),
        }),
        from: "Drills <drill@staging.example>".into(),
        to: vec!["team@staging.example".into(), "boss@staging.example".into()],
    }
}

/// A message of run `r1` on the channel `c`.
fn post(way: Way, stage: Stage, text: &str) -> Post {
    Post {
        run: "r1".parse().expect("a name"),
        key: 7,
        channel: Channel {
            name: "c".parse().expect("a name"),
            audience: Audience::Customers,
            sandbox: true,
            way,
        },
        message: Message {
            channel: "c".parse().expect("a name"),
            stage,
            title: "[DRILL] Incident on wallet".into(),
            text: text.to_owned(),
            update: Some(6),
        },
        thread: None,
    }
}
