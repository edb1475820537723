//! Plans: everything one run needs, resolved, as its first event carries it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::drill::{Detection, Drill};
use super::experiment::{Experiment, StopCondition, carries};
use super::fault::Injection;
use super::ids::ProbeName;
use super::probe::Probe;
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
    /// A probe of the stack, or the question of a stop condition.
    pub fn probe(&self, name: &ProbeName) -> Option<&Probe> {
        let own = self.experiment.stop_when.iter();
        let own = own.filter_map(StopCondition::own);
        let stack = self.stack.probes.get(name);
        stack.or_else(|| own.into_iter().find(|probe| probe.name == *name))
    }

    /// Whether an alert with these labels concerns it: it is a detection, or it stops the run.
    pub fn awaits(&self, labels: &BTreeMap<String, String>) -> bool {
        self.detects(labels) || self.is_stopped_by(labels)
    }

    /// Whether an alert with these labels is a detection of the drill.
    pub fn detects(&self, labels: &BTreeMap<String, String>) -> bool {
        let rules = self
            .drill
            .iter()
            .flat_map(|exercise| &exercise.drill.detection);
        rules.into_iter().any(|rule| match rule {
            Detection::Alertmanager { labels: wanted } => carries(labels, wanted),
            Detection::Human => false,
        })
    }

    /// Whether an alert with these labels stops the run.
    pub fn is_stopped_by(&self, labels: &BTreeMap<String, String>) -> bool {
        let mut conditions = self.experiment.stop_when.iter();
        conditions.any(|condition| condition.is_met_by(labels))
    }

    /// Whether it must hear alerts, because one of them stops it.
    pub fn stops_on_alerts(&self) -> bool {
        let mut conditions = self.experiment.stop_when.iter();
        conditions.any(|condition| matches!(condition, StopCondition::Alert { .. }))
    }

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
