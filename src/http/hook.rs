//! Inbound hooks: signals from a team's own tools. Verified, kept as they came, and handed to the runs they match.
//!
//! Each sender is answered in its own terms and within its own deadline. Repeats are harmless: what was kept is known
//! again, and a run knows what it has. What could not be kept is answered with 503, so that its sender sends it again.

pub(super) mod deliver;
mod keep;

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Services;
use super::problem::Problem;
use crate::model::signal::Sender;
use crate::signals::{self, Arrival, Headers, Refusal};
use keep::Taken;

/// How long a sender is made to wait at most: each has a deadline of its own, and this is within all of them.
const PATIENCE: Duration = Duration::from_millis(2500);

/// A message as it came in.
pub(super) struct Inbound {
    services: Services,
    /// From where.
    address: IpAddr,
    headers: HeaderMap,
    query: Option<String>,
    body: Result<Bytes, BytesRejection>,
}

impl axum::extract::FromRequest<Services> for Inbound {
    type Rejection = std::convert::Infallible;

    async fn from_request(
        request: axum::extract::Request,
        services: &Services,
    ) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let (address, _) = services.gate.origin(&parts);
        let headers = parts.headers.clone();
        let query = parts.uri.query().map(str::to_owned);
        let request = axum::extract::Request::from_parts(parts, body);
        Ok(Self {
            services: services.clone(),
            address,
            headers,
            query,
            body: Bytes::from_request(request, services).await,
        })
    }
}

/// Alertmanager's groups of alerts.
pub(super) async fn alertmanager(inbound: Inbound) -> Result<Json<Value>, Problem> {
    let taken = take(Sender::Alertmanager, &inbound).await?;
    Ok(Json(taken.tally("alerts")))
}

/// Grafana's groups of alerts.
pub(super) async fn grafana(inbound: Inbound) -> Result<Json<Value>, Problem> {
    let taken = take(Sender::Grafana, &inbound).await?;
    Ok(Json(taken.tally("alerts")))
}

/// PagerDuty's events. Any answer of 4xx loses the event there, so that one that matches nothing is taken all the same.
pub(super) async fn pagerduty(inbound: Inbound) -> Result<impl IntoResponse, Problem> {
    let taken = take(Sender::Pagerduty, &inbound).await?;
    Ok((StatusCode::ACCEPTED, Json(taken.tally("events"))))
}

/// CloudEvents.
pub(super) async fn cloudevents(inbound: Inbound) -> Result<impl IntoResponse, Problem> {
    let taken = take(Sender::Cloudevents, &inbound).await?;
    Ok((StatusCode::ACCEPTED, Json(taken.tally("events"))))
}

/// A status page's posts.
pub(super) async fn statuspage(inbound: Inbound) -> Result<Json<Value>, Problem> {
    let taken = take(Sender::Statuspage, &inbound).await?;
    Ok(Json(taken.tally("posts")))
}

/// Slack's slash command. Whoever typed it reads the answer, whatever came of it.
pub(super) async fn slack(inbound: Inbound) -> Response {
    let text = match take(Sender::Slack, &inbound).await {
        Ok(taken) => taken.answer(),
        Err(problem) if problem.status().is_server_error() => format!(
            "whether this was recorded is not known ({}); hint: look in the run room",
            problem.detail
        ),
        Err(problem) => return problem.into_response(),
    };
    let text = format!("[DRILL] {text}");
    Json(json!({"response_type": "ephemeral", "text": text})).into_response()
}

/// Verifies a message, keeps what it says, and hands it on.
async fn take(sender: Sender, inbound: &Inbound) -> Result<Taken, Problem> {
    let services = &inbound.services;
    let received = services.now();
    let body = inbound
        .body
        .as_ref()
        .map_err(|error| too_large(sender, error))?;
    let headers: Headers = inbound
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let token = (sender == Sender::Statuspage)
        .then(|| inbound.query.as_deref().and_then(token_of))
        .flatten();
    let arrival = Arrival {
        headers: &headers,
        body,
        token,
        received: received.wall,
    };
    let work = async {
        match signals::read(sender, &arrival, &services.senders) {
            Ok(message) => {
                services.echoes.hear(sender, body);
                keep::message(services, sender, &message, body, received).await
            }
            Err(refusal) => {
                if let Refusal::Malformed(why) = &refusal {
                    keep::malformed(services, sender, body, why, received).await?;
                } else {
                    // Only who proves nothing has to wait: an alert must not be lost because of a neighbour.
                    services.gate.may_call(services, inbound.address)?;
                    services.gate.count_call(services, inbound.address);
                }
                Err(refused(sender, &refusal))
            }
        }
    };
    // What was begun goes on in the run: only the answer does not wait for it.
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(not_recorded(&"the disk takes too long")))
}

/// The token of an address. It is plain text: tokens for senders that can't set a header are made of letters and digits.
fn token_of(query: &str) -> Option<&str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="))
}

fn refused(sender: Sender, refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::Closed => {
            let hint = match sender {
                Sender::Alertmanager | Sender::Cloudevents | Sender::Statuspage => {
                    "list a token under `tokens`".to_owned()
                }
                Sender::Grafana => "list a token under `tokens`, or `hooks.grafana`".to_owned(),
                Sender::Pagerduty | Sender::Slack => format!("list `hooks.{sender}`"),
            };
            Problem::new(
                StatusCode::FORBIDDEN,
                "hooks-off",
                format!(
                    "{refusal}, so nothing is taken in; hint: {hint} in the server's configuration"
                ),
            )
        }
        Refusal::Unproven(why) => {
            tracing::warn!(%sender, %why, "a message did not prove itself");
            let code = if why.contains("token") {
                "bad-token"
            } else {
                "bad-signature"
            };
            Problem::new(StatusCode::UNAUTHORIZED, code, *why)
        }
        Refusal::Malformed(why) => {
            tracing::warn!(%sender, "a message makes no sense; it is kept");
            Problem::bad("bad-webhook", why.clone())
        }
    }
}

fn too_large(sender: Sender, error: &BytesRejection) -> Problem {
    let code = if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        tracing::warn!(%sender, "a message is too large, and was not read");
        "too-large"
    } else {
        "unreadable-body"
    };
    Problem::new(error.status(), code, error.body_text())
}

fn not_recorded(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a signal could not be recorded");
    Problem::unavailable("not-recorded", "it may not be recorded; send it again")
}
