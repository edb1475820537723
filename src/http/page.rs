//! The pages: one file a page or a group of forms. Each works without JavaScript: forms post and lead back.

pub(super) mod account;
pub(super) mod act;
pub(super) mod audit;
pub(super) mod calendar;
pub(super) mod correct;
pub(super) mod coverage;
pub(super) mod draft;
pub(super) mod forecast;
pub(super) mod gamedays;
pub(super) mod halt;
pub(super) mod identity;
pub(super) mod library;
pub(super) mod login;
pub(super) mod overview;
pub(super) mod people;
pub(super) mod review;
pub(super) mod room;
pub(super) mod runs;
pub(super) mod scorecard;
pub(super) mod sessions;
pub(super) mod setup;
pub(super) mod signals;
pub(super) mod start;
pub(super) mod status;
pub(super) mod tokens;
pub(super) mod transparency;
pub(super) mod trends;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Services;
use super::actor::Actor;
use super::api::log::accepts;
use super::problem::{MEDIA_TYPE, Problem, completed};
use super::templates::render;
use super::view::layout::Layout;
use super::view::trouble::Trouble;

/// Turns a problem into a page, unless the client asked for problem details.
pub(super) async fn explain(
    State(services): State<Services>,
    actor: Actor,
    request: Request,
    next: Next,
) -> Response {
    let machine = |path: &str| path.starts_with("/api/") || path.starts_with("/hooks/");
    let plain = accepts(request.headers(), MEDIA_TYPE) || machine(request.uri().path());
    let back = back(request.headers());
    let response = completed(next.run(request).await).await;
    let Some(problem) = response.extensions().get::<Problem>().cloned() else {
        return response;
    };
    if plain {
        return response;
    }
    let status = problem.status();
    let title = problem.title.clone();
    // Where the database is the trouble, the page is shown without what it would say.
    let layout = match Layout::new(&services, title.clone(), "", &actor).await {
        Ok(layout) => layout,
        Err(_) => Layout::bare(&services, title, "", &actor),
    };
    match render(&Trouble::new(layout, problem, back)) {
        Ok(page) => (status, page).into_response(),
        Err(_) => response,
    }
}

/// Nothing is at this address.
pub(super) async fn missing(uri: Uri) -> Problem {
    Problem::missing(
        "no-such-address",
        format!("there is nothing at `{}`", uri.path()),
    )
}

/// The page that the reader came from, where it is one of ours.
pub(super) fn back(headers: &HeaderMap) -> String {
    let from = headers
        .get(header::REFERER)
        .and_then(|value| value.to_str().ok());
    let path = from
        .and_then(|from| from.split_once("://"))
        .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    path.and_then(own_path).unwrap_or("/").to_owned()
}

/// A path on this server: a redirect must never lead elsewhere.
pub(super) fn own_path(path: &str) -> Option<&str> {
    let own = path.starts_with('/')
        && !path.starts_with("//")
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    own.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_this_server() {
        assert_eq!(own_path("/runs/r1?staff=1"), Some("/runs/r1?staff=1"));
        for elsewhere in [
            "",
            "runs",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nb",
        ] {
            assert_eq!(own_path(elsewhere), None, "{elsewhere:?}");
        }
    }
}
