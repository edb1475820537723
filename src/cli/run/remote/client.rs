//! A server as this command speaks to it: JSON over its API, with a token where there is one, and problems as people
//! read them. The token is in headers only, never in an address, a message or a log.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::model::ids::RunId;
use crate::model::probe::HttpRequest;
use crate::outbound::{Outbound, Reply, SendError, Streamed};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// From one try to the next: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A server.
#[derive(Debug)]
pub(super) struct Client {
    outbound: Outbound,
    base: String,
    token: Option<String>,
    /// For how long a server that can't be reached is asked again.
    patience: Duration,
}

/// Why there is no answer that could be used.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// It can't be reached, or can't answer now: that may pass.
    Away(String),
    /// It said no.
    Refused(Refusal),
}

/// What a server said instead.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    detail: String,
    findings: Vec<String>,
}

/// Problem details, as far as they are needed. Whatever stands between may answer in other ways.
#[derive(Debug, Deserialize)]
struct Problem {
    code: String,
    detail: String,
    #[serde(default)]
    findings: Vec<Finding>,
}

/// Something wrong in a file of the server's.
#[derive(Debug, Deserialize)]
pub(super) struct Finding {
    severity: String,
    file: String,
    line: Option<u64>,
    column: Option<u64>,
    message: String,
    hint: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        for place in self.line.into_iter().chain(self.column) {
            write!(f, ":{place}")?;
        }
        write!(f, ": {}: {}", self.severity, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) => f.write_str(why),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        for finding in &self.findings {
            write!(f, "\n  {finding}")?;
        }
        Ok(())
    }
}

impl Client {
    /// Speaks to the server at `base`, an address without a path of the API.
    pub(super) fn new(base: String, token: Option<String>, patience: Duration) -> Self {
        Self {
            outbound: Outbound::new(),
            base,
            token,
            patience,
        }
    }

    /// For how long it asks again.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Where people find a run.
    pub(super) fn page(&self, run: &RunId) -> String {
        format!("{}/runs/{run}", self.base)
    }

    /// Where it is.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// What is at an address of the API.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        let request = self.request("GET", path, BTreeMap::new(), None);
        self.ask(&request).await
    }

    /// Sends JSON to an address of the API. With a key, it may be sent again.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        key: Option<&str>,
    ) -> Result<T, Trouble> {
        let mut headers = BTreeMap::new();
        if let Some(key) = key {
            headers.insert("idempotency-key".to_owned(), key.to_owned());
        }
        let request = self.request("POST", path, headers, Some(body.to_string()));
        self.ask(&request).await
    }

    /// A run's events after `after`, as a stream.
    pub(super) async fn follow(&self, run: &RunId, after: u64) -> Result<Streamed, Trouble> {
        let mut headers = BTreeMap::from([("accept".to_owned(), "text/event-stream".to_owned())]);
        if after > 0 {
            headers.insert("last-event-id".to_owned(), after.to_string());
        }
        let path = format!("/runs/{run}/events");
        let request = self.request("GET", &path, headers, None);
        let stream = self.outbound.open(&request, PATIENCE).await.map_err(away)?;
        if stream.status.is_success() {
            return Ok(stream);
        }
        // Asked as usual, the same comes with its reason.
        let told: Result<Value, Trouble> = self.get(&path).await;
        Err(told
            .err()
            .unwrap_or_else(|| Trouble::Away(format!("the server answers with {}", stream.status))))
    }

    /// Asks until there is an answer or a refusal, or patience is over.
    pub(super) async fn patiently<T>(
        &self,
        mut ask: impl AsyncFnMut() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let (began, mut pauses) = (Instant::now(), Pauses::default());
        loop {
            match ask().await {
                Err(Trouble::Away(_)) if began.elapsed() < self.patience => pauses.wait().await,
                other => return other,
            }
        }
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        mut headers: BTreeMap<String, String>,
        body: Option<String>,
    ) -> HttpRequest {
        if let Some(token) = &self.token {
            headers.insert("authorization".to_owned(), format!("Bearer {token}"));
        }
        HttpRequest {
            method: method.to_owned(),
            url: format!("{}/api/v1{path}", self.base),
            headers,
            body,
        }
    }

    async fn ask<T: DeserializeOwned>(&self, request: &HttpRequest) -> Result<T, Trouble> {
        let reply = self.outbound.send(request, PATIENCE).await.map_err(away)?;
        if !reply.status.is_success() {
            return Err(refused(&reply));
        }
        serde_json::from_slice(&reply.body).map_err(|error| {
            Trouble::Refused(Refusal {
                status: reply.status.as_u16(),
                code: "not-understood".to_owned(),
                detail: format!(
                    "the server's answer is not understood: {error}; hint: use the same version of firedrill here and \
                     there, and see whether {} is one",
                    self.base
                ),
                findings: Vec::new(),
            })
        })
    }
}

/// Pauses between tries, each twice as long as the one before, up to a bound.
#[derive(Debug, Default)]
pub(super) struct Pauses(u32);

impl Pauses {
    /// Waits for the next one.
    pub(super) async fn wait(&mut self) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.0.min(10));
        self.0 += 1;
        sleep(pause.min(LONGEST_PAUSE)).await;
    }

    /// Begins anew.
    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }
}

fn away(error: SendError) -> Trouble {
    match error {
        SendError::Request(_) | SendError::Tls(_) | SendError::TooLarge => {
            Trouble::Refused(Refusal {
                status: 0,
                code: "not-sent".to_owned(),
                detail: error.to_string(),
                findings: Vec::new(),
            })
        }
        other => Trouble::Away(other.to_string()),
    }
}

fn refused(reply: &Reply) -> Trouble {
    let status = reply.status;
    let problem: Option<Problem> = serde_json::from_slice(&reply.body).ok();
    let said = problem.as_ref().map(|problem| problem.detail.clone());
    if status.is_server_error() || status.as_u16() == 429 {
        return Trouble::Away(said.unwrap_or_else(|| format!("the server answers with {status}")));
    }
    let (code, findings) = problem.map_or_else(
        || (String::new(), Vec::new()),
        |problem| (problem.code, problem.findings),
    );
    Trouble::Refused(Refusal {
        status: status.as_u16(),
        code,
        detail: match (status.as_u16(), said) {
            (401, said) => format!(
                "the server refuses the token: {}; hint: give one that it knows in FIREDRILL_TOKEN or with `--token-file`",
                said.unwrap_or_else(|| status.to_string())
            ),
            (_, Some(said)) => said,
            (300..=399, None) => format!(
                "the server answers with {status}, to {}; hint: give the address that it leads to",
                reply.header("location").join(", ")
            ),
            (_, None) => format!("the server answers with {status}"),
        },
        findings: findings.iter().map(ToString::to_string).collect(),
    })
}
