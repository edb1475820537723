//! Performing effects: from what the engine asks to what a port does, and back to an outcome.

use std::sync::Arc;

use super::Ports;
use crate::engine::effect::{Effect, EffectKind};
use crate::engine::input::{AppliedProof, CapturedToken, Outcome, RemovedProof};
use crate::engine::state::State;
use crate::engine::undo::Armed;
use crate::model::fault::Injection;
use crate::model::ids::RunId;
use crate::model::plan::Plan;

/// An effect with everything its performance reads, so that it can run beside the runner.
#[derive(Debug)]
pub(super) enum Task {
    Inspect,
    Capture(Box<Injection>),
    Apply(Box<Armed>),
    Undo(Box<Armed>),
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
            EffectKind::Undo(id) => Self::Undo(armed(id)?),
        })
    }

    /// Does it. Dropping the future abandons the request, which may still land: the engine looks twice for that.
    pub(super) async fn perform(self, run: RunId, plan: Arc<Plan>, ports: Ports) -> Outcome {
        match self {
            Self::Inspect => Outcome::Inspected(ports.inspector.inspect(&plan).await),
            Self::Capture(injection) => {
                Outcome::Captured(capture(&run, &plan, &injection, &ports).await)
            }
            Self::Apply(armed) => {
                let applied = ports.driver.apply(&armed).await;
                Outcome::Applied(applied.map_err(|error| error.to_string()).map(|applied| {
                    AppliedProof {
                        sent: applied.sent,
                        effective: applied.effective,
                        evidence: applied.evidence,
                    }
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

/// Staging is proven anew before each fault, then the undo's needs are read.
async fn capture(
    run: &RunId,
    plan: &Plan,
    injection: &Injection,
    ports: &Ports,
) -> Result<CapturedToken, String> {
    ports
        .inspector
        .prove(&plan.stack)
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
