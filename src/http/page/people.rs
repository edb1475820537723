//! Everybody's accounts, for administrators: who there is, what they may do, and where they are logged in.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::start::bad_form;
use crate::http::Services;
use crate::http::actor::{Actor, Means};
use crate::http::password::SHORTEST;
use crate::http::people::{self, Newcomer};
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::account::{People, PersonLine, SessionLine, Wheres};
use crate::http::view::layout::Layout;
use crate::model::access::{Grant, Role, Scope};

/// Somebody new.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Person {
    name: String,
    password: String,
    role: String,
    team: String,
    stack: String,
}

/// What shall be done with an account.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Wanted {
    name: String,
    #[serde(rename = "do")]
    act: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    team: String,
    #[serde(default)]
    stack: String,
}

/// Everybody.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Html<String>, Problem> {
    let users = services.database.users().await?;
    let sessions = services
        .database
        .sessions(None, services.now().wall)
        .await?;
    let here = match actor.means {
        Means::Session { id, .. } => Some(id),
        _ => None,
    };
    render(&People {
        layout: Layout::new(&services, "People", "settings", &actor).await?,
        accounts: users.iter().map(PersonLine::from).collect(),
        sessions: sessions
            .iter()
            .map(|one| SessionLine::new(one, Some(one.id) == here))
            .collect(),
        wheres: Wheres::of(&services).await?,
        shortest: SHORTEST,
    })
}

/// Makes an account.
pub(in crate::http) async fn add(
    State(services): State<Services>,
    actor: Actor,
    form: Result<Form<Person>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    let newcomer = Newcomer {
        grants: vec![grant(&form.role, &form.team, &form.stack)?],
        name: form.name,
        password: form.password,
    };
    people::add(&services, &actor, newcomer).await?;
    Ok(Redirect::to("/settings/people"))
}

/// Gives an account a role more or less or another password, or removes it.
pub(in crate::http) async fn change(
    State(services): State<Services>,
    form: Result<Form<Wanted>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    match form.act.as_str() {
        "grant" | "revoke" => {
            let grant = grant(&form.role, &form.team, &form.stack)?;
            let user = people::find(&services, &form.name).await?;
            let mut grants = user.grants.clone();
            grants.retain(|known| *known != grant);
            if form.act == "grant" {
                grants.push(grant);
            }
            people::set_roles(&services, &user, grants).await?;
        }
        "password" => people::set_password(&services, &form.name, form.password).await?,
        "forget" => people::remove(&services, &form.name, true).await?,
        "remove" => people::remove(&services, &form.name, false).await?,
        _ => {
            return Err(Problem::bad(
                "nothing-to-do",
                "this can't be done with an account",
            ));
        }
    }
    Ok(Redirect::to("/settings/people"))
}

/// A role as forms write it: an empty team or stack is no bound.
pub(in crate::http) fn grant(role: &str, team: &str, stack: &str) -> Result<Grant, Problem> {
    let bad =
        |error: crate::model::ids::BadName| Problem::unprocessable("bad-scope", error.to_string());
    let part = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    Ok(Grant {
        role: Role::named(role)
            .ok_or_else(|| Problem::unprocessable("bad-role", "there is no such role"))?,
        scope: Scope {
            team: part(team)
                .map(|team| team.parse())
                .transpose()
                .map_err(bad)?,
            stack: part(stack)
                .map(|stack| stack.parse())
                .transpose()
                .map_err(bad)?,
        },
    })
}
