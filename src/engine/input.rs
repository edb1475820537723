//! Inputs: everything that can happen to a run from outside, and why it may be turned away.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::effect::EffectKey;
use super::event::{
    Alert, Attribution, Fact, Judgement, Knew, Origin, StopCause, Token, Trigger, UndoneBy, Update,
};
use crate::model::drill::Severity;
use crate::model::ids::{ExpectationId, InjectionId, RemedyId, ServiceName, StepId};
use crate::model::plan::Plan;
use crate::model::signal::Sender;
use crate::model::team::{Role, Seat};
use crate::model::time::{Millis, Stamp};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The run is to begin.
    Create {
        /// All it will do.
        plan: Box<Plan>,
        /// What its draws are made from.
        seed: u64,
        /// What started it.
        trigger: Trigger,
    },
    /// Another process takes up what a dead one left.
    TakeOver,
    /// A deadline may have come.
    Tick,
    /// What a [`super::watch::Watch`] made of a sample.
    Watched(Fact),
    /// An effect came to an end. Repeats and answers to questions no longer asked are ignored.
    Outcome {
        /// Which effect.
        key: EffectKey,
        /// What it came to.
        outcome: Outcome,
    },
    /// An active injection was found gone.
    Lost {
        /// Which.
        injection: InjectionId,
        /// What was read instead.
        evidence: String,
    },
    /// The run shall stop.
    Stop {
        /// Why.
        cause: StopCause,
        /// On whose word.
        origin: Origin,
    },
    /// An alert came in.
    Alert {
        /// As received.
        alert: Alert,
        /// From where.
        origin: Origin,
    },
    /// Somebody attaches a signal to a run that is over.
    Attach {
        /// What.
        attachment: Box<Attachment>,
        /// On whose word.
        origin: Origin,
    },
    /// Somebody corrects the log of a run that is over.
    Correct {
        /// What.
        correction: Correction,
        /// On whose word.
        origin: Origin,
    },
    /// A tool was proven to be heard; or why it was not.
    Source {
        /// Through which tool.
        sender: Sender,
        /// What came of it.
        heard: Result<Proof, String>,
    },
    /// A responder, or a rule in their place, did something.
    Team {
        /// What.
        act: TeamAct,
        /// Who, and by which way.
        origin: Origin,
    },
}

/// A signal that did not reach the run that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Which, in the inbox.
    pub signal: i64,
    /// When it was received.
    pub received: Stamp,
    /// Where it came from.
    pub told: Origin,
    /// What it says.
    pub said: Said,
    /// Why it belongs to the run.
    pub reason: String,
}

/// What exercise staff say of a run that is over: one thing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Flat")]
pub struct Correction {
    /// What.
    pub what: Corrects,
    /// Why.
    pub reason: String,
}

/// What is said of a run that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Corrects {
    /// Something was otherwise than the log says.
    Event {
        /// Which event.
        seq: u64,
        /// When it was, where its time is wrong.
        at: Option<Timestamp>,
        /// What it said, where its words are wrong.
        text: Option<String>,
    },
    /// What a line of the runbook came to that only people can judge.
    Line {
        /// Which.
        line: ExpectationId,
        /// What it came to.
        verdict: Judgement,
    },
    /// Who ended it, where nothing on record says so.
    End {
        /// Who.
        by: Attribution,
    },
}

/// A correction as it comes in: of an event, or a line judged, or who ended it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Correction")]
struct Flat {
    /// The event that is corrected.
    #[serde(default)]
    seq: Option<u64>,
    /// With `seq`: when it was, where its time is wrong.
    #[serde(default)]
    at: Option<Timestamp>,
    /// With `seq`: what it said, where its words are wrong.
    #[serde(default)]
    text: Option<String>,
    /// The manual line of the runbook that is judged.
    #[serde(default)]
    line: Option<ExpectationId>,
    /// With `line`: what it came to.
    #[serde(default)]
    verdict: Option<Judgement>,
    /// Who ended it, where nothing on record says so.
    #[serde(default)]
    ended_by: Option<Attribution>,
    /// Why.
    reason: String,
}

impl TryFrom<Flat> for Correction {
    type Error = &'static str;

    fn try_from(flat: Flat) -> Result<Self, Self::Error> {
        let otherwise = flat.at.is_some() || flat.text.is_some();
        let what = match (flat.seq, flat.line, flat.verdict, flat.ended_by) {
            (Some(seq), None, None, None) => Corrects::Event {
                seq,
                at: flat.at,
                text: flat.text,
            },
            (None, Some(line), Some(verdict), None) => Corrects::Line { line, verdict },
            (None, None, None, Some(by)) => Corrects::End { by },
            _ => {
                return Err(
                    "it says one thing: an event by its `seq`, a `line` with its `verdict`, or `ended_by`",
                );
            }
        };
        if otherwise && !matches!(what, Corrects::Event { .. }) {
            return Err("`at` and `text` correct an event: they need `seq` beside them");
        }
        Ok(Self {
            what,
            reason: flat.reason,
        })
    }
}

