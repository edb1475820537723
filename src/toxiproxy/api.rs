//! The HTTP API of Toxiproxy 2.12: its routes, statuses, content types and quirks, where clients may rely on them.
//!
//! Handlers only parse, call and render: nothing here waits for a client's or an upstream's connection.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use serde::Serialize;

use super::{
    body,
    error::Error,
    metrics,
    proxy::{Change, ProxyConfig, View},
    random::Draws,
    registry::Registry,
    state::Keeper,
};

/// The version whose API this is. Clients choose between PATCH and the older POST by it.
pub const VERSION: &str = "2.12.0";

/// Larger than any list of proxies; a body beyond it is refused rather than held in memory.
const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// Says that the change is in effect but not in the state file yet.
const UNSAVED: HeaderName = HeaderName::from_static("x-toxiproxy-unsaved");

type Api = State<Arc<Registry>>;
type Reply = Result<Response, Error>;

/// With `keeper`, changes are answered when they are on disk; with `measured`, `/metrics` is a route.
pub(crate) fn router(
    registry: Arc<Registry>,
    draws: Draws,
    keeper: Option<Arc<Keeper>>,
    measured: bool,
) -> Router {
    let ids = Arc::new(RequestIds {
        draws: draws.of("request"),
        count: AtomicU64::new(0),
    });
    let mut router = Router::new()
        .route("/version", get(version))
        .route("/proxies", get(list_proxies).post(create_proxy))
        .route(
            "/proxies/{proxy}",
            get(show_proxy)
                .post(update_proxy)
                .patch(update_proxy)
                .delete(delete_proxy),
        )
        .route(
            "/proxies/{proxy}/toxics",
            get(list_toxics).post(create_toxic),
        )
        .route(
            "/proxies/{proxy}/toxics/{toxic}",
            get(show_toxic)
                .post(update_toxic)
                .patch(update_toxic)
                .delete(delete_toxic),
        )
        .route("/reset", post(reset))
        .route("/populate", post(populate));
    if measured {
        let keeper = keeper.clone();
        let show = async move |State(registry): Api| {
            let well = keeper.as_deref().map(Keeper::is_well);
            let page = metrics::page(&registry, well);
            ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page)
        };
        router = router.route("/metrics", any(show));
    }
    if let Some(keeper) = keeper {
        router = router.route_layer(middleware::from_fn_with_state(keeper, settle));
    }
    router
        .route_layer(middleware::from_fn_with_state(ids, guard))
        .fallback(async || text(StatusCode::NOT_FOUND, "404 page not found\n"))
        .with_state(registry)
}

async fn version() -> Response {
    let body = format!("{{\"version\": \"{VERSION}\"}}\n");
    (
        [(header::CONTENT_TYPE, "application/json;charset=utf-8")],
        body,
    )
        .into_response()
}

async fn list_proxies(State(registry): Api) -> Response {
    json(StatusCode::OK, &registry.views())
}

async fn create_proxy(State(registry): Api, request: Body) -> Reply {
    let config = ProxyConfig::parse(&read(request).await?)?;
    let proxy = registry.create(&config).await?;
    Ok(json(StatusCode::CREATED, &proxy.view()))
}

async fn show_proxy(State(registry): Api, Path(proxy): Path<String>) -> Reply {
    Ok(json(StatusCode::OK, &registry.find(&proxy)?.view()))
}

async fn update_proxy(State(registry): Api, Path(proxy): Path<String>, request: Body) -> Reply {
    let proxy = registry.find(&proxy)?;
    let change = Change::read(&body::object(&read(request).await?, "Proxy")?)?;
    proxy.update(&change).await?;
    Ok(json(StatusCode::OK, &proxy.view()))
}

