//! A client of Toxiproxy's API: every status is checked, and every refusal carries the server's own words.
//!
//! A 404 means that something is absent only where Toxiproxy says so by name. A 404 of anything else at that address is
//! a refusal: an undo must never succeed because it asked the wrong server.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::wire::{Proxy, Toxic};
use crate::address::{encoded, shown};
use crate::model::fault::Stream;
use crate::model::probe::HttpRequest;
use crate::model::stack::Link;
use crate::outbound::{Outbound, Reply, SendError};
use crate::ports::FaultError;

/// The longest one request takes.
const LONGEST_REQUEST: Duration = Duration::from_secs(5);

/// The most characters of an unexpected body that an error shows.
const LONGEST_EXCERPT: usize = 200;

/// One server's API.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client<'a> {
    outbound: &'a Outbound,
    url: &'a str,
}

/// What a request about a toxic comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome<T> {
    /// Done.
    Done(T),
    /// The proxy has no such toxic.
    NoToxic,
    /// There is no such proxy.
    NoProxy,
    /// There is already one of that name, or somebody else holds it.
    Taken(String),
}

/// A request that came to nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) error: FaultError,
    /// Whether the server may have done it all the same: it was reached, and its answer got lost or late.
    pub(super) unsure: bool,
}

impl From<Failure> for FaultError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// One answer that is neither unreachable nor plainly refused.
enum Answer {
    Good(Reply),
    NotFound(Absent),
    Conflict(String),
}

enum Absent {
    Toxic,
    Proxy,
}

impl<'a> Client<'a> {
    pub(super) fn new(outbound: &'a Outbound, url: &'a str) -> Self {
        Self {
            outbound,
            url: url.trim_end_matches('/'),
        }
    }

    /// Whether the server takes PATCH, which came with 2.6. Every version takes POST in its place, so that a version
    /// which can't be read is spoken to in the older way.
    pub(super) async fn takes_patch(&self) -> Result<bool, Failure> {
        let reply = self.send("GET", "/version", None).await?;
        if !reply.status.is_success() {
            return Err(self.refused("GET", "/version", &reply));
        }
        let version = reply
            .json()
            .ok()
            .and_then(|answer| answer.get("version")?.as_str().map(ToOwned::to_owned))
            // Servers before 2.5 answered the bare number.
            .unwrap_or_else(|| reply.text());
        let mut numbers = version
            .trim()
            .trim_start_matches('v')
            .split('.')
            .map_while(|part| part.parse::<u32>().ok());
        Ok((numbers.next(), numbers.next()) >= (Some(2), Some(6)))
    }

    /// The names of all proxies.
    pub(super) async fn proxy_names(&self) -> Result<Vec<String>, Failure> {
        let reply = self.send("GET", "/proxies", None).await?;
        if !reply.status.is_success() {
            return Err(self.refused("GET", "/proxies", &reply));
        }
        let all: serde_json::Map<String, Value> = self.read("/proxies", &reply)?;
        Ok(all.keys().cloned().collect())
    }

    /// One proxy, if it is there.
    pub(super) async fn proxy(&self, name: &str) -> Result<Option<Proxy>, Failure> {
        let path = proxy_path(name);
        match self.ask("GET", &path, None).await? {
            Answer::Good(reply) => self.read(&path, &reply).map(Some),
            Answer::NotFound(_) => Ok(None),
            Answer::Conflict(why) => Err(self.conflict("GET", &path, &why)),
        }
    }

    /// Creates a link's proxy, enabled. One that somebody else created meanwhile is as good: the caller reads it.
    pub(super) async fn create(&self, link: &Link) -> Result<(), Failure> {
        let body = json!({
            "name": link.proxy.as_str(), "listen": link.listen, "upstream": link.upstream, "enabled": true,
        });
        match self.ask("POST", "/proxies", Some(&body)).await? {
            Answer::Good(_) | Answer::Conflict(_) => Ok(()),
            Answer::NotFound(_) => Err(self.conflict("POST", "/proxies", "404")),
        }
    }

    /// Changes a proxy's fields. `patch` as [`Self::takes_patch`] said.
    pub(super) async fn change(
        &self,
        name: &str,
        patch: bool,
        fields: &Value,
    ) -> Result<Outcome<()>, Failure> {
        let method = if patch { "PATCH" } else { "POST" };
        Ok(
            match self.ask(method, &proxy_path(name), Some(fields)).await? {
                Answer::Good(_) => Outcome::Done(()),
                Answer::NotFound(_) => Outcome::NoProxy,
                Answer::Conflict(why) => Outcome::Taken(why),
            },
        )
    }

    /// One toxic.
    pub(super) async fn toxic(&self, proxy: &str, name: &str) -> Result<Outcome<Toxic>, Failure> {
        let path = toxic_path(proxy, name);
        match self.ask("GET", &path, None).await? {
            Answer::Good(reply) => self.read(&path, &reply).map(Outcome::Done),
            Answer::NotFound(absent) => Ok(absent.outcome()),
            Answer::Conflict(why) => Err(self.conflict("GET", &path, &why)),
        }
    }

    /// Adds a toxic.
    pub(super) async fn add_toxic(
        &self,
        proxy: &str,
        stream: Stream,
        body: &Value,
    ) -> Result<Outcome<()>, Failure> {
        debug_assert_eq!(body["stream"], stream.as_str());
        let path = format!("{}/toxics", proxy_path(proxy));
        Ok(match self.ask("POST", &path, Some(body)).await? {
            Answer::Good(_) => Outcome::Done(()),
            Answer::NotFound(absent) => absent.outcome(),
            Answer::Conflict(why) => Outcome::Taken(why),
        })
    }

