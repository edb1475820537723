//! The deadline over one whole driver call.

use std::future::Future;
use std::time::Duration;

use crate::engine::undo::Armed;
use crate::model::time::Stamp;
use crate::ports::FaultError;

/// The longest a driver call takes, whatever it has to ask.
pub(super) const LONGEST_CALL: Duration = Duration::from_secs(10);

/// Runs one driver call to its end or to its deadline. What was sent before the deadline may still have its effect: a
/// late call says nothing about the target.
pub(super) async fn bounded<T>(
    target: &str,
    call: impl Future<Output = Result<T, FaultError>>,
) -> Result<T, FaultError> {
    tokio::time::timeout(LONGEST_CALL, call)
        .await
        .unwrap_or_else(|_| {
            Err(FaultError::Unreachable {
                what: target.to_owned(),
                why: format!("not finished within {} s", LONGEST_CALL.as_secs()),
            })
        })
}

/// What is left until an injection's deadline. A fault whose time is up, or was up on another process's clock, is never
/// applied: nobody would be waiting to undo it.
pub(super) fn left(armed: &Armed, now: &Stamp) -> Result<Duration, FaultError> {
    armed
        .deadline()
        .since(now)
        .and_then(|left| Duration::try_from(left).ok())
        .filter(|left| !left.is_zero())
        .ok_or_else(|| FaultError::Refused {
            what: format!("firedrill, for {}", armed.injection().id),
            why: "its deadline has passed".to_owned(),
        })
}
