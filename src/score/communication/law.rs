//! What the law would ask for by when, as a simulation: nothing is ever sent.
//!
//! - DORA: Commission Delegated Regulation (EU) 2025/301, Article 5. Initial notification within 4 hours of the
//!   classification as major and within 24 hours of becoming aware, or 4 hours after a later classification;
//!   intermediate report within 72 hours of the initial one's submission; final report within a month of the
//!   intermediate one.
//! - NYDFS: 23 NYCRR 500.17(a), within 72 hours of determining that it happened.
//! - GDPR: Regulation (EU) 2016/679, Article 33, within 72 hours of becoming aware of a breach of personal data.
//!
//! Awareness is the first qualifying detection, classification and determination are the declaration of an incident.
//! Whether an incident is major, and which dates weekends and bank holidays move, is not judged here.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::event::{Event, Fact, Update};
use crate::model::runbook::{Audience, Regulation};
use crate::model::time::wall_clock;
use crate::score::measures::Reader;

/// One thing that would have been due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deadline {
    /// Under which law.
    pub regulation: Regulation,
    /// What would have been due.
    pub what: String,
    /// By when; nothing where what it counts from did not happen.
    pub due: Option<Timestamp>,
    /// What it counts from.
    pub basis: String,
    /// When the team told the regulator, in this simulation, where it did.
    pub told: Option<Timestamp>,
}

impl Deadline {
    /// In a sentence.
    pub fn told(&self) -> String {
        let due = match self.due {
            Some(due) => format!("due {}", wall_clock(due)),
            None => "no date".to_owned(),
        };
        let told = match (self.told, self.due) {
            (Some(told), Some(due)) if told <= due => "; the team told the regulator in time",
            (Some(_), Some(_)) => "; the team told the regulator late",
            _ => "",
        };
        format!("{due} ({}){told}", self.basis)
    }
}

/// What the regulations of a runbook would ask for.
pub(super) fn deadlines(
    reader: &Reader<'_>,
    regulations: &[Regulation],
    posted: &[(&Event, &Update)],
) -> Vec<Deadline> {
    let clocks = Clocks {
        aware: reader.detected().map(|signal| signal.moment.at.wall),
        declared: reader
            .timeline
            .answers()
            .find(|act| matches!(act.fact, Fact::Declared { .. }))
            .map(|act| act.at.wall),
        told: posted
            .iter()
            .filter(|(_, update)| update.audience == Audience::Regulator)
            .map(|(act, _)| act.at.wall)
            .collect(),
    };
    regulations
        .iter()
        .flat_map(|regulation| match regulation {
            Regulation::Dora => clocks.dora(),
            Regulation::Nydfs => vec![clocks.within(
                Regulation::Nydfs,
                "notice of the incident",
                clocks.declared,
                "72 h after it was declared",
                "nothing was declared",
            )],
            Regulation::Gdpr => vec![clocks.within(
                Regulation::Gdpr,
                "notification of a breach of personal data, if it is one",
                clocks.aware,
                "72 h after the detection",
                "nothing was detected",
            )],
        })
        .collect()
}

struct Clocks {
    aware: Option<Timestamp>,
    declared: Option<Timestamp>,
    /// When the regulator was told, in this simulation.
    told: Vec<Timestamp>,
}

fn hours(from: Timestamp, hours: i64) -> Timestamp {
    from.saturating_add(SignedDuration::from_hours(hours))
        .unwrap_or(Timestamp::MAX)
}

fn month(from: Timestamp) -> Timestamp {
    let later = from
        .to_zoned(TimeZone::UTC)
        .checked_add(Span::new().months(1));
    later.map_or(Timestamp::MAX, |later| later.timestamp())
}

impl Clocks {
    fn within(
        &self,
        regulation: Regulation,
        what: &str,
        from: Option<Timestamp>,
        basis: &str,
        absent: &str,
    ) -> Deadline {
        Deadline {
            regulation,
            what: what.to_owned(),
            due: from.map(|from| hours(from, 72)),
            basis: if from.is_some() { basis } else { absent }.to_owned(),
            told: self.told.first().copied(),
        }
    }

    fn dora(&self) -> Vec<Deadline> {
        let (due, basis) = match (self.aware, self.declared) {
            (_, None) => (None, "nothing was declared, so nothing was classified"),
            (Some(aware), Some(declared)) if declared <= hours(aware, 24) => {
                if hours(declared, 4) <= hours(aware, 24) {
                    (Some(hours(declared, 4)), "4 h after the declaration")
                } else {
                    (Some(hours(aware, 24)), "24 h after the detection")
                }
            }
            (_, Some(declared)) => (
                Some(hours(declared, 4)),
                "4 h after the declaration, more than 24 h after the detection",
            ),
        };
        let initial = Deadline {
            regulation: Regulation::Dora,
            what: "initial notification, if it is major".to_owned(),
            due,
            basis: basis.to_owned(),
            told: self.told.first().copied(),
        };
        let (from, basis) = match self.told.first() {
            Some(told) => (Some(*told), "72 h after the regulator was told"),
            None => (
                due,
                "72 h after the initial one, if that is sent when it is due",
            ),
        };
        let intermediate = Deadline {
            what: "intermediate report".to_owned(),
            due: from.map(|from| hours(from, 72)),
            basis: if from.is_some() {
                basis
            } else {
                "no initial notification is due"
            }
            .to_owned(),
            told: self.told.get(1).copied(),
            ..initial.clone()
        };
        let last = self.told.get(1).copied().or(intermediate.due);
        let last_report = Deadline {
            what: "final report".to_owned(),
            due: last.map(month),
            basis: match (self.told.get(1), last) {
                (Some(_), _) => "a month after the regulator was told more",
                (None, Some(_)) => {
                    "a month after the intermediate one, if that is sent when it is due"
                }
                (None, None) => "no intermediate report is due",
            }
            .to_owned(),
            told: self.told.get(2).copied(),
            ..initial.clone()
        };
        vec![initial, intermediate, last_report]
    }
}
