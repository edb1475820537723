//! A transfer, from the order to the broadcast.
//!
//! Quote → hold in the ledger → *lane* (nonce, signature, broadcast) → confirmed in the background. The lane is a lock:
//! one transaction at a time is signed and handed to a node, so nonces go out in order.
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

use super::super::clock::unix_ms;
use super::super::server::{Body, Reply, refuse};
use super::super::transaction::{CHAIN_ID, Signed, Transaction};
use super::App;
use super::book::{Admission, Order, State, is_account};
use super::dependencies::{CALL, Hold, Trouble, Verdict};

/// The longest that a transfer works before it answers.
pub(super) const BUDGET: Duration = Duration::from_millis(2300);
/// How often a dependency is asked before the transfer gives up on it.
const ATTEMPTS: usize = 2;
const LARGEST: u64 = 1_000_000_000_000;

#[derive(Deserialize)]
pub(super) struct Request {
    from: String,
    to: String,
    amount: u64,
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// Why a transfer did not get as far as a broadcast.
enum Setback {
    Busy(String),
    Trouble(Trouble),
    /// It is signed, and will be sent again.
    Waiting(Trouble),
    Superseded,
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
    let mut body = json!({"state": "failed", "reason": reason.into()});
    if let (Value::Object(body), Value::Object(extra)) = (&mut body, extra) {
        body.extend(extra);
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(body))
}

impl App {
    /// The outcome, as metrics name it, and the answer.
    async fn transfer(&self, order: Order) -> (&'static str, Reply) {
        let deadline = Instant::now() + BUDGET;
        let fee = match self.facts.lock().quote(Instant::now()) {
            Ok(quote) => quote.fee,
            Err(stale) => {
                return (
                    "failed",
                    failed(stale.to_string(), json!({"dependency": "prices"})),
                );
            }
        };
        let admission = self.book.lock().admit(&order, fee);
        let id = match admission {
            Admission::New(id) => id,
            Admission::Known(id) => return ("repeated", self.answer(&id)),
            Admission::KeyReused => {
                let body = json!({"state": "refused", "reason": "the idempotency key belongs to another transfer"});
                return ("invalid", (StatusCode::UNPROCESSABLE_ENTITY, Json(body)));
            }
            Admission::Paused => {
                let body = json!({"state": "paused", "reason": "withdrawals are paused"});
                return ("paused", (StatusCode::CONFLICT, Json(body)));
            }
            Admission::Busy(reason) => return ("failed", failed(reason, Value::Null)),
        };
        let outcome = self.carry_out(&id, deadline).await;
        self.book.lock().leave();
        self.settle.notify_one();
        outcome
    }

