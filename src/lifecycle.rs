//! Signals: the first one that asks firedrill to end begins the undo, every further one only says what it waits for.
//! Nothing but SIGKILL skips undoing. And how many files the process may have open, raised where thousands of
//! connections are carried.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM, SIGQUIT and SIGHUP, caught from the moment this is made. Signals that would end a process without
/// meaning to end this one are caught too, and change nothing.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    /// A closed terminal; nothing where the process was started to outlive it.
    hangup: Option<Signal>,
}

impl Signals {
    /// Catches them all.
    pub fn catch() -> io::Result<Self> {
        // The handler stays when its receiver goes. What a limit forbids is then an error of the call that asked for it:
        // a journal that may not grow fails as one on a full disk does.
        for kind in [
            SignalKind::alarm(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
            SignalKind::from_raw(CPU_TIME_LIMIT),
            SignalKind::from_raw(FILE_SIZE_LIMIT),
        ] {
            drop(signal(kind)?);
        }
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            hangup: if is_hangup_ignored() {
                None
            } else {
                Some(signal(SignalKind::hangup())?)
            },
        })
    }

    /// Whether one has come that nobody has waited for yet. It counts as waited for then.
    pub async fn has_come(&mut self) -> bool {
        // Cancel safe: signals stay until they are received.
        tokio::select! {
            biased;
            () = self.next() => true,
            () = std::future::ready(()) => false,
        }
    }

    /// Waits for the next one. Cancel safe.
    pub async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        // Cancel safe: a signal stays until it is received.
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.quit.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Raises the soft limit on open files to the hard one: each carried connection takes two. Answers with the limit that
/// holds then; none where there is none. Programs that are started inherit it.
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit on open files could not be raised");
            limit.current
        }
    }
}

/// SIGXCPU and SIGXFSZ have these numbers on every Unix that firedrill is built for.
const CPU_TIME_LIMIT: i32 = 24;
const FILE_SIZE_LIMIT: i32 = 25;

/// Whether whoever started this process had it ignore SIGHUP, as `nohup` does. Told by Linux only; elsewhere a hangup
/// ends it properly.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Its number is 1, which is the mask's lowest bit.
    ignored.is_some_and(|mask| mask & 1 == 1)
}
