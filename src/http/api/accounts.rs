//! Who one is, the tokens there are, and who changed what.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runs::{bad_query, limited};
use super::start::malformed;
use crate::engine::event::Source;
use crate::http::Services;
use crate::http::actor::{self, Actor, Means, Visitor};
use crate::http::cursor;
use crate::http::gate::{digest, new_token};
use crate::http::problem::Problem;
use crate::model::access::{Grant, Principal, Role, Scope};
use crate::store::audit::Entry;
use crate::store::tokens::{NewToken, Token};

/// How many days a token lasts where nobody says.
pub(in crate::http) const LASTS: u16 = 90;

/// How many it may last at most.
const LASTS_AT_MOST: u16 = 366;

/// The most entries of one answer, and how many there are where nobody says.
const MOST: u32 = 500;
const USUAL: u32 = 100;

/// The kind of the audit's cursors.
const LIST: &str = "a";

/// Who one is.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Me {
    /// Under which name one acts.
    name: String,
    /// By what one is known.
    kind: Kind,
    /// What one may do, and where.
    roles: Vec<Grant>,
}

/// By what somebody is known.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// An account, by its session.
    Account,
    /// An API token.
    Token,
    /// The machine itself, where there are no accounts.
    LocalOperator,
    /// Nothing.
    Nobody,
}

/// Who one is here.
pub(in crate::http) async fn me(actor: Actor) -> Json<Me> {
    let roles = match &actor.principal {
        Principal::Holder(grants) => grants.clone(),
        Principal::LocalOperator => vec![Grant {
            role: Role::Administrator,
            scope: Scope::default(),
        }],
        Principal::Nobody => Vec::new(),
    };
    let kind = match actor.means {
        Means::Session { .. } => Kind::Account,
        Means::Token { .. } => Kind::Token,
        Means::Local => Kind::LocalOperator,
        Means::Stranger | Means::BadToken { .. } => Kind::Nobody,
    };
    Json(Me {
        name: actor.name.clone(),
        kind,
        roles,
    })
}

/// A token that is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewToken")]
pub(in crate::http) struct Wanted {
    /// A name that no other token has.
    name: String,
    /// What it may do.
    role: Role,
    /// Where; everywhere, where nothing is said.
    #[serde(default)]
    scope: Scope,
    /// How many days it lasts; 90, where nothing is said.
    #[schemars(range(min = 1, max = LASTS_AT_MOST))]
    days: Option<u16>,
}

/// All tokens.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Tokens {
    /// By name.
    tokens: Vec<Token>,
}

/// A token that was made.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct MadeToken {
    /// Its name.
    name: String,
    /// The token itself, which is shown here and never again.
    token: String,
    /// When it ends.
    expires: Timestamp,
}

/// All tokens, none of them readable.
pub(in crate::http) async fn tokens(
    State(services): State<Services>,
) -> Result<Json<Tokens>, Problem> {
    let tokens = services.database.tokens().await?;
    Ok(Json(Tokens { tokens }))
}

/// Makes a token: this answer is the only place where it is ever shown.
pub(in crate::http) async fn make_token(
    State(services): State<Services>,
    actor: Actor,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let grant = Grant {
        role: wanted.role,
        scope: wanted.scope,
    };
    let days = wanted.days.unwrap_or(LASTS);
    let (token, expires) = issue(&services, &actor, &wanted.name, &grant, days).await?;
    let location = format!("/api/v1/tokens/{}", wanted.name.trim());
    let body = MadeToken {
        name: wanted.name.trim().to_owned(),
        token,
        expires,
    };
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(body),
    ))
}

/// Ends a token.
pub(in crate::http) async fn revoke_token(
    State(services): State<Services>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    if services.database.revoke_token(&name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_such_token(&name))
    }
}

/// Makes a token; answers with it and when it ends.
pub(in crate::http) async fn issue(
    services: &Services,
    maker: &Visitor,
    name: &str,
    grant: &Grant,
    days: u16,
) -> Result<(String, Timestamp), Problem> {
    let bad =
        |error: crate::model::ids::BadName| Problem::unprocessable("bad-name", error.to_string());
    let name: crate::model::ids::TokenName = name.trim().parse().map_err(bad)?;
    if days == 0 || days > LASTS_AT_MOST {
        return Err(Problem::unprocessable(
            "bad-expiry",
            format!("a token lasts 1 to {LASTS_AT_MOST} days"),
        ));
    }
    let now = services.now().wall;
    let expires = now
        .checked_add(SignedDuration::from_hours(24 * i64::from(days)))
        .map_err(|error| Problem::internal(&error))?;
    let maker = actor::person(services, Source::Api, &maker.name)
        .await?
        .actor;
    let token = new_token();
    let new = NewToken {
        name: name.as_str(),
        token_sha256: &digest(&token),
        grant,
        created_by: maker.as_deref().unwrap_or_default(),
        now,
        expires,
    };
    if !services.database.add_token(&new).await? {
        return Err(Problem::conflict(
            "name-taken",
            format!(
                "there is a token `{name}` already; hint: revoke that one, or give another name"
            ),
        ));
    }
    Ok((token, expires))
}

/// No token has this name.
pub(in crate::http) fn no_such_token(name: &str) -> Problem {
    Problem::missing("no-such-token", format!("there is no token `{name}`"))
}

/// Which part of the audit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Part {
    /// At most so many.
    #[schemars(range(min = 1, max = MOST))]
    limit: Option<u32>,
    /// Where the part before ended: its `next`.
    cursor: Option<String>,
}

/// A part of the audit.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Audited {
    /// Latest first.
    entries: Vec<Entry>,
    /// Names by pseudonym. One that was forgotten is not there.
    names: BTreeMap<String, String>,
    /// The cursor of the part that follows; null at the end.
    next: Option<String>,
}

/// Who changed what, latest first.
pub(in crate::http) async fn audit(
    State(services): State<Services>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Audited>, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let limit = limited(part.limit, USUAL, MOST)?;
    let before: Option<u64> = part
        .cursor
        .as_deref()
        .map(|text| cursor::read(LIST, text))
        .transpose()?;
    let mut entries = services.database.audited(limit + 1, before).await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = entries.last().filter(|_| more);
    let next = next.map(|entry| cursor::after(LIST, &entry.seq));
    let names = named(&services, &entries).await?;
    Ok(Json(Audited {
        entries,
        names,
        next,
    }))
}

/// The names behind the pseudonyms of these entries, of those who are not forgotten.
pub(in crate::http) async fn named(
    services: &Services,
    entries: &[Entry],
) -> Result<BTreeMap<String, String>, Problem> {
    let mut pseudonyms: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry.deed.actor.as_deref())
        .collect();
    pseudonyms.sort_unstable();
    pseudonyms.dedup();
    Ok(services.database.names(&pseudonyms).await?)
}