    /// Changes a toxic's attributes, toxicity and time to live. `patch` as [`Self::takes_patch`] said.
    pub(super) async fn change_toxic(
        &self,
        proxy: &str,
        name: &str,
        patch: bool,
        body: &Value,
    ) -> Result<Outcome<()>, Failure> {
        let method = if patch { "PATCH" } else { "POST" };
        let path = toxic_path(proxy, name);
        Ok(match self.ask(method, &path, Some(body)).await? {
            Answer::Good(_) => Outcome::Done(()),
            Answer::NotFound(absent) => absent.outcome(),
            Answer::Conflict(why) => Outcome::Taken(why),
        })
    }

    /// Deletes a toxic.
    pub(super) async fn delete_toxic(
        &self,
        proxy: &str,
        name: &str,
    ) -> Result<Outcome<()>, Failure> {
        let path = toxic_path(proxy, name);
        Ok(match self.ask("DELETE", &path, None).await? {
            Answer::Good(_) => Outcome::Done(()),
            Answer::NotFound(absent) => absent.outcome(),
            Answer::Conflict(why) => Outcome::Taken(why),
        })
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let reply = self.send(method, path, body).await?;
        if reply.status.is_success() {
            return Ok(Answer::Good(reply));
        }
        match (reply.status.as_u16(), message(&reply)) {
            (404, Some(text)) if text.contains("toxic not found") => {
                Ok(Answer::NotFound(Absent::Toxic))
            }
            (404, Some(text)) if text.contains("proxy not found") => {
                Ok(Answer::NotFound(Absent::Proxy))
            }
            (409, Some(text)) => Ok(Answer::Conflict(format!("409 {text}"))),
            _ => Err(self.refused(method, path, &reply)),
        }
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply, Failure> {
        let request = HttpRequest {
            method: method.to_owned(),
            url: format!("{}{path}", self.url),
            headers: std::collections::BTreeMap::new(),
            body: body.map(ToString::to_string),
        };
        self.sent(&request).await.map_err(|error| Failure {
            unsure: !matches!(
                error,
                SendError::Request(_) | SendError::Tls(_) | SendError::Connect(_)
            ),
            error: FaultError::Unreachable {
                what: format!("Toxiproxy at {}", shown(self.url)),
                why: format!("{method} {path}: {error}"),
            },
        })
    }

    /// What only reads is asked over kept connections, and once more where one of them fails. A deletion goes over them,
    /// too, and may fail as any can: its caller tells that apart. Whatever adds or changes has a connection of its own, so
    /// that it fails only where the server does.
    async fn sent(&self, request: &HttpRequest) -> Result<Reply, SendError> {
        match request.method.as_str() {
            "GET" => match self.outbound.send_in_burst(request, LONGEST_REQUEST).await {
                Err(SendError::Broken(_)) => {
                    self.outbound
                        .send_with_secrets(request, LONGEST_REQUEST)
                        .await
                }
                answered => answered,
            },
            "DELETE" => self.outbound.send_in_burst(request, LONGEST_REQUEST).await,
            _ => {
                self.outbound
                    .send_with_secrets(request, LONGEST_REQUEST)
                    .await
            }
        }
    }

    fn read<T: DeserializeOwned>(&self, path: &str, reply: &Reply) -> Result<T, Failure> {
        serde_json::from_slice(&reply.body).map_err(|error| Failure {
            error: FaultError::ReadBack {
                what: format!("GET {}{path}", shown(self.url)),
                why: format!("{error}, in {:?}", excerpt(&reply.text())),
            },
            unsure: false,
        })
    }

    fn refused(&self, method: &str, path: &str, reply: &Reply) -> Failure {
        let words = message(reply).unwrap_or_else(|| excerpt(reply.text().trim()));
        Failure {
            // Toxiproxy answers 503 after 25 s of waiting for a lock, and does it afterwards.
            unsure: reply.status.as_u16() == 503,
            ..self.conflict(method, path, &format!("{} {words}", reply.status.as_u16()))
        }
    }

    fn conflict(&self, method: &str, path: &str, why: &str) -> Failure {
        Failure {
            error: FaultError::Refused {
                what: format!("{method} {}{path}", shown(self.url)),
                why: why.to_owned(),
            },
            unsure: false,
        }
    }
}

impl Absent {
    fn outcome<T>(&self) -> Outcome<T> {
        match self {
            Self::Toxic => Outcome::NoToxic,
            Self::Proxy => Outcome::NoProxy,
        }
    }
}

/// The server's own words: `error`, or `title` before 2.1.
fn message(reply: &Reply) -> Option<String> {
    let answer = reply.json().ok()?;
    let text = answer.get("error").or_else(|| answer.get("title"))?;
    text.as_str().map(excerpt)
}

fn excerpt(text: &str) -> String {
    text.chars().take(LONGEST_EXCERPT).collect()
}

fn proxy_path(proxy: &str) -> String {
    format!("/proxies/{}", encoded(proxy))
}

fn toxic_path(proxy: &str, toxic: &str) -> String {
    format!("{}/toxics/{}", proxy_path(proxy), encoded(toxic))
}
