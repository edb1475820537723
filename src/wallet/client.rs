//! Calling another service over one link.
//!
//! Invariants: every call has a deadline; a call that failed before anything was sent says so ([`CallError::Refused`]),
//! since only then is it certain that the other side did nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use tokio::time::Instant;

use super::clock::millis;
use super::{Addresses, LinkName, Service};

const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// Upper bounds of the call-duration buckets, in milliseconds.
pub(super) const BUCKETS_MS: [u64; 8] = [5, 10, 25, 50, 100, 250, 500, 1000];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// Nobody took the connection: the other side saw nothing.
    #[error("refused the connection")]
    Refused,
    /// No answer in time: the other side may or may not have acted.
    #[error("timed out")]
    TimedOut,
    /// The connection broke before the answer was whole: the other side may or may not have acted.
    #[error("broke the connection off")]
    Broken,
    /// The answer was no JSON: the other side may or may not have acted.
    #[error("answered unreadably")]
    Unreadable,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

/// How long calls over one link took.
#[derive(Debug, Default)]
pub(super) struct Timings {
    pub(super) buckets: [AtomicU64; BUCKETS_MS.len()],
    pub(super) count: AtomicU64,
    pub(super) sum_ms: AtomicU64,
    pub(super) failures: AtomicU64,
}

/// One link, as its dialling side sees it.
pub(super) struct Remote {
    pub(super) service: Service,
    pub(super) timings: Timings,
    authority: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Remote {
    pub(super) fn over(link: LinkName, addresses: &Addresses) -> Self {
        Self::at(link.to(), addresses.dial(link))
    }

    pub(super) fn at(service: Service, authority: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(1)));
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(16)
            .build(connector);
        Self {
            service,
            timings: Timings::default(),
            authority: authority.to_owned(),
            http,
        }
    }

    pub(super) async fn get(&self, path: &str, deadline: Instant) -> Result<Answer, CallError> {
        self.call(Method::GET, path, Bytes::new(), deadline).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        deadline: Instant,
    ) -> Result<Answer, CallError> {
        self.call(Method::POST, path, Bytes::from(body.to_string()), deadline)
            .await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Answer, CallError> {
        let began = Instant::now();
        let outcome =
            match tokio::time::timeout_at(deadline, self.exchange(method, path, body)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(CallError::TimedOut),
            };
        self.timings.record(began.elapsed(), outcome.is_err());
        outcome
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, CallError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.authority))
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|_| CallError::Broken)?;
        let response = self.http.request(request).await.map_err(|error| {
            if error.is_connect() {
                CallError::Refused
            } else {
                CallError::Broken
            }
        })?;
        let status = response.status();
        let bytes = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|_| CallError::Broken)?
            .to_bytes();
        let body = serde_json::from_slice(&bytes).map_err(|_| CallError::Unreadable)?;
        Ok(Answer { status, body })
    }
}

impl Timings {
    fn record(&self, took: Duration, failed: bool) {
        let ms = millis(took);
        for (bucket, bound) in self.buckets.iter().zip(BUCKETS_MS) {
            if ms <= bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(ms, Ordering::Relaxed);
        self.failures
            .fetch_add(u64::from(failed), Ordering::Relaxed);
    }
}
