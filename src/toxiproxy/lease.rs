//! How long toxics and disabled proxies last, and who asked for that: extras that other clients ignore.
//!
//! A span in milliseconds is what clients send and see; what counts is the instant at which it is over.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{body::Fields, error::Error, toxic::LONGEST_MS};

/// What is asked for: a time to live, if any, and a label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Term {
    milliseconds: Option<u64>,
    /// Of a time to live that began earlier, what is left of it.
    left: Option<Duration>,
    owner: Option<String>,
}

impl Term {
    pub(crate) fn read(body: &Fields) -> Result<Self, Error> {
        let refused = Error::Invalid {
            field: "ttl",
            rule: "between 1 and 31536000000",
        };
        let check = |ttl| {
            u64::try_from(ttl)
                .ok()
                .filter(|ttl| (1..=LONGEST_MS).contains(ttl))
                .ok_or(refused)
        };
        Ok(Self {
            milliseconds: body.integer("ttl")?.map(check).transpose()?,
            left: None,
            owner: body.string("owner")?,
        })
    }

    pub(crate) fn ttl(&self) -> Option<u64> {
        self.milliseconds
    }

    /// Over after `left`, however long it was asked for; never later than that.
    pub(crate) fn shorten(&mut self, left: Duration) {
        self.left = Some(left);
    }

    /// Over so soon.
    pub(crate) fn brief(milliseconds: u64) -> Self {
        Self {
            milliseconds: Some(milliseconds),
            ..Self::default()
        }
    }

    /// Counts from `now` on.
    pub(crate) fn begin(&self, now: Instant) -> Lease {
        let ttl = self.milliseconds.map(|milliseconds| {
            let mut ttl = Ttl::starting(milliseconds, now);
            if let Some(left) = self.left {
                ttl.deadline = ttl.deadline.min(now + left);
            }
            ttl
        });
        Lease {
            ttl,
            owner: self.owner.clone(),
        }
    }
}

/// Who set something, and how long it lasts without being renewed.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Lease {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<Ttl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
}

/// Serialises as the milliseconds that were sent, not as what is left of them.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub(crate) struct Ttl {
    milliseconds: u64,
    #[serde(skip)]
    deadline: Instant,
}

impl Ttl {
    pub(crate) fn starting(milliseconds: u64, now: Instant) -> Self {
        Self {
            milliseconds,
            deadline: now + Duration::from_millis(milliseconds),
        }
    }

    pub(crate) fn deadline(self) -> Instant {
        self.deadline
    }

    /// Due again that much later, the milliseconds shown staying as sent.
    pub(crate) fn postpone(&mut self, by: Duration, now: Instant) {
        self.deadline = now + by;
    }
}
