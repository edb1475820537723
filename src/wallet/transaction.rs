//! What is signed, how, and how it travels: the wallet's key, transactions, and their raw form.
//!
//! A raw transaction is `0x` and the hexadecimal of: public key (32 bytes), ed25519 signature (64), payload. The payload
//! is the transaction as JSON in field order; the hash is the SHA-256 of all of it. Ed25519 is deterministic, so signing
//! one payload twice, on whichever signer, gives one hash.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hex;

/// The chain id of the demo network: 0x7a69, the customary one of development chains.
pub const CHAIN_ID: u64 = 0x7a69;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transaction {
    pub(super) chain_id: u64,
    pub(super) account: String,
    pub(super) nonce: u64,
    pub(super) to: String,
    pub(super) amount: u64,
    /// The wallet's transfer that this carries out: lets the chain be checked against the wallet's books.
    pub(super) transfer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the raw transaction is not hexadecimal, or too short")]
    Encoding,
    #[error("the payload is not a transaction")]
    Payload,
    #[error("the transaction is for chain {0}, not for this one")]
    Chain(u64),
    #[error("the signature does not verify")]
    Signature,
    #[error("the account is not the signer's")]
    Account,
}

/// A transaction with its signature, decoded.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) raw: String,
    pub(super) hash: String,
    pub(super) transaction: Transaction,
    public_key: [u8; 32],
    signature: [u8; 64],
    payload: Vec<u8>,
}

impl Transaction {
    pub(super) fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of strings and integers serialises")
    }
}

impl Signed {
    /// Reads the raw form without checking the signature: for blocks, whose producer checked it.
    pub(super) fn decode(raw: &str) -> Result<Self, Malformed> {
        let bytes = hex::decode(raw).ok_or(Malformed::Encoding)?;
        let (public_key, rest) = bytes.split_first_chunk::<32>().ok_or(Malformed::Encoding)?;
        let (signature, payload) = rest.split_first_chunk::<64>().ok_or(Malformed::Encoding)?;
        let transaction: Transaction =
            serde_json::from_slice(payload).map_err(|_| Malformed::Payload)?;
        Ok(Self {
            hash: digest(&[&bytes]),
            // The one spelling under which it travels on, whatever case the caller used.
            raw: format!("0x{}", hex::encode(&bytes)),
            transaction,
            public_key: *public_key,
            signature: *signature,
            payload: payload.to_vec(),
        })
    }

    pub(super) fn verify(&self) -> Result<(), Malformed> {
        if self.transaction.chain_id != CHAIN_ID {
            return Err(Malformed::Chain(self.transaction.chain_id));
        }
        let key = VerifyingKey::from_bytes(&self.public_key).map_err(|_| Malformed::Signature)?;
        key.verify_strict(&self.payload, &Signature::from_bytes(&self.signature))
            .map_err(|_| Malformed::Signature)?;
        if account_of(&self.public_key) != self.transaction.account {
            return Err(Malformed::Account);
        }
        Ok(())
    }

    /// The raw form and its hash, from a signer's answer.
    pub(super) fn assemble(
        public_key: &[u8],
        signature: &[u8],
        payload: &[u8],
    ) -> Result<Self, Malformed> {
        let bytes = [public_key, signature, payload].concat();
        Self::decode(&hex::encode(&bytes))
    }
}

/// The wallet's key, the same on both signers.
pub(super) fn wallet_key(seed: u64) -> SigningKey {
    derived_key(seed, "wallet key")
}

pub(super) fn derived_key(seed: u64, purpose: &str) -> SigningKey {
    SigningKey::from_bytes(&draw(seed, purpose, 0))
}

/// Thirty-two bytes that depend on nothing but the arguments.
pub(super) fn draw(seed: u64, purpose: &str, index: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(purpose.as_bytes());
    hash.update(index.to_be_bytes());
    hash.finalize().into()
}

pub(super) fn sign(key: &SigningKey, payload: &[u8]) -> [u8; 64] {
    key.sign(payload).to_bytes()
}

/// The address that belongs to a public key: the first 20 bytes of its SHA-256.
pub(super) fn account_of(public_key: &[u8; 32]) -> String {
    digest(&[public_key])[..42].to_owned()
}

/// SHA-256 over the parts, as `0x…`.
pub(super) fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    format!("0x{}", hex::encode(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(seed: u64, account_seed: u64) -> Signed {
        let key = wallet_key(seed);
        let transaction = Transaction {
            chain_id: CHAIN_ID,
            account: account_of(&wallet_key(account_seed).verifying_key().to_bytes()),
            nonce: 3,
            to: "bob".into(),
            amount: 5,
            transfer: "t1".into(),
        };
        let payload = transaction.payload();
        Signed::assemble(
            &key.verifying_key().to_bytes(),
            &sign(&key, &payload),
            &payload,
        )
        .unwrap()
    }

    #[test]
    fn a_signed_transaction_survives_its_raw_form() {
        let sent = signed(1, 1);
        let read = Signed::decode(&sent.raw).unwrap();
        assert_eq!(read.verify(), Ok(()));
        assert_eq!((read.hash, read.transaction), (sent.hash, sent.transaction));
    }

    #[test]
    fn a_tampered_amount_or_a_borrowed_account_is_refused() {
        let raw = signed(1, 1).raw;
        let tampered = raw.replace(&hex::encode(b"\"amount\":5"), &hex::encode(b"\"amount\":6"));
        assert_ne!(raw, tampered);
        assert_eq!(
            Signed::decode(&tampered).unwrap().verify(),
            Err(Malformed::Signature)
        );
        assert_eq!(signed(1, 2).verify(), Err(Malformed::Account));
    }
}
