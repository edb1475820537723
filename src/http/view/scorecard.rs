//! The scorecard: what the stack and the team came to, every figure with what is behind it.

use serde::Serialize;

use super::chart::Chart;
use super::compared::{Compared, Freshness};
use super::layout::Layout;
use super::telling::Telling;
use super::time::{Moment, offset_ms, span};
use super::{Badge, figure, word};
use crate::engine::event::Attribution;
use crate::http::reading::Reading;
use crate::http::templates::Page;
use crate::model::runbook::Expected;
use crate::score::expectations::{Line, Verdict};
use crate::score::measures::{Censoring, Endpoint, Measure, Measures, Reading as Value};
use crate::score::recovery::{Ended, Ender};
use crate::score::report::{Check, CheckKind, CheckResult, Corrected, text};
use crate::score::rubric::{Rating, Score, TeamVerdict};
use crate::score::{Report, Scorecard as Judged};

/// The page of a run's scorecard.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Card {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    pub(in crate::http) stack: String,
    pub(in crate::http) experiment: String,
    pub(in crate::http) hypothesis: String,
    pub(in crate::http) created: Moment,
    pub(in crate::http) lasted: Option<String>,
    /// Whether the run goes on.
    pub(in crate::http) provisional: bool,
    /// That a scripted team responded, in words.
    pub(in crate::http) rehearsal: Option<String>,
    pub(in crate::http) overall: Badge,
    pub(in crate::http) reason: String,
    pub(in crate::http) stack_verdict: Badge,
    pub(in crate::http) stack_reasons: Vec<String>,
    pub(in crate::http) checks: Vec<CheckLine>,
    pub(in crate::http) times: Times,
    pub(in crate::http) signals: Vec<SignalLine>,
    pub(in crate::http) team: Option<TeamSide>,
    pub(in crate::http) stuck: Vec<String>,
    /// What was attached afterwards, and what it came to without.
    pub(in crate::http) corrected: Option<CorrectedSide>,
    /// Whether whoever looks may correct a time or words now.
    pub(in crate::http) may_correct: bool,
    /// The lines that staff judge: their ids, and what they judge.
    pub(in crate::http) manual: Vec<(String, String)>,
    /// Whether nothing on record says who ended it, so that staff may.
    pub(in crate::http) unattributed: bool,
    /// Whom they can name.
    pub(in crate::http) enders: Vec<&'static str>,
    pub(in crate::http) chart: Option<Chart>,
    /// Beside the last runs of the same drill.
    pub(in crate::http) compared: Option<Compared>,
    /// How old the drill's last score is.
    pub(in crate::http) freshness: Option<Freshness>,
    pub(in crate::http) rubric: u32,
    pub(in crate::http) seq: u64,
    pub(in crate::http) head: Option<String>,
}

impl Page for Card {
    const TEMPLATE: &'static str = "scorecard.html";
}

/// The team's side of a drill.
#[derive(Debug, Serialize)]
pub(in crate::http) struct TeamSide {
    pub(in crate::http) team: String,
    pub(in crate::http) drill: String,
    pub(in crate::http) runbook: String,
    pub(in crate::http) severity: &'static str,
    pub(in crate::http) verdict: Badge,
    pub(in crate::http) verdict_reason: String,
    pub(in crate::http) rating: Option<&'static str>,
    pub(in crate::http) meaning: Option<&'static str>,
    pub(in crate::http) rating_reason: String,
    pub(in crate::http) outcome: Option<String>,
    pub(in crate::http) outcome_reason: String,
    pub(in crate::http) outcome_needed: String,
    pub(in crate::http) observed: Option<String>,
    pub(in crate::http) observed_reason: String,
    pub(in crate::http) observed_needed: String,
    pub(in crate::http) lines: Vec<LineRow>,
    /// How others were told, where anybody was or should have been.
    pub(in crate::http) telling: Option<Telling>,
}

/// One line of the runbook, judged.
#[derive(Debug, Serialize)]
pub(in crate::http) struct LineRow {
    pub(in crate::http) id: String,
    pub(in crate::http) target: String,
    pub(in crate::http) critical: bool,
    pub(in crate::http) verdict: Badge,
    pub(in crate::http) took: Option<String>,
    pub(in crate::http) points: String,
    pub(in crate::http) reason: String,
    pub(in crate::http) evidence: Vec<u64>,
}

