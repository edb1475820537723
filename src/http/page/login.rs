//! Where one logs in and out.
//!
//! A log-in begins a session of its own: whatever the browser brought along before is worth nothing afterwards.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::own_path;
use super::start::bad_form;
use crate::clock;
use crate::http::Services;
use crate::http::actor::{Actor, Means, Visitor};
use crate::http::auditing::TurnedOut;
use crate::http::gate::{SESSION, VISIT, cookie, digest, hex, set_cookie};
use crate::http::password;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::login::Login;
use crate::store::sessions::NewSession;

/// The longest text that is kept of a browser's name for itself.
const LONGEST_AGENT: usize = 200;

/// Where to go afterwards.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Wish {
    back: Option<String>,
}

/// Who one says one is.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Credentials {
    name: String,
    password: String,
    back: Option<String>,
}

/// The form; whoever is somebody already is led on.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    Query(wish): Query<Wish>,
) -> Result<Response, Problem> {
    let back = way_back(wish.back.as_deref());
    if actor.means != Means::Stranger {
        return Ok(Redirect::to(back).into_response());
    }
    let layout = Layout::bare(&services, "Log in", "login", &actor);
    let page = render(&Login {
        layout,
        back: back.to_owned(),
        name: String::new(),
        trouble: None,
    })?;
    Ok((AppendHeaders(visit_cookie(&actor)), page).into_response())
}

/// Begins a session and leads on.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    form: Result<Form<Credentials>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    let back = way_back(form.back.as_deref());
    let name = form.name.trim();
    let again = |trouble: String, status: StatusCode| {
        let layout = Layout::bare(&services, "Log in", "login", &actor);
        render(&Login {
            layout,
            back: back.to_owned(),
            name: name.to_owned(),
            trouble: Some(trouble),
        })
        .map(|page| (status, page).into_response())
    };
    if let Err(problem) = services.gate.may_try(&services, actor.address, name) {
        let wait = problem.retry_after();
        let mut response = again(
            "Too many log-ins failed. Wait a little and try again.".to_owned(),
            problem.status(),
        )?;
        response.headers_mut().insert(RETRY_AFTER, wait.into());
        return Ok(response);
    }
    // Counted before it is looked at, so that many at once are no way around it.
    services.gate.count_failure(&services, actor.address, name);
    let account = services.database.password_of(name).await?;
    let hash = account.as_ref().map(|(_, _, hash)| hash.clone());
    let right = password::verify(form.password, hash).await?;
    let Some((user, name_as_kept, _)) = account.filter(|_| right) else {
        return again(
            "The name or the password is wrong.".to_owned(),
            StatusCode::FORBIDDEN,
        );
    };
    services.gate.forgive(&services, actor.address, name);
    let cookie = begin(&services, &actor, &headers, user).await?;
    let mut response = (AppendHeaders(cookie), Redirect::to(back)).into_response();
    response
        .extensions_mut()
        .insert(TurnedOut(name_as_kept.into()));
    Ok(response)
}

/// Ends the session and leads to where one logs in.
pub(in crate::http) async fn leave(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Response, Problem> {
    let Means::Session { id, .. } = actor.means else {
        return Ok(Redirect::to("/").into_response());
    };
    services.database.end_session(id, Some(&actor.name)).await?;
    let gone = [(SET_COOKIE, gone(&actor, SESSION))];
    Ok((AppendHeaders(gone), Redirect::to("/login")).into_response())
}

/// Begins a session of an account; answers with the headers that make the browser keep it.
pub(in crate::http) async fn begin(
    services: &Services,
    visitor: &Visitor,
    headers: &HeaderMap,
    user: i64,
) -> Result<Vec<(axum::http::HeaderName, String)>, Problem> {
    let token = hex(&clock::secret());
    let agent = headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let agent: String = agent
        .unwrap_or_default()
        .chars()
        .take(LONGEST_AGENT)
        .collect();
    let new = NewSession {
        token_sha256: &digest(&token),
        user,
        address: &visitor.address.to_string(),
        agent: &agent,
        now: services.now().wall,
    };
    let former = cookie(headers, SESSION).map(digest);
    services
        .database
        .begin_session(&new, former.as_deref())
        .await?;
    Ok(vec![
        (SET_COOKIE, set_cookie(visitor, SESSION, &token)),
        (SET_COOKIE, gone(visitor, VISIT)),
    ])
}

/// The header that binds a stranger's forms to this browser.
pub(in crate::http) fn visit_cookie(visitor: &Visitor) -> Vec<(axum::http::HeaderName, String)> {
    let fresh = visitor.fresh_visit.as_deref();
    fresh
        .map(|visit| (SET_COOKIE, set_cookie(visitor, VISIT, visit)))
        .into_iter()
        .collect()
}

fn gone(visitor: &Visitor, name: &str) -> String {
    format!("{}; Max-Age=0", set_cookie(visitor, name, ""))
}

/// A way on that stays on this server.
fn way_back(path: Option<&str>) -> &str {
    path.and_then(own_path)
        .filter(|path| !path.starts_with("/login"))
        .unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_nowhere_else() {
        assert_eq!(way_back(Some("/runs/r1?staff=1")), "/runs/r1?staff=1");
        for elsewhere in [
            None,
            Some("https://evil.example"),
            Some("//evil.example"),
            Some("/\\evil.example"),
            Some("/login?back=/login"),
            Some("javascript:alert(1)"),
        ] {
            assert_eq!(way_back(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
