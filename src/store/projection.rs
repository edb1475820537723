//! What events mean for a run's row: the part of the log that lists and pages ask for, without reading logs.

use jiff::Timestamp;

use crate::engine::event::{Event, Fact, Phase, Verdict};
use crate::model::ids::InjectionId;

/// What one event changes in `runs` and `stuck`.
#[derive(Debug)]
pub(super) enum Change {
    Created(Box<Created>),
    Phase(Phase),
    Stuck {
        injection: InjectionId,
        error: String,
        since: Timestamp,
    },
    Undone(InjectionId),
    /// Its responders are told.
    Revealed,
    Ended {
        verdict: Verdict,
        at: Timestamp,
    },
}

/// A new run's row, in the words of its columns.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) stack: String,
    pub(super) team: Option<String>,
    pub(super) started_by: &'static str,
    /// Which drill of which game day it is, as JSON after the game day's id.
    pub(super) game_day: Option<(String, String)>,
    pub(super) seed: String,
    /// Whether its responders are not told.
    pub(super) secret: bool,
    /// Whether a scripted team responds.
    pub(super) rehearsal: bool,
    pub(super) at: Timestamp,
}

impl Change {
    /// What `event` changes, if anything.
    pub(super) fn of(event: &Event) -> Option<Self> {
        match &event.fact {
            Fact::RunCreated {
                plan,
                seed,
                trigger,
            } => Some(Self::Created(Box::new(Created {
                name: plan.name().to_owned(),
                kind: if plan.drill.is_some() {
                    "drill"
                } else {
                    "experiment"
                },
                stack: plan.stack.name.to_string(),
                team: plan
                    .drill
                    .as_ref()
                    .map(|exercise| exercise.team.name.to_string()),
                started_by: trigger.word(),
                game_day: trigger.turn().and_then(|turn| {
                    let json = serde_json::to_string(turn).ok()?;
                    Some((turn.id.to_string(), json))
                }),
                seed: seed.to_string(),
                secret: plan.is_surprise(),
                rehearsal: plan.autopilot().is_some(),
                at: event.at.wall,
            }))),
            Fact::PhaseBegan { phase } => Some(Self::Phase(*phase)),
            Fact::Stuck { injection, error } => Some(Self::Stuck {
                injection: injection.clone(),
                error: error.clone(),
                since: event.at.wall,
            }),
            Fact::Revealed => Some(Self::Revealed),
            Fact::Undone { injection, .. } => Some(Self::Undone(injection.clone())),
            Fact::RunEnded { verdict, .. } => Some(Self::Ended {
                verdict: *verdict,
                at: event.at.wall,
            }),
            _ => None,
        }
    }
}
