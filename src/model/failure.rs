//! Kinds of failure: what a fault does to those who depend on its target, whichever tool does it. What was drilled and
//! what never is told in these words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::container::ContainerAction;
use super::fault::{Act, Toxic};
use super::ids::{ProxyName, ServiceName};
use super::plan::Plan;
use super::stack::Stack;

/// A kind of failure.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FailureKind")]
pub enum Failure {
    /// Answers come late or in pieces.
    Slow,
    /// Connections break, or lose what they carry.
    Broken,
    /// Nothing comes through.
    CutOff,
    /// The process is gone.
    Crashed,
    /// The process is there and does nothing.
    Frozen,
    /// It has too little memory or processor time.
    Starved,
    /// Something was changed by calls or commands of the user's own: a bad release, a wrong setting.
    Changed,
}

impl Failure {
    /// All, as pages list them.
    pub const ALL: [Self; 7] = [
        Self::Slow,
        Self::Broken,
        Self::CutOff,
        Self::Crashed,
        Self::Frozen,
        Self::Starved,
        Self::Changed,
    ];

    /// As addresses and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Broken => "broken",
            Self::CutOff => "cut_off",
            Self::Crashed => "crashed",
            Self::Frozen => "frozen",
            Self::Starved => "starved",
            Self::Changed => "changed",
        }
    }

    /// As people say it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Broken => "broken connections",
            Self::CutOff => "cut off",
            Self::Crashed => "crashed",
            Self::Frozen => "frozen",
            Self::Starved => "starved",
            Self::Changed => "changed",
        }
    }

    /// The keys of steps that bring it about.
    pub fn steps(self) -> &'static str {
        match self {
            Self::Slow => "latency, bandwidth, slow_close, slicer",
            Self::Broken => "reset_peer, packet_loss, limit_data",
            Self::CutOff => "partition, down, timeout, disconnect",
            Self::Crashed => "kill, crash, stop, restart",
            Self::Frozen => "pause",
            Self::Starved => "squeeze",
            Self::Changed => "hook, exec",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What an act brings about.
    pub fn of(act: &Act) -> Self {
        match act {
            Act::AddToxic { toxic, .. } => match toxic {
                Toxic::Latency { .. }
                | Toxic::Bandwidth { .. }
                | Toxic::SlowClose { .. }
                | Toxic::Slicer { .. } => Self::Slow,
                Toxic::ResetPeer { .. } | Toxic::PacketLoss { .. } | Toxic::LimitData { .. } => {
                    Self::Broken
                }
                Toxic::Timeout { .. } => Self::CutOff,
            },
            Act::DisableProxy { .. } | Act::Cut { .. } => Self::CutOff,
            Act::Container { action, .. } => match action {
                ContainerAction::Kill
                | ContainerAction::Stop
                | ContainerAction::Restart
                | ContainerAction::Crash(_) => Self::Crashed,
                ContainerAction::Pause => Self::Frozen,
                ContainerAction::Squeeze(_) => Self::Starved,
                ContainerAction::Exec(_) => Self::Changed,
            },
            Act::Hook(_) => Self::Changed,
        }
    }
}

/// Where a failure is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// On a link, which its proxy names.
    Link(ProxyName),
    /// In a service.
    Service(ServiceName),
    /// Wherever a hook's own calls reach.
    Elsewhere,
}

impl Target {
    /// Where an act is.
    pub fn of(act: &Act) -> Self {
        match act {
            Act::AddToxic { link, .. } | Act::DisableProxy { link } => {
                Self::Link(link.proxy.clone())
            }
            Act::Container { service, .. } | Act::Cut { service, .. } => {
                Self::Service(service.clone())
            }
            Act::Hook(_) => Self::Elsewhere,
        }
    }

    /// As one text, that no other target has.
    pub fn key(&self) -> String {
        match self {
            Self::Link(proxy) => format!("link:{proxy}"),
            Self::Service(service) => format!("service:{service}"),
            Self::Elsewhere => "elsewhere".to_owned(),
        }
    }

    /// All of a stack: services, links in the order of the file, and what hooks reach.
    pub fn all(stack: &Stack) -> Vec<Self> {
        let services = stack.services.keys().cloned().map(Self::Service);
        let links = stack
            .links
            .iter()
            .map(|link| Self::Link(link.proxy.clone()));
        services.chain(links).chain([Self::Elsewhere]).collect()
    }

    /// Whether firedrill has a fault that makes this target of a stack fail like this.
    pub fn can(&self, failure: Failure, stack: &Stack) -> bool {
        match self {
            Self::Link(_) => matches!(failure, Failure::Slow | Failure::Broken | Failure::CutOff),
            Self::Service(service) => {
                let known = stack.services.get(service);
                let reachable =
                    known.is_some_and(|known| known.container.is_some() && !known.protected);
                reachable && !matches!(failure, Failure::Slow | Failure::Broken)
            }
            Self::Elsewhere => failure == Failure::Changed,
        }
    }
}

impl Plan {
    /// The kinds of failure that its steps bring about, each once.
    pub fn failures(&self) -> Vec<Failure> {
        let mut all: Vec<Failure> = self
            .injections
            .iter()
            .map(|injection| Failure::of(&injection.act))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Where its steps act, and how what is there fails, each once.
    pub fn hits(&self) -> Vec<(Target, Failure)> {
        let acts = self.injections.iter().map(|injection| &injection.act);
        let mut all: Vec<_> = acts
            .map(|act| (Target::of(act), Failure::of(act)))
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::plans::experiment;

    #[test]
    fn a_plan_says_what_fails_where() {
        let plan = experiment();
        let hits = plan.hits();
        assert!(!hits.is_empty());
        for (target, failure) in hits {
            assert!(Target::all(&plan.stack).contains(&target), "{target:?}");
            assert!(plan.failures().contains(&failure));
        }
    }

    #[test]
    fn names_of_kinds_are_read_as_they_are_written() {
        for kind in Failure::ALL {
            assert_eq!(Failure::named(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).expect("a word"), kind.as_str());
        }
        assert_eq!(Failure::named("loud"), None);
    }
}
