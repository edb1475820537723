//! The lane: one transaction at a time gets a nonce, is signed, and is handed to the active node.
//!
//! Invariants: whoever signs or sends holds the lane's lock, so nonces go out in order; a signed transaction goes out
//! before anything is signed behind it, and always as the same bytes.

use std::time::Duration;

use tokio::time::Instant;

use super::super::clock::unix_ms;
use super::super::transaction::{CHAIN_ID, Signed, Transaction};
use super::App;
use super::dependencies::{ATTEMPTS, CALL, Trouble, Verdict};

/// Whoever gets the lane with less time left than this would only blame dependencies that had no chance to answer.
const LEAST_LEFT: Duration = Duration::from_millis(300);

/// Why a transfer did not get as far as a broadcast.
pub(super) enum Setback {
    /// The others took too long.
    Busy,
    Paused,
    Trouble(Trouble),
    /// It is signed, and will be sent again.
    Waiting(Trouble),
    Superseded,
}

impl App {
    pub(super) async fn through_the_lane(
        &self,
        id: &str,
        deadline: Instant,
    ) -> Result<(), Setback> {
        let latest = deadline - LEAST_LEFT;
        let Ok(_lane) = tokio::time::timeout_at(latest, self.lane.lock()).await else {
            return Err(Setback::Busy);
        };
        if self.book.lock().paused {
            return Err(Setback::Paused);
        }
        self.send_unsent(deadline).await.map_err(Setback::Trouble)?;
        let nonce = self.nonce(deadline).await.map_err(Setback::Trouble)?;
        let signed = self
            .sign(id, nonce, deadline)
            .await
            .map_err(Setback::Trouble)?;
        self.book.lock().assign(id, &signed);
        let mut attempt = 1;
        loop {
            match self.deliver(nonce, deadline).await {
                Err(Setback::Waiting(trouble)) if attempt < ATTEMPTS && !trouble.settled => {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// The next nonce; the first one is the chain's to tell.
    async fn nonce(&self, deadline: Instant) -> Result<u64, Trouble> {
        let (known, node) = {
            let book = self.book.lock();
            (book.next_nonce(), book.node)
        };
        if let Some(nonce) = known {
            return Ok(nonce);
        }
        let mut attempt = 1;
        let chain = loop {
            let asked = self
                .dependencies
                .chain(node, &self.account, u64::MAX, deadline);
            match asked.await {
                Err(trouble) if attempt < ATTEMPTS && !trouble.settled => attempt += 1,
                outcome => break outcome?,
            }
        };
        let told = chain["pending_nonce"].as_u64();
        let nonce = told.ok_or_else(|| Trouble::said(node, "node told no nonce"))?;
        self.book.lock().start_at(nonce);
        Ok(nonce)
    }

    async fn sign(&self, id: &str, nonce: u64, deadline: Instant) -> Result<Signed, Trouble> {
        let (transaction, generation) = {
            let mut book = self.book.lock();
            let order = &book
                .get(id)
                .expect("an admitted transfer is kept until it is over")
                .order;
            let transaction = Transaction {
                chain_id: CHAIN_ID,
                account: self.account.clone(),
                nonce,
                to: order.to.clone(),
                amount: order.amount,
                transfer: id.to_owned(),
            };
            (transaction, book.next_generation(unix_ms()))
        };
        let mut attempt = 1;
        loop {
            // Read anew each time: somebody may fail over while a signer keeps us waiting.
            let signer = self.book.lock().signer;
            match self
                .dependencies
                .sign(signer, &transaction, generation, deadline)
                .await
            {
                Err(trouble) if attempt < ATTEMPTS && !trouble.settled => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    /// Sends what is signed but not known to be with a node, oldest first. The caller holds the lane.
    async fn send_unsent(&self, deadline: Instant) -> Result<(), Trouble> {
        loop {
            let Some(nonce) = self.book.lock().first_unsent() else {
                return Ok(());
            };
            match self.deliver(nonce, deadline).await {
                Err(Setback::Waiting(trouble) | Setback::Trouble(trouble)) => return Err(trouble),
                // Either way it is unsent no more.
                Ok(()) | Err(Setback::Superseded | Setback::Busy | Setback::Paused) => {}
            }
        }
    }

    /// Hands one signed transaction to the active node, and before it those that the node turns out to lack.
    async fn deliver(&self, nonce: u64, deadline: Instant) -> Result<(), Setback> {
        let (mut verdict, sent_before) = self.send(nonce, deadline).await?;
        if let Verdict::TooHigh { expected } = verdict
            && self.resend(expected, nonce, deadline).await?
        {
            (verdict, _) = self.send(nonce, deadline).await?;
        }
        let mut book = self.book.lock();
        let node = book.node;
        match verdict {
            Verdict::Accepted => {
                book.accepted(nonce, unix_ms());
                self.settle.notify_one();
                Ok(())
            }
            // Sent before, it may itself be what used the nonce: only a block with another transaction proves otherwise.
            Verdict::TooLow { .. } if sent_before > 0 && !book.is_superseded(nonce) => {
                let reason = "node has used the nonce already";
                Err(Setback::Waiting(Trouble::said(node, reason)))
            }
            Verdict::TooLow { expected } => {
                book.supersede(nonce, expected);
                Err(Setback::Superseded)
            }
            Verdict::TooHigh { .. } => {
                let reason = "node lacks earlier transactions";
                Err(Setback::Waiting(Trouble::said(node, reason)))
            }
        }
    }

    /// One transaction to the active node, and how often it was sent before.
    async fn send(&self, nonce: u64, deadline: Instant) -> Result<(Verdict, u32), Setback> {
        let (raw, sent_before, node) = {
            let mut book = self.book.lock();
            let Some((raw, sent_before)) = book.send(nonce) else {
                // Nothing is kept under this nonce any more, so nothing can go out with it.
                book.supersede(nonce, nonce + 1);
                return Err(Setback::Superseded);
            };
            (raw, sent_before, book.node)
        };
        let verdict = self.dependencies.broadcast(node, &raw, deadline).await;
        Ok((verdict.map_err(Setback::Waiting)?, sent_before))
    }

    /// Sends transactions again that a node once had, the same bytes; whether all of them were still at hand.
    async fn resend(&self, from: u64, to: u64, deadline: Instant) -> Result<bool, Setback> {
        for nonce in from..to {
            if !self.book.lock().has(nonce) {
                return Ok(false);
            }
            let (verdict, _) = self.send(nonce, deadline).await?;
            if matches!(verdict, Verdict::TooHigh { .. }) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends what waits for a node, unless somebody is at it already or withdrawals are paused.
    pub(super) async fn catch_up(&self) {
        let Ok(_lane) = self.lane.try_lock() else {
            return;
        };
        if self.book.lock().paused {
            return;
        }
        if let Err(trouble) = self.send_unsent(Instant::now() + CALL).await {
            tracing::debug!(reason = %trouble, "signed transactions still wait for a node");
        }
    }

    /// Sends again what a node should have: it restarted, or another one is active now.
    pub(super) async fn restore(&self, from: u64, to: u64) {
        let Ok(_lane) = self.lane.try_lock() else {
            return;
        };
        match self.resend(from, to, Instant::now() + 2 * CALL).await {
            Ok(true) => tracing::info!(from, to, "the node lacked transactions: sent again"),
            Ok(false) => tracing::debug!(from, to, "the node lacks transactions no longer at hand"),
            Err(_) => tracing::debug!(
                from,
                to,
                "the node lacks transactions and did not take them"
            ),
        }
    }
}
