//! The desk of the demo's people and monitoring: firedrill and the wallet, spoken to over HTTP as anybody would.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::model::ids::RunId;
use crate::model::probe::HttpRequest;
use crate::outbound::{Outbound, Reply};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one person or tool can reach.
#[derive(Clone)]
pub(super) struct Desk {
    outbound: Arc<Outbound>,
    firedrill: SocketAddr,
    wallet: IpAddr,
    token: Arc<str>,
    run: watch::Sender<Option<RunId>>,
    /// What the monitoring says now: the name of an alert that fires.
    pub(super) pager: watch::Sender<Option<String>>,
}

/// What was done, and when: the script's own truth, to compare the scorecard with.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug, Clone, Serialize)]
struct Entry {
    what: String,
    at: Timestamp,
}

impl Log {
    #[expect(
        clippy::disallowed_methods,
        reason = "the script keeps its own time, to be compared with firedrill's"
    )]
    pub(super) fn note(&self, what: &str) {
        let entry = Entry {
            what: what.to_owned(),
            at: Timestamp::now(),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry);
    }

    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&*self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Desk {
    pub(super) fn new(
        outbound: Arc<Outbound>,
        firedrill: SocketAddr,
        wallet: IpAddr,
        token: String,
    ) -> Self {
        let (run, pager) = (watch::Sender::new(None), watch::Sender::new(None));
        Self {
            outbound,
            firedrill,
            wallet,
            token: token.into(),
            run,
            pager,
        }
    }

    /// Starts a run over the API.
    pub(super) async fn start(&self, wanted: &Value) -> anyhow::Result<RunId> {
        let reply = self.firedrill("POST", "/api/v1/runs", Some(wanted)).await?;
        let started = reply.json()?;
        if !reply.status.is_success() {
            bail!(
                "the drill did not start: {}",
                started["detail"].as_str().unwrap_or(&reply.text())
            );
        }
        let run: RunId = started["id"].as_str().unwrap_or_default().parse()?;
        self.run.send_replace(Some(run.clone()));
        Ok(run)
    }

    /// A page of the run, below its room.
    pub(super) fn page(&self, below: &str) -> String {
        let run = self
            .run
            .borrow()
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        format!("/runs/{run}/{below}")
            .trim_end_matches('/')
            .to_owned()
    }

    /// Does something as a responder. What is refused is said, and no reason to stop.
    pub(super) async fn act(&self, actor: &str, mut act: Value) {
        act["actor"] = json!(actor);
        let path = format!("/api/v1{}", self.page("events"));
        match self.firedrill("POST", &path, Some(&act)).await {
            Ok(reply) if reply.status.is_success() => {}
            Ok(reply) => {
                tracing::warn!(%actor, %act, answer = %reply.text(), "an act of the scripted team was refused");
            }
            Err(error) => {
                tracing::warn!(%actor, %act, %error, "an act of the scripted team did not arrive");
            }
        }
    }

    /// The messages to the team that came after event `seen`, which moves to the last one. What can't be asked now is asked
    /// later.
    pub(super) async fn messages(&self, seen: &mut u64) -> Vec<usize> {
        let path = format!("/api/v1{}?after={seen}", self.page("events"));
        let Ok(reply) = self.firedrill("GET", &path, None).await else {
            return Vec::new();
        };
        let log = reply.json().unwrap_or_default();
        let events = log["events"].as_array().map(Vec::as_slice);
        let events = events.unwrap_or_default();
        if let Some(last) = events.last().and_then(|event| event["seq"].as_u64()) {
            *seen = last;
        }
        let shown = events
            .iter()
            .filter(|event| event["type"] == "inject_delivered");
        shown
            .filter_map(|event| usize::try_from(event["fact"]["index"].as_u64()?).ok())
            .collect()
    }

    /// Sends alerts as Alertmanager does. Answers whether they were taken.
    pub(super) async fn alert(&self, message: &Value) -> bool {
        let mut request = request(self.firedrill, "POST", "/hooks/alertmanager", Some(message));
        request
            .headers
            .insert("authorization".to_owned(), format!("Bearer {}", self.token));
        matches!(self.outbound.send(&request, PATIENCE).await, Ok(reply) if reply.status.is_success())
    }

    /// Asks the wallet.
    pub(super) async fn wallet(&self, method: &str, path: &str) -> anyhow::Result<Reply> {
        let request = request(SocketAddr::new(self.wallet, 7000), method, path, None);
        Ok(self.outbound.send(&request, PATIENCE).await?)
    }

    /// Whether the wallet knows a price, and so can send.
    pub(super) async fn wallet_is_ready(&self) -> bool {
        self.wallet("GET", "/v1/quote")
            .await
            .is_ok_and(|reply| reply.status.is_success())
    }

    async fn firedrill(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Reply> {
        let request = request(self.firedrill, method, path, body);
        Ok(self.outbound.send(&request, PATIENCE).await?)
    }
}

fn request(to: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> HttpRequest {
    HttpRequest {
        method: method.to_owned(),
        url: format!("http://{to}{path}"),
        headers: std::collections::BTreeMap::new(),
        body: body.map(ToString::to_string),
    }
}
