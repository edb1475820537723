//! Lengths of time as users write them, and stamps as firedrill takes them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time in whole milliseconds, written `500ms`, `30s`, `2m`, `1h` or a run of them (`1m30s`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Millis(u64);

/// Why a text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: write it like `500ms`, `30s`, `2m` or `1h`")]
pub struct BadDuration {
    text: String,
}

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From whole milliseconds.
    pub const fn new(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// From whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// In milliseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As the standard library's type.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<Millis> for Duration {
    fn from(length: Millis) -> Self {
        length.duration()
    }
}

impl From<Millis> for String {
    fn from(length: Millis) -> Self {
        length.to_string()
    }
}

impl TryFrom<String> for Millis {
    type Error = BadDuration;
    fn try_from(text: String) -> Result<Self, BadDuration> {
        text.parse()
    }
}

impl FromStr for Millis {
    type Err = BadDuration;

    fn from_str(text: &str) -> Result<Self, BadDuration> {
        let bad = || BadDuration {
            text: text.chars().take(60).collect(),
        };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let count: u64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = &rest[digits..];
            let letters = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let unit: u64 = match &rest[..letters] {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(bad()),
            };
            rest = rest[letters..].trim_start();
            total = count
                .checked_mul(unit)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(bad)?;
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.pad("0s");
        }
        let mut text = String::new();
        for (unit, size) in [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1_000),
            ("ms", 1),
        ] {
            if rest >= size {
                text += &(rest / size).to_string();
                text += unit;
                rest %= size;
            }
        }
        f.pad(&text)
    }
}

/// An instant on the wall clock as people read it: to the second, in UTC.
pub fn wall_clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A place on a run's timeline: minutes, seconds and tenths since it began. `?` where the two are of different clocks.
pub fn since_began(began: &Stamp, at: &Stamp) -> String {
    let Some(length) = at.since(began) else {
        return "+??:??.?".to_owned();
    };
    let tenths = length.as_millis().max(0) / 100;
    format!(
        "+{:02}:{:02}.{}",
        tenths / 600,
        tenths / 10 % 60,
        tenths % 10
    )
}

/// One run of one process, so that monotonic readings of different processes are never subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// An instant, taken at its source: by the wall for people, by the monotonic clock for measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stamp {
    /// Which process's monotonic clock `mono_ns` was read from.
    pub epoch: Epoch,
    /// Nanoseconds on that clock.
    pub mono_ns: u64,
    /// The same instant on the wall clock, in UTC.
    pub wall: Timestamp,
}

impl Stamp {
    /// The monotonic time from `earlier` to here, negative when this is the earlier one; `None` across epochs.
    pub fn since(&self, earlier: &Self) -> Option<SignedDuration> {
        (self.epoch == earlier.epoch).then(|| {
            let nanos = i128::from(self.mono_ns) - i128::from(earlier.mono_ns);
            SignedDuration::from_nanos_i128(nanos)
        })
    }

    /// Whether `deadline` has come. A deadline of another epoch always has: its clock is gone.
    pub fn reached(&self, deadline: &Self) -> bool {
        self.since(deadline).is_none_or(|late| !late.is_negative())
    }

    /// The instant `length` later, on both clocks.
    #[must_use]
    pub fn after(&self, length: Duration) -> Self {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        Self {
            epoch: self.epoch,
            mono_ns: self.mono_ns.saturating_add(nanos),
            wall: self.wall.saturating_add(length).unwrap_or(Timestamp::MAX),
        }
    }

    /// Whether this instant is before `other`, on the monotonic clock where both share it, else on the wall.
    pub fn is_before(&self, other: &Self) -> bool {
        self.since(other)
            .map_or(self.wall < other.wall, |d| d.is_negative())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_alike() {
        for (text, ms) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            let length: Millis = text.parse().expect("a duration");
            assert_eq!((length.get(), length.to_string()), (ms, text.to_owned()));
        }
        for bad in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "30 seconds",
            "99999999999999999999h",
        ] {
            assert!(bad.parse::<Millis>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn stamps_of_different_epochs_are_never_subtracted() {
        let one = Stamp {
            epoch: Epoch(1),
            mono_ns: 5,
            wall: Timestamp::UNIX_EPOCH,
        };
        let other = Stamp {
            epoch: Epoch(2),
            ..one
        };
        assert_eq!(one.since(&other), None);
        assert!(one.reached(&other));
        assert_eq!(
            one.after(Duration::from_secs(1)).since(&one),
            Some(SignedDuration::from_secs(1))
        );
    }
}
