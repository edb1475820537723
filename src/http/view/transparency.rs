//! Transparency: what a platform may publish of its drills. It says how often and how well, and nothing that helps an
//! attacker: no names of drills, services, stacks, teams or people, no addresses, no days, no schedule, no kinds of failure.

use serde::Serialize;

use super::layout::Layout;
use super::time::span;
use crate::http::published::{Gathered, QUARTERS, letter, sum, uptime};
use crate::http::templates::Page;
use crate::stats::median::median;
use crate::stats::{FEWEST, Time, measured};
use crate::store::summaries::{Counted, Series, Summarised};

/// The page.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Transparency {
    pub(in crate::http) layout: Layout,
    /// The platform, as it calls itself.
    pub(in crate::http) platform: String,
    pub(in crate::http) figures: Figures,
}

impl Page for Transparency {
    const TEMPLATE: &'static str = "transparency.html";
}

/// All that is said.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Figures {
    /// `March 2026`.
    pub(in crate::http) month: String,
    pub(in crate::http) drills: u64,
    pub(in crate::http) passed: String,
    pub(in crate::http) detected: String,
    pub(in crate::http) recovered: String,
    /// Of the time that faults were on and the stack was watched; none where it was not.
    pub(in crate::http) uptime: Option<String>,
    /// Corrective actions that are open, and how many of them are late.
    pub(in crate::http) actions: usize,
    pub(in crate::http) late: usize,
    pub(in crate::http) quarters: Vec<Quarter>,
    pub(in crate::http) scenarios: Vec<Scenario>,
    pub(in crate::http) fewest: usize,
}

/// Drills of three months.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Quarter {
    pub(in crate::http) name: &'static str,
    pub(in crate::http) drills: u64,
    pub(in crate::http) passed: String,
}

/// A scenario, without its name.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Scenario {
    /// `A`.
    pub(in crate::http) letter: String,
    pub(in crate::http) severity: String,
    pub(in crate::http) class: String,
    pub(in crate::http) told: &'static str,
    pub(in crate::http) drills: usize,
    pub(in crate::http) detected: String,
    pub(in crate::http) detect: Option<String>,
    pub(in crate::http) recovered: String,
    pub(in crate::http) recover: Option<String>,
}

/// The last four times three months, the latest first.
const NAMES: [&str; QUARTERS] = [
    "the last three months",
    "three to six months ago",
    "six to nine months ago",
    "nine to twelve months ago",
];

fn of(part: u64, all: u64) -> String {
    format!("{part} of {all}")
}

impl Figures {
    /// What was gathered, in words.
    pub(in crate::http) fn new(gathered: &Gathered) -> Self {
        let quarters = &gathered.quarters;
        let sum = |count: fn(&Counted) -> u64| sum(quarters, count);
        Self {
            month: gathered.at.strftime("%B %Y").to_string(),
            drills: sum(|one| one.drills),
            passed: of(sum(|one| one.passed), sum(|one| one.judged)),
            detected: of(sum(|one| one.detected), sum(|one| one.with_impact)),
            recovered: of(sum(|one| one.recovered), sum(|one| one.to_recover)),
            uptime: uptime(quarters).map(tenths),
            actions: gathered.actions,
            late: gathered.late,
            quarters: NAMES
                .into_iter()
                .zip(quarters)
                .map(|(name, counted)| Quarter {
                    name,
                    drills: counted.drills,
                    passed: of(counted.passed, counted.judged),
                })
                .collect(),
            scenarios: gathered
                .scenarios
                .iter()
                .enumerate()
                .map(|(index, (series, runs))| scenario(index, series, runs))
                .collect(),
            fewest: FEWEST,
        }
    }
}

fn scenario(index: usize, series: &Series, runs: &[Summarised]) -> Scenario {
    let times =
        |of: fn(&Summarised) -> Option<Time>| -> Vec<Time> { runs.iter().filter_map(of).collect() };
    let (detect, recover) = (
        times(|run| run.times.detect),
        times(|run| run.times.recover),
    );
    let counted = |times: &[Time]| format!("{} of {}", measured(times), times.len());
    Scenario {
        letter: letter(index),
        severity: series.scenario.severity.clone().unwrap_or_default(),
        class: series.scenario.class.clone().unwrap_or_default(),
        told: if series.scenario.surprise {
            "surprise"
        } else {
            "announced"
        },
        drills: runs.len(),
        detected: counted(&detect),
        detect: typical(&detect),
        recovered: counted(&recover),
        recover: typical(&recover),
    }
}

/// A median with its interval, of enough times.
fn typical(times: &[Time]) -> Option<String> {
    let median = median(times)?;
    let middle = match median.ms {
        Some(ms) => span(ms),
        None => "more than was observed".to_owned(),
    };
    let high = match median.high_ms {
        Some(high) => format!("to {}", span(high)),
        None => "without an upper end".to_owned(),
    };
    Some(format!("{middle} ({} {high})", span(median.low_ms)))
}

/// Tenths of a percent as a number with one decimal.
fn tenths(thousandths: u64) -> String {
    format!("{}.{}", thousandths / 10, thousandths % 10)
}
