//! The calendar.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use jiff::civil::Date;
use serde::Deserialize;

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::library::contents;
use crate::http::api::runs::bad_query;
use crate::http::calendar::{self, begins};
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::calendar::{Calendar, Entry, Rule, around, laid_out, shown};
use crate::http::view::layout::Layout;

/// Which month, and in which zone.
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Wish {
    #[serde(default)]
    month: String,
    #[serde(default)]
    zone: String,
}

/// A month of what starts by itself.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(wish) = wish.map_err(|error| bad_query(&error))?;
    let contents = contents(&services).await?;
    let scheduled = calendar::rules(&contents, &actor);
    let rules: Vec<Rule> = scheduled
        .iter()
        .map(|(what, schedule)| Rule::new(&what.to_string(), schedule))
        .collect();
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
    let zone = calendar::zone(&name)?;
    let today = services.now().wall.to_zoned(zone.clone()).date();
    let month = Some(wish.month.as_str()).filter(|text| !text.is_empty());
    let month = calendar::month(month, today)?;
    let (begin, end) = shown(month);
    let days = (
        begins(begin, &zone),
        begins(end.tomorrow().unwrap_or(end), &zone),
    );
    let past = calendar::past(&services, &actor, &contents, days).await?;
    let to_come = calendar::to_come(&services, &actor, &contents, days).await?;
    let past = past.iter();
    let mut entries: Vec<Entry> = past
        .map(|(drill, start)| Entry::past(drill, start, &zone))
        .collect();
    entries.extend(to_come.iter().map(|told| Entry::planned(told, &zone)));
    let (weeks, agenda) = laid_out(month, today, entries, |date| {
        let barred = scheduled
            .iter()
            .filter(|(_, schedule)| schedule.blackout.iter().any(|days| days.hold(date)));
        barred.map(|(what, _)| what.to_string()).collect()
    });
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

/// UTC, and the zones of these drills.
fn zones(rules: &[Rule]) -> Vec<String> {
    let mut zones: Vec<String> = rules.iter().map(|rule| rule.zone.clone()).collect();
    zones.sort_unstable();
    zones.dedup();
    zones.retain(|zone| zone != "UTC");
    zones.insert(0, "UTC".to_owned());
    zones
}
