//! Everybody's accounts, for administrators: who there is, what they may do, and where they are logged in.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::start::bad_form;
use crate::http::Services;
use crate::http::actor::{Actor, Means, checked};
use crate::http::password::{self, SHORTEST};
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::account::{People, PersonLine, SessionLine, Wheres};
use crate::http::view::layout::Layout;
use crate::model::access::{Grant, Role, Scope};
use crate::store::accounts::Change;

/// The most roles of one account.
const MOST_GRANTS: usize = 50;

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
    if actor.means == Means::Local {
        return Err(Problem::conflict(
            "no-administrator",
            "the first account is an administrator's; hint: make that on the page of settings",
        ));
    }
    let name = checked(&form.name)?;
    let grant = grant(&form.role, &form.team, &form.stack)?;
    let hash = password::hash(form.password).await?;
    let now = services.now().wall;
    if !services
        .database
        .add_user(&name, &hash, &[grant], now)
        .await?
    {
        return Err(Problem::conflict(
            "name-taken",
            format!("there is an account `{name}` already"),
        ));
    }
    Ok(Redirect::to("/settings/people"))
}

/// Gives an account a role more or less or another password, or removes it.
pub(in crate::http) async fn change(
    State(services): State<Services>,
    form: Result<Form<Wanted>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    let database = &services.database;
    let done = match form.act.as_str() {
        "grant" | "revoke" => {
            let grant = grant(&form.role, &form.team, &form.stack)?;
            let users = database.users().await?;
            let user = users.iter().find(|user| user.name == form.name);
            let Some(user) = user else {
                return Err(no_such_person(&form.name));
            };
            let mut grants = user.grants.clone();
            grants.retain(|known| *known != grant);
            if form.act == "grant" {
                grants.push(grant);
            }
            if grants.len() > MOST_GRANTS {
                return Err(Problem::unprocessable(
                    "too-many-roles",
                    "no account has so many roles",
                ));
            }
            database.set_grants(&form.name, &grants).await?
        }
        "password" => {
            let hash = password::hash(form.password).await?;
            if database.set_password(&form.name, &hash, None).await? {
                Change::Done
            } else {
                Change::Unknown
            }
        }
        "forget" => match database.remove_user(&form.name).await? {
            // Somebody without an account may still be behind a pseudonym.
            Change::Done | Change::Unknown => {
                if database.forget(&form.name).await? {
                    Change::Done
                } else {
                    Change::Unknown
                }
            }
            Change::LastAdministrator => Change::LastAdministrator,
        },
        "remove" => database.remove_user(&form.name).await?,
        _ => {
            return Err(Problem::bad(
                "nothing-to-do",
                "this can't be done with an account",
            ));
        }
    };
    match done {
        Change::Done => Ok(Redirect::to("/settings/people")),
        Change::Unknown => Err(no_such_person(&form.name)),
        Change::LastAdministrator => Err(Problem::conflict(
            "last-administrator",
            "nobody would be left who can administer everything; hint: make somebody else an administrator first",
        )),
    }
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

fn no_such_person(name: &str) -> Problem {
    Problem::missing("no-such-person", format!("there is no account `{name}`"))
}
