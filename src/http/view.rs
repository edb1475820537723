//! What pages show, as types: each context is all that its template may ask for, worded and formatted here. Nothing
//! here reads a store or waits.

pub(super) mod account;
pub(super) mod acts;
pub(super) mod audit;
pub(super) mod calendar;
pub(super) mod chart;
pub(super) mod compared;
pub(super) mod composer;
pub(super) mod coverage;
pub(super) mod escalation;
pub(super) mod forecast;
pub(super) mod gamedays;
pub(super) mod layout;
pub(super) mod library;
pub(super) mod login;
pub(super) mod markdown;
pub(super) mod overview;
pub(super) mod plot;
pub(super) mod posted;
pub(super) mod review;
pub(super) mod room;
pub(super) mod run_line;
pub(super) mod run_list;
pub(super) mod scorecard;
pub(super) mod sight;
pub(super) mod signals;
pub(super) mod status;
pub(super) mod steps;
mod svg;
pub(super) mod telling;
pub(super) mod time;
pub(super) mod tokens;
pub(super) mod topology;
pub(super) mod transparency;
pub(super) mod trends;
pub(super) mod trouble;

use serde::Serialize;

use crate::engine::event::Verdict;
use crate::narrative::verdict_word;

/// A result as a word, with a mark, so that it is told without colour, too.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Badge {
    pub(super) word: String,
    pub(super) mark: char,
    /// The class that colours it.
    pub(super) look: &'static str,
}

impl Badge {
    pub(super) fn new(word: impl Into<String>, mark: char, look: &'static str) -> Self {
        Self {
            word: word.into(),
            mark,
            look,
        }
    }

    /// How a run ended; that it goes on, where it has not.
    pub(super) fn of(verdict: Option<Verdict>) -> Self {
        let Some(verdict) = verdict else {
            return Self::new("live", '●', "live");
        };
        let (mark, look) = match verdict {
            Verdict::Passed => ('✓', "good"),
            Verdict::Failed => ('✗', "bad"),
            Verdict::Aborted => ('■', "warn"),
            Verdict::Errored => ('!', "warn"),
        };
        Self::new(verdict_word(verdict), mark, look)
    }
}

/// A word as the API writes it, with spaces.
pub(super) fn word(value: &impl Serialize) -> String {
    let text = serde_json::to_value(value).ok();
    text.as_ref()
        .and_then(|value| value.as_str())
        .unwrap_or_default()
        .replace('_', " ")
}

/// A figure with at most one decimal, rounded down: shown no better than it is.
pub(super) fn figure(value: f64) -> String {
    let text = format!("{:.1}", (value * 10.0 + 1e-6).floor() / 10.0);
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
