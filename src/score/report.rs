//! What a run came to: the stack's side for every run, and the team's scorecard for a drill.
//!
//! A report names the rubric, the sequence and the chain head it was made from, and every number carries the sentence
//! behind it. It is a value: the same log gives the same report, and so the same text, byte for byte.

pub mod entry;
pub mod junit;
pub mod markdown;
pub mod text;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::communication::Communication;
use super::corrections::{self, Attached, Attributed, Change, Judged};
use super::expectations::{self, Line};
use super::measures::{Measures, Reader};
use super::people::{self, Attendee, Decoy, Message};
use super::recovery::Ender;
use super::rubric::{self, Course, RUBRIC, Rating, Score, Standing, TeamVerdict};
use super::timeline::{Moment, Timeline, Turn};
use crate::engine::event::{self, Verdict};
use crate::engine::phase;
use crate::model::drill::{Pass, Profile, Severity};
use crate::model::ids::{
    DrillName, ExperimentName, InjectionId, ProbeName, RunId, RunbookName, StackName, TeamName,
};
use crate::model::plan::Exercise;
use crate::model::signal::Sender;
use crate::model::time::{Stamp, wall_clock};

/// What one run came to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// The run, which its log does not name.
    pub run: Option<RunId>,
    /// The version of the rules.
    pub rubric: u32,
    /// How much of the log it was made from.
    pub chain: Chain,
    /// When the run was created.
    pub created: Timestamp,
    /// How long it took so far, on the clock it began on.
    pub took_ms: u64,
    /// The experiment.
    pub experiment: ExperimentName,
    /// What was believed to hold.
    pub hypothesis: String,
    /// The stack.
    pub stack: StackName,
    /// How the stack came out; nothing while the run lasts.
    pub stack_verdict: Option<Verdict>,
    /// Why, a line each.
    pub stack_reasons: Vec<String>,
    /// Each probe of the hypothesis.
    pub checks: Vec<Check>,
    /// The times.
    pub measures: Measures,
    /// The scripted team that responded in place of people, which makes it a rehearsal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
    /// The team's side, for a drill.
    pub scorecard: Option<Scorecard>,
    /// What could not be undone yet.
    pub stuck: Vec<InjectionId>,
    /// The same, as people call it.
    #[serde(skip)]
    pub(super) stuck_called: Vec<String>,
    /// Where the timeline begins, for times relative to it.
    #[serde(skip)]
    pub(super) began: Stamp,
    /// Both sides together; nothing while the run lasts.
    pub overall: Option<Overall>,
    /// What was attached and corrected afterwards, and what the run came to without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrected: Option<Corrected>,
}

/// The scripted team of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rehearsal {
    /// How well it does.
    pub profile: Profile,
    /// What its pace was drawn from.
    pub seed: u64,
}

/// What was attached and corrected after the run, and what it came to without.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Corrected {
    /// The signals.
    pub attached: Vec<Attached>,
    /// Times and words that were corrected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Lines that staff judged; of several judgements of one line the last counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub judged: Vec<Judged>,
    /// What staff said of who ended it; the last counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributed: Vec<Attributed>,
    /// The figures without them.
    pub before: Before,
}

/// What a run came to before anything was attached to it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Before {
    /// The rating.
    pub rating: Option<Rating>,
    /// The outcome, in percent.
    pub outcome: Option<f64>,
    /// The share of the weight that could be seen, in percent.
    pub observed: Option<f64>,
    /// TTD.
    pub time_to_detect_ms: Option<u64>,
    /// TTA.
    pub time_to_acknowledge_ms: Option<u64>,
}

impl Corrected {
    pub(super) fn new(corrected: corrections::Corrected, before: &Report) -> Self {
        let score = before.scorecard.as_ref().map(|scorecard| &scorecard.score);
        Self {
            attached: corrected.attached,
            changes: corrected.changes,
            judged: corrected.judged,
            attributed: corrected.attributed,
            before: Before {
                rating: score.and_then(|score| score.rating),
                outcome: score.and_then(|score| score.outcome),
                observed: score.and_then(|score| score.observed),
                time_to_detect_ms: before.measures.time_to_detect.value_ms(),
                time_to_acknowledge_ms: before.measures.time_to_acknowledge.value_ms(),
            },
        }
    }

