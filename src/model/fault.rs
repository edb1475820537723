//! Faults: reversible disturbances, as steps of a method and as the single injections a step resolves to.

use serde::{Deserialize, Serialize};

use super::ids::{InjectionId, ProxyName, RemedyId, ServiceName, StepId};
use super::probe::{Expect, HttpRequest, Program};
use super::stack::{ContainerSelector, Link};
use super::time::Millis;

/// One step of an experiment's method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Unique in its experiment.
    pub id: StepId,
    /// What it disturbs.
    pub fault: Fault,
    /// When it begins.
    pub start: Start,
    /// When it ends at the latest.
    pub lasts: Lasts,
}

/// When a step begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// This long after the method began.
    At(Millis),
    /// This long after another step has ended and been undone.
    After {
        /// The step waited for.
        step: StepId,
        /// The time in between.
        wait: Millis,
    },
}

/// How long a step lasts. Every fault has a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lasts {
    /// Exactly this long.
    For(Millis),
    /// Until a remedy ends it, and never longer than this.
    UntilRemedied {
        /// The deadline.
        at_most: Millis,
    },
}

impl Lasts {
    /// The deadline, counted from when the injection was armed.
    pub fn deadline(self) -> Millis {
        match self {
            Self::For(length) | Self::UntilRemedied { at_most: length } => length,
        }
    }
}

/// What a step disturbs, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A toxic on one link.
    Toxic {
        /// The link, by its proxy.
        link: ProxyName,
        /// Towards whom the disturbed bytes flow.
        direction: Direction,
        /// The share of connections it hits, above 0 and up to 1.
        toxicity: f64,
        /// The disturbance.
        toxic: Toxic,
    },
    /// A link's proxy disabled: connections closed, new ones refused.
    Down {
        /// The link, by its proxy.
        link: ProxyName,
    },
    /// All links from one group of services to another cut.
    Partition {
        /// Callers.
        from: Vec<ServiceName>,
        /// Called.
        to: Vec<ServiceName>,
        /// How connections fare.
        mode: PartitionMode,
    },
    /// Something done to a service's container.
    Container {
        /// Whose container.
        service: ServiceName,
        /// What is done.
        action: ContainerAction,
    },
    /// Calls or programs of the user's own.
    Hook(Hook),
}

/// Towards whom bytes flow, seen from the client that opened the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the service called back to the caller.
    Downstream,
    /// From the caller to the service called.
    Upstream,
    /// Each way, one toxic on either stream.
    Both,
}

/// One direction of a proxied connection, in Toxiproxy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Upstream server to client.
    Downstream,
    /// Client to upstream server.
    Upstream,
}

impl Stream {
    /// The word in Toxiproxy's API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Downstream => "downstream",
            Self::Upstream => "upstream",
        }
    }
}

/// A toxic and its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Toxic {
    /// Data arrives later: `latency` ± `jitter`.
    Latency {
        /// The delay.
        latency: Millis,
        /// How far it varies either way.
        jitter: Millis,
    },
    /// At most `rate` kilobytes (1,000 bytes) a second.
    Bandwidth {
        /// KB/s, at least 1.
        rate: u64,
    },
    /// The end of the stream arrives later.
    SlowClose {
        /// The delay.
        delay: Millis,
    },
    /// No data passes; closed after this long without data, never when zero.
    Timeout {
        /// Idle time until the close.
        timeout: Millis,
    },
    /// The connection is reset after this long.
    ResetPeer {
        /// Time until the reset.
        timeout: Millis,
    },
    /// Data arrives in small pieces.
    Slicer {
        /// Bytes in a piece on average, at least 1.
        average_size: u64,
        /// How far a piece's size varies, below `average_size`.
        size_variation: u64,
        /// Microseconds after each piece.
        delay_us: u64,
    },
    /// The connection closes after this many bytes.
    LimitData {
        /// Bytes.
        bytes: u64,
    },
    /// Chunks of the stream vanish; only newer servers have it.
    PacketLoss {
        /// Share of chunks lost, 0 to 1.
        loss_rate: f64,
        /// How much a loss makes the next more likely, 0 to 1.
        correlation: f64,
    },
}

