//! From socket to socket, while no toxic is on: by reading and writing, or through a pipe in the kernel.
//!
//! Reading and writing costs least for messages, the pipe for bulk. A link takes to the pipe once a read fills the large
//! buffer, and back once the pipe moves little several times over. It leaves either way of passing when the toxics
//! change or the source ends; what it has read and not yet written is by then in the chain, in order:
//!
//! - what was read before the change goes into the outbox, behind the toxics that come;
//! - what was read after it, between the change and the link's look for it, goes in before them.

use std::io;

use bytes::Bytes;
use rustix::{buffer::spare_capacity, io::read};
use tokio::{io::Interest, net::TcpStream, time::Instant};

use super::{
    super::{
        pipe::Pipe,
        queue::{Chunk, Ending},
    },
    Hangup, LARGE, Link, READ, SMALL, TURNS, Woken, is_passing,
};

/// A pipe that moves less than this so many times in a row is given up.
const LITTLE: usize = 16 * 1024;
const LEAN_TURNS: u32 = 8;
/// Large reads copied, some megabytes, before one who got no pipe asks again.
const COPIES_BEFORE_RETRY: u32 = 64;
/// A turn of the pipe moves up to some hundred kilobytes, so others get theirs sooner.
const PIPE_TURNS: u32 = TURNS / 2;

/// Why a way of passing was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// The toxics changed or the source ended: what is left is in the chain.
    ToChain,
    /// Nothing is under way, and the other way suits better.
    ToOther,
}

impl Link<'_> {
    /// Passes until the toxics change or the source ends; what is then not yet written is in the chain.
    pub(super) async fn pass(&mut self) -> Result<(), Hangup> {
        self.alarm.rest();
        self.intake = bytes::BytesMut::new();
        loop {
            if self.copy().await? == Leave::ToChain || self.pipe().await? == Leave::ToChain {
                return Ok(());
            }
        }
    }

    /// By reading and writing.
    async fn copy(&mut self) -> Result<Leave, Hangup> {
        let mut buffer = Vec::new();
        // Whoever comes back for want of a pipe is in the middle of bulk.
        let mut size = if self.copies_due == 0 { SMALL } else { LARGE };
        loop {
            buffer.clear();
            buffer.reserve(size);
            match receive(self.source, &mut buffer) {
                Ok(0) => {
                    self.follow_changes();
                    self.chain.end(Ending::Eof);
                    return Ok(Leave::ToChain);
                }
                Ok(read) => {
                    self.flow.count_received(read);
                    if self.follow_changes() {
                        self.queue(buffer);
                        return Ok(Leave::ToChain);
                    }
                }
                Err(error) if is_passing(&error) => {
                    // An idle connection holds no buffer.
                    buffer = Vec::new();
                    size = SMALL;
                    match self.source_or_change().await? {
                        Woken::Changed => {
                            self.reconcile();
                            return Ok(Leave::ToChain);
                        }
                        Woken::Ready => continue,
                    }
                }
                Err(_) => {
                    self.chain.end(Ending::Broken);
                    return Ok(Leave::ToChain);
                }
            }
            let mut written = 0;
            while written < buffer.len() {
                match self.sink.try_write(&buffer[written..]) {
                    Ok(count) => {
                        self.flow.count_sent(count);
                        written += count;
                    }
                    Err(error) if is_passing(&error) => match self.sink_or_change().await? {
                        Woken::Changed => {
                            self.queue(buffer.split_off(written));
                            self.reconcile();
                            return Ok(Leave::ToChain);
                        }
                        Woken::Ready => {}
                    },
                    Err(_) => return Err(Hangup::Reset),
                }
            }
            if buffer.len() >= LARGE {
                if self.copies_due == 0 {
                    return Ok(Leave::ToOther);
                }
                self.copies_due -= 1;
            }
            if buffer.len() >= size {
                size = LARGE;
            }
            self.take_turn(TURNS).await;
        }
    }

    /// Through a pipe, where one is to be had.
    async fn pipe(&mut self) -> Result<Leave, Hangup> {
        let Some(mut pipe) = self.pipes.take() else {
            self.copies_due = COPIES_BEFORE_RETRY;
            return Ok(Leave::ToOther);
        };
        let mut lean = 0;
        loop {
            match pipe.fill(self.source) {
                Ok(0) => {
                    self.follow_changes();
                    self.chain.end(Ending::Eof);
                    self.pipes.give_back(pipe);
                    return Ok(Leave::ToChain);
                }
                Ok(moved) => {
                    self.flow.count_received(moved);
                    if self.follow_changes() {
                        return self.unload(pipe);
                    }
                    lean = if moved < LITTLE { lean + 1 } else { 0 };
                }
                Err(error) if is_passing(&error) => {
                    // An idle connection holds no pipe, and one that waits for a slow source none either.
                    self.pipes.give_back(pipe);
                    if lean >= LEAN_TURNS {
                        return Ok(Leave::ToOther);
                    }
                    if self.source_or_change().await? == Woken::Changed {
                        self.reconcile();
                        return Ok(Leave::ToChain);
                    }
                    let Some(another) = self.pipes.take() else {
                        self.copies_due = COPIES_BEFORE_RETRY;
                        return Ok(Leave::ToOther);
                    };
                    pipe = another;
                    continue;
                }
                Err(error) if is_unsupported(&error) => {
                    // Nothing was taken from the source.
                    self.copies_due = u32::MAX;
                    return Ok(Leave::ToOther);
                }
                Err(_) => {
                    self.chain.end(Ending::Broken);
                    return Ok(Leave::ToChain);
                }
            }
            while pipe.held() > 0 {
                match pipe.pour(self.sink) {
                    Ok(moved) => self.flow.count_sent(moved),
                    Err(error) if is_passing(&error) => {
                        if self.sink_or_change().await? == Woken::Changed {
                            let left = self.unload(pipe)?;
                            self.reconcile();
                            return Ok(left);
                        }
                    }
                    Err(error) if is_unsupported(&error) => {
                        self.copies_due = u32::MAX;
                        return self.unload(pipe);
                    }
                    Err(_) => return Err(Hangup::Reset),
                }
            }
            self.take_turn(PIPE_TURNS).await;
        }
    }

    /// Moves what is in the pipe into the chain.
    fn unload(&mut self, mut pipe: Pipe) -> Result<Leave, Hangup> {
        // What the kernel won't hand out is lost: then the connection can't go on.
        for piece in pipe.empty(READ).map_err(|_| Hangup::Reset)? {
            self.queue(piece);
        }
        self.pipes.give_back(pipe);
        Ok(Leave::ToChain)
    }

    fn queue(&mut self, bytes: Vec<u8>) {
        let now = Instant::now();
        self.chain.push(Chunk::new(Bytes::from(bytes), now), now);
    }
}

/// Reads into the room that `buffer` has. A read that doesn't fill it has emptied the socket, and is told to the runtime
/// as one that would block: the next try then waits at once instead of asking the kernel first. (Tokio's own `poll_read`
/// does the same, its `try_read` doesn't.) Only a notice that came before this read is forgotten, so none is lost.
fn receive(source: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let room = buffer.capacity() - buffer.len();
    let mut emptied = None;
    let outcome = source.try_io(Interest::READABLE, || {
        let got = read(source, spare_capacity(buffer))?;
        if (1..room).contains(&got) {
            emptied = Some(got);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(got)
    });
    emptied.map_or(outcome, Ok)
}

/// Whether this system can't do it with these descriptors at all.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}
