//! Problems: what went wrong, as RFC 9457 problem details with a code that never changes.
//!
//! One type for the API and the pages. A page's middleware turns it into HTML, so a handler says what is wrong once.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::engine::input::Rejection;
use crate::ports::JournalError;
use crate::runtime::amend::AmendError;
use crate::runtime::{ActError, StartError};
use crate::store;

/// The media type of problem details.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// The most bytes of what something else said that are passed on.
const LONGEST_DETAIL: usize = 4096;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Problem {
    /// A URN of the code.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    pub(super) title: String,
    /// The answer's status.
    pub(super) status: u16,
    /// What kind of problem it is; it never changes.
    pub(super) code: &'static str,
    /// What is wrong here, and often what to do.
    pub(super) detail: String,
    /// What is wrong in files, where that is the problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<super::catalogue::Finding>", default)]
    pub(super) findings: Vec<Value>,
    /// After how many seconds it may be tried again.
    #[serde(skip)]
    retry_after: Option<NonZeroU32>,
}

impl Problem {
    /// A problem with a stable code.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:firedrill:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            findings: Vec::new(),
            retry_after: None,
        }
    }

    /// What is asked for is not there.
    pub(super) fn missing(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// The request makes no sense.
    pub(super) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The request is understood and can't be done as it is.
    pub(super) fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// It does not go together with how things stand.
    pub(super) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// It may work later.
    pub(super) fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// A mistake of firedrill's own. The cause goes to the log, not to the reader.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "firedrill could not answer; its log says why",
        )
    }

    /// With what was found in files.
    pub(super) fn with_findings(mut self, findings: Vec<Value>) -> Self {
        self.findings = findings;
        self
    }

    /// To be tried again after `wait`.
    pub(super) fn after(mut self, wait: Duration) -> Self {
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
        self.retry_after = NonZeroU32::new(seconds.saturating_add(1));
        self
    }

    /// After how many seconds it may be tried again; 0 where that is not known.
    pub(super) fn retry_after(&self) -> u32 {
        self.retry_after.map_or(0, NonZeroU32::get)
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(&self)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.status() == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds.get()));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchRun(run) => no_such_run(run.as_str()),
            other => Self::internal(&other),
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let detail = rejection.to_string();
        match rejection {
            Rejection::Ended => Self::conflict("run-ended", detail),
            Rejection::NotBegun => Self::conflict("run-not-begun", detail),
            Rejection::Exists => Self::conflict("run-exists", detail),
            Rejection::NoTeam => Self::unprocessable("run-without-team", detail),
            Rejection::NoSuchService { .. } => Self::unprocessable("no-such-service", detail),
            Rejection::NoSuchRunbookStep { .. } => Self::unprocessable("no-such-step", detail),
            Rejection::NotWaiting { .. } | Rejection::NotWaitingForApproval(_) => {
                Self::conflict("not-waiting", detail)
            }
            Rejection::IsStaff(_) | Rejection::IsResponder(_) => {
                Self::conflict("on-both-sides", detail)
            }
            Rejection::NoSuchMessage(_) => Self::conflict("no-such-message", detail),
            Rejection::OwnApproval(_) => Self::conflict("own-approval", detail),
            Rejection::NoSurprise => Self::conflict("no-surprise", detail),
            Rejection::StillSecret => Self::conflict("still-secret", detail),
            Rejection::NothingToReveal => Self::conflict("nothing-to-reveal", detail),
            Rejection::NoSuchRemedy { .. } => Self::unprocessable("no-such-remedy", detail),
            Rejection::Running => Self::conflict("run-goes-on", detail),
            Rejection::WrongReaders { .. } => Self::unprocessable("wrong-readers", detail),
            Rejection::NoSuchLine { .. } => Self::unprocessable("no-such-line", detail),
            Rejection::NotManual { .. } => Self::unprocessable("not-manual", detail),
            Rejection::NothingCorrected => Self::unprocessable("nothing-corrected", detail),
            Rejection::NotCorrectable(_) => Self::unprocessable("not-correctable", detail),
            Rejection::OutsideTheRun { .. } => Self::unprocessable("outside-the-run", detail),
            Rejection::NotAttachable(_) => Self::unprocessable("not-attachable", detail),
            Rejection::Empty(_) => Self::unprocessable("empty-text", detail),
        }
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Rejected(rejection) => rejection.into(),
            ActError::Unrecorded(_) => Self::unavailable("not-recorded", error.to_string()),
        }
    }
}

impl From<AmendError> for Problem {
    fn from(error: AmendError) -> Self {
        match error {
            AmendError::Rejected(rejection) => rejection.into(),
            AmendError::Journal(JournalError::NoSuchRun(run)) => no_such_run(run.as_str()),
            AmendError::Journal(JournalError::Storage(error)) => {
                tracing::error!(%error, "a correction could not be recorded");
                Self::unavailable("not-recorded", "the correction could not be recorded")
            }
            AmendError::Journal(error) => Self::internal(&error),
        }
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        let detail = error.to_string();
        match error {
            StartError::Busy { .. } | StartError::InUse(_) => Self::conflict("stack-busy", detail),
            StartError::Unreadable { .. } => Self::conflict("log-unreadable", detail),
            StartError::Halted(_) => Self::conflict("halted", detail),
            StartError::Full { .. } => Self::conflict("too-many-runs", detail),
            StartError::Held(_) => Self::conflict("run-held", detail),
            StartError::ShuttingDown => Self::unavailable("shutting-down", detail),
            StartError::Lock(_) | StartError::Journal(JournalError::Storage(_)) => {
                Self::unavailable("not-recorded", detail)
            }
            StartError::Journal(error) => Self::internal(&error),
        }
    }
}

/// An error that something beneath the handlers answered with, told as every other is.
pub(super) async fn completed(response: Response) -> Response {
    let status = response.status();
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let is_told = is_page || response.extensions().get::<Problem>().is_some();
    if is_told || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, LONGEST_DETAIL)
        .await
        .ok()
        .map(|said| String::from_utf8_lossy(&said).trim().to_owned())
        .filter(|said| !said.is_empty());
    let code = match status {
        StatusCode::NOT_FOUND => "no-such-address",
        StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "not-json",
        _ if status.is_server_error() => "internal",
        _ => "bad-request",
    };
    let detail = said.unwrap_or_else(|| match status {
        StatusCode::METHOD_NOT_ALLOWED => "this address does not take that method".to_owned(),
        _ => status.to_string(),
    });
    let mut told = Problem::new(status, code, detail).into_response();
    // Which methods are taken, and the like.
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            told.headers_mut().insert(name, value.clone());
        }
    }
    told
}

/// No run has this id.
pub(super) fn no_such_run(id: &str) -> Problem {
    Problem::missing("no-such-run", format!("there is no run `{id}`"))
}
