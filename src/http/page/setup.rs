//! The first account: through the one-time link of a server that others reach, or by the local operator.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::login::{begin, visit_cookie};
use super::start::bad_form;
use crate::http::Services;
use crate::http::actor::{Actor, Means, Visitor, checked};
use crate::http::auditing::TurnedOut;
use crate::http::password::{self, SHORTEST};
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::login::Setup;

/// The first administrator.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct First {
    name: String,
    password: String,
    again: String,
}

/// The form behind the link.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    is_open(&services, &code).await?;
    let layout = Layout::bare(&services, "Set up", "setup", &actor);
    let page = render(&Setup {
        layout,
        code,
        shortest: SHORTEST,
    })?;
    Ok((AppendHeaders(visit_cookie(&actor)), page).into_response())
}

/// Makes the first administrator, and logs them in.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    Path(code): Path<String>,
    headers: HeaderMap,
    form: Result<Form<First>, FormRejection>,
) -> Result<Response, Problem> {
    is_open(&services, &code).await?;
    make(&services, &actor, &headers, form).await
}

/// The same by the local operator, who needs an account from then on.
pub(in crate::http) async fn first(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    form: Result<Form<First>, FormRejection>,
) -> Result<Response, Problem> {
    if actor.means != Means::Local {
        return Err(taken());
    }
    make(&services, &actor, &headers, form).await
}

async fn is_open(services: &Services, code: &str) -> Result<(), Problem> {
    // A code that is wrong and one that was used are told apart for nobody.
    if services.gate.is_setup_code(code) && !services.gate.has_people(services).await {
        return Ok(());
    }
    Err(Problem::missing(
        "no-such-link",
        "this link was used already, or is of an earlier start; hint: log in, or restart `firedrill serve` for a new one",
    ))
}

async fn make(
    services: &Services,
    visitor: &Visitor,
    headers: &HeaderMap,
    form: Result<Form<First>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    let name = checked(&form.name)?;
    if form.password != form.again {
        return Err(differ());
    }
    let hash = password::hash(form.password).await?;
    let now = services.now().wall;
    if !services.database.add_first_user(&name, &hash, now).await? {
        return Err(taken());
    }
    let user = services
        .database
        .password_of(&name)
        .await?
        .map(|(id, ..)| id);
    let cookies = match user {
        Some(user) => begin(services, visitor, headers, user).await?,
        None => Vec::new(),
    };
    let mut response = (AppendHeaders(cookies), Redirect::to("/settings")).into_response();
    response.extensions_mut().insert(TurnedOut(name.into()));
    Ok(response)
}

fn taken() -> Problem {
    Problem::conflict(
        "set-up-already",
        "there is an account already; hint: log in",
    )
}

/// A password that was not typed the same twice.
pub(in crate::http) fn differ() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "passwords-differ",
        "the password was not typed the same twice",
    )
}
