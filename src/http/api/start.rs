//! Starting a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::library::unknown;
use crate::engine::event::{Event, Trigger};
use crate::http::Services;
use crate::http::actor::{Actor, Visitor};
use crate::http::catalogue::{Kind, Refused, listed};
use crate::http::gate::of_plan;
use crate::http::problem::Problem;
use crate::model::access::{Permission, Subject};
use crate::model::ids::RunId;
use crate::runtime::{RunHandle, StartError};

/// How long an answer waits for a run's first event to be on disk.
const RECORDING: Duration = Duration::from_secs(5);

/// What shall be started.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    drill: Option<String>,
    experiment: Option<String>,
    seed: Option<u64>,
    #[serde(default)]
    vars: BTreeMap<String, String>,
}

impl Wanted {
    /// A drill or an experiment as its file says.
    pub(in crate::http) fn named(kind: Kind, name: String) -> Self {
        let mut wanted = Self::default();
        match kind {
            Kind::Drill => wanted.drill = Some(name),
            _ => wanted.experiment = Some(name),
        }
        wanted
    }
}

/// Starts a run and says where it is.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let handle = start(&services, &actor, wanted).await?;
    let run = handle.run();
    let location = format!("/api/v1/runs/{run}");
    let body = json!({"id": run, "name": handle.plan().name(), "url": location, "page": format!("/runs/{run}")});
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(body),
    ))
}

/// Reads the files anew and hands the plan to the supervisor.
pub(in crate::http) async fn start(
    services: &Services,
    visitor: &Visitor,
    wanted: Wanted,
) -> Result<RunHandle, Problem> {
    let (kind, name) = match (wanted.drill, wanted.experiment) {
        (Some(name), None) => (Kind::Drill, name),
        (None, Some(name)) => (Kind::Experiment, name),
        _ => {
            return Err(Problem::bad(
                "nothing-to-start",
                "name one `drill` or one `experiment`",
            ));
        }
    };
    // Before the files are read: what they say does not matter then.
    if let Some(halted) = services.supervisor.ports().lever.halted().await {
        return Err(StartError::Halted(halted).into());
    }
    if !services.ready.is_set() {
        return Err(Problem::unavailable(
            "recovering",
            "nothing starts before the first recovery pass is done; hint: try again in a few seconds",
        ));
    }
    let (library, vars, wanted_name) = (services.library.clone(), wanted.vars, name.clone());
    let plan = tokio::task::spawn_blocking(move || library.plan(kind, &wanted_name, &vars))
        .await
        .map_err(|error| Problem::internal(&error))?
        .map_err(|refused| match refused {
            Refused::Unknown => unknown(kind, &name),
            Refused::Findings(found) => Problem::unprocessable(
                "file-findings",
                format!(
                    "the {} `{name}` can't be started: its files have findings",
                    kind.as_str()
                ),
            )
            .with_findings(listed(&found)),
        })?;
    visitor.must(Permission::Operate, &Subject::At(of_plan(&plan)))?;
    if plan.stops_on_alerts() && services.hook_tokens.is_empty() {
        return Err(Problem::unprocessable(
            "hooks-off",
            format!(
                "`{}` stops on an alert, and no hook token is configured, so none would be taken in; hint: list one \
                 under `tokens` in the server's configuration",
                plan.name()
            ),
        ));
    }
    // Followed before the start: its first event can't fall in between.
    let feed = services.supervisor.feed().follow();
    let handle = services
        .supervisor
        .start(plan, wanted.seed, Trigger::Api)
        .await?;
    // A journal that fails stops the run by itself, and its answer need not wait for that.
    let _ = timeout(RECORDING, recorded(feed, handle.run())).await;
    Ok(handle)
}

/// Waits until a run is on disk, so that whoever is led to it finds it there.
async fn recorded(mut feed: broadcast::Receiver<(RunId, Arc<Event>)>, run: &RunId) {
    while let Ok((known, _)) = feed.recv().await {
        if known == *run {
            return;
        }
    }
}

/// A body that is not what the endpoint takes.
pub(in crate::http) fn malformed(error: &JsonRejection) -> Problem {
    let status = error.status();
    let code = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "not-json",
        StatusCode::UNPROCESSABLE_ENTITY => "unfit-json",
        _ => "bad-json",
    };
    Problem::new(status, code, error.body_text())
}
