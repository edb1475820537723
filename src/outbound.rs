//! Outgoing HTTP: one request, one bounded answer, one deadline over all of it.
//!
//! Every request opens a connection of its own, so that a probe measures what a new client would see and a fault
//! driver never talks into a connection its own fault has broken. Only [`Outbound::send_in_burst`] keeps connections, and
//! those for no longer than a burst of requests to one server lasts: a thousand undos need not open five thousand.
//! Proxies named in the environment are never used: a request for loopback must stay there. The TLS side is built when
//! the first `https` address is met.

mod stream;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::address;
use crate::model::probe::HttpRequest;
use crate::secret::{self, Environment};

pub use stream::Streamed;

/// The most bytes of an answer that are read.
pub const LARGEST_ANSWER: usize = 4 << 20;

/// How long a connection of a burst may be idle. Shorter than any server's patience, so that none is closed at the other
/// end just as it is used again.
const BURST: Duration = Duration::from_secs(1);

/// The most idle connections that are kept to one server.
const MOST_IDLE: usize = 128;

type PlainClient = Client<HttpConnector, Full<Bytes>>;

/// An HTTP client. Cheap to make, cheap to share.
pub struct Outbound {
    plain: PlainClient,
    /// The one that keeps connections. It is replaced whenever one of them fails: what broke one may have broken all.
    burst: Mutex<PlainClient>,
    secure: OnceLock<Result<SecureClient, String>>,
    environment: Environment,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}

type SecureClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status, whatever it is.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// The body as text, with what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// All values of a header, with what is not text replaced.
    pub fn header(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The request itself is wrong; nothing was sent.
    #[error("the request can't be made: {0}")]
    Request(String),
    /// This machine can't speak TLS.
    #[error("no TLS: {0}")]
    Tls(String),
    /// No connection.
    #[error("could not connect: {0}")]
    Connect(String),
    /// The connection broke or spoke no HTTP.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// No whole answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// More than [`LARGEST_ANSWER`].
    #[error("the answer is larger than {} MiB", LARGEST_ANSWER >> 20)]
    TooLarge,
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbound {
    /// A client without connections, which finds secrets in this process's environment.
    pub fn new() -> Self {
        Self::with_environment(secret::environment())
    }

    /// A client that finds secrets there.
    pub fn with_environment(environment: Environment) -> Self {
        Self {
            plain: plain(0),
            burst: Mutex::new(plain(MOST_IDLE)),
            secure: OnceLock::new(),
            environment,
        }
    }

    /// Where secrets are found.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Sends one request as it is and reads its whole answer, all within `deadline`. Any status is an answer.
    pub async fn send(
        &self,
        request: &HttpRequest,
        deadline: Duration,
    ) -> Result<Reply, SendError> {
        self.deliver(build(request, &request.url)?, deadline).await
    }

    /// Sends a request of a user's file, with the values of the secrets that its URL, headers and body refer to.
    pub async fn send_with_secrets(
        &self,
        request: &HttpRequest,
        deadline: Duration,
    ) -> Result<Reply, SendError> {
        let built = build(&self.revealed(request)?, &request.url)?;
        self.deliver(built, deadline).await
    }

    /// The same, over a connection of an earlier request that was answered a moment ago, where there is one. Only for what
    /// may be sent twice: where a kept connection fails before its answer, whether the request arrived is not known.
    pub async fn send_in_burst(
        &self,
        request: &HttpRequest,
        deadline: Duration,
    ) -> Result<Reply, SendError> {
        let built = build(&self.revealed(request)?, &request.url)?;
        if built.uri().scheme_str() == Some("https") {
            return self.deliver(built, deadline).await;
        }
        let client = self.kept().clone();
        let reply = tokio::time::timeout(deadline, exchange(client.request(built)))
            .await
            .unwrap_or(Err(SendError::Late(deadline)));
        if matches!(reply, Err(SendError::Broken(_) | SendError::Late(_))) {
            *self.kept() = plain(MOST_IDLE);
        }
        reply
    }

    /// A panic elsewhere can't leave a client half-made.
    fn kept(&self) -> MutexGuard<'_, PlainClient> {
        self.burst.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request as it is sent, with the values of its secrets: for a look, never to be kept or shown. Where it goes
    /// was checked before, and can't be a secret.
    pub(crate) fn revealed(&self, request: &HttpRequest) -> Result<HttpRequest, SendError> {
        let reveal = |text: &str| {
            secret::revealed(text, &self.environment)
                .map(Cow::into_owned)
                .map_err(|unset| SendError::Request(unset.to_string()))
        };
        let (place, rest) = address::split(&request.url);
        if secret::is_in(place) {
            return Err(SendError::Request(
                "the scheme, host and port of a URL can't be a secret".to_owned(),
            ));
        }
        Ok(HttpRequest {
            method: request.method.clone(),
            url: format!("{place}{}", reveal(rest)?),
            headers: request
                .headers
                .iter()
                .map(|(name, value)| Ok((name.clone(), reveal(value)?)))
                .collect::<Result<_, _>>()?,
            body: request.body.as_deref().map(reveal).transpose()?,
        })
    }

    async fn deliver(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Duration,
    ) -> Result<Reply, SendError> {
        let answered = async { exchange(self.begin(request)?).await };
        tokio::time::timeout(deadline, answered)
            .await
            .unwrap_or(Err(SendError::Late(deadline)))
    }

    /// Sends a request over a connection of its own.
    fn begin(&self, request: Request<Full<Bytes>>) -> Result<ResponseFuture, SendError> {
        Ok(if request.uri().scheme_str() == Some("https") {
            self.secure()?.request(request)
        } else {
            self.plain.request(request)
        })
    }

    fn secure(&self) -> Result<&SecureClient, SendError> {
        let built = self.secure.get_or_init(|| {
            let connector = HttpsConnectorBuilder::new()
                .with_native_roots()
                .map_err(|error| error.to_string())?
                .https_only()
                .enable_http1()
                .build();
            Ok(Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector))
        });
        built
            .as_ref()
            .map_err(|error| SendError::Tls(error.clone()))
    }
}

