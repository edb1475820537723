//! From judged lines to an outcome, a share observed and a rating: the rubric, whose version every score names.
//!
//! Changing anything here that changes a number is a new version: old scores are never silently redone.

use crate::score::wording::Tell;
use schemars::JsonSchema;
use serde::Serialize;

use super::expectations::{Line, Verdict};
use crate::model::drill::Pass;

/// The version of these rules.
pub const RUBRIC: u32 = 4;

/// How well a team did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum Rating {
    /// Unable to be performed.
    U,
    /// Performed with major challenges.
    M,
    /// Performed with some challenges.
    S,
    /// Performed without challenges.
    P,
}

impl Rating {
    /// The letter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P => "P",
            Self::S => "S",
            Self::M => "M",
            Self::U => "U",
        }
    }

    /// What the letter stands for.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::P => "performed",
            Self::S => "performed with some challenges",
            Self::M => "performed with major challenges",
            Self::U => "unable to perform",
        }
    }

    fn from_outcome(outcome: f64) -> Self {
        match outcome {
            o if o >= 80.0 => Self::P,
            o if o >= 66.0 => Self::S,
            o if o >= 50.0 => Self::M,
            _ => Self::U,
        }
    }
}

/// How the team came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeamVerdict {
    /// It reached what the drill asks for.
    Passed,
    /// It did not.
    Failed,
    /// A critical line could not be observed, so nothing can be said.
    Withheld,
    /// There was nothing to rate.
    Unrated,
    /// The run goes on.
    Pending,
}

impl TeamVerdict {
    /// As reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Withheld => "withheld",
            Self::Unrated => "unrated",
            Self::Pending => "pending",
        }
    }
}

/// A rating lowered by a critical line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cap {
    /// At most this.
    pub at: Rating,
    /// Which line and what it came to.
    pub reason: String,
}

/// The numbers of one scorecard, each with the sentence behind it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Score {
    /// Points earned.
    pub points: f64,
    /// Points lost to violated lines.
    pub lost: f64,
    /// The weight of met, late and missed lines, which the points are a share of.
    pub of: f64,
    /// From 0 to 100, in tenths, rounded down.
    pub outcome: Option<f64>,
    /// How the outcome came about.
    pub outcome_reason: String,
    /// The share of the weight that could be seen, in percent, in tenths, rounded down.
    pub observed: Option<f64>,
    /// How the share came about.
    pub observed_reason: String,
    /// The rating, where there is one.
    pub rating: Option<Rating>,
    /// How the rating came about, or why there is none.
    pub rating_reason: String,
    /// What lowered it.
    pub caps: Vec<Cap>,
    /// How the team came out.
    pub verdict: TeamVerdict,
    /// Why.
    pub verdict_reason: String,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It goes on.
    Running,
    /// It is over.
    Over,
    /// It was aborted or errored: how.
    BrokenOff(&'static str),
    /// A responder said that it is real.
    Real,
}

/// What about the run, beside its lines, decides whether a team is rated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// How far it has come.
    pub(super) course: Course,
    /// Users were hurt.
    pub(super) impact: bool,
    /// No person did anything.
    pub(super) idle: bool,
}

/// Scores judged lines.
pub(super) fn score(lines: &[Line], standing: Standing, pass: Pass) -> Score {
    // From 0 on: the sum of no floats is -0, which would be shown.
    let sum = |wanted: &dyn Fn(&Line) -> Option<f64>| {
        lines
            .iter()
            .filter_map(wanted)
            .fold(0.0, |sum, points| sum + points)
    };
    let decided = |line: &Line| {
        matches!(line.verdict, Verdict::Met | Verdict::Late | Verdict::Missed)
            && (line.earns || line.verdict == Verdict::Missed)
    };
    let points = sum(&|line| decided(line).then_some(line.credit));
    let of = sum(&|line| decided(line).then_some(line.weight));
    let lost = sum(&|line| (line.verdict == Verdict::Violated).then_some(line.weight));
    let outcome = outcome(lines, points, lost, of, standing);
    let (observed, observed_reason) = observed(lines).unzip();
    let caps = caps(lines);
    let mut score = Score {
        points,
        lost,
        of,
        outcome,
        outcome_reason: outcome_reason(points, lost, of, outcome, standing),
        observed,
        observed_reason: observed_reason.unwrap_or_else(|| "no line could be judged".into()),
        rating: None,
        rating_reason: String::new(),
        caps,
        verdict: TeamVerdict::Pending,
        verdict_reason: String::new(),
    };
    rate(&mut score, lines, standing, pass);
    score
}

fn outcome(lines: &[Line], points: f64, lost: f64, of: f64, standing: Standing) -> Option<f64> {
    if standing.course == Course::Real {
        return None;
    }
    if of > 0.0 {
        return Some(tenths(100.0 * (points - lost).max(0.0) / of));
    }
    // A team that did nothing while users were hurt scores nothing, whatever its runbook can see of that.
    let idle = standing.course == Course::Over && standing.impact && standing.idle;
    let spoiled = lines.iter().any(|line| line.verdict == Verdict::Violated);
    (idle || spoiled).then_some(0.0)
}

