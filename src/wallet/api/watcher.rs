//! Learning what the dependencies know, in the background, so that no answer has to wait for them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::clock::unix_ms;
use super::App;
use super::dependencies::CALL;
use super::facts::{ChainFacts, LedgerFacts, PriceFacts};

const CHAIN_EVERY: Duration = Duration::from_millis(500);
const PRICES_EVERY: Duration = Duration::from_secs(1);
const LEDGER_EVERY: Duration = Duration::from_millis(500);
/// How far back the chain is read again when it turns out to be shorter than before.
const REREAD: u64 = 64;

fn every(period: Duration) -> tokio::time::Interval {
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

/// Follows the active node's chain, and sends again what a node should have and has not.
pub(super) async fn chain(app: Arc<App>) {
    let mut tick = every(CHAIN_EVERY);
    let mut from = 0;
    loop {
        tick.tick().await;
        let (node, had) = {
            let book = app.book.lock();
            (book.node, book.accepted_up_to())
        };
        let Ok(chain) = app
            .dependencies
            .chain(node, &app.account, from, Instant::now() + CALL)
            .await
        else {
            app.catch_up().await;
            continue;
        };
        let Some(facts) = learn(&app, &chain, &mut from) else {
            continue;
        };
        // Compared with what was accepted before the question: what came in since may rightly be absent from the answer.
        let missing = had.unwrap_or(0).saturating_sub(facts.pending_nonce);
        {
            let mut known = app.facts.lock();
            let since = known.missing.map_or(facts.learnt, |(since, _)| since);
            known.missing = (missing > 0).then_some((since, missing));
            known.chain = Some(facts.clone());
        }
        app.catch_up().await;
        if let Some(had) = had.filter(|_| missing > 0) {
            app.restore(facts.pending_nonce, had).await;
        }
    }
}

/// Takes in the blocks, and moves `from` past them.
fn learn(app: &App, chain: &Value, from: &mut u64) -> Option<ChainFacts> {
    let height = chain["height"].as_u64()?;
    let pending_nonce = chain["pending_nonce"].as_u64()?;
    let mut book = app.book.lock();
    for block in chain["blocks"].as_array()? {
        for mined in block["transactions"].as_array()? {
            if mined["account"] == app.account.as_str()
                && let (Some(nonce), Some(hash)) = (mined["nonce"].as_u64(), mined["hash"].as_str())
            {
                book.saw_mined(nonce, hash, unix_ms());
            }
        }
        *from = block["height"].as_u64()? + 1;
    }
    if height + 1 < *from {
        *from = (height + 1).saturating_sub(REREAD);
    }
    Some(ChainFacts {
        learnt: Instant::now(),
        height,
        head_at_ms: chain["at_ms"].as_u64()?,
        mempool: chain["mempool"].as_u64()?,
        pending_nonce,
    })
}

pub(super) async fn prices(app: Arc<App>) {
    let mut tick = every(PRICES_EVERY);
    loop {
        tick.tick().await;
        let Ok(price) = app.dependencies.price(Instant::now() + CALL).await else {
            continue;
        };
        let cents = price["cents"]
            .as_u64()
            .and_then(|cents| u32::try_from(cents).ok());
        if let (Some(cents), Some(at)) = (cents, price["at"].as_str()) {
            app.facts.lock().price = Some(PriceFacts {
                learnt: Instant::now(),
                cents,
                at: at.to_owned(),
            });
        }
    }
}

/// Compares the ledger's books with the wallet's, whenever a moment without unsettled work allows it.
pub(super) async fn ledger(app: Arc<App>) {
    let mut tick = every(LEDGER_EVERY);
    let mut opening = None;
    loop {
        tick.tick().await;
        let Some(before) = app.quiet_moment() else {
            continue;
        };
        let Ok(totals) = app.dependencies.totals(Instant::now() + CALL).await else {
            continue;
        };
        let Some(after) = app.quiet_moment().filter(|after| *after == before) else {
            continue;
        };
        let read = |field: &str| totals[field].as_i64();
        if let (Some(sum), Some(posted), Some(held)) = (read("sum"), read("posted"), read("held")) {
            let posted = posted - i64::try_from(after.confirmed).unwrap_or(i64::MAX);
            let held = held - i64::try_from(after.held).unwrap_or(i64::MAX);
            // What the ledger had posted and held before this process knew it is no drift of its own.
            let (opening_posted, opening_held) = *opening.get_or_insert((posted, held));
            let drift =
                sum.unsigned_abs() + posted.abs_diff(opening_posted) + held.abs_diff(opening_held);
            app.facts.lock().ledger = Some(LedgerFacts {
                learnt: Instant::now(),
                drift,
            });
        }
    }
}

/// The wallet's side of the books at a moment when nothing is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Quiet {
    activity: u64,
    confirmed: u64,
    held: u64,
}

impl App {
    fn quiet_moment(&self) -> Option<Quiet> {
        let book = self.book.lock();
        book.is_quiet().then(|| Quiet {
            activity: book.activity,
            confirmed: book.confirmed,
            held: book.held(),
        })
    }
}
