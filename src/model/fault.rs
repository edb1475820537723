//! Faults: reversible disturbances, as steps of a method and as the single injections a step resolves to.

use serde::{Deserialize, Serialize};

pub use super::container::ContainerAction;
use super::cut::{Address, Cut, Others};
use super::ground::Socket;
use super::ids::{InjectionId, ProxyName, RemedyId, ServiceName, StepId};
use super::probe::{Expect, HttpRequest, Program};
use super::stack::{ContainerSelector, Link, Share};
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
    /// How often it happens, where that is more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
}

impl Step {
    /// How often it happens.
    pub fn times(&self) -> u32 {
        self.repeat.map_or(1, |repeat| repeat.times.max(1))
    }

    /// From its beginning to that of its `nth` occurrence, counted from 1.
    pub fn offset(&self, nth: u32) -> Millis {
        let every = self.repeat.map_or(0, |repeat| repeat.every.get());
        Millis::new(every.saturating_mul(u64::from(nth.saturating_sub(1))))
    }

    /// From the beginning of its first occurrence to the deadline of its last.
    pub fn whole(&self) -> Millis {
        let last = self.offset(self.times()).get();
        Millis::new(last.saturating_add(self.lasts.deadline().get()))
    }

    /// Whether people may end it before its deadline.
    pub fn ends_early(&self) -> bool {
        matches!(self.lasts, Lasts::UntilRemedied { .. }) || self.is_pause()
    }

    /// Whether it waits for a person and disturbs nothing.
    pub fn is_pause(&self) -> bool {
        matches!(self.fault, Fault::Confirm(_))
    }
}

/// A step that happens again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// How often, at least twice.
    pub times: u32,
    /// From one beginning to the next, at least as long as the step lasts.
    pub every: Millis,
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
        /// How it grows to that, where it is not so at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ramp: Option<Ramp>,
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
        /// To how many of its containers, where it may have several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<Share>,
    },
    /// A service's container taken off its networks.
    Disconnect {
        /// Whose container.
        service: ServiceName,
        /// Which networks, by name; every user-defined one where this is empty.
        networks: Vec<String>,
        /// Which address it must come back with.
        address: Address,
    },
    /// Groups of containers parted on their networks.
    Part {
        /// Who stays.
        from: Vec<ServiceName>,
        /// Who moves.
        to: Vec<ServiceName>,
        /// What of those on neither side.
        others: Others,
        /// Which addresses the moved must come back with.
        address: Address,
    },
    /// Calls or programs of the user's own.
    Hook(Hook),
    /// Nothing: a person is waited for, for as long as the step lasts.
    Confirm(Confirm),
}

/// What a person is asked to confirm before the method goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// What they are asked to do.
    pub text: String,
    /// What happens where nobody has continued in time.
    pub then: Unconfirmed,
}

/// What happens where nobody has continued in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unconfirmed {
    /// The run is aborted.
    Abort,
    /// The method goes on.
    Continue,
}

impl Unconfirmed {
    /// The word in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Continue => "continue",
        }
    }
}

/// A toxic that grows: from `from` to what its step says, in `steps` equal steps over `over`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ramp {
    /// How it is at first: a toxic of the same kind.
    pub from: Strength,
    /// From its taking effect to its full strength.
    pub over: Millis,
    /// In how many steps, at least 1.
    pub steps: u32,
}

impl Ramp {
    /// From its taking effect to its `level`, where `steps` is the last.
    pub fn due(&self, level: u32) -> Millis {
        let over = u128::from(self.over.get()) * u128::from(level);
        let due = over / u128::from(self.steps.max(1));
        Millis::new(u64::try_from(due).unwrap_or(u64::MAX))
    }
}

/// How strong a toxic is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Strength {
    /// The disturbance.
    pub toxic: Toxic,
    /// The share of connections it hits.
    pub toxicity: f64,
}

