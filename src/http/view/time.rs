//! Times as pages show them: UTC clocks, relative seconds, lengths.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::time::Stamp;

/// An instant, for a `<time>` element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::http) struct Moment {
    /// For machines.
    pub(in crate::http) iso: String,
    /// `10:03:05`.
    pub(in crate::http) clock: String,
    /// `2026-03-01`.
    pub(in crate::http) day: String,
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self {
            iso: at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            clock: at.strftime("%H:%M:%S").to_string(),
            day: at.strftime("%Y-%m-%d").to_string(),
        }
    }
}

impl From<Stamp> for Moment {
    fn from(at: Stamp) -> Self {
        at.wall.into()
    }
}

/// From `start` to `at`, in milliseconds by the wall; negative before.
pub(in crate::http) fn offset_ms(at: Timestamp, start: Timestamp) -> i64 {
    i64::try_from(at.duration_since(start).as_millis()).unwrap_or(i64::MAX)
}

/// A length as scores write it.
pub(in crate::http) use crate::score::span;

/// A time relative to the start of the method, in whole seconds: `+1:12`, `−0:05`.
pub(in crate::http) fn relative(milliseconds: i64) -> String {
    let seconds = milliseconds.unsigned_abs() / 1000;
    let sign = if milliseconds < 0 && seconds > 0 {
        '−'
    } else {
        '+'
    };
    if seconds < 3600 {
        format!("{sign}{}:{:02}", seconds / 60, seconds % 60)
    } else {
        format!(
            "{sign}{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_read_well() {
        for (ms, text) in [
            (0, "+0:00"),
            (72_000, "+1:12"),
            (-5_000, "−0:05"),
            (-200, "+0:00"),
            (3_661_000, "+1:01:01"),
        ] {
            assert_eq!(relative(ms), text);
        }
    }
}
