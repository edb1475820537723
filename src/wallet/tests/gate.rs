//! A link's proxy, as far as these tests need one: passes bytes on, and fails to on demand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Open,
    /// Connections are closed at once.
    Cut,
    /// Connections stay, nothing passes.
    Silent,
    /// Requests pass, answers are lost.
    Deaf,
    /// The connection breaks instead of every n-th answer.
    Lossy(u64),
}

pub(super) struct Gate {
    mode: watch::Sender<Mode>,
}

impl Gate {
    pub(super) async fn open(
        listen: SocketAddr,
        upstream: SocketAddr,
        tracker: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Self {
        let listener = TcpListener::bind(listen).await.unwrap();
        let mode = watch::Sender::new(Mode::Open);
        let answers = Arc::new(AtomicU64::new(0));
        let (modes, tasks, stop) = (mode.clone(), tracker.clone(), cancel.clone());
        tracker.spawn(cancel.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let carried = carry(client, upstream, modes.subscribe(), Arc::clone(&answers));
                tasks.spawn(stop.clone().run_until_cancelled_owned(carried));
            }
        }));
        Self { mode }
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

/// Returning closes both sides.
async fn carry(
    mut client: TcpStream,
    upstream: SocketAddr,
    mut mode: watch::Receiver<Mode>,
    answers: Arc<AtomicU64>,
) {
    let (mut there, mut back) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    if *mode.borrow() == Mode::Cut {
        return;
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        return;
    };
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Cut => return,
            Mode::Silent => {
                let _ = mode.changed().await;
                return;
            }
            Mode::Open | Mode::Deaf | Mode::Lossy(_) => {}
        }
        tokio::select! {
            read = client.read(&mut there) => match read {
                Ok(count @ 1..) if server.write_all(&there[..count]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut back) => match read {
                Ok(count @ 1..) => {
                    let nth = answers.fetch_add(1, Ordering::Relaxed) + 1;
                    match now {
                        Mode::Deaf => continue,
                        Mode::Lossy(every) if nth.is_multiple_of(every) => return,
                        _ => {}
                    }
                    if client.write_all(&back[..count]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
            _ = mode.changed() => {}
        }
    }
}
