//! The after-action report: what was tried, what came of it, what people make of it, and what shall be done.
//!
//! Pure: made from a run's log, the report judged from it, and what people wrote down afterwards. It is a value, so the
//! page, the API and the command show the same; names come in as a function, since the log has only pseudonyms.

pub mod markdown;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::event::Event;
use crate::model::plan::Plan;
use crate::model::review::{Action, Kind, Remark, Survey, Written};
use crate::narrative;
use crate::score::expectations::{Line, Verdict};
use crate::score::report::{CheckKind, CheckResult};
use crate::score::{Report, TeamVerdict};

/// An after-action report.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Review {
    /// What was held, for whom, and when.
    pub overview: Overview,
    /// What the run was to show, and whether it did.
    pub objectives: Vec<Objective>,
    /// What happened, in sentences.
    pub timeline: Vec<Moment>,
    /// The scorecard and the times, each with what is behind it.
    pub ratings: Report,
    /// What went well, what didn't, where luck helped.
    pub findings: Vec<Finding>,
    /// What shall be done, by whom and by when.
    pub actions: Vec<Task>,
    /// How participants found it.
    pub survey: Survey,
}

/// What was held, for whom, and when.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ReviewOverview")]
pub struct Overview {
    /// The drill's name, else the experiment's.
    pub name: String,
    /// The team, of a drill.
    pub team: Option<String>,
    /// The severity, of a drill.
    pub severity: Option<String>,
    /// The narrative, of a drill.
    pub brief: Option<String>,
    /// What was believed to hold.
    pub hypothesis: String,
    /// The stack.
    pub stack: String,
    /// When it was created.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Both sides in a sentence.
    pub conclusion: String,
}

/// What a run was to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Objective {
    /// What.
    pub what: String,
    /// Whether it did: `met`, or what came instead.
    pub came: String,
    /// Whether that is as it should be; nothing where it can't be said.
    pub well: Option<bool>,
    /// The events behind it.
    pub evidence: Vec<u64>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ReviewMoment")]
pub struct Moment {
    /// The event's sequence.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What kind of thing, as a mark.
    pub mark: char,
    /// In a sentence.
    pub text: String,
}

/// Something that is worth keeping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReviewFinding")]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// In words.
    pub text: String,
    /// Who said so; nothing where the log does.
    pub by: Option<String>,
    /// The remark's number, of what somebody said.
    pub remark: Option<i64>,
    /// The events behind it, of what the log says.
    pub evidence: Vec<u64>,
}

/// A corrective action, with names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReviewAction")]
pub struct Task {
    /// Its number.
    pub id: i64,
    /// What shall be done.
    pub text: String,
    /// By whom.
    pub owner: String,
    /// By when.
    #[schemars(with = "String")]
    pub due: Date,
    /// Whether it is open.
    pub open: bool,
    /// What came of it, when, and who closed it.
    pub closed: Option<Closed>,
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReviewClosed")]
pub struct Closed {
    /// What came of it.
    pub outcome: String,
    /// Who closed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Task {
    /// An action with names in place of pseudonyms.
    pub fn new(action: &Action, name: &dyn Fn(&str) -> String) -> Self {
        Self {
            id: action.id,
            text: action.text.clone(),
            owner: name(&action.owner),
            due: action.due,
            open: action.closed.is_none(),
            closed: action.closed.as_ref().map(|closed| Closed {
                outcome: closed.outcome.clone(),
                by: name(&closed.by),
                at: closed.at,
            }),
        }
    }
}

impl Review {
    /// The report of a run, from its log and its plan, what the log came to, and what people wrote down.
    pub fn new(
        plan: &Plan,
        events: &[Event],
        report: Report,
        written: &Written,
        name: &dyn Fn(&str) -> String,
    ) -> Self {
        let exercise = plan.drill.as_ref();
        let timeline = events.iter().filter_map(|event| {
            let (tone, text) = narrative::sentence(event, plan, name)?;
            Some(Moment {
                seq: event.seq,
                at: event.at.wall,
                mark: tone.mark(),
                text,
            })
        });
        let ended = events.iter().find_map(|event| {
            matches!(event.fact, crate::engine::event::Fact::RunEnded { .. })
                .then_some(event.at.wall)
        });
        Self {
            overview: Overview {
                name: report.name().to_owned(),
                team: exercise.map(|exercise| exercise.team.name.to_string()),
                severity: exercise.map(|exercise| exercise.drill.severity.as_str().to_owned()),
                brief: exercise
                    .map(|exercise| exercise.drill.brief.trim().to_owned())
                    .filter(|brief| !brief.is_empty()),
                hypothesis: report.hypothesis.clone(),
                stack: report.stack.to_string(),
                began: report.created,
                ended,
                conclusion: report.overall.as_ref().map_or_else(
                    || "the run goes on".to_owned(),
                    |overall| overall.reason.clone(),
                ),
            },
            objectives: objectives(&report),
            timeline: timeline.collect(),
            findings: findings(&report, &written.remarks, name),
            actions: written
                .actions
                .iter()
                .map(|action| Task::new(action, name))
                .collect(),
            survey: written.survey.clone(),
            ratings: report,
        }
    }

