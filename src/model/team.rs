//! Teams: who is drilled. Names only; a person's name never enters a run's log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::TeamName;
use super::time::Millis;

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
    /// Who is asked next while nobody acknowledges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalation: Vec<Rung>,
}

/// One step of an escalation chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// How long nobody has acknowledged since the page, or since the step before.
    pub after: Millis,
    /// Who is asked then: members, or whoever else a team calls.
    pub to: Vec<String>,
}

/// On which side of a drill somebody is. Nobody is on both in one run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Seat {
    /// Is drilled.
    Responder,
    /// Exercise staff: planned the drill.
    Owner,
    /// Exercise staff: began it, and watches over it.
    Coordinator,
    /// Exercise staff: looks on, and sees what responders don't.
    Observer,
}

impl Seat {
    /// All seats.
    pub const ALL: [Self; 4] = [
        Self::Responder,
        Self::Owner,
        Self::Coordinator,
        Self::Observer,
    ];

    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Responder => "responder",
            Self::Owner => "owner",
            Self::Coordinator => "coordinator",
            Self::Observer => "observer",
        }
    }

    /// Whether it is exercise staff's.
    pub fn is_staff(self) -> bool {
        self != Self::Responder
    }
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

    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::IncidentCommander => "incident commander",
            Self::SubjectExpert => "subject expert",
            other => other.as_str(),
        }
    }
}
