//! Alertmanager's webhook, version 4 of its JSON.
//!
//! Alertmanager signs nothing, so a bearer token must come along. It sends an alert again for as long as it fires; an
//! alert is one by its fingerprint, its start and its status. Every alert is kept first, whatever it matches, and a
//! server error makes Alertmanager send it again: so it answers 503 when anything could not be recorded, and repeats
//! are harmless.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::engine::event::{self, Origin, Source};
use crate::engine::input::Rejection;
use crate::http::Services;
use crate::http::problem::Problem;
use crate::model::ids::RunId;
use crate::runtime::ActError;
use crate::store::signals::NewSignal;

/// The name under which its signals are kept.
const SOURCE: &str = "alertmanager";

/// The version of the body that is read.
const VERSION: &str = "4";

#[derive(Debug, Deserialize)]
struct Message {
    version: String,
    #[serde(default, rename = "truncatedAlerts")]
    truncated: u64,
    alerts: Vec<Alert>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: Status,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    starts_at: Timestamp,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Firing,
    Resolved,
}

impl Alert {
    /// What its repeats have in common.
    fn identity(&self) -> String {
        let status = match self.status {
            Status::Firing => "firing",
            Status::Resolved => "resolved",
        };
        format!("{}/{}/{status}", self.fingerprint, self.starts_at)
    }

    fn event(&self) -> event::Alert {
        event::Alert {
            firing: self.status == Status::Firing,
            labels: self.labels.clone(),
            fingerprint: self.fingerprint.clone(),
            starts_at: self.starts_at,
            // The engine decides this by the drill's rules.
            qualifies: false,
        }
    }

    fn origin(&self) -> Origin {
        Origin {
            source_id: Some(self.identity()),
            event_time: Some(self.starts_at),
            ..Origin::machine(Source::Alertmanager)
        }
    }
}

/// Takes a group of alerts.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    authorise(&services, &headers)?;
    let body = body.map_err(|error| too_large(&error))?;
    let message = parse(&body)?;
    if message.truncated > 0 {
        tracing::warn!(
            alerts = message.truncated,
            "Alertmanager left alerts out of a message: a detection may be among them; hint: raise `max_alerts`"
        );
    }
    let alone = message.alerts.len() == 1;
    let (mut matched, mut unmatched, mut repeated) = (0, 0, 0);
    for alert in &message.alerts {
        // The body as it came where it holds nothing else, so that a large group is not kept once for each alert.
        let raw = if alone {
            body.to_vec()
        } else {
            serde_json::to_vec(alert).map_err(|error| Problem::internal(&error))?
        };
        let taken = take(&services, alert, &raw).await?;
        repeated += usize::from(taken.repeat);
        matched += usize::from(taken.run.is_some());
        unmatched += usize::from(taken.run.is_none());
    }
    Ok(Json(json!({
        "alerts": message.alerts.len(),
        "matched": matched,
        "unmatched": unmatched,
        "repeated": repeated,
        "truncated": message.truncated,
    })))
}

fn authorise(services: &Services, headers: &HeaderMap) -> Result<(), Problem> {
    if services.hook_tokens.is_empty() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "hooks-off",
            "no hook token is configured, so nothing is taken in; hint: list one under `tokens` in the server's configuration",
        ));
    }
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    // Every token is compared, in full: how long it takes says nothing about any of them.
    let known = services
        .hook_tokens
        .iter()
        .fold(false, |known, token| known | same(token.as_bytes(), given));
    if known {
        Ok(())
    } else {
        Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "bad-token",
            "the bearer token is missing or wrong",
        ))
    }
}

/// Whether two secrets are one, in a time that depends on neither: digests have one length, and all of it is compared.
fn same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    let difference = one
        .iter()
        .zip(other.iter())
        .fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}

fn too_large(error: &BytesRejection) -> Problem {
    let code = if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        "too-large"
    } else {
        "unreadable-body"
    };
    Problem::new(error.status(), code, error.body_text())
}

fn parse(body: &[u8]) -> Result<Message, Problem> {
    let message: Message = serde_json::from_slice(body).map_err(|error| {
        Problem::bad(
            "bad-webhook",
            format!("this is no Alertmanager message: {error}"),
        )
    })?;
    if message.version != VERSION {
        return Err(Problem::bad(
            "bad-webhook",
            format!(
                "version `{}` is not known; hint: Alertmanager sends `{VERSION}`",
                message.version
            ),
        ));
    }
    Ok(message)
}

struct Taken {
    repeat: bool,
    run: Option<RunId>,
}

/// Keeps an alert, then hands it to every live run that waits for it.
async fn take(services: &Services, alert: &Alert, raw: &[u8]) -> Result<Taken, Problem> {
    let identity = alert.identity();
    let kept = services
        .database
        .keep_signal(NewSignal {
            source: SOURCE,
            dedupe_key: Some(&identity),
            received: services.now().wall,
            body: raw,
            run: None,
        })
        .await
        .map_err(|error| not_recorded(&error))?;
    let mut taken = None;
    for run in services.supervisor.live() {
        if !run.plan().awaits(&alert.labels) {
            continue;
        }
        // A repeat is forwarded, too: the first may have failed here, and the run knows what it has.
        match run.alert(alert.event(), alert.origin()).await {
            Ok(_) => taken = Some(run.run().clone()),
            Err(ActError::Rejected(Rejection::Ended)) => {}
            Err(error) => return Err(not_recorded(&error)),
        }
    }
    if let Some(run) = &taken {
        services
            .database
            .match_signal(kept.id, run)
            .await
            .map_err(|error| not_recorded(&error))?;
    }
    Ok(Taken {
        repeat: kept.duplicate,
        run: taken,
    })
}

fn not_recorded(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "an alert could not be recorded");
    Problem::unavailable(
        "not-recorded",
        "the alert could not be recorded; send it again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same(b"s3cret", b"s3cret"));
        for wrong in [&b"s3cre"[..], b"s3crets", b"", b"S3cret"] {
            assert!(!same(b"s3cret", wrong));
        }
    }
}
