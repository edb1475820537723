//! Static files, embedded. Pages link them with their content's hash, so that a browser keeps them for good and still
//! never shows an old one. They go out compressed; pages do not, since their length would tell of the secrets in them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use serde::Deserialize;

use super::problem::Problem;

#[derive(RustEmbed)]
#[folder = "web/static/"]
struct Files;

/// Each file in gzip.
static PACKED: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let files = Files::iter().filter_map(|path| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(&Files::get(&path)?.data).ok()?;
        Some((path.into_owned(), packer.finish().ok()?))
    });
    files.collect()
});

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
    let packed = PACKED.get(&path).filter(|_| takes_gzip(&headers));
    let form = if packed.is_some() { "-gzip" } else { "" };
    let tag = format!("\"{hash}{form}\"");
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
        let plain = || Body::from(file.data);
        packed
            .map_or_else(plain, |packed| Body::from(packed.as_slice()))
            .into_response()
    };
    let fields = response.headers_mut();
    fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if packed.is_some() && !known {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
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

/// Whether the client can read gzip: it names it, and not with a quality of nothing.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let named = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut named = named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    named.any(|one| {
        let (name, quality) = one.split_once(';').unwrap_or((one, ""));
        let quality = quality.trim().strip_prefix("q=");
        let refused = quality.is_some_and(|share| share.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    async fn asked(encoding: Option<&'static str>, tag: Option<&str>) -> (Response, Vec<u8>) {
        let mut headers = HeaderMap::new();
        if let Some(encoding) = encoding {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        }
        if let Some(tag) = tag {
            let tag = HeaderValue::from_str(tag).expect("a tag");
            headers.insert(header::IF_NONE_MATCH, tag);
        }
        let path = Path("app.css".to_owned());
        let answer = get(path, Query(Version { v: None }), headers).await;
        let (parts, body) = answer.expect("it is there").into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("bytes");
        (Response::from_parts(parts, Body::empty()), body.to_vec())
    }

    #[tokio::test]
    async fn a_file_goes_out_packed_to_whoever_reads_that() {
        let (plain, sheet) = asked(None, None).await;
        assert!(plain.headers().get(header::CONTENT_ENCODING).is_none());
        let (packed, body) = asked(Some("br, gzip;q=0.5"), None).await;
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(packed.headers()[header::VARY], "accept-encoding");
        assert!(body.len() * 3 < sheet.len(), "{} bytes", body.len());
        let mut read = Vec::new();
        let unpacked = GzDecoder::new(body.as_slice()).read_to_end(&mut read);
        assert!(unpacked.is_ok() && read == sheet);
        let (refusing, body) = asked(Some("gzip;q=0"), None).await;
        assert!(refusing.headers().get(header::CONTENT_ENCODING).is_none() && body == sheet);

        // Each form has a tag of its own.
        let tag = packed.headers()[header::ETAG].to_str().expect("text");
        assert_ne!(
            packed.headers()[header::ETAG],
            plain.headers()[header::ETAG]
        );
        let (same, body) = asked(Some("gzip"), Some(tag)).await;
        assert_eq!((same.status(), body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(asked(None, Some(tag)).await.0.status(), StatusCode::OK);
    }
}
