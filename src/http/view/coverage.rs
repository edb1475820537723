//! Coverage: services and links by kinds of failure: drilled when, with what rating, and what never.

use jiff::Timestamp;
use serde::Serialize;

use super::layout::Layout;
use super::time::Moment;
use crate::http::coverage::{self, Hits, Seen, Starts, is_stale};
use crate::http::templates::Page;
use crate::model::failure::{Failure, Target};
use crate::model::stack::Stack;
use crate::store::summaries::Hit;

/// The coverage of one stack.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Coverage {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) stacks: Vec<String>,
    pub(in crate::http) stack: Option<String>,
    pub(in crate::http) grid: Option<Grid>,
    pub(in crate::http) stale_days: i64,
}

impl Page for Coverage {
    const TEMPLATE: &'static str = "coverage.html";
}

/// What was drilled of a stack.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Grid {
    pub(in crate::http) columns: Vec<Column>,
    pub(in crate::http) rows: Vec<Row>,
    /// What no fault of firedrill's reaches in this stack.
    pub(in crate::http) untouchable: Vec<String>,
    /// Cells that can fail, and how many of them drills, or experiments alone, have hit.
    pub(in crate::http) possible: usize,
    pub(in crate::http) drilled: usize,
    pub(in crate::http) tried: usize,
    pub(in crate::http) stale: usize,
    /// What something in the library would hit for the first time.
    pub(in crate::http) startable: Vec<Gap>,
    /// What nothing in the library would hit.
    pub(in crate::http) unwritten: Vec<Gap>,
    pub(in crate::http) told: Vec<Told>,
}

/// A kind of failure.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Column {
    pub(in crate::http) title: &'static str,
    pub(in crate::http) steps: &'static str,
}

/// A service or a link.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Row {
    pub(in crate::http) name: String,
    pub(in crate::http) kind: &'static str,
    pub(in crate::http) cells: Vec<Cell>,
}

/// How one fails in one way, as far as that was drilled.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Cell {
    /// `none` where no fault can, `never`, `tried` by experiments, or `drilled`.
    pub(in crate::http) state: &'static str,
    pub(in crate::http) text: String,
    pub(in crate::http) look: &'static str,
    pub(in crate::http) age: String,
    pub(in crate::http) stale: bool,
    pub(in crate::http) title: String,
    pub(in crate::http) run: Option<String>,
}

/// What was never drilled.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Gap {
    pub(in crate::http) target: String,
    pub(in crate::http) failure: &'static str,
    pub(in crate::http) steps: &'static str,
    /// How experiments came out, where some hit it.
    pub(in crate::http) tried: bool,
    pub(in crate::http) starts: Vec<Start>,
}

/// Something in the library that would hit it.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Start {
    pub(in crate::http) kind: &'static str,
    pub(in crate::http) name: String,
    pub(in crate::http) allowed: bool,
}

/// A cell in words.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Told {
    pub(in crate::http) target: String,
    pub(in crate::http) failure: &'static str,
    pub(in crate::http) drill: Option<Last>,
    pub(in crate::http) experiment: Option<Last>,
}

/// The last run that hit something.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Last {
    pub(in crate::http) name: String,
    pub(in crate::http) run: Option<String>,
    pub(in crate::http) at: Moment,
    pub(in crate::http) result: String,
}

impl From<&coverage::Start> for Start {
    fn from(start: &coverage::Start) -> Self {
        Self {
            kind: start.kind,
            name: start.name.clone(),
            allowed: start.allowed,
        }
    }
}

impl Grid {
    /// The grid of a stack.
    pub(in crate::http) fn new(
        stack: &Stack,
        hits: &Hits,
        starts: &Starts,
        now: Timestamp,
    ) -> Self {
        // What nothing can do to anything here is no gap: it would only hide those that are.
        let targets = Target::all(stack);
        let can = |target: &Target, failure: Failure| target.can(failure, stack);
        let failures: Vec<Failure> = Failure::ALL
            .into_iter()
            .filter(|failure| targets.iter().any(|target| can(target, *failure)))
            .collect();
        let mut grid = Self {
            columns: failures
                .iter()
                .map(|kind| Column {
                    title: kind.title(),
                    steps: kind.steps(),
                })
                .collect(),
            untouchable: Vec::new(),
            rows: Vec::new(),
            possible: 0,
            drilled: 0,
            tried: 0,
            stale: 0,
            startable: Vec::new(),
            unwritten: Vec::new(),
            told: Vec::new(),
        };
        for target in targets {
            let (name, kind) = named(&target, stack);
            if !failures.iter().any(|failure| can(&target, *failure)) {
                grid.untouchable.push(name);
                continue;
            }
            let cells = failures
                .iter()
                .map(|&failure| {
                    if can(&target, failure) {
                        grid.cell(&target, &name, failure, hits, starts, now)
                    } else {
                        impossible()
                    }
                })
                .collect();
            grid.rows.push(Row { name, kind, cells });
        }
        grid
    }

