//! Who is logged in where: oneself, and for administrators everybody.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runs::bad_query;
use crate::http::Services;
use crate::http::actor::{Actor, Means};
use crate::http::people;
use crate::http::problem::Problem;
use crate::model::access::{Permission, Subject};
use crate::store::sessions::Session;

/// Whose.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Whose {
    /// Everybody's, which is for administrators; else one's own.
    #[serde(default)]
    all: bool,
}

/// Sessions that are not over.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Sessions {
    /// Last used first.
    sessions: Vec<Listed>,
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListedSession")]
struct Listed {
    #[serde(flatten)]
    session: Session,
    /// Whether it is the one that asks.
    current: bool,
}

/// One's own sessions, or everybody's. A token has none.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<Sessions>, Problem> {
    let Query(whose) = whose.map_err(|error| bad_query(&error))?;
    if whose.all {
        actor.must(Permission::Administer, &Subject::Everywhere)?;
    }
    let here = match actor.means {
        Means::Session { id, .. } => Some(id),
        _ => None,
    };
    let of = (!whose.all).then_some(actor.name.as_str());
    let sessions = match here {
        // A name that is no account's is a token's, or a claim.
        None if !whose.all => Vec::new(),
        _ => services.database.sessions(of, services.now().wall).await?,
    };
    let listed = sessions.into_iter().map(|session| Listed {
        current: Some(session.id) == here,
        session,
    });
    Ok(Json(Sessions {
        sessions: listed.collect(),
    }))
}

/// Ends a session: one's own, and for administrators anybody's.
pub(in crate::http) async fn end(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| people::no_such_session())?;
    people::end_session(&services, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