impl JsonSchema for Correction {
    fn schema_name() -> Cow<'static, str> {
        Flat::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Flat::json_schema(generator)
    }
}

/// How a tool was proven to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A test signal was sent for the run, and came through after so long.
    Tested(Millis),
    /// Nothing was sent for the run; it was last heard then.
    Heard(Timestamp),
}

/// What a signal says, in a run's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// An alert.
    Alert(Alert),
    /// Somebody did something.
    Act(TeamAct),
}

/// What an effect came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Preflight: what was read, or all findings.
    Inspected(Result<Vec<String>, Vec<String>>),
    /// What the undo will need.
    Captured(Result<CapturedToken, String>),
    /// The injection was read back.
    Applied(Result<AppliedProof, String>),
    /// The injection was changed and read back.
    Adjusted(Result<AppliedProof, String>),
    /// The injection was read back as gone.
    Removed(Result<RemovedProof, String>),
    /// The channel took the message.
    Sent(Result<DeliveredProof, String>),
}

/// A token, comparable as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct CapturedToken(pub Token);

impl Eq for CapturedToken {}

/// Proof that an injection is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedProof {
    /// When the request was sent.
    pub sent: Stamp,
    /// When it was read back.
    pub effective: Stamp,
    /// What was read.
    pub evidence: String,
}

/// Proof that a channel took a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredProof {
    /// When it was sent.
    pub sent: Stamp,
    /// When the channel had taken it.
    pub at: Stamp,
    /// What the channel calls it.
    pub reference: Option<String>,
    /// What it answered.
    pub evidence: String,
}

/// Proof that an injection is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedProof {
    /// When it was read back as gone.
    pub at: Stamp,
    /// Who removed it.
    pub by: UndoneBy,
    /// What was read.
    pub evidence: String,
}

