//! What must hold whatever breaks: nothing is broadcast twice, no nonce is skipped, no money appears or vanishes.
//!
//! Computed from the wallet's own books and the facts learnt last, so that it answers at once even when every link is cut;
//! the ages say how old those facts are (`null`: never learnt).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::time::Instant;

use super::super::clock::{millis, unix_ms};
use super::App;

/// How long a node may lack transactions before that counts as a gap: sending them again takes a moment.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize)]
pub(super) struct Invariants {
    pub(super) double_broadcasts: u64,
    pub(super) nonce_gap: u64,
    pub(super) balance_drift: u64,
    /// Transfers that are neither broadcast nor ended.
    pub(super) pending: u64,
    /// Transactions that a node took and no block holds yet, and how long the oldest has waited.
    unmined: usize,
    oldest_unmined_ms: u64,
    /// Ledger entries still to be confirmed or let go.
    unsettled: usize,
    chain_height: Option<u64>,
    /// Since the active node last answered.
    chain_age_ms: Option<u64>,
    /// Since the block it calls its head was made.
    chain_head_age_ms: Option<u64>,
    ledger_age_ms: Option<u64>,
    price_age_ms: Option<u64>,
}

pub(super) async fn show(State(app): State<Arc<App>>) -> Json<Invariants> {
    Json(app.invariants(Instant::now()))
}

impl App {
    pub(super) fn invariants(&self, now: Instant) -> Invariants {
        let (chain, price, ledger, missing) = {
            let facts = self.facts.lock();
            (
                facts.chain.clone(),
                facts.price.clone(),
                facts.ledger.clone(),
                facts.missing,
            )
        };
        let age = |learnt| millis(now.saturating_duration_since(learnt));
        let lost = missing.filter(|(since, _)| now.saturating_duration_since(*since) > PATIENCE);
        let book = self.book.lock();
        Invariants {
            double_broadcasts: book.double_broadcasts,
            nonce_gap: book.nonce_gap(chain.as_ref().map(|chain| chain.pending_nonce))
                + lost.map_or(0, |(_, count)| count),
            balance_drift: ledger.as_ref().map_or(0, |ledger| ledger.drift),
            pending: u64::try_from(book.pending()).unwrap_or(u64::MAX),
            unmined: book.unmined(),
            oldest_unmined_ms: book
                .oldest_unmined_ms()
                .map_or(0, |at| unix_ms().saturating_sub(at)),
            unsettled: book.outbox.len(),
            chain_height: chain.as_ref().map(|chain| chain.height),
            chain_age_ms: chain.as_ref().map(|chain| age(chain.learnt)),
            chain_head_age_ms: chain
                .as_ref()
                .map(|chain| unix_ms().saturating_sub(chain.head_at_ms)),
            ledger_age_ms: ledger.as_ref().map(|ledger| age(ledger.learnt)),
            price_age_ms: price.as_ref().map(|price| age(price.learnt)),
        }
    }
}
