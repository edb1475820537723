//! The whole stack on a loopback address of its own for each test, broken and mended as drills do.

mod gate;
mod incidents;
mod stack;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Addresses, Service, StartError, start};
use stack::Stack;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_transfer_goes_through_and_is_mined() {
    let stack = Stack::start(1, &[]).await;
    let sent = stack.post("/v1/transfers/canary", json!({})).await;
    assert_eq!(
        (sent.status.as_u16(), &sent.body["state"]),
        (201, &json!("broadcast"))
    );
    let id = sent.body["id"].as_str().unwrap();
    let mined = stack
        .until(&format!("/v1/transfers/{id}"), |body| {
            body["state"] == "mined"
        })
        .await;
    assert_eq!(
        (&mined["nonce"], &mined["tx_hash"]),
        (&sent.body["nonce"], &sent.body["tx_hash"])
    );
    let kept = stack.invariants_kept().await;
    assert_eq!((&kept["pending"], &kept["unmined"]), (&json!(0), &json!(0)));

    let metrics = stack.text("/metrics").await;
    assert!(
        metrics.contains("wallet_transfers_total{outcome=\"broadcast\"}"),
        "{metrics}"
    );
    assert!(
        metrics.contains("wallet_active_signer{signer=\"signer-a\"} 1"),
        "{metrics}"
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_moves_once_for_each_idempotency_key() {
    let stack = Stack::start(2, &[]).await;
    let order = json!({"from": "alice", "to": "dora", "amount": 500, "idempotency_key": "k1"});
    let first = stack.post("/v1/transfers", order.clone()).await;
    let again = stack.post("/v1/transfers", order).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.body["id"], again.body["id"]);
    assert_eq!(first.body["tx_hash"], again.body["tx_hash"]);
    let other = json!({"from": "alice", "to": "dora", "amount": 501, "idempotency_key": "k1"});
    assert_eq!(stack.post("/v1/transfers", other).await.status, 422);
    let balance = stack
        .until("/v1/balances/dora", |body| body["balance"] == 500)
        .await;
    assert_eq!(balance["available"], 500);

    let poor = json!({"from": "dora", "to": "alice", "amount": 5_000_000});
    let refused = stack.post("/v1/transfers", poor).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["reason"]),
        (422, &json!("insufficient funds"))
    );
    stack.invariants_kept().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_token_rollout_fails_every_log_in_until_it_is_rolled_back() {
    let stack = Stack::start(3, &[]).await;
    let login = stack.post("/v1/login", json!({"user": "ann"})).await;
    assert_eq!(login.body["version"], 41);
    let before = login.body["token"].as_str().unwrap().to_owned();

    stack
        .post("/admin/token-service", json!({"version": 42}))
        .await;
    let canary = stack.post("/v1/login/canary", json!({})).await;
    assert_eq!(
        (canary.status.as_u16(), &canary.body["state"]),
        (401, &json!("rejected"))
    );
    let login = stack.post("/v1/login", json!({"user": "ann"})).await;
    let during = login.body["token"].as_str().unwrap();
    assert_eq!(stack.status_with_token("/v1/me", during).await, 401);
    assert_eq!(stack.status_with_token("/v1/me", &before).await, 200);
    assert_eq!(stack.get("/admin/token-service").await.body["version"], 42);
    assert_eq!(
        stack
            .post("/admin/token-service", json!({"version": 77}))
            .await
            .status,
        404
    );

    stack
        .post("/admin/token-service", json!({"version": 41}))
        .await;
    let canary = stack.post("/v1/login/canary", json!({})).await;
    assert_eq!(
        (canary.status.as_u16(), &canary.body["version"]),
        (200, &json!(41))
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_withdrawals_are_refused_and_taken_again_afterwards() {
    let stack = Stack::start(4, &[]).await;
    stack
        .post("/admin/withdrawals", json!({"paused": true}))
        .await;
    let refused = stack.post("/v1/transfers/canary", json!({})).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["state"]),
        (409, &json!("paused"))
    );
    assert_eq!(
        stack.get("/admin/state").await.body["withdrawals_paused"],
        true
    );
    stack
        .post("/admin/withdrawals", json!({"paused": false}))
        .await;
    assert_eq!(
        stack.post("/v1/transfers/canary", json!({})).await.status,
        201
    );
    stack.invariants_kept().await;
    stack.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_nothing_is_started() {
    let host = IpAddr::V4(Ipv4Addr::new(127, 0, 7, 5));
    let taken = TcpListener::bind((host, Service::Prices.port()))
        .await
        .unwrap();
    let tracker = TaskTracker::new();
    let refused = start(
        Addresses::direct(host),
        1,
        &tracker,
        CancellationToken::new(),
    )
    .await;
    let message = refused.as_ref().map_err(StartError::to_string).unwrap_err();
    assert!(
        message.starts_with("prices cannot listen on 127.0.7.5:7005"),
        "{message}"
    );
    assert!(tracker.is_empty());
    drop(taken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stack_stops_soon_after_it_is_told_to() {
    let host = IpAddr::V4(Ipv4Addr::new(127, 0, 7, 6));
    let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
    start(Addresses::direct(host), 1, &tracker, cancel.clone())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    cancel.cancel();
    tracker.close();
    tokio::time::timeout(Duration::from_secs(3), tracker.wait())
        .await
        .unwrap();
}
