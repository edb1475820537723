//! A run in one line of a list.

use serde::Serialize;

use super::time::{Moment, offset_ms, span};
use super::{Badge, figure};
use crate::store::runs::{RunKind, RunRow};

/// A run in a list.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct RunLine {
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    pub(in crate::http) drill: bool,
    pub(in crate::http) stack: String,
    pub(in crate::http) trigger: String,
    pub(in crate::http) created: Moment,
    pub(in crate::http) lasted: Option<String>,
    /// The stack's side.
    pub(in crate::http) verdict: Badge,
    /// The team's side, where it was scored.
    pub(in crate::http) score: Option<Score>,
    pub(in crate::http) stuck: u64,
    /// Whether a scripted team responded.
    pub(in crate::http) rehearsal: bool,
}

/// A scorecard in a few figures.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Score {
    pub(in crate::http) rating: Option<String>,
    pub(in crate::http) outcome: Option<String>,
    pub(in crate::http) observed: Option<String>,
    pub(in crate::http) pass: Badge,
}

impl From<&RunRow> for RunLine {
    fn from(row: &RunRow) -> Self {
        let lasted = row
            .ended
            .map(|ended| span(u64::try_from(offset_ms(ended, row.created)).unwrap_or(0)));
        let drill = row.kind == RunKind::Drill;
        let score = row.scorecard.as_ref().filter(|_| drill);
        Self {
            id: row.id.to_string(),
            name: row.name.clone(),
            drill,
            stack: row.stack.to_string(),
            trigger: row.trigger.word().replace('_', " "),
            created: row.created.into(),
            lasted,
            verdict: if row.stuck > 0 {
                Badge::new("stuck", '!', "bad")
            } else {
                Badge::of(row.verdict)
            },
            score: score.map(|summary| Score {
                rating: summary.rating.clone(),
                outcome: summary.outcome.map(figure),
                observed: summary.observed.map(figure),
                pass: match summary.pass {
                    Some(true) => Badge::new("team passed", '✓', "good"),
                    Some(false) => Badge::new("team failed", '✗', "bad"),
                    None => Badge::new("team not rated", '–', "plain"),
                },
            }),
            stuck: row.stuck,
            rehearsal: row.rehearsal,
        }
    }
}
