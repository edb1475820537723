//! Names and identifiers, one type for each kind, so that a probe's name can't stand where a service's is due.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text can't be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a name: use 1 to 80 letters, digits, `.`, `_`, `-`, `:` or `#`, beginning with a letter or digit"
)]
pub struct BadName {
    text: String,
}

/// The longest name, in bytes. It bounds toxic names, container labels and URLs made from names.
pub const LONGEST_NAME: usize = 80;

fn checked(text: &str) -> Result<Arc<str>, BadName> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '#');
    let good = text.len() <= LONGEST_NAME
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(plain);
    if good {
        Ok(Arc::from(text))
    } else {
        Err(BadName {
            text: text.chars().take(120).collect(),
        })
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "maxLength": LONGEST_NAME,
                    "pattern": "^[A-Za-z0-9][A-Za-z0-9._:#-]*$",
                })
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                checked(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )+};
}

names! {
    /// A stack, as other files name it.
    StackName;
    /// A service of a stack.
    ServiceName;
    /// The Toxiproxy proxy that carries one link. It is also the link's identity.
    ProxyName;
    /// A probe of a stack.
    ProbeName;
    /// An experiment, by the `name` of its file.
    ExperimentName;
    /// A drill, by the `name` of its file.
    DrillName;
    /// A game day, by the `name` of its file.
    GameDayName;
    /// One time that a game day is held.
    GameDayId;
    /// A runbook, by the `name` of its front matter.
    RunbookName;
    /// A team, by the `name` of its file.
    TeamName;
    /// A channel, by the `name` of its file.
    ChannelName;
    /// A step of an experiment's method.
    StepId;
    /// A remedy of a drill.
    RemedyId;
    /// An expectation line of a runbook.
    ExpectationId;
    /// An API token.
    TokenName;
    /// One execution.
    RunId;
    /// One entry of a run's undo ledger: a step's disturbance of one target, or one use of a remedy.
    InjectionId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        assert!("wallet-api".parse::<ServiceName>().is_ok());
        assert!("remedy:failover#1".parse::<InjectionId>().is_ok());
        for bad in ["", "-x", "a b", "a/b", "ü", &"x".repeat(81)] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad:?} was accepted");
        }
    }
}
