//! Logging in, and who is logged in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::super::clock::unix_ms;
use super::super::server::{Body, Reply, refuse};
use super::App;
use super::book::is_account;

#[derive(Deserialize)]
pub(super) struct Login {
    user: String,
}

pub(super) async fn login(State(app): State<Arc<App>>, Body(login): Body<Login>) -> Reply {
    if !is_account(&login.user) {
        return refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a user is 1 to 64 letters, digits, `-` or `_`",
        );
    }
    let tokens = app.tokens.lock();
    let token = tokens.issue(&login.user, unix_ms());
    (
        StatusCode::OK,
        Json(json!({"token": token, "version": tokens.version()})),
    )
}

pub(super) async fn me(State(app): State<Arc<App>>, headers: HeaderMap) -> Reply {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match app.authenticate(bearer.unwrap_or_default()) {
        Ok(user) => (StatusCode::OK, Json(json!({"user": user}))),
        Err(reason) => (
            StatusCode::UNAUTHORIZED,
            Json(json!({"error": "token rejected", "reason": reason})),
        ),
    }
}

/// Logs the canary in and uses the session at once, as a user's first page does.
pub(super) async fn canary(State(app): State<Arc<App>>) -> Reply {
    let (token, version) = {
        let tokens = app.tokens.lock();
        (tokens.issue("canary", unix_ms()), tokens.version())
    };
    match app.authenticate(&token) {
        Ok(_) => (
            StatusCode::OK,
            Json(json!({"state": "authenticated", "version": version})),
        ),
        Err(reason) => (
            StatusCode::UNAUTHORIZED,
            Json(json!({"state": "rejected", "reason": reason, "version": version})),
        ),
    }
}

impl App {
    fn authenticate(&self, token: &str) -> Result<String, &'static str> {
        let checked = self.tokens.lock().check(token, unix_ms());
        self.counters.login(if checked.is_ok() {
            "accepted"
        } else {
            "rejected"
        });
        checked
    }
}
