//! The after-action report, and the list of corrective actions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::Badge;
use super::chart::Chart;
use super::layout::Layout;
use super::scorecard::{TeamSide, Times};
use super::time::{Moment, offset_ms, relative, span};
use crate::http::templates::Page;
use crate::model::review::{Kind, LONGEST, STATEMENTS, Survey};
use crate::review::{self, Review, Task};
use crate::store::runs::RunRow;

/// How long an action has, where nobody says.
const USUAL_DAYS: i64 = 14;

/// The page of a run's after-action report.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ReviewPage {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) id: String,
    pub(in crate::http) overview: review::Overview,
    pub(in crate::http) began: Moment,
    pub(in crate::http) ended: Option<Moment>,
    pub(in crate::http) lasted: Option<String>,
    pub(in crate::http) overall: Badge,
    pub(in crate::http) objectives: Vec<ObjectiveLine>,
    pub(in crate::http) team: Option<TeamSide>,
    pub(in crate::http) times: Times,
    pub(in crate::http) chart: Option<Chart>,
    pub(in crate::http) timeline: Vec<Line>,
    pub(in crate::http) groups: Vec<Group>,
    pub(in crate::http) actions: Vec<ActionLine>,
    pub(in crate::http) survey: Survey,
    pub(in crate::http) statements: Vec<StatementLine>,
    /// The comment that whoever looks has given.
    pub(in crate::http) comment: String,
    /// Whether whoever looks may write.
    pub(in crate::http) may_write: bool,
    /// Whether they were in it, and so may answer the survey.
    pub(in crate::http) took_part: bool,
    /// Whether they have answered.
    pub(in crate::http) answered: bool,
    /// The day that the form for an action proposes.
    pub(in crate::http) due: String,
    pub(in crate::http) longest: usize,
}

impl Page for ReviewPage {
    const TEMPLATE: &'static str = "review.html";
}

/// What the run was to show.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ObjectiveLine {
    pub(in crate::http) what: String,
    pub(in crate::http) came: Badge,
    pub(in crate::http) more: Option<String>,
    pub(in crate::http) evidence: Vec<u64>,
}

/// One thing that happened.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Line {
    pub(in crate::http) seq: u64,
    pub(in crate::http) at: Moment,
    pub(in crate::http) relative: String,
    pub(in crate::http) mark: char,
    pub(in crate::http) text: String,
}

/// Findings of one kind.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Group {
    pub(in crate::http) kind: &'static str,
    pub(in crate::http) title: &'static str,
    pub(in crate::http) mark: char,
    pub(in crate::http) findings: Vec<review::Finding>,
}

/// One corrective action.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ActionLine {
    pub(in crate::http) id: i64,
    pub(in crate::http) text: String,
    pub(in crate::http) owner: String,
    pub(in crate::http) due: String,
    pub(in crate::http) overdue: bool,
    pub(in crate::http) open: bool,
    pub(in crate::http) closed: Option<ClosedLine>,
    /// The run that showed it, where that is not the page's.
    pub(in crate::http) run: Option<RunLink>,
    /// Whether whoever looks may close it or open it again.
    pub(in crate::http) may_change: bool,
}

/// How an action ended.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ClosedLine {
    pub(in crate::http) outcome: String,
    pub(in crate::http) by: String,
    pub(in crate::http) at: Moment,
}

/// A run that is led to.
#[derive(Debug, Serialize)]
pub(in crate::http) struct RunLink {
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
}

/// A sentence of the survey, with what whoever looks has said to it.
#[derive(Debug, Serialize)]
pub(in crate::http) struct StatementLine {
    pub(in crate::http) key: &'static str,
    pub(in crate::http) text: &'static str,
    pub(in crate::http) given: Option<u8>,
}

/// Who looks at a report, and what they have answered.
#[derive(Debug, Default)]
pub(in crate::http) struct Reader {
    pub(in crate::http) may_write: bool,
    pub(in crate::http) took_part: bool,
    pub(in crate::http) answer: Option<crate::model::review::Answer>,
}

