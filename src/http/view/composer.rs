//! The form in which people write to others: what is chosen, what a template makes of it, and what is still lacking.

use serde::Serialize;

use crate::engine::event::{Fact, Update};
use crate::http::reading::Reading;
use crate::messages::Texts;
use crate::model::message::{Failure, Stage};
use crate::model::plan::Exercise;
use crate::model::runbook::{Audience, Expected, Milestone, PhraseSet};
use crate::score::composing::{self, Part};

/// The language that messages are made in until another one is chosen.
pub(in crate::http) const LANGUAGE: &str = "en";

/// Where people post by hand; a drill's own channels stand before these.
const BY_HAND: [&str; 5] = ["status_page", "telegram", "x", "email", "chat"];

/// The form.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Composer {
    /// What is written so far.
    pub(in crate::http) draft: Draft,
    /// Whether somebody is writing, and sent it to be looked at.
    pub(in crate::http) open: bool,
    /// Why no message could be made from a template.
    pub(in crate::http) trouble: Option<String>,
    pub(in crate::http) audiences: Vec<Choice>,
    pub(in crate::http) stages: Vec<Choice>,
    pub(in crate::http) failures: Vec<Choice>,
    pub(in crate::http) languages: Vec<Choice>,
    pub(in crate::http) advice: Vec<Choice>,
    pub(in crate::http) channels: Vec<ChannelLine>,
    /// What the runbook asks of an update, and whether the draft has it.
    pub(in crate::http) parts: Vec<Part>,
}

/// An update that is being written, as its form has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(in crate::http) struct Draft {
    pub(in crate::http) audience: String,
    pub(in crate::http) stage: String,
    pub(in crate::http) failure: String,
    pub(in crate::http) language: String,
    pub(in crate::http) channels: Vec<String>,
    pub(in crate::http) text: String,
    /// The part of the text that a template made: made anew, it gives way, and one's own words stay.
    pub(in crate::http) made: String,
    pub(in crate::http) advice: Vec<String>,
    pub(in crate::http) next_in: String,
    pub(in crate::http) recovery_from: String,
    pub(in crate::http) recovery_to: String,
}

/// A draft: as its form has it, and as the update that it would be.
#[derive(Debug, Clone)]
pub(in crate::http) struct Drafted {
    pub(in crate::http) form: Draft,
    pub(in crate::http) update: Update,
    /// Why no message could be made from a template.
    pub(in crate::http) trouble: Option<String>,
}

/// One of several.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Choice {
    pub(in crate::http) value: String,
    pub(in crate::http) label: String,
    pub(in crate::http) chosen: bool,
}

/// Where an update can be posted.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ChannelLine {
    pub(in crate::http) name: String,
    pub(in crate::http) label: String,
    /// How firedrill sends it there, and who reads it; nothing where people post by hand.
    pub(in crate::http) sent: Option<String>,
    pub(in crate::http) chosen: bool,
}

impl Composer {
    /// The form as it is filled in so far; a new one says what most likely is to be said next.
    pub(in crate::http) fn new(
        reading: &Reading,
        exercise: &Exercise,
        texts: &Texts,
        drafted: Option<&Drafted>,
    ) -> Self {
        let draft = drafted.map_or_else(|| next(reading, exercise), |one| one.form.clone());
        let choice = |value: &str, label: &str, chosen: bool| Choice {
            value: value.to_owned(),
            label: label.to_owned(),
            chosen,
        };
        Self {
            open: drafted.is_some(),
            trouble: drafted.and_then(|one| one.trouble.clone()),
            audiences: Audience::ALL
                .into_iter()
                .map(|one| choice(one.as_str(), one.title(), draft.audience == one.as_str()))
                .collect(),
            stages: Stage::WRITTEN
                .into_iter()
                .map(|one| choice(one.as_str(), one.title(), draft.stage == one.as_str()))
                .collect(),
            failures: Failure::ALL
                .into_iter()
                .map(|one| choice(one.as_str(), one.title(), draft.failure == one.as_str()))
                .collect(),
            languages: texts
                .languages()
                .map(|tag| choice(tag, tag, draft.language == tag))
                .collect(),
            advice: PhraseSet::ALL
                .into_iter()
                .filter_map(|set| {
                    let phrase = texts
                        .phrase(&draft.language, set)
                        .or_else(|| texts.phrase(LANGUAGE, set))?;
                    let chosen = draft.advice.iter().any(|one| one == set.as_str());
                    Some(choice(set.as_str(), phrase, chosen))
                })
                .collect(),
            channels: channels(exercise, &draft.channels),
            parts: parts(exercise, drafted.map(|one| &one.update)),
            draft,
        }
    }
}

/// The draft of whoever has not begun to write.
fn next(reading: &Reading, exercise: &Exercise) -> Draft {
    let has = |wanted: fn(&Fact) -> bool| reading.events.iter().any(|event| wanted(&event.fact));
    let stage = if has(|fact| matches!(fact, Fact::Resolved)) {
        Stage::Resolved
    } else if has(
        |fact| matches!(fact, Fact::UpdatePosted { update } if update.audience == Audience::Customers),
    ) {
        Stage::Update
    } else {
        Stage::FirstNotice
    };
    let failure = exercise.runbook.failure;
    Draft {
        audience: Audience::Customers.as_str().to_owned(),
        stage: stage.as_str().to_owned(),
        failure: failure.map_or_else(String::new, |one| one.as_str().to_owned()),
        language: LANGUAGE.to_owned(),
        next_in: "15".to_owned(),
        ..Draft::default()
    }
}

/// What the runbook asks of an update; of none written yet, one for those who use the wallet.
pub(in crate::http) fn parts(exercise: &Exercise, draft: Option<&Update>) -> Vec<Part> {
    let none = Update {
        audience: Audience::Customers,
        channels: Vec::new(),
        text: String::new(),
        next_update_at: None,
        estimated_recovery: None,
        stage: None,
    };
    composing::parts(&exercise.runbook, draft.unwrap_or(&none))
}

/// The drill's own channels, then the usual ones and those the runbook names, on which people post by hand.
fn channels(exercise: &Exercise, chosen: &[String]) -> Vec<ChannelLine> {
    let line = |name: &str, sent: Option<String>| ChannelLine {
        name: name.to_owned(),
        label: name.replace('_', " "),
        sent,
        chosen: chosen.iter().any(|one| one == name),
    };
    let own = exercise.channels.iter().map(|channel| {
        let how = format!("{}, {}", channel.way.title(), channel.audience.title());
        line(channel.name.as_str(), Some(how))
    });
    let mut lines: Vec<ChannelLine> = own.collect();
    let named = exercise
        .runbook
        .expect
        .iter()
        .flat_map(|line| match &line.what {
            Expected::Event {
                event: Milestone::Update { channels, .. },
                ..
            } => channels.as_slice(),
            _ => &[],
        });
    for name in BY_HAND.into_iter().chain(named.map(String::as_str)) {
        if !lines.iter().any(|one| one.name == name) {
            lines.push(line(name, None));
        }
    }
    lines
}