/// One probe of the hypothesis.
#[derive(Debug, Serialize)]
pub(in crate::http) struct CheckLine {
    pub(in crate::http) probe: String,
    pub(in crate::http) when: &'static str,
    pub(in crate::http) result: Badge,
    pub(in crate::http) reason: Option<String>,
}

/// An alert or a report.
#[derive(Debug, Serialize)]
pub(in crate::http) struct SignalLine {
    pub(in crate::http) seq: u64,
    pub(in crate::http) at: Moment,
    pub(in crate::http) what: &'static str,
    pub(in crate::http) class: String,
    pub(in crate::http) text: String,
}

/// The times of a run, and who ended it.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Times {
    pub(in crate::http) rows: Vec<TimeRow>,
    pub(in crate::http) mitigation: Option<EndedBy>,
    pub(in crate::http) recovery: Option<EndedBy>,
    /// Times that steady state came back and was lost again.
    pub(in crate::http) remissions: usize,
}

/// One time, with both endpoints.
#[derive(Debug, Serialize)]
pub(in crate::http) struct TimeRow {
    pub(in crate::http) short: &'static str,
    pub(in crate::http) label: &'static str,
    pub(in crate::http) value: String,
    /// Whether it is only known to be at least so long, not yet known, or not there.
    pub(in crate::http) look: &'static str,
    pub(in crate::http) bound: Option<String>,
    pub(in crate::http) from: Option<End>,
    pub(in crate::http) to: Option<End>,
    pub(in crate::http) reason: String,
    /// What a machine's time to detect is made of.
    pub(in crate::http) parts: Option<String>,
}

/// One end of a time.
#[derive(Debug, Serialize)]
pub(in crate::http) struct End {
    pub(in crate::http) what: String,
    pub(in crate::http) at: Moment,
    pub(in crate::http) seq: u64,
}

/// Who ended something.
#[derive(Debug, Serialize)]
pub(in crate::http) struct EndedBy {
    pub(in crate::http) by: Badge,
    pub(in crate::http) reason: String,
    pub(in crate::http) seq: u64,
}

/// What a scorecard shows beside the report.
#[derive(Debug, Default)]
pub(in crate::http) struct Beside {
    pub(in crate::http) chart: Option<Chart>,
    pub(in crate::http) compared: Option<Compared>,
    pub(in crate::http) freshness: Option<Freshness>,
}

impl Card {
    /// The scorecard of a run.
    pub(in crate::http) fn new(
        layout: Layout,
        reading: &Reading,
        report: &Report,
        beside: Beside,
    ) -> Self {
        let row = &reading.row;
        let live = reading.is_live();
        Self {
            layout,
            id: row.id.to_string(),
            name: report.name().to_owned(),
            stack: report.stack.to_string(),
            experiment: report.experiment.to_string(),
            hypothesis: report.hypothesis.clone(),
            created: report.created.into(),
            lasted: row
                .ended
                .map(|ended| span(u64::try_from(offset_ms(ended, row.created)).unwrap_or(0))),
            provisional: live,
            rehearsal: report.rehearsed(),
            overall: Badge::of(report.overall.as_ref().map(|overall| overall.verdict)),
            reason: report.overall.as_ref().map_or_else(
                || "the run goes on".to_owned(),
                |overall| overall.reason.clone(),
            ),
            stack_verdict: Badge::of(report.stack_verdict),
            stack_reasons: report.stack_reasons.clone(),
            checks: report.checks.iter().map(check).collect(),
            times: Times::new(&report.measures),
            signals: report
                .measures
                .signals
                .iter()
                .map(|signal| SignalLine {
                    seq: signal.moment.seq,
                    at: signal.moment.at.into(),
                    what: if signal.alert { "alert" } else { "report" },
                    class: word(&signal.class),
                    text: signal.text.clone(),
                })
                .collect(),
            team: report.scorecard.as_ref().map(TeamSide::new),
            corrected: report.corrected.as_ref().map(CorrectedSide::new),
            may_correct: false,
            manual: manual(reading),
            unattributed: report.is_unattributed(),
            enders: Attribution::ALL.iter().map(|one| one.as_str()).collect(),
            stuck: report.stuck.iter().map(ToString::to_string).collect(),
            chart: beside.chart,
            compared: beside.compared,
            freshness: beside.freshness,
            rubric: report.rubric,
            seq: report.chain.seq,
            head: report.chain.head.clone(),
        }
    }
}

