//! The switches that operators have in an incident, and their positions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Service;
use super::super::clock::unix_ms;
use super::super::server::{Body, Reply, refuse};
use super::App;
use super::token::VERSIONS;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failover {
    signer: Option<String>,
    node: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Withdrawals {
    paused: bool,
}

#[derive(Deserialize)]
pub(super) struct Deployment {
    version: u32,
}

pub(super) async fn state(State(app): State<Arc<App>>) -> Reply {
    (StatusCode::OK, Json(app.switches()))
}

pub(super) async fn failover(State(app): State<Arc<App>>, Body(order): Body<Failover>) -> Reply {
    let signer = match one_of(order.signer, [Service::SignerA, Service::SignerB]) {
        Ok(signer) => signer,
        Err(reason) => return refuse(StatusCode::UNPROCESSABLE_ENTITY, reason),
    };
    let node = match one_of(order.node, [Service::NodeA, Service::NodeB]) {
        Ok(node) => node,
        Err(reason) => return refuse(StatusCode::UNPROCESSABLE_ENTITY, reason),
    };
    if signer.is_none() && node.is_none() {
        return refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "name a signer, a node, or both",
        );
    }
    {
        let mut book = app.book.lock();
        book.signer = signer.unwrap_or(book.signer);
        book.node = node.unwrap_or(book.node);
    }
    (StatusCode::OK, Json(app.switches()))
}

pub(super) async fn withdrawals(
    State(app): State<Arc<App>>,
    Body(order): Body<Withdrawals>,
) -> Reply {
    app.book.lock().paused = order.paused;
    (StatusCode::OK, Json(app.switches()))
}

pub(super) async fn token_service(State(app): State<Arc<App>>) -> Reply {
    (StatusCode::OK, Json(app.tokens.lock().to_json()))
}

pub(super) async fn deploy_token_service(
    State(app): State<Arc<App>>,
    Body(order): Body<Deployment>,
) -> Reply {
    let mut tokens = app.tokens.lock();
    if tokens.deploy(order.version, unix_ms()) {
        (StatusCode::OK, Json(tokens.to_json()))
    } else {
        refuse(
            StatusCode::NOT_FOUND,
            format!("there is no such version; hint: one of {VERSIONS:?}"),
        )
    }
}

fn one_of(name: Option<String>, choices: [Service; 2]) -> Result<Option<Service>, String> {
    let Some(name) = name else { return Ok(None) };
    match choices.into_iter().find(|choice| choice.name() == name) {
        Some(choice) => Ok(Some(choice)),
        None => Err(format!(
            "`{name}` is not one of {} and {}",
            choices[0], choices[1]
        )),
    }
}

impl App {
    fn switches(&self) -> Value {
        let version = self.tokens.lock().version();
        let book = self.book.lock();
        json!({
            "signer": book.signer.name(),
            "node": book.node.name(),
            "withdrawals_paused": book.paused,
            "token_version": version,
        })
    }
}
