//! The traits the runtime needs of the world, spoken in model and engine types. Adapters implement them; the runtime
//! and its tests know nothing else of Toxiproxy, Docker, HTTP or `SQLite`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;

use crate::engine::event::{Event, Origin, Source, Token, UndoneBy};
use crate::engine::posts::Post;
use crate::engine::undo::Armed;
use crate::engine::watch::Sample;
use crate::model::fault::Injection;
use crate::model::ids::{RunId, StackName};
use crate::model::plan::Plan;
use crate::model::probe::Probe;
use crate::model::stack::{ContainerSelector, Stack};
use crate::model::time::Stamp;

/// A boxed future, so that the traits can be used as objects.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads the clocks: the only source of stamps.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Stamp;
}

/// Makes what must be new or random.
pub trait Ids: Send + Sync {
    /// A run's id, new and sortable by time.
    fn run(&self) -> RunId;
    /// A seed for a run that was given none.
    fn seed(&self) -> u64;
    /// A seed for a surprise drill, which nobody can foresee who does not know this server's secret, and which whoever
    /// knows it can make again.
    fn sealed_seed(&self, run: &RunId) -> u64;
}

/// How long an append must last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On disk before the answer.
    Durable,
    /// On disk soon, in order with everything else.
    Grouped,
}

/// Why the journal did not take or give events.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else appended first.
    #[error("run {run} is at event {actual}, not {expected}: another process writes to it")]
    OutOfSequence {
        /// Which run.
        run: RunId,
        /// What the writer believed.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// No such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// What is stored does not add up.
    #[error("the log of run {run} is damaged at event {seq}: {what}")]
    Damaged {
        /// Which run.
        run: RunId,
        /// At which event.
        seq: u64,
        /// What is wrong.
        what: String,
    },
    /// The database refused.
    #[error("the journal could not be used: {0}")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Append-only, hash-chained logs, one a run.
pub trait Journal: Send + Sync {
    /// Appends `events`, whose first must have sequence `expected + 1`. All or nothing.
    fn append<'a>(
        &'a self,
        run: &'a RunId,
        expected: u64,
        events: &'a [Event],
        durability: Durability,
    ) -> Answer<'a, Result<(), JournalError>>;

    /// A run's whole log, its chain checked.
    fn load<'a>(&'a self, run: &'a RunId) -> Answer<'a, Result<Vec<Event>, JournalError>>;

    /// Runs that have no `RunEnded` yet, oldest first. No log is read for this: one that is damaged is listed, too.
    fn unfinished(&self) -> Answer<'_, Result<Vec<Unfinished>, JournalError>>;
}

/// A run without an end, as the journal knows it beside its log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unfinished {
    /// Which.
    pub run: RunId,
    /// On which stack.
    pub stack: StackName,
}

/// Holding a run. Dropped, and at the latest when the process dies, it is free again.
pub type Claim = Box<dyn Send + Sync>;

/// Who runs what: an operating-system lock, or a fenced lease, on each run.
pub trait Claims: Send + Sync {
    /// Takes a run, unless another process holds it.
    fn claim(&self, run: &RunId) -> std::io::Result<Option<Claim>>;
}

/// Why a fault's target did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The server in between could not be reached.
    #[error("{what} could not be reached: {why}")]
    Unreachable {
        /// Which server, with its address.
        what: String,
        /// Why.
        why: String,
    },
    /// It answered, and refused.
    #[error("{what} refused: {why}")]
    Refused {
        /// Who.
        what: String,
        /// In its words, with the status.
        why: String,
    },
    /// The target is not there.
    #[error("{what} is not there{}", hint.as_ref().map(|h| format!("; hint: {h}")).unwrap_or_default())]
    Missing {
        /// Which target.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It was read back, and is not as it should be.
    #[error("{what} reads back wrong: {why}")]
    ReadBack {
        /// Which target.
        what: String,
        /// What was expected and what was read.
        why: String,
    },
    /// Something that is not ours stands in the way.
    #[error("{what} is not ours: {why}")]
    Foreign {
        /// Which target.
        what: String,
        /// How we can tell.
        why: String,
    },
}

/// Proof that an injection is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// When the request was sent.
    pub sent: Stamp,
    /// When it was read back.
    pub effective: Stamp,
    /// What was read back, in a line.
    pub evidence: String,
}

/// Proof that an injection is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// When it was read back as gone.
    pub at: Stamp,
    /// Who removed it.
    pub by: UndoneBy,
    /// What was read back, in a line.
    pub evidence: String,
}

/// What a look at an active injection finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is on, as it was applied or last changed.
    Present,
    /// It is gone or changed; what was read instead.
    Gone(String),
}