    /// Everything that was said afterwards, in the order of the log: the event, what kind of thing it is, and it in words.
    pub fn told(&self) -> Vec<(u64, &'static str, String)> {
        let attached = self.attached.iter();
        let attached = attached.map(|one| (one.seq, "attached", one.told()));
        let changes = self.changes.iter();
        let changes = changes.map(|one| (one.seq, "corrected", one.told()));
        let judged = self.judged.iter();
        let judged = judged.map(|one| (one.seq, "judged", one.told()));
        let attributed = self.attributed.iter();
        let attributed = attributed.map(|one| (one.seq, "attributed", one.told()));
        let all = attached.chain(changes).chain(judged).chain(attributed);
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|(seq, ..)| *seq);
        all
    }

    /// The figures without what was attached, in words.
    pub fn was(&self) -> String {
        let before = &self.before;
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), rubric::figure);
        let length = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), super::wording::span);
        format!(
            "rating {}, outcome {}, observed {}, TTD {}, TTA {}",
            before.rating.map_or("-", Rating::as_str),
            number(before.outcome),
            number(before.observed),
            length(before.time_to_detect_ms),
            length(before.time_to_acknowledge_ms)
        )
    }
}

impl Judged {
    /// What was judged, by whom and why, in words.
    pub fn told(&self) -> String {
        format!(
            "line `{}` judged {} by {}: {}",
            self.line,
            self.verdict.as_str(),
            self.author.as_deref().unwrap_or("somebody"),
            self.reason
        )
    }
}

impl Attributed {
    /// What was said, by whom and how they know, in words.
    pub fn told(&self) -> String {
        format!(
            "ended by {}, says {}: {}",
            self.by.as_str(),
            self.author.as_deref().unwrap_or("somebody"),
            self.reason
        )
    }
}

impl Change {
    /// What was corrected, by whom and why, in words.
    pub fn told(&self) -> String {
        let time = self.to.map(|to| {
            format!(
                "its time from {} to {}",
                wall_clock(self.was),
                wall_clock(to)
            )
        });
        let words = self
            .text
            .as_ref()
            .map(|text| format!("its words to: {text}"));
        let what: Vec<String> = time.into_iter().chain(words).collect();
        format!(
            "event {}, {}, corrected by {}: {}",
            self.of,
            what.join(", and "),
            self.author.as_deref().unwrap_or("somebody"),
            self.reason
        )
    }
}

impl Attached {
    /// What was attached, by whom and why, in words.
    pub fn told(&self) -> String {
        let source = self.source.sender().map_or("a tool", Sender::title);
        let about = if self.estimated {
            ", by the wall clock"
        } else {
            ""
        };
        format!(
            "a signal of {source}, received {}{about}, attached by {}: {}",
            wall_clock(self.received),
            self.author.as_deref().unwrap_or("somebody"),
            self.reason
        )
    }
}

/// The place in a run's log that a report was made at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Chain {
    /// The last event read.
    pub seq: u64,
    /// The chain's head at that event, where it is known.
    pub head: Option<String>,
}

/// What a check belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// It had to hold before and after.
    SteadyState,
    /// It had to hold while faults were on.
    During,
}

/// How a check came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "result", content = "reason", rename_all = "snake_case")]
pub enum CheckResult {
    /// It held to the end.
    Held,
    /// It held for as long as it was observed, which was not to the end.
    HeldSoFar(String),
    /// It did not.
    Failed(String),
    /// The probe could not be asked.
    Unusable(String),
    /// Faults were on, and what was seen meanwhile says neither.
    NotObserved(String),
    /// The run did not get so far.
    NotReached,
}

/// One probe of the hypothesis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// What it belongs to.
    pub kind: CheckKind,
    /// Which probe.
    pub probe: ProbeName,
    /// How long it was watched for, where that has a beginning: what must hold during faults.
    pub took_ms: Option<u64>,
    /// How it came out.
    #[serde(flatten)]
    pub result: CheckResult,
}

