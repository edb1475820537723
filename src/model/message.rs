//! Messages to those who are outside the incident room: what point of an incident they speak of, and which kind of
//! failure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What point of the incident a message speaks of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// That something is wrong.
    FirstNotice,
    /// How it goes on.
    Update,
    /// That it is over.
    Resolved,
    /// That the drill is over, whatever became of the incident: firedrill's own last word.
    DrillOver,
}

impl Stage {
    /// Those that people write.
    pub const WRITTEN: [Self; 3] = [Self::FirstNotice, Self::Update, Self::Resolved];

    /// As files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstNotice => "first_notice",
            Self::Update => "update",
            Self::Resolved => "resolved",
            Self::DrillOver => "drill_over",
        }
    }

    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::FirstNotice => "first notice",
            Self::Update => "update",
            Self::Resolved => "resolved",
            Self::DrillOver => "the drill is over",
        }
    }

    /// Whether what was posted is closed by it.
    pub fn closes(self) -> bool {
        matches!(self, Self::Resolved | Self::DrillOver)
    }
}

/// A kind of failure of a wallet, by what its users are told.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Nothing can be signed, or keys may be in danger.
    KeyManagement,
    /// The app or the API does not answer.
    ApiOutage,
    /// Transfers are slow, or wait.
    TransactionDelays,
    /// Log-ins fail.
    Authentication,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::KeyManagement,
        Self::ApiOutage,
        Self::TransactionDelays,
        Self::Authentication,
    ];

    /// That which files and the API write so.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// As files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyManagement => "key_management",
            Self::ApiOutage => "api_outage",
            Self::TransactionDelays => "transaction_delays",
            Self::Authentication => "authentication",
        }
    }

    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::KeyManagement => "signing and keys",
            Self::ApiOutage => "the wallet does not answer",
            Self::TransactionDelays => "transfers are slow",
            Self::Authentication => "logging in",
        }
    }
}
