//! How values stand in columns: instants as RFC 3339 in UTC with nine decimals, so that text order is time order;
//! words of an enum as its serialised form.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Result};

/// An instant, as columns hold it.
pub(super) fn instant(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// An instant, read from a column.
pub(super) fn read_instant(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| unreadable("an instant", text))
}

/// The word of a fieldless variant, or a name.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => unreachable!("only values that serialise as text are stored as words"),
    }
}

/// A word or a name, read from a column.
pub(super) fn read_word<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| unreadable(what, text))
}

/// A count or a sequence number. `SQLite`'s integers are signed; ours never come near the difference.
pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count or a sequence number, read from a column.
pub(super) fn read_count(what: &'static str, number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| unreadable(what, &number.to_string()))
}

pub(super) fn unreadable(what: &'static str, text: &str) -> Error {
    Error::Unreadable {
        what,
        text: text.chars().take(120).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_sort_as_text_and_come_back_whole() {
        let whole: Timestamp = "2026-03-01T10:00:00Z".parse().expect("an instant");
        let later: Timestamp = "2026-03-01T10:00:00.000000001Z"
            .parse()
            .expect("an instant");
        assert_eq!(instant(whole), "2026-03-01T10:00:00.000000000Z");
        assert!(instant(whole) < instant(later));
        assert_eq!(read_instant(&instant(later)).expect("readable"), later);
        assert!(read_instant("yesterday").is_err());
    }
}
