//! Teams: who is drilled. Names only; a person's name never enters a run's log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::TeamName;

/// A team that drills name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// As drills name it.
    pub name: TeamName,
    /// Its members' handles.
    pub members: Vec<String>,
    /// Those of them who are on call, in the order in which they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_call: Vec<String>,
}

/// What a responder can be during an incident.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Leads; does not fix.
    IncidentCommander,
    /// Stands in for the commander.
    Deputy,
    /// Writes down what happens.
    Scribe,
    /// Speaks to customers and colleagues.
    Communications,
    /// Acts on the stack.
    Operations,
    /// Knows one part deeply.
    SubjectExpert,
}

impl Role {
    /// All roles, in the order pages list them.
    pub const ALL: [Self; 6] = [
        Self::IncidentCommander,
        Self::Deputy,
        Self::Scribe,
        Self::Communications,
        Self::Operations,
        Self::SubjectExpert,
    ];

    /// As files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IncidentCommander => "incident_commander",
            Self::Deputy => "deputy",
            Self::Scribe => "scribe",
            Self::Communications => "communications",
            Self::Operations => "operations",
            Self::SubjectExpert => "subject_expert",
        }
    }
}
