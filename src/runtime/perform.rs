//! Performing effects: from what the engine asks to what a port does, and back to an outcome.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::Ports;
use crate::engine::effect::{Effect, EffectKind};
use crate::engine::input::{AppliedProof, CapturedToken, DeliveredProof, Outcome, RemovedProof};
use crate::engine::posts::Post;
use crate::engine::state::State;
use crate::engine::undo::Armed;
use crate::model::fault::Injection;
use crate::model::ids::RunId;
use crate::model::plan::Plan;
use crate::ports::{Applied, FaultError, Presence};

/// Ports have deadlines of their own, 10 s for a driver's call. Past these a port is broken: its answer is awaited no
/// longer, so that an undo which never answers is tried again and gets stuck loudly. Proving a stack may take many
/// questions.
const CALL: Duration = Duration::from_secs(15);
const PROOF: Duration = Duration::from_mins(1);
const SENDING: Duration = Duration::from_secs(35);

/// An effect with everything its performance reads, so that it can run beside the runner.
#[derive(Debug)]
pub(super) enum Task {
    Inspect,
    Capture(Box<Injection>),
    Apply(Box<Armed>),
    Adjust(Box<Armed>),
    Undo(Box<Armed>),
    Send(Box<Post>),
}

impl Task {
    /// `None` when the ledger doesn't hold what the effect is about, which the engine never asks for.
    pub(super) fn of(effect: &Effect, state: &State) -> Option<Self> {
        let armed = |id| state.ledger().armed(id).cloned().map(Box::new);
        Some(match &effect.kind {
            EffectKind::Inspect => Self::Inspect,
            EffectKind::Capture(id) => {
                Self::Capture(Box::new(state.ledger().get(id)?.injection.clone()))
            }
            EffectKind::Apply(id) => Self::Apply(armed(id)?),
            EffectKind::Adjust(id) => Self::Adjust(armed(id)?),
            EffectKind::Undo(id) => Self::Undo(armed(id)?),
            EffectKind::Send => Self::Send(Box::new(post(effect, state)?)),
        })
    }

    /// Does it, and answers whatever the port does. Dropping the future abandons the request, which may still land: the
    /// engine looks twice for that.
    pub(super) async fn perform(self, run: RunId, plan: Arc<Plan>, ports: Ports) -> Outcome {
        let (limit, failed): (_, fn(String) -> Outcome) = match self {
            Self::Inspect => (PROOF, |why| Outcome::Inspected(Err(vec![why]))),
            Self::Capture(_) => (PROOF, |why| Outcome::Captured(Err(why))),
            Self::Apply(_) => (CALL, |why| Outcome::Applied(Err(why))),
            Self::Adjust(_) => (CALL, |why| Outcome::Adjusted(Err(why))),
            Self::Undo(_) => (CALL, |why| Outcome::Removed(Err(why))),
            Self::Send(_) => (SENDING, |why| Outcome::Sent(Err(why))),
        };
        let by_hand = match &self {
            Self::Undo(armed) => ports.driver.by_hand(armed),
            _ => None,
        };
        let answer = Box::pin(self.ask(run, plan, ports));
        let outcome = bounded(limit, answer).await.unwrap_or_else(failed);
        match (outcome, by_hand) {
            (Outcome::Removed(Err(why)), Some(command)) => {
                Outcome::Removed(Err(with_way_out(&why, &command)))
            }
            (outcome, _) => outcome,
        }
    }

    async fn ask(self, run: RunId, plan: Arc<Plan>, ports: Ports) -> Outcome {
        match self {
            Self::Inspect => Outcome::Inspected(ports.inspector.inspect(&plan).await),
            Self::Capture(injection) => {
                Outcome::Captured(capture(&run, &plan, &injection, &ports).await)
            }
            Self::Apply(armed) => Outcome::Applied(proof(ports.driver.apply(&armed).await)),
            Self::Adjust(armed) => Outcome::Adjusted(proof(ports.driver.adjust(&armed).await)),
            Self::Send(post) => {
                let taken = ports.notifier.send(&post).await;
                Outcome::Sent(taken.map(|taken| DeliveredProof {
                    sent: taken.sent,
                    at: taken.at,
                    reference: taken.reference,
                    evidence: taken.evidence,
                }))
            }
            Self::Undo(armed) => {
                let removed = ports.driver.undo(&armed).await;
                Outcome::Removed(removed.map_err(|error| error.to_string()).map(|removed| {
                    RemovedProof {
                        at: removed.at,
                        by: removed.by,
                        evidence: removed.evidence,
                    }
                }))
            }
        }
    }
}

/// The message that an effect is about, with where it goes.
fn post(effect: &Effect, state: &State) -> Option<Post> {
    let (message, thread) = state.posts().sending(effect.key.0)?;
    Some(Post {
        run: state.run().clone(),
        key: effect.key.0,
        channel: state.plan()?.channel(message.channel.as_str())?.clone(),
        message: message.clone(),
        thread: thread.map(str::to_owned),
    })
}

/// Why an undo failed, and what a person can type instead. Wherever the failure is shown, so is the way out.
fn with_way_out(why: &str, command: &str) -> String {
    let joint = if why.contains("; hint: ") {
        ", or"
    } else {
        "; hint:"
    };
    format!("{why}{joint} undo it by hand with `{command}`")
}

fn proof(applied: Result<Applied, FaultError>) -> Result<AppliedProof, String> {
    let applied = applied.map_err(|error| error.to_string())?;
    Ok(AppliedProof {
        sent: applied.sent,
        effective: applied.effective,
        evidence: applied.evidence,
    })
}

/// Asks a driver whether an injection is still on; `None` when it can't tell.
pub(super) async fn look(armed: &Armed, ports: &Ports) -> Option<Presence> {
    let answer = bounded(CALL, ports.driver.look(armed)).await;
    // A target that does not answer says nothing about the fault on it.
    answer.ok()?.ok()
}

/// Awaits a port's answer, no longer than `limit`. A port that panics must not leave its effect unanswered.
pub(super) async fn bounded<T>(
    limit: Duration,
    answer: impl Future<Output = T>,
) -> Result<T, String> {
    match tokio::time::timeout(limit, AssertUnwindSafe(answer).catch_unwind()).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err("firedrill failed in the middle of it; hint: its log says where".into()),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}

/// Staging is proven anew before each fault, then the undo's needs are read.
async fn capture(
    run: &RunId,
    plan: &Plan,
    injection: &Injection,
    ports: &Ports,
) -> Result<CapturedToken, String> {
    ports
        .inspector
        .prove(&plan.stack, injection)
        .await
        .map_err(|findings| {
            format!(
                "the stack is not proven to be staging: {}",
                findings.join("; ")
            )
        })?;
    let token = ports.driver.capture(run, &plan.stack, injection).await;
    token.map(CapturedToken).map_err(|error| error.to_string())
}
