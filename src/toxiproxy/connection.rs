//! One client's connection: dialling the upstream, the two links, and how it all ends.

use std::{sync::Arc, time::Duration};

use socket2::SockRef;
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    alarm::Alarm,
    chain::Chain,
    link::{Effects, Hangup, Link},
    pipe::Pipes,
    random::Draws,
    toxic::Stream,
    traffic::Connection,
};

/// What a proxy gives a client that it lets in.
pub(crate) struct Admission {
    pub(crate) upstream: Arc<str>,
    /// Cancelled when the proxy closes its connections.
    pub(crate) closed: CancellationToken,
    /// This connection's own.
    pub(crate) draws: Draws,
    pub(crate) to_upstream: Effects,
    pub(crate) to_client: Effects,
    pub(crate) timers: Arc<Semaphore>,
    pub(crate) pipes: Arc<Pipes>,
    /// Counts it as open for as long as it is carried.
    pub(crate) traffic: Connection,
}

/// Serves the client until both directions have ended, a toxic or the proxy hangs up, or a peer is gone.
///
/// The upstream is dialled here, not where connections are accepted, so one that doesn't answer delays nobody else.
pub(crate) async fn carry(client: TcpStream, admission: Admission) {
    let Admission {
        upstream,
        closed,
        draws,
        to_upstream,
        to_client,
        timers,
        pipes,
        traffic,
    } = admission;
    let dialled = tokio::select! {
        biased;
        () = closed.cancelled() => None,
        dialled = TcpStream::connect(&*upstream) => dialled
            .inspect_err(|error| tracing::debug!(%upstream, %error, "upstream refused"))
            .ok(),
    };
    let Some(server) = dialled else {
        close(&client);
        return;
    };
    // Small writes go out at once; failing to say so changes timing only.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));

    let link = |source, sink, effects, stream, name| {
        Link::new(
            source,
            sink,
            effects,
            traffic.of(stream),
            Chain::new(draws.of(name)),
            Alarm::new(Arc::clone(&timers)),
            &pipes,
        )
    };
    let up = link(&client, &server, to_upstream, Stream::Upstream, "upstream");
    let down = link(
        &server,
        &client,
        to_client,
        Stream::Downstream,
        "downstream",
    );
    let ended = tokio::select! {
        biased;
        () = closed.cancelled() => Err(Hangup::Close),
        ended = async {
            // A direction that ends says so to its sink and leaves the other one alone: a half-closed connection.
            tokio::try_join!(
                async { up.run().await.inspect(|()| finish(&server)) },
                async { down.run().await.inspect(|()| finish(&client)) },
            )
        } => ended.map(drop),
    };
    match ended {
        Ok(()) => {}
        Err(Hangup::Close) => {
            close(&client);
            close(&server);
        }
        Err(Hangup::Reset) => {
            reset(&client);
            reset(&server);
        }
    }
}

/// Says that no more bytes follow. A peer that is gone already doesn't mind.
fn finish(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Write);
}

/// Prepares a close that reads as an end of the stream: with unread bytes in the socket the kernel would send a reset,
/// and the peer would lose what it was sent last.
fn close(stream: &TcpStream) {
    finish(stream);
    let mut discarded = [0; 4096];
    // Bounded, for a peer that sends faster than we discard.
    for _ in 0..1024 {
        if !matches!(stream.try_read(&mut discarded), Ok(1..)) {
            break;
        }
    }
}

/// Makes the coming close a TCP reset.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