/// Does and undoes injections on one kind of target. Every call has a deadline of its own (10 s at the most); every
/// call may be repeated.
pub trait FaultDriver: Send + Sync {
    /// Reads, without touching anything, what the undo will need, and refuses what can't be done or undone.
    fn capture<'a>(
        &'a self,
        run: &'a RunId,
        stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Token, FaultError>>;

    /// Applies it and reads it back. Repeating an applied one changes nothing.
    fn apply<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>>;

    /// Changes what is on, in its place, to the level that was asked for last, and reads it back. Repeating a change
    /// changes nothing. Only what has a ramp is ever changed.
    fn adjust<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        Box::pin(async move {
            Err(FaultError::Refused {
                what: format!("the driver of {}", armed.injection().id),
                why: "it can't change what is on".to_owned(),
            })
        })
    }

    /// Removes it and reads that back. Removing what is not there is a success by `Other`.
    fn undo<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Removed, FaultError>>;

    /// Whether it is still on.
    fn look<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Presence, FaultError>>;

    /// The command with which a person would undo it, for when firedrill can't; nothing where there is none.
    fn by_hand(&self, _armed: &Armed) -> Option<String> {
        None
    }
}

/// Proof that a channel took a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// When it was sent.
    pub sent: Stamp,
    /// When the channel had taken it.
    pub at: Stamp,
    /// What the channel calls it, by which later messages follow it.
    pub reference: Option<String>,
    /// What it answered, in a line.
    pub evidence: String,
}

/// Sends messages to channels. What may not be sent is refused here, whoever asks: a text that is not marked as a
/// drill's, a channel that is not on the allow-list, one that customers read and that is no sandbox.
pub trait Notifier: Send + Sync {
    /// Sends one message, within 30 s, tries included; else why it was not sent, without any secret.
    fn send<'a>(&'a self, post: &'a Post) -> Answer<'a, Result<Delivered, String>>;

    /// Why messages of a plan could not be sent, a line each. Nothing is sent for this.
    fn refused(&self, plan: &Plan) -> Vec<String>;
}

/// Asks probes.
pub trait Prober: Send + Sync {
    /// Asks once, at the latest until the expectation's `within` has passed.
    fn ask<'a>(&'a self, probe: &'a Probe) -> Answer<'a, Sample>;
}

/// Proves, before anything is touched, that a plan's targets are there and that its stack is staging.
pub trait Inspector: Send + Sync {
    /// Before a run: identity and every target; what was read, or all findings.
    fn inspect<'a>(&'a self, plan: &'a Plan) -> Answer<'a, Result<Vec<String>, Vec<String>>>;

    /// The same for a dry run, which makes nothing: whoever makes something to `inspect` it says here what is there without.
    fn look<'a>(&'a self, plan: &'a Plan) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        self.inspect(plan)
    }

    /// Before a run: chooses, from its seed, the containers of steps that hit some of several. What can't be chosen stays as
    /// it is, and `inspect` says why.
    fn draw(&self, plan: Plan, _seed: u64) -> Answer<'_, Plan> {
        Box::pin(async move { plan })
    }

    /// Before each fault: identity, and that what this one acts on is proven by it.
    fn prove<'a>(
        &'a self,
        stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Vec<String>, Vec<String>>>;
}

/// The halt of everything, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halted {
    /// Who, by name: it becomes a pseudonym before it enters a log.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// The way it came in.
    pub source: Source,
}

/// The lever that halts everything, in whichever process it was pulled. It never asks the journal.
pub trait Lever: Send + Sync {
    /// The halt, while it is on.
    fn halted(&self) -> Answer<'_, Option<Halted>>;

    /// Where the stops that it causes come from; without a name where that takes too long.
    fn origin<'a>(&'a self, halted: &'a Halted) -> Answer<'a, Origin>;
}

/// A container, as its labels show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// Its labels: they are there whether it runs or not.
    pub labels: BTreeMap<String, String>,
    /// Whether it runs.
    pub runs: bool,
}

/// Reads containers without touching them: what an [`Inspector`] needs of Docker, so that it knows nothing else of it.
pub trait Containers: Send + Sync {
    /// The containers that `selector` finds at `docker`, such as `unix:///var/run/docker.sock`: those that run, and where
    /// none does, those that don't; else why there are none. The caller adds which were looked for, and where.
    fn find<'a>(
        &'a self,
        docker: &'a str,
        selector: &'a ContainerSelector,
    ) -> Answer<'a, Result<Found, String>>;
}

/// Containers by name; never none.
pub type Found = BTreeMap<String, Labelled>;
