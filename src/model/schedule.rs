//! When drills start by themselves.

use serde::{Deserialize, Serialize};

use super::time::Millis;

/// A drill's calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields: minute, hour, day of month, month, day of week.
    pub cron: String,
    /// An IANA zone such as `Europe/Berlin`.
    pub timezone: String,
    /// How late a start may still happen; a later one is skipped and said.
    pub tolerance: Millis,
    /// Whether its responders are not told: until the run is over, or staff tell them, they see only what the stack shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub surprise: bool,
}
