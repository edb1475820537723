//! One transfer as the books keep it.

use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::wallet::api) struct Order {
    pub(in crate::wallet::api) from: String,
    pub(in crate::wallet::api) to: String,
    pub(in crate::wallet::api) amount: u64,
    pub(in crate::wallet::api) key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wallet::api) enum State {
    /// Under way, nothing signed.
    Accepted,
    /// Signed; whether a node took it is not known. It keeps its nonce and is sent again until one does.
    Pending,
    Broadcast,
    Mined,
    /// Ended without effect: its hold is let go.
    Failed,
}

#[derive(Debug, Clone)]
pub(in crate::wallet::api) struct Transfer {
    pub(in crate::wallet::api) id: String,
    pub(in crate::wallet::api) order: Order,
    pub(in crate::wallet::api) fee: u64,
    pub(in crate::wallet::api) state: State,
    pub(in crate::wallet::api) nonce: Option<u64>,
    pub(in crate::wallet::api) hash: Option<String>,
    pub(in crate::wallet::api) reason: Option<String>,
    pub(super) raw: Option<String>,
    /// How often the raw transaction was handed to a node.
    pub(super) sends: u32,
    pub(super) broadcast_at_ms: Option<u64>,
}

/// Names that accounts and users may have.
pub(in crate::wallet::api) fn is_account(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

impl Transfer {
    pub(super) fn new(id: String, order: Order, fee: u64) -> Self {
        Self {
            id,
            order,
            fee,
            state: State::Accepted,
            nonce: None,
            hash: None,
            reason: None,
            raw: None,
            sends: 0,
            broadcast_at_ms: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Mined | State::Failed)
    }

    pub(in crate::wallet::api) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "state": self.state.name(),
            "nonce": self.nonce,
            "tx_hash": self.hash,
            "from": self.order.from,
            "to": self.order.to,
            "amount": self.order.amount,
            "fee": self.fee,
            "reason": self.reason,
        })
    }
}

impl State {
    pub(in crate::wallet::api) fn name(self) -> &'static str {
        match self {
            Self::Accepted => "in_progress",
            Self::Pending => "pending",
            Self::Broadcast => "broadcast",
            Self::Mined => "mined",
            Self::Failed => "failed",
        }
    }
}
