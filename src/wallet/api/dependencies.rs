//! What the wallet asks of its dependencies, each call with a deadline and a reason when it fails.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::client::{Answer, CallError, Remote};
use super::super::node::{NONCE_TOO_HIGH, NONCE_TOO_LOW};
use super::super::transaction::{Signed, Transaction};
use super::super::{Addresses, LinkName, Service, hex};
use super::book::Transfer;

/// The longest that one call may take.
pub(super) const CALL: Duration = Duration::from_secs(1);
/// How often a dependency is asked before a transfer gives up on it.
pub(super) const ATTEMPTS: usize = 2;

pub(super) struct Dependencies {
    signers: [Remote; 2],
    nodes: [Remote; 2],
    prices: Remote,
    ledger: Remote,
}

/// A dependency did not do what it was asked.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) service: Service,
    /// `signer timed out`: the role and what happened.
    reason: String,
    /// The dependency certainly did nothing.
    pub(super) untouched: bool,
    /// Asking again cannot help.
    pub(super) settled: bool,
}

/// What a node said to a raw transaction.
#[derive(Debug)]
pub(super) enum Verdict {
    Accepted,
    TooLow { expected: u64 },
    TooHigh { expected: u64 },
}

/// What the ledger said to a hold.
pub(super) enum Hold {
    Held,
    Insufficient,
}

/// The call's own limit, or the end of what the caller has left.
pub(super) fn within(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + CALL)
}

impl Dependencies {
    pub(super) fn over(addresses: &Addresses) -> Self {
        let remote = |link| Remote::over(link, addresses);
        Self {
            signers: [remote(LinkName::ApiSignerA), remote(LinkName::ApiSignerB)],
            nodes: [remote(LinkName::ApiNodeA), remote(LinkName::ApiNodeB)],
            prices: remote(LinkName::ApiPrices),
            ledger: remote(LinkName::ApiLedger),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Remote> {
        self.signers
            .iter()
            .chain(&self.nodes)
            .chain([&self.prices, &self.ledger])
    }

    fn node(&self, node: Service) -> &Remote {
        &self.nodes[usize::from(node == Service::NodeB)]
    }

    /// Has the transaction signed. A signer asked twice for one payload answers the same.
    pub(super) async fn sign(
        &self,
        signer: Service,
        transaction: &Transaction,
        generation: u64,
        deadline: Instant,
    ) -> Result<Signed, Trouble> {
        let remote = &self.signers[usize::from(signer == Service::SignerB)];
        let payload = transaction.payload();
        let request = json!({
            "account": transaction.account,
            "nonce": transaction.nonce,
            "payload": hex::encode(&payload),
            "generation": generation,
        });
        let answer = remote.post("/sign", &request, within(deadline)).await;
        let answer = checked(remote, "signer", answer)?;
        let bytes = |field: &str| answer.body[field].as_str().and_then(hex::decode);
        let signed = bytes("public_key")
            .zip(bytes("signature"))
            .and_then(|(key, signature)| Signed::assemble(&key, &signature, &payload).ok())
            .filter(|signed| signed.verify().is_ok());
        signed.ok_or_else(|| Trouble::refused(remote, "signer", "a signature that does not verify"))
    }

    pub(super) async fn broadcast(
        &self,
        node: Service,
        raw: &str,
        deadline: Instant,
    ) -> Result<Verdict, Trouble> {
        let remote = self.node(node);
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]});
        let answer = checked(
            remote,
            "node",
            remote.post("/", &request, within(deadline)).await,
        )?;
        if answer.body["result"].is_string() {
            return Ok(Verdict::Accepted);
        }
        let error = &answer.body["error"];
        match (error["code"].as_i64(), error["data"]["expected"].as_u64()) {
            (Some(NONCE_TOO_LOW), Some(expected)) => Ok(Verdict::TooLow { expected }),
            (Some(NONCE_TOO_HIGH), Some(expected)) => Ok(Verdict::TooHigh { expected }),
            _ => Err(Trouble::refused(
                remote,
                "node",
                error["message"].as_str().unwrap_or("no reason"),
            )),
        }
    }

    pub(super) async fn chain(
        &self,
        node: Service,
        account: &str,
        from: u64,
        deadline: Instant,
    ) -> Result<Value, Trouble> {
        let remote = self.node(node);
        let path = format!("/chain?account={account}&from={from}");
        Ok(checked(remote, "node", remote.get(&path, within(deadline)).await)?.body)
    }

    pub(super) async fn price(&self, deadline: Instant) -> Result<Value, Trouble> {
        let answer = self.prices.get("/v1/prices/ETH", within(deadline)).await;
        Ok(checked(&self.prices, "price feed", answer)?.body)
    }

    pub(super) async fn totals(&self, deadline: Instant) -> Result<Value, Trouble> {
        let answer = self.ledger.get("/totals", within(deadline)).await;
        Ok(checked(&self.ledger, "ledger", answer)?.body)
    }

    pub(super) async fn hold(
        &self,
        transfer: &Transfer,
        deadline: Instant,
    ) -> Result<Hold, Trouble> {
        let entry = json!({
            "id": transfer.id,
            "step": "hold",
            "from": transfer.order.from,
            "to": transfer.order.to,
            "amount": transfer.order.amount,
            "fee": transfer.fee,
        });
        let answer = self.ledger.post("/entries", &entry, within(deadline)).await;
        if answer.as_ref().is_ok_and(|answer| answer.status == 422) {
            return Ok(Hold::Insufficient);
        }
        checked(&self.ledger, "ledger", answer).map(|_| Hold::Held)
    }

    pub(super) async fn settle(
        &self,
        id: &str,
        step: &str,
        deadline: Instant,
    ) -> Result<(), Trouble> {
        let entry = json!({"id": id, "step": step});
        let answer = self.ledger.post("/entries", &entry, within(deadline)).await;
        checked(&self.ledger, "ledger", answer).map(|_| ())
    }

    pub(super) async fn balance(&self, account: &str) -> Result<Answer, Trouble> {
        let path = format!("/balances/{account}");
        let answer = self.ledger.get(&path, Instant::now() + CALL).await;
        answer.map_err(|error| Trouble::failed(&self.ledger, "ledger", &error))
    }
}

fn checked(
    remote: &Remote,
    role: &str,
    answer: Result<Answer, CallError>,
) -> Result<Answer, Trouble> {
    match answer {
        Ok(answer) if answer.status.is_success() => Ok(answer),
        Ok(answer) => Err(Trouble::refused(
            remote,
            role,
            answer.body["error"].as_str().unwrap_or("no reason"),
        )),
        Err(error) => Err(Trouble::failed(remote, role, &error)),
    }
}

impl Trouble {
    fn failed(remote: &Remote, role: &str, error: &CallError) -> Self {
        Self {
            service: remote.service,
            reason: format!("{role} {error}"),
            untouched: *error == CallError::Refused,
            settled: false,
        }
    }

    pub(super) fn said(service: Service, reason: &str) -> Self {
        Self {
            service,
            reason: reason.to_owned(),
            untouched: false,
            settled: true,
        }
    }

    /// It answered, and the answer was no.
    fn refused(remote: &Remote, role: &str, reason: &str) -> Self {
        Self {
            service: remote.service,
            reason: format!("{role} refused: {reason}"),
            untouched: false,
            settled: true,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
