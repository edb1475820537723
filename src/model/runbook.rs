//! Runbooks: what responders should do, and by when, in lines that a log can be judged against.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ExpectationId, ProbeName, RemedyId, RunbookName};
use super::team::Role;
use super::time::Millis;

/// Markdown with machine-scorable expectations in front.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runbook {
    /// As drills name it.
    pub name: RunbookName,
    /// Which communication clock applies.
    pub class: Class,
    /// The lines, in the order of the file.
    pub expect: Vec<Expectation>,
    /// The Markdown after the front matter.
    pub body: String,
}

/// The kind of incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Users can't do something.
    Availability,
    /// Keys, money or data may be in wrong hands.
    Security,
}

/// One line a run is judged against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Unique in its runbook.
    pub id: ExpectationId,
    /// What is expected.
    pub what: Expected,
    /// Its share of the points.
    pub weight: f64,
    /// Whether missing it caps the rating.
    pub critical: bool,
}

/// What is expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// An event, soon enough after another or before another.
    Event {
        /// Which event.
        event: Milestone,
        /// Who must have caused it.
        by: Option<By>,
        /// In full credit up to here.
        within: Option<Millis>,
        /// In part credit up to here; at least `within`.
        limit: Option<Millis>,
        /// What the time counts from.
        from: Option<Anchor>,
        /// What it must come before.
        before: Option<Target>,
    },
    /// Updates at least this often from the first one on.
    Cadence {
        /// The longest gap.
        every: Millis,
        /// Until when.
        until: Anchor,
        /// For whom; any audience when absent.
        audience: Option<Audience>,
        /// What each update must carry.
        must_have: Vec<UpdatePart>,
    },
    /// At least one update holds a phrase of each of these named sets.
    MessageContains {
        /// Names of phrase sets.
        phrases: Vec<PhraseSet>,
    },
    /// Something that must not happen.
    Forbid {
        /// What is forbidden.
        target: Target,
    },
    /// This probe holds again, soon enough.
    Probe {
        /// Which probe.
        probe: ProbeName,
        /// In full credit up to here.
        within: Millis,
        /// In part credit up to here.
        limit: Option<Millis>,
        /// What the time counts from.
        from: Anchor,
    },
    /// Judged by exercise staff after the drill.
    Manual {
        /// What they judge.
        text: String,
    },
}

/// An event that an expectation waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// The first qualifying detection.
    Detected,
    /// The first acknowledgement.
    Acknowledged,
    /// An incident was declared.
    Declared,
    /// Somebody took a role.
    RoleAssigned(Role),
    /// The right cause was named.
    CauseNamed(String),
    /// A remedy was chosen.
    RemedyChosen(RemedyId),
    /// An update was posted.
    Update {
        /// For whom; any audience when absent.
        audience: Option<Audience>,
        /// On at least one of these channels; any when empty.
        channels: Vec<String>,
        /// What it must carry.
        must_have: Vec<UpdatePart>,
    },
    /// Impact probes hold again.
    Mitigated,
    /// All of steady state holds again.
    Recovered,
    /// The team said that it is over.
    Resolved,
}

/// Who caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person.
    Human,
    /// A machine.
    Automation,
    /// A person's action ended it.
    Team,
}

/// What a time counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The first fault was read back.
    FaultEffective,
    /// Users were hurt.
    ImpactObserved,
    /// The first qualifying detection.
    Detected,
    /// The first page delivered; without a pager, the first qualifying alert received.
    Paged,
    /// The first human acknowledgement.
    Acknowledged,
    /// An incident was declared.
    Declared,
    /// Impact probes hold again.
    Mitigated,
    /// All of steady state holds again.
    Recovered,
    /// The team said that it is over.
    Resolved,
}

/// What an event comes before, or what is forbidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A remedy chosen.
    Remedy(RemedyId),
    /// A moment of the incident.
    Anchor(Anchor),
}

/// For whom an update is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Those who use the wallet.
    Customers,
    /// Colleagues.
    Internal,
    /// Who must be told by law.
    Regulator,
}

/// What an update can be required to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdatePart {
    /// When the next one comes.
    NextUpdateAt,
    /// A range for the recovery.
    EstimatedRecovery,
}

/// A named set of phrases, any of which counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhraseSet {
    /// Users shall not send again.
    DoNotRetry,
    /// Users shall not give their keys away.
    NeverShareKeys,
    /// Users' money is safe.
    FundsAreSafe,
}