    /// The findings of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.kind == kind)
    }
}

fn well(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Met => Some(true),
        Verdict::Late | Verdict::Missed | Verdict::Violated => Some(false),
        Verdict::Censored | Verdict::NotObserved | Verdict::NotApplicable | Verdict::Pending => {
            None
        }
    }
}

/// The hypothesis' probes, then the runbook's lines.
fn objectives(report: &Report) -> Vec<Objective> {
    let checks = report.checks.iter().map(|check| {
        let when = match check.kind {
            CheckKind::SteadyState => "holds before and after",
            CheckKind::During => "holds while faults are on",
        };
        let (came, well) = match &check.result {
            CheckResult::Held => ("held".to_owned(), Some(true)),
            CheckResult::HeldSoFar(why) => (format!("held so far: {why}"), None),
            CheckResult::Failed(why) => (format!("failed: {why}"), Some(false)),
            CheckResult::Unusable(why) => (format!("could not be asked: {why}"), None),
            CheckResult::NotObserved(why) => (format!("not observed: {why}"), None),
            CheckResult::NotReached => ("not reached".to_owned(), None),
        };
        Objective {
            what: format!("probe `{}` {when}", check.probe),
            came,
            well,
            evidence: Vec::new(),
        }
    });
    let lines = report.scorecard.iter().flat_map(|card| &card.lines);
    let lines = lines.map(|line| Objective {
        what: line.target.clone(),
        came: line.verdict.as_str().to_owned(),
        well: well(line.verdict),
        evidence: line.evidence.clone(),
    });
    checks.chain(lines).collect()
}

/// What the log says went well or didn't, then what people say.
fn findings(report: &Report, remarks: &[Remark], name: &dyn Fn(&str) -> String) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut from_the_log = |kind, text: String, evidence: &[u64]| {
        findings.push(Finding {
            kind,
            text,
            by: None,
            remark: None,
            evidence: evidence.to_vec(),
        });
    };
    // Why a line was met says what was asked for, too.
    let told = |line: &Line| format!("{}: {}", line.target, line.reason);
    if let Some(card) = &report.scorecard
        && card.score.verdict != TeamVerdict::Unrated
    {
        for line in &card.lines {
            match well(line.verdict) {
                // What earns nothing was nobody's work.
                Some(true) if line.earns => {
                    from_the_log(Kind::Well, line.reason.clone(), &line.evidence);
                }
                Some(false) => from_the_log(Kind::Badly, told(line), &line.evidence),
                _ => {}
            }
        }
    }
    for check in &report.checks {
        if let CheckResult::Failed(why) = &check.result {
            from_the_log(Kind::Badly, format!("probe `{}`: {why}", check.probe), &[]);
        }
    }
    for called in &report.stuck {
        from_the_log(Kind::Badly, format!("`{called}` could not be undone"), &[]);
    }
    findings.extend(remarks.iter().map(|remark| Finding {
        kind: remark.kind,
        text: remark.text.clone(),
        by: Some(name(&remark.by)),
        remark: Some(remark.id),
        evidence: Vec::new(),
    }));
    findings.sort_by_key(|finding| finding.kind);
    findings
}
