//! Fault drivers: do, verify, undo and verify-undone on real targets, one adapter a kind of target.
//!
//! What holds for all of them: an undo works from its token alone, in another process, after a crash; every call has a
//! deadline; every call may be repeated; what is not ours is never touched; and nothing counts as done until it was read
//! back. Drivers keep no state that matters: what they remember only makes answers more exact.

mod addressed;
mod attempts;
mod deadline;
pub mod docker;
pub mod drivers;
pub mod fake;
pub mod hook;
mod locked;
mod owner;
mod protected;
#[cfg(test)]
mod proving;
pub mod toxiproxy;

use std::fmt::Write as _;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::engine::event::Token;
use crate::engine::undo::Armed;
use crate::model::fault::Injection;
use crate::ports::FaultError;

/// A driver's own token as the ledger keeps it.
fn sealed(token: &impl Serialize) -> Result<Token, FaultError> {
    serde_json::to_value(token)
        .map(Token)
        .map_err(|error| FaultError::ReadBack {
            what: "the token of an undo".to_owned(),
            why: error.to_string(),
        })
}

/// The ledger's token as its driver wrote it.
fn opened<T: DeserializeOwned>(armed: &Armed) -> Result<T, FaultError> {
    serde_json::from_value(armed.token().0.clone()).map_err(|error| FaultError::ReadBack {
        what: format!("the recorded token of {}", armed.injection().id),
        why: error.to_string(),
    })
}

/// An act that was handed to the wrong driver: the dispatch in [`drivers`] is at fault.
fn misdirected(driver: &str, injection: &Injection) -> FaultError {
    FaultError::Refused {
        what: format!("the {driver} driver"),
        why: format!("{} is not an act of its kind", injection.id),
    }
}

/// The name of the mark that locks a target: the same in every process, whoever disturbs it, and so without a word that
/// would tell of a surprise drill.
fn lock_name(target: &str) -> String {
    let mut name = "mark-".to_owned();
    for byte in &Sha256::digest(target)[..8] {
        write!(name, "{byte:02x}").expect("writing to a String never fails");
    }
    name
}
