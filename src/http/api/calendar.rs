//! The calendar: what starts by itself, what did, and what was skipped and why.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::library::contents;
use super::runs::bad_query;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::calendar::{self, Came, Told, begins};
use crate::http::problem::Problem;
use crate::model::ids::{DrillName, GameDayName};
use crate::model::schedule::{self, Scheduled};
use crate::store::schedule::ScheduledStart;

/// The longest time that is told at once.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 62);

/// The years of which anything is told: from 2000 to before 2200.
const YEARS: (Timestamp, Timestamp) = (
    Timestamp::constant(946_684_800, 0),
    Timestamp::constant(7_258_118_400, 0),
);

/// Of which time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Asked {
    /// A month, such as `2026-03`; this month where nothing is said.
    #[schemars(regex(pattern = r"^\d{4}-\d{2}$"))]
    month: Option<String>,
    /// The IANA zone in which a month begins and ends; UTC where it is not said.
    zone: Option<String>,
    /// In place of a month: from when on.
    from: Option<Timestamp>,
    /// In place of a month: until when, at most 62 days later.
    to: Option<Timestamp>,
}

/// What starts by itself.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Calendar {
    /// From when on this is told.
    from: Timestamp,
    /// Until when.
    to: Timestamp,
    /// What came of past starts, and those that are to come, in order. At most 2,000 past ones, and 500 of a drill.
    starts: Vec<Start>,
    /// The drills and game days that start by themselves. A surprise is listed to those who are told of it.
    schedules: Vec<Schedule>,
}

/// A time at which a drill or a game day starts, did, or would.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScheduledStart")]
struct Start {
    /// How it stands.
    state: Standing,
    /// Of which drill; null of a game day, and of a surprise, to those who are not told.
    drill: Option<DrillName>,
    /// Of which game day; null of a drill.
    game_day: Option<GameDayName>,
    /// When; null of a surprise, to those who are not told.
    at: Option<Timestamp>,
    /// Of a surprise that is to come: not before.
    from: Option<Timestamp>,
    /// Of a surprise that is to come: not after.
    to: Option<Timestamp>,
    /// Why it was skipped or did not start, or the days of the blackout.
    why: Option<String>,
    /// The run that was started.
    run: Option<String>,
    /// The game day that was started: its id.
    held: Option<String>,
}

/// How a start stands.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "StartState")]
enum Standing {
    /// It is to come.
    Planned,
    /// A blackout keeps it from starting.
    Blackout,
    /// It started a run, or a game day.
    Started,
    /// It was not made.
    Skipped,
    /// It failed.
    NotStarted,
    /// The server ended before it was known what came of it.
    Claimed,
}

/// When a drill or a game day starts by itself.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DrillSchedule")]
struct Schedule {
    /// Of which drill; null of a game day.
    drill: Option<DrillName>,
    /// Of which game day; null of a drill.
    game_day: Option<GameDayName>,
    /// Minute, hour, day of month, month, day of week.
    cron: String,
    /// The IANA zone of `cron`.
    timezone: String,
    /// How late a start may still happen, in milliseconds.
    tolerance_ms: u64,
    /// Whether its responders are not told.
    surprise: bool,
    /// The hours in which a surprise comes, such as `10:00-16:00`.
    window: Option<String>,
    /// Days on which it never starts, such as `2026-12-24` or `2026-12-20/2027-01-03`.
    blackout: Vec<String>,
}

impl Schedule {
    fn new(what: &Scheduled, schedule: &schedule::Schedule) -> Self {
        Self {
            drill: what.drill().cloned(),
            game_day: what.game_day().cloned(),
            cron: schedule.cron.clone(),
            timezone: schedule.timezone.clone(),
            tolerance_ms: schedule.tolerance.get(),
            surprise: schedule.surprise,
            window: schedule.window.map(|hours| hours.to_string()),
            blackout: schedule.blackout.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Start {
    fn past(what: &str, start: &ScheduledStart) -> Self {
        let (mut run, mut held) = (None, None);
        let (state, why) = match Came::of(start) {
            Came::Started(id) => {
                run = Some(id);
                (Standing::Started, None)
            }
            Came::Held(id) => {
                held = Some(id);
                (Standing::Started, None)
            }
            Came::Skipped(why) => (Standing::Skipped, Some(why)),
            Came::NotStarted(why) => (Standing::NotStarted, Some(why)),
            Came::Claimed => (Standing::Claimed, None),
        };
        let what: Option<Scheduled> = what.parse().ok();
        Self {
            state,
            drill: what.as_ref().and_then(Scheduled::drill).cloned(),
            game_day: what.as_ref().and_then(Scheduled::game_day).cloned(),
            at: Some(start.due),
            from: None,
            to: None,
            why: why.map(str::to_owned),
            run: run.map(str::to_owned),
            held: held.map(str::to_owned),
        }
    }
}

impl From<Told> for Start {
    fn from(told: Told) -> Self {
        let (what, at) = told.start.unzip();
        Self {
            state: if told.barred.is_some() {
                Standing::Blackout
            } else {
                Standing::Planned
            },
            drill: what.as_ref().and_then(Scheduled::drill).cloned(),
            game_day: what.as_ref().and_then(Scheduled::game_day).cloned(),
            at,
            from: told.range.map(|(from, _)| from),
            to: told.range.map(|(_, to)| to),
            why: told.barred,
            run: None,
            held: None,
        }
    }
}

impl Asked {
    /// From when until when.
    fn span(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
        let bad = |why: &str| Problem::bad("bad-query", why);
        let whole = self.month.is_some() || self.zone.is_some();
        match (self.from, self.to) {
            (Some(_), Some(_)) if whole => {
                Err(bad("`from` and `to` stand in place of `month` and `zone`"))
            }
            (Some(from), Some(to))
                if YEARS.0 <= from
                    && from < to
                    && to <= YEARS.1
                    && to.duration_since(from) <= LONGEST =>
            {
                Ok((from, to))
            }
            (Some(_), Some(_)) => Err(bad(
                "`to` is later than `from`, at most 62 days, and both are of the years 2000 to 2199",
            )),
            (None, None) => {
                let zone = calendar::zone(self.zone.as_deref().unwrap_or("UTC"))?;
                let today = now.to_zoned(zone.clone()).date();
                let month = calendar::month(self.month.as_deref(), today)?;
                let first = month.first_of_month();
                let after = first.checked_add(1.month()).unwrap_or(first);
                Ok((begins(first, &zone), begins(after, &zone)))
            }
            _ => Err(bad("`from` and `to` go together")),
        }
    }
}

/// What starts by itself, and what did.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Calendar>, Problem> {
    let Query(asked) = asked.map_err(|error| bad_query(&error))?;
    let (from, to) = asked.span(services.now().wall)?;
    let contents = contents(&services).await?;
    let past = calendar::past(&services, &actor, &contents, (from, to)).await?;
    let to_come = calendar::to_come(&services, &actor, &contents, (from, to)).await?;
    let past = past.iter().map(|(drill, start)| Start::past(drill, start));
    let rules = calendar::rules(&contents, &actor).into_iter();
    Ok(Json(Calendar {
        from,
        to,
        starts: past.chain(to_come.into_iter().map(Start::from)).collect(),
        schedules: rules
            .map(|(what, schedule)| Schedule::new(&what, schedule))
            .collect(),
    }))
}
