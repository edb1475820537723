//! What the API refuses, with the statuses and the words of Toxiproxy 2.12, so that clients which match on either work.

use std::io;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("bad request body: {0}")]
    BadBody(String),
    /// Toxiproxy accepts any number here and misbehaves later; a drill must hear of it at once.
    #[error("invalid value: {field} must be {rule}")]
    Invalid {
        field: &'static str,
        rule: &'static str,
    },
    #[error("missing required field: {0}")]
    Missing(String),
    #[error("stream was invalid, can be either upstream or downstream")]
    InvalidStream,
    #[error("invalid toxic type")]
    InvalidType,
    #[error("proxy not found")]
    ProxyNotFound,
    #[error("toxic not found")]
    ToxicNotFound,
    #[error("proxy already exists")]
    ProxyExists,
    #[error("toxic already exists")]
    ToxicExists,
    /// Somebody else holds this proxy disabled: taking it over would let two parties undo each other.
    #[error("proxy already disabled by another owner")]
    DisabledByAnother,
    /// An address that cannot be parsed, resolved or bound.
    #[error("{0}")]
    Listen(String),
}

impl Error {
    pub fn status(&self) -> u16 {
        match self {
            Self::BadBody(_)
            | Self::Invalid { .. }
            | Self::Missing(_)
            | Self::InvalidStream
            | Self::InvalidType => 400,
            Self::ProxyNotFound | Self::ToxicNotFound => 404,
            Self::ProxyExists | Self::ToxicExists | Self::DisabledByAnother => 409,
            Self::Listen(_) => 500,
        }
    }
}

/// The system's words for an error as Go prints them: `address already in use`, without Rust's `(os error 98)`.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}
