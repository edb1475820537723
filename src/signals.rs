//! Signals: what a team's own tools send, verified and put into firedrill's terms.
//!
//! Pure: a body, its headers, the secrets and the time of arrival go in; signals or a refusal come out. Nothing is
//! decided here about runs, and nothing is kept. A signature is checked over the body as it came, before anything in
//! it is read. Every time is as its sender says, beside the time of arrival; who did it is a person, a machine, or
//! nobody can tell, and a machine's doing is never taken for a person's.

pub mod alertmanager;
mod alerts;
pub mod cloudevents;
mod fields;
pub mod grafana;
pub mod pagerduty;
pub mod proof;
pub mod slack;
pub mod statuspage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::event::ActorKind;
use crate::engine::input::TeamAct;
use crate::model::signal::{Sender, Senders};

/// What came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Its headers.
    pub headers: &'a Headers,
    /// Its body, byte for byte.
    pub body: &'a [u8],
    /// The token of its address, for senders that can give none elsewhere.
    pub token: Option<&'a str>,
    /// When it came.
    pub received: Timestamp,
}

/// Headers by their names in lower case. What is no text is left out.
#[derive(Debug, Clone, Default)]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    /// The value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(name, value)| (name.as_ref().to_ascii_lowercase(), value.into()))
                .collect(),
        )
    }
}

/// What a message holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// What is said in it, each on its own.
    pub signals: Vec<Signal>,
    /// How many more the sender left out.
    pub truncated: u64,
}

/// One thing that a tool said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SignalReading")]
pub struct Signal {
    /// What the sender's repeats of it have in common.
    pub identity: String,
    /// What it is about, which other signals may be about as well: an incident's id, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// When it happened, as the sender says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<Timestamp>,
    /// When what it is about began, at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What kind of actor did it.
    pub kind: ActorKind,
    /// The person behind it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// What it says.
    pub what: What,
    /// Its own part of the body, where the body holds more than it.
    #[serde(skip)]
    pub part: Option<Vec<u8>>,
}

/// Somebody, in the sender's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SignalPerson")]
pub struct Person {
    /// The sender's id of them.
    pub id: String,
    /// What the sender calls them.
    pub name: String,
}

/// What a signal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(rename = "SignalMeaning")]
pub enum What {
    /// Something is wrong, or is not any more.
    Alert {
        /// Whether it fires.
        firing: bool,
        /// What drills know it by.
        labels: BTreeMap<String, String>,
        /// The sender's identity of it.
        fingerprint: String,
        /// When the sender's rule fired.
        starts_at: Timestamp,
    },
    /// Somebody did something with an incident.
    Act {
        /// What that is in a drill.
        act: TeamAct,
        /// What drills know the incident by, as far as is said.
        labels: BTreeMap<String, String>,
    },
    /// Somebody typed a command.
    Command {
        /// The run they named.
        run: Option<String>,
        /// What they want done.
        act: TeamAct,
    },
    /// Somebody typed what is no command.
    Unclear {
        /// What to answer.
        answer: String,
    },
    /// Something was posted on a status page.
    Post {
        /// The page.
        page: String,
        /// How the incident stands by now.
        status: String,
        /// What it says.
        text: String,
    },
    /// It is understood, and no part of any run.
    Other {
        /// What it is.
        text: String,
    },
}

impl Signal {
    /// What it says, in a line.
    pub fn summary(&self) -> String {
        let text = match &self.what {
            What::Alert { firing, labels, .. } => {
                let names = ["alertname", "title", "type"];
                let name = names.into_iter().find_map(|key| labels.get(key));
                let state = if *firing { "fires" } else { "is resolved" };
                format!("{} {state}", name.map_or("an alert", String::as_str))
            }
            What::Act { act, .. } | What::Command { act, .. } => told(act),
            What::Unclear { .. } => "a command that was not understood".to_owned(),
            What::Post { text, .. } => format!("post: {text}"),
            What::Other { text } => text.clone(),
        };
        fields::short(&text)
    }
}

fn told(act: &TeamAct) -> String {
    match act {
        TeamAct::Detected { service, symptom } => format!("reports {service}: {symptom}"),
        TeamAct::Acknowledged => "acknowledges".to_owned(),
        TeamAct::Declared { severity } => format!("declares {}", severity.as_str()),
        TeamAct::RoleTaken { role, to: None } => {
            format!("is {}", role.title())
        }
        TeamAct::RoleTaken { role, to: Some(_) } => {
            format!("hands over {}", role.title())
        }
        TeamAct::Joined { seat } => format!("is there as {}", seat.as_str()),
        TeamAct::Escalated { to, .. } => format!("calls {to}"),
        TeamAct::Replied { text, .. } => format!("replies: {text}"),
        TeamAct::Dismissed { reason } => format!("says that nothing is wrong: {reason}"),
        TeamAct::RemedyApproved { remedy } => format!("agrees to {remedy}"),
        TeamAct::Knew { when, .. } => format!("knew {}", when.words()),
        TeamAct::Revealed => "tells the team that it is a drill".to_owned(),
        TeamAct::CauseNamed { cause } => format!("names the cause: {cause}"),
        TeamAct::UpdatePosted(update) => format!("posts: {}", update.text),
        TeamAct::RemedyChosen { remedy } => format!("chooses {remedy}"),
        TeamAct::ActionAttested { text } => format!("did: {text}"),
        TeamAct::Noted { text } => text.clone(),
        TeamAct::StepTicked { step, done: true } => format!("ticks off step {step} of the runbook"),
        TeamAct::StepTicked { step, .. } => format!("reopens step {step} of the runbook"),
        TeamAct::Resolved => "says that it is over".to_owned(),
        TeamAct::Continued { step } => format!("continues {step}"),
        TeamAct::Real => "says that this is real".to_owned(),
    }
}

/// Why a message is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is known that it could prove itself with.
    #[error("nothing is configured that this sender could prove itself with")]
    Closed,
    /// It does not prove itself.
    #[error("{0}")]
    Unproven(&'static str),
    /// It proves itself, and makes no sense.
    #[error("{0}")]
    Malformed(String),
}

/// What a sender's message holds, once it has proven itself.
pub fn read(sender: Sender, arrival: &Arrival<'_>, known: &Senders) -> Result<Message, Refusal> {
    if !known.knows(sender) {
        return Err(Refusal::Closed);
    }
    match sender {
        Sender::Alertmanager => {
            proof::token(&known.tokens, arrival)?;
            alertmanager::read(arrival)
        }
        Sender::Grafana => {
            match &known.grafana {
                Some(signing) => grafana::prove(signing, arrival)?,
                None => proof::token(&known.tokens, arrival)?,
            }
            grafana::read(arrival)
        }
        Sender::Pagerduty => {
            pagerduty::prove(&known.pagerduty, arrival)?;
            pagerduty::read(arrival)
        }
        Sender::Slack => {
            slack::prove(&known.slack, arrival)?;
            slack::read(arrival)
        }
        Sender::Cloudevents => {
            proof::token(&known.tokens, arrival)?;
            cloudevents::read(arrival)
        }
        Sender::Statuspage => {
            proof::token(&known.tokens, arrival)?;
            statuspage::read(arrival)
        }
    }
}
