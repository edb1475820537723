//! The API's description, `OpenAPI` 3.1: made from the types that handlers take and answer with, and from the table of
//! operations. Tests hold it to the router both ways, and every answer that a test gets to its schema.

mod operations;
mod paper;

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

use super::tagged;

/// Made once: it depends on nothing but the code.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
});

/// The document.
pub(super) fn document() -> Value {
    let mut paper = paper::Paper::default();
    operations::all(&mut paper);
    paper.finish()
}

/// The document as text, as `docs/openapi.json` keeps it.
pub fn text() -> &'static str {
    &TEXT
}

/// Answers with it.
pub(super) async fn get(headers: HeaderMap) -> Response {
    tagged::answer(&headers, "application/json", text())
}