/// A drill judged against its runbook.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Scorecard {
    /// The drill.
    pub drill: DrillName,
    /// The team.
    pub team: TeamName,
    /// The runbook.
    pub runbook: RunbookName,
    /// The severity the scenario deserves.
    pub severity: Severity,
    /// What passing needs.
    pub pass: Pass,
    /// The numbers.
    pub score: Score,
    /// The lines, in the runbook's order.
    pub lines: Vec<Line>,
    /// Who was there, in the order in which they came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attendance: Vec<Attendee>,
    /// The timed messages, and how they were answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// What came of it, where nothing was broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoy: Option<Decoy>,
    /// How the team told others.
    pub communication: Communication,
}

/// Both sides together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Overall {
    /// One of the four verdicts.
    pub verdict: Verdict,
    /// What a command exits with.
    pub exit_code: u8,
    /// Why.
    pub reason: String,
}

impl Report {
    pub(super) fn new(timeline: &Timeline<'_>) -> Self {
        let reader = Reader::new(timeline);
        let plan = timeline.plan;
        let scorecard = plan
            .drill
            .as_ref()
            .map(|exercise| Scorecard::new(&reader, exercise));
        let (stack_verdict, reasons) = timeline.verdict.unzip();
        Self {
            run: None,
            rubric: RUBRIC,
            chain: Chain {
                seq: timeline.seq,
                head: None,
            },
            created: timeline.created.at.wall,
            took_ms: timeline.last.after(&timeline.created),
            experiment: plan.experiment.name.clone(),
            hypothesis: plan.experiment.hypothesis.clone(),
            stack: plan.stack.name.clone(),
            stack_verdict,
            stack_reasons: reasons.unwrap_or_default().to_vec(),
            checks: checks(timeline),
            measures: reader.measures(),
            rehearsal: plan.autopilot().map(|autopilot| Rehearsal {
                profile: autopilot.profile,
                seed: autopilot.seed,
            }),
            overall: stack_verdict.map(|verdict| overall(verdict, timeline, scorecard.as_ref())),
            scorecard,
            stuck: timeline.stuck.clone(),
            stuck_called: called(timeline),
            began: timeline.created.at,
            corrected: None,
        }
    }

    /// The report with what its log does not hold: the run's id, and the chain's head at the last event read.
    #[must_use]
    pub fn identified(mut self, run: RunId, head: Option<String>) -> Self {
        self.run = Some(run);
        self.chain.head = head;
        self
    }

    /// That it is a rehearsal, in words.
    pub fn rehearsed(&self) -> Option<String> {
        self.rehearsal.as_ref().map(|autopilot| {
            format!(
                "a rehearsal: a scripted team responded ({}, seed {}), so it counts in no trend",
                autopilot.profile.as_str(),
                autopilot.seed
            )
        })
    }

    /// The drill's name, else the experiment's.
    pub fn name(&self) -> &str {
        self.scorecard.as_ref().map_or_else(
            || self.experiment.as_str(),
            |scorecard| scorecard.drill.as_str(),
        )
    }

    /// Whether the record does not say who ended it, whatever staff have said since.
    pub fn is_unattributed(&self) -> bool {
        let ends = [&self.measures.mitigation, &self.measures.recovery];
        ends.into_iter()
            .flatten()
            .any(|ended| ended.by == Ender::Unattributed || ended.attributed.is_some())
    }

    /// What a command exits with; nothing while the run lasts.
    pub fn exit_code(&self) -> Option<u8> {
        self.overall.as_ref().map(|overall| overall.exit_code)
    }
}

