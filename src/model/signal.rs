//! Signals from a team's own tools: who sends them, and what they prove themselves with.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::probe::HttpRequest;
use super::time::Millis;

/// A tool that sends signals.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// Prometheus Alertmanager.
    Alertmanager,
    /// Grafana's own alerting.
    Grafana,
    /// A pager.
    Pagerduty,
    /// A slash command.
    Slack,
    /// Anything that speaks CloudEvents.
    Cloudevents,
    /// A status page.
    Statuspage,
}

impl Sender {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Alertmanager,
        Self::Grafana,
        Self::Pagerduty,
        Self::Slack,
        Self::Cloudevents,
        Self::Statuspage,
    ];

    /// As files, addresses and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Pagerduty => "pagerduty",
            Self::Slack => "slack",
            Self::Cloudevents => "cloudevents",
            Self::Statuspage => "statuspage",
        }
    }

    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Alertmanager => "Alertmanager",
            Self::Grafana => "Grafana",
            Self::Pagerduty => "PagerDuty",
            Self::Slack => "Slack",
            Self::Cloudevents => "CloudEvents",
            Self::Statuspage => "Statuspage",
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A secret's value. It is shown nowhere, not even by its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Of this value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Its bytes, for whoever checks or signs with it.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// What senders prove themselves with, and what is known of those behind them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Senders {
    /// Bearer tokens: for whoever can't sign.
    pub tokens: Vec<Secret>,
    /// With which Grafana signs; without one, it brings a token.
    pub grafana: Option<GrafanaSigning>,
    /// With any of which PagerDuty signs: during a rotation there are two.
    pub pagerduty: Vec<Secret>,
    /// With any of which Slack signs.
    pub slack: Vec<Secret>,
    /// The status pages that drills post on. Any other is taken for a real one.
    pub sandboxes: BTreeMap<String, Sandbox>,
    /// The team member behind a sender's id of a person.
    pub people: BTreeMap<String, String>,
    /// How a test signal is sent through a sender.
    pub tests: BTreeMap<Sender, SignalTest>,
    /// How often each of them is tested whether or not a drill comes, so that a test tells of none.
    pub tested_every: Option<Millis>,
}

/// A request by which a tool is made to send a signal: one that comes back through its hook with a number in it shows that
/// the whole way is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalTest {
    /// What is sent, with [`SignalTest::NUMBER`] where the number is to be.
    pub request: HttpRequest,
    /// How long it may take to come back.
    pub within: Millis,
}

impl SignalTest {
    /// What stands for the number.
    pub const NUMBER: &str = "{nonce}";

    /// What is sent with this number.
    pub fn numbered(&self, number: &str) -> HttpRequest {
        let put = |text: &String| text.replace(Self::NUMBER, number);
        let request = &self.request;
        HttpRequest {
            url: put(&request.url),
            body: request.body.as_ref().map(put),
            ..request.clone()
        }
    }
}

impl Senders {
    /// Whether a sender can prove itself at all.
    pub fn knows(&self, sender: Sender) -> bool {
        match sender {
            Sender::Alertmanager | Sender::Cloudevents | Sender::Statuspage => {
                !self.tokens.is_empty()
            }
            Sender::Grafana => self.grafana.is_some() || !self.tokens.is_empty(),
            Sender::Pagerduty => !self.pagerduty.is_empty(),
            Sender::Slack => !self.slack.is_empty(),
        }
    }
}

/// How Grafana signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrafanaSigning {
    /// With what.
    pub secret: Secret,
    /// The header of the signature.
    pub signature_header: String,
    /// The header of the time that is signed along, where there is one.
    pub timestamp_header: Option<String>,
}

/// A status page of drills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// The team that posts there.
    pub team: String,
    /// Whether people write the posts: the page does not say.
    pub by_people: bool,
}