    fn cell(
        &mut self,
        target: &Target,
        name: &str,
        failure: Failure,
        hits: &Hits,
        starts: &Starts,
        now: Timestamp,
    ) -> Cell {
        let (drill, experiment) = hits.of(target, failure);
        self.possible += 1;
        if drill.is_none() {
            let gap = Gap {
                target: name.to_owned(),
                failure: failure.title(),
                steps: failure.steps(),
                tried: experiment.is_some(),
                starts: starts
                    .get(&(target.key(), failure))
                    .map_or_else(Vec::new, |all| all.iter().map(Start::from).collect()),
            };
            if gap.starts.is_empty() {
                self.unwritten.push(gap);
            } else {
                self.startable.push(gap);
            }
        }
        if drill.is_some() || experiment.is_some() {
            self.told.push(Told {
                target: name.to_owned(),
                failure: failure.title(),
                drill: drill.map(last),
                experiment: experiment.map(last),
            });
        }
        match (drill, experiment) {
            (Some(seen), _) => {
                self.drilled += 1;
                let cell = hit("drilled", seen, now);
                self.stale += usize::from(cell.stale);
                cell
            }
            (None, Some(seen)) => {
                self.tried += 1;
                hit("tried", seen, now)
            }
            (None, None) => Cell {
                state: "never",
                text: "never".into(),
                look: "plain",
                age: String::new(),
                stale: false,
                title: format!("{name} was never {}", failure.title()),
                run: None,
            },
        }
    }
}

fn impossible() -> Cell {
    Cell {
        state: "none",
        text: String::new(),
        look: "plain",
        age: String::new(),
        stale: false,
        title: "no fault of firedrill's does this here".into(),
        run: None,
    }
}

fn named(target: &Target, stack: &Stack) -> (String, &'static str) {
    match target {
        Target::Service(service) => (service.to_string(), "service"),
        Target::Link(proxy) => {
            let link = stack.link(proxy);
            let name = link.map_or_else(
                || proxy.to_string(),
                |link| format!("{} → {}", link.from, link.to),
            );
            (name, "link")
        }
        Target::Elsewhere => ("whatever hooks reach".to_owned(), "hooks"),
    }
}

fn hit(state: &'static str, seen: &Seen, now: Timestamp) -> Cell {
    let hit = &seen.hit;
    let days = now.duration_since(hit.created).as_hours() / 24;
    let age = match days {
        ..1 => "today".to_owned(),
        1 => "1 day ago".to_owned(),
        2..60 => format!("{days} days ago"),
        60..730 => format!("{} months ago", days / 30),
        _ => format!("{} years ago", days / 365),
    };
    let (text, look) = if seen.visible {
        result(hit)
    } else {
        ("•".to_owned(), "plain")
    };
    Cell {
        state,
        look,
        stale: is_stale(hit.created, now),
        title: format!(
            "{} {}, {age}",
            if seen.visible {
                hit.name.as_str()
            } else {
                "another team"
            },
            hit.created.strftime("%Y-%m-%d")
        ),
        text,
        age,
        run: seen.visible.then(|| hit.run.to_string()),
    }
}

fn result(hit: &Hit) -> (String, &'static str) {
    let look = match hit.passed {
        Some(true) => "good",
        Some(false) => "bad",
        None => "plain",
    };
    let text = hit.rating.clone().unwrap_or_else(|| {
        match hit.passed {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "–",
        }
        .to_owned()
    });
    (text, look)
}

fn last(seen: &Seen) -> Last {
    let hit = &seen.hit;
    if !seen.visible {
        return Last {
            name: "another team's".into(),
            run: None,
            at: hit.created.into(),
            result: String::new(),
        };
    }
    let word = match hit.passed {
        Some(true) => "passed",
        Some(false) => "failed",
        None => "broke off",
    };
    Last {
        name: hit.name.clone(),
        run: Some(hit.run.to_string()),
        at: hit.created.into(),
        result: match &hit.rating {
            Some(rating) => format!("{rating}, {word}"),
            None => word.to_owned(),
        },
    }
}
