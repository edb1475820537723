//! An answer that goes on: its head at once, its body piece by piece for as long as the server sends.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{HeaderMap, StatusCode};

use super::{Outbound, SendError, build, head, innermost};
use crate::model::probe::HttpRequest;

/// An answer whose body is still coming.
pub struct Streamed {
    /// The status, whatever it is.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
}

impl fmt::Debug for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streamed")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Outbound {
    /// Sends one request as it is. The head of its answer must come within `deadline`; its body may go on for ever.
    pub async fn open(
        &self,
        request: &HttpRequest,
        deadline: Duration,
    ) -> Result<Streamed, SendError> {
        let request = build(request, &request.url)?;
        let answered = async { head(self.begin(request)?).await };
        let answer = tokio::time::timeout(deadline, answered)
            .await
            .unwrap_or(Err(SendError::Late(deadline)))?;
        let (parts, body) = answer.into_parts();
        Ok(Streamed {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }
}

impl Streamed {
    /// The next piece; nothing at the end. A server that is silent for longer counts as gone.
    pub async fn next(&mut self, silence: Duration) -> Result<Option<Bytes>, SendError> {
        loop {
            let frame = tokio::time::timeout(silence, self.body.frame())
                .await
                .map_err(|_| SendError::Late(silence))?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| SendError::Broken(innermost(&error)))?;
            // Trailers say nothing that is asked for.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}
