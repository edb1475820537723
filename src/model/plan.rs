//! Plans: everything one run needs, resolved, as its first event carries it.

use serde::{Deserialize, Serialize};

use super::drill::Drill;
use super::experiment::Experiment;
use super::fault::Injection;
use super::runbook::Runbook;
use super::stack::Stack;
use super::team::Team;

/// What a run does, complete: nothing else is read while it runs or when it is scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The system under test.
    pub stack: Stack,
    /// What is tried.
    pub experiment: Experiment,
    /// Each step's injections, in the order of the method.
    pub injections: Vec<Injection>,
    /// Who is drilled and how, for a drill.
    pub drill: Option<Exercise>,
    /// The files it was made from.
    pub files: Vec<SourceFile>,
}

impl Plan {
    /// The name of the drill, else of the experiment.
    pub fn name(&self) -> &str {
        self.drill
            .as_ref()
            .map_or(self.experiment.name.as_str(), |exercise| {
                exercise.drill.name.as_str()
            })
    }
}

/// The people's side of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exercise {
    /// The drill.
    pub drill: Drill,
    /// What the team is judged against.
    pub runbook: Runbook,
    /// Who is drilled.
    pub team: Team,
}

/// A file as it was when the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// As given.
    pub path: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}
