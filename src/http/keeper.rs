//! What each address takes, held: whoever lacks it is refused before any handler is called, a body comes whole and in
//! time or not at all, and a form is from this visit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest as _, FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::Services;
use super::acting::look_behind;
use super::actor::{self, Means, Visitor};
use super::api::library::{contents, unknown};
use super::auditing::Log;
use super::catalogue::Kind;
use super::gate::{digest, recognise};
use super::guard::LARGEST_BODY;
use super::problem::{Problem, no_such_run};
use super::routes::{About, Needs, Row};
use crate::model::access::{Permission, Place, Principal, Subject, may};
use crate::model::plan::Plan;
use crate::model::team::Seat;
use crate::runtime::RunHandle;
use crate::store::runs::{RunKind, RunRow};

/// The field of a form's token, and the header that may carry it instead.
const FORM_TOKEN: &str = "csrf";

/// How long a request's body may take.
const BODY_PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 20 });

/// The row of an address, and what is asked to hold it.
#[derive(Debug, Clone)]
pub(super) struct Gatekeeper {
    services: Services,
    row: Arc<Row>,
}

impl Gatekeeper {
    pub(super) fn new(services: Services, row: Row) -> Self {
        Self {
            services,
            row: Arc::new(row),
        }
    }

    /// Whether `visitor` has what the row takes.
    async fn admits(&self, visitor: &Visitor, parts: &mut Parts) -> Result<(), Problem> {
        match self.row.needs {
            Needs::Door | Needs::HookToken if self.services.gate.is_beyond() => {
                self.is_set_up().await
            }
            Needs::Nothing | Needs::Door | Needs::HookToken => Ok(()),
            Needs::Published if self.services.publishes && self.services.gate.is_beyond() => {
                self.is_set_up().await
            }
            Needs::Published if self.services.publishes => Ok(()),
            _ if visitor.principal == Principal::Nobody => {
                // On loopback no account is needed: nobody is who shows a token that is none.
                if self.services.gate.is_beyond() {
                    self.is_set_up().await?;
                }
                Err(unknown_visitor(visitor))
            }
            Needs::Somebody => sure(visitor),
            Needs::Published => {
                sure(visitor)?;
                self.permits(visitor, Permission::See, About::Run, parts)
                    .await
            }
            Needs::To(permission, about) => {
                if !matches!(permission, Permission::Respond) {
                    sure(visitor)?;
                }
                self.permits(visitor, permission, about, parts).await
            }
        }
    }

    async fn is_set_up(&self) -> Result<(), Problem> {
        if self.services.gate.has_people(&self.services).await {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not-set-up",
            "there is no account yet, and nothing else is served until there is; hint: open the link that \
             `firedrill serve` printed when it started",
        ))
    }

    async fn permits(
        &self,
        visitor: &Visitor,
        permission: Permission,
        about: About,
        parts: &mut Parts,
    ) -> Result<(), Problem> {
        // Who may do it whatever it is about needs no look at what it is about.
        let anything = Subject::At(Place {
            hides: true,
            secret: about != About::AnyRun,
            ..Place::default()
        });
        if may(&visitor.principal, permission, &anything) {
            return Ok(());
        }
        let name = match about {
            About::Anywhere | About::Named => {
                return visitor.must(permission, &Subject::Anywhere);
            }
            About::Everywhere => return visitor.must(permission, &Subject::Everywhere),
            About::Run | About::AnyRun | About::Stack | About::Experiment | About::Drill => {
                named(parts).await
            }
        };
        match about {
            About::Run | About::AnyRun => {
                // Of what is not there the handler says so.
                let Ok(id) = name.parse() else { return Ok(()) };
                match self.services.database.run(&id).await {
                    Ok(row) if about == About::Run && !visitor.sees(&row) && row.secret => {
                        Err(no_such_run(&name))
                    }
                    Ok(row) => {
                        let place = Place {
                            secret: false,
                            ..of_run(&row)
                        };
                        visitor.must(permission, &Subject::At(place))
                    }
                    // As of one that is kept from whoever asks: before anything else is said.
                    Err(crate::store::Error::NoSuchRun(_)) => Err(no_such_run(&name)),
                    Err(error) => Err(error.into()),
                }
            }
            About::Stack => {
                let stack = name.parse().ok();
                let place = Place {
                    stack: stack.as_ref(),
                    ..Place::default()
                };
                visitor.must(permission, &Subject::At(place))
            }
            _ => {
                let kind = if about == About::Drill {
                    Kind::Drill
                } else {
                    Kind::Experiment
                };
                let contents = contents(&self.services).await?;
                let plan = contents
                    .get(kind, &name)
                    .and_then(|entry| entry.plan.as_ref().ok());
                let entry = contents.get(kind, &name);
                let hidden = entry.filter(|entry| entry.secret && !visitor.sees_entry(entry));
                if kind == Kind::Experiment && hidden.is_some() {
                    return Err(unknown(kind, &name));
                }
                // A drill's file names its faults: it hides them for as long as it can be run. Whether there is one that
                // is a surprise is not told either.
                let hides = about == About::Drill;
                let secret = false;
                let place = place_of(plan);
                visitor.must(
                    permission,
                    &Subject::At(Place {
                        hides,
                        secret,
                        ..place
                    }),
                )
            }
        }
    }

    /// Reads the body, which must come whole, soon, and with its form's token.
    async fn receive(
        &self,
        visitor: &Visitor,
        parts: &Parts,
        body: Body,
    ) -> Result<Bytes, Problem> {
        let read = timeout(BODY_PATIENCE, to_bytes(body, LARGEST_BODY)).await;
        let bytes = match read {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => {
                use std::error::Error as _;
                let full = error
                    .source()
                    .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
                return Err(if full {
                    Problem::new(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "too-large",
                        format!("a body has at most {LARGEST_BODY} bytes"),
                    )
                } else {
                    Problem::bad("unreadable-body", "the body did not come whole")
                });
            }
            Err(_) => {
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "too-slow",
                    format!(
                        "the body did not come within {} seconds",
                        BODY_PATIENCE.as_secs()
                    ),
                ));
            }
        };
        // Whoever shows a token was not led here by another site: browsers send none by themselves.
        if self.row.takes_a_form() && !matches!(visitor.means, Means::Token { .. }) {
            let header = parts
                .headers
                .get("x-csrf-token")
                .and_then(|value| value.to_str().ok());
            let given = if let Some(token) = header {
                Some(token.to_owned())
            } else {
                let fields = fields(&bytes).await;
                fields
                    .into_iter()
                    .find(|(key, _)| key == FORM_TOKEN)
                    .map(|(_, value)| value)
            };
            // Digests of secrets: how long comparing them takes says nothing about either.
            if given.is_none_or(|given| digest(&given) != digest(&visitor.form_token)) {
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "stale-form",
                    "the form is not from this visit; hint: go back, load the page again, and send it once more",
                ));
            }
        }
        Ok(bytes)
    }
}

