//! Experiments: a steady state, a timeline of faults, conditions that stop it, and limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Step;
use super::ids::{ExperimentName, ProbeName, StackName};
use super::probe::Tolerance;
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

/// A probe that has failed for this long ends the run as `aborted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopCondition {
    /// Which probe.
    pub probe: ProbeName,
    /// Counted from the send time of the first failing sample.
    pub fails_for: Millis,
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