async fn delete_proxy(State(registry): Api, Path(proxy): Path<String>) -> Reply {
    registry.delete(&proxy)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_toxics(State(registry): Api, Path(proxy): Path<String>) -> Reply {
    Ok(json(StatusCode::OK, &registry.find(&proxy)?.toxics()))
}

async fn create_toxic(State(registry): Api, Path(proxy): Path<String>, request: Body) -> Reply {
    let proxy = registry.find(&proxy)?;
    let toxic = proxy.add_toxic(&body::object(&read(request).await?, "ToxicWrapper")?)?;
    Ok(json(StatusCode::OK, &toxic))
}

async fn show_toxic(State(registry): Api, Path((proxy, toxic)): Path<(String, String)>) -> Reply {
    Ok(json(StatusCode::OK, &registry.find(&proxy)?.toxic(&toxic)?))
}

async fn update_toxic(
    State(registry): Api,
    Path((proxy, toxic)): Path<(String, String)>,
    request: Body,
) -> Reply {
    let proxy = registry.find(&proxy)?;
    let toxic = proxy.update_toxic(&toxic, &body::object(&read(request).await?, "")?)?;
    Ok(json(StatusCode::OK, &toxic))
}

async fn delete_toxic(State(registry): Api, Path((proxy, toxic)): Path<(String, String)>) -> Reply {
    registry.find(&proxy)?.remove_toxic(&toxic)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn reset(State(registry): Api) -> Reply {
    registry.reset().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Unlike elsewhere an error is JSON here, since it stands beside the proxies that were done.
async fn populate(State(registry): Api, request: Body) -> Response {
    #[derive(Serialize)]
    struct Answer {
        #[serde(flatten)]
        refusal: Option<Refusal>,
        /// Null, not empty, where there are none.
        proxies: Option<Vec<View>>,
    }
    let (done, outcome) = match read(request)
        .await
        .and_then(|json| ProxyConfig::parse_list(&json))
    {
        Ok(configs) => {
            let populated = registry.populate(&configs).await;
            (populated.done, populated.outcome)
        }
        Err(error) => (Vec::new(), Err(error)),
    };
    let refusal = outcome.err().map(|error| Refusal::from(&error));
    let status = refusal.as_ref().map_or(201, |refusal| refusal.status);
    let proxies = Some(done).filter(|done| !done.is_empty());
    json(
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        &Answer { refusal, proxies },
    )
}

#[derive(Serialize)]
struct Refusal {
    error: String,
    status: u16,
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        Self {
            error: error.to_string(),
            status: error.status(),
        }
    }
}

impl IntoResponse for Error {
    /// JSON that says it is text, as Toxiproxy has it.
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&Refusal::from(&self)).unwrap_or_default();
        text(status, body + "\n")
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body.into()).into_response()
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_string(value)
        .expect("strings, finite numbers and string-keyed maps always render");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn read(body: Body) -> Result<Vec<u8>, Error> {
    let bytes = to_bytes(body, LARGEST_BODY)
        .await
        .map_err(|error| Error::BadBody(error.to_string()))?;
    Ok(bytes.into())
}

/// Answers a change when it is on disk. One that isn't there in time is answered too, and says so: it is in effect.
async fn settle(State(keeper): State<Arc<Keeper>>, request: Request, next: Next) -> Response {
    let changes = request.method() != Method::GET;
    let mut response = next.run(request).await;
    if changes && !keeper.settle().await {
        response
            .headers_mut()
            .insert(UNSAVED, HeaderValue::from_static("true"));
    }
    response
}

struct RequestIds {
    draws: Draws,
    count: AtomicU64,
}

/// What holds for every known route: no HEAD, no browsers (a page could otherwise reach a server on loopback), and an
/// id in the answer.
async fn guard(State(ids): State<Arc<RequestIds>>, request: Request, next: Next) -> Response {
    if request.method() == Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let mut response = if is_browser(request.headers()) {
        text(StatusCode::FORBIDDEN, "User agent not allowed\n")
    } else {
        next.run(request).await
    };
    let id = format!(
        "{:016x}",
        ids.draws.word(ids.count.fetch_add(1, Ordering::Relaxed))
    );
    if let Ok(id) = HeaderValue::try_from(id) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("x-toxiproxy-request-id"), id);
    }
    response
}

fn is_browser(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

#[cfg(test)]
mod tests;
