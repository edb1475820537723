//! A message made from a template before it is sent. What is chosen stands in the address, so that looking it over
//! changes nothing and needs no script; sending it is the room's own form.

use axum::extract::{Path, Query, State};
use axum::response::Html;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::compose::{Wanted, draft, texts};
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::http::templates::render;
use crate::http::view::compose::{ChannelLine, Choice, Chosen, Compose, Message};
use crate::http::view::layout::Layout;
use crate::messages::Texts;
use crate::model::message::{Failure, Stage};
use crate::model::runbook::{Audience, PhraseSet};
use crate::score::lacking::asked_phrases;

/// The page as it is chosen so far.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Html<String>, Problem> {
    let reading = Reading::of(&services, &run_id(&run)?).await?;
    let texts = texts(&services).await?;
    let layout = Layout::new(&services, "Write to others", "runs", &actor).await?;
    let page = page(
        layout,
        &reading,
        &texts,
        &Fields(pairs),
        services.now().wall,
    )?;
    render(&page)
}

/// What the address says.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, key: &str) -> &str {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map_or("", |(_, value)| value.trim())
    }

    fn has(&self, key: &str, value: &str) -> bool {
        self.0
            .iter()
            .any(|(name, known)| name == key && known == value)
    }

    /// A value of a type that the API reads from a text; nothing where it is none.
    fn parsed<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_value(Value::String(self.get(key).to_owned())).ok()
    }

    fn minutes(&self, key: &str, now: Timestamp) -> Option<Timestamp> {
        let minutes: u16 = self.get(key).parse().ok()?;
        now.checked_add(SignedDuration::from_mins(i64::from(minutes)))
            .ok()
    }

    /// Whether the form was sent: then a phrase that is not ticked is not wanted.
    fn is_sent(&self) -> bool {
        self.has("made", "1")
    }
}

fn page(
    layout: Layout,
    reading: &Reading,
    texts: &Texts,
    fields: &Fields,
    now: Timestamp,
) -> Result<Compose, Problem> {
    let exercise = reading.state.plan().and_then(|plan| plan.drill.as_ref());
    let exercise = exercise.ok_or_else(|| {
        Problem::unprocessable(
            "run-without-team",
            "this run is an experiment: nobody is told anything",
        )
    })?;
    let asked = asked_phrases(&exercise.runbook);
    let audience = fields.parsed("audience").unwrap_or(Audience::Customers);
    let earliest = fields.minutes("recovery_from", now);
    let latest = fields.minutes("recovery_to", now);
    let phrases: Vec<PhraseSet> = PhraseSet::ALL
        .into_iter()
        .filter(|set| {
            if fields.is_sent() {
                fields.has("phrase", set.as_str())
            } else {
                asked.contains(set)
            }
        })
        .collect();
    let wanted = Wanted {
        text: None,
        stage: fields.parsed("stage"),
        failure: fields.parsed("failure"),
        language: Some(fields.get("language").to_owned()).filter(|tag| !tag.is_empty()),
        audience: Some(audience),
        detail: fields.get("detail").to_owned(),
        phrases: Some(phrases.clone()),
        next_update_at: fields.minutes("next_in", now),
        estimated_recovery: earliest.zip(latest).filter(|(from, to)| from <= to),
    };
    let enough = wanted.stage.is_some() && wanted.failure.is_some();
    let made = enough.then(|| draft(&reading.state, texts, &wanted, now));
    let (message, trouble) = match made {
        None => (None, None),
        Some(Ok(draft)) => (
            Some(Message {
                text: draft.text,
                lacks: draft.lacks,
            }),
            None,
        ),
        Some(Err(problem)) => (None, Some(problem.detail)),
    };
    let choice = |value: &str, label: &str, chosen: bool| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        chosen,
    };
    let language = wanted.language.as_deref().unwrap_or("en");
    Ok(Compose {
        layout,
        id: reading.row.id.to_string(),
        name: reading.row.name.clone(),
        chosen: Chosen {
            stage: fields.get("stage").to_owned(),
            audience: audience_word(audience).to_owned(),
            detail: fields.get("detail").to_owned(),
            next_in: if fields.is_sent() {
                fields.get("next_in").to_owned()
            } else {
                "15".to_owned()
            },
            recovery_from: fields.get("recovery_from").to_owned(),
            recovery_to: fields.get("recovery_to").to_owned(),
        },
        stages: Stage::WRITTEN
            .into_iter()
            .map(|one| choice(one.as_str(), one.title(), wanted.stage == Some(one)))
            .collect(),
        failures: Failure::ALL
            .into_iter()
            .map(|one| choice(one.as_str(), one.title(), wanted.failure == Some(one)))
            .collect(),
        audiences: Audience::ALL
            .into_iter()
            .map(|one| choice(audience_word(one), one.title(), one == audience))
            .collect(),
        languages: texts
            .languages()
            .map(|tag| choice(tag, tag, tag == language))
            .collect(),
        phrases: PhraseSet::ALL
            .into_iter()
            .map(|set| {
                let text = texts.phrase(language, set).unwrap_or(set.as_str());
                choice(set.as_str(), text, phrases.contains(&set))
            })
            .collect(),
        channels: exercise
            .channels
            .iter()
            .filter(|channel| channel.audience == audience)
            .map(|channel| ChannelLine {
                name: channel.name.to_string(),
                readers: channel.audience.title(),
                way: channel.way.title(),
            })
            .collect(),
        message,
        trouble,
    })
}

fn audience_word(audience: Audience) -> &'static str {
    match audience {
        Audience::Customers => "customers",
        Audience::Internal => "internal",
        Audience::Regulator => "regulator",
    }
}
