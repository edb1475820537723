//! The pump that keeps a node's view current: transactions out to the validator, blocks in from it.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::super::Service;
use super::super::chain::{Chain, Sync};
use super::super::client::Remote;
use super::super::shared::Shared;
use super::super::transaction::Signed;
use super::{BLOCKS_A_PULL, Node, PEER_DEADLINE, Upstream, View};

const PUMP_EVERY: Duration = Duration::from_millis(200);
const TRANSACTIONS_A_PUSH: usize = 200;

impl Node {
    pub(super) async fn run_pump(&self) {
        let mut tick = tokio::time::interval(PUMP_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Both arms only wait: losing one of them loses nothing, since a turn of the pump does everything there is.
            tokio::select! {
                _ = tick.tick() => {}
                () = self.pump.notified() => {}
            }
            self.turn().await;
        }
    }

    /// One turn: transactions out, blocks in. A frozen node does neither.
    async fn turn(&self) {
        let (frozen, from, pooled) = {
            let view = self.view.lock();
            let pooled = view.chain.pooled(TRANSACTIONS_A_PUSH);
            (view.frozen, view.chain.head().height + 1, pooled)
        };
        if frozen {
            return;
        }
        let sync = match &self.upstream {
            Upstream::Validator(validator) => {
                hand_over(validator, pooled);
                Some(validator.lock().sync_from(from, BLOCKS_A_PULL))
            }
            Upstream::Peer(peer) => exchange(peer, from, pooled).await,
        };
        if let Some(sync) = sync {
            self.view.lock().take_in(self.service, sync);
        }
    }
}

/// Within the process: the view has checked the signatures already.
fn hand_over(validator: &Shared<Chain>, pooled: Vec<Signed>) {
    let mut validator = validator.lock();
    for signed in pooled {
        // What the validator turns down, its next blocks settle one way or the other.
        let _ = validator.admit(signed);
    }
}

async fn exchange(peer: &Remote, from: u64, pooled: Vec<Signed>) -> Option<Sync> {
    if !pooled.is_empty() {
        let raw: Vec<String> = pooled.into_iter().map(|signed| signed.raw).collect();
        let deadline = Instant::now() + PEER_DEADLINE;
        peer.post("/peer/transactions", &json!({"raw": raw}), deadline)
            .await
            .ok()?;
    }
    let deadline = Instant::now() + PEER_DEADLINE;
    let answer = peer
        .get(&format!("/peer/blocks?from={from}"), deadline)
        .await
        .ok()?;
    serde_json::from_value(answer.body).ok()
}

impl View {
    fn take_in(&mut self, service: Service, sync: Sync) {
        // The freeze may have come while the peer was being asked.
        if self.frozen {
            return;
        }
        let current = self.chain.head().hash == sync.head.hash;
        let joined = sync
            .blocks
            .iter()
            .try_for_each(|block| self.chain.join(block.clone()));
        if !current && (joined.is_err() || sync.blocks.is_empty()) {
            tracing::warn!(%service, height = sync.head.height, "the chain does not join onto this node's: adopted");
            self.chain.adopt(sync);
        }
    }
}
