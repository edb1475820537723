//! The halt: of one run, because it is real, or of everything.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::Redirect;
use serde::Deserialize;

use super::start::bad_form;
use crate::engine::event::Source;
use crate::engine::input::TeamAct;
use crate::http::Services;
use crate::http::actor::{self, Actor};
use crate::http::api::halt::{pull, release};
use crate::http::api::runs::stop;
use crate::http::problem::Problem;
use crate::http::reading::{driven, run_id};

/// Why.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Reason {
    reason: String,
}

/// Halts one run.
pub(in crate::http) async fn run(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    form: Result<Form<Reason>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    stop(&services, &run, &form.reason, Source::Room, &actor.name).await?;
    Ok(Redirect::to(&format!("/runs/{run}")))
}

/// It is not a drill: everything of this run is undone, and nothing is scored.
pub(in crate::http) async fn real(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
) -> Result<Redirect, Problem> {
    let handle = driven(&services, &run_id(&run)?).await?;
    let origin = actor::person_at_once(&services, Source::Room, &actor.name).await;
    handle.act(TeamAct::Real, origin).await?;
    Ok(Redirect::to(&format!("/runs/{run}")))
}

/// Halts every run on this data folder, and lets nothing start until that is lifted.
pub(in crate::http) async fn everything(
    State(services): State<Services>,
    actor: Actor,
    form: Result<Form<Reason>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    pull(&services, &form.reason, Source::Room, &actor.name).await?;
    Ok(Redirect::to("/"))
}

/// Lets runs start again.
pub(in crate::http) async fn lift(State(services): State<Services>) -> Result<Redirect, Problem> {
    release(&services).await?;
    Ok(Redirect::to("/"))
}
