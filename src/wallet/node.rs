//! The chain nodes: node-a, behind which blocks are produced, and node-b, which follows node-a.
//!
//! Each node answers from a *view* of the chain, which a pump keeps up to date: node-a's from the validator that lives in
//! its own process, node-b's from node-a over the link `node-b-node-a`. The same pump carries the transactions a node
//! was given on to the validator.
//!
//! Freezing a node stops its pump, no more: it goes on answering, with an old head, and goes on accepting transactions,
//! which nobody mines. The validator behind a frozen node-a keeps producing blocks, so that node-b stays current, as
//! the rest of a network does when one node of it is stuck. Cutting node-b's link stops its pump from outside.
//!
//! Must not: lose a transaction it accepted while it lives; the pump hands it on until a block holds it.

mod pump;
mod rpc;

pub(super) use rpc::{NONCE_TOO_HIGH, NONCE_TOO_LOW};

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::chain::{Chain, Sync};
use super::client::Remote;
use super::clock::unix_ms;
use super::server::{Body, Reply};
use super::shared::Shared;
use super::transaction::Signed;
use super::{Addresses, LinkName, Service};

const BLOCK_TIME: Duration = Duration::from_secs(1);
const PEER_DEADLINE: Duration = Duration::from_secs(1);
const BLOCKS_A_PULL: usize = 128;

struct Node {
    service: Service,
    view: Shared<View>,
    upstream: Upstream,
    /// Rung when a transaction came in, so that it need not wait for the next turn of the pump.
    pump: Notify,
}

struct View {
    chain: Chain,
    frozen: bool,
}

enum Upstream {
    Validator(Arc<Shared<Chain>>),
    Peer(Box<Remote>),
}

/// node-a: its view follows a validator in the same process. Asks node-b first for a chain it may have lost.
pub(super) async fn validating(
    addresses: &Addresses,
    seed: u64,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) -> Router {
    let chain = bootstrapped(addresses.bootstrap(), seed).await;
    let validator = Arc::new(Shared::new(chain));
    let producing = Arc::clone(&validator);
    tracker.spawn(cancel.clone().run_until_cancelled_owned(async move {
        let mut tick = tokio::time::interval(BLOCK_TIME);
        loop {
            tick.tick().await;
            producing.lock().produce(unix_ms());
        }
    }));
    serve(
        Service::NodeA,
        seed,
        Upstream::Validator(validator),
        tracker,
        cancel,
    )
}

/// node-b: its view follows node-a over their link.
pub(super) fn following(
    addresses: &Addresses,
    seed: u64,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) -> Router {
    let peer = Remote::over(LinkName::NodeBNodeA, addresses);
    serve(
        Service::NodeB,
        seed,
        Upstream::Peer(Box::new(peer)),
        tracker,
        cancel,
    )
}

fn serve(
    service: Service,
    seed: u64,
    upstream: Upstream,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) -> Router {
    let view = Shared::new(View {
        chain: Chain::genesis(seed),
        frozen: false,
    });
    let node = Arc::new(Node {
        service,
        view,
        upstream,
        pump: Notify::new(),
    });
    let pumped = Arc::clone(&node);
    tracker.spawn(
        cancel
            .clone()
            .run_until_cancelled_owned(async move { pumped.run_pump().await }),
    );
    Router::new()
        .route("/", post(rpc::answer))
        .route("/head", get(head))
        .route("/chain", get(chain))
        .route("/healthz", get(healthz))
        .route("/admin/freeze", post(freeze))
        .route("/peer/blocks", get(peer_blocks))
        .route("/peer/transactions", post(peer_transactions))
        .with_state(node)
}

