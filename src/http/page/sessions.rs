//! Ending sessions: one's own, and for administrators anybody's.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::Redirect;
use serde::Deserialize;

use super::start::bad_form;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::people;
use crate::http::problem::Problem;

/// Which.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Choice {
    session: i64,
    /// Where one came from: the own account, or everybody's.
    #[serde(default)]
    all: bool,
}

/// Ends it.
pub(in crate::http) async fn end(
    State(services): State<Services>,
    actor: Actor,
    form: Result<Form<Choice>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    people::end_session(&services, &actor, form.session).await?;
    Ok(Redirect::to(if form.all {
        "/settings/people"
    } else {
        "/settings"
    }))
}
