//! Everybody's accounts, for administrators, and one's own password.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runs::bad_query;
use super::start::malformed;
use crate::http::Services;
use crate::http::actor::{Actor, encoded};
use crate::http::password::SHORTEST;
use crate::http::people::{self, MOST_GRANTS, Newcomer};
use crate::http::problem::Problem;
use crate::http::tagged;
use crate::model::access::{Grant, Role, Scope};
use crate::model::ids::{StackName, TeamName};
use crate::store::accounts::User;

/// An account.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Account")]
pub(in crate::http) struct Person {
    /// Its name, under which the person acts.
    name: String,
    /// When it was made.
    created: Timestamp,
    /// What it may do, and where.
    roles: Vec<Grant>,
}

/// All accounts.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Accounts")]
pub(in crate::http) struct People {
    /// By name.
    people: Vec<Person>,
}

/// A role that is given. Strict: a bound with a slip of the pen would be none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RoleGiven")]
struct Given {
    /// Which.
    role: Role,
    /// Only for what drills this team.
    team: Option<TeamName>,
    /// Only on this stack.
    stack: Option<StackName>,
}

/// Somebody new.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewAccount")]
pub(in crate::http) struct New {
    /// A name that no other account has.
    #[schemars(length(min = 1, max = 80))]
    name: String,
    /// Their first password.
    #[schemars(length(min = SHORTEST))]
    password: String,
    /// What they may do.
    #[serde(default)]
    #[schemars(length(max = MOST_GRANTS))]
    roles: Vec<Given>,
}

/// All roles that an account shall have.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Roles {
    /// In place of those that it has.
    #[schemars(length(max = MOST_GRANTS))]
    roles: Vec<Given>,
}

/// Another password for somebody.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewPassword")]
pub(in crate::http) struct Password {
    /// The password.
    #[schemars(length(min = SHORTEST))]
    password: String,
}

/// Another password for oneself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OwnPassword")]
pub(in crate::http) struct OwnPassword {
    /// The one until now.
    current: String,
    /// The one from now on.
    #[schemars(length(min = SHORTEST))]
    password: String,
}

/// How somebody is removed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Removal {
    /// Whether who they were is forgotten, too: their pseudonym stays in logs and means nobody any more.
    #[serde(default)]
    forget: bool,
}

impl From<User> for Person {
    fn from(user: User) -> Self {
        Self {
            name: user.name,
            created: user.created,
            roles: user.grants,
        }
    }
}

impl From<Given> for Grant {
    fn from(given: Given) -> Self {
        Self {
            role: given.role,
            scope: Scope {
                team: given.team,
                stack: given.stack,
            },
        }
    }
}

fn grants(given: Vec<Given>) -> Vec<Grant> {
    given.into_iter().map(Grant::from).collect()
}

/// Everybody who has an account.
pub(in crate::http) async fn list(
    State(services): State<Services>,
) -> Result<Json<People>, Problem> {
    let users = services.database.users().await?;
    Ok(Json(People {
        people: users.into_iter().map(Person::from).collect(),
    }))
}

/// One account.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let person = Person::from(people::find(&services, &name).await?);
    tagged::json(&headers, &person)
}

/// Makes an account.
pub(in crate::http) async fn add(
    State(services): State<Services>,
    actor: Actor,
    new: Result<Json<New>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(new) = new.map_err(|error| malformed(&error))?;
    let newcomer = Newcomer {
        name: new.name,
        password: new.password,
        grants: grants(new.roles),
    };
    let person = Person::from(people::add(&services, &actor, newcomer).await?);
    let location = format!("/api/v1/people/{}", encoded(&person.name));
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(person),
    ))
}

/// Gives an account other roles; with `If-Match`, only where it is still what was looked at.
pub(in crate::http) async fn set_roles(
    State(services): State<Services>,
    Path(name): Path<String>,
    headers: HeaderMap,
    wanted: Result<Json<Roles>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let user = people::find(&services, &name).await?;
    tagged::still(&headers, &Person::from(user.clone()))?;
    let user = people::set_roles(&services, &user, grants(wanted.roles)).await?;
    tagged::json(&HeaderMap::new(), &Person::from(user))
}

/// Gives an account another password, which ends its sessions.
pub(in crate::http) async fn set_password(
    State(services): State<Services>,
    Path(name): Path<String>,
    wanted: Result<Json<Password>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    people::set_password(&services, &name, wanted.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes an account, and forgets the person where that is asked for.
pub(in crate::http) async fn remove(
    State(services): State<Services>,
    Path(name): Path<String>,
    removal: Result<Query<Removal>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(removal) = removal.map_err(|error| bad_query(&error))?;
    people::remove(&services, &name, removal.forget).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives one's own account another password, which ends its other sessions.
pub(in crate::http) async fn set_own_password(
    State(services): State<Services>,
    actor: Actor,
    wanted: Result<Json<OwnPassword>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    people::set_own_password(&services, &actor, wanted.current, wanted.password).await?;
    Ok(StatusCode::NO_CONTENT)
}
