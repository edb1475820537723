//! One HTTP request of a message, tried again where that is safe.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::Notifiers;
use crate::address;
use crate::model::probe::HttpRequest;
use crate::outbound::{Reply, SendError};

/// How long one try may take.
const ONE_TRY: Duration = Duration::from_secs(10);

/// The pauses between tries, unless the channel names one.
const PAUSES: [Duration; 3] = if cfg!(test) {
    [Duration::from_millis(10); 3]
} else {
    [
        Duration::from_millis(500),
        Duration::from_secs(2),
        Duration::from_secs(5),
    ]
};

/// The longest pause that a channel may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a second copy of a request would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twice {
    /// The channel takes both as one.
    IsOnce,
    /// It would be read twice.
    IsTwice,
}

/// A request of a message. Its values are plain: nothing in it is looked up any more.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// It may be a secret, and is never shown.
    pub(super) url: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<&'a Value>,
    pub(super) twice: Twice,
    /// What is asked, as people call it.
    pub(super) whom: &'static str,
}

impl<'a> Request<'a> {
    pub(super) fn post(whom: &'static str, url: String, body: &'a Value, twice: Twice) -> Self {
        Self {
            method: "POST",
            url,
            headers: BTreeMap::new(),
            body: Some(body),
            twice,
            whom,
        }
    }
}

impl Notifiers {
    /// A success's answer, else why there was none.
    pub(super) async fn deliver(&self, request: Request<'_>) -> Result<Reply, String> {
        let whom = request.whom;
        let http = HttpRequest {
            method: request.method.to_owned(),
            url: request.url,
            headers: request.headers,
            body: request.body.map(Value::to_string),
        };
        let mut pauses = PAUSES.into_iter();
        loop {
            let answer = self.outbound.send(&http, ONE_TRY).await;
            let (why, asked) = match answer {
                Ok(reply) if reply.status.is_success() => return Ok(reply),
                Ok(reply) => {
                    let status = reply.status.as_u16();
                    let why = format!("{whom} answered {status}{}", said(&reply, &http.url));
                    // Each of these says that nothing was done with it.
                    let untouched = matches!(status, 429 | 502 | 503 | 504);
                    let harmless = status >= 500 && request.twice == Twice::IsOnce;
                    if !untouched && !harmless {
                        return Err(why);
                    }
                    (why, retry_after(&reply))
                }
                Err(error) => {
                    let why = match &error {
                        // It shows the address.
                        SendError::Request(_) => {
                            return Err(format!("the address of {whom} is none"));
                        }
                        other => format!("{whom}: {other}"),
                    };
                    let surely_not = matches!(error, SendError::Connect(_));
                    if !surely_not && request.twice == Twice::IsTwice {
                        return Err(format!("{why}; it may have arrived, and is not sent again"));
                    }
                    (why, None)
                }
            };
            let Some(pause) = pauses.next() else {
                return Err(why);
            };
            tokio::time::sleep(asked.unwrap_or(pause).min(LONGEST_PAUSE)).await;
        }
    }
}

/// The beginning of an answer, where it does not repeat the address that was asked.
fn said(reply: &Reply, url: &str) -> String {
    let text = reply.text();
    let line: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(200)
        .collect();
    // What comes back may repeat what was asked: the rest of an address may be a secret.
    let (_, rest) = address::split(url);
    let asked = rest.trim_matches('/');
    if line.is_empty() || (!asked.is_empty() && line.contains(asked)) {
        return String::new();
    }
    format!(": {line}")
}

fn retry_after(reply: &Reply) -> Option<Duration> {
    let seconds: u64 = reply.header("retry-after").first()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
