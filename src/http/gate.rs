//! Who asks, and whether they may: each request is somebody's before any handler sees it, and each address is answered
//! only to those who have what its row takes.
//!
//! A session or a token counts anew with every request, so that what is revoked is over at once. Only halts are let in
//! where the database can't be asked, on the strength of what was known of this session last: what stops everything
//! must not depend on a disk.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Form;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{
    ConnectInfo, FromRequest as _, FromRequestParts as _, RawPathParams, Request, State,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::Services;
use super::actor::{self, Means, Visitor};
use super::api::library::contents;
use super::catalogue::Kind;
use super::guard::LARGEST_BODY;
use super::limit::Limit;
use super::problem::Problem;
use super::routes::{About, Needs, Row};
use crate::clock;
use crate::model::access::{Permission, Place, Principal, Subject, may};
use crate::model::plan::Plan;
use crate::store::runs::{RunKind, RunRow};
use crate::store::sessions::Holder;

/// The cookie of a session's token.
pub(super) const SESSION: &str = "session";

/// The cookie that a log-in form is bound to.
pub(super) const VISIT: &str = "visit";

/// The field of a form's token, and the header that may carry it instead.
const FORM_TOKEN: &str = "csrf";

/// How long a request's body may take.
const BODY_PATIENCE: Duration = Duration::from_secs(20);

/// Sessions remembered for halts while the database can't be asked.
const REMEMBERED: usize = 256;

/// How the server is reached, and how whoever reaches it is known. Clones share it.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Whether others than whoever sits at this machine can reach it.
    beyond: bool,
    /// The SHA-256 of the one-time code with which the first administrator is made.
    setup: Option<String>,
    peopled: AtomicBool,
    secret: OnceCell<String>,
    known: Mutex<HashMap<String, Holder>>,
    by_address: Limit<IpAddr>,
    by_name: Limit<String>,
}

impl Gate {
    /// Of a server that only this machine reaches.
    pub fn loopback() -> Self {
        Self::new(false, None)
    }

    /// Of a server that others reach: without an account, `code` makes the first.
    pub fn beyond(code: &str) -> Self {
        Self::new(true, Some(digest(code)))
    }

    fn new(beyond: bool, setup: Option<String>) -> Self {
        Self(Arc::new(Inner {
            beyond,
            setup,
            peopled: AtomicBool::new(false),
            secret: OnceCell::new(),
            known: Mutex::default(),
            by_address: Limit::new(10, Duration::from_secs(6)),
            by_name: Limit::new(30, Duration::from_secs(10)),
        }))
    }

    /// Whether this is the code that was printed at the start.
    pub(super) fn is_setup_code(&self, code: &str) -> bool {
        self.0.setup.as_deref() == Some(digest(code).as_str())
    }

    /// Whether there is an account. There is never none again, so the database is asked only until there is one; where
    /// it can't be asked, what it said last counts.
    pub(super) async fn has_people(&self, services: &Services) -> bool {
        if self.0.peopled.load(Ordering::Acquire) {
            return true;
        }
        let now = services.database.has_users().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "whether there are accounts can't be read");
            false
        });
        if now {
            self.0.peopled.store(true, Ordering::Release);
        }
        now
    }

    async fn secret(&self, services: &Services) -> &str {
        let secret = self.0.secret.get_or_init(|| async {
            let kept = services.database.server_secret(|| hex(&clock::secret()));
            match kept.await {
                Ok(secret) => secret,
                Err(error) => {
                    tracing::warn!(%error, "the forms' secret can't be kept: open forms won't outlive this process");
                    hex(&clock::secret())
                }
            }
        });
        secret.await
    }

    /// Whether somebody at `address` may try to log in as `name` now.
    pub(super) fn may_try(
        &self,
        services: &Services,
        address: IpAddr,
        name: &str,
    ) -> Result<(), Problem> {
        let (now, name) = (services.now(), name.to_lowercase());
        let (address, name) = (
            self.0.by_address.ask(&super::limit::network(address), &now),
            self.0.by_name.ask(&name, &now),
        );
        address.and(name).map_err(|after| {
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-tries",
                "too many log-ins failed; hint: wait a little and try again",
            )
            .after(after)
        })
    }

    /// Counts a log-in that failed.
    pub(super) fn count_failure(&self, services: &Services, address: IpAddr, name: &str) {
        let now = services.now();
        self.0
            .by_address
            .count(&super::limit::network(address), &now);
        self.0.by_name.count(&name.to_lowercase(), &now);
    }

    /// Takes back the one failure that was counted ahead. Earlier ones stay: an account of one's own is no way to go on
    /// guessing another's password.
    pub(super) fn forgive(&self, services: &Services, address: IpAddr, name: &str) {
        let now = services.now();
        self.0
            .by_address
            .give_back(&super::limit::network(address), &now);
        self.0.by_name.give_back(&name.to_lowercase(), &now);
    }

    /// A cookie for this server alone, out of scripts' reach.
    #[expect(
        clippy::unused_self,
        reason = "whether it is for encrypted connections only depends on the gate"
    )]
    pub(super) fn cookie(&self, name: &str, value: &str) -> String {
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax")
    }

    fn remember(&self, token_sha256: &str, holder: Option<&Holder>) {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        match holder {
            Some(holder) => {
                if known.len() >= REMEMBERED && !known.contains_key(token_sha256) {
                    known.clear();
                }
                known.insert(token_sha256.to_owned(), holder.clone());
            }
            None => {
                known.remove(token_sha256);
            }
        }
    }

    fn remembered(&self, token_sha256: &str) -> Option<Holder> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(token_sha256).cloned()
    }
}