/// A container that was killed comes back without its chain: node-b still has it. Whoever starts first finds nobody, or
/// a chain of no height, and begins at genesis. Must be done before node-a answers its peers: node-b would follow it
/// back to genesis.
async fn bootstrapped(peer: &str, seed: u64) -> Chain {
    let mut chain = Chain::genesis(seed);
    let peer = Remote::at(Service::NodeB, peer);
    let path = format!("/peer/blocks?from=0&limit={}", usize::MAX);
    if let Ok(answer) = peer.get(&path, Instant::now() + PEER_DEADLINE).await
        && let Ok(sync) = serde_json::from_value::<Sync>(answer.body)
        && sync.head.height > 0
    {
        tracing::info!(
            height = sync.head.height,
            "node-a took its chain back from node-b"
        );
        chain.adopt(sync);
    }
    chain
}

async fn head(State(node): State<Arc<Node>>) -> Reply {
    let view = node.view.lock();
    let head = view.chain.head();
    let body = json!({
        "service": node.service.name(),
        "height": head.height,
        "hash": head.hash,
        "at_ms": head.at_ms,
        "age_ms": unix_ms().saturating_sub(head.at_ms),
        "mempool": view.chain.pool_len(),
        "frozen": view.frozen,
    });
    (StatusCode::OK, Json(body))
}

async fn healthz(State(node): State<Arc<Node>>) -> Reply {
    (
        StatusCode::OK,
        Json(json!({"status": "ok", "service": node.service.name()})),
    )
}

#[derive(Deserialize)]
struct Freeze {
    frozen: bool,
}

async fn freeze(State(node): State<Arc<Node>>, Body(order): Body<Freeze>) -> Reply {
    let mut view = node.view.lock();
    view.frozen = order.frozen;
    (
        StatusCode::OK,
        Json(json!({"frozen": view.frozen, "height": view.chain.head().height})),
    )
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    from: u64,
    #[serde(default)]
    account: String,
    #[serde(default = "blocks_a_pull")]
    limit: usize,
}

fn blocks_a_pull() -> usize {
    BLOCKS_A_PULL
}

/// What a wallet wants to know about the chain, of one moment.
async fn chain(State(node): State<Arc<Node>>, Query(since): Query<Since>) -> Reply {
    let view = node.view.lock();
    let chain = &view.chain;
    let blocks: Vec<Value> = chain
        .since(since.from)
        .take(since.limit)
        .map(|block| {
            let mined = block.transactions.iter().filter_map(|raw| Signed::decode(raw).ok());
            let mined = mined.map(|signed| {
                let transaction = signed.transaction;
                json!({
                    "hash": signed.hash,
                    "account": transaction.account,
                    "nonce": transaction.nonce,
                    "transfer": transaction.transfer,
                })
            });
            json!({"height": block.height, "hash": block.hash, "transactions": mined.collect::<Vec<_>>()})
        })
        .collect();
    let body = json!({
        "height": chain.head().height,
        "hash": chain.head().hash,
        "at_ms": chain.head().at_ms,
        "mempool": chain.pool_len(),
        "mined_nonce": chain.mined_nonce(&since.account),
        "pending_nonce": chain.pending_nonce(&since.account),
        "blocks": blocks,
    });
    (StatusCode::OK, Json(body))
}

async fn peer_blocks(State(node): State<Arc<Node>>, Query(since): Query<Since>) -> Json<Sync> {
    let sync = match &node.upstream {
        Upstream::Validator(validator) => validator.lock().sync_from(since.from, since.limit),
        Upstream::Peer(_) => node.view.lock().chain.sync_from(since.from, since.limit),
    };
    Json(sync)
}

#[derive(Deserialize)]
struct Transactions {
    raw: Vec<String>,
}

async fn peer_transactions(
    State(node): State<Arc<Node>>,
    Body(pushed): Body<Transactions>,
) -> Reply {
    let accepted = match &node.upstream {
        // One lock a transaction: checking signatures takes long enough to let others in between.
        Upstream::Validator(validator) => {
            let accept = |raw: &&String| validator.lock().accept(raw).is_ok();
            pushed.raw.iter().filter(accept).count()
        }
        Upstream::Peer(_) => 0,
    };
    (StatusCode::OK, Json(json!({"accepted": accepted})))
}
