//! What starts by itself and what came of it, as far as a visitor is told: for the calendar, the overview and the API.
//!
//! Of a surprise, those whom it surprises are told the hours in which it may come, and nothing else until a day after. So
//! whether it is among an answer, and where, depends on these hours alone and never on its time: neither a narrow
//! question nor one that is asked again and again finds out when it comes, or that it came.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::actor::Visitor;
use super::catalogue::{Contents, Kind};
use super::keeper::of_plan;
use super::problem::Problem;
use super::{Planned, Services};
use crate::model::access::{Permission, Place, Subject};
use crate::model::plan::Plan;
use crate::model::schedule::{Schedule, Scheduled};
use crate::store::schedule::ScheduledStart;

/// How long the past start of a surprise is kept from those whom it surprises.
const SECRET: SignedDuration = SignedDuration::from_hours(24);

/// More than the hours in which a surprise may come: a day has at most 25.
const WIDEST: SignedDuration = SignedDuration::from_hours(48);

/// A start that is to come, as far as somebody is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// Of what, and when; none of a surprise, to those whom it surprises.
    pub(super) start: Option<(Scheduled, Timestamp)>,
    /// The hours in which a surprise may come.
    pub(super) range: Option<(Timestamp, Timestamp)>,
    /// The blackout that keeps it from starting, in words.
    pub(super) barred: Option<String>,
}

