//! Crowds: many connections that say nothing, and many proxies.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::load::{AT_A_TIME, round_trip};
use super::peers::{Peer, post};
use crate::samples::count;
use crate::stopwatch::Stopwatch;
use crate::web;

pub(super) const IDLE: usize = 8_000;
pub(super) const MANY: usize = 1_000;
/// Descriptors for everything else.
const SPARE: usize = 1_000;
/// How long they say nothing before memory is read.
const SILENCE: Duration = Duration::from_secs(1);

/// Lets this process, and those that it starts, have the descriptors that so many connections need: each takes two in
/// the proxy, and two here. False where the system doesn't allow as many.
pub(super) fn raise_descriptors() -> anyhow::Result<bool> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = u64::try_from(2 * IDLE + SPARE)?;
    if maximum.is_some_and(|maximum| maximum < needed) {
        return Ok(false);
    }
    if current.is_some_and(|current| current < needed) {
        let current = Some(needed);
        setrlimit(Resource::Nofile, Rlimit { current, maximum })?;
    }
    Ok(true)
}

/// Resident memory for each of so many connections that have carried one message and say nothing more, in kilobytes.
pub(super) async fn idle(peer: &Peer) -> anyhow::Result<Option<f64>> {
    let Some(before) = peer.resident() else {
        return Ok(None);
    };
    let mut opening = JoinSet::new();
    for _ in 0..AT_A_TIME {
        let echo = peer.echo;
        opening.spawn(async move {
            let mut open = Vec::new();
            for _ in 0..IDLE / AT_A_TIME {
                let mut stream = TcpStream::connect(echo).await?;
                stream.set_nodelay(true)?;
                round_trip(&mut stream).await?;
                open.push(stream);
            }
            anyhow::Ok(open)
        });
    }
    let mut open = Vec::new();
    while let Some(opened) = opening.join_next().await {
        open.extend(opened??);
    }
    tokio::time::sleep(SILENCE).await;
    let after = peer.resident();
    let added = after.map(|after| (after - before) * 1048.576 / count(open.len()));
    Ok(added)
}

/// The seconds it takes to make so many proxies, give each a toxic and reset them all, one request after another.
pub(super) fn many(peer: &Peer, upstream: SocketAddr) -> anyhow::Result<Option<f64>> {
    let Some(api) = peer.api else {
        return Ok(None);
    };
    let name = |number: usize| format!("measure-many-{number}");
    let toxic = json!({"type": "latency", "attributes": {"latency": 100}});
    let watch = Stopwatch::start();
    for number in 0..MANY {
        let proxy = json!({"name": name(number), "listen": "127.0.0.1:0", "upstream": upstream.to_string()});
        post(api, "/proxies", &proxy)?;
    }
    for number in 0..MANY {
        post(api, &format!("/proxies/{}/toxics", name(number)), &toxic)?;
    }
    let reset = web::send(api, "POST", "/reset", "")?;
    let taken = watch.seconds();
    ensure!(
        reset.status == 204,
        "/reset was answered with {}",
        reset.status
    );
    for number in 0..MANY {
        web::send(api, "DELETE", &format!("/proxies/{}", name(number)), "")?;
    }
    Ok(Some(taken))
}
