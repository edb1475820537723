//! The load: what goes through a proxy, and what waits at its other end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::listener;
use super::peers::Peer;
use crate::samples::count;
use crate::stopwatch::Stopwatch;

/// One write, and the room for one read.
const CHUNK: usize = 64 << 10;
/// What a round trip carries.
const MESSAGE: usize = 64;
/// How long a stream runs before it counts.
const RAMP: Duration = Duration::from_millis(200);
/// Connections opened at a time.
pub(super) const AT_A_TIME: usize = 16;
/// What paced round trips are asked on: so many connections, so many times each.
const SLOW_CONNECTIONS: usize = 20;
const SLOW_ROUND_TRIPS: usize = 10;
/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Servers behind a proxy: one that swallows and counts, one that answers with what it got.
#[derive(Debug)]
pub(super) struct Upstreams {
    pub(super) sink: SocketAddr,
    pub(super) echo: SocketAddr,
    swallowed: Arc<AtomicU64>,
}

impl Upstreams {
    pub(super) async fn start(tasks: &TaskTracker) -> anyhow::Result<Self> {
        let (swallowing, sink) = listener().await?;
        let (echoing, echo) = listener().await?;
        let swallowed = Arc::new(AtomicU64::new(0));
        let (counted, own) = (swallowed.clone(), tasks.clone());
        tasks.spawn(async move {
            while let Ok((stream, _)) = swallowing.accept().await {
                own.spawn(swallow(stream, counted.clone()));
            }
        });
        let own = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = echoing.accept().await {
                own.spawn(answer(stream));
            }
        });
        Ok(Self {
            sink,
            echo,
            swallowed,
        })
    }
}

async fn swallow(mut stream: TcpStream, swallowed: Arc<AtomicU64>) {
    let mut room = vec![0; CHUNK];
    while let Ok(length @ 1..) = stream.read(&mut room).await {
        swallowed.fetch_add(length as u64, Ordering::Relaxed);
    }
}

async fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut room = [0; MESSAGE];
    while let Ok(length @ 1..) = stream.read(&mut room).await {
        if stream.write_all(&room[..length]).await.is_err() {
            return;
        }
    }
}

/// What a stream came to.
#[derive(Debug)]
pub(super) struct Streamed {
    pub(super) megabytes_a_second: f64,
    /// Of the proxy; absent where it is no process that can be read.
    pub(super) processor_seconds_a_gigabyte: Option<f64>,
}

/// Sends as much as fits through so many connections for so long; what arrived counts.
pub(super) async fn stream(
    peer: &Peer,
    upstreams: &Upstreams,
    connections: usize,
    length: Duration,
) -> anyhow::Result<Streamed> {
    let mut sending = JoinSet::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(peer.sink).await?;
        sending.spawn(async move {
            let chunk = vec![0; CHUNK];
            while stream.write_all(&chunk).await.is_ok() {}
        });
    }
    tokio::time::sleep(RAMP).await;
    let arrived = || upstreams.swallowed.load(Ordering::Relaxed);
    let (before, used, watch) = (arrived(), peer.processor_seconds(), Stopwatch::start());
    tokio::time::sleep(length).await;
    let (bytes, seconds) = (arrived() - before, watch.seconds());
    let used = peer
        .processor_seconds()
        .zip(used)
        .map(|(after, before)| after - before);
    ensure!(sending.try_join_next().is_none(), "a connection was closed");
    sending.shutdown().await;
    ensure!(bytes > 0, "nothing arrived");
    let bytes = count(usize::try_from(bytes)?);
    Ok(Streamed {
        megabytes_a_second: bytes / 1e6 / seconds,
        processor_seconds_a_gigabyte: used.map(|used| used / (bytes / 1e9)),
    })
}

/// Round trips one after another on one connection, in microseconds.
pub(super) async fn round_trips(echo: SocketAddr, times: usize) -> anyhow::Result<Vec<f64>> {
    let mut stream = TcpStream::connect(echo).await?;
    stream.set_nodelay(true)?;
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        taken.push(round_trip(&mut stream).await? * 1e6);
    }
    Ok(taken)
}

/// The seconds one round trip takes.
pub(super) async fn round_trip(stream: &mut TcpStream) -> anyhow::Result<f64> {
    let mut room = [7; MESSAGE];
    let watch = Stopwatch::start();
    stream.write_all(&room).await?;
    let answered = tokio::time::timeout(PATIENCE, stream.read_exact(&mut room)).await;
    answered??;
    Ok(watch.seconds())
}

/// Connections that each carry one round trip, a few at a time, a second.
pub(super) async fn churn(echo: SocketAddr, times: usize) -> anyhow::Result<f64> {
    let watch = Stopwatch::start();
    let mut opening = JoinSet::new();
    for _ in 0..AT_A_TIME {
        opening.spawn(async move {
            for _ in 0..times / AT_A_TIME {
                let mut stream = TcpStream::connect(echo).await?;
                stream.set_nodelay(true)?;
                round_trip(&mut stream).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = opening.join_next().await {
        done??;
    }
    Ok(count(times / AT_A_TIME * AT_A_TIME) / watch.seconds())
}

/// Round trips that begin a `pace` after each other at the least, in milliseconds beyond `added`, which the proxy adds.
/// The first of each connection is not counted: the proxy dials meanwhile.
pub(super) async fn paced(
    to: SocketAddr,
    added: Duration,
    pace: Duration,
) -> anyhow::Result<Vec<f64>> {
    let mut asking = JoinSet::new();
    for connection in 0..SLOW_CONNECTIONS {
        asking.spawn(async move {
            // Apart from each other, as clients are.
            let apart = pace * u32::try_from(connection)? / u32::try_from(SLOW_CONNECTIONS)?;
            tokio::time::sleep(apart).await;
            let mut stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            round_trip(&mut stream).await?;
            let mut taken = Vec::new();
            for _ in 0..SLOW_ROUND_TRIPS {
                tokio::time::sleep(pace.saturating_sub(added)).await;
                taken.push((round_trip(&mut stream).await? - added.as_secs_f64()) * 1e3);
            }
            anyhow::Ok(taken)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = asking.join_next().await {
        all.extend(done??);
    }
    Ok(all)
}
