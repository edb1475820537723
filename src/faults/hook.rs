//! Faults of the user's own making: do, verify, undo, verify-undone, as HTTP calls or programs.
//!
//! What a hook does can't be known, so its own calls are the evidence. A verification is asked again for some seconds
//! until it holds, because much of what hooks start takes effect after their answer. Which programs may run at all is
//! for the configuration to say, before a plan gets here.

mod call;
mod captured;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::call::{Trouble, capture, perform};
use self::captured::Captured;
use super::attempts::Attempts;
use super::{deadline, misdirected, opened, owner, sealed};
use crate::address::shown;
use crate::engine::event::{Token, UndoneBy};
use crate::engine::undo::Armed;
use crate::model::fault::{Act, Call, Capture, Cause, Hook, Injection, Verify};
use crate::model::ids::RunId;
use crate::model::stack::Stack;
use crate::outbound::Outbound;
use crate::ports::{Answer, Applied, Clock, FaultDriver, FaultError, Presence, Removed};
use crate::program;

/// How long a verification may take to hold.
const SETTLING: Duration = Duration::from_secs(5);

/// From one verification to the next.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// What the undo needs: the calls, their programs found from any folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mark {
    /// The owner tag.
    owner: String,
    /// What is called, with what was captured already in the undo.
    hook: Hook,
    /// What was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    captured: Option<Captured>,
}

/// Drives hooks.
pub struct HookDriver {
    clock: Arc<dyn Clock>,
    outbound: Arc<Outbound>,
    attempts: Attempts,
}

impl HookDriver {
    /// A driver.
    pub fn new(clock: Arc<dyn Clock>, outbound: Arc<Outbound>) -> Self {
        Self {
            clock,
            outbound,
            attempts: Attempts::default(),
        }
    }

    /// Everything that is refused before anything is touched, and what the undo needs: what it will send is whole here.
    async fn read(&self, run: &RunId, injection: &Injection) -> Result<Token, FaultError> {
        let Act::Hook(hook) = &injection.act else {
            return Err(misdirected("hook", injection));
        };
        if hook.undo.is_none() && matches!(injection.cause, Cause::Step(_)) {
            return Err(FaultError::Refused {
                what: format!("hook {}", injection.id),
                why: "it has no undo, and only a remedy may leave something behind".to_owned(),
            });
        }
        let captured = match &hook.capture {
            Some(question) => {
                let question = Capture {
                    call: anchored(&question.call)?,
                    read: question.read.clone(),
                };
                let limit = deadline::LONGEST_CALL;
                Some(capture(&self.outbound, &question, limit).await?)
            }
            None => None,
        };
        let filled = captured
            .as_ref()
            .map(|captured| captured.put_into(hook.clone()));
        let hook =
            &filled
                .unwrap_or_else(|| Ok(hook.clone()))
                .map_err(|why| FaultError::Refused {
                    what: format!("hook {}", injection.id),
                    why,
                })?;
        let anchored = |call: &Call| {
            call::askable(call, self.outbound.environment())?;
            anchored(call)
        };
        let anchored_verify = |verify: &Verify| -> Result<Verify, FaultError> {
            Ok(Verify {
                call: anchored(&verify.call)?,
                expect: verify.expect.clone(),
            })
        };
        let hook = Hook {
            capture: hook.capture.clone(),
            act: anchored(&hook.act)?,
            verify: hook.verify.as_ref().map(anchored_verify).transpose()?,
            undo: hook.undo.as_ref().map(anchored).transpose()?,
            verify_undone: hook
                .verify_undone
                .as_ref()
                .map(anchored_verify)
                .transpose()?,
        };
        sealed(&Mark {
            owner: owner::tag_of(run, injection),
            hook,
            captured,
        })
    }

