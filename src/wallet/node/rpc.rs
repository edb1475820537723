//! The node's JSON-RPC face, as far as the wallet and identity checks need it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::chain::Rejected;
use super::super::server::Body;
use super::super::transaction::CHAIN_ID;
use super::Node;

pub(in crate::wallet) const NONCE_TOO_LOW: i64 = -32003;
pub(in crate::wallet) const NONCE_TOO_HIGH: i64 = -32004;
const REJECTED: i64 = -32000;
const UNKNOWN_METHOD: i64 = -32601;
const BAD_PARAMETERS: i64 = -32602;

#[derive(Deserialize)]
pub(super) struct Request {
    #[serde(default)]
    id: Value,
    method: String,
    #[serde(default)]
    params: Vec<Value>,
}

struct Fault {
    code: i64,
    message: String,
    data: Value,
}

pub(super) async fn answer(
    State(node): State<Arc<Node>>,
    Body(request): Body<Request>,
) -> Json<Value> {
    let outcome = match request.method.as_str() {
        "eth_chainId" => Ok(quantity(CHAIN_ID)),
        "eth_blockNumber" => Ok(quantity(node.view.lock().chain.head().height)),
        "eth_getTransactionCount" => node.transaction_count(&request.params),
        "eth_sendRawTransaction" => node.send_raw(&request.params),
        other => Err(Fault::new(
            UNKNOWN_METHOD,
            format!("the method {other} does not exist"),
        )),
    };
    Json(match outcome {
        Ok(result) => json!({"jsonrpc": "2.0", "id": request.id, "result": result}),
        Err(fault) => json!({
            "jsonrpc": "2.0",
            "id": request.id,
            "error": {"code": fault.code, "message": fault.message, "data": fault.data},
        }),
    })
}

fn quantity(number: u64) -> Value {
    json!(format!("{number:#x}"))
}

fn text(params: &[Value], index: usize) -> Option<&str> {
    params.get(index).and_then(Value::as_str)
}

impl Node {
    fn transaction_count(&self, params: &[Value]) -> Result<Value, Fault> {
        let account = text(params, 0)
            .ok_or_else(|| Fault::new(BAD_PARAMETERS, "an address is missing".into()))?;
        let view = self.view.lock();
        Ok(quantity(match text(params, 1) {
            Some("pending") => view.chain.pending_nonce(account),
            _ => view.chain.mined_nonce(account),
        }))
    }

    fn send_raw(&self, params: &[Value]) -> Result<Value, Fault> {
        let raw = text(params, 0)
            .ok_or_else(|| Fault::new(BAD_PARAMETERS, "a raw transaction is missing".into()))?;
        let hash = self.view.lock().chain.accept(raw)?;
        self.pump.notify_one();
        Ok(json!(hash))
    }
}

impl Fault {
    fn new(code: i64, message: String) -> Self {
        Self {
            code,
            message,
            data: Value::Null,
        }
    }
}

impl From<Rejected> for Fault {
    fn from(rejected: Rejected) -> Self {
        let (code, data) = match rejected {
            Rejected::NonceTooLow { expected } => (NONCE_TOO_LOW, json!({"expected": expected})),
            Rejected::NonceTooHigh { expected } => (NONCE_TOO_HIGH, json!({"expected": expected})),
            Rejected::Malformed(_) | Rejected::Full => (REJECTED, Value::Null),
        };
        Self {
            code,
            message: rejected.to_string(),
            data,
        }
    }
}
