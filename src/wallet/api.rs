//! The wallet's public face: log-in, transfers, balances, quotes, the invariants it keeps, and the switches that operators
//! have in an incident.
//!
//! Invariants: an answer never waits longer than [`transfer::BUDGET`] for dependencies; what is reported about the chain
//! and the ledger comes from the wallet's own books and from facts refreshed in the background, with their age.

mod admin;
mod book;
mod dependencies;
mod facts;
mod invariants;
mod lane;
mod metrics;
mod session;
mod settlement;
mod token;
mod transfer;
mod watcher;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::unix_ms;
use super::server::{Reply, refuse};
use super::shared::Shared;
use super::transaction::{account_of, wallet_key};
use super::{Addresses, Service};
use book::Book;
use dependencies::Dependencies;
use facts::Facts;
use metrics::Counters;
use token::TokenService;

pub(super) struct App {
    /// The wallet's address on the chain.
    account: String,
    dependencies: Dependencies,
    book: Shared<Book>,
    facts: Shared<Facts>,
    tokens: Shared<TokenService>,
    counters: Counters,
    /// Held by whoever signs and broadcasts: one nonce at a time, in order.
    lane: tokio::sync::Mutex<()>,
    /// Rung when the ledger has something to settle.
    settle: Notify,
    tracker: TaskTracker,
}

pub(super) fn service(
    addresses: &Addresses,
    seed: u64,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) -> Router {
    let account = account_of(&wallet_key(seed).verifying_key().to_bytes());
    let app = Arc::new(App {
        dependencies: Dependencies::over(addresses),
        book: Shared::new(Book::new(unix_ms())),
        facts: Shared::default(),
        tokens: Shared::new(TokenService::new(seed, unix_ms())),
        counters: Counters::default(),
        lane: tokio::sync::Mutex::new(()),
        settle: Notify::new(),
        tracker: tracker.clone(),
        account,
    });
    let watch = |task| tracker.spawn(cancel.clone().run_until_cancelled_owned(task));
    watch(boxed(watcher::chain(Arc::clone(&app))));
    watch(boxed(watcher::prices(Arc::clone(&app))));
    watch(boxed(watcher::ledger(Arc::clone(&app))));
    watch(boxed(settlement::run(Arc::clone(&app))));
    routes().with_state(app)
}

fn boxed(
    task: impl Future<Output = ()> + Send + 'static,
) -> futures_util::future::BoxFuture<'static, ()> {
    Box::pin(task)
}

fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/login", post(session::login))
        .route("/v1/login/canary", post(session::canary))
        .route("/v1/me", get(session::me))
        .route("/v1/transfers", post(transfer::create))
        .route("/v1/transfers/canary", post(transfer::canary))
        .route("/v1/transfers/{id}", get(transfer::show))
        .route("/v1/balances/{account}", get(balance))
        .route("/v1/quote", get(quote))
        .route("/v1/invariants", get(invariants::show))
        .route("/admin/state", get(admin::state))
        .route("/admin/failover", post(admin::failover))
        .route("/admin/withdrawals", post(admin::withdrawals))
        .route(
            "/admin/token-service",
            get(admin::token_service).post(admin::deploy_token_service),
        )
        .route("/metrics", get(metrics::show))
        .route("/healthz", get(healthz))
}

async fn healthz() -> Reply {
    (
        StatusCode::OK,
        Json(json!({"status": "ok", "service": Service::WalletApi.name()})),
    )
}

async fn quote(State(app): State<Arc<App>>) -> Reply {
    match app.facts.lock().quote(Instant::now()) {
        Ok(quote) => (StatusCode::OK, Json(quote.to_json())),
        Err(stale) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({"state": "stale", "reason": stale.to_string()})),
        ),
    }
}

async fn balance(State(app): State<Arc<App>>, Path(account): Path<String>) -> Reply {
    if !book::is_account(&account) {
        return refuse(StatusCode::NOT_FOUND, "no such account");
    }
    match app.dependencies.balance(&account).await {
        Ok(answer) => (answer.status, Json(answer.body)),
        Err(trouble) => refuse(StatusCode::SERVICE_UNAVAILABLE, trouble.to_string()),
    }
}
