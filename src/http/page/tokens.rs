//! API tokens, for administrators: which there are, a new one, which is shown once, and the end of one.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::people::grant;
use super::start::bad_form;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::accounts::{LASTS, issue, no_such_token};
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::account::Wheres;
use crate::http::view::layout::Layout;
use crate::http::view::tokens::{TokenLine, Tokens};

/// A token that is wanted.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Wanted {
    name: String,
    role: String,
    team: String,
    stack: String,
    days: u16,
}

/// Which.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Choice {
    name: String,
}

/// All of them.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Html<String>, Problem> {
    page(&services, &actor, None).await
}

/// Makes one, and shows it here and never again.
pub(in crate::http) async fn make(
    State(services): State<Services>,
    actor: Actor,
    form: Result<Form<Wanted>, FormRejection>,
) -> Result<Html<String>, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    let grant = grant(&form.role, &form.team, &form.stack)?;
    let (token, _) = issue(&services, &actor, &form.name, &grant, form.days).await?;
    page(&services, &actor, Some(token)).await
}

/// Ends one.
pub(in crate::http) async fn revoke(
    State(services): State<Services>,
    form: Result<Form<Choice>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    if !services.database.revoke_token(&form.name).await? {
        return Err(no_such_token(&form.name));
    }
    Ok(Redirect::to("/settings/tokens"))
}

async fn page(
    services: &Services,
    actor: &Actor,
    made: Option<String>,
) -> Result<Html<String>, Problem> {
    let tokens = services.database.tokens().await?;
    let makers: Vec<&str> = tokens
        .iter()
        .map(|token| token.created_by.as_str())
        .collect();
    let names = services.database.names(&makers).await?;
    let now = services.now().wall;
    render(&Tokens {
        layout: Layout::new(services, "Tokens", "settings", actor).await?,
        all: tokens
            .iter()
            .map(|token| TokenLine::new(token, &names, now))
            .collect(),
        made,
        wheres: Wheres::of(services).await?,
        lasts: LASTS,
    })
}
