//! Serving one service over HTTP/1.1, and reading the JSON that callers send.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use axum::{Json, Router, body::Bytes};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Service;

/// How long requests that are under way may still take once the service is told to stop.
const GRACE: Duration = Duration::from_secs(1);

/// A status and the JSON that explains it.
pub(super) type Reply = (StatusCode, Json<Value>);

pub(super) fn serve(
    service: Service,
    listener: TcpListener,
    router: impl Future<Output = Router> + Send + 'static,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) {
    let stop = cancel.clone();
    let listener = listener.tap_io(|connection| {
        // Only costs time when it fails: small answers may wait for an acknowledgement.
        let _ = connection.set_nodelay(true);
    });
    tracker.spawn(async move {
        // Whoever connects before the router is ready waits in the listener's queue.
        let Some(router) = stop.run_until_cancelled(router).await else {
            return;
        };
        let server =
            axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        let out_of_patience = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        // Dropping the server at the end of the grace period closes its listener; nothing else is lost.
        tokio::select! {
            ended = async { server.await } => if let Err(error) = ended {
                tracing::error!(%service, %error, "wallet service ended");
            },
            () = out_of_patience => {}
        }
    });
}

pub(super) fn refuse(status: StatusCode, error: impl Into<String>) -> Reply {
    (status, Json(json!({"error": error.into()})))
}

/// A JSON body, whatever its content type says: probes and people with `curl` rarely set one.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(IntoResponse::into_response)?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            refuse(
                StatusCode::BAD_REQUEST,
                format!("the body is not what this endpoint takes: {error}"),
            )
            .into_response()
        })
    }
}
