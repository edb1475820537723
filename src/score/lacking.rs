//! What a message to others still lacks: of what its runbook asks for, and of what every message of an incident should
//! say. Known before it is sent as well as afterwards.

use schemars::JsonSchema;
use serde::Serialize;

use super::composing::parts;
use crate::engine::event::Update;
use crate::model::message::Stage;
use crate::model::runbook::{Expected, Milestone, PhraseSet, Runbook, UpdatePart};

/// One thing that a message does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lack {
    /// What, in words.
    pub what: String,
    /// Whether the runbook asks for it.
    pub asked: bool,
}

/// The phrases that a runbook asks for, in the order in which it does.
pub fn asked_phrases(runbook: &Runbook) -> Vec<PhraseSet> {
    let mut all = Vec::new();
    for line in &runbook.expect {
        if let Expected::MessageContains { phrases } = &line.what {
            for set in phrases {
                if !all.contains(set) {
                    all.push(*set);
                }
            }
        }
    }
    all
}

/// Every channel that a runbook asks for.
fn asked_channels(runbook: &Runbook) -> Vec<String> {
    let lines = runbook.expect.iter().filter_map(|line| match &line.what {
        Expected::Event {
            event: Milestone::Update { channels, .. },
            ..
        } => Some(channels),
        _ => None,
    });
    lines.flatten().cloned().collect()
}

/// What an update lacks, wherever it goes.
pub fn lacking(update: &Update, runbook: &Runbook) -> Vec<Lack> {
    let everywhere = Update {
        channels: asked_channels(runbook),
        ..update.clone()
    };
    let asked = parts(runbook, &everywhere).into_iter();
    let mut all: Vec<Lack> = asked
        .filter(|part| !part.there)
        .map(|part| Lack {
            what: part.what,
            asked: true,
        })
        .collect();
    // What is over has no next time.
    if update.stage.is_some_and(Stage::closes) {
        return all;
    }
    for part in [UpdatePart::NextUpdateAt, UpdatePart::EstimatedRecovery] {
        let what = super::wording::part(part);
        if !update.has(part) && !all.iter().any(|lack| lack.what == what) {
            all.push(Lack {
                what: what.to_owned(),
                asked: false,
            });
        }
    }
    all
}
