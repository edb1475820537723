//! A signer: holds the wallet's key and signs each nonce once.
//!
//! Invariant: for one account and nonce, a second, different payload is refused unless the wallet says with a higher
//! `generation` that it has given the first one up without ever holding its signature. That happens when an answer is
//! lost on the way: without it the nonce could never be used again, and every later transfer would be stuck behind it. A
//! request of an older generation that arrives late is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use ed25519_dalek::SigningKey;
use serde::Deserialize;
use serde_json::json;

use super::server::{Body, Reply, refuse};
use super::shared::Shared;
use super::transaction::{CHAIN_ID, Transaction, account_of, digest, sign, wallet_key};
use super::{Service, hex};

/// How many nonces are remembered; older ones are refused outright.
const MEMORY: usize = 4096;

struct Signer {
    service: Service,
    key: SigningKey,
    account: String,
    signed: Shared<Guard>,
}

/// What has been signed, by nonce; a signer has one account.
#[derive(Default)]
struct Guard {
    by_nonce: BTreeMap<u64, (u64, String)>,
    floor: u64,
}

#[derive(Deserialize)]
struct Request {
    account: String,
    nonce: u64,
    payload: String,
    #[serde(default)]
    generation: u64,
}

pub(super) fn service(service: Service, seed: u64) -> Router {
    let key = wallet_key(seed);
    let signer = Signer {
        service,
        account: account_of(&key.verifying_key().to_bytes()),
        key,
        signed: Shared::default(),
    };
    Router::new()
        .route("/sign", post(sign_payload))
        .route("/healthz", get(healthz))
        .with_state(Arc::new(signer))
}

async fn healthz(State(signer): State<Arc<Signer>>) -> Reply {
    let body = json!({"status": "ok", "service": signer.service.name(), "account": signer.account});
    (StatusCode::OK, Json(body))
}

async fn sign_payload(State(signer): State<Arc<Signer>>, Body(request): Body<Request>) -> Reply {
    let Some(payload) = hex::decode(&request.payload) else {
        return refuse(StatusCode::BAD_REQUEST, "the payload is not hexadecimal");
    };
    let Ok(transaction) = serde_json::from_slice::<Transaction>(&payload) else {
        return refuse(StatusCode::BAD_REQUEST, "the payload is not a transaction");
    };
    if transaction.account != request.account || transaction.nonce != request.nonce {
        return refuse(
            StatusCode::BAD_REQUEST,
            "the payload is for another account or nonce",
        );
    }
    if request.account != signer.account || transaction.chain_id != CHAIN_ID {
        return refuse(
            StatusCode::FORBIDDEN,
            "this signer holds no key for that account and chain",
        );
    }
    let allowed =
        signer
            .signed
            .lock()
            .admit(request.nonce, request.generation, digest(&[&payload]));
    if let Err(reason) = allowed {
        return refuse(StatusCode::CONFLICT, reason);
    }
    let public_key = signer.key.verifying_key().to_bytes();
    let body = json!({
        "signature": hex::encode(&sign(&signer.key, &payload)),
        "public_key": hex::encode(&public_key),
        "key_id": &signer.account[..10],
    });
    (StatusCode::OK, Json(body))
}

impl Guard {
    fn admit(&mut self, nonce: u64, generation: u64, payload: String) -> Result<(), &'static str> {
        if nonce < self.floor {
            return Err("the nonce is too old to be signed");
        }
        if let Some((signed, earlier)) = self.by_nonce.get(&nonce)
            && *earlier != payload
            && generation <= *signed
        {
            return Err("a different payload was already signed for this nonce");
        }
        self.by_nonce.insert(nonce, (generation, payload));
        while self.by_nonce.len() > MEMORY {
            if let Some((oldest, _)) = self.by_nonce.pop_first() {
                self.floor = oldest + 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_payload_for_a_nonce_is_refused_unless_the_first_was_given_up() {
        let mut guard = Guard::default();
        assert!(guard.admit(7, 10, "first".into()).is_ok());
        assert!(guard.admit(7, 10, "first".into()).is_ok());
        assert!(guard.admit(7, 10, "second".into()).is_err());
        assert!(guard.admit(7, 11, "second".into()).is_ok());
        assert!(
            guard.admit(7, 10, "first".into()).is_err(),
            "the late request of a lost attempt"
        );
    }

    #[test]
    fn forgotten_nonces_are_refused_rather_than_signed_again() {
        let mut guard = Guard::default();
        for nonce in 0..=MEMORY as u64 {
            assert!(guard.admit(nonce, 1, format!("{nonce}")).is_ok());
        }
        assert!(guard.admit(0, 2, "other".into()).is_err());
        assert_eq!(guard.by_nonce.len(), MEMORY);
    }
}