fn outcome_reason(
    points: f64,
    lost: f64,
    of: f64,
    outcome: Option<f64>,
    standing: Standing,
) -> String {
    if outcome.is_none() {
        return if standing.course == Course::Real {
            "a responder said that the incident is real".into()
        } else {
            "no line that can earn points was decided".into()
        };
    }
    if standing.idle {
        return format!("nobody acted: {} of {} points", figure(points), figure(of));
    }
    let mut reason = format!("{} of {} points", figure(points), figure(of));
    if lost > 0.0 {
        reason.tell(format_args!(
            ", less {} for what was forbidden",
            figure(lost)
        ));
    }
    reason
}

/// The share of the weight that could be seen, of all that there was occasion for.
fn observed(lines: &[Line]) -> Option<(f64, String)> {
    let weight = |wanted: &dyn Fn(Verdict) -> bool| {
        lines
            .iter()
            .filter(|line| wanted(line.verdict))
            // From 0 on, for the same reason.
            .fold(0.0, |sum, line| sum + line.weight)
    };
    let seen = weight(&|verdict| {
        matches!(
            verdict,
            Verdict::Met | Verdict::Late | Verdict::Missed | Verdict::Violated
        )
    });
    let unseen = weight(&|verdict| matches!(verdict, Verdict::Censored | Verdict::NotObserved));
    let all = seen + unseen;
    (all > 0.0).then(|| {
        (
            tenths(100.0 * seen / all),
            format!("{} of {} weight could be seen", figure(seen), figure(all)),
        )
    })
}

fn caps(lines: &[Line]) -> Vec<Cap> {
    lines
        .iter()
        .filter(|line| line.critical)
        .filter_map(|line| {
            let at = match line.verdict {
                Verdict::Late => Rating::S,
                Verdict::Missed => Rating::M,
                Verdict::Violated => Rating::U,
                _ => return None,
            };
            Some(Cap {
                at,
                reason: format!(
                    "critical line `{}` {}: at most {}",
                    line.id,
                    line.verdict.as_str(),
                    at.as_str()
                ),
            })
        })
        .collect()
}

fn rate(score: &mut Score, lines: &[Line], standing: Standing, pass: Pass) {
    let withheld = lines
        .iter()
        .find(|line| line.critical && line.verdict == Verdict::NotObserved);
    let unrated = match standing.course {
        Course::Running => {
            score.rating_reason = "the run goes on".into();
            score.verdict_reason = "the run goes on".into();
            return;
        }
        Course::Real => Some("a responder said that the incident is real".to_owned()),
        Course::BrokenOff(how) => Some(format!("the run {how}")),
        Course::Over if !standing.impact => Some("no impact was observed".to_owned()),
        Course::Over => None,
    };
    if let Some(reason) = unrated {
        score.verdict = TeamVerdict::Unrated;
        score.rating_reason = format!("unrated: {reason}");
        score.verdict_reason = reason;
        return;
    }
    if let Some(line) = withheld {
        let reason = format!("critical line `{}` could not be observed", line.id);
        score.verdict = TeamVerdict::Withheld;
        score.rating_reason = format!("withheld: {reason}");
        score.verdict_reason = reason;
        return;
    }
    let Some(outcome) = score.outcome else {
        score.verdict = TeamVerdict::Unrated;
        score.rating_reason = format!("unrated: {}", score.outcome_reason);
        score.verdict_reason.clone_from(&score.outcome_reason);
        return;
    };
    let earned = Rating::from_outcome(outcome);
    let rating = score.caps.iter().map(|cap| cap.at).fold(earned, Ord::min);
    score.rating = Some(rating);
    score.rating_reason = format!("{} by outcome {}", earned.as_str(), figure(outcome));
    for cap in score.caps.iter().filter(|cap| cap.at < earned) {
        score.rating_reason.tell(format_args!("; {}", cap.reason));
    }
    let observed = score.observed.unwrap_or(0.0);
    let mut short = Vec::new();
    if rating < Rating::S {
        short.push(format!("rated {}", rating.as_str()));
    }
    if outcome < pass.outcome {
        short.push(format!(
            "outcome {} below {}",
            figure(outcome),
            figure(pass.outcome)
        ));
    }
    if observed < pass.observed {
        short.push(format!(
            "observed {} below {}",
            figure(observed),
            figure(pass.observed)
        ));
    }
    if short.is_empty() {
        score.verdict = TeamVerdict::Passed;
        score.verdict_reason = format!(
            "outcome {} ({} needed), observed {} ({} needed)",
            figure(outcome),
            figure(pass.outcome),
            figure(observed),
            figure(pass.observed)
        );
    } else {
        score.verdict = TeamVerdict::Failed;
        score.verdict_reason = short.join("; ");
    }
}

/// Rounded down to tenths, so that no figure is shown better than it is; the small term undoes binary fractions.
fn tenths(value: f64) -> f64 {
    ((value + 1e-9) * 10.0).floor() / 10.0
}

/// A figure for people: at most two decimals.
pub(super) fn figure(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
