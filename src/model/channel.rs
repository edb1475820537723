//! Channels: where messages of a drill are sent, and who reads them there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::ChannelName;
use super::runbook::Audience;

/// What every message of a drill begins with, on every channel.
pub const PREFIX: &str = "[DRILL]";

/// A channel that drills name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// As drills, updates and the server's allow-list name it.
    pub name: ChannelName,
    /// Who reads it.
    pub audience: Audience,
    /// Whether only drills are shown there: no customer reads it.
    pub sandbox: bool,
    /// How a message gets there.
    pub way: Way,
}

/// How a message gets to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// firedrill's own status page of the run.
    OwnPage,
    /// The banner above firedrill's own status page.
    OwnBanner,
    /// A page of Statuspage, or of what speaks its API.
    Statuspage {
        /// The API's address, without a path.
        url: String,
        /// The page's id.
        page: String,
        /// The API key.
        key: Hidden,
    },
    /// A Slack incoming webhook.
    Slack {
        /// Its whole address, which is a secret.
        webhook: Hidden,
    },
    /// A Discord webhook.
    Discord {
        /// Its whole address, which is a secret.
        webhook: Hidden,
    },
    /// A Telegram bot that speaks in one chat.
    Telegram {
        /// The Bot API's address, without a path.
        url: String,
        /// The bot's token.
        token: Hidden,
        /// The chat's id, or `@name` of a channel.
        chat: String,
    },
    /// E-mail.
    Email(Email),
    /// Any address that takes JSON.
    Webhook {
        /// Where; it may refer to secrets behind its host.
        url: String,
        /// Sent along; they may refer to secrets.
        headers: BTreeMap<String, String>,
    },
    /// PagerDuty's Events API, version 2.
    Pagerduty {
        /// The API's address, without a path.
        url: String,
        /// The integration key.
        routing_key: Hidden,
    },
    /// A banner inside the product: put there, and taken away again.
    Banner {
        /// Where; it may refer to secrets behind its host.
        url: String,
        /// Sent along; they may refer to secrets.
        headers: BTreeMap<String, String>,
    },
}

impl Way {
    /// As people call it.
    pub fn title(&self) -> &'static str {
        match self {
            Self::OwnPage => "firedrill's status page",
            Self::OwnBanner => "the banner of firedrill's status page",
            Self::Statuspage { .. } => "Statuspage",
            Self::Slack { .. } => "Slack",
            Self::Discord { .. } => "Discord",
            Self::Telegram { .. } => "Telegram",
            Self::Email(_) => "e-mail",
            Self::Webhook { .. } => "a webhook",
            Self::Pagerduty { .. } => "PagerDuty",
            Self::Banner { .. } => "the product's banner",
        }
    }

    /// Whether what is posted stays until it is closed: it must not outlive the drill.
    pub fn stays(&self) -> bool {
        matches!(
            self,
            Self::OwnPage
                | Self::OwnBanner
                | Self::Statuspage { .. }
                | Self::Pagerduty { .. }
                | Self::Banner { .. }
        )
    }

    /// Whether it is served by firedrill itself, and so a sandbox.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::OwnPage | Self::OwnBanner)
    }
}

/// E-mail to a list of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// The server, as `host:port`.
    pub server: String,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// The account, where the server wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
}

/// An account at a mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: Hidden,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// It begins in the clear and must be encrypted before anything is said.
    Starttls,
    /// From the first byte.
    Tls,
    /// Not at all.
    Plain,
}

/// A secret that is looked up when it is used, and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hidden {
    /// A text that refers to environment variables.
    Environment(String),
    /// A file that holds it and nothing else.
    File(String),
}
