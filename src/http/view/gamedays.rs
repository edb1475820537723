//! Game days: each drill with how it stands, and what comes next.

use serde::Serialize;

use super::Badge;
use super::layout::Layout;
use super::run_line::{RunLine, Score};
use super::time::Moment;
use crate::http::gamedays::{Day, Leg, Stands};
use crate::http::templates::Page;

/// The latest game days.
#[derive(Debug, Serialize)]
pub(in crate::http) struct GameDays {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) days: Vec<DayLine>,
}

impl Page for GameDays {
    const TEMPLATE: &'static str = "gamedays.html";
}

/// A game day in a list.
#[derive(Debug, Serialize)]
pub(in crate::http) struct DayLine {
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    pub(in crate::http) begun: Moment,
    pub(in crate::http) state: Badge,
    /// How many of its drills were begun.
    pub(in crate::http) count: usize,
    pub(in crate::http) of: usize,
    /// What goes on, or comes next.
    pub(in crate::http) now: Option<Coming>,
}

/// What goes on of a game day, or comes next.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Coming {
    pub(in crate::http) drill: String,
    /// Its run, once it was begun.
    pub(in crate::http) run: Option<String>,
    /// When it begins, where the pause before it lasts.
    pub(in crate::http) at: Option<Moment>,
}

impl DayLine {
    /// A game day as its runs tell it.
    pub(in crate::http) fn new(day: &Day) -> Self {
        let now = day.drills.iter().find_map(|leg| {
            let (run, at) = match &leg.stands {
                Stands::Begun(row) if row.ended.is_none() => (Some(row.id.to_string()), None),
                Stands::Pauses(at) => (None, Some((*at).into())),
                _ => return None,
            };
            Some(Coming {
                drill: leg.drill.clone(),
                run,
                at,
            })
        });
        Self {
            id: day.id.to_string(),
            name: day.name.to_string(),
            begun: day.begun.into(),
            state: state(day),
            count: day.runs().count(),
            of: day.drills.len(),
            now,
        }
    }
}

fn state(day: &Day) -> Badge {
    let all = day.runs().count() == day.drills.len();
    match (day.going, all) {
        (true, _) => Badge::new("goes on", '●', "live"),
        (false, true) => Badge::new("over", '✓', "plain"),
        (false, false) => Badge::new("ended early", '■', "warn"),
    }
}

/// One game day.
#[derive(Debug, Serialize)]
pub(in crate::http) struct GameDay {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) line: DayLine,
    pub(in crate::http) goes_on: &'static str,
    pub(in crate::http) drills: Vec<DrillLine>,
    pub(in crate::http) may_end: bool,
}

impl Page for GameDay {
    const TEMPLATE: &'static str = "gameday.html";
}

/// A drill of a game day.
#[derive(Debug, Serialize)]
pub(in crate::http) struct DrillLine {
    pub(in crate::http) position: u32,
    pub(in crate::http) drill: String,
    pub(in crate::http) state: Badge,
    /// Its run, once it was begun.
    pub(in crate::http) run: Option<String>,
    pub(in crate::http) ended: bool,
    pub(in crate::http) score: Option<Score>,
    /// When it was begun.
    pub(in crate::http) began: Option<Moment>,
    /// When it begins, where the pause before it lasts.
    pub(in crate::http) begins: Option<Moment>,
    pub(in crate::http) lasted: Option<String>,
    /// Why it was not begun.
    pub(in crate::http) why: Option<String>,
}

impl GameDay {
    /// The page of one.
    pub(in crate::http) fn new(layout: Layout, day: &Day, may_end: bool) -> Self {
        Self {
            layout,
            line: DayLine::new(day),
            goes_on: day.goes_on.words(),
            drills: day.drills.iter().map(DrillLine::new).collect(),
            may_end,
        }
    }
}

impl DrillLine {
    fn new(leg: &Leg) -> Self {
        let mut line = Self {
            position: leg.position,
            drill: leg.drill.clone(),
            state: Badge::new("waits", '○', "plain"),
            run: None,
            ended: false,
            score: None,
            began: None,
            begins: None,
            lasted: None,
            why: None,
        };
        match &leg.stands {
            Stands::Waits => {}
            Stands::Pauses(at) => {
                line.state = Badge::new("next", '…', "live");
                line.begins = Some((*at).into());
            }
            Stands::NotBegun(why) => {
                line.state = Badge::new("not begun", '–', "warn");
                let why = why.strip_prefix("not begun: ").unwrap_or(why);
                line.why = Some(why.to_owned());
            }
            Stands::Begun(row) => {
                let run = RunLine::from(row.as_ref());
                line.state = run.verdict;
                line.run = Some(run.id);
                line.ended = row.ended.is_some();
                line.score = run.score;
                line.began = Some(run.created);
                line.lasted = run.lasted;
            }
        }
        line
    }
}
