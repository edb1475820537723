//! Events: the immutable facts a run's log is made of, and where each came from.
//!
//! The sequence orders decisions; the stamps inside order measurements. Nothing here is ever changed in place: a new
//! shape of a fact is a new variant or an optional field, and old logs are read for ever.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::posts::Message;
use crate::model::drill::Severity;
use crate::model::fault::Injection;
use crate::model::gameday::Turn;
use crate::model::ids::{ExpectationId, InjectionId, ProbeName, RemedyId, ServiceName, StepId};
use crate::model::message::Stage;
use crate::model::plan::Plan;
use crate::model::runbook::{Audience, UpdatePart};
use crate::model::signal::Sender;
use crate::model::team::{Role, Seat};
use crate::model::time::{Epoch, Stamp};

/// An object whose form is files' or a driver's, and no promise of the log's readers.
type Opaque = serde_json::Map<String, serde_json::Value>;

/// One fact, at its place in a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// From 1, without gaps.
    pub seq: u64,
    /// When it was so, taken at its source.
    pub at: Stamp,
    /// Where it came from.
    pub origin: Origin,
    /// What is so.
    pub fact: Fact,
}

/// Where a fact came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// The way in.
    pub source: Source,
    /// The sender's own id of it, by which repeats are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// Who, as a pseudonym whose mapping is kept outside the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What kind of actor.
    pub kind: ActorKind,
    /// When the sender says it happened, where that differs from when it was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<Timestamp>,
    /// When what it is about began, as the sender says: an acknowledgement's incident, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether the time is exact or somebody's estimate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Origin {
    /// firedrill's own decision.
    pub fn engine() -> Self {
        Self::machine(Source::Engine)
    }

    /// A machine's fact.
    pub fn machine(source: Source) -> Self {
        Self {
            source,
            source_id: None,
            actor: None,
            kind: ActorKind::Automation,
            event_time: None,
            since: None,
            estimated: false,
        }
    }

    /// A person's act.
    pub fn person(source: Source, pseudonym: impl Into<String>) -> Self {
        Self {
            actor: Some(pseudonym.into()),
            kind: ActorKind::Human,
            ..Self::machine(source)
        }
    }
}

/// The way a fact came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Decided here.
    Engine,
    /// Measured by a probe.
    Probe,
    /// Read back from a fault's target.
    Fault,
    /// An Alertmanager webhook.
    Alertmanager,
    /// A Grafana webhook.
    Grafana,
    /// A PagerDuty webhook.
    Pagerduty,
    /// A Slack slash command.
    Slack,
    /// An event of something that speaks CloudEvents.
    Cloudevents,
    /// A status page's webhook.
    Statuspage,
    /// The JSON API.
    Api,
    /// The run room's page.
    Room,
    /// The command line.
    CommandLine,
    /// The scripted team of a rehearsal.
    Autopilot,
}

impl From<Sender> for Source {
    fn from(sender: Sender) -> Self {
        match sender {
            Sender::Alertmanager => Self::Alertmanager,
            Sender::Grafana => Self::Grafana,
            Sender::Pagerduty => Self::Pagerduty,
            Sender::Slack => Self::Slack,
            Sender::Cloudevents => Self::Cloudevents,
            Sender::Statuspage => Self::Statuspage,
        }
    }
}

impl Source {
    /// The tool that sent it; nothing where it came another way.
    pub fn sender(self) -> Option<Sender> {
        Sender::ALL.into_iter().find(|one| Self::from(*one) == self)
    }
}

/// Who did it, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person.
    Human,
    /// A machine.
    Automation,
    /// Nobody can tell.
    Unknown,
}

/// What started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// `firedrill run`.
    CommandLine,
    /// The API or a page.
    Api,
    /// A drill's schedule.
    Schedule,
    /// `firedrill demo`.
    Demo,
    /// A game day, of which it is a drill.
    GameDay(Turn),
}

impl Trigger {
    /// In a word, as logs and the API have it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::CommandLine => "command_line",
            Self::Api => "api",
            Self::Schedule => "schedule",
            Self::Demo => "demo",
            Self::GameDay(_) => "game_day",
        }
    }

    /// The same without the names of a game day's other drills.
    #[must_use]
    pub fn alone(&self) -> Self {
        match self {
            Self::GameDay(turn) => Self::GameDay(Turn {
                drills: Vec::new(),
                ..turn.clone()
            }),
            other => other.clone(),
        }
    }

    /// Which drill of which game day it is, if it is one's.
    pub fn turn(&self) -> Option<&Turn> {
        match self {
            Self::GameDay(turn) => Some(turn),
            _ => None,
        }
    }
}

