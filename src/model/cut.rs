//! Cuts: containers that lose sight of others on their Docker networks.

use serde::{Deserialize, Serialize};

use super::ids::ServiceName;
use super::stack::ContainerSelector;

/// How one container is cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// It leaves networks, and sees nobody there.
    Disconnect {
        /// Which, by name; every user-defined one where this is empty.
        networks: Vec<String>,
        /// Which address it must come back with.
        address: Address,
    },
    /// It moves, with its group, to networks of their own, where it no longer sees those that it is parted from.
    Part {
        /// From whom.
        from: Vec<Party>,
        /// The rest of its group, which moves too.
        with: Vec<Party>,
        /// What of those on neither side.
        others: Others,
        /// Which address it must come back with.
        address: Address,
    },
}

impl Cut {
    /// The step key.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Disconnect { .. } => "disconnect",
            Self::Part { .. } => "partition",
        }
    }

    /// Which address the container must come back with.
    pub fn address(&self) -> Address {
        match self {
            Self::Disconnect { address, .. } | Self::Part { address, .. } => *address,
        }
    }
}

/// A service of a group, and how its container is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Which.
    pub service: ServiceName,
    /// How its container is found.
    pub selector: ContainerSelector,
}

/// Which address a container must come back with on each network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// The one it had: only a fixed one can be asked for, so a container without is refused.
    Same,
    /// A fixed one again; else whichever the daemon gives.
    Any,
}

/// What becomes of containers on neither side of a partition, which lose sight of the moved group as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They must not: where there are some, it is refused.
    Refuse,
    /// They may.
    Cut,
}
