//! Who acts: a name given with the request or kept in a cookie, and the pseudonym that stands for it in logs.
//!
//! There are no accounts yet, so a name is a claim, not a proof.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::Services;
use super::problem::Problem;
use crate::engine::event::{ActorKind, Event, Origin, Source};

/// The cookie that keeps a name.
const COOKIE: &str = "name";

/// How long a halt waits for the pseudonym of who halts.
const NAME_PATIENCE: Duration = Duration::from_millis(200);

/// The longest name, in characters.
const LONGEST: usize = 80;

/// The name under which this browser acts.
#[derive(Debug, Clone)]
pub(super) struct Actor(pub(super) String);

impl FromRequestParts<Services> for Actor {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Services,
    ) -> Result<Self, Self::Rejection> {
        let cookies = parts.headers.get_all(header::COOKIE).iter();
        let name = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == COOKIE)
            .and_then(|(_, value)| checked(&decoded(value)).ok());
        Ok(Self(
            name.unwrap_or_else(|| services.local_operator.to_string()),
        ))
    }
}

/// A name as it is kept: trimmed, short, in one line.
pub(super) fn checked(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
        return Err(Problem::unprocessable(
            "bad-name",
            format!("a name has 1 to {LONGEST} characters in one line"),
        ));
    }
    Ok(name.to_owned())
}

/// The header that makes a browser keep a name for a year.
pub(super) fn cookie(name: &str) -> String {
    format!(
        "{COOKIE}={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax",
        encoded(name)
    )
}

/// A person's origin: their name becomes a pseudonym before anything is recorded.
pub(super) async fn person(
    services: &Services,
    source: Source,
    name: &str,
) -> Result<Origin, Problem> {
    let pseudonym = services
        .database
        .pseudonym_of(name, || draw(services.ids().seed()))
        .await?;
    Ok(Origin::person(source, pseudonym))
}

/// A person whose act must not wait for the database: without a name where that takes too long or fails.
pub(super) async fn person_at_once(services: &Services, source: Source, name: &str) -> Origin {
    match tokio::time::timeout(NAME_PATIENCE, person(services, source, name)).await {
        Ok(Ok(origin)) => origin,
        _ => Origin {
            kind: ActorKind::Human,
            ..Origin::machine(source)
        },
    }
}

fn draw(seed: u64) -> [u8; 6] {
    let mut bytes = [0; 6];
    bytes.copy_from_slice(&seed.to_be_bytes()[2..]);
    bytes
}

/// The names behind the pseudonyms in these events.
pub(super) async fn names(
    services: &Services,
    events: &[Event],
) -> Result<BTreeMap<String, String>, Problem> {
    let mut pseudonyms: Vec<&str> = events
        .iter()
        .filter_map(|event| event.origin.actor.as_deref())
        .collect();
    pseudonyms.sort_unstable();
    pseudonyms.dedup();
    Ok(services.database.names(&pseudonyms).await?)
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%')
            .then(|| tail.get(..2).and_then(|two| std::str::from_utf8(two).ok()))
            .flatten()
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_cookie() {
        for name in ["Ada", "Grace Hopper; Path=/", "Zoë 100%", "%41"] {
            assert_eq!(decoded(&encoded(name)), name);
        }
        assert_eq!(decoded("100%"), "100%");
    }

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(checked("  Ada ").expect("a name"), "Ada");
        for bad in ["", "  ", "a\nb", &"x".repeat(81)] {
            assert!(checked(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
