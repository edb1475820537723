//! The ledger: double-entry books in whole units (10⁻⁹ ETH).
//!
//! A transfer is booked in two steps: `hold` sets the money aside, then `confirm` posts it or `reverse` lets it go.
//!
//! Must not: change the books but through [`books::Books::book`].

mod books;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::server::{Body, Reply, refuse};
use super::shared::Shared;
use books::{Books, Entry, Refused};

pub(super) fn service() -> Router {
    Router::new()
        .route("/entries", post(book))
        .route("/balances", get(balances))
        .route("/balances/{account}", get(balance))
        .route("/totals", get(totals))
        .route(
            "/healthz",
            get(async || Json(json!({"status": "ok", "service": "ledger"}))),
        )
        .with_state(Arc::new(Shared::new(Books::opening())))
}

async fn book(State(books): State<Arc<Shared<Books>>>, Body(entry): Body<Entry>) -> Reply {
    let outcome = books.lock().book(&entry);
    match outcome {
        Ok(()) => (
            StatusCode::OK,
            Json(json!({"id": entry.id, "step": entry.step})),
        ),
        Err(Refused::Insufficient) => {
            refuse(StatusCode::UNPROCESSABLE_ENTITY, "insufficient funds")
        }
        Err(Refused::Invalid(reason)) => refuse(StatusCode::BAD_REQUEST, reason),
        Err(Refused::Conflict(reason)) => refuse(StatusCode::CONFLICT, reason),
    }
}

async fn balances(State(books): State<Arc<Shared<Books>>>) -> Reply {
    let accounts = json!(books.lock().accounts);
    (StatusCode::OK, Json(json!({"accounts": accounts})))
}

async fn balance(State(books): State<Arc<Shared<Books>>>, Path(account): Path<String>) -> Reply {
    match books.lock().accounts.get(&account) {
        None => refuse(StatusCode::NOT_FOUND, "no such account"),
        Some(found) => {
            let body = json!({
                "account": account,
                "balance": found.balance,
                "held": found.held,
                "available": found.balance - found.held,
            });
            (StatusCode::OK, Json(body))
        }
    }
}

async fn totals(State(books): State<Arc<Shared<Books>>>) -> Reply {
    let books = books.lock();
    let body = json!({
        "sum": books.sum(),
        "posted": books.posted,
        "held": books.held,
        "open": books.open.len(),
        "confirmed": books.confirmed,
        "reversed": books.reversed,
    });
    (StatusCode::OK, Json(body))
}
