//! What the wallet last learnt from its dependencies, and when.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::clock::millis;

/// A price older than this is no basis for a fee.
const STALE: Duration = Duration::from_secs(5);
/// The fee is worth two cents: in units of 10⁻⁹ ETH that is this, divided by the price in cents.
const FEE_CENT_UNITS: u64 = 2_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) chain: Option<ChainFacts>,
    pub(super) price: Option<PriceFacts>,
    pub(super) ledger: Option<LedgerFacts>,
    /// Since when the node has lacked transactions that a node had accepted, and how many.
    pub(super) missing: Option<(Instant, u64)>,
}

#[derive(Debug, Clone)]
pub(super) struct ChainFacts {
    pub(super) learnt: Instant,
    pub(super) height: u64,
    pub(super) head_at_ms: u64,
    pub(super) mempool: u64,
    pub(super) pending_nonce: u64,
}

#[derive(Debug, Clone)]
pub(super) struct PriceFacts {
    pub(super) learnt: Instant,
    pub(super) cents: u32,
    pub(super) at: String,
}

#[derive(Debug, Clone)]
pub(super) struct LedgerFacts {
    /// When the books were last compared at a moment without unsettled work.
    pub(super) learnt: Instant,
    pub(super) drift: u64,
}

pub(super) struct Quote {
    pub(super) fee: u64,
    cents: u32,
    at: String,
    age: Duration,
}

/// There is no price, or none that is fresh enough.
#[derive(Debug)]
pub(super) struct StalePrice(Option<Duration>);

impl fmt::Display for StalePrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(age) => write!(f, "the price is stale ({:.1} s old)", age.as_secs_f64()),
            None => f.write_str("no price has been learnt yet"),
        }
    }
}

impl Facts {
    pub(super) fn quote(&self, now: Instant) -> Result<Quote, StalePrice> {
        let price = self.price.as_ref().ok_or(StalePrice(None))?;
        let age = now.saturating_duration_since(price.learnt);
        if age > STALE {
            return Err(StalePrice(Some(age)));
        }
        let fee = (FEE_CENT_UNITS / u64::from(price.cents.max(1))).max(1);
        Ok(Quote {
            fee,
            cents: price.cents,
            at: price.at.clone(),
            age,
        })
    }
}

impl Quote {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "asset": "ETH",
            "price": f64::from(self.cents) / 100.0,
            "at": self.at,
            "age_ms": millis(self.age),
            "fee": self.fee,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_serves_until_it_is_five_seconds_old() {
        let learnt = Instant::now();
        let mut facts = Facts::default();
        assert!(facts.quote(learnt).is_err());
        facts.price = Some(PriceFacts {
            learnt,
            cents: 200_000,
            at: String::new(),
        });
        assert_eq!(facts.quote(learnt + STALE).unwrap().fee, 10_000);
        let stale = facts
            .quote(learnt + STALE + Duration::from_millis(100))
            .err()
            .unwrap();
        assert_eq!(stale.to_string(), "the price is stale (5.1 s old)");
    }
}
