//! What breaks, what that does, and what mends it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::{LinkName, Service};
use super::gate::Mode;
use super::stack::Stack;

#[expect(
    clippy::disallowed_methods,
    reason = "the test measures how long real answers take"
)]
fn now() -> Instant {
    Instant::now()
}

async fn canary(stack: &Stack) -> (u16, Value) {
    let answer = stack.post("/v1/transfers/canary", json!({})).await;
    (answer.status.as_u16(), answer.body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_signer_fails_transfers_until_the_other_one_takes_over() {
    let stack = Stack::start(11, &[LinkName::ApiSignerA]).await;
    assert_eq!(canary(&stack).await.0, 201);
    stack.set(LinkName::ApiSignerA, Mode::Silent);
    let began = now();
    let (status, body) = canary(&stack).await;
    assert!(
        began.elapsed() < Duration::from_millis(2500),
        "{:?}",
        began.elapsed()
    );
    assert_eq!((status, &body["state"]), (503, &json!("failed")), "{body}");
    assert_eq!(
        (&body["reason"], &body["dependency"]),
        (&json!("signer timed out"), &json!("signer-a"))
    );

    let state = stack
        .post("/admin/failover", json!({"signer": "signer-b"}))
        .await;
    assert_eq!(state.body["signer"], "signer-b");
    let (status, body) = canary(&stack).await;
    assert_eq!(
        (status, &body["nonce"]),
        (201, &json!(1)),
        "the nonce of the failed transfer is used: {body}"
    );
    stack.invariants_kept().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_whose_answer_was_lost_does_not_block_its_nonce() {
    let stack = Stack::start(12, &[LinkName::ApiSignerA]).await;
    stack.set(LinkName::ApiSignerA, Mode::Deaf);
    assert_eq!(canary(&stack).await.0, 503);
    stack.set(LinkName::ApiSignerA, Mode::Cut);
    let (status, body) = canary(&stack).await;
    assert_eq!((status, &body["state"]), (503, &json!("failed")));
    stack.set(LinkName::ApiSignerA, Mode::Open);
    let (status, body) = canary(&stack).await;
    assert_eq!((status, &body["nonce"]), (201, &json!(0)), "{body}");
    stack.invariants_kept().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_transfer_waits_for_a_node_and_goes_out_after_the_failover() {
    let stack = Stack::start(13, &[LinkName::ApiNodeA]).await;
    assert_eq!(canary(&stack).await.0, 201);
    stack.set(LinkName::ApiNodeA, Mode::Deaf);
    let began = now();
    let (status, waiting) = canary(&stack).await;
    assert!(
        began.elapsed() < Duration::from_millis(2500),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        (status, &waiting["state"]),
        (503, &json!("pending")),
        "{waiting}"
    );
    let (status, refused) = canary(&stack).await;
    assert_eq!(
        (status, &refused["state"]),
        (503, &json!("failed")),
        "nothing is signed behind it: {refused}"
    );

    let began = now();
    let invariants = stack.get("/v1/invariants").await.body;
    assert!(
        began.elapsed() < Duration::from_millis(200),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        (&invariants["nonce_gap"], &invariants["pending"]),
        (&json!(0), &json!(1))
    );
    assert!(
        invariants["chain_age_ms"].as_u64().unwrap() > 1000,
        "{invariants}"
    );

    stack
        .post("/admin/failover", json!({"node": "node-b"}))
        .await;
    let id = waiting["id"].as_str().unwrap();
    let mined = stack
        .until(&format!("/v1/transfers/{id}"), |body| {
            body["state"] == "mined"
        })
        .await;
    assert_eq!(
        mined["tx_hash"], waiting["tx_hash"],
        "the same transaction, once"
    );
    let (status, body) = canary(&stack).await;
    assert_eq!((status, &body["nonce"]), (201, &json!(2)), "{body}");
    stack.invariants_kept().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_cut_off_from_its_peer_lags_and_catches_up() {
    let stack = Stack::start(14, &[LinkName::NodeBNodeA]).await;
    stack.set(LinkName::NodeBNodeA, Mode::Cut);
    let lag = async || {
        let ahead = stack.ask(Service::NodeA, "/head").await["height"]
            .as_u64()
            .unwrap();
        ahead.saturating_sub(
            stack.ask(Service::NodeB, "/head").await["height"]
                .as_u64()
                .unwrap(),
        )
    };
    sleep(Duration::from_millis(4500)).await;
    assert!(lag().await >= 3, "{}", lag().await);
    // What node-b is given meanwhile it keeps, and hands on afterwards.
    stack
        .post("/admin/failover", json!({"node": "node-b"}))
        .await;
    assert_eq!(canary(&stack).await.0, 201);
    stack.set(LinkName::NodeBNodeA, Mode::Open);
    sleep(Duration::from_millis(2500)).await;
    assert!(lag().await <= 1, "{}", lag().await);
    stack.invariants_kept().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_node_takes_transfers_that_only_the_other_node_gets_mined() {
    let stack = Stack::start(15, &[]).await;
    assert_eq!(canary(&stack).await.0, 201);
    stack.invariants_kept().await;
    let frozen = stack
        .tell(Service::NodeA, "/admin/freeze", json!({"frozen": true}))
        .await;
    let (status, sent) = canary(&stack).await;
    assert_eq!(status, 201);
    sleep(Duration::from_millis(3500)).await;
    assert_eq!(
        stack.ask(Service::NodeA, "/head").await["height"],
        frozen["height"]
    );
    let other = stack.ask(Service::NodeB, "/head").await["height"]
        .as_u64()
        .unwrap();
    assert!(other >= frozen["height"].as_u64().unwrap() + 3);
    let invariants = stack.get("/v1/invariants").await.body;
    assert!(
        invariants["chain_head_age_ms"].as_u64().unwrap() > 3000,
        "{invariants}"
    );
    assert!(
        invariants["oldest_unmined_ms"].as_u64().unwrap() > 3000,
        "{invariants}"
    );

    stack
        .post("/admin/failover", json!({"node": "node-b"}))
        .await;
    let id = sent["id"].as_str().unwrap();
    stack
        .until(&format!("/v1/transfers/{id}"), |body| {
            body["state"] == "mined"
        })
        .await;
    stack
        .tell(Service::NodeA, "/admin/freeze", json!({"frozen": false}))
        .await;
    stack
        .post("/admin/failover", json!({"node": "node-a"}))
        .await;
    assert_eq!(canary(&stack).await.0, 201);
    stack.invariants_kept().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_killed_takes_its_chain_back_from_its_peer() {
    let mut stack = Stack::start(16, &[]).await;
    assert_eq!(canary(&stack).await.0, 201);
    stack.invariants_kept().await;
    sleep(Duration::from_millis(500)).await;
    let before = stack.ask(Service::NodeB, "/head").await["height"]
        .as_u64()
        .unwrap();
    stack.stop_service(Service::NodeA).await;
    let (status, waiting) = canary(&stack).await;
    assert_eq!(
        (status, &waiting["reason"]),
        (503, &json!("node refused the connection")),
        "{waiting}"
    );
    stack.start_service(Service::NodeA).await;
    let id = waiting["id"].as_str().unwrap();
    stack
        .until(&format!("/v1/transfers/{id}"), |body| {
            body["state"] == "mined"
        })
        .await;
    assert!(
        stack.ask(Service::NodeA, "/head").await["height"]
            .as_u64()
            .unwrap()
            > before
    );
    stack.invariants_kept().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_api_goes_on_at_the_nonce_that_the_chain_tells() {
    let mut stack = Stack::start(17, &[]).await;
    assert_eq!(canary(&stack).await.0, 201);
    stack.stop_service(Service::WalletApi).await;
    stack.start_service(Service::WalletApi).await;
    stack.until("/v1/quote", |body| body["fee"].is_u64()).await;
    let (status, body) = canary(&stack).await;
    assert_eq!((status, &body["nonce"]), (201, &json!(1)), "{body}");
    stack.invariants_kept().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_stop_when_the_price_has_been_unknown_for_too_long() {
    let stack = Stack::start(18, &[LinkName::ApiPrices]).await;
    stack.set(LinkName::ApiPrices, Mode::Silent);
    assert_eq!(
        canary(&stack).await.0,
        201,
        "the last price serves for a while"
    );
    sleep(Duration::from_millis(5500)).await;
    let (status, body) = canary(&stack).await;
    assert_eq!(
        (status, &body["dependency"]),
        (503, &json!("prices")),
        "{body}"
    );
    assert_eq!(stack.get("/v1/quote").await.status, 503);
    stack.set(LinkName::ApiPrices, Mode::Open);
    stack.until("/v1/quote", |body| body["fee"].is_u64()).await;
    assert_eq!(canary(&stack).await.0, 201);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_of_the_ledger_leaves_no_money_on_hold() {
    let stack = Stack::start(19, &[LinkName::ApiLedger]).await;
    stack.set(LinkName::ApiLedger, Mode::Deaf);
    let (status, body) = canary(&stack).await;
    assert_eq!(
        (status, &body["reason"]),
        (503, &json!("ledger timed out")),
        "{body}"
    );
    stack.set(LinkName::ApiLedger, Mode::Open);
    stack.invariants_kept().await;
    let totals = stack.ask(Service::Ledger, "/totals").await;
    assert_eq!(
        (&totals["held"], &totals["confirmed"], &totals["reversed"]),
        (&json!(0), &json!(0), &json!(1)),
        "the hold had arrived, and was let go"
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_transfers_over_links_that_lose_answers_keep_every_invariant() {
    let lossy = [
        (LinkName::ApiSignerA, 5),
        (LinkName::ApiNodeA, 3),
        (LinkName::ApiLedger, 7),
        (LinkName::NodeBNodeA, 4),
    ];
    let stack = Stack::start(20, &lossy.map(|(link, _)| link)).await;
    for (link, every) in lossy {
        stack.set(link, Mode::Lossy(every));
    }
    let burst = (0..200).map(|index| {
        let (stack, amount) = (&stack, 100 + index);
        async move {
            stack
                .post(
                    "/v1/transfers",
                    json!({"from": "alice", "to": "eve", "amount": amount}),
                )
                .await
        }
    });
    let answers = join_all(burst).await;
    let broadcast = answers.iter().filter(|answer| answer.status == 201).count();
    assert!(
        (1..200).contains(&broadcast),
        "{broadcast} of 200 were broadcast at once"
    );
    for (link, _) in lossy {
        stack.set(link, Mode::Open);
    }
    stack.invariants_kept().await;

    // The same once more, without believing the wallet: each transfer's end, the chain and the ledger must agree.
    let (mut mined, mut moved) = (0, 0);
    for answer in &answers {
        let id = answer.body["id"].as_str().unwrap();
        let transfer = stack.get(&format!("/v1/transfers/{id}")).await.body;
        if transfer["state"] == "mined" {
            mined += 1;
            moved += transfer["amount"].as_u64().unwrap();
        } else {
            assert_eq!(transfer["state"], "failed", "{transfer}");
        }
    }
    assert!(mined >= broadcast, "what was answered 201 is mined");
    let blocks = stack.ask(Service::NodeB, "/chain?limit=2000").await;
    let transactions = blocks["blocks"].as_array().unwrap().iter();
    let mut nonces: Vec<u64> = transactions
        .flat_map(|block| block["transactions"].as_array().unwrap())
        .map(|transaction| transaction["nonce"].as_u64().unwrap())
        .collect();
    nonces.sort_unstable();
    assert_eq!(nonces, (0..mined as u64).collect::<Vec<_>>());
    assert_eq!(stack.get("/v1/balances/eve").await.body["balance"], moved);
    assert_eq!(
        stack.ask(Service::Ledger, "/totals").await["confirmed"],
        mined
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_both_nodes_lost_is_told_again() {
    let mut stack = Stack::start(21, &[]).await;
    for _ in 0..3 {
        assert_eq!(canary(&stack).await.0, 201);
    }
    stack.invariants_kept().await;
    for node in [Service::NodeA, Service::NodeB] {
        stack.stop_service(node).await;
    }
    for node in [Service::NodeA, Service::NodeB] {
        stack.start_service(node).await;
    }
    let (status, body) = canary(&stack).await;
    assert_eq!((status, &body["nonce"]), (201, &json!(3)), "{body}");
    stack.invariants_kept().await;
    let chain = stack.ask(Service::NodeA, "/head").await;
    assert_eq!(chain["mempool"], 0, "{chain}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_does_not_stop_its_transfer_half_way() {
    let stack = Stack::start(22, &[LinkName::ApiNodeA]).await;
    assert_eq!(canary(&stack).await.0, 201);
    stack.set(LinkName::ApiNodeA, Mode::Silent);
    let order = json!({"from": "alice", "to": "frank", "amount": 9, "idempotency_key": "once"});
    assert!(
        stack.hang_up_on("/v1/transfers", &order).await,
        "the client left before the answer"
    );
    stack.set(LinkName::ApiNodeA, Mode::Open);
    stack
        .until("/v1/balances/frank", |body| body["balance"] == 9)
        .await;
    let again = stack.post("/v1/transfers", order).await;
    assert_eq!(again.status, 201, "{}", again.body);
    stack.invariants_kept().await;
    assert_eq!(stack.get("/v1/balances/frank").await.body["balance"], 9);
    stack.stop().await;
}
