//! The forecast: how long users may be hurt in the time ahead, with all that it takes for granted.

use serde::Serialize;

use super::layout::Layout;
use super::plot::percent;
use super::time::span;
use crate::http::templates::Page;
use crate::stats::forecast::{Forecast as Answered, Marks, TRIALS};

/// The page of the forecast: what can be asked, and the answer where something was.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Forecast {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) choices: Vec<Choice>,
    /// Scenarios with too few drills.
    pub(in crate::http) few: Vec<String>,
    pub(in crate::http) counted: String,
    pub(in crate::http) ahead: String,
    pub(in crate::http) budget: String,
    pub(in crate::http) seed: u64,
    /// Why there is no answer to what was asked.
    pub(in crate::http) refused: Option<String>,
    pub(in crate::http) answer: Option<Answer>,
    pub(in crate::http) fewest: usize,
    pub(in crate::http) trials: usize,
}

impl Page for Forecast {
    const TEMPLATE: &'static str = "forecast.html";
}

/// A scenario that can be asked about.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Choice {
    /// The field of its count.
    pub(in crate::http) field: String,
    pub(in crate::http) name: String,
    pub(in crate::http) drills: usize,
    pub(in crate::http) recovered: usize,
    /// What was entered.
    pub(in crate::http) entered: String,
}

/// The answer in words.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Answer {
    pub(in crate::http) incidents: Spread,
    pub(in crate::http) hurt: Spread,
    /// How often the budget is not kept, in percent.
    pub(in crate::http) beyond: Option<String>,
    /// Of how many incidents in a hundred the length is only known to be at least so long.
    pub(in crate::http) at_least: Option<String>,
    pub(in crate::http) parts: Vec<Part>,
    pub(in crate::http) assumptions: Vec<String>,
    /// The same question on a command line.
    pub(in crate::http) command: String,
}

/// Marks of a distribution.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Spread {
    pub(in crate::http) p5: String,
    pub(in crate::http) p50: String,
    pub(in crate::http) p90: String,
    pub(in crate::http) p95: String,
}

/// A scenario's share.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Part {
    pub(in crate::http) name: String,
    pub(in crate::http) incidents: Spread,
    pub(in crate::http) hurt: Spread,
}

fn spread(marks: Marks, write: impl Fn(u64) -> String) -> Spread {
    Spread {
        p5: write(marks.p5),
        p50: write(marks.p50),
        p90: write(marks.p90),
        p95: write(marks.p95),
    }
}

impl Answer {
    /// An answer, and how to ask for it from a shell.
    pub(in crate::http) fn new(answered: Answered, command: String) -> Self {
        let count = |number: u64| number.to_string();
        Self {
            incidents: spread(answered.incidents, count),
            hurt: spread(answered.hurt_ms, span),
            beyond: answered.beyond_budget.map(percent),
            at_least: (answered.at_least > 0.0).then(|| percent(answered.at_least)),
            parts: answered
                .parts
                .into_iter()
                .map(|part| Part {
                    name: part.name,
                    incidents: spread(part.incidents, count),
                    hurt: spread(part.hurt_ms, span),
                })
                .collect(),
            assumptions: answered.assumptions,
            command,
        }
    }
}

/// How often the time ahead is played through.
pub(in crate::http) const PLAYED: usize = TRIALS;