/// A client for plain HTTP that keeps so many idle connections to a server.
fn plain(kept: usize) -> PlainClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(BURST)
        .pool_max_idle_per_host(kept)
        .build(connector)
}

/// The head of the answer to a request, whose body is still to come.
async fn head(answer: ResponseFuture) -> Result<Response<Incoming>, SendError> {
    answer.await.map_err(|error| {
        let why = innermost(&error);
        if error.is_connect() {
            SendError::Connect(why)
        } else {
            SendError::Broken(why)
        }
    })
}

/// The whole answer to a request.
async fn exchange(answer: ResponseFuture) -> Result<Reply, SendError> {
    let (parts, body) = head(answer).await?.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                SendError::TooLarge
            } else {
                SendError::Broken(innermost(error.as_ref()))
            }
        })?;
    Ok(Reply {
        status: parts.status,
        headers: parts.headers,
        body: body.to_bytes(),
    })
}

/// The request as it goes over the wire; errors show `url` instead of its own, which may hold secrets.
fn build(request: &HttpRequest, url: &str) -> Result<Request<Full<Bytes>>, SendError> {
    let wrong = |what: &str, why: &dyn fmt::Display| SendError::Request(format!("{what}: {why}"));
    let wrong_url = |why: &dyn fmt::Display| wrong(&address::shown(url), why);
    let uri: Uri = request.url.parse().map_err(|error| wrong_url(&error))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err(wrong_url(&"not an http or https address with a host"));
    }
    let method: Method = request
        .method
        .parse()
        .map_err(|error| wrong(&request.method, &error))?;
    let body = Bytes::from(request.body.clone().unwrap_or_default());
    let is_json =
        !body.is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
    let mut built = Request::new(Full::new(body));
    *built.method_mut() = method;
    *built.uri_mut() = uri;
    let headers = built.headers_mut();
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("firedrill/", env!("CARGO_PKG_VERSION"))),
    );
    if is_json {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in &request.headers {
        let name: HeaderName = name.parse().map_err(|error| wrong(name, &error))?;
        // The value may be a secret: it is not shown.
        let mut value =
            HeaderValue::from_str(value).map_err(|error| wrong(name.as_str(), &error))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(built)
}

/// The error at the bottom, which says what the system said: the layers above only say that there is one.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if deepest.to_string() == error.to_string() {
        return error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string);
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn get(url: String) -> HttpRequest {
        HttpRequest {
            method: "GET".into(),
            url,
            headers: std::collections::BTreeMap::new(),
            body: None,
        }
    }

    async fn answering(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::task::spawn_local(async move {
            let (mut socket, _) = listener.accept().await.expect("a client");
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(answer).await;
            if answer.is_empty() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
        format!("http://{address}/")
    }

    #[tokio::test]
    async fn any_status_is_an_answer() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let url = answering(b"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\n{}").await;
                let reply = Outbound::new()
                    .send(&get(url), Duration::from_secs(5))
                    .await
                    .expect("an answer");
                assert_eq!((reply.status.as_u16(), reply.text().as_str()), (503, "{}"));
            })
            .await;
    }

    #[tokio::test]
    async fn a_silent_server_is_late_and_an_absent_one_refuses() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let url = answering(b"").await;
                let late = Outbound::new()
                    .send(&get(url), Duration::from_millis(100))
                    .await;
                assert_eq!(
                    late.err(),
                    Some(SendError::Late(Duration::from_millis(100)))
                );
            })
            .await;
        let refused = Outbound::new()
            .send(&get("http://127.0.0.1:1/".into()), Duration::from_secs(5))
            .await;
        assert!(
            matches!(&refused, Err(SendError::Connect(why)) if why.contains("refused")),
            "{refused:?}"
        );
        let wrong = Outbound::new()
            .send(&get("127.0.0.1:1".into()), Duration::from_secs(5))
            .await;
        assert!(matches!(wrong, Err(SendError::Request(_))), "{wrong:?}");
    }

    /// Answers so many requests on each connection, then hangs up; counts connections.
    async fn answering_on_each(most: usize) -> (String, std::rc::Rc<std::cell::Cell<usize>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let connections = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = connections.clone();
        tokio::task::spawn_local(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                count.set(count.get() + 1);
                tokio::task::spawn_local(async move {
                    let mut request = [0; 1024];
                    for _ in 0..most {
                        if socket.read(&mut request).await.is_ok_and(|read| read > 0) {
                            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                            let _ = socket.write_all(answer).await;
                        }
                    }
                    // The last request is taken and never answered.
                    let _ = socket.read(&mut request).await;
                });
            }
        });
        (format!("http://{address}/"), connections)
    }

    #[tokio::test]
    async fn a_burst_goes_over_one_connection_and_begins_anew_where_that_fails() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let (url, connections) = answering_on_each(3).await;
                let (outbound, request) = (Outbound::new(), get(url));
                let send = || outbound.send_in_burst(&request, Duration::from_secs(5));
                for _ in 0..3 {
                    send().await.expect("an answer");
                }
                assert_eq!(connections.get(), 1);
                let broken = send().await;
                assert!(matches!(broken, Err(SendError::Broken(_))), "{broken:?}");
                send().await.expect("a new connection");
                assert_eq!(connections.get(), 2);
                // Whoever asks to be like a new client is one.
                let fresh = outbound.send(&request, Duration::from_secs(5)).await;
                fresh.expect("an answer");
                assert_eq!(connections.get(), 3);
            })
            .await;
    }

    #[tokio::test]
    async fn a_connection_that_was_idle_for_longer_than_a_burst_is_used_no_more() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let (url, connections) = answering_on_each(3).await;
                let (outbound, request) = (Outbound::new(), get(url));
                let send = || outbound.send_in_burst(&request, Duration::from_secs(5));
                send().await.expect("an answer");
                tokio::time::sleep(BURST + Duration::from_millis(200)).await;
                send().await.expect("an answer");
                assert_eq!(connections.get(), 2);
            })
            .await;
    }
}
