//! A proxy's open port and the task that accepts on it.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{
    super::{connection::carry, listen::Address},
    Proxy, Tasks,
};

/// The listener is in a slot that the accepting task shares, so that closing takes effect before the API answers: a
/// client that then connects is refused, and the port is free.
pub(super) struct Listening {
    pub(super) local: SocketAddr,
    /// What was bound, with the port that was got.
    pub(super) address: Address,
    slot: Slot,
    closed: CancellationToken,
}

type Slot = Arc<Mutex<Option<TcpListener>>>;

impl Listening {
    pub(super) fn start(
        listener: TcpListener,
        address: &Address,
        proxy: Arc<Proxy>,
        tasks: &Tasks,
    ) -> Self {
        let local = listener.local_addr().unwrap_or(address.socket);
        let slot = Arc::new(Mutex::new(Some(listener)));
        let closed = tasks.shutdown.child_token();
        tasks
            .tracker
            .spawn(accept(Arc::clone(&slot), closed.clone(), proxy));
        Self {
            local,
            address: address.bound(local),
            slot,
            closed,
        }
    }

    pub(super) fn close(self) {
        self.closed.cancel();
        lock(&self.slot).take();
    }
}

async fn accept(slot: Slot, closed: CancellationToken, proxy: Arc<Proxy>) {
    loop {
        // Cancel safe: polling takes a client only when it returns one.
        let accepted = tokio::select! {
            biased;
            () = closed.cancelled() => break,
            accepted = next(&slot) => accepted,
        };
        match accepted {
            Ok(client) => {
                if let Some(admission) = proxy.admit(&closed) {
                    proxy.tasks.tracker.spawn(carry(client, admission));
                }
            }
            Err(error) => {
                // Out of descriptors, mostly: give connections time to end rather than spin.
                tracing::warn!(proxy = proxy.name, %error, "could not accept");
                tokio::select! {
                    () = closed.cancelled() => break,
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                }
            }
        }
    }
    lock(&slot).take();
}

async fn next(slot: &Slot) -> io::Result<TcpStream> {
    poll_fn(|context| match &*lock(slot) {
        Some(listener) => listener.poll_accept(context).map_ok(|(client, _)| client),
        // Closed: the token says so as well, and ends the task.
        None => Poll::Pending,
    })
    .await
}

fn lock(slot: &Slot) -> MutexGuard<'_, Option<TcpListener>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