/// The parts of a run, in their order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Targets are resolved and identity is proven.
    Preflight,
    /// Steady state must hold before anything is touched.
    Before,
    /// The method runs and the stack is observed.
    Running,
    /// Everything that is still on is undone.
    Closing,
    /// Steady state must hold again, where closing changed anything.
    After,
    /// Nothing more happens.
    Ended,
}

/// How a probe stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// `pass_after` passing samples in a row.
    Passing,
    /// `fail_after` failing samples in a row.
    Failing,
}

/// What the undo of an injection needs, as its driver captured it: opaque to the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Token(pub serde_json::Value);

/// Why an injection is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UndoCause {
    /// Its time was up.
    Timer,
    /// A remedy ended it.
    Remedied {
        /// The use of the remedy.
        by: InjectionId,
    },
    /// The observation ended with it on.
    Closing,
    /// The run was aborted.
    Abort,
    /// The run errored.
    Error,
    /// It may or may not have been applied.
    Refused,
    /// It was gone already; what is left of it is cleared away.
    Lost,
    /// The process that held it died.
    Interrupted,
}

/// Who removed a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UndoneBy {
    /// We did.
    Us,
    /// It was gone when we came.
    Other,
}

/// Why a run stops before its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// A person halted it.
    Halt {
        /// In their words.
        reason: String,
    },
    /// A responder said that the incident is real.
    Real,
    /// A stop condition was met.
    Condition {
        /// The probe.
        probe: ProbeName,
        /// How it failed, what was read, and what was expected; absent in old logs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An alert that a stop condition names fires.
    Alert {
        /// Its labels.
        labels: BTreeMap<String, String>,
    },
    /// Nobody confirmed in time that the method shall go on.
    Unconfirmed {
        /// The step that asked.
        step: StepId,
    },
    /// `limits.duration` is over.
    Limit,
    /// A signal ended the command.
    Signal,
    /// firedrill could not do its work.
    Error {
        /// What and why.
        reason: String,
    },
    /// The process that ran it died.
    Interrupted,
}

/// How a run ended, the stack's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The hypothesis held.
    Passed,
    /// The stack (or, in a report, the team) fell short.
    Failed,
    /// A person or a stop condition ended it.
    Aborted,
    /// firedrill could not do its work.
    Errored,
}

/// One alert, as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Whether it fires, else it is resolved.
    pub firing: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The sender's identity of it.
    pub fingerprint: String,
    /// When the sender's rule fired, after the rule's own delay.
    pub starts_at: Timestamp,
    /// Whether it matches one of the drill's detection rules.
    pub qualifies: bool,
}

impl Alert {
    /// What it is called, in the words of whoever sent it.
    pub fn name(&self) -> Option<&str> {
        let names = ["alertname", "title", "type"];
        let named = names.into_iter().find_map(|key| self.labels.get(key));
        named.map(String::as_str)
    }
}

/// An update to an audience, as posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Update {
    /// For whom.
    pub audience: Audience,
    /// Where.
    pub channels: Vec<String>,
    /// What it says.
    pub text: String,
    /// What point of the incident it speaks of; on each channel the first is a first notice where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// When the next one is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_update_at: Option<Timestamp>,
    /// When recovery is expected: earliest and latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_recovery: Option<(Timestamp, Timestamp)>,
}

impl Update {
    /// Whether it carries this part.
    pub fn has(&self, part: UpdatePart) -> bool {
        match part {
            UpdatePart::NextUpdateAt => self.next_update_at.is_some(),
            UpdatePart::EstimatedRecovery => self.estimated_recovery.is_some(),
        }
    }
}

/// When somebody knew that a surprise drill was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Knew {
    /// Before it began.
    Before,
    /// While it went on, before they were told.
    During,
    /// When they were told.
    Told,
}

impl Knew {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::Told => "told",
        }
    }

    /// In words, after "knew".
    pub fn words(self) -> &'static str {
        match self {
            Self::Before => "before it began",
            Self::During => "while it went on",
            Self::Told => "when told",
        }
    }
}

/// What exercise staff say of a line that only people can judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It was so.
    Met,
    /// It was not.
    Missed,
}

