//! The halt of everything: how it stands, pulled, and lifted. None of it waits for the database.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::start::malformed;
use crate::engine::event::Source;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::problem::Problem;
use crate::ports::Halted;
use crate::store::halt::{Halt, Pulled};

/// Why everything shall be halted, and by whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HaltEverything")]
pub(in crate::http) struct Wanted {
    /// In words that logs keep.
    #[schemars(length(min = 1))]
    reason: String,
    /// Who halts.
    actor: Option<String>,
}

/// How the halt stands.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HaltState")]
pub(in crate::http) struct Shown {
    /// Whether everything is halted.
    halted: bool,
    /// By whom, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
}

/// That the halt is lifted.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Lifted {
    /// Never any more.
    halted: bool,
    /// What was lifted; null where nothing was halted.
    lifted: Option<Shown>,
}

/// How it stands.
pub(in crate::http) async fn get(State(services): State<Services>) -> Result<Json<Shown>, Problem> {
    let lever = services.lever.clone();
    let state = blocking(move || lever.state()).await?;
    Ok(Json(Shown::of(state.as_ref())))
}

/// Halts everything. Each run is undone and ends as aborted; the answer does not wait for that.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let name = actor.acting_as(wanted.actor.as_deref())?;
    let halt = pull(&services, &wanted.reason, Source::Api, &name).await?;
    Ok((StatusCode::ACCEPTED, Json(Shown::of(Some(&halt)))))
}

/// Lifts the halt, and says what was lifted.
pub(in crate::http) async fn delete(
    State(services): State<Services>,
) -> Result<Json<Lifted>, Problem> {
    let lifted = release(&services).await?;
    Ok(Json(Lifted {
        halted: false,
        lifted: lifted.map(|halt| Shown::of(Some(&halt))),
    }))
}

/// Pulls the lever on a person's word, and stops what this process drives at once.
pub(in crate::http) async fn pull(
    services: &Services,
    reason: &str,
    source: Source,
    name: &str,
) -> Result<Halt, Problem> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Problem::unprocessable("empty-text", "the reason is empty"));
    }
    let wanted = Halt {
        by: name.to_owned(),
        reason: reason.to_owned(),
        at: services.now().wall,
        source,
    };
    let (lever, asked) = (services.lever.clone(), wanted.clone());
    let pulled = blocking(move || lever.pull(&asked)).await?;
    let halt = match &pulled {
        Ok(Pulled { halt, .. }) => halt.clone(),
        Err(_) => wanted,
    };
    // Whether or not the halt could be kept.
    services.supervisor.halt(&halted(&halt)).await;
    match pulled {
        Ok(_) => Ok(halt),
        Err(error) => Err(Problem::unavailable(
            "halt-not-kept",
            format!(
                "the runs of this server are stopped, and the halt could not be written down: {error}; \
                 hint: others may start again, so make the data folder writable and halt once more"
            ),
        )),
    }
}

/// Lifts the halt.
pub(in crate::http) async fn release(services: &Services) -> Result<Option<Halt>, Problem> {
    let lever = services.lever.clone();
    blocking(move || lever.lift()).await?.map_err(|error| {
        Problem::unavailable(
            "halt-not-lifted",
            format!("the halt could not be removed: {error}; hint: make the data folder writable"),
        )
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Problem::internal(&error))
}

fn halted(halt: &Halt) -> Halted {
    Halted {
        by: halt.by.clone(),
        reason: halt.reason.clone(),
        at: halt.at,
        source: halt.source,
    }
}

impl Shown {
    fn of(halt: Option<&Halt>) -> Self {
        Self {
            halted: halt.is_some(),
            by: halt.map(|halt| halt.by.clone()),
            reason: halt.map(|halt| halt.reason.clone()),
            since: halt.map(|halt| halt.at),
        }
    }
}