/// What responders do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum TeamAct {
    /// Something is wrong.
    Detected {
        /// With which service.
        service: ServiceName,
        /// How it shows.
        symptom: String,
    },
    /// The page is taken.
    Acknowledged,
    /// It is an incident.
    Declared {
        /// How bad.
        severity: Severity,
    },
    /// A role is taken, or handed over.
    RoleTaken {
        /// Which.
        role: Role,
        /// To whom it is handed over; to whoever does it when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Somebody comes.
    Joined {
        /// On which side.
        #[serde(default = "responder")]
        seat: Seat,
    },
    /// Somebody else is called.
    Escalated {
        /// Who, as the team calls them.
        to: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A timed message is answered.
    Replied {
        /// Its place in the drill's list, from 0; the latest one that was shown when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inject: Option<usize>,
        /// The answer.
        text: String,
    },
    /// Nothing is wrong.
    Dismissed {
        /// Why not.
        reason: String,
    },
    /// A remedy that somebody else has chosen is agreed to.
    RemedyApproved {
        /// Which.
        remedy: RemedyId,
    },
    /// Exercise staff tell the team that it is a drill.
    Revealed,
    /// Somebody says when they knew that a surprise drill was one: once it is revealed, and after the run, too.
    Knew {
        /// When.
        when: Knew,
        /// At what time, where they knew it meanwhile and can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// The cause is named.
    CauseNamed {
        /// In the drill's terms.
        cause: String,
    },
    /// An update is posted.
    UpdatePosted(Update),
    /// A remedy is chosen.
    RemedyChosen {
        /// Which.
        remedy: RemedyId,
    },
    /// Something was done with the team's own tools.
    ActionAttested {
        /// What.
        text: String,
    },
    /// Something worth keeping.
    Noted {
        /// What.
        text: String,
    },
    /// A step of the runbook is ticked off, or that is taken back.
    StepTicked {
        /// Which, from 1, in the order of the runbook's text.
        step: u32,
        /// Whether it is done.
        #[serde(default = "ticked")]
        done: bool,
    },
    /// It is over.
    Resolved,
    /// Exercise staff let the method go on. It needs no team.
    Continued {
        /// The step that asks for it.
        step: StepId,
    },
    /// It is not a drill: everything is undone, and nothing is scored.
    Real,
}

fn ticked() -> bool {
    true
}

fn responder() -> Seat {
    Seat::Responder
}

impl TeamAct {
    /// Whether it can be said of a run that is over.
    pub fn may_follow(&self) -> bool {
        matches!(self, Self::Knew { .. })
    }

    /// Whether it is exercise staff's to do.
    pub fn is_for_staff(&self) -> bool {
        match self {
            Self::Joined { seat } => seat.is_staff(),
            Self::Revealed | Self::Continued { .. } => true,
            _ => false,
        }
    }
}

/// Why an input was turned away. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Too late.
    #[error("the run is over")]
    Ended,
    /// Too early.
    #[error("the drill has not begun; hint: it begins once steady state holds")]
    NotBegun,
    /// Nobody is drilled.
    #[error(
        "this run is an experiment without a team; hint: only `real`, `continued` and a halt are taken"
    )]
    NoTeam,
    /// A name that the stack doesn't have.
    #[error("the stack has no service `{name}`; hint: it has {known}")]
    NoSuchService {
        /// As given.
        name: String,
        /// Those it has.
        known: String,
    },
    /// A remedy that the drill doesn't have.
    #[error("the drill has no remedy `{name}`; hint: it has {known}")]
    NoSuchRemedy {
        /// As given.
        name: String,
        /// Those it has.
        known: String,
    },
    /// A step that the runbook doesn't have.
    #[error("the runbook has no step {number}; hint: it has {steps}")]
    NoSuchRunbookStep {
        /// As given.
        number: u32,
        /// How many it has.
        steps: usize,
    },
    /// A channel that others read.
    #[error("`{channel}` is read by {readers}: an update for {meant} can't go there")]
    WrongReaders {
        /// Which channel.
        channel: String,
        /// Who reads it.
        readers: &'static str,
        /// For whom the update is.
        meant: &'static str,
    },
    /// Responders only.
    #[error(
        "you are exercise staff in this run ({}), and nobody is on both sides; hint: let a responder do it",
        .0.as_str()
    )]
    IsStaff(Seat),
    /// Exercise staff only.
    #[error("you are a responder in this run, and nobody is on both sides; hint: let somebody else be {}", .0.as_str())]
    IsResponder(Seat),
    /// Nothing was asked.
    #[error("no message waits for a reply{0}")]
    NoSuchMessage(&'static str),
    /// Nothing to agree to.
    #[error("no use of `{0}` waits for anybody to agree")]
    NotWaitingForApproval(RemedyId),
    /// Two persons are needed.
    #[error("whoever chose or approved `{0}` can't approve it again; hint: it takes somebody else")]
    OwnApproval(RemedyId),
    /// Nothing is kept from anybody.
    #[error(
        "there is nothing to reveal; hint: only a surprise drill keeps something from its responders"
    )]
    NothingToReveal,
    /// Nobody was kept from knowing.
    #[error("it was no surprise drill, so everybody knew from the beginning")]
    NoSurprise,
    /// Its responders don't know it yet.
    #[error("nobody is asked yet when they knew; hint: the drill is not revealed")]
    StillSecret,
    /// A step that does not wait for anybody.
    #[error("no step `{name}` waits for anybody now; hint: {waiting}")]
    NotWaiting {
        /// As given.
        name: String,
        /// Those that do.
        waiting: String,
    },
    /// Corrections are for runs that are over.
    #[error("the run goes on; hint: attach the signal once it is over")]
    Running,
    /// A line that the runbook doesn't have.
    #[error("the runbook has no line `{name}`; hint: of those that staff judge it has {known}")]
    NoSuchLine {
        /// As given.
        name: String,
        /// Those it has that staff judge.
        known: String,
    },
    /// A line that is not people's to judge.
    #[error(
        "`{name}` is judged from the log, and not by anybody; hint: of lines that staff judge the runbook has {known}"
    )]
    NotManual {
        /// As given.
        name: String,
        /// Those it has that staff judge.
        known: String,
    },
    /// Neither another time nor other words.
    #[error("nothing is corrected; hint: say another time, other words, or both")]
    NothingCorrected,
    /// Not what people did, or tools told of.
    #[error(
        "event {0} can't be corrected; hint: only what people did and what tools told of can, and words only where there are \
         some"
    )]
    NotCorrectable(u64),
    /// Outside of the run.
    #[error("that time is not within the run: it began at {from} and was over at {to}")]
    OutsideTheRun {
        /// When the method began.
        from: Timestamp,
        /// When it was over.
        to: Timestamp,
    },
    /// It would have had to act on the stack then.
    #[error("{0} can't be attached afterwards: it would have had to act then")]
    NotAttachable(&'static str),
    /// A text that should say something.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// The run exists already.
    #[error("the run exists already")]
    Exists,
}