impl Judgement {
    /// As files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
        }
    }
}

/// Who ended it, where nothing on record says so and exercise staff know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// The team.
    Team,
    /// A machine of theirs.
    Automation,
    /// The stack, by itself.
    Stack,
    /// Somebody else.
    Outside,
}

impl Attribution {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Team, Self::Automation, Self::Stack, Self::Outside];

    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Automation => "automation",
            Self::Stack => "stack",
            Self::Outside => "outside",
        }
    }
}

/// What is so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Fact {
    /// The run exists, and this is all it will do.
    RunCreated {
        /// Everything it needs.
        #[schemars(with = "Opaque")]
        plan: Box<Plan>,
        /// What its draws are made from.
        seed: u64,
        /// What started it.
        trigger: Trigger,
    },
    /// A phase began.
    PhaseBegan {
        /// Which.
        phase: Phase,
    },
    /// Identity is proven and every target is there.
    PreflightPassed {
        /// What was read, a line each.
        proof: Vec<String>,
    },
    /// Something is missing or not staging.
    PreflightFailed {
        /// All findings, a line each.
        findings: Vec<String>,
    },
    /// A probe changed its standing.
    ProbeChanged {
        /// Which.
        probe: ProbeName,
        /// How it stands now.
        standing: Standing,
        /// The send time of the streak's first sample: when it was so.
        first: Stamp,
        /// The send time of the last sample that said otherwise, if any did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous: Option<Stamp>,
        /// Why the deciding sample failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A probe passed `pass_after` times in a row, all asked since the phase began.
    ProbeConfirmed {
        /// Which.
        probe: ProbeName,
        /// The send time of the first of those samples.
        first: Stamp,
    },
    /// What a probe answered over some seconds.
    ProbeSummary {
        /// Which.
        probe: ProbeName,
        /// The send time of the first sample counted.
        from: Stamp,
        /// Samples that passed.
        passed: u32,
        /// Samples that failed.
        failed: u32,
        /// Samples that could not be asked.
        unknown: u32,
        /// The slowest answer, in milliseconds.
        slowest_ms: u64,
    },
    /// While faults were on, a probe was asked `fail_after` times in a row or more, and the last answer passed: had the
    /// faults made it fail, that would have been seen.
    ProbeObserved {
        /// Which.
        probe: ProbeName,
        /// The send time of the first of those samples.
        first: Stamp,
        /// How many they were.
        samples: u32,
    },
    /// A probe could not be asked three times in a row.
    ProbeUnusable {
        /// Which.
        probe: ProbeName,
        /// Why.
        reason: String,
    },
    /// An injection's time has come: its target shall be captured.
    Due {
        /// What shall be done.
        #[schemars(with = "Opaque")]
        injection: Box<Injection>,
    },
    /// What its undo needs is known and, with this event, durable. Only now may it be applied.
    Arming {
        /// Which.
        injection: InjectionId,
        /// What its undo needs.
        token: Token,
        /// When it ends at the latest.
        deadline: Stamp,
    },
    /// It was applied and read back.
    Active {
        /// Which.
        injection: InjectionId,
        /// When the request was sent: nothing it causes can be earlier.
        sent: Stamp,
        /// What was read back.
        evidence: String,
    },
    /// It is on, and shall be changed to the next level of its ramp.
    AdjustBegan {
        /// Which.
        injection: InjectionId,
        /// To which level, from 1.
        level: u32,
    },
    /// It was changed in its place and read back.
    Adjusted {
        /// Which.
        injection: InjectionId,
        /// At which level it is now.
        level: u32,
        /// When the request was sent.
        sent: Stamp,
        /// What was read back.
        evidence: String,
    },
    /// It was refused, failed, or read back wrong.
    Refused {
        /// Which.
        injection: InjectionId,
        /// By whom and why.
        error: String,
    },
    /// It will not be applied any more.
    Cancelled {
        /// Which.
        injection: InjectionId,
    },
    /// It vanished while it should have been on.
    Lost {
        /// Which.
        injection: InjectionId,
        /// What was read instead.
        evidence: String,
    },
    /// Its undo shall be done.
    UndoBegan {
        /// Which.
        injection: InjectionId,
        /// Why.
        cause: UndoCause,
    },
    /// It reads as absent, but a request of ours may still land: it is looked at again.
    LookAgain {
        /// Which.
        injection: InjectionId,
        /// Not before.
        at: Stamp,
    },
    /// An undo failed and is tried again.
    UndoFailed {
        /// Which.
        injection: InjectionId,
        /// Why.
        error: String,
        /// How often it has failed now.
        attempt: u32,
        /// Not before.
        again: Stamp,
    },
    /// Its undo has failed for too long. It is still tried, and shown until it works.
    Stuck {
        /// Which.
        injection: InjectionId,
        /// Why.
        error: String,
    },
    /// It was removed and read back as removed.
    Undone {
        /// Which.
        injection: InjectionId,
        /// By whom.
        by: UndoneBy,
        /// What was read back.
        evidence: String,
    },
    /// An alert came in.
    AlertReceived {
        /// As received.
        alert: Alert,
    },
    /// A person says that something is wrong.
    Detected {
        /// With which service.
        service: ServiceName,
        /// How it shows.
        symptom: String,
    },
    /// A person has taken the page.
    Acknowledged,
    /// An incident was declared.
    Declared {
        /// How bad.
        severity: Severity,
    },
    /// Somebody took a role, or gave it to somebody else.
    RoleTaken {
        /// Which.
        role: Role,
        /// Who has it now, as a pseudonym, where that is not who did it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Somebody came: on which side they are from here on.
    Joined {
        /// Which.
        seat: Seat,
    },
    /// Somebody else was called.
    Escalated {
        /// Who: members' handles, or whoever else the team calls.
        to: Vec<String>,
        /// Why, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The place in the team's escalation chain, from 0, where nobody had acknowledged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rung: Option<usize>,
    },
    /// Somebody answered a timed message.
    Replied {
        /// Its place in the drill's list, from 0.
        inject: usize,
        /// What they answered.
        text: String,
    },
    /// Somebody looked, and says that nothing is wrong.
    Dismissed {
        /// Why they think so.
        reason: String,
    },
    /// Exercise staff told the team that it is a drill.
    Revealed,
    /// Asked after a surprise drill was revealed, somebody said when they knew that it was one.
    Knew {
        /// When.
        when: Knew,
        /// At what time, where they knew it meanwhile and can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// Somebody named what is behind it.
    CauseNamed {
        /// In the drill's terms: the id of a step.
        cause: String,
    },
    /// An update was posted.
    UpdatePosted {
        /// As posted.
        update: Update,
    },
    /// A message shall be sent.
    MessageDue {
        /// Which, and where.
        message: Message,
    },
    /// A channel took a message.
    MessageDelivered {
        /// The event that asked for it.
        message: u64,
        /// When it was sent.
        sent: Stamp,
        /// What the channel calls it, by which later messages follow it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        /// What the channel answered, in a line.
        evidence: String,
    },
    /// A message did not get to its channel, as far as can be told. It is not tried again.
    MessageFailed {
        /// The event that asked for it.
        message: u64,
        /// Why.
        error: String,
    },
    /// A remedy was chosen.
    RemedyChosen {
        /// Which.
        remedy: RemedyId,
        /// This use of it in the undo ledger.
        uses: InjectionId,
        /// When it acts, unless it waits for others to agree.
        acts_at: Stamp,
        /// How many must agree before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approvals: Option<u32>,
        /// The rule that chose it, by its place in the drill's list, from 0; a person where there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<usize>,
    },
    /// Somebody else agreed to a remedy that was chosen.
    RemedyApproved {
        /// Which use.
        uses: InjectionId,
        /// When it acts, where this was the last one needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acts_at: Option<Stamp>,
    },
    /// A remedy has done what it does.
    RemedyDone {
        /// Which use.
        uses: InjectionId,
    },
    /// A remedy failed.
    RemedyFailed {
        /// Which use.
        uses: InjectionId,
        /// Why.
        error: String,
    },
    /// Somebody attests to something done with their own tools.
    ActionAttested {
        /// In their words.
        text: String,
    },
    /// Somebody wrote something down.
    Noted {
        /// In their words.
        text: String,
    },
    /// Somebody ticked off a step of the runbook, or took that back.
    StepTicked {
        /// Which, from 1, in the order of the runbook's text.
        step: u32,
        /// Whether it is done.
        done: bool,
    },
    /// The team says that it is over.
    Resolved,
    /// After the run, somebody said that a signal belongs to it which had not reached it.
    SignalAttached {
        /// Which, in the inbox.
        signal: i64,
        /// When it was received, by the clock of the process that took it.
        received: Stamp,
        /// Where it came from.
        told: Box<Origin>,
        /// What it says, as the log would have had it.
        fact: Box<Fact>,
        /// Why it belongs to the run.
        reason: String,
    },
    /// After the run, somebody said that an act was at another time, or said something else. Nothing acts on it; scores put
    /// it where it belongs, beside what they were without.
    Corrected {
        /// The event that is corrected.
        seq: u64,
        /// When it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
        /// What it said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Why it is corrected.
        reason: String,
    },
    /// After the run, exercise staff judged a line of the runbook that only people can judge.
    LineJudged {
        /// Which.
        line: ExpectationId,
        /// What it came to.
        verdict: Judgement,
        /// Why.
        reason: String,
    },
    /// After the run, exercise staff said who ended it, where nothing on record says so.
    EndAttributed {
        /// Who.
        by: Attribution,
        /// How they know.
        reason: String,
    },
    /// The method waits for a person.
    PauseBegan {
        /// The step that asks.
        step: StepId,
        /// Until when.
        until: Stamp,
    },
    /// The method waits no longer.
    PauseEnded {
        /// The step that asked.
        step: StepId,
        /// Whether somebody continued it; else its time was up.
        continued: bool,
    },
    /// Whether a tool whose signals are detections of the drill can be heard: by a test signal through it; of a surprise,
    /// for which nothing is sent, by when it was last heard.
    SourceTested {
        /// The tool.
        sender: Sender,
        /// From sending it until its hook received it; nothing where it did not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took_ms: Option<u64>,
        /// When it was last heard, where nothing was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heard_at: Option<Timestamp>,
        /// Why it was not received.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A timed message was shown to the team.
    InjectDelivered {
        /// Its place in the drill's list, from 0.
        index: usize,
    },
    /// Observation is over: recovery is judged up to here.
    ObservationEnded {
        /// Whether steady state held `stable_for`.
        held: bool,
    },
    /// The run stops before its end.
    StopRequested {
        /// Why.
        cause: StopCause,
    },
    /// The process that ran it died; this one picks up its undo.
    Interrupted {
        /// Whose clock the earlier stamps are on.
        epoch: Epoch,
    },
    /// Everything is undone and the run is over.
    RunEnded {
        /// The stack's side.
        verdict: Verdict,
        /// Why, a line each.
        reasons: Vec<String>,
    },
}

impl Fact {
    /// Whether its time can be corrected after the run: what people did, and what tools told of.
    pub fn is_told(&self) -> bool {
        matches!(self, Self::AlertReceived { .. })
            || (self.seat() == Some(Seat::Responder) && !matches!(self, Self::Joined { .. }))
    }

    /// The same with other words; nothing where it has none.
    pub fn retold(&self, text: &str) -> Option<Self> {
        let text = text.to_owned();
        Some(match self {
            Self::Detected { service, .. } => Self::Detected {
                service: service.clone(),
                symptom: text,
            },
            Self::UpdatePosted { update } => Self::UpdatePosted {
                update: Update {
                    text,
                    ..update.clone()
                },
            },
            Self::ActionAttested { .. } => Self::ActionAttested { text },
            Self::Noted { .. } => Self::Noted { text },
            Self::Replied { inject, .. } => Self::Replied {
                inject: *inject,
                text,
            },
            Self::Dismissed { .. } => Self::Dismissed { reason: text },
            Self::Escalated { to, rung, .. } => Self::Escalated {
                to: to.clone(),
                reason: Some(text),
                rung: *rung,
            },
            _ => return None,
        })
    }

    /// The side on which a person is who did this; nothing where either may.
    pub fn seat(&self) -> Option<Seat> {
        match self {
            Self::Joined { seat } => Some(*seat),
            Self::Revealed
            | Self::PauseEnded {
                continued: true, ..
            } => Some(Seat::Coordinator),
            Self::Detected { .. }
            | Self::Acknowledged
            | Self::Declared { .. }
            | Self::RoleTaken { .. }
            | Self::CauseNamed { .. }
            | Self::UpdatePosted { .. }
            | Self::RemedyChosen { .. }
            | Self::RemedyApproved { .. }
            | Self::ActionAttested { .. }
            | Self::Noted { .. }
            | Self::Escalated { .. }
            | Self::Replied { .. }
            | Self::Dismissed { .. }
            | Self::StepTicked { .. }
            | Self::Resolved => Some(Seat::Responder),
            _ => None,
        }
    }
}
