//! What went through a proxy, counted while it flows: bytes by direction and connections.
//!
//! Relaxed atomics, since each figure is read by itself: two read together may be a message apart. The figures of bytes
//! and of connections opened only ever grow, however often the proxy is moved, disabled or populated.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::toxic::Stream;

#[derive(Debug, Default)]
pub(crate) struct Traffic {
    upstream: Flow,
    downstream: Flow,
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Traffic {
    /// One more connection, open until the guard is dropped.
    pub(crate) fn open(self: &Arc<Self>) -> Connection {
        self.opened.fetch_add(1, Relaxed);
        Connection(Arc::clone(self))
    }

    pub(crate) fn of(&self, stream: Stream) -> &Flow {
        match stream {
            Stream::Upstream => &self.upstream,
            Stream::Downstream => &self.downstream,
        }
    }

    /// Connections accepted so far.
    pub(crate) fn connections_opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// Connections open now, those included whose upstream is still being dialled.
    pub(crate) fn connections_open(&self) -> u64 {
        // Those closed first, so that one which opens and closes in between is not counted below nothing.
        let closed = self.closed.load(Relaxed);
        self.opened.load(Relaxed).saturating_sub(closed)
    }
}

/// One direction: `Stream::Upstream` is from the client to the upstream.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Flow {
    /// Bytes read from the source so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Bytes written to the sink so far: less than received by what toxics hold and what they ate.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
    }
}

/// A connection that counts as open.
#[derive(Debug)]
pub(crate) struct Connection(Arc<Traffic>);

impl Connection {
    pub(crate) fn of(&self, stream: Stream) -> &Flow {
        self.0.of(stream)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Relaxed);
    }
}
