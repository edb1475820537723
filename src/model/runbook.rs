//! Runbooks: what responders should do, and by when, in lines that a log can be judged against.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{ExpectationId, ProbeName, RemedyId, RunbookName};
use super::message::Failure;
use super::team::Role;
use super::time::Millis;

/// Markdown with machine-scorable expectations in front.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runbook {
    /// As drills name it.
    pub name: RunbookName,
    /// Which communication clock applies.
    pub class: Class,
    /// What users are told has failed, where it is always the same: what messages are made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The laws whose clocks are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<Regulation>,
    /// The lines, in the order of the file.
    pub expect: Vec<Expectation>,
    /// The Markdown after the front matter.
    pub body: String,
}

impl Runbook {
    /// The steps that responders tick off: the sections of the Markdown that a second-level heading (`## …`) begins, in
    /// their order, numbered from 1. What stands before the first is not one.
    pub fn steps(&self) -> Vec<Step<'_>> {
        let headings = self.headings();
        let ends = headings.iter().skip(1).map(|(at, _)| *at);
        let ends = ends.chain([self.body.len()]);
        (1..)
            .zip(headings.iter().zip(ends))
            .map(|(number, ((at, line), end))| Step {
                number,
                title: line["## ".len()..].trim().trim_end_matches('#').trim_end(),
                body: self.body[at + line.len()..end].trim(),
            })
            .collect()
    }

    /// Where second-level headings stand, and their lines; not those inside a block of code.
    fn headings(&self) -> Vec<(usize, &str)> {
        let mut headings = Vec::new();
        let mut fence: Option<&str> = None;
        let mut at = 0;
        for line in self.body.split_inclusive('\n') {
            let text = line.trim();
            let mark = ["```", "~~~"]
                .into_iter()
                .find(|mark| text.starts_with(mark));
            match (fence, mark) {
                (None, Some(_)) => fence = mark,
                (Some(open), Some(mark)) if open == mark => fence = None,
                (None, None) if line.starts_with("## ") => headings.push((at, line)),
                _ => {}
            }
            at += line.len();
        }
        headings
    }

    /// The Markdown before the first step; all of it where there is none.
    pub fn introduction(&self) -> &str {
        let headings = self.headings();
        let end = headings.first().map_or(self.body.len(), |(at, _)| *at);
        self.body[..end].trim()
    }
}

/// A section of a runbook that responders tick off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// From 1, in the order of the text.
    pub number: u32,
    /// Its heading, as Markdown.
    pub title: &'a str,
    /// What stands below it, as Markdown.
    pub body: &'a str,
}

/// The kind of incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Users can't do something.
    Availability,
    /// Keys, money or data may be in wrong hands.
    Security,
}

/// A law that asks for notices by a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Regulation {
    /// The EU's Digital Operational Resilience Act.
    Dora,
    /// New York's cybersecurity regulation of financial services.
    Nydfs,
    /// The EU's General Data Protection Regulation.
    Gdpr,
}

impl Regulation {
    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Dora => "DORA",
            Self::Nydfs => "NYDFS",
            Self::Gdpr => "GDPR",
        }
    }
}

/// One line a run is judged against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Unique in its runbook.
    pub id: ExpectationId,
    /// What is expected.
    pub what: Expected,
    /// Its share of the points.
    pub weight: f64,
    /// Whether missing it caps the rating.
    pub critical: bool,
}

/// What is expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// An event, soon enough after another or before another.
    Event {
        /// Which event.
        event: Milestone,
        /// Who must have caused it.
        by: Option<By>,
        /// In full credit up to here.
        within: Option<Millis>,
        /// In part credit up to here; at least `within`.
        limit: Option<Millis>,
        /// What the time counts from.
        from: Option<Anchor>,
        /// What it must come before.
        before: Option<Target>,
    },
    /// Updates at least this often from the first one on.
    Cadence {
        /// The longest gap.
        every: Millis,
        /// Until when.
        until: Anchor,
        /// For whom; any audience when absent.
        audience: Option<Audience>,
        /// What each update must carry.
        must_have: Vec<UpdatePart>,
    },
    /// At least one update holds a phrase of each of these named sets.
    MessageContains {
        /// Names of phrase sets.
        phrases: Vec<PhraseSet>,
    },
    /// Enough of the estimated recoveries held the one that was measured.
    Estimates {
        /// The share of them, in percent.
        hold: f64,
        /// The longest range that counts; any when absent.
        widest: Option<Millis>,
        /// Of updates for whom; any audience when absent.
        audience: Option<Audience>,
    },
    /// Something that must not happen.
    Forbid {
        /// What is forbidden.
        target: Target,
    },
    /// This probe holds again, soon enough.
    Probe {
        /// Which probe.
        probe: ProbeName,
        /// In full credit up to here.
        within: Millis,
        /// In part credit up to here.
        limit: Option<Millis>,
        /// What the time counts from.
        from: Anchor,
    },
    /// Judged by exercise staff after the drill.
    Manual {
        /// What they judge.
        text: String,
    },
}

