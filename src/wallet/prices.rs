//! The price feed: one asset whose price walks at random, the same way for the same seed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::{rfc3339, unix_ms};
use super::server::{Reply, refuse};
use super::shared::Shared;
use super::transaction::draw;

const START_CENTS: u32 = 312_000;
const LOW_CENTS: u32 = 100_000;
const HIGH_CENTS: u32 = 1_000_000;
const STEP: Duration = Duration::from_secs(1);

struct Feed {
    cents: u32,
    step: u64,
    at_ms: u64,
}

pub(super) fn service(seed: u64, tracker: &TaskTracker, cancel: &CancellationToken) -> Router {
    let feed = Arc::new(Shared::new(Feed {
        cents: START_CENTS,
        step: 0,
        at_ms: unix_ms(),
    }));
    tracker.spawn(cancel.clone().run_until_cancelled_owned({
        let feed = Arc::clone(&feed);
        async move {
            let mut tick = tokio::time::interval(STEP);
            loop {
                tick.tick().await;
                feed.lock().walk(seed);
            }
        }
    }));
    Router::new()
        .route("/v1/prices/{asset}", get(price))
        .route(
            "/healthz",
            get(async || Json(json!({"status": "ok", "service": "prices"}))),
        )
        .with_state(feed)
}

async fn price(State(feed): State<Arc<Shared<Feed>>>, Path(asset): Path<String>) -> Reply {
    if asset != "ETH" {
        return refuse(
            StatusCode::NOT_FOUND,
            format!("no price for `{asset}`; hint: ETH"),
        );
    }
    let feed = feed.lock();
    let body = json!({
        "asset": asset,
        "price": f64::from(feed.cents) / 100.0,
        "cents": feed.cents,
        "at": rfc3339(feed.at_ms),
    });
    (StatusCode::OK, Json(body))
}

impl Feed {
    /// Moves by at most 0.1 %, within bounds that keep fees sensible.
    fn walk(&mut self, seed: u64) {
        self.step += 1;
        let bytes = draw(seed, "price", self.step);
        let span = self.cents / 1000;
        let by = u32::from(u16::from_be_bytes([bytes[0], bytes[1]])) % (2 * span + 1);
        self.cents = (self.cents + by - span).clamp(LOW_CENTS, HIGH_CENTS);
        self.at_ms = unix_ms();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(seed: u64) -> Vec<u32> {
        let mut feed = Feed {
            cents: START_CENTS,
            step: 0,
            at_ms: 0,
        };
        (0..50)
            .map(|_| {
                feed.walk(seed);
                feed.cents
            })
            .collect()
    }

    #[test]
    fn the_same_seed_walks_the_same_way_and_another_seed_does_not() {
        assert_eq!(path(7), path(7));
        assert_ne!(path(7), path(8));
    }
}
