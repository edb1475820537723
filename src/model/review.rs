//! What people write down after a run: what went well and what didn't, what shall be done about it and by whom, and how
//! those who were drilled found it. None of it is part of the log, and none of it changes a score.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::RunId;

/// The longest text that somebody may write down, in characters.
pub const LONGEST: usize = 2000;

/// What a remark is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RemarkKind")]
pub enum Kind {
    /// It went well.
    Well,
    /// It didn't.
    Badly,
    /// It went well by luck, and could have gone otherwise.
    Lucky,
}

impl Kind {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Well, Self::Badly, Self::Lucky];

    /// As files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Badly => "badly",
            Self::Lucky => "lucky",
        }
    }

    /// As a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Well => "What went well",
            Self::Badly => "What didn't",
            Self::Lucky => "Where we were lucky",
        }
    }
}

/// Something worth keeping about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Remark {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub kind: Kind,
    /// In somebody's words.
    pub text: String,
    /// Whose: a pseudonym.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

/// Something to be done because of a run. It stays open until somebody closes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CorrectiveAction")]
pub struct Action {
    /// Its number.
    pub id: i64,
    /// The run that showed it.
    pub run: RunId,
    /// What shall be done.
    pub text: String,
    /// Who does it: a pseudonym.
    pub owner: String,
    /// By when.
    #[schemars(with = "String")]
    pub due: Date,
    /// Who wrote it down: a pseudonym.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// How it ended; nothing while it is open.
    pub closed: Option<Closed>,
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ClosedAction")]
pub struct Closed {
    /// What came of it.
    pub outcome: String,
    /// Who closed it: a pseudonym.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// All that people wrote down after a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Remarks, in their order.
    pub remarks: Vec<Remark>,
    /// Corrective actions, in their order.
    pub actions: Vec<Action>,
    /// What participants answered.
    pub survey: Survey,
}

impl Written {
    /// Every pseudonym in it, sorted, each once.
    pub fn pseudonyms(&self) -> Vec<&str> {
        let mut all = pseudonyms(&self.actions);
        all.extend(self.remarks.iter().map(|remark| remark.by.as_str()));
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Every pseudonym of these actions, sorted, each once.
pub fn pseudonyms(actions: &[Action]) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for action in actions {
        all.extend([action.owner.as_str(), action.by.as_str()]);
        all.extend(action.closed.iter().map(|closed| closed.by.as_str()));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// A sentence of the survey, to which somebody agrees from 1 (not at all) to 5 (fully).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// As the API writes it.
    pub key: &'static str,
    /// As people read it.
    pub text: &'static str,
}

/// The survey: four sentences and a free text.
pub const STATEMENTS: [Statement; 4] = [
    Statement {
        key: "knew_what_to_do",
        text: "I knew what to do next.",
    },
    Statement {
        key: "knew_who_does_what",
        text: "I knew who did what.",
    },
    Statement {
        key: "runbook_helped",
        text: "The runbook helped.",
    },
    Statement {
        key: "tools_showed_it",
        text: "Our tools showed what I needed to see.",
    },
];

/// From how many answers on what they say is shown: fewer would show whose they are.
pub const SHOWN_FROM: usize = 3;

/// One participant's answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// From 1 to 5, in the order of [`STATEMENTS`].
    pub agreement: [u8; STATEMENTS.len()],
    /// What should change, in their words.
    pub comment: String,
}

/// What participants answered, together.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Survey {
    /// How many did.
    pub answers: usize,
    /// Each sentence with the middle of its answers; empty while there are too few to show.
    pub statements: Vec<Agreement>,
    /// What should change, without who said so; empty while there are too few to show.
    pub comments: Vec<String>,
}

/// How far participants agree to a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Agreement {
    /// Which.
    pub key: &'static str,
    /// As people read it.
    pub text: &'static str,
    /// The middle answer, from 1 to 5; the lower of two.
    pub median: u8,
    /// How many gave each answer, from 1 to 5.
    pub counts: [usize; 5],
}

impl Survey {
    /// All answers of a run together.
    pub fn of(answers: &[Answer]) -> Self {
        if answers.len() < SHOWN_FROM {
            return Self {
                answers: answers.len(),
                statements: Vec::new(),
                comments: Vec::new(),
            };
        }
        let statements = STATEMENTS.iter().enumerate().map(|(at, statement)| {
            let mut given: Vec<u8> = answers
                .iter()
                .map(|answer| answer.agreement[at].clamp(1, 5))
                .collect();
            given.sort_unstable();
            let mut counts = [0; 5];
            for value in &given {
                counts[usize::from(*value) - 1] += 1;
            }
            Agreement {
                key: statement.key,
                text: statement.text,
                median: given[(given.len() - 1) / 2],
                counts,
            }
        });
        let comments = answers.iter().map(|answer| answer.comment.trim());
        let mut comments: Vec<String> = comments
            .filter(|comment| !comment.is_empty())
            .map(str::to_owned)
            .collect();
        // By their words: the order in which they came could tell whose they are.
        comments.sort();
        Self {
            answers: answers.len(),
            statements: statements.collect(),
            comments,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(agreement: u8, comment: &str) -> Answer {
        Answer {
            agreement: [agreement, 5, 5, 1],
            comment: comment.to_owned(),
        }
    }

    #[test]
    fn few_answers_are_counted_and_not_shown() {
        let survey = Survey::of(&[answer(1, "Ann never answered."), answer(2, "")]);
        assert_eq!(survey.answers, 2);
        assert!(survey.statements.is_empty() && survey.comments.is_empty());
    }

    #[test]
    fn answers_are_shown_together_and_without_their_order() {
        let survey = Survey::of(&[
            answer(4, "z"),
            answer(1, " a "),
            answer(2, ""),
            answer(2, "m"),
        ]);
        let first = &survey.statements[0];
        assert_eq!((first.median, first.counts), (2, [1, 2, 0, 1, 0]));
        assert_eq!(survey.comments, ["a", "m", "z"]);
    }
}