impl Strength {
    /// The strength at `level` of `steps` on the way from this one to `full`, in whole units of each attribute.
    #[must_use]
    pub fn towards(self, full: Self, level: u32, steps: u32) -> Self {
        let level = level.min(steps);
        if level == steps {
            return full;
        }
        let whole = |from: u64, to: u64| {
            let (from, to) = (i128::from(from), i128::from(to));
            let way = (to - from) * i128::from(level) / i128::from(steps);
            u64::try_from(from + way).unwrap_or_default()
        };
        let share = |from: f64, to: f64| from + (to - from) * f64::from(level) / f64::from(steps);
        let millis = |from: Millis, to: Millis| Millis::new(whole(from.get(), to.get()));
        let toxic = match (self.toxic, full.toxic) {
            (
                Toxic::Latency { latency, jitter },
                Toxic::Latency {
                    latency: to,
                    jitter: wider,
                },
            ) => Toxic::Latency {
                latency: millis(latency, to),
                jitter: millis(jitter, wider),
            },
            (Toxic::Bandwidth { rate }, Toxic::Bandwidth { rate: to }) => Toxic::Bandwidth {
                rate: whole(rate, to),
            },
            (
                Toxic::PacketLoss {
                    loss_rate,
                    correlation,
                },
                Toxic::PacketLoss {
                    loss_rate: to,
                    correlation: closer,
                },
            ) => Toxic::PacketLoss {
                loss_rate: share(loss_rate, to),
                correlation: share(correlation, closer),
            },
            (_, full) => full,
        };
        Self {
            toxic,
            toxicity: share(self.toxicity, full.toxicity),
        }
    }
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
    /// The calls that change something.
    pub fn acts(&self) -> impl Iterator<Item = &Call> {
        [&self.act].into_iter().chain(&self.undo)
    }

    /// Whether the two surely act on different servers: all that either does are requests, and no two of them go to one
    /// place. Names may mean one host, programs may touch anything: then nothing is sure.
    pub fn is_apart_from(&self, other: &Self) -> bool {
        self.acts()
            .all(|one| other.acts().all(|two| one.is_apart_from(two)))
    }

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

impl Call {
    fn is_apart_from(&self, other: &Self) -> bool {
        let (Self::Http(one), Self::Http(other)) = (self, other) else {
            return false;
        };
        match (Socket::of_url(&one.url), Socket::of_url(&other.url)) {
            (Some(one), Some(other)) => one.is_apart_from(&other),
            _ => false,
        }
    }
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
    /// Unique in its run: the step's id, with `#2`, `#3`… for its further targets, then `:1`, `:2`… where it repeats.
    pub id: InjectionId,
    /// Why it is there.
    pub cause: Cause,
    /// What exactly is done.
    pub act: Act,
    /// When it ends at the latest.
    pub lasts: Lasts,
    /// Which of how many occurrences of its step, where that repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurrence: Option<Occurrence>,
    /// Whether what it leaves at its target must not tell whoever looks there what it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub veiled: bool,
}

impl Injection {
    /// Which occurrence of its step it is, counted from 1.
    pub fn nth(&self) -> u32 {
        self.occurrence.map_or(1, |occurrence| occurrence.nth)
    }
}

/// One occurrence of a step that repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// Which, from 1.
    pub nth: u32,
    /// Of how many.
    pub of: u32,
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
        /// The disturbance, in full.
        toxic: Toxic,
        /// How it grows to that, where it is not so at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ramp: Option<Ramp>,
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
    /// One container cut off on its networks.
    Cut {
        /// Whose container.
        service: ServiceName,
        /// How it is found.
        selector: ContainerSelector,
        /// How it is cut off.
        cut: Cut,
    },
    /// The user's own calls.
    Hook(Hook),
}

impl Act {
    /// How it grows, if it does.
    pub fn ramp(&self) -> Option<&Ramp> {
        match self {
            Self::AddToxic { ramp, .. } => ramp.as_ref(),
            _ => None,
        }
    }

    /// How strong a toxic is at a level of its ramp; in full where it has none.
    pub fn strength(&self, level: u32) -> Option<Strength> {
        let Self::AddToxic {
            toxic,
            toxicity,
            ramp,
            ..
        } = self
        else {
            return None;
        };
        let full = Strength {
            toxic: *toxic,
            toxicity: *toxicity,
        };
        Some(ramp.map_or(full, |ramp| ramp.from.towards(full, level, ramp.steps)))
    }

    /// Whether only its own calls tell what it did: whether it is there can't be read from its target.
    pub fn is_blind(&self) -> bool {
        match self {
            Self::Hook(_) => true,
            Self::Container { action, .. } => matches!(action, ContainerAction::Exec(_)),
            _ => false,
        }
    }

    /// The services hit: a link counts the one it leads to.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::AddToxic { link, .. } | Self::DisableProxy { link } => Some(&link.to),
            Self::Container { service, .. } | Self::Cut { service, .. } => Some(service),
            Self::Hook(_) => None,
        }
    }

    /// How the container acted on is found, if it is one.
    pub fn container(&self) -> Option<&ContainerSelector> {
        match self {
            Self::Container { selector, .. } | Self::Cut { selector, .. } => Some(selector),
            Self::AddToxic { .. } | Self::DisableProxy { .. } | Self::Hook(_) => None,
        }
    }
}