    async fn act(&self, armed: &Armed) -> Result<Applied, FaultError> {
        let until = Instant::now() + deadline::LONGEST_CALL;
        let mark: Mark = opened(armed)?;
        if matches!(armed.injection().cause, Cause::Step(_)) {
            deadline::left(armed, &self.clock.now())?;
        }
        let sent = self.attempts.applying(&mark.owner, self.clock.now());
        let mut evidence = Vec::new();
        let captured = mark.captured.as_ref().map(Captured::shown);
        evidence.extend(captured.map(|value| format!("{value} was there before")));
        // A repeat after an answer is only looked at: not every hook can be done twice.
        if !self.attempts.is_applied_for_sure(&mark.owner) {
            evidence.push(self.call(&mark.hook.act, until).await?);
            self.attempts.applied_for_sure(&mark.owner);
        }
        if let Some(verify) = &mark.hook.verify {
            evidence.push(self.verified(verify, until).await?);
        }
        if evidence.is_empty() {
            evidence.push("it was done before".to_owned());
        }
        Ok(Applied {
            sent,
            effective: self.clock.now(),
            evidence: evidence.join("; "),
        })
    }

    async fn restore(&self, armed: &Armed) -> Result<Removed, FaultError> {
        let until = Instant::now() + deadline::LONGEST_CALL;
        let mark: Mark = opened(armed)?;
        let mut evidence = Vec::new();
        match &mark.hook.undo {
            Some(undo) => evidence.push(self.call(undo, until).await?),
            None => evidence.push("nothing to restore".to_owned()),
        }
        if let Some(verify) = &mark.hook.verify_undone {
            evidence.push(self.verified(verify, until).await?);
        }
        self.attempts.settled(&mark.owner);
        Ok(Removed {
            at: self.clock.now(),
            by: UndoneBy::Us,
            evidence: evidence.join("; "),
        })
    }

    async fn see(&self, armed: &Armed) -> Result<Presence, FaultError> {
        let mark: Mark = opened(armed)?;
        let Some(verify) = &mark.hook.verify else {
            return Ok(Presence::Present);
        };
        let until = Instant::now() + deadline::LONGEST_CALL;
        match self.ask(verify, until).await {
            Ok(_) => Ok(Presence::Present),
            Err(Trouble::Unmet { what, why }) => Ok(Presence::Gone(format!("{what}: {why}"))),
            Err(Trouble::Unasked(error)) => Err(error),
        }
    }

    async fn call(&self, call: &Call, until: Instant) -> Result<String, FaultError> {
        perform(&self.outbound, call, None, left(until))
            .await
            .map_err(Trouble::refused)
    }

    /// Asks once.
    async fn ask(&self, verify: &Verify, until: Instant) -> Result<String, Trouble> {
        let limit = left(until).min(verify.expect.within.duration());
        perform(&self.outbound, &verify.call, Some(&verify.expect), limit).await
    }

    /// Asks until the expectation holds, or the time to settle is over.
    async fn verified(&self, verify: &Verify, until: Instant) -> Result<String, FaultError> {
        let settled = until.min(Instant::now() + SETTLING);
        loop {
            match self.ask(verify, until).await {
                Ok(evidence) => return Ok(evidence),
                Err(trouble) if Instant::now() + ASK_AGAIN >= settled => {
                    return Err(trouble.reads_back());
                }
                Err(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }
}

impl FaultDriver for HookDriver {
    fn capture<'a>(
        &'a self,
        run: &'a RunId,
        _stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Token, FaultError>> {
        Box::pin(self.read(run, injection))
    }

    fn apply<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        Box::pin(self.act(armed))
    }

    fn undo<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Removed, FaultError>> {
        Box::pin(self.restore(armed))
    }

    fn look<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Presence, FaultError>> {
        Box::pin(self.see(armed))
    }

    fn by_hand(&self, armed: &Armed) -> Option<String> {
        let mark: Mark = opened(armed).ok()?;
        Some(match mark.hook.undo? {
            Call::Http(request) => {
                format!("curl -X {} {}", request.method, shown(&request.url))
            }
            Call::Run(program) => program.command.join(" "),
        })
    }
}

/// The call as it can be made from any folder; a program that is not there is found out before anything is touched.
fn anchored(call: &Call) -> Result<Call, FaultError> {
    let Call::Run(program) = call else {
        return Ok(call.clone());
    };
    let missing = |hint: String| FaultError::Missing {
        what: call::name(program),
        hint: Some(hint),
    };
    let anchored = program::anchored(program).map_err(|error| missing(error.to_string()))?;
    if program::found(&anchored).is_none() {
        let folder = anchored.folder.unwrap_or_default();
        return Err(missing(format!(
            "it must be an executable file; a relative one is found from {folder}, a bare name from PATH"
        )));
    }
    Ok(Call::Run(anchored))
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
