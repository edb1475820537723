//! The calendar.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::http::Services;
use crate::http::actor::{Actor, Visitor};
use crate::http::api::library::contents;
use crate::http::api::runs::bad_query;
use crate::http::catalogue::{Contents, Kind};
use crate::http::keeper::of_plan;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::calendar::{Calendar, Entry, Rule, Told, around, laid_out, shown};
use crate::http::view::layout::Layout;
use crate::model::access::{Permission, Place, Subject};
use crate::model::ids::DrillName;
use crate::model::plan::Plan;
use crate::model::schedule::Schedule;

/// How long the past start of a surprise is kept from those whom it surprises.
const SECRET: SignedDuration = SignedDuration::from_hours(24);

/// Which month, and in which zone.
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Wish {
    #[serde(default)]
    month: String,
    #[serde(default)]
    zone: String,
}

/// Whether a visitor is told when a surprise of this drill comes, and which it is: exercise staff are.
pub(in crate::http) fn is_told(visitor: &Visitor, contents: &Contents, drill: &DrillName) -> bool {
    let place = plan_of(contents, drill.as_str()).map_or_else(Place::default, of_plan);
    visitor.may(Permission::Operate, &Subject::At(place))
}

fn plan_of<'a>(contents: &'a Contents, drill: &str) -> Option<&'a Plan> {
    let entry = contents.get(Kind::Drill, drill)?;
    entry.plan.as_ref().ok().map(std::sync::Arc::as_ref)
}

fn sees(visitor: &Visitor, contents: &Contents, drill: &str) -> bool {
    let place = plan_of(contents, drill).map_or_else(Place::default, of_plan);
    visitor.may(Permission::See, &Subject::At(place))
}

/// A month of what starts by itself.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(wish) = wish.map_err(|error| bad_query(&error))?;
    let contents = contents(&services).await?;
    let rules = rules(&contents, &actor);
    let zones = zones(&rules);
    let name = if wish.zone.is_empty() {
        // Where all drills are of one zone, that is the one people think in.
        match zones.as_slice() {
            [_, only] => only.clone(),
            _ => "UTC".to_owned(),
        }
    } else {
        wish.zone
    };
    let zone = TimeZone::get(&name)
        .map_err(|_| Problem::bad("bad-query", "`zone` is no zone of the IANA database"))?;
    let now = services.now().wall;
    let today = now.to_zoned(zone.clone()).date();
    let month = if wish.month.is_empty() {
        today
    } else {
        Date::strptime("%Y-%m-%d", format!("{}-01", wish.month))
            .ok()
            .filter(|day| (2000..2200).contains(&day.year()))
            .ok_or_else(|| Problem::bad("bad-query", "`month` is written like 2026-03"))?
    };
    let (begin, end) = shown(month);
    let instant = |date: Date| {
        let zoned = date.to_zoned(zone.clone());
        zoned.map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
    };
    let (from, to) = (instant(begin), instant(end.tomorrow().unwrap_or(end)));
    let entries = entries(&services, &actor, &contents, &zone, (from, to)).await?;
    let (weeks, agenda) = laid_out(month, today, entries);
    let (before, first, after) = around(month);
    let written = |date: Date| date.strftime("%Y-%m").to_string();
    render(&Calendar {
        layout: Layout::new(&services, "Calendar", "calendar", &actor).await?,
        title: first.strftime("%B %Y").to_string(),
        month: written(first),
        before: written(before),
        after: written(after),
        zone: name,
        zones,
        weeks,
        agenda,
        scheduled: rules,
    })
}

async fn entries(
    services: &Services,
    visitor: &Visitor,
    contents: &Contents,
    zone: &TimeZone,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<Entry>, Problem> {
    let now = services.now().wall;
    let mut entries = Vec::new();
    let past = services.database.starts_between(from, to.min(now)).await?;
    for (drill, start) in &past {
        if !sees(visitor, contents, drill) {
            continue;
        }
        let surprise = plan_of(contents, drill)
            .is_some_and(|plan| schedule(plan).is_some_and(|it| it.surprise));
        let told = drill
            .parse()
            .is_ok_and(|drill| is_told(visitor, contents, &drill));
        if surprise && !told && now.duration_since(start.due) < SECRET {
            continue;
        }
        entries.push(Entry::past(drill, start, zone, true));
    }
    if to > now {
        let timetable = services.upcoming.clone();
        let from = from.max(now);
        let planned = tokio::task::spawn_blocking(move || timetable.between(from, to))
            .await
            .map_err(|error| Problem::internal(&error))?;
        for one in planned {
            // Of a surprise, its range is no secret; what has none is told to nobody whom it surprises.
            let open = one.range.is_some() || visitor.is_told_of(&one, contents);
            if open && sees(visitor, contents, one.drill.as_str()) {
                let told = if is_told(visitor, contents, &one.drill) {
                    Told::All
                } else {
                    Told::Range
                };
                entries.push(Entry::planned(&one, told, zone));
            }
        }
    }
    Ok(entries)
}

fn schedule(plan: &Plan) -> Option<&Schedule> {
    plan.drill.as_ref()?.drill.schedule.as_ref()
}

/// What starts by itself. A surprise is listed to those who are told of it.
fn rules(contents: &Contents, visitor: &Visitor) -> Vec<Rule> {
    let drills = contents
        .of(Kind::Drill)
        .filter(|entry| visitor.sees_entry(entry));
    drills
        .filter_map(|entry| {
            let plan = entry.plan.as_ref().ok()?;
            let schedule = schedule(plan)?;
            let told = visitor.may(Permission::Operate, &Subject::At(of_plan(plan)));
            if schedule.surprise && !told {
                return None;
            }
            let blackout: Vec<String> = schedule.blackout.iter().map(ToString::to_string).collect();
            Some(Rule {
                drill: entry.name.clone(),
                cron: schedule.cron.clone(),
                zone: schedule.timezone.clone(),
                window: schedule.window.map(|hours| hours.to_string()),
                blackout: blackout.join(", "),
                tolerance: schedule.tolerance.to_string(),
                surprise: schedule.surprise,
            })
        })
        .collect()
}

/// UTC, and the zones of these drills.
fn zones(rules: &[Rule]) -> Vec<String> {
    let mut zones: Vec<String> = rules.iter().map(|rule| rule.zone.clone()).collect();
    zones.sort_unstable();
    zones.dedup();
    zones.retain(|zone| zone != "UTC");
    zones.insert(0, "UTC".to_owned());
    zones
}