impl Toxic {
    /// The type's name in Toxiproxy's API.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::SlowClose { .. } => "slow_close",
            Self::Timeout { .. } => "timeout",
            Self::ResetPeer { .. } => "reset_peer",
            Self::Slicer { .. } => "slicer",
            Self::LimitData { .. } => "limit_data",
            Self::PacketLoss { .. } => "packet_loss",
        }
    }
}

/// How the connections of a partition fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionMode {
    /// Data vanishes either way: a `timeout` toxic of 0 on both streams.
    Drop,
    /// Connections are closed and refused: the proxy is disabled.
    Refuse,
    /// Connections are reset: a `reset_peer` toxic on both streams.
    Reset,
}

/// What is done to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerAction {
    /// SIGKILL through the API, which suppresses the restart policy; undone by start.
    Kill,
    /// Stopped in good order; undone by start.
    Stop,
    /// Frozen; undone by unpause.
    Pause,
    /// Restarted once; nothing to undo but to see that it runs.
    Restart,
}

impl ContainerAction {
    /// The step key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Restart => "restart",
        }
    }
}

/// A disturbance of the user's own making.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// What is read before it is done, for the undo to put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// What is done.
    #[serde(rename = "do")]
    pub act: Call,
    /// What shows that it was done; without it the call's own status is the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// What undoes it; absent only for a remedy that leaves nothing to restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Call>,
    /// What shows that it was undone; without it the undo's own status is the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_undone: Option<Verify>,
}

impl Hook {
    /// Every call it makes.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        let captures = self.capture.iter().map(|capture| &capture.call);
        captures
            .chain([&self.act])
            .chain(self.verify.iter().map(|verify| &verify.call))
            .chain(&self.undo)
            .chain(self.verify_undone.iter().map(|verify| &verify.call))
    }
}

/// A question about what is there, asked before something is done. Its answer stands for `${captured}` in the undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// What is asked; it must not change anything.
    pub call: Call,
    /// The JSONPath (RFC 9535) of the value in a request's answer; a program's is what it prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
}

/// One call: a request (which must answer 200 to 299) or a program (which must exit 0).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// An HTTP request.
    Http(HttpRequest),
    /// A program.
    Run(Program),
}

/// A call whose answer must be as expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verify {
    /// What is asked.
    pub call: Call,
    /// What must come back.
    pub expect: Expect,
}

/// One disturbance of one target: the unit of the undo ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Injection {
    /// Unique in its run: the step's id, with `#2`, `#3`… for its further targets.
    pub id: InjectionId,
    /// Why it is there.
    pub cause: Cause,
    /// What exactly is done.
    pub act: Act,
    /// When it ends at the latest.
    pub lasts: Lasts,
}

/// What an injection belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A step of the method.
    Step(StepId),
    /// A remedy that a responder or a rule chose.
    Remedy(RemedyId),
}

/// What exactly is done to one target, everything resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// One toxic added to one stream of one proxy.
    AddToxic {
        /// The link whose proxy it is.
        link: Link,
        /// The stream.
        stream: Stream,
        /// The share of connections it hits.
        toxicity: f64,
        /// The disturbance.
        toxic: Toxic,
    },
    /// One proxy disabled.
    DisableProxy {
        /// The link whose proxy it is.
        link: Link,
    },
    /// One container acted on.
    Container {
        /// Whose container.
        service: ServiceName,
        /// How it is found.
        selector: ContainerSelector,
        /// What is done.
        action: ContainerAction,
    },
    /// The user's own calls.
    Hook(Hook),
}

impl Act {
    /// The services hit: a link counts the one it leads to.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::AddToxic { link, .. } | Self::DisableProxy { link } => Some(&link.to),
            Self::Container { service, .. } => Some(service),
            Self::Hook(_) => None,
        }
    }
}