/// What an answer that goes on was let in by, so that it can be asked again whether it still is.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    keeper: Gatekeeper,
    parts: Parts,
}

impl Pass {
    /// Whether whoever asked would be let in now. Where that can't be told, it is as it was.
    pub(super) async fn holds(&mut self) -> bool {
        let visitor = recognise(&self.keeper.services, &self.parts).await;
        match self.keeper.admits(&visitor, &mut self.parts).await {
            Ok(()) => true,
            Err(problem) => problem.status().is_server_error(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Pass {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let keeper = parts.extensions.get::<Gatekeeper>().cloned();
        keeper
            .map(|keeper| Self {
                keeper,
                parts: parts.clone(),
            })
            .ok_or_else(|| Problem::internal(&"a request was let in by nobody"))
    }
}

/// Where a run is, and whether it hides answers.
pub(super) fn of_run(row: &RunRow) -> Place<'_> {
    Place {
        stack: Some(&row.stack),
        team: row.team.as_ref(),
        hides: row.kind == RunKind::Drill && row.ended.is_none(),
        secret: row.secret,
    }
}

/// Where a run is that lives here.
pub(super) fn of_live(handle: &RunHandle) -> Place<'_> {
    Place {
        secret: handle.is_secret(),
        ..of_plan(handle.plan())
    }
}

fn place_of(plan: Option<&Arc<Plan>>) -> Place<'_> {
    plan.map_or_else(Place::default, |plan| of_plan(plan))
}

/// Where a plan's runs would be.
pub(super) fn of_plan(plan: &Plan) -> Place<'_> {
    Place {
        stack: Some(&plan.stack.name),
        team: plan.drill.as_ref().map(|exercise| &exercise.team.name),
        hides: false,
        secret: false,
    }
}

async fn fields(bytes: &Bytes) -> Vec<(String, String)> {
    let form = Request::post("/")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(bytes.clone()));
    let Ok(form) = form else { return Vec::new() };
    let read = Form::<Vec<(String, String)>>::from_request(form, &()).await;
    read.map_or_else(|_| Vec::new(), |Form(fields)| fields)
}

/// What of a body says what is changed, and is neither a secret nor somebody's words.
const TOLD: [&str; 17] = [
    "name",
    "path",
    "roles",
    "forget",
    "do",
    "role",
    "team",
    "stack",
    "days",
    "session",
    "kind",
    "drill",
    "experiment",
    "game_day",
    "type",
    "act",
    "remedy",
];

/// The most characters that are kept of what somebody wrote.
const LONGEST_TOLD: usize = 120;

/// The most characters of roles: more than all that one account can have.
const LONGEST_ROLES: usize = 8000;

/// What a query says of a change.
fn named_by_query(uri: &Uri) -> BTreeMap<String, String> {
    let query = uri.query().unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (actor::decoded(key), actor::decoded(value)))
        .filter(|(key, _)| TOLD.contains(&key.as_str()))
        .map(|(key, value)| (key, value.chars().take(LONGEST_TOLD).collect()))
        .collect()
}