/// The lines of the runbook that staff judge.
fn manual(reading: &Reading) -> Vec<(String, String)> {
    let exercise = reading.state.plan().and_then(|plan| plan.drill.as_ref());
    let lines = exercise.into_iter().flat_map(|one| &one.runbook.expect);
    let manual = lines.filter_map(|line| match &line.what {
        Expected::Manual { text } => Some((line.id.to_string(), text.clone())),
        _ => None,
    });
    manual.collect()
}

/// A score before a correction, and the correction.
#[derive(Debug, Serialize)]
pub(in crate::http) struct CorrectedSide {
    pub(in crate::http) was: String,
    pub(in crate::http) attached: Vec<(u64, String)>,
}

impl CorrectedSide {
    fn new(corrected: &Corrected) -> Self {
        let told = corrected.told().into_iter();
        Self {
            was: corrected.was(),
            attached: told.map(|(seq, _, told)| (seq, told)).collect(),
        }
    }
}

impl TeamSide {
    pub(in crate::http) fn new(judged: &Judged) -> Self {
        let score: &Score = &judged.score;
        Self {
            team: judged.team.to_string(),
            drill: judged.drill.to_string(),
            runbook: judged.runbook.to_string(),
            severity: judged.severity.as_str(),
            verdict: match score.verdict {
                TeamVerdict::Passed => Badge::new("passed", '✓', "good"),
                TeamVerdict::Failed => Badge::new("failed", '✗', "bad"),
                TeamVerdict::Withheld => Badge::new("withheld", '?', "warn"),
                TeamVerdict::Unrated => Badge::new("unrated", '–', "plain"),
                TeamVerdict::Pending => Badge::new("pending", '…', "live"),
            },
            verdict_reason: score.verdict_reason.clone(),
            rating: score.rating.map(Rating::as_str),
            meaning: score.rating.map(Rating::meaning),
            rating_reason: score.rating_reason.clone(),
            outcome: score.outcome.map(figure),
            outcome_reason: score.outcome_reason.clone(),
            outcome_needed: figure(judged.pass.outcome),
            observed: score.observed.map(figure),
            observed_reason: score.observed_reason.clone(),
            observed_needed: figure(judged.pass.observed),
            lines: judged.lines.iter().map(line).collect(),
            telling: Telling::new(&judged.communication),
        }
    }
}

fn line(line: &Line) -> LineRow {
    let scored = matches!(
        line.verdict,
        Verdict::Met | Verdict::Late | Verdict::Missed | Verdict::Violated
    );
    LineRow {
        id: line.id.to_string(),
        target: line.target.clone(),
        critical: line.critical,
        verdict: standing(line.verdict),
        took: line.took_ms.map(span),
        points: match line.verdict {
            Verdict::Violated => format!("−{}", figure(line.weight)),
            _ if !scored => "–".to_owned(),
            Verdict::Met if !line.earns => "0".to_owned(),
            _ => format!("{} / {}", figure(line.credit), figure(line.weight)),
        },
        reason: line.reason.clone(),
        evidence: line.evidence.clone(),
    }
}

/// A line's verdict as a badge.
pub(in crate::http) fn standing(verdict: Verdict) -> Badge {
    let (mark, look) = match verdict {
        Verdict::Met => ('✓', "good"),
        Verdict::Late => ('◔', "warn"),
        Verdict::Missed => ('✗', "bad"),
        Verdict::Violated => ('⊘', "bad"),
        Verdict::Censored => ('⋯', "plain"),
        Verdict::NotObserved => ('?', "warn"),
        Verdict::NotApplicable => ('–', "plain"),
        Verdict::Pending => ('…', "live"),
    };
    Badge::new(verdict.as_str(), mark, look)
}