impl ReviewPage {
    /// The report of a run.
    pub(in crate::http) fn new(
        layout: Layout,
        row: &RunRow,
        review: Review,
        chart: Option<Chart>,
        reader: &Reader,
        now: Timestamp,
    ) -> Self {
        let report = &review.ratings;
        let start = report
            .measures
            .fault_sent
            .map_or(review.overview.began, |sent| sent.at.wall);
        let given = reader.answer.as_ref();
        Self {
            layout,
            id: row.id.to_string(),
            began: review.overview.began.into(),
            ended: review.overview.ended.map(Into::into),
            lasted: review.overview.ended.map(|ended| {
                let lasted = offset_ms(ended, review.overview.began);
                span(u64::try_from(lasted).unwrap_or(0))
            }),
            overall: Badge::of(report.overall.as_ref().map(|overall| overall.verdict)),
            objectives: review.objectives.iter().map(objective).collect(),
            team: report.scorecard.as_ref().map(TeamSide::new),
            times: Times::new(&report.measures),
            chart,
            timeline: review
                .timeline
                .iter()
                .map(|moment| Line {
                    seq: moment.seq,
                    at: moment.at.into(),
                    relative: relative(offset_ms(moment.at, start)),
                    mark: moment.mark,
                    text: moment.text.clone(),
                })
                .collect(),
            groups: Kind::ALL.map(|kind| group(&review, kind)).into(),
            actions: review
                .actions
                .iter()
                .map(|task| ActionLine::new(task, None, reader.may_write, now))
                .collect(),
            statements: STATEMENTS
                .iter()
                .enumerate()
                .map(|(at, statement)| StatementLine {
                    key: statement.key,
                    text: statement.text,
                    given: given.map(|answer| answer.agreement[at]),
                })
                .collect(),
            comment: given
                .map(|answer| answer.comment.clone())
                .unwrap_or_default(),
            may_write: reader.may_write,
            took_part: reader.took_part,
            answered: given.is_some(),
            due: in_days(now, USUAL_DAYS).to_string(),
            longest: LONGEST,
            survey: review.survey,
            overview: review.overview,
        }
    }
}

fn group(review: &Review, kind: Kind) -> Group {
    Group {
        kind: kind.as_str(),
        title: kind.title(),
        mark: match kind {
            Kind::Well => '✓',
            Kind::Badly => '✗',
            Kind::Lucky => '◇',
        },
        findings: review.of(kind).cloned().collect(),
    }
}

fn objective(objective: &review::Objective) -> ObjectiveLine {
    let (word, more) = match objective.came.split_once(": ") {
        Some((word, more)) => (word, Some(more.to_owned())),
        None => (objective.came.as_str(), None),
    };
    let (mark, look) = match objective.well {
        Some(true) => ('✓', "good"),
        Some(false) => ('✗', "bad"),
        None => ('–', "plain"),
    };
    ObjectiveLine {
        what: objective.what.clone(),
        came: Badge::new(word, mark, look),
        more,
        evidence: objective.evidence.clone(),
    }
}

fn in_days(now: Timestamp, days: i64) -> Date {
    let today = now.to_zoned(TimeZone::UTC).date();
    today
        .checked_add(jiff::Span::new().days(days))
        .unwrap_or(today)
}

impl ActionLine {
    /// An action, as a list shows it.
    pub(in crate::http) fn new(
        task: &Task,
        run: Option<RunLink>,
        may_change: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            id: task.id,
            text: task.text.clone(),
            owner: task.owner.clone(),
            due: task.due.to_string(),
            overdue: task.open && task.due < in_days(now, 0),
            open: task.open,
            closed: task.closed.as_ref().map(|closed| ClosedLine {
                outcome: closed.outcome.clone(),
                by: closed.by.clone(),
                at: closed.at.into(),
            }),
            run,
            may_change,
        }
    }
}

/// The list of corrective actions.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ActionsPage {
    pub(in crate::http) layout: Layout,
    /// Those that are due first in front.
    pub(in crate::http) open: Vec<ActionLine>,
    /// The latest first.
    pub(in crate::http) closed: Vec<ActionLine>,
    pub(in crate::http) overdue: usize,
}

impl Page for ActionsPage {
    const TEMPLATE: &'static str = "actions.html";
}

/// A name for a pseudonym; of somebody who was forgotten, the pseudonym.
pub(in crate::http) fn known(names: &BTreeMap<String, String>) -> impl Fn(&str) -> String + '_ {
    |pseudonym| {
        names
            .get(pseudonym)
            .cloned()
            .unwrap_or_else(|| pseudonym.to_owned())
    }
}
