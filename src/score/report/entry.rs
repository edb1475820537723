//! One file of a list: what its run came to, or why there is no report of it.
//!
//! A list of reports names every file that was given, in order: what is left out would read as well.

use serde::Serialize;

use super::{Overall, Report, word};
use crate::engine::event::Verdict;
use crate::model::ids::{RunId, StackName};
use crate::model::plan::Plan;

/// What one file came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// Its run was judged.
    Judged(Box<Report>),
    /// There is no report of it.
    Unjudged(Box<Unjudged>),
}

/// A file without a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unjudged {
    /// The file, as it was given.
    pub file: String,
    /// The drill's name, else the experiment's; nothing where the file is wrong.
    pub name: Option<String>,
    /// What was believed to hold.
    pub hypothesis: Option<String>,
    /// The stack.
    pub stack: Option<StackName>,
    /// The run, where one was begun.
    pub run: Option<RunId>,
    /// What kept it from being judged.
    pub cause: Cause,
    /// What it adds to a list's exit status, and why.
    pub overall: Overall,
}

/// What kept a file from being judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The file has mistakes.
    WrongFile,
    /// Its run could not be begun.
    NotBegun,
    /// It was not tried, for a reason that is not its own.
    Skipped,
    /// Its run was begun, and its log can't be read or is not whole.
    Unrecorded,
    /// Something its run did could not be undone, which its log does not tell.
    Stuck,
}

impl Cause {
    /// As reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongFile => "wrong_file",
            Self::NotBegun => "not_begun",
            Self::Skipped => "skipped",
            Self::Unrecorded => "unrecorded",
            Self::Stuck => "stuck",
        }
    }

    /// As people say it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::WrongFile => "wrong file",
            Self::NotBegun => "not begun",
            Self::Skipped => "skipped",
            Self::Unrecorded => "not recorded",
            Self::Stuck => "stuck",
        }
    }
}

impl Unjudged {
    /// A file that adds `exit_code` to its list, for a reason.
    pub fn new(
        file: impl Into<String>,
        plan: Option<&Plan>,
        cause: Cause,
        exit_code: u8,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            name: plan.map(|plan| plan.name().to_owned()),
            hypothesis: plan.map(|plan| plan.experiment.hypothesis.clone()),
            stack: plan.map(|plan| plan.stack.name.clone()),
            run: None,
            cause,
            overall: Overall {
                verdict: match exit_code {
                    1 => Verdict::Failed,
                    3 => Verdict::Aborted,
                    _ => Verdict::Errored,
                },
                exit_code,
                reason: reason.into(),
            },
        }
    }

    /// The name, else the file.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.file)
    }
}

impl From<Unjudged> for Entry {
    fn from(unjudged: Unjudged) -> Self {
        Self::Unjudged(Box::new(unjudged))
    }
}

impl Entry {
    /// What it adds to a list's exit status; nothing while its run lasts.
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            Self::Judged(report) if report.stuck.is_empty() => report.exit_code(),
            Self::Judged(_) => Some(5),
            Self::Unjudged(unjudged) => Some(unjudged.overall.exit_code),
        }
    }

    /// The name of what ran, else of the file.
    pub fn name(&self) -> &str {
        match self {
            Self::Judged(report) => report.name(),
            Self::Unjudged(unjudged) => unjudged.name(),
        }
    }

    /// How it came out, why, and how to see more, on one line: for who reads only the end of a log.
    pub fn conclusion(&self) -> String {
        self.conclusion_with(|run| format!("`firedrill report {run}`"))
    }

    /// The same for a run whose log is elsewhere: `more` says how to see more of it.
    pub fn conclusion_with(&self, more: impl Fn(&RunId) -> String) -> String {
        let name = self.name();
        match self {
            Self::Judged(report) => {
                let (verdict, exit, reason) = report.conclusion();
                let more = report
                    .run
                    .as_ref()
                    .map_or(String::new(), |run| format!("; more: {}", more(run)));
                format!("{name}: {verdict} (exit {exit}): {reason}{more}")
            }
            Self::Unjudged(unjudged) => format!(
                "{name}: {} (exit {}): {}",
                unjudged.cause.words(),
                unjudged.overall.exit_code,
                unjudged.overall.reason
            ),
        }
    }
}

impl Report {
    /// How it came out, what a command exits with, and why.
    pub(super) fn conclusion(&self) -> (&'static str, u8, String) {
        match &self.overall {
            Some(overall) => (
                word(overall.verdict),
                overall.exit_code,
                overall.reason.clone(),
            ),
            None if self.stuck.is_empty() => ("not over yet", 4, "the run goes on".to_owned()),
            None => ("stuck", 5, self.left()),
        }
    }

    /// What could not be undone yet.
    pub(super) fn left(&self) -> String {
        let ids: Vec<_> = self.stuck.iter().map(|id| format!("`{id}`")).collect();
        format!(
            "{} could not be undone yet; hint: `firedrill recover` tries again",
            ids.join(", ")
        )
    }
}
