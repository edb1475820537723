//! What of a run that is over is kept beside its log, for pages over many runs: made from the log by the score, and made
//! anew whenever the rules change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::{Failure, Target};
use super::ids::{StackName, TeamName};

/// A time of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Time {
    /// It took so long, in milliseconds.
    Measured(u64),
    /// It was cut short: it took longer than this, in milliseconds.
    AtLeast(u64),
}

impl Time {
    /// How long it took, or at least took, in milliseconds.
    pub fn ms(self) -> u64 {
        match self {
            Self::Measured(ms) | Self::AtLeast(ms) => ms,
        }
    }

    /// Whether its end was seen.
    pub fn is_measured(self) -> bool {
        matches!(self, Self::Measured(_))
    }
}

/// What is compared with itself only: runs of one drill or experiment on one stack, of one team, announced or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Whether it is a drill; else an experiment.
    pub drill: bool,
    /// The drill's name, else the experiment's.
    pub name: String,
    /// On which stack.
    pub stack: StackName,
    /// Who is drilled.
    pub team: Option<TeamName>,
    /// Whether the team was not told before.
    pub surprise: bool,
    /// Whether it was a rehearsal, which counts for nothing.
    pub rehearsal: bool,
    /// The drill's severity, such as `SEV1`.
    pub severity: Option<String>,
    /// The runbook's class, such as `availability`.
    pub class: Option<String>,
    /// The kinds of failure that its steps bring about.
    pub failures: Vec<Failure>,
}

impl Scenario {
    /// In words that tell it apart from others of its name.
    pub fn called(&self) -> String {
        let team = self
            .team
            .as_ref()
            .map_or_else(String::new, |team| format!(" of {team}"));
        let what = match (self.drill, self.surprise) {
            (false, _) => "experiment",
            (true, false) => "announced drills",
            (true, true) => "surprise drills",
        };
        format!("{}, {what}{team} on {}", self.name, self.stack)
    }
}

/// How one thing that can be a weakness came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// As it should.
    Held,
    /// Not as it should.
    Failed,
    /// That could not be told.
    NotTold,
}

/// What a weakness would be of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WeaknessSide")]
pub enum Side {
    /// A probe of the hypothesis: the stack.
    Stack,
    /// A line of the runbook: the team.
    Team,
}

/// One thing that can be a weakness, in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Whose.
    pub side: Side,
    /// The probe, or the line's id.
    pub id: String,
    /// How it came out.
    pub standing: Standing,
}

/// A run in the figures that pages over many runs show.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The version of the rules by which it was made.
    pub version: u32,
    /// What it is compared with.
    pub scenario: Scenario,
    /// Whether both sides passed; none where the run was aborted or errored.
    pub passed: Option<bool>,
    /// The rating's letter.
    pub rating: Option<String>,
    /// In percent.
    pub outcome: Option<f64>,
    /// The share of the weight that could be seen, in percent.
    pub observed: Option<f64>,
    /// The four times; none where there was nothing to measure.
    pub times: Times,
    /// Who ended the impact, in a word.
    pub ended_by: Option<String>,
    /// How long the stack was watched from the first fault on, in milliseconds.
    pub watched_ms: u64,
    /// For how much of that users were hurt, in milliseconds.
    pub hurt_ms: u64,
    /// What faults took effect where.
    pub hits: Vec<(Target, Failure)>,
    /// What held and what did not.
    pub points: Vec<Point>,
}

/// The four times of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// TTD.
    pub detect: Option<Time>,
    /// TTA.
    pub acknowledge: Option<Time>,
    /// TTM.
    pub mitigate: Option<Time>,
    /// TTR.
    pub recover: Option<Time>,
}