fn check(check: &Check) -> CheckLine {
    let (result, reason) = match &check.result {
        CheckResult::Held => (Badge::new("held", '✓', "good"), None),
        CheckResult::HeldSoFar(reason) => (
            Badge::new("held so far", '–', "plain"),
            Some(reason.clone()),
        ),
        CheckResult::Failed(reason) => (Badge::new("failed", '✗', "bad"), Some(reason.clone())),
        CheckResult::Unusable(reason) => (
            Badge::new("could not be asked", '?', "warn"),
            Some(reason.clone()),
        ),
        CheckResult::NotObserved(reason) => (
            Badge::new("not observed", '?', "warn"),
            Some(reason.clone()),
        ),
        CheckResult::NotReached => (Badge::new("not reached", '–', "plain"), None),
    };
    CheckLine {
        probe: check.probe.to_string(),
        when: match check.kind {
            CheckKind::SteadyState => "before and after",
            CheckKind::During => "while faults were on",
        },
        result,
        reason,
    }
}

impl Times {
    /// The times, in the order in which they come about.
    pub(in crate::http) fn new(measures: &Measures) -> Self {
        let rows = [
            ("TTD", "to detect", &measures.time_to_detect),
            ("TTD", "to detect, people", &measures.time_to_detect_human),
            (
                "TTD",
                "to detect, machines",
                &measures.time_to_detect_machine,
            ),
            ("TTA", "to acknowledge", &measures.time_to_acknowledge),
            ("TTM", "to mitigate", &measures.time_to_mitigate),
            ("TTR", "to recover", &measures.time_to_recover),
        ];
        Self {
            rows: rows
                .map(|(short, label, measure)| TimeRow::new(short, label, measure))
                .into(),
            mitigation: measures.mitigation.as_ref().map(ended),
            recovery: measures.recovery.as_ref().map(ended),
            remissions: measures.remissions.len(),
        }
    }
}

impl TimeRow {
    fn new(short: &'static str, label: &'static str, measure: &Measure) -> Self {
        let (value, look) = match measure.reading {
            Value::Measured { value_ms } => (span(value_ms), "measured"),
            Value::Censored {
                at_least_ms,
                because,
            } => (
                format!("at least {} ({})", span(at_least_ms), censoring(because)),
                "censored",
            ),
            Value::Pending => ("not yet".to_owned(), "pending"),
            Value::NotApplicable => ("–".to_owned(), "absent"),
        };
        let bounded = measure.error_bound_ms > 0
            && matches!(
                measure.reading,
                Value::Measured { .. } | Value::Censored { .. }
            );
        Self {
            short,
            label,
            value,
            look,
            bound: bounded.then(|| span(measure.error_bound_ms)),
            from: measure.from.as_ref().map(End::new),
            to: measure.to.as_ref().map(End::new),
            reason: measure.reason.clone(),
            parts: text::parts(measure),
        }
    }
}

fn censoring(because: Censoring) -> &'static str {
    match because {
        Censoring::Timer => "the fault's time was up",
        Censoring::Abort => "the run was stopped",
        Censoring::Outside => "somebody else removed the fault",
        Censoring::ObservationEnded => "observation ended first",
        Censoring::Unstable => "it did not hold for long enough",
        Censoring::Interrupted => "the process died",
    }
}

impl End {
    fn new(endpoint: &Endpoint) -> Self {
        Self {
            what: endpoint.what.clone(),
            at: endpoint.moment.at.into(),
            seq: endpoint.moment.seq,
        }
    }
}

fn ended(ended: &Ended) -> EndedBy {
    let (mark, look) = match ended.by {
        Ender::Team => ('✓', "good"),
        Ender::Automation | Ender::Stack => ('◇', "plain"),
        Ender::Timer | Ender::Abort | Ender::Outside | Ender::Unattributed => ('–', "warn"),
    };
    EndedBy {
        by: Badge::new(ended.by.as_str(), mark, look),
        reason: ended.reason.clone(),
        seq: ended.moment.seq,
    }
}
