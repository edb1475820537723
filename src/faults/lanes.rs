//! Lanes: how many calls to one server are under way at once. A thousand undos at a time would only run out of sockets,
//! and a daemon does one thing after the other anyway.
//!
//! Undoing has lanes of its own, so that it never waits behind what still begins; each server has its own, so that one
//! that hangs holds up no other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::undo::Armed;

/// Calls at once to one server, each way.
const WIDTH: usize = 64;

/// Which way a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Doing,
    Undoing,
}

/// The lanes of all servers.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<BTreeMap<(Way, String), Arc<Semaphore>>>);

impl Lanes {
    /// Waits for a place on the way to a server; it is free again when the answer is dropped. Cancel safe.
    pub(super) async fn enter(&self, way: Way, server: &str) -> Option<OwnedSemaphorePermit> {
        let lane = {
            let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lanes
                .entry((way, server.to_owned()))
                .or_insert_with(|| Arc::new(Semaphore::new(WIDTH)))
                .clone()
        };
        // Lanes are never closed; were one, nobody should wait for it.
        lane.acquire_owned().await.ok()
    }
}

/// The server that an obligation is on, as its token says; hooks have none.
pub(super) fn server_of(armed: &Armed) -> &str {
    ["url", "host"]
        .iter()
        .find_map(|key| armed.token().0.get(key)?.as_str())
        .unwrap_or_default()
}
