//! Settings: one's own account, and everybody's.

use serde::Serialize;

use super::layout::Layout;
use super::time::Moment;
use crate::http::Services;
use crate::http::api::library::contents;
use crate::http::problem::Problem;
use crate::http::templates::Page;
use crate::model::access::{Grant, Role};
use crate::store::accounts::User;
use crate::store::sessions::Session;

/// One's own account.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Account {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) held: Vec<Held>,
    pub(in crate::http) sessions: Vec<SessionLine>,
    pub(in crate::http) shortest: usize,
}

impl Page for Account {
    const TEMPLATE: &'static str = "settings.html";
}

/// A role, where it holds, and both as forms write them.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Held {
    pub(in crate::http) role: &'static str,
    pub(in crate::http) place: String,
    pub(in crate::http) team: String,
    pub(in crate::http) stack: String,
}

/// A grant in words.
pub(in crate::http) fn held(grant: &Grant) -> Held {
    let team = grant.scope.team.as_ref().map(ToString::to_string);
    let stack = grant.scope.stack.as_ref().map(ToString::to_string);
    let place = match (&team, &stack) {
        (None, None) => "everywhere".to_owned(),
        (Some(team), None) => format!("for team {team}"),
        (None, Some(stack)) => format!("on stack {stack}"),
        (Some(team), Some(stack)) => format!("for team {team} on stack {stack}"),
    };
    Held {
        role: grant.role.as_str(),
        place,
        team: team.unwrap_or_default(),
        stack: stack.unwrap_or_default(),
    }
}

/// A session.
#[derive(Debug, Serialize)]
pub(in crate::http) struct SessionLine {
    pub(in crate::http) id: i64,
    pub(in crate::http) user: String,
    pub(in crate::http) created: Moment,
    pub(in crate::http) seen: Moment,
    pub(in crate::http) address: String,
    pub(in crate::http) agent: String,
    /// Whether it is the one that asks.
    pub(in crate::http) here: bool,
}

impl SessionLine {
    /// A session as it is listed.
    pub(in crate::http) fn new(session: &Session, here: bool) -> Self {
        Self {
            id: session.id,
            user: session.user.clone(),
            created: session.created.into(),
            seen: session.seen.into(),
            address: session.address.clone(),
            agent: session.agent.clone(),
            here,
        }
    }
}

/// Everybody.
#[derive(Debug, Serialize)]
pub(in crate::http) struct People {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) accounts: Vec<PersonLine>,
    pub(in crate::http) sessions: Vec<SessionLine>,
    pub(in crate::http) wheres: Wheres,
    pub(in crate::http) shortest: usize,
}

impl Page for People {
    const TEMPLATE: &'static str = "people.html";
}

/// An account.
#[derive(Debug, Serialize)]
pub(in crate::http) struct PersonLine {
    pub(in crate::http) name: String,
    pub(in crate::http) created: Moment,
    pub(in crate::http) held: Vec<Held>,
}

impl From<&User> for PersonLine {
    fn from(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            created: user.created.into(),
            held: user.grants.iter().map(held).collect(),
        }
    }
}

/// What a role can be bounded by.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Wheres {
    pub(in crate::http) roles: Vec<&'static str>,
    pub(in crate::http) teams: Vec<String>,
    pub(in crate::http) stacks: Vec<String>,
}

impl Wheres {
    /// The teams and stacks of the library.
    pub(in crate::http) async fn of(services: &Services) -> Result<Self, Problem> {
        let contents = contents(services).await?;
        let plans = contents
            .entries
            .iter()
            .filter_map(|entry| entry.plan.as_ref().ok());
        let mut teams: Vec<String> = plans
            .filter_map(|plan| Some(plan.drill.as_ref()?.team.name.to_string()))
            .collect();
        teams.sort_unstable();
        teams.dedup();
        Ok(Self {
            roles: Role::ALL.map(Role::as_str).to_vec(),
            teams,
            stacks: contents
                .stacks
                .iter()
                .map(|stack| stack.name.clone())
                .collect(),
        })
    }
}