/// An event that an expectation waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// The first qualifying detection.
    Detected,
    /// The first acknowledgement.
    Acknowledged,
    /// An incident was declared.
    Declared,
    /// Somebody else was called.
    Escalated {
        /// Who; anybody when absent.
        to: Option<String>,
    },
    /// Somebody looked, and says that nothing is wrong.
    Dismissed,
    /// Somebody took a role.
    RoleAssigned(Role),
    /// The right cause was named.
    CauseNamed(String),
    /// A remedy was chosen.
    RemedyChosen(RemedyId),
    /// An update was posted.
    Update {
        /// For whom; any audience when absent.
        audience: Option<Audience>,
        /// On at least one of these channels; any when empty.
        channels: Vec<String>,
        /// What it must carry.
        must_have: Vec<UpdatePart>,
    },
    /// Impact probes hold again.
    Mitigated,
    /// All of steady state holds again.
    Recovered,
    /// The team said that it is over.
    Resolved,
}

/// Who caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person.
    Human,
    /// A machine.
    Automation,
    /// A person's action ended it.
    Team,
}

/// What a time counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The first fault was read back.
    FaultEffective,
    /// Users were hurt.
    ImpactObserved,
    /// The first qualifying detection.
    Detected,
    /// The first alert that fired or message that was shown, whether or not it counts as a detection.
    Alerted,
    /// The first page delivered; without a pager, the first qualifying alert received.
    Paged,
    /// The first human acknowledgement.
    Acknowledged,
    /// An incident was declared.
    Declared,
    /// Somebody else was called.
    Escalated,
    /// A person said that nothing is wrong.
    Dismissed,
    /// Impact probes hold again.
    Mitigated,
    /// All of steady state holds again.
    Recovered,
    /// The team said that it is over.
    Resolved,
}

/// What an event comes before, or what is forbidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A remedy chosen.
    Remedy(RemedyId),
    /// A moment of the incident.
    Anchor(Anchor),
}

/// For whom an update is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Those who use the wallet.
    Customers,
    /// Colleagues.
    Internal,
    /// Who must be told by law.
    Regulator,
}

impl Audience {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Customers, Self::Internal, Self::Regulator];

    /// As files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Internal => "internal",
            Self::Regulator => "regulator",
        }
    }

    /// As people call them.
    pub fn title(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Internal => "colleagues",
            Self::Regulator => "the regulator",
        }
    }
}

/// What an update can be required to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdatePart {
    /// When the next one comes.
    NextUpdateAt,
    /// A range for the recovery.
    EstimatedRecovery,
}

/// A named set of phrases, any of which counts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PhraseSet {
    /// Users shall not send again.
    DoNotRetry,
    /// Users shall not give their keys away.
    NeverShareKeys,
    /// Users' money is safe.
    FundsAreSafe,
}

impl PhraseSet {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::DoNotRetry, Self::NeverShareKeys, Self::FundsAreSafe];

    /// As files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DoNotRetry => "do_not_retry",
            Self::NeverShareKeys => "never_share_keys",
            Self::FundsAreSafe => "funds_are_safe",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runbook(body: &str) -> Runbook {
        Runbook {
            name: "signing".parse().expect("a name"),
            class: Class::Availability,
            failure: None,
            clocks: Vec::new(),
            expect: Vec::new(),
            body: body.to_owned(),
        }
    }

    #[test]
    fn second_level_headings_begin_steps() {
        let book = runbook(
            "# Transfers fail\n\nWhat one sees.\n\n## 1. Confirm\n\nLook.\n\n### Where\n\nThere.\n\n## Fail over ##\nSwitch.\n",
        );
        let steps = book.steps();
        assert_eq!(
            steps,
            [
                Step {
                    number: 1,
                    title: "1. Confirm",
                    body: "Look.\n\n### Where\n\nThere.",
                },
                Step {
                    number: 2,
                    title: "Fail over",
                    body: "Switch.",
                },
            ]
        );
        assert_eq!(book.introduction(), "# Transfers fail\n\nWhat one sees.");
    }

    #[test]
    fn what_stands_in_a_block_of_code_is_no_step() {
        let book =
            runbook("Before.\n```sh\n## not a step\n```\n~~~\n## nor this\n~~~\n## A step\n");
        let titles: Vec<&str> = book.steps().iter().map(|step| step.title).collect();
        assert_eq!(titles, ["A step"]);
        assert!(book.introduction().ends_with("~~~"));
    }

    #[test]
    fn a_text_without_such_headings_has_no_steps() {
        let book = runbook("# Only this\n\nAnd that.\n");
        assert!(book.steps().is_empty());
        assert_eq!(book.introduction(), "# Only this\n\nAnd that.");
        assert!(runbook("").steps().is_empty());
    }
}
