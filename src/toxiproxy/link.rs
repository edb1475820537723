//! One direction of one connection: bytes from `source` through the toxics to `sink`.
//!
//! While no toxic strikes it, a link passes bytes from socket to socket, bulk within the kernel; otherwise they go through
//! a [`Chain`]. It changes from one to the other at any time: whatever it has read and not yet written is in the chain's
//! queues by then.
//!
//! The server answers a change of toxics without waiting for the links. What a client sends after that answer still meets
//! the new toxics, because a link looks for changes after each read, before it hands on what it read.

mod passing;

use std::{
    io::{self, ErrorKind},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use tokio::{net::TcpStream, sync::watch, task::yield_now, time::Instant};

use super::{
    alarm::Alarm,
    chain::{Chain, Effect},
    pipe::Pipes,
    queue::{Chunk, Ending},
    traffic::Flow,
};

pub(crate) type Effects = watch::Receiver<Arc<[Effect]>>;

/// Why a link ends the whole connection, rather than only its own direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hangup {
    Close,
    Reset,
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// The toxics did: they are to be reconciled next.
    Changed,
    /// The socket is ready, or was a moment ago.
    Ready,
}

/// The copy buffer's first size, enough for a request, and the size it gets once a read fills it.
const SMALL: usize = 8 * 1024;
const LARGE: usize = 64 * 1024;
/// Room for one read into the chain. What is read in pieces smaller than `WORTH_SHARING` is copied out, so that a queue of
/// tiny chunks doesn't keep a whole buffer alive for each.
const READ: usize = 32 * 1024;
const WORTH_SHARING: usize = 4 * 1024;
/// After so many turns without waiting, other connections get theirs.
const TURNS: u32 = 16;

pub(crate) struct Link<'a> {
    source: &'a TcpStream,
    sink: &'a TcpStream,
    effects: Effects,
    flow: &'a Flow,
    chain: Chain,
    alarm: Alarm,
    pipes: &'a Pipes,
    /// So many large reads are copied before a pipe is tried again.
    copies_due: u32,
    intake: BytesMut,
    turns: u32,
}

impl<'a> Link<'a> {
    pub(crate) fn new(
        source: &'a TcpStream,
        sink: &'a TcpStream,
        effects: Effects,
        flow: &'a Flow,
        chain: Chain,
        alarm: Alarm,
        pipes: &'a Pipes,
    ) -> Self {
        Self {
            source,
            sink,
            effects,
            flow,
            chain,
            alarm,
            pipes,
            copies_due: 0,
            intake: BytesMut::new(),
            turns: 0,
        }
    }

    /// Runs until the stream has ended and all of it is written; the sink then still wants to hear that.
    pub(crate) async fn run(mut self) -> Result<(), Hangup> {
        self.reconcile();
        loop {
            self.take_turn(TURNS).await;
            if self.chain.is_transparent() {
                self.pass().await?;
            } else if self.relay().await? {
                return Ok(());
            }
        }
    }

    /// One turn of the chain. True once the stream has ended and everything is written.
    async fn relay(&mut self) -> Result<bool, Hangup> {
        let next_at = self.chain.pump(Instant::now());
        let wrote = self.flush()?;
        match self.chain.outbox().ending() {
            Some(Ending::Reset) => return Err(Hangup::Reset),
            Some(ending) if self.chain.outbox().is_empty() => {
                return match ending {
                    Ending::Eof => Ok(true),
                    Ending::Close => Err(Hangup::Close),
                    Ending::Broken | Ending::Reset => Err(Hangup::Reset),
                };
            }
            _ => {}
        }
        if wrote {
            // There is room now for what the toxics held back.
            return Ok(false);
        }
        let blocked = !self.chain.outbox().is_empty();
        let wants_input = self.chain.wants_input();
        // All are cancel safe: none takes anything from a socket, and the alarm is set anew each time.
        tokio::select! {
            changed = self.effects.changed() => {
                changed.map_err(|_| Hangup::Close)?;
                self.reconcile();
            }
            ready = self.sink.writable(), if blocked => ready.map_err(|_| Hangup::Reset)?,
            ready = self.source.readable(), if wants_input => {
                ready.map_err(|_| Hangup::Reset)?;
                self.read();
            }
            () = self.alarm.until(next_at.unwrap_or_else(Instant::now)), if next_at.is_some() => {}
        }
        Ok(false)
    }

    fn read(&mut self) {
        self.intake.reserve(READ);
        let result = self.source.try_read_buf(&mut self.intake);
        let now = Instant::now();
        match result {
            Ok(0) => {
                self.follow_changes();
                self.chain.end(Ending::Eof);
            }
            Ok(read) => {
                self.flow.count_received(read);
                self.follow_changes();
                let data = if read < WORTH_SHARING {
                    let copy = Bytes::copy_from_slice(&self.intake);
                    self.intake.clear();
                    copy
                } else {
                    self.intake.split().freeze()
                };
                self.chain.push(Chunk::new(data, now), now);
            }
            Err(error) if is_passing(&error) => self.intake = BytesMut::new(),
            Err(_) => self.chain.end(Ending::Broken),
        }
    }

    /// Writes what may be written now, each chunk by itself so that sliced ones stay apart. True if anything went out.
    fn flush(&mut self) -> Result<bool, Hangup> {
        let mut wrote = false;
        let outbox = self.chain.outbox();
        while let Some(chunk) = outbox.front() {
            match self.sink.try_write(&chunk.data) {
                Ok(count) => {
                    outbox.pop_up_to(count);
                    self.flow.count_sent(count);
                    wrote = true;
                }
                Err(error) if is_passing(&error) => break,
                Err(_) => return Err(Hangup::Reset),
            }
        }
        Ok(wrote)
    }

    /// Cancel safe: takes nothing from the socket, and a change is marked as seen only when this returns it.
    async fn source_or_change(&mut self) -> Result<Woken, Hangup> {
        // Whoever waits gives way.
        self.turns = 0;
        tokio::select! {
            biased;
            changed = self.effects.changed() => changed.map(|()| Woken::Changed).map_err(|_| Hangup::Close),
            ready = self.source.readable() => ready.map(|()| Woken::Ready).map_err(|_| Hangup::Reset),
        }
    }

    /// Cancel safe, as above.
    async fn sink_or_change(&mut self) -> Result<Woken, Hangup> {
        tokio::select! {
            biased;
            changed = self.effects.changed() => changed.map(|()| Woken::Changed).map_err(|_| Hangup::Close),
            ready = self.sink.writable() => ready.map(|()| Woken::Ready).map_err(|_| Hangup::Reset),
        }
    }

    /// Gives way to other connections once in so many turns.
    async fn take_turn(&mut self, turns: u32) {
        self.turns += 1;
        if self.turns >= turns {
            self.turns = 0;
            yield_now().await;
        }
    }

    fn follow_changes(&mut self) -> bool {
        let changed = self.effects.has_changed().unwrap_or(false);
        if changed {
            self.reconcile();
        }
        changed
    }

    fn reconcile(&mut self) {
        let effects = Arc::clone(&self.effects.borrow_and_update());
        self.chain.reconcile(&effects, Instant::now());
    }
}

/// Whether a socket only asks for patience.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
