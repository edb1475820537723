//! The guard around everything: which hosts and origins may ask, who asks, and the headers that keep a page to itself.
//! What each address takes is the gate's.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Services;
use super::gate::{carries_a_token, recognise};
use super::problem::{Problem, completed};

/// The most bytes of a request's body.
pub(super) const LARGEST_BODY: usize = 1 << 20;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Refuses strangers, and dresses every answer.
pub(super) async fn guard(
    State(services): State<Services>,
    request: Request,
    next: Next,
) -> Response {
    let refused = refusal(&services, &request);
    let (mut parts, body) = request.into_parts();
    let (_, secure) = services.gate.origin(&parts);
    let mut response = if let Some(problem) = refused {
        problem.into_response()
    } else {
        let visitor = recognise(&services, &parts).await;
        parts.extensions.insert(Arc::new(visitor));
        completed(next.run(Request::from_parts(parts, body)).await).await
    };
    dress(response.headers_mut());
    if secure {
        response.headers_mut().insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    response
}

fn refusal(services: &Services, request: &Request) -> Option<Problem> {
    let host = host(request.uri(), request.headers());
    if !host
        .as_deref()
        .is_some_and(|host| answers_to(host, &services.hosts))
    {
        return Some(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "unknown-host",
            "this server does not answer to that host name; hint: use its IP address, or allow the name",
        ));
    }
    if carries_a_token(request.uri()) {
        return Some(Problem::bad(
            "token-in-address",
            "a token in an address ends up in histories and logs, so it is refused; hint: revoke that one, and send \
             the next as `Authorization: Bearer …`",
        ));
    }
    if request.method().is_safe() || comes_from_here(request.headers(), host.as_deref()) {
        return None;
    }
    Some(Problem::new(
        StatusCode::FORBIDDEN,
        "foreign-origin",
        "another site may not act here",
    ))
}

/// The host the client asked for, with its port.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let header = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    header
        .map(str::to_owned)
        .or_else(|| uri.authority().map(ToString::to_string))
        .map(|host| host.to_ascii_lowercase())
}

/// Whether a host is an address, `localhost`, or one of those allowed. A page of another site that rebinds its own
/// name to this address is none of them.
fn answers_to(host: &str, allowed: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost"
        || name.parse::<IpAddr>().is_ok()
        || allowed.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a request that changes something was sent by our own page, or by no page at all.
fn comes_from_here(headers: &HeaderMap, host: Option<&str>) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    match text(header::ORIGIN) {
        Some(origin) => {
            let origin = origin
                .split_once("://")
                .map(|(_, host)| host.to_ascii_lowercase());
            origin.is_some() && origin.as_deref() == host
        }
        None => true,
    }
}

fn dress(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_localhost_and_allowed_names_are_answered() {
        let allowed = ["drills.example.org".to_owned()];
        for good in [
            "127.0.0.1:8700",
            "[::1]:8700",
            "localhost",
            "localhost:8700",
            "drills.example.org",
        ] {
            assert!(answers_to(good, &allowed), "{good} was refused");
        }
        for bad in [
            "evil.example",
            "evil.example:8700",
            "localhost.evil.example",
            "",
        ] {
            assert!(!answers_to(bad, &allowed), "{bad:?} was answered");
        }
    }

    #[test]
    fn another_site_may_not_post() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| {
                    (
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect::<HeaderMap>()
        };
        let host = Some("127.0.0.1:8700");
        for (pairs, allowed) in [
            (&[][..], true),
            (&[("origin", "http://127.0.0.1:8700")], true),
            (&[("origin", "http://127.0.0.1:8701")], false),
            (&[("origin", "null")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "http://127.0.0.1:8700"),
                ],
                false,
            ),
        ] {
            assert_eq!(comes_from_here(&headers(pairs), host), allowed, "{pairs:?}");
        }
    }
}
