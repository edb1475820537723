//! Who was there, how they answered what they were asked, and, where nothing was broken, whether they raised the alarm.
//!
//! Individuals are never rated: this says who took part, as pseudonyms, and how the team answered.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::timeline::{Moment, Timeline};
use super::wording;
use crate::engine::event::{ActorKind, Fact, Knew};
use crate::model::team::{Role, Seat};
use crate::model::time::{Millis, wall_clock};

/// Somebody who was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Attendee {
    /// As a pseudonym.
    pub who: String,
    /// On which side.
    pub seat: Seat,
    /// Since when: since they said so, or did the first thing; nothing of who only said when they knew.
    pub since: Option<Moment>,
    /// When they knew that it was a drill, of a surprise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knew: Option<Knew>,
    /// At what time, where they could tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knew_at: Option<Timestamp>,
}

impl Attendee {
    /// Who, and when they knew, in words.
    pub fn told(&self) -> String {
        let at = self
            .knew_at
            .map_or(String::new(), |at| format!(", at {}", wall_clock(at)));
        let knew = self
            .knew
            .map_or(String::new(), |knew| format!(", knew {}{at}", knew.words()));
        format!("{}{knew}", self.who)
    }
}

/// How a timed message was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// In time, or at all where no time was set.
    Answered,
    /// After the time that was set.
    Late,
    /// Not at all, though an answer was expected.
    Unanswered,
    /// Not at all, and none was expected, or its time was not over when the run ended.
    Open,
    /// It was never shown.
    NotShown,
}

impl Answer {
    /// In a word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Late => "answered late",
            Self::Unanswered => "not answered",
            Self::Open => "no answer",
            Self::NotShown => "not shown",
        }
    }
}

/// A timed message, and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "AnsweredMessage")]
pub struct Message {
    /// Its place in the drill's list, from 0.
    pub inject: usize,
    /// To whom; everybody when absent.
    pub to: Option<Role>,
    /// What it says.
    pub text: String,
    /// When it was shown.
    pub shown: Option<Moment>,
    /// When a person first answered it.
    pub replied: Option<Moment>,
    /// From one to the other.
    pub took_ms: Option<u64>,
    /// How soon an answer was expected.
    pub within_ms: Option<u64>,
    /// How it was answered.
    pub answer: Answer,
}

impl Message {
    /// How it was answered, in words.
    pub fn told(&self) -> String {
        let took = self.took_ms.map_or_else(String::new, |took| {
            format!(" after {}", wording::span(took))
        });
        let within = self.within_ms.map_or_else(String::new, |within| {
            format!(", {}", wording::due(Some(Millis::new(within)), None))
        });
        format!("{}{took}{within}: {}", self.answer.as_str(), self.text)
    }
}

/// What came of a drill in which nothing was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Decoy {
    /// When somebody said that nothing is wrong.
    pub dismissed: Option<Moment>,
    /// Incidents that were declared and remedies that were chosen, though nothing was wrong.
    pub false_alarms: Vec<FalseAlarm>,
}

/// Something done about what was not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FalseAlarm {
    /// When.
    #[serde(flatten)]
    pub moment: Moment,
    /// What.
    pub what: String,
}

impl Decoy {
    /// What came of it, in words.
    pub fn told(&self) -> String {
        let alarms: Vec<String> = self
            .false_alarms
            .iter()
            .map(|alarm| format!("{} (event {})", alarm.what, alarm.moment.seq))
            .collect();
        match (alarms.as_slice(), self.dismissed) {
            ([], None) => "nobody raised the alarm".to_owned(),
            ([], Some(moment)) => format!(
                "nobody raised the alarm, and somebody said that nothing is wrong (event {})",
                moment.seq
            ),
            (alarms, _) => format!("a false alarm was raised: {}", alarms.join(", ")),
        }
    }
}

/// Who was there, in the order in which they came.
pub(super) fn attendance(timeline: &Timeline<'_>) -> Vec<Attendee> {
    let mut all: Vec<Attendee> = timeline
        .present()
        .map(|(who, seat, since)| (who, seat, Some(since)))
        .map(|(who, seat, since)| attendee(timeline, who, seat, since))
        .collect();
    for who in timeline.asked() {
        if !all.iter().any(|one| one.who == who) {
            all.push(attendee(timeline, who, Seat::Responder, None));
        }
    }
    all.sort_by_key(|one| one.since.map(|since| since.order()));
    all
}

fn attendee(timeline: &Timeline<'_>, who: &str, seat: Seat, since: Option<Moment>) -> Attendee {
    let (knew, at) = timeline.knew(who).unzip();
    Attendee {
        who: who.to_owned(),
        seat,
        since,
        knew,
        knew_at: at.flatten(),
    }
}

/// Every timed message of the drill, in its order.
pub(super) fn messages(timeline: &Timeline<'_>) -> Vec<Message> {
    let injects = timeline
        .plan
        .drill
        .iter()
        .flat_map(|exercise| &exercise.drill.injects);
    injects
        .enumerate()
        .map(|(index, inject)| {
            let shown = timeline.delivered(index);
            let replied = timeline
                .acts()
                .find(|act| {
                    act.origin.kind == ActorKind::Human
                        && matches!(&act.fact, Fact::Replied { inject, .. } if *inject == index)
                })
                .map(Moment::from);
            let took_ms = shown
                .zip(replied)
                .map(|(shown, replied)| replied.after(&shown));
            let within = inject.expect_reply_within;
            let over = |limit: Millis| {
                let until = timeline.end.map_or(timeline.last, |end| end.at);
                shown.is_some_and(|shown| until.after(&shown) > limit.get())
            };
            let answer = match (shown, took_ms, within) {
                (None, ..) => Answer::NotShown,
                (_, Some(took), Some(limit)) if took > limit.get() => Answer::Late,
                (_, Some(_), _) => Answer::Answered,
                (_, None, Some(limit)) if over(limit) => Answer::Unanswered,
                (_, None, _) => Answer::Open,
            };
            Message {
                inject: index,
                to: inject.to,
                text: inject.text.clone(),
                shown,
                replied,
                took_ms,
                within_ms: within.map(Millis::get),
                answer,
            }
        })
        .collect()
}

/// What came of a decoy; nothing where something was to be broken.
pub(super) fn decoy(timeline: &Timeline<'_>) -> Option<Decoy> {
    timeline.plan.decoy()?;
    let mut decoy = Decoy {
        dismissed: None,
        false_alarms: Vec::new(),
    };
    for act in timeline.acts() {
        let what = match &act.fact {
            Fact::Dismissed { .. } => {
                decoy.dismissed.get_or_insert_with(|| act.into());
                continue;
            }
            Fact::Declared { severity } => format!("{} declared", severity.as_str()),
            // What a machine does by itself is no person's alarm.
            Fact::RemedyChosen { remedy, .. } if act.origin.kind == ActorKind::Human => {
                format!("remedy `{remedy}` chosen")
            }
            _ => continue,
        };
        decoy.false_alarms.push(FalseAlarm {
            moment: act.into(),
            what,
        });
    }
    Some(decoy)
}
