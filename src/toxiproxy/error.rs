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
    Missing(&'static str),
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
    /// One of several things sent at once.
    #[error("{source} at {place}")]
    At { source: Box<Error>, place: String },
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
            Self::At { source, .. } => source.status(),
        }
    }

    /// What is wrong, where no request was: of a file.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::BadBody(why) => why.clone(),
            Self::At { source, place } => format!("{} at {place}", source.words()),
            other => other.to_string(),
        }
    }

    /// Says which of several things it is about: `…, toxic 1 of proxy 2`. An empty place says nothing.
    pub(crate) fn at(self, place: impl Into<String>) -> Self {
        let place = place.into();
        match self {
            unplaced if place.is_empty() => unplaced,
            Self::At {
                source,
                place: inner,
            } => Self::At {
                source,
                place: format!("{inner} of {place}"),
            },
            source => Self::At {
                source: Box::new(source),
                place,
            },
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
