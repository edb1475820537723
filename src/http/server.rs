//! Connections: each is a task of its own, bounded in number, in how long a request's head may take, and in how long it
//! outlives the server.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tls::Tls;

/// Connections at once. Further ones wait in the kernel.
const CONNECTIONS: usize = 2048;

/// How long a request's head may take to come, and a connection may be idle between two.
const HEAD_PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 30 });

/// How long an accept that failed for want of something, such as descriptors, waits for it.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then ends streams, finishes the requests under way, and returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    tls: Option<Tls>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let tracker = TaskTracker::new();
    loop {
        // Cancel safe: a place that is not used is free again, and a connection that was not accepted waits.
        let place = tokio::select! {
            () = shutdown.cancelled() => break,
            place = places.clone().acquire_owned() => place.map_err(io::Error::other)?,
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_the_clients(&error) {
                    tracing::error!(%error, "a connection can't be accepted");
                    sleep(PAUSE).await;
                }
                continue;
            }
        };
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        let (router, shutdown, tls) = (router.clone(), shutdown.clone(), tls.clone());
        tracker.spawn(async move {
            let _place = place;
            let Some(tls) = tls else {
                return answer(stream, peer, router, shutdown).await;
            };
            // Whoever does not get that far is a stranger or a scanner: nobody is told.
            let greeted = tokio::select! {
                () = shutdown.cancelled() => return,
                greeted = timeout(HEAD_PATIENCE, tls.0.accept(stream)) => greeted,
            };
            if let Ok(Ok(stream)) = greeted {
                answer(stream, peer, router, shutdown).await;
            }
        });
    }
    drop(listener);
    tracker.close();
    tracker.wait().await;
    Ok(())
}

fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            Ok::<_, Infallible>(call(router, request).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // Cancel safe: the connection is polled on where it was. How it ended is its client's to know.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn call(mut router: Router, request: Request<Body>) -> axum::response::Response {
    use tower_service::Service as _;
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
