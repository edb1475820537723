//! Bytes on their way through a link, and how the stream they belong to ends.
//!
//! Bytes are only ever held in a `Queue`, never inside a toxic: that is what lets toxics come and go on a live
//! connection without losing or reordering any.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::Instant;

/// What one read brought.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) data: Bytes,
    /// When it was read from its source: added latency counts from here, so that delays overlap.
    pub(crate) read_at: Instant,
    /// When it entered the queue it is in now.
    pub(crate) queued_at: Instant,
}

impl Chunk {
    pub(crate) fn new(data: Bytes, read_at: Instant) -> Self {
        Self {
            data,
            read_at,
            queued_at: read_at,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The source will send no more; the other direction lives on.
    Eof,
    /// The source was reset: what it sent still goes out, then both sides are reset.
    Broken,
    /// A toxic hangs up: what went before still goes out, then both sides are closed.
    Close,
    /// A toxic resets: both sides at once, whatever is still queued.
    Reset,
}

/// A chunk costs this much beside its bytes, so that a million one-byte chunks don't pass for a megabyte.
const OVERHEAD: usize = size_of::<Chunk>();

#[derive(Debug, Default)]
pub(crate) struct Queue {
    chunks: VecDeque<Chunk>,
    cost: usize,
    ending: Option<Ending>,
}

impl Queue {
    /// The memory that the queue holds, in bytes.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn front(&self) -> Option<&Chunk> {
        self.chunks.front()
    }

    /// Appends; after the end nothing more can follow, so it is dropped.
    pub(crate) fn push(&mut self, mut chunk: Chunk, now: Instant) {
        if self.ending.is_none() && !chunk.data.is_empty() {
            chunk.queued_at = now;
            self.cost += chunk.data.len() + OVERHEAD;
            self.chunks.push_back(chunk);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        self.cost -= chunk.data.len() + OVERHEAD;
        Some(chunk)
    }

    /// Takes at most `limit` bytes of the first chunk and leaves the rest in its place.
    pub(crate) fn pop_up_to(&mut self, limit: usize) -> Option<Chunk> {
        let front = self.chunks.front_mut()?;
        if front.data.len() <= limit {
            return self.pop();
        }
        let piece = Chunk {
            data: front.data.split_to(limit),
            ..*front
        };
        self.cost -= limit;
        Some(piece)
    }

    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.cost = 0;
    }

    /// The stream ends after what is queued. The first ending stands, except that a reset overrules.
    pub(crate) fn end(&mut self, ending: Ending) {
        if self.ending.is_none() || ending == Ending::Reset {
            self.ending = Some(ending);
        }
    }

    /// How the stream ends, known before the queue is empty.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// How the stream ended, once everything before that has been taken.
    pub(crate) fn ended(&self) -> Option<Ending> {
        self.ending.filter(|_| self.chunks.is_empty())
    }

    /// Moves all of `earlier` behind what is here.
    pub(crate) fn absorb(&mut self, mut earlier: Self, now: Instant) {
        while let Some(chunk) = earlier.pop() {
            self.push(chunk, now);
        }
        if let Some(ending) = earlier.ending {
            self.end(ending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(data: &'static [u8]) -> Chunk {
        Chunk::new(Bytes::from_static(data), Instant::now())
    }

    #[test]
    fn a_split_chunk_keeps_its_order_and_the_cost_returns_to_nothing() {
        let mut queue = Queue::default();
        queue.push(chunk(b"abcdef"), Instant::now());
        queue.push(chunk(b"gh"), Instant::now());
        let mut out = Vec::new();
        while let Some(piece) = queue.pop_up_to(4) {
            out.extend_from_slice(&piece.data);
        }
        assert_eq!(out, b"abcdefgh");
        assert_eq!(queue.cost(), 0);
    }

    #[test]
    fn the_end_shows_only_when_all_before_it_is_gone_and_nothing_follows_it() {
        let mut queue = Queue::default();
        queue.push(chunk(b"a"), Instant::now());
        queue.end(Ending::Eof);
        queue.push(chunk(b"late"), Instant::now());
        assert_eq!(queue.ended(), None);
        queue.pop();
        assert_eq!(queue.ended(), Some(Ending::Eof));
        queue.end(Ending::Close);
        assert_eq!(queue.ended(), Some(Ending::Eof));
        queue.end(Ending::Reset);
        assert_eq!(queue.ended(), Some(Ending::Reset));
    }
}
