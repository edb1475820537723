//! Every change is audited here, whichever address it came to: who, what, when and from where.
//!
//! It is written down before it is done, and not done where that fails; that it was refused after all is added. Halts and
//! acts in a room must not wait for the database: they are written down afterwards, and are in their run's log besides.
//! Of bodies only what is changed is kept, by a list of fields: they hold passwords, and people's words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Services;
use super::actor::{self, Means, Visitor};
use super::problem::Problem;
use super::routes::{Needs, Row};
use crate::engine::event::Source;
use crate::model::access::Permission;
use crate::store::audit::{Deed, Through};

/// How long what must not wait is kept from its answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Addresses whose `name` is that of somebody who may be new here.
const NEWCOMERS: [&str; 4] = [
    "/settings/people",
    "/settings/first",
    "/name",
    "/api/v1/people",
];

/// Addresses whose `name` is that of somebody who is known, if it is anybody's.
const PEOPLE: [&str; 4] = [
    "/settings/people/change",
    "/api/v1/people/{name}",
    "/api/v1/people/{name}/roles",
    "/api/v1/people/{name}/password",
];

/// Who somebody turned out to be: an answer to a stranger who set up or logged in carries it.
#[derive(Debug, Clone)]
pub(super) struct TurnedOut(pub(super) Arc<str>);

/// What is written down about one request.
pub(super) struct Log<'a> {
    pub(super) services: &'a Services,
    pub(super) visitor: &'a Visitor,
    pub(super) row: &'a Row,
    /// What the address and the body name.
    pub(super) subject: BTreeMap<String, String>,
}

impl Log<'_> {
    /// Does what is asked, and sees to it that it is written down.
    pub(super) async fn around(&self, request: Request, next: Next) -> Response {
        let first = match self.row.needs {
            Needs::To(permission, _) => permission != Permission::Respond,
            Needs::Somebody => true,
            Needs::Nothing | Needs::Door | Needs::HookToken | Needs::Published => false,
        };
        if !first {
            return self.afterwards(next.run(request).await).await;
        }
        let seq = match self.keep(self.visitor.name.as_str(), json!({})).await {
            Ok(seq) => seq,
            Err(problem) => return problem.into_response(),
        };
        let response = next.run(request).await;
        if is_done(response.status()) {
            return response;
        }
        let refused = json!({"of": seq, "refused": code(&response)});
        if let Err(problem) = self.keep(self.visitor.name.as_str(), refused).await {
            tracing::error!(seq, problem = %problem.detail, "that a change was refused could not be audited");
        }
        response
    }

    async fn afterwards(&self, response: Response) -> Response {
        let turned_out = response.extensions().get::<TurnedOut>().cloned();
        let name = turned_out.map_or_else(|| self.visitor.name.clone(), |one| one.0.to_string());
        let more = if is_done(response.status()) {
            json!({})
        } else {
            json!({"refused": code(&response)})
        };
        let kept = timeout(PATIENCE, self.keep(&name, more)).await;
        let kept = kept.unwrap_or_else(|_| {
            Err(Problem::unavailable(
                "not-audited",
                "the database takes too long",
            ))
        });
        if let Err(problem) = kept {
            tracing::error!(act = %self.act(), problem = %problem.detail, "what was done could not be audited");
        }
        response
    }

    fn act(&self) -> String {
        format!("{} {}", self.row.method, self.row.path)
    }

    async fn keep(&self, name: &str, mut about: Value) -> Result<u64, Problem> {
        let unaudited = |why: String| {
            tracing::error!(%why, "the audit can't be written");
            Problem::unavailable(
                "not-audited",
                "nothing is changed that can't be audited, and the database does not take it; hint: the log says why",
            )
        };
        let actor = if name.is_empty() {
            None
        } else {
            let origin = actor::person(self.services, Source::Api, name).await;
            origin.map_err(|problem| unaudited(problem.detail))?.actor
        };
        let mut subject = self.subject.clone();
        // Of a person only the pseudonym is kept, so that they can be forgotten here, too.
        let path = self.row.path.as_str();
        let (new, known) = (NEWCOMERS.contains(&path), PEOPLE.contains(&path));
        if (new || known)
            && let Some(name) = subject.remove("name")
        {
            let person = self.pseudonym(name, new).await;
            let person = person.map_err(|problem| unaudited(problem.detail))?;
            subject.extend(person.map(|person| ("person".to_owned(), person)));
        }
        about["from"] = json!(self.visitor.address);
        if !subject.is_empty() {
            about["subject"] = json!(subject);
        }
        let deed = Deed {
            at: self.services.now().wall,
            actor,
            through: match self.visitor.means {
                Means::Session { .. } => Through::Session,
                Means::Token { .. } => Through::Token,
                Means::Local => Through::LocalOperator,
                Means::Stranger | Means::BadToken { .. } => Through::Door,
            },
            act: self.act(),
            about,
        };
        let kept = self.services.database.audit(&deed).await;
        kept.map_err(|error| unaudited(error.to_string()))
    }
}

impl Log<'_> {
    /// The pseudonym of somebody who is named. A name that is nobody's gets none: it is not kept anywhere.
    async fn pseudonym(&self, name: String, new: bool) -> Result<Option<String>, Problem> {
        let database = &self.services.database;
        let account = database.user(&name).await?.map(|user| user.name);
        if !new && account.is_none() && !database.is_known(&name).await? {
            return Ok(None);
        }
        // As it would be kept: what can be no name is nobody's.
        let Ok(name) = actor::checked(&account.unwrap_or(name)) else {
            return Ok(None);
        };
        Ok(actor::person(self.services, Source::Api, &name)
            .await?
            .actor)
    }
}

fn is_done(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

fn code(response: &Response) -> Value {
    let problem = response.extensions().get::<Problem>();
    problem.map_or_else(
        || json!(response.status().as_u16()),
        |problem| json!(problem.code),
    )
}
