//! Answers that are known by a tag of their content: sent once, and afterwards only said to be the same.

use crate::http::gate::hex;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::problem::Problem;

/// That what shall be changed is still what `If-Match` names; where a request names nothing, it may be anything.
pub(super) fn still(headers: &HeaderMap, value: &impl Serialize) -> Result<(), Problem> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(());
    }
    let text = serde_json::to_string(value).map_err(|error| Problem::internal(&error))?;
    let tag = tag(text.as_bytes());
    // Compared strongly, as RFC 9110 §13.1.1 wants it: `W/` names nothing that a change could be made to.
    if named(headers, header::IF_MATCH).any(|known| known == tag || known == "*") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "changed-meanwhile",
        "it is not any more what `If-Match` names; hint: read it again, and send its `ETag`",
    ))
}

/// JSON, tagged.
pub(super) fn json(headers: &HeaderMap, value: &impl Serialize) -> Result<Response, Problem> {
    let text = serde_json::to_string(value).map_err(|error| Problem::internal(&error))?;
    Ok(answer(headers, "application/json", text))
}

/// A text of some media type, tagged; or only that it has not changed.
pub(super) fn answer(
    headers: &HeaderMap,
    media_type: &'static str,
    text: impl IntoResponse + AsRef<[u8]>,
) -> Response {
    let tag = tag(text.as_ref());
    let mut response = if is_known(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        text.into_response()
    };
    let fields = response.headers_mut();
    if response_has_body(fields) {
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    // Kept by whoever asked, and asked for again before it is used: what one may see, another may not.
    fields.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        fields.insert(header::ETAG, tag);
    }
    response
}

fn response_has_body(fields: &HeaderMap) -> bool {
    fields.contains_key(header::CONTENT_TYPE)
}

fn tag(text: &[u8]) -> String {
    format!("\"{}\"", hex(&Sha256::digest(text)[..12]))
}

/// Whether the client names the tag as one that it has.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    named(headers, header::IF_NONE_MATCH)
        .map(|known| known.trim_start_matches("W/"))
        .any(|known| known == tag || known == "*")
}

/// The tags that a header lists.
fn named(headers: &HeaderMap, header: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_looked_at_is_changed() {
        let tag = tag(b"7");
        let may = |known: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(known) = known {
                headers.insert(header::IF_MATCH, known.parse().expect("a value"));
            }
            still(&headers, &7).is_ok()
        };
        assert!(may(None) && may(Some("*")));
        assert!(may(Some(&tag)) && may(Some(&format!("\"x\", {tag}"))));
        assert!(!may(Some("\"x\"")) && !may(Some(&format!("W/{tag}"))));
    }

    #[test]
    fn what_is_known_is_not_sent_again() {
        let asked = |known: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(known) = known {
                headers.insert(header::IF_NONE_MATCH, known.parse().expect("a value"));
            }
            answer(&headers, "text/plain", "hello")
        };
        let first = asked(None);
        assert_eq!(first.status(), 200);
        let tag = first.headers()[header::ETAG]
            .to_str()
            .expect("text")
            .to_owned();
        for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let again = asked(Some(&known));
            assert_eq!(again.status(), 304, "{known}");
            assert_eq!(again.headers()[header::ETAG], tag.as_str());
        }
        assert_eq!(asked(Some("\"other\"")).status(), 200);
    }
}
