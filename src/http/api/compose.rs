//! Messages before they are sent: made from a template, and looked over for what they lack. Nothing is sent or recorded.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::start::malformed;
use crate::engine::event::Update;
use crate::engine::posts::marked;
use crate::engine::state::State as RunState;
use crate::http::Services;
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::messages::{Texts, Wish};
use crate::model::message::{Failure, Stage};
use crate::model::runbook::{Audience, PhraseSet, Runbook};
use crate::score::lacking::{Lack, asked_phrases, lacking};

/// What is to be said.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Wish")]
pub(in crate::http) struct Wanted {
    /// A text of one's own, to be looked over; else one is made from a template.
    pub(in crate::http) text: Option<String>,
    /// What point of the incident it speaks of.
    pub(in crate::http) stage: Option<Stage>,
    /// Of what kind of failure; what the runbook says where it is not said.
    pub(in crate::http) failure: Option<Failure>,
    /// In which language; English where it is not said.
    pub(in crate::http) language: Option<String>,
    /// For whom; customers where it is not said.
    pub(in crate::http) audience: Option<Audience>,
    /// What else is known, put into a template.
    #[serde(default)]
    pub(in crate::http) detail: String,
    /// Which phrases a template is followed by; those that the runbook asks for where it is not said.
    pub(in crate::http) phrases: Option<Vec<PhraseSet>>,
    /// When the next update comes.
    pub(in crate::http) next_update_at: Option<Timestamp>,
    /// When recovery is expected: earliest and latest.
    pub(in crate::http) estimated_recovery: Option<(Timestamp, Timestamp)>,
}

/// A message as it would be sent.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Draft")]
pub(in crate::http) struct Draft {
    /// Its text, with the mark of a drill.
    pub(in crate::http) text: String,
    /// What it still lacks.
    pub(in crate::http) lacks: Vec<Lack>,
    /// The languages that messages can be made in.
    pub(in crate::http) languages: Vec<String>,
}

/// Makes a message for a drill, or looks one over.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    Path(run): Path<String>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Json<Draft>, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let reading = Reading::of(&services, &run_id(&run)?).await?;
    let texts = texts(&services).await?;
    draft(&reading.state, &texts, &wanted, services.now().wall).map(Json)
}

/// The texts there are.
pub(in crate::http) async fn texts(services: &Services) -> Result<std::sync::Arc<Texts>, Problem> {
    let library = services.library.clone();
    tokio::task::spawn_blocking(move || library.messages())
        .await
        .map_err(|error| Problem::internal(&error))
}

fn runbook(state: &RunState) -> Option<&Runbook> {
    let exercise = state.plan()?.drill.as_ref()?;
    Some(&exercise.runbook)
}

/// A message for a run, as it would be sent at this time.
pub(in crate::http) fn draft(
    state: &RunState,
    texts: &Texts,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Draft, Problem> {
    let Some((runbook, plan)) = runbook(state).zip(state.plan()) else {
        return Err(Problem::unprocessable(
            "run-without-team",
            "this run is an experiment: nobody is told anything",
        ));
    };
    let audience = wanted.audience.unwrap_or(Audience::Customers);
    let failure = wanted.failure.or(runbook.failure);
    let text = match (&wanted.text, wanted.stage, failure) {
        (Some(text), ..) => text.clone(),
        (None, Some(stage), Some(failure)) => {
            let phrases = match &wanted.phrases {
                Some(phrases) => phrases.clone(),
                None if audience == Audience::Customers => asked_phrases(runbook),
                None => Vec::new(),
            };
            let wish = Wish {
                language: wanted.language.clone().unwrap_or_else(|| "en".to_owned()),
                stage,
                failure,
                stack: plan.stack.name.to_string(),
                detail: wanted.detail.clone(),
                phrases,
                next_update_at: wanted.next_update_at,
                estimated_recovery: wanted.estimated_recovery,
                now,
            };
            texts
                .compose(&wish)
                .map_err(|unmade| Problem::unprocessable("no-such-message", unmade.to_string()))?
        }
        _ => {
            return Err(Problem::unprocessable(
                "nothing-to-say",
                "give a `text`, or a `stage` and a `failure` to make one from; hint: a runbook that says its `failure` spares it",
            ));
        }
    };
    let update = Update {
        audience,
        channels: Vec::new(),
        text: text.clone(),
        stage: wanted.stage,
        next_update_at: wanted.next_update_at,
        estimated_recovery: wanted.estimated_recovery,
    };
    Ok(Draft {
        text: marked(&text),
        lacks: lacking(&update, runbook),
        languages: texts.languages().map(str::to_owned).collect(),
    })
}
