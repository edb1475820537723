//! Drills: an experiment, a team, a runbook, and what responders can do.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::experiment::carries;
use super::fault::{Call, Capture};
use super::ids::{DrillName, ExperimentName, ProbeName, RemedyId, RunbookName, StepId, TeamName};
use super::schedule::Schedule;
use super::signal::Sender;
use super::time::Millis;

/// What a team is drilled on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// Its name.
    pub name: DrillName,
    /// What breaks.
    pub experiment: ExperimentName,
    /// What the team should do.
    pub runbook: RunbookName,
    /// Who is drilled.
    pub team: TeamName,
    /// The severity the scenario deserves.
    pub severity: Severity,
    /// What exercise staff read.
    pub brief: String,
    /// When it starts by itself.
    pub schedule: Option<Schedule>,
    /// What counts as a detection.
    pub detection: Vec<Detection>,
    /// Timed messages to the team.
    pub injects: Vec<Inject>,
    /// What responders can do to the stack.
    pub remedies: Vec<Remedy>,
    /// What a machine does by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub automation: Vec<Rule>,
    /// How long a drill without any fault lasts: what is measured is who raises the alarm all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoy: Option<Millis>,
    /// The scripted team that responds in place of people: then it is a rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autopilot: Option<Autopilot>,
    /// What a passing scorecard needs.
    pub pass: Pass,
}

/// A scripted team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autopilot {
    /// How well it does.
    pub profile: Profile,
    /// What its pace is drawn from.
    #[serde(default = "one")]
    pub seed: u64,
}

fn one() -> u64 {
    1
}

/// How well a scripted team does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Knows the runbook, and follows it.
    Seasoned,
    /// Is slow, names a wrong cause first, tries a wrong remedy, and promises no next update.
    New,
    /// Does nothing at all.
    Absent,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 3] = [Self::Seasoned, Self::New, Self::Absent];

    /// As files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seasoned => "seasoned",
            Self::New => "new",
            Self::Absent => "absent",
        }
    }
}

impl std::str::FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|one| one.as_str() == text);
        known.ok_or_else(|| format!("`{text}` is no profile; it is seasoned, new or absent"))
    }
}

/// How bad an incident is; `Sev1` is the worst.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// All users, or money at risk.
    Sev1,
    /// Many users.
    Sev2,
    /// Some users.
    Sev3,
    /// Few users.
    Sev4,
    /// Nobody yet.
    Sev5,
}

impl Severity {
    /// All, worst first.
    pub const ALL: [Self; 5] = [Self::Sev1, Self::Sev2, Self::Sev3, Self::Sev4, Self::Sev5];

    /// As files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sev1 => "SEV1",
            Self::Sev2 => "SEV2",
            Self::Sev3 => "SEV3",
            Self::Sev4 => "SEV4",
            Self::Sev5 => "SEV5",
        }
    }
}

/// What counts as a detection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detection {
    /// An Alertmanager alert that carries these labels.
    Alertmanager {
        /// Label names and values, all of which must match.
        labels: BTreeMap<String, String>,
    },
    /// A Grafana alert that carries these labels.
    Grafana {
        /// Label names and values, all of which must match.
        labels: BTreeMap<String, String>,
    },
    /// A PagerDuty incident: being one means that somebody is paged.
    Pagerduty {
        /// Its service's id, and what else must match.
        labels: BTreeMap<String, String>,
    },
    /// An event of anything that speaks CloudEvents.
    Cloudevents {
        /// Its attributes, all of which must match.
        labels: BTreeMap<String, String>,
    },
    /// A person's report that names a service and a symptom.
    Human,
}

impl Detection {
    /// A machine's signal with these labels. Nothing where this sender's signals are no detections.
    pub fn of(sender: Sender, labels: BTreeMap<String, String>) -> Option<Self> {
        Some(match sender {
            Sender::Alertmanager => Self::Alertmanager { labels },
            Sender::Grafana => Self::Grafana { labels },
            Sender::Pagerduty => Self::Pagerduty { labels },
            Sender::Cloudevents => Self::Cloudevents { labels },
            Sender::Slack | Sender::Statuspage => return None,
        })
    }

    /// Whose signal it is, and what it carries; nothing for a person's report.
    pub fn signal(&self) -> Option<(Sender, &BTreeMap<String, String>)> {
        Some(match self {
            Self::Alertmanager { labels } => (Sender::Alertmanager, labels),
            Self::Grafana { labels } => (Sender::Grafana, labels),
            Self::Pagerduty { labels } => (Sender::Pagerduty, labels),
            Self::Cloudevents { labels } => (Sender::Cloudevents, labels),
            Self::Human => return None,
        })
    }
}

/// A timed message to the team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inject {
    /// After the method began.
    pub at: Millis,
    /// The role it is addressed to; everybody when absent.
    pub to: Option<super::team::Role>,
    /// What it says.
    pub text: String,
    /// How soon a reply is expected.
    pub expect_reply_within: Option<Millis>,
}

/// Something responders can really do to the stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// Its id.
    pub id: RemedyId,
    /// What the button says.
    pub label: String,
    /// What is read before it acts, for `restore` to put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// What it does, where it does more than end faults.
    pub act: Option<Call>,
    /// What puts the stack back after the run.
    pub restore: Option<Call>,
    /// The steps it ends.
    pub ends: Vec<StepId>,
    /// From the choice, or the last approval it needs, to the act.
    pub takes: Millis,
    /// How many others must agree before it acts.
    #[serde(default, skip_serializing_if = "is_none_needed")]
    pub approvals: u32,
    /// The steps that begin once it is done: what it breaks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<StepId>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference to whoever it asks"
)]
fn is_none_needed(approvals: &u32) -> bool {
    *approvals == 0
}

impl Remedy {
    /// Every call it makes.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        let captures = self.capture.iter().map(|capture| &capture.call);
        captures.chain(&self.act).chain(&self.restore)
    }
}

/// A remedy that a machine chooses by itself, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// On what.
    pub when: When,
    /// Which remedy.
    pub remedy: RemedyId,
}

/// What a rule waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// A tool's signal fires.
    Signal {
        /// The tool.
        sender: Sender,
        /// What it carries.
        labels: BTreeMap<String, String>,
    },
    /// A probe fails.
    Probe(ProbeName),
}

impl When {
    /// Whether a signal of this tool with these labels is what it waits for.
    pub fn is_met_by(&self, sender: Sender, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Signal {
                sender: from,
                labels: wanted,
            } => *from == sender && carries(labels, wanted),
            Self::Probe(_) => false,
        }
    }
}

/// What a passing scorecard needs, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pass {
    /// At least this outcome.
    pub outcome: f64,
    /// At least this share of the weight observed.
    pub observed: f64,
}