/// What came of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came<'a> {
    /// This run.
    Started(&'a str),
    /// This game day.
    Held(&'a str),
    /// Nothing, for this reason.
    Skipped(&'a str),
    /// Nothing: it failed for this reason.
    NotStarted(&'a str),
    /// That is not known.
    Claimed,
}

impl<'a> Came<'a> {
    /// Of a start that was due.
    pub(super) fn of(start: &'a ScheduledStart) -> Self {
        let outcome = start.outcome.as_str();
        if let Some(run) = outcome.strip_prefix("started run ") {
            Self::Started(run)
        } else if let Some(id) = outcome.strip_prefix("started game day ") {
            Self::Held(id)
        } else if let Some(why) = outcome.strip_prefix("skipped: ") {
            Self::Skipped(why)
        } else if let Some(why) = outcome.strip_prefix("not started: ") {
            Self::NotStarted(why)
        } else {
            Self::Claimed
        }
    }
}

fn plan_of<'a>(contents: &'a Contents, drill: &str) -> Option<&'a Plan> {
    let entry = contents.get(Kind::Drill, drill)?;
    entry.plan.as_ref().ok().map(std::sync::Arc::as_ref)
}

fn schedule(plan: &Plan) -> Option<&Schedule> {
    plan.drill.as_ref()?.drill.schedule.as_ref()
}

/// Whether they may do this where it would run: of a game day, to each of its drills.
fn may(visitor: &Visitor, contents: &Contents, what: &Scheduled, permission: Permission) -> bool {
    let place = match what {
        Scheduled::Drill(name) => {
            plan_of(contents, name.as_str()).map_or_else(Place::default, of_plan)
        }
        Scheduled::GameDay(name) => {
            if let Some(day) = contents.day(name.as_str()) {
                return visitor.holds_throughout(day, permission);
            }
            Place::default()
        }
    };
    visitor.may(permission, &Subject::At(place))
}

impl Told {
    /// What a visitor is told of a start; nothing where they are not to know of it.
    fn of(visitor: &Visitor, contents: &Contents, planned: &Planned) -> Option<Self> {
        let what = &planned.what;
        if !may(visitor, contents, what, Permission::See) {
            return None;
        }
        // Of a surprise, its range is no secret; what has none is told to nobody whom it surprises.
        let whole = match planned.range {
            Some(_) => may(visitor, contents, what, Permission::Operate),
            None if visitor.is_told_of(planned, contents) => true,
            None => return None,
        };
        Some(Self {
            start: whole.then(|| (what.clone(), planned.at)),
            range: planned.range,
            barred: planned.barred.clone(),
        })
    }

    /// When it comes, or may come at the earliest.
    pub(super) fn at(&self) -> Timestamp {
        match (&self.start, self.range) {
            (Some((_, at)), _) => *at,
            (None, Some((from, _))) => from,
            (None, None) => Timestamp::MAX,
        }
    }

    /// Whether it is still to come, as far as this tells.
    fn is_to_come(&self, now: Timestamp) -> bool {
        match (&self.start, self.range) {
            (Some((_, at)), _) => *at > now,
            (None, range) => range.is_some_and(|(_, to)| to > now),
        }
    }
}

/// The next start of each, soonest first.
pub(super) async fn next(
    services: &Services,
    visitor: &Visitor,
    contents: &Contents,
) -> Result<Vec<Told>, Problem> {
    let now = services.now().wall;
    let timetable = services.upcoming.clone();
    let begun = now.checked_sub(WIDEST).unwrap_or(now);
    let (begun, next) =
        tokio::task::spawn_blocking(move || (timetable.between(begun, now), timetable.next()))
            .await
            .map_err(|error| Problem::internal(&error))?;
    let mut told: Vec<(Scheduled, Told)> = Vec::new();
    // Whoever is surprised still waits for one that came, until its hours are over.
    let begun = begun.into_iter().filter(|one| one.barred.is_none());
    for one in begun.chain(next) {
        let Some(this) = Told::of(visitor, contents, &one) else {
            continue;
        };
        let known = told.iter().any(|(what, _)| *what == one.what);
        if this.is_to_come(now) && !known {
            told.push((one.what, this));
        }
    }
    told.sort_by_key(|(_, this)| this.at());
    Ok(told.into_iter().map(|(_, this)| this).collect())
}

/// What is to come from then until then, in order, those that a blackout bars included.
pub(super) async fn to_come(
    services: &Services,
    visitor: &Visitor,
    contents: &Contents,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<Told>, Problem> {
    let now = services.now().wall;
    if to <= now {
        return Ok(Vec::new());
    }
    let timetable = services.upcoming.clone();
    let begin = from.max(now);
    let earlier = begin.checked_sub(WIDEST).unwrap_or(begin);
    let later = to.checked_add(WIDEST).unwrap_or(to);
    // The schedule is read from files. What is told by its hours alone is looked for by these.
    let (by_time, by_hours) = tokio::task::spawn_blocking(move || {
        (
            timetable.between(begin, to),
            timetable.between(earlier, later),
        )
    })
    .await
    .map_err(|error| Problem::internal(&error))?;
    let tell = |all: Vec<Planned>, whole: bool| {
        let told = all.into_iter();
        let told = told.filter_map(move |one| Told::of(visitor, contents, &one));
        told.filter(move |one| one.start.is_some() == whole)
    };
    let mut told: Vec<Told> = tell(by_time, true)
        .chain(tell(by_hours, false))
        .filter(|one| one.is_to_come(now) && from <= one.at() && one.at() < to)
        .collect();
    told.sort_by_key(Told::at);
    Ok(told)
}

/// What came of the starts that were due from then until then, in order.
pub(super) async fn past(
    services: &Services,
    visitor: &Visitor,
    contents: &Contents,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<(String, ScheduledStart)>, Problem> {
    let now = services.now().wall;
    let mut past = services.database.starts_between(from, to.min(now)).await?;
    past.retain(|(what, start)| {
        let Ok(what) = what.parse::<Scheduled>() else {
            return false;
        };
        let plan = what
            .drill()
            .and_then(|name| plan_of(contents, name.as_str()));
        let surprise = plan.is_some_and(|plan| schedule(plan).is_some_and(|it| it.surprise));
        let told = may(visitor, contents, &what, Permission::Operate);
        let secret = surprise && !told && now.duration_since(start.due) < SECRET;
        !secret && may(visitor, contents, &what, Permission::See)
    });
    Ok(past)
}

/// What starts by itself. A surprise is listed to those who are told of it.
pub(super) fn rules<'a>(
    contents: &'a Contents,
    visitor: &Visitor,
) -> Vec<(Scheduled, &'a Schedule)> {
    let drills = contents
        .of(Kind::Drill)
        .filter(|entry| visitor.sees_entry(entry));
    let drills = drills.filter_map(|entry| {
        let plan = entry.plan.as_ref().ok()?;
        let schedule = schedule(plan)?;
        let told = visitor.may(Permission::Operate, &Subject::At(of_plan(plan)));
        let what = Scheduled::Drill(plan.drill.as_ref()?.drill.name.clone());
        (told || !schedule.surprise).then_some((what, schedule))
    });
    let days = contents.days.iter().filter(|day| visitor.sees_day(day));
    let days = days.filter_map(|entry| {
        let day = &entry.programme.as_ref().ok()?.day;
        Some((Scheduled::GameDay(day.name.clone()), day.schedule.as_ref()?))
    });
    drills.chain(days).collect()
}

/// A zone by its name.
pub(super) fn zone(name: &str) -> Result<TimeZone, Problem> {
    TimeZone::get(name)
        .map_err(|_| Problem::bad("bad-query", "`zone` is no zone of the IANA database"))
}

/// A day of a month that is written like `2026-03`; today where nothing is.
pub(super) fn month(text: Option<&str>, today: Date) -> Result<Date, Problem> {
    let Some(text) = text else {
        return Ok(today);
    };
    let whole = Some(text).filter(|text| text.len() == "2026-03".len());
    whole
        .and_then(|text| Date::strptime("%Y-%m-%d", format!("{text}-01")).ok())
        .filter(|day| (2000..2200).contains(&day.year()))
        .ok_or_else(|| Problem::bad("bad-query", "`month` is written like 2026-03"))
}

/// When a day begins in a zone.
pub(super) fn begins(date: Date, zone: &TimeZone) -> Timestamp {
    let zoned = date.to_zoned(zone.clone());
    zoned.map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
}
