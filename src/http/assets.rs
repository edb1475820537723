//! Static files, embedded. Pages link them with their content's hash, so that a browser keeps them for good and still
//! never shows an old one.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use serde::Deserialize;

use super::problem::Problem;

#[derive(RustEmbed)]
#[folder = "web/static/"]
struct Files;

/// The hash a link carries.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    v: Option<String>,
}

/// A file, or only that it has not changed.
pub(super) async fn get(
    Path(path): Path<String>,
    Query(version): Query<Version>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = Files::get(&path)
        .ok_or_else(|| Problem::missing("no-such-file", format!("there is no file `{path}`")))?;
    let hash = short(&file.metadata.sha256_hash());
    let tag = format!("\"{hash}\"");
    let caching = if version.v.as_deref() == Some(hash.as_str()) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(file.data).into_response()
    };
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media_type(&path)),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        fields.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The address of a file, with its content's hash.
pub(super) fn link(path: &str) -> String {
    let hash = Files::get(path).map(|file| short(&file.metadata.sha256_hash()));
    hash.map_or_else(
        || format!("/static/{path}"),
        |hash| format!("/static/{path}?v={hash}"),
    )
}

fn short(hash: &[u8; 32]) -> String {
    hash[..8].iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