/// What a body names. Who logs in or is set up is told as the actor, once that is sure.
async fn named_by_body(row: &Row, bytes: &Bytes) -> BTreeMap<String, String> {
    if matches!(row.needs, Needs::Nothing | Needs::Door) {
        return BTreeMap::new();
    }
    let all: Vec<(String, String)> = if row.takes_a_form() {
        let fields = fields(bytes).await.into_iter();
        fields
            .map(|(key, value)| (key, value.chars().take(LONGEST_TOLD).collect()))
            .collect()
    } else {
        let object = serde_json::from_slice::<Map<String, Value>>(bytes).unwrap_or_default();
        let pairs = object.into_iter();
        pairs
            .filter_map(|(key, value)| {
                let text = match value {
                    Value::String(text) => text,
                    // Which roles somebody has from now on is what an audit is for.
                    Value::Array(_) if key == "roles" => {
                        let roles = value.to_string().chars().take(LONGEST_ROLES).collect();
                        return Some((key, roles));
                    }
                    _ => return None,
                };
                Some((key, text.chars().take(LONGEST_TOLD).collect()))
            })
            .collect()
    };
    all.into_iter()
        .filter(|(key, value)| TOLD.contains(&key.as_str()) && !value.is_empty())
        .collect()
}

async fn named(parts: &mut Parts) -> String {
    match RawPathParams::from_request_parts(parts, &()).await {
        Ok(params) => params
            .iter()
            .next()
            .map(|(_, value)| value.to_owned())
            .unwrap_or_default(),
        Err(_) => String::new(),
    }
}

fn unknown_visitor(visitor: &Visitor) -> Problem {
    if visitor.means == (Means::BadToken { unread: true }) {
        return Problem::unavailable(
            "accounts-unreadable",
            "the database can't be asked whose token it is; hint: try again, and `firedrill halt` works meanwhile",
        );
    }
    if visitor.means == (Means::BadToken { unread: false }) {
        return Problem::new(
            StatusCode::UNAUTHORIZED,
            "bad-token",
            "the token is none, has ended or was revoked; hint: make another with `firedrill token create`",
        );
    }
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "not-logged-in",
        "nobody is logged in; hint: log in, or send a token as `Authorization: Bearer …`",
    )
}

fn sure(visitor: &Visitor) -> Result<(), Problem> {
    if matches!(visitor.means, Means::Session { unsure: true, .. }) {
        return Err(Problem::unavailable(
            "accounts-unreadable",
            "the database can't be asked who you are; hint: halting works, and so does `firedrill halt`",
        ));
    }
    Ok(())
}

/// Lets in who has what the row takes, and nobody else.
pub(super) async fn authorise(
    State(keeper): State<Gatekeeper>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(visitor) = parts.extensions.get::<Arc<Visitor>>().cloned() else {
        return Problem::internal(&"a request was not looked at").into_response();
    };
    if let Err(problem) = keeper.admits(&visitor, &mut parts).await {
        if problem.code == "not-logged-in" && keeper.row.page && parts.method.is_safe() {
            return to_login(&parts.uri).into_response();
        }
        return problem.into_response();
    }
    if keeper.row.needs == Needs::To(Permission::SeeAnswers, About::Run)
        && let Ok(run) = named(&mut parts).await.parse()
        && let Err(problem) = look_behind(&keeper.services, &visitor, &run, Seat::Observer).await
    {
        return problem.into_response();
    }
    if parts.method.is_safe() {
        parts.extensions.insert(keeper);
        return next.run(Request::from_parts(parts, Body::empty())).await;
    }
    let bytes = match keeper.receive(&visitor, &parts, body).await {
        Ok(bytes) => bytes,
        Err(problem) => return problem.into_response(),
    };
    if keeper.row.needs == Needs::HookToken {
        return next.run(Request::from_parts(parts, bytes.into())).await;
    }
    let mut subject = named_by_query(&parts.uri);
    subject.extend(named_by_address(&mut parts).await);
    subject.extend(named_by_body(&keeper.row, &bytes).await);
    let log = Log {
        services: &keeper.services,
        visitor: &visitor,
        row: &keeper.row,
        subject,
    };
    log.around(Request::from_parts(parts, bytes.into()), next)
        .await
}

/// What an address names, but for codes, which are secrets.
async fn named_by_address(parts: &mut Parts) -> BTreeMap<String, String> {
    let Ok(params) = RawPathParams::from_request_parts(parts, &()).await else {
        return BTreeMap::new();
    };
    params
        .iter()
        .filter(|(key, _)| *key != "code")
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// To where one logs in, and from there back.
fn to_login(uri: &Uri) -> Redirect {
    let here = uri.path_and_query().map_or("/", |path| path.as_str());
    Redirect::to(&format!("/login?back={}", actor::encoded(here)))
}
