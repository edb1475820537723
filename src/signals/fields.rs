//! Texts out of JSON, and texts cut to what one shows.

use serde_json::Value;

use super::Refusal;

/// The longest text of an act, in characters.
const LONGEST: usize = 4000;

/// The longest summary, in characters.
const SUMMARY: usize = 200;

/// A body as JSON.
pub(super) fn json(body: &[u8], what: &str) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Malformed(unfit(what, &error)))
}

/// Why a body is not what it should be. The reason may quote the body, and is cut.
pub(super) fn unfit(what: &str, error: &serde_json::Error) -> String {
    format!("this is no {what}: {}", short(&error.to_string()))
}

/// A text at a JSON pointer.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// A text that must be there.
pub(super) fn needed<'a>(value: &'a Value, pointer: &str, what: &str) -> Result<&'a str, Refusal> {
    text(value, pointer).ok_or_else(|| {
        let key = pointer.trim_start_matches('/').replace('/', ".");
        Refusal::Malformed(format!("this is no {what}: `{key}` is no text"))
    })
}

/// An instant at a JSON pointer.
pub(super) fn instant(value: &Value, pointer: &str) -> Option<jiff::Timestamp> {
    text(value, pointer)?.parse().ok()
}

/// A text as an act may carry it.
pub(super) fn bounded(text: &str) -> String {
    cut(text.trim(), LONGEST)
}

/// A text in a line.
pub(super) fn short(text: &str) -> String {
    let line: String = text
        .chars()
        .take(4 * SUMMARY)
        .map(|one| if one.is_control() { ' ' } else { one })
        .collect();
    cut(line.trim(), SUMMARY)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
