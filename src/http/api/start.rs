//! Starting a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::keyed::{self, Key};
use super::library::{faulty, unknown};
use crate::engine::event::{Event, Trigger};
use crate::http::acting::look_behind;
use crate::http::actor::{Actor, Visitor};
use crate::http::catalogue::{Kind, Refused};
use crate::http::keeper::of_plan;
use crate::http::problem::Problem;
use crate::http::{Services, sources};
use crate::model::access::{Permission, Subject};
use crate::model::drill::Autopilot;
use crate::model::ids::RunId;
use crate::model::plan::{Plan, SourceFile};
use crate::model::signal::Sender;
use crate::model::team::Seat;
use crate::runtime::{RunHandle, StartError};

/// How long an answer waits for a run's first event to be on disk.
const RECORDING: Duration = Duration::from_secs(5);

/// What shall be started.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Start")]
pub(in crate::http) struct Wanted {
    /// The name of a drill in the server's library. Either this or `experiment`.
    drill: Option<String>,
    /// The name of an experiment in the server's library.
    experiment: Option<String>,
    /// What random draws are made from.
    #[schemars(range(max = u64::MAX))]
    seed: Option<u64>,
    /// Values of variables that the files declare.
    #[serde(default)]
    vars: BTreeMap<String, String>,
    /// A scripted team that responds in place of people: then it is a rehearsal.
    autopilot: Option<Autopilot>,
    /// Start only if the server's plan is made from files with exactly these contents. Where paths differ, contents
    /// count.
    files: Option<Vec<SourceFile>>,
}

/// A run that was started.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Started {
    /// The run's id.
    id: RunId,
    /// The drill's name, else the experiment's.
    name: String,
    /// Where the API has it.
    url: String,
    /// Where people find it.
    page: String,
}

impl Started {
    /// The same for the same run, whenever it is asked for.
    pub(super) fn of(run: RunId, name: String) -> Self {
        Self {
            name,
            url: format!("/api/v1/runs/{run}"),
            page: format!("/runs/{run}"),
            id: run,
        }
    }
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

    /// The same with a scripted team, where one is wanted.
    pub(in crate::http) fn flown_by(self, autopilot: Option<Autopilot>) -> Self {
        Self { autopilot, ..self }
    }
}

/// Starts a run and says where it is. With an `Idempotency-Key`, once however often it is asked for.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let started = if let Some(key) = Key::of(&headers)? {
        keyed::start(&services, &actor, &key, wanted).await?
    } else {
        let handle = start(&services, &actor, wanted).await?;
        Started::of(handle.run().clone(), handle.plan().name().to_owned())
    };
    let location = started.url.clone();
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(started),
    ))
}

/// Starts a run under an id of its own.
pub(in crate::http) async fn start(
    services: &Services,
    visitor: &Visitor,
    wanted: Wanted,
) -> Result<RunHandle, Problem> {
    let run = services.ids().run();
    start_as(services, visitor, wanted, run).await
}

/// Reads the files anew and hands the plan to the supervisor.
pub(super) async fn start_as(
    services: &Services,
    visitor: &Visitor,
    wanted: Wanted,
    run: RunId,
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
    refuse_for_now(services).await?;
    let (library, vars, wanted_name) = (services.library.clone(), wanted.vars, name.clone());
    let plan = tokio::task::spawn_blocking(move || library.plan(kind, &wanted_name, &vars))
        .await
        .map_err(|error| Problem::internal(&error))?
        .map_err(|refused| match refused {
            Refused::Unknown => unknown(kind, &name),
            Refused::Findings(found) => faulty(kind, &name, &found),
        })?;
    let plan = flown(plan, wanted.autopilot)?;
    visitor.must(Permission::Operate, &Subject::At(of_plan(&plan)))?;
    if let Some(expected) = &wanted.files {
        refuse_other_files(plan.name(), &plan.files, expected)?;
    }
    begin(
        services,
        Some(visitor),
        (run, plan, wanted.seed),
        Trigger::Api,
    )
    .await
}

/// Hands a plan to the supervisor under an id, with what its draws are made from, and waits until the run is on disk.
pub(in crate::http) async fn begin(
    services: &Services,
    visitor: Option<&Visitor>,
    (run, plan, seed): (RunId, Plan, Option<u64>),
    trigger: Trigger,
) -> Result<RunHandle, Problem> {
    refuse_for_now(services).await?;
    if plan.stops_on_alerts() && !services.senders.knows(Sender::Alertmanager) {
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
        .start_as(run, plan, seed, trigger)
        .await?;
    // A journal that fails stops the run by itself, and its answer need not wait for that.
    let _ = timeout(RECORDING, recorded(feed, handle.run())).await;
    sources::test(services, &handle);
    // Whoever begins a drill knows what it is.
    if let Some(visitor) = visitor {
        look_behind(services, visitor, handle.run(), Seat::Coordinator).await?;
    }
    Ok(handle)
}

/// That nothing keeps every run from starting.
async fn refuse_for_now(services: &Services) -> Result<(), Problem> {
    if let Some(halted) = services.supervisor.ports().lever.halted().await {
        return Err(StartError::Halted(halted).into());
    }
    if !services.ready.is_set() {
        return Err(Problem::unavailable(
            "recovering",
            "nothing starts before the first recovery pass is done; hint: try again in a few seconds",
        ));
    }
    Ok(())
}

/// Puts a scripted team in place of a drill's people.
pub(in crate::http) fn scripted(plan: &mut Plan, autopilot: Autopilot) {
    if let Some(exercise) = &mut plan.drill {
        exercise.drill.autopilot = Some(autopilot);
    }
}

/// The plan with a scripted team, where one is wanted.
fn flown(mut plan: Plan, autopilot: Option<Autopilot>) -> Result<Plan, Problem> {
    match (&plan.drill, autopilot) {
        (Some(_), Some(autopilot)) => scripted(&mut plan, autopilot),
        (None, Some(_)) => {
            return Err(Problem::unprocessable(
                "run-without-team",
                "an experiment has no team that could be scripted; hint: start a drill",
            ));
        }
        (_, None) => {}
    }
    Ok(plan)
}

/// A caller who has files of the same name means those: what is started from others would be something else.
pub(in crate::http) fn refuse_other_files(
    name: &str,
    files: &[SourceFile],
    expected: &[SourceFile],
) -> Result<(), Problem> {
    let lacks =
        |all: &[SourceFile], one: &SourceFile| !all.iter().any(|other| other.sha256 == one.sha256);
    let here = files.iter().filter(|file| lacks(expected, file));
    let there = expected.iter().filter(|file| lacks(files, file));
    let differ: Vec<&str> = here.chain(there).map(|file| file.path.as_str()).collect();
    if differ.is_empty() {
        return Ok(());
    }
    Err(Problem::conflict(
        "files-differ",
        format!(
            "`{name}` is made from other files here than were expected: {}; hint: bring the server's library up to date: \
             files never come with a request",
            differ.join(", ")
        ),
    ))
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