/// SHA-256 in hex: how secrets are kept and compared.
pub(super) fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Finds out who asks.
pub(super) async fn recognise(services: &Services, parts: &Parts) -> Visitor {
    let headers = &parts.headers;
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let address = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| {
        peer.0.ip().to_canonical()
    });
    let gate = &services.gate;
    if let Some(token) = cookie(headers, SESSION) {
        let token_sha256 = digest(token);
        let found = services
            .database
            .session(&token_sha256, services.now().wall)
            .await;
        let (holder, unsure) = match found {
            Ok(holder) => {
                gate.remember(&token_sha256, holder.as_ref());
                (holder, false)
            }
            Err(error) => {
                tracing::warn!(%error, "a session can't be looked up");
                (gate.remembered(&token_sha256), true)
            }
        };
        if let Some(holder) = holder {
            return Visitor {
                name: holder.name,
                principal: Principal::Holder(holder.grants),
                means: Means::Session {
                    id: holder.session,
                    unsure,
                },
                form_token: digest(&format!("a form of session {token}")),
                fresh_visit: None,
                address,
            };
        }
    }
    if !gate.0.beyond && !gate.has_people(services).await {
        return Visitor {
            name: actor::claimed(headers).unwrap_or_else(|| services.local_operator.to_string()),
            principal: Principal::LocalOperator,
            means: Means::Local,
            form_token: digest(&format!(
                "a form of the local operator {}",
                gate.secret(services).await
            )),
            fresh_visit: None,
            address,
        };
    }
    let (visit, fresh_visit) = if let Some(visit) = cookie(headers, VISIT) {
        (visit.to_owned(), None)
    } else {
        let visit = hex(&clock::secret());
        (visit.clone(), Some(visit))
    };
    Visitor {
        name: String::new(),
        principal: Principal::Nobody,
        means: Means::Stranger,
        form_token: digest(&format!(
            "a form of visit {visit} {}",
            gate.secret(services).await
        )),
        fresh_visit,
        address,
    }
}

/// A cookie's value.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The row of an address, and what is asked to hold it.
#[derive(Clone)]
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
            Needs::Door | Needs::HookToken if self.services.gate.0.beyond => self.is_set_up().await,
            Needs::Nothing | Needs::Door | Needs::HookToken => Ok(()),
            _ if visitor.principal == Principal::Nobody => {
                self.is_set_up().await?;
                Err(unknown_visitor())
            }
            Needs::Somebody => sure(visitor),
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
            About::Run | About::Stack | About::Experiment | About::Drill => named(parts).await,
        };
        match about {
            About::Run => {
                // Of what is not there the handler says so.
                let Ok(id) = name.parse() else { return Ok(()) };
                match self.services.database.run(&id).await {
                    Ok(row) => visitor.must(permission, &Subject::At(of_run(&row))),
                    Err(crate::store::Error::NoSuchRun(_)) => Ok(()),
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
                let place = plan.map_or_else(Place::default, |plan| of_plan(plan));
                // A drill's file names its faults: it hides them for as long as it can be run.
                let hides = about == About::Drill;
                visitor.must(permission, &Subject::At(Place { hides, ..place }))
            }
        }
    }

    /// Reads the body, which must come whole, soon, and with its form's token.
    async fn receive(&self, visitor: &Visitor, parts: &Parts, body: Body) -> Result<Body, Problem> {
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
        if self.row.takes_a_form() {
            let header = parts
                .headers
                .get("x-csrf-token")
                .and_then(|value| value.to_str().ok());
            let given = match header {
                Some(token) => Some(token.to_owned()),
                None => field(&bytes).await,
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
        Ok(Body::from(bytes))
    }
}

/// Where a run is, and whether it hides answers.
pub(super) fn of_run(row: &RunRow) -> Place<'_> {
    Place {
        stack: Some(&row.stack),
        team: row.team.as_ref(),
        hides: row.kind == RunKind::Drill && row.ended.is_none(),
    }
}

/// Where a plan's runs would be.
pub(super) fn of_plan(plan: &Plan) -> Place<'_> {
    Place {
        stack: Some(&plan.stack.name),
        team: plan.drill.as_ref().map(|exercise| &exercise.team.name),
        hides: false,
    }
}

async fn field(bytes: &Bytes) -> Option<String> {
    let form = Request::post("/")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(bytes.clone()))
        .ok()?;
    let Form(fields) = Form::<Vec<(String, String)>>::from_request(form, &())
        .await
        .ok()?;
    fields
        .into_iter()
        .find(|(key, _)| key == FORM_TOKEN)
        .map(|(_, value)| value)
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

fn unknown_visitor() -> Problem {
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
    let body = if parts.method.is_safe() {
        Ok(Body::empty())
    } else {
        keeper.receive(&visitor, &parts, body).await
    };
    match body {
        Ok(body) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    }
}

/// To where one logs in, and from there back.
fn to_login(uri: &Uri) -> Redirect {
    let here = uri.path_and_query().map_or("/", |path| path.as_str());
    Redirect::to(&format!("/login?back={}", actor::encoded(here)))
}