impl Scorecard {
    fn new(reader: &Reader<'_>, exercise: &Exercise) -> Self {
        let timeline = reader.timeline;
        let lines = expectations::judge(reader, &exercise.runbook.expect);
        let standing = Standing {
            course: match timeline.verdict {
                _ if timeline.real => Course::Real,
                // The team was seen to the end, whatever the stack's hypothesis comes to.
                _ if timeline.is_unobserved() => Course::Over,
                Some((Verdict::Aborted, _)) => Course::BrokenOff("was aborted"),
                Some((Verdict::Errored, _)) => Course::BrokenOff("errored"),
                Some((Verdict::Passed | Verdict::Failed, _)) => Course::Over,
                None => Course::Running,
            },
            impact: reader.impact.is_some(),
            idle: timeline.idle(),
        };
        Self {
            drill: exercise.drill.name.clone(),
            team: exercise.team.name.clone(),
            runbook: exercise.runbook.name.clone(),
            severity: exercise.drill.severity,
            pass: exercise.drill.pass,
            score: rubric::score(&lines, standing, exercise.drill.pass),
            lines,
            attendance: people::attendance(timeline),
            messages: people::messages(timeline),
            decoy: people::decoy(timeline),
            communication: Communication::new(reader, &exercise.runbook),
        }
    }
}

/// A verdict in a word.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Aborted => "aborted",
        Verdict::Errored => "errored",
    }
}

fn overall(stack: Verdict, timeline: &Timeline<'_>, scorecard: Option<&Scorecard>) -> Overall {
    let (verdict, exit_code, reason) = sides(stack, timeline, scorecard);
    if timeline.stuck.is_empty() {
        return Overall {
            verdict,
            exit_code,
            reason,
        };
    }
    Overall {
        verdict,
        exit_code: 5,
        reason: format!("{reason}; could not undo {}", called(timeline).join(", ")),
    }
}

/// What happened, with the reasons that its run ended with.
fn because(what: &str, timeline: &Timeline<'_>) -> String {
    match timeline.verdict {
        Some((_, reasons)) if !reasons.is_empty() => format!("{what}: {}", reasons.join("; ")),
        _ => what.to_owned(),
    }
}

fn called(timeline: &Timeline<'_>) -> Vec<String> {
    let stuck = timeline.stuck.iter();
    stuck.map(|id| timeline.plan.called(id)).collect()
}

fn sides(
    stack: Verdict,
    timeline: &Timeline<'_>,
    scorecard: Option<&Scorecard>,
) -> (Verdict, u8, String) {
    match stack {
        Verdict::Aborted => {
            return (
                Verdict::Aborted,
                3,
                because("the run was aborted", timeline),
            );
        }
        Verdict::Errored if timeline.is_unobserved() => {
            return (
                Verdict::Errored,
                4,
                because("the hypothesis was not observed", timeline),
            );
        }
        Verdict::Errored => return (Verdict::Errored, 4, because("the run errored", timeline)),
        Verdict::Failed => return (Verdict::Failed, 1, because("the stack failed", timeline)),
        Verdict::Passed => {}
    }
    let Some(scorecard) = scorecard else {
        return (Verdict::Passed, 0, "the hypothesis held".into());
    };
    if let Some(decoy) = &scorecard.decoy {
        return if decoy.false_alarms.is_empty() {
            (Verdict::Passed, 0, format!("a decoy: {}", decoy.told()))
        } else {
            (Verdict::Failed, 1, format!("a decoy: {}", decoy.told()))
        };
    }
    let score = &scorecard.score;
    match score.verdict {
        TeamVerdict::Passed => (Verdict::Passed, 0, "stack and team passed".into()),
        TeamVerdict::Failed => (
            Verdict::Failed,
            1,
            format!("the team failed: {}", score.verdict_reason),
        ),
        // A drill without faults, a decoy, has nothing to rate and so can't fall short of it.
        TeamVerdict::Unrated if timeline.plan.injections.is_empty() => (
            Verdict::Passed,
            0,
            "the stack passed, and a decoy rates nobody".into(),
        ),
        TeamVerdict::Withheld | TeamVerdict::Unrated | TeamVerdict::Pending => (
            Verdict::Errored,
            4,
            format!("the team has no rating: {}", score.verdict_reason),
        ),
    }
}

