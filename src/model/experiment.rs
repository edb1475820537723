//! Experiments: a steady state, a timeline of faults, conditions that stop it, and limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Step;
use super::ids::{ExperimentName, ProbeName, StackName};
use super::probe::{Probe, Tolerance};
use super::time::Millis;

/// What is tried on a stack. Needs no people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// As drills name it.
    pub name: ExperimentName,
    /// On which stack.
    pub stack: StackName,
    /// What is believed to hold, in a sentence.
    pub hypothesis: String,
    /// What says that the stack is well: it gates before and after.
    pub steady_state: Vec<Tolerance>,
    /// What must hold while faults are on.
    pub during: Vec<Tolerance>,
    /// The timeline.
    pub method: Vec<Step>,
    /// What ends the run at once.
    pub stop_when: Vec<StopCondition>,
    /// How far it may go.
    pub limits: Limits,
    /// How the stack must come back.
    pub recovery: Recovery,
}

/// What ends a run as `aborted`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StopCondition {
    /// A probe of the stack fails for too long.
    Probe {
        /// Which probe.
        probe: ProbeName,
        /// How long is too long.
        #[serde(flatten)]
        patience: Patience,
    },
    /// A question of the condition's own fails for too long.
    Own {
        /// What is asked, and how often.
        own: Box<Probe>,
        /// How long is too long.
        #[serde(flatten)]
        patience: Patience,
    },
    /// An alert fires.
    Alert {
        /// The labels it carries, all of them.
        alertmanager: BTreeMap<String, String>,
    },
}

impl StopCondition {
    /// The probe whose failure stops the run, and how long it may last.
    pub fn probe(&self) -> Option<(&ProbeName, Patience)> {
        match self {
            Self::Probe { probe, patience } => Some((probe, *patience)),
            Self::Own { own, patience } => Some((&own.name, *patience)),
            Self::Alert { .. } => None,
        }
    }

    /// The condition's own question.
    pub fn own(&self) -> Option<&Probe> {
        match self {
            Self::Own { own, .. } => Some(own),
            _ => None,
        }
    }

    /// Whether an alert with these labels stops the run.
    pub fn is_met_by(&self, labels: &BTreeMap<String, String>) -> bool {
        matches!(self, Self::Alert { alertmanager } if carries(labels, alertmanager))
    }
}

/// Whether an alert carries all labels that are wanted.
pub fn carries(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted
        .iter()
        .all(|(name, value)| labels.get(name) == Some(value))
}

/// How long a probe may fail until it stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Patience {
    /// Counted from the send time of the first failing sample.
    FailsFor(Millis),
    /// Failing samples in a row, at least 1.
    Fails(u32),
}

impl std::fmt::Display for Patience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FailsFor(length) => write!(f, "for {length}"),
            Self::Fails(1) => write!(f, "once"),
            Self::Fails(samples) => write!(f, "{samples} times in a row"),
        }
    }
}

/// How far an experiment may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Services hit at once.
    pub services: Option<u32>,
    /// Links hit at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<u32>,
    /// Containers hit at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<u32>,
    /// The share of a tier's services hit at once, in percent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, u8>,
    /// From the first step to the end of observation; past it the run is `aborted`.
    pub duration: Millis,
}

/// How the stack must come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// At the latest this long after the last undo.
    pub within: Millis,
    /// How long it must hold.
    pub stable_for: Millis,
}
