//! Kernel pipes, through which bytes go from socket to socket without being copied into this process.
//!
//! A pipe costs two descriptors and up to `ROOM` bytes of kernel memory, which the system counts against its user, so
//! a server has at most `MOST` and a connection holds one only while there are bytes in it. Who gets none copies, as
//! does everybody where the system is not Linux.
//!
//! Invariant: a pipe is filled only while it is empty. So when filling says that it would block, it is the socket that
//! has nothing: a full pipe would say the same, and waiting for the socket would then never end.

#[cfg(not(target_os = "linux"))]
pub(crate) use absent::{Pipe, Pipes};
#[cfg(target_os = "linux")]
pub(crate) use kernel::{Pipe, Pipes};

#[cfg(target_os = "linux")]
mod kernel {
    use std::{
        io,
        os::fd::OwnedFd,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
    };

    use rustix::{
        buffer::spare_capacity,
        io::read,
        pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice},
    };
    use tokio::{
        io::Interest,
        net::TcpStream,
        sync::{OwnedSemaphorePermit, Semaphore},
    };

    /// Together a quarter of what Linux lets a user have in pipes (`pipe-user-pages-soft`, 64 MiB): beyond that, every
    /// new pipe of that user shrinks to a page or two, other programs' included.
    const MOST: usize = 64;
    const ROOM: usize = 256 * 1024;
    /// Below this, copying is as good.
    const LEAST_ROOM: usize = 64 * 1024;
    /// Empty pipes kept for the next who wants one.
    const SPARE: usize = 8;

    /// All pipes of one server.
    #[derive(Debug)]
    pub(crate) struct Pipes {
        spare: Mutex<Vec<Pipe>>,
        permits: Arc<Semaphore>,
        /// For tests, which otherwise could not see which way the bytes went.
        #[cfg(test)]
        uses: std::sync::atomic::AtomicU64,
    }

    impl Default for Pipes {
        fn default() -> Self {
            Self::limited(MOST)
        }
    }

    impl Pipes {
        pub(super) fn limited(most: usize) -> Self {
            Self {
                spare: Mutex::default(),
                permits: Arc::new(Semaphore::new(most)),
                #[cfg(test)]
                uses: std::sync::atomic::AtomicU64::default(),
            }
        }

        /// How often a pipe was taken.
        #[cfg(test)]
        pub(crate) fn uses(&self) -> u64 {
            self.uses.load(std::sync::atomic::Ordering::Relaxed)
        }

        /// An empty pipe; none where the server has too many already, or the system gives no more.
        pub(crate) fn take(&self) -> Option<Pipe> {
            let spare = self.lock().pop();
            let pipe = spare.or_else(|| {
                let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
                Pipe::new(permit).ok()
            })?;
            #[cfg(test)]
            self.uses.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Some(pipe)
        }

        /// Takes back what is no longer needed. One that still holds bytes is closed, and the bytes with it.
        pub(crate) fn give_back(&self, pipe: Pipe) {
            let mut spare = self.lock();
            if pipe.held == 0 && spare.len() < SPARE {
                spare.push(pipe);
            }
        }

        fn lock(&self) -> MutexGuard<'_, Vec<Pipe>> {
            // Every change is a single call, so the list is whole even after a panic.
            self.spare.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[derive(Debug)]
    pub(crate) struct Pipe {
        entry: OwnedFd,
        exit: OwnedFd,
        room: usize,
        held: usize,
        _permit: OwnedSemaphorePermit,
    }

    impl Pipe {
        fn new(permit: OwnedSemaphorePermit) -> io::Result<Self> {
            let (exit, entry) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
            // Best effort: the size it has will do if it is not tiny.
            let room = match fcntl_setpipe_size(&entry, ROOM) {
                Ok(room) => room,
                Err(_) => fcntl_getpipe_size(&entry)?,
            };
            if room < LEAST_ROOM {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            Ok(Self {
                entry,
                exit,
                room,
                held: 0,
                _permit: permit,
            })
        }

        /// The bytes in it.
        pub(crate) fn held(&self) -> usize {
            self.held
        }

        /// Moves what the socket has into the pipe, which must be empty; 0 at the end of the stream.
        pub(crate) fn fill(&mut self, source: &TcpStream) -> io::Result<usize> {
            debug_assert_eq!(self.held, 0);
            let moved = source.try_io(Interest::READABLE, || {
                Ok(splice(
                    source,
                    None,
                    &self.entry,
                    None,
                    self.room,
                    SpliceFlags::MOVE | SpliceFlags::NONBLOCK,
                )?)
            })?;
            self.held = moved;
            Ok(moved)
        }

        /// Moves into the socket what it takes. The length given is all there is, so that the kernel, which would wait
        /// for more to send along, sees that there is no more. (A closed socket raises SIGPIPE here, which Rust's
        /// runtime has the process ignore.)
        pub(crate) fn pour(&mut self, sink: &TcpStream) -> io::Result<usize> {
            let moved = sink.try_io(Interest::WRITABLE, || {
                Ok(splice(
                    &self.exit,
                    None,
                    sink,
                    None,
                    self.held,
                    SpliceFlags::MOVE | SpliceFlags::NONBLOCK,
                )?)
            })?;
            self.held = self.held.saturating_sub(moved);
            Ok(moved)
        }

        /// Takes out everything, in order, in pieces of at most `piece` bytes.
        pub(crate) fn empty(&mut self, piece: usize) -> io::Result<Vec<Vec<u8>>> {
            let mut pieces = Vec::new();
            while self.held > 0 {
                let mut bytes = Vec::with_capacity(piece.min(self.held));
                let got = read(&self.exit, spare_capacity(&mut bytes))?;
                if got == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.held = self.held.saturating_sub(got);
                pieces.push(bytes);
            }
            Ok(pieces)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod absent {
    use std::io;

    use tokio::net::TcpStream;

    #[derive(Debug, Default)]
    pub(crate) struct Pipes;

    impl Pipes {
        pub(crate) fn take(&self) -> Option<Pipe> {
            None
        }

        pub(crate) fn give_back(&self, pipe: Pipe) {
            match pipe {}
        }

        #[cfg(test)]
        pub(crate) fn uses(&self) -> u64 {
            0
        }
    }

    /// There is none.
    #[derive(Debug)]
    pub(crate) enum Pipe {}

    impl Pipe {
        pub(crate) fn held(&self) -> usize {
            match *self {}
        }

        pub(crate) fn fill(&mut self, _source: &TcpStream) -> io::Result<usize> {
            match *self {}
        }

        pub(crate) fn pour(&mut self, _sink: &TcpStream) -> io::Result<usize> {
            match *self {}
        }

        pub(crate) fn empty(&mut self, _piece: usize) -> io::Result<Vec<Vec<u8>>> {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests;
