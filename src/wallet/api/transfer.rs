//! A transfer, from the order to the broadcast.
//!
//! Quote → hold in the ledger → *lane* (nonce, signature, broadcast; see `lane`) → confirmed in the background.
//!
//! What a failure leaves depends on how far it came. Before the signature the transfer has failed: the hold is let go and
//! the nonce stays free. After it, nobody can know whether a node that did not answer has the transaction; the transfer
//! is `pending`, keeps its nonce, and is sent again, the same bytes, before anything else goes out.
//!
//! Cancellation: the work runs on a task of its own, since a client that hangs up must not stop it half-way.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::server::{Body, Reply, refuse};
use super::App;
use super::book::{Admission, Order, State, is_account};
use super::dependencies::{ATTEMPTS, Hold, Trouble};
use super::lane::Setback;

/// The longest that a transfer works before it answers.
pub(super) const BUDGET: Duration = Duration::from_millis(2300);
const LARGEST: u64 = 1_000_000_000_000;

#[derive(Deserialize)]
pub(super) struct Request {
    from: String,
    to: String,
    amount: u64,
    #[serde(default)]
    idempotency_key: Option<String>,
}

pub(super) async fn create(Shared(app): Shared<Arc<App>>, Body(request): Body<Request>) -> Reply {
    let named = is_account(&request.from) && is_account(&request.to);
    let keyed = request
        .idempotency_key
        .as_ref()
        .is_none_or(|key| (1..=128).contains(&key.len()));
    if !named || !keyed || !(1..=LARGEST).contains(&request.amount) {
        app.counters.transfer("invalid");
        let hint = format!(
            "two account names, an amount from 1 to {LARGEST}, a key of at most 128 characters"
        );
        return refuse(
            StatusCode::BAD_REQUEST,
            format!("not a transfer; hint: {hint}"),
        );
    }
    let order = Order {
        from: request.from,
        to: request.to,
        amount: request.amount,
        key: request.idempotency_key,
    };
    submit(app, order).await
}

/// One unit from the canary to itself: everything a customer's transfer does.
pub(super) async fn canary(Shared(app): Shared<Arc<App>>) -> Reply {
    let order = Order {
        from: "canary".into(),
        to: "canary".into(),
        amount: 1,
        key: None,
    };
    submit(app, order).await
}

pub(super) async fn show(Shared(app): Shared<Arc<App>>, Path(id): Path<String>) -> Reply {
    match app.book.lock().get(&id) {
        Some(transfer) => (StatusCode::OK, Json(transfer.to_json())),
        None => refuse(StatusCode::NOT_FOUND, "no such transfer"),
    }
}

async fn submit(app: Arc<App>, order: Order) -> Reply {
    let work = app.tracker.spawn({
        let app = Arc::clone(&app);
        async move { app.transfer(order).await }
    });
    match work.await {
        Ok((outcome, reply)) => {
            app.counters.transfer(outcome);
            reply
        }
        Err(_) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the transfer was interrupted; see its state",
        ),
    }
}

fn failed(reason: impl Into<String>, extra: Value) -> Reply {
    let body = json!({"state": "failed", "reason": reason.into()});
    (StatusCode::SERVICE_UNAVAILABLE, Json(with(body, extra)))
}

fn paused(extra: Value) -> Reply {
    let body = json!({"state": "paused", "reason": "withdrawals are paused"});
    (StatusCode::CONFLICT, Json(with(body, extra)))
}

fn with(mut body: Value, extra: Value) -> Value {
    if let (Value::Object(body), Value::Object(extra)) = (&mut body, extra) {
        body.extend(extra);
    }
    body
}