    async fn carry_out(&self, id: &str, deadline: Instant) -> (&'static str, Reply) {
        match self.hold(id, deadline).await {
            Ok(Hold::Held) => {}
            Ok(Hold::Insufficient) => {
                self.book.lock().fail(id, "insufficient funds", false);
                let body = json!({"state": "failed", "reason": "insufficient funds", "id": id});
                return (
                    "insufficient",
                    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)),
                );
            }
            Err((trouble, maybe_held)) => {
                self.book.lock().fail(id, &trouble.to_string(), maybe_held);
                return (
                    "failed",
                    failed(
                        trouble.to_string(),
                        json!({"id": id, "dependency": trouble.service.name()}),
                    ),
                );
            }
        }
        match self.through_the_lane(id, deadline).await {
            Ok(()) => ("broadcast", self.answer(id)),
            Err(Setback::Waiting(trouble)) => {
                self.book.lock().keep_waiting(id, &trouble.to_string());
                ("pending", self.answer(id))
            }
            Err(Setback::Trouble(trouble)) => {
                self.book.lock().fail(id, &trouble.to_string(), true);
                (
                    "failed",
                    failed(
                        trouble.to_string(),
                        json!({"id": id, "dependency": trouble.service.name()}),
                    ),
                )
            }
            Err(Setback::Busy(reason)) => {
                self.book.lock().fail(id, &reason, true);
                ("failed", failed(reason, json!({"id": id})))
            }
            // Already ended, with its hold let go, when the chain turned it down.
            Err(Setback::Superseded) => ("failed", self.answer(id)),
        }
    }

    /// The trouble comes with whether the ledger may hold the money all the same.
    async fn hold(&self, id: &str, deadline: Instant) -> Result<Hold, (Trouble, bool)> {
        let transfer = self
            .book
            .lock()
            .get(id)
            .cloned()
            .expect("an admitted transfer is kept until it is over");
        let mut maybe_held = false;
        let mut attempt = 1;
        loop {
            match self.dependencies.hold(&transfer, deadline).await {
                Ok(hold) => return Ok(hold),
                Err(trouble) => {
                    maybe_held |= !trouble.untouched && !trouble.settled;
                    if attempt == ATTEMPTS || trouble.settled {
                        return Err((trouble, maybe_held));
                    }
                }
            }
            attempt += 1;
        }
    }

    async fn through_the_lane(&self, id: &str, deadline: Instant) -> Result<(), Setback> {
        let Ok(_lane) = tokio::time::timeout_at(deadline, self.lane.lock()).await else {
            return Err(Setback::Busy("timed out behind other transfers".into()));
        };
        if self.book.lock().paused {
            return Err(Setback::Busy("withdrawals were paused".into()));
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
                    attempt += 1
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
        let chain = self
            .dependencies
            .chain(node, &self.account, u64::MAX, deadline)
            .await?;
        let nonce = chain["pending_nonce"].as_u64().unwrap_or(0);
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
    pub(super) async fn send_unsent(&self, deadline: Instant) -> Result<(), Trouble> {
        loop {
            let Some(nonce) = self.book.lock().first_unsent() else {
                return Ok(());
            };
            match self.deliver(nonce, deadline).await {
                Ok(()) | Err(Setback::Superseded | Setback::Busy(_)) => {}
                Err(Setback::Waiting(trouble) | Setback::Trouble(trouble)) => return Err(trouble),
            }
        }
    }

    /// Hands one signed transaction to the active node, and before it those that the node turns out to lack.
    async fn deliver(&self, nonce: u64, deadline: Instant) -> Result<(), Setback> {
        let Some((verdict, sent_before)) =
            self.send(nonce, deadline).await.map_err(Setback::Waiting)?
        else {
            return Err(Setback::Superseded);
        };
        let verdict = match verdict {
            Verdict::TooHigh { expected }
                if self
                    .resend(expected, nonce, deadline)
                    .await
                    .map_err(Setback::Waiting)? =>
            {
                match self.send(nonce, deadline).await.map_err(Setback::Waiting)? {
                    Some((verdict, _)) => verdict,
                    None => return Err(Setback::Superseded),
                }
            }
            verdict => verdict,
        };
        match verdict {
            Verdict::Accepted => {
                self.book.lock().accepted(nonce, unix_ms());
                self.settle.notify_one();
                Ok(())
            }
            // Sent before, it may itself be what used the nonce: only a block with another transaction proves otherwise.
            Verdict::TooLow { expected } => {
                let mut book = self.book.lock();
                if sent_before > 0 && !book.is_superseded(nonce) {
                    let node = book.node;
                    return Err(Setback::Waiting(Trouble::said(
                        node,
                        "node has used the nonce already",
                    )));
                }
                book.supersede(nonce, expected);
                Err(Setback::Superseded)
            }
            Verdict::TooHigh { .. } => {
                let node = self.book.lock().node;
                Err(Setback::Waiting(Trouble::said(
                    node,
                    "node lacks earlier transactions",
                )))
            }
        }
    }

    /// One transaction to the active node; `None` when the wallet no longer has it.
    async fn send(&self, nonce: u64, deadline: Instant) -> Result<Option<(Verdict, u32)>, Trouble> {
        let (sent, node) = {
            let mut book = self.book.lock();
            (book.send(nonce), book.node)
        };
        let Some((raw, sent_before)) = sent else {
            return Ok(None);
        };
        let verdict = self.dependencies.broadcast(node, &raw, deadline).await?;
        Ok(Some((verdict, sent_before)))
    }

    /// Sends transactions again that a node once had, the same bytes; whether all of them were still at hand. The caller
    /// holds the lane.
    pub(super) async fn resend(
        &self,
        from: u64,
        to: u64,
        deadline: Instant,
    ) -> Result<bool, Trouble> {
        for nonce in from..to {
            match self.send(nonce, deadline).await? {
                Some((Verdict::Accepted | Verdict::TooLow { .. }, _)) => {}
                Some((Verdict::TooHigh { .. }, _)) | None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn answer(&self, id: &str) -> Reply {
        let book = self.book.lock();
        let Some(transfer) = book.get(id) else {
            return refuse(StatusCode::NOT_FOUND, "no such transfer");
        };
        let status = match transfer.state {
            State::Broadcast | State::Mined => StatusCode::CREATED,
            State::Accepted => StatusCode::CONFLICT,
            State::Pending | State::Failed => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(transfer.to_json()))
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
}
