//! When drills start by themselves.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

use super::ids::{BadName, DrillName, GameDayName};
use super::time::Millis;

/// A drill's calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields: minute, hour, day of month, month, day of week.
    pub cron: String,
    /// An IANA zone such as `Europe/Berlin`.
    pub timezone: String,
    /// How late a start may still happen; a later one is skipped and said.
    pub tolerance: Millis,
    /// Whether its responders are not told: until the run is over, or staff tell them, they see only what the stack shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub surprise: bool,
    /// The hours of the day in which a surprise comes; at the time of `cron` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Hours>,
    /// Days on which it never starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blackout: Vec<Days>,
}

/// What starts by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheduled {
    /// A drill.
    Drill(DrillName),
    /// A game day.
    GameDay(GameDayName),
}

/// What a game day is called by, before its name. No name has a space in it, so that none is mistaken for it.
const GAME_DAY: &str = "game day ";

impl fmt::Display for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drill(name) => name.fmt(f),
            Self::GameDay(name) => write!(f, "{GAME_DAY}{name}"),
        }
    }
}

impl FromStr for Scheduled {
    type Err = BadName;

    /// Reads what `Display` has written.
    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.strip_prefix(GAME_DAY) {
            Some(name) => name.parse().map(Self::GameDay),
            None => text.parse().map(Self::Drill),
        }
    }
}

impl Scheduled {
    /// The drill's name, where it is one.
    pub fn drill(&self) -> Option<&DrillName> {
        match self {
            Self::Drill(name) => Some(name),
            Self::GameDay(_) => None,
        }
    }

    /// The game day's name, where it is one.
    pub fn game_day(&self) -> Option<&GameDayName> {
        match self {
            Self::Drill(_) => None,
            Self::GameDay(name) => Some(name),
        }
    }
}

/// Hours of a day, written `10:00-16:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    from: Time,
    to: Time,
}

/// Days, the first and the last included, written `2026-12-20` or `2026-12-20/2027-01-03`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Days {
    first: Date,
    last: Date,
}

/// Why a text is neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSpan {
    /// No hours.
    #[error("`{0}` is no window: write it like `10:00-16:00`, the earlier time first")]
    Hours(String),
    /// No days.
    #[error(
        "`{0}` is no blackout: write a day like `2026-12-24`, or days like `2026-12-20/2027-01-03`, the earlier first"
    )]
    Days(String),
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Hours {
    /// When they begin.
    pub fn from(self) -> Time {
        self.from
    }

    /// When they end.
    pub fn to(self) -> Time {
        self.to
    }
}

impl Days {
    /// Whether a day is among them.
    pub fn hold(self, day: Date) -> bool {
        (self.first..=self.last).contains(&day)
    }
}

impl FromStr for Hours {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let read = || {
            let (from, to) = text.trim().split_once('-')?;
            let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
            let (from, to) = (time(from)?, time(to)?);
            (from < to).then_some(Self { from, to })
        };
        read().ok_or_else(|| BadSpan::Hours(cut(text)))
    }
}

impl FromStr for Days {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let read = || {
            let (first, last) = text.trim().split_once('/').unwrap_or((text, text));
            let day = |text: &str| Date::strptime("%Y-%m-%d", text.trim()).ok();
            let (first, last) = (day(first)?, day(last)?);
            (first <= last).then_some(Self { first, last })
        };
        read().ok_or_else(|| BadSpan::Days(cut(text)))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}",
            self.from.strftime("%H:%M"),
            self.to.strftime("%H:%M")
        )
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}/{}", self.first, self.last)
        }
    }
}

macro_rules! texts {
    ($($name:ident),+) => {$(
        impl TryFrom<String> for $name {
            type Error = BadSpan;
            fn try_from(text: String) -> Result<Self, BadSpan> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )+};
}

texts!(Hours, Days);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_day_and_a_drill_of_one_name_are_two_things() {
        for text in ["outage", "game day outage"] {
            assert_eq!(text.parse::<Scheduled>().expect("one").to_string(), text);
        }
        assert_ne!("outage".parse::<Scheduled>(), "game day outage".parse());
        assert!("game night outage".parse::<Scheduled>().is_err());
    }

    #[test]
    fn windows_and_blackouts_read_as_they_are_written() {
        for text in ["10:00-16:00", "00:00-23:59"] {
            assert_eq!(text.parse::<Hours>().expect("hours").to_string(), text);
        }
        for text in ["2026-12-24", "2026-12-20/2027-01-03"] {
            assert_eq!(text.parse::<Days>().expect("days").to_string(), text);
        }
        for bad in [
            "",
            "16:00-10:00",
            "10:00",
            "10-16",
            "25:00-26:00",
            "10:00-10:00",
        ] {
            assert!(bad.parse::<Hours>().is_err(), "{bad:?} was accepted");
        }
        for bad in ["", "24.12.", "2026-02-30", "2027-01-03/2026-12-20"] {
            assert!(bad.parse::<Days>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn the_first_and_the_last_day_are_among_them() {
        let days: Days = "2026-12-20/2027-01-03".parse().expect("days");
        let day = |text: &str| text.parse::<Date>().expect("a day");
        for (text, among) in [
            ("2026-12-19", false),
            ("2026-12-20", true),
            ("2027-01-03", true),
            ("2027-01-04", false),
        ] {
            assert_eq!(days.hold(day(text)), among, "{text}");
        }
    }
}