impl App {
    /// The outcome, as metrics name it, and the answer.
    async fn transfer(&self, order: Order) -> (&'static str, Reply) {
        let deadline = Instant::now() + BUDGET;
        let quote = self.facts.lock().quote(Instant::now());
        let fee = quote.as_ref().ok().map(|quote| quote.fee);
        let admission = self.book.lock().admit(&order, fee);
        let id = match admission {
            Admission::New(id) => id,
            Admission::Known(id) => return ("repeated", self.answer(&id).1),
            Admission::KeyReused => {
                let body = json!({"state": "refused", "reason": "the idempotency key belongs to another transfer"});
                return ("invalid", (StatusCode::UNPROCESSABLE_ENTITY, Json(body)));
            }
            Admission::Paused => return ("paused", paused(Value::Null)),
            Admission::NoPrice => {
                let reason = quote
                    .err()
                    .map_or_else(String::new, |stale| stale.to_string());
                return ("failed", failed(reason, json!({"dependency": "prices"})));
            }
            Admission::Busy(reason) => return ("failed", failed(reason, Value::Null)),
        };
        let outcome = self.carry_out(&id, deadline).await;
        self.book.lock().leave();
        self.settle.notify_one();
        outcome
    }

    async fn carry_out(&self, id: &str, deadline: Instant) -> (&'static str, Reply) {
        let (held, maybe_held) = self.hold(id, deadline).await;
        match held {
            Ok(Hold::Held) => {}
            Ok(Hold::Insufficient) => {
                self.book.lock().fail(id, "insufficient funds", maybe_held);
                let body = json!({"state": "failed", "reason": "insufficient funds", "id": id});
                return (
                    "insufficient",
                    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)),
                );
            }
            Err(trouble) => return self.failed_by(id, &trouble, maybe_held),
        }
        match self.through_the_lane(id, deadline).await {
            // Superseded: ended, and its hold let go, when the chain turned it down.
            Ok(()) | Err(Setback::Superseded) => self.answer(id),
            Err(Setback::Waiting(trouble)) => {
                self.book.lock().keep_waiting(id, &trouble.to_string());
                self.answer(id)
            }
            Err(Setback::Trouble(trouble)) => self.failed_by(id, &trouble, true),
            Err(Setback::Busy) => {
                let reason = "timed out behind other transfers";
                self.book.lock().fail(id, reason, true);
                ("failed", failed(reason, json!({"id": id})))
            }
            Err(Setback::Paused) => {
                self.book.lock().fail(id, "withdrawals were paused", true);
                ("paused", paused(json!({"id": id})))
            }
        }
    }

    fn failed_by(&self, id: &str, trouble: &Trouble, maybe_held: bool) -> (&'static str, Reply) {
        self.book.lock().fail(id, &trouble.to_string(), maybe_held);
        let extra = json!({"id": id, "dependency": trouble.service.name()});
        ("failed", failed(trouble.to_string(), extra))
    }

    /// What the ledger said last, and whether an attempt that got no answer may hold the money all the same.
    async fn hold(&self, id: &str, deadline: Instant) -> (Result<Hold, Trouble>, bool) {
        let transfer = self.book.lock().get(id).cloned();
        let transfer = transfer.expect("an admitted transfer is kept until it is over");
        let mut maybe_held = false;
        let mut attempt = 1;
        loop {
            match self.dependencies.hold(&transfer, deadline).await {
                Err(trouble) if !trouble.settled => {
                    maybe_held |= !trouble.untouched;
                    if attempt == ATTEMPTS {
                        return (Err(trouble), maybe_held);
                    }
                    attempt += 1;
                }
                outcome => return (outcome, maybe_held),
            }
        }
    }

    /// How the transfer stands, for whoever ordered it. A block may already hold it when the answer is written; that is
    /// no different outcome, so `mined` is said only to those who ask for its state.
    fn answer(&self, id: &str) -> (&'static str, Reply) {
        let book = self.book.lock();
        let Some(transfer) = book.get(id) else {
            return ("failed", refuse(StatusCode::NOT_FOUND, "no such transfer"));
        };
        let (state, status) = match transfer.state {
            State::Broadcast | State::Mined => (State::Broadcast, StatusCode::CREATED),
            State::Accepted => (State::Accepted, StatusCode::CONFLICT),
            State::Pending => (State::Pending, StatusCode::SERVICE_UNAVAILABLE),
            State::Failed => (State::Failed, StatusCode::SERVICE_UNAVAILABLE),
        };
        let mut body = transfer.to_json();
        body["state"] = json!(state.name());
        (state.name(), (status, Json(body)))
    }
}