fn checks(timeline: &Timeline<'_>) -> Vec<Check> {
    let experiment = &timeline.plan.experiment;
    let steady = experiment.steady_state.iter().map(|tolerance| Check {
        kind: CheckKind::SteadyState,
        probe: tolerance.probe.clone(),
        took_ms: None,
        result: steady_state(timeline, &tolerance.probe),
    });
    let during = experiment.during.iter().map(|tolerance| Check {
        kind: CheckKind::During,
        probe: tolerance.probe.clone(),
        took_ms: watched(timeline, &tolerance.probe),
        result: during(timeline, &tolerance.probe),
    });
    steady.chain(during).collect()
}

fn steady_state(timeline: &Timeline<'_>, probe: &ProbeName) -> CheckResult {
    if let Some(reason) = timeline.unusable(probe) {
        return CheckResult::Unusable(reason.to_owned());
    }
    match timeline.standing(probe) {
        Some(event::Standing::Failing) => CheckResult::Failed(match timeline.first_sent() {
            Some(_) => "it did not hold at the end".into(),
            None => "it did not hold before anything was touched".into(),
        }),
        Some(event::Standing::Passing) => held(timeline),
        None => CheckResult::NotReached,
    }
}

/// What held counts in full only where observation ended as planned: who was cut short may have been about to fail.
fn held(timeline: &Timeline<'_>) -> CheckResult {
    match timeline.end {
        Some(end) if end.cut_short() => {
            CheckResult::HeldSoFar(format!("not observed to the end: {}", end.sentence()))
        }
        Some(_) => CheckResult::Held,
        None => CheckResult::HeldSoFar("not observed to the end yet: the run goes on".into()),
    }
}

/// The first turn to failing that faults can be blamed for.
fn broke<'a>(timeline: &'a Timeline<'_>, probe: &ProbeName, sent: &Moment) -> Option<&'a Turn> {
    timeline
        .turns(probe)
        .iter()
        .find(|turn| turn.standing == event::Standing::Failing && !turn.decided.is_before(&sent.at))
}

/// From the first fault to the failure, else to the end of observation, else to now.
fn watched(timeline: &Timeline<'_>, probe: &ProbeName) -> Option<u64> {
    let sent = timeline.first_sent()?;
    let until = match (broke(timeline, probe, &sent), timeline.end) {
        (Some(turn), _) => turn.first,
        (None, Some(end)) => end.at,
        (None, None) => timeline.last,
    };
    Some(until.after(&sent))
}

/// Whether the probe failed between the first fault and the end of observation.
fn during(timeline: &Timeline<'_>, probe: &ProbeName) -> CheckResult {
    if let Some(reason) = timeline.unusable(probe) {
        return CheckResult::Unusable(reason.to_owned());
    }
    let Some(sent) = timeline.first_sent() else {
        return CheckResult::NotReached;
    };
    match broke(timeline, probe, &sent) {
        Some(turn) => CheckResult::Failed(format!(
            "it failed {} after the first fault (event {})",
            super::wording::span(turn.first.after(&sent)),
            turn.first.seq
        )),
        None if failed_all_along(timeline, probe) => {
            CheckResult::Failed("it failed before the first fault, and went on failing".into())
        }
        // A run that was ended before its time errs for that reason, not for what could not be seen by then.
        None if timeline.is_observed(probe) || timeline.end.is_some_and(|end| end.cut_short()) => {
            held(timeline)
        }
        None => match timeline.verdict {
            None => CheckResult::NotReached,
            // Only logs from before observation was recorded passed without it.
            Some((Verdict::Passed, _)) => CheckResult::Held,
            Some(_) => CheckResult::NotObserved(undecided(timeline, probe)),
        },
    }
}

/// Whether the probe had been failing when the first fault was sent, and never passed since.
fn failed_all_along(timeline: &Timeline<'_>, probe: &ProbeName) -> bool {
    let last = timeline.turns(probe).last();
    last.is_some_and(|turn| turn.standing == event::Standing::Failing)
}

fn undecided(timeline: &Timeline<'_>, probe: &ProbeName) -> String {
    let tolerances = phase::tolerances_of(timeline.plan);
    let tolerance = tolerances.iter().find(|one| one.probe == *probe);
    tolerance.map(phase::undecided).unwrap_or_default()
}
