//! Coverage.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;

use super::trends::visible;
use crate::http::Services;
use crate::http::actor::{Actor, Visitor};
use crate::http::api::library::contents;
use crate::http::api::runs::bad_query;
use crate::http::catalogue::{Contents, Kind, StackEntry};
use crate::http::keeper::of_plan;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::coverage::{Coverage, Grid, Hits, STALE, Seen, cells, starts};
use crate::http::view::layout::Layout;
use crate::model::access::{Permission, Place, Subject};
use crate::model::ids::StackName;
use crate::model::stack::Stack;
use crate::store::summaries::Hit;

/// Which stack.
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Wish {
    #[serde(default)]
    stack: String,
}

/// What of a stack was drilled, and what never.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(wish) = wish.map_err(|error| bad_query(&error))?;
    let contents = contents(&services).await?;
    let (series, _) = visible(&services, &actor).await?;
    // A role of one team sees the stacks that this team was drilled on.
    let sees = |entry: &&StackEntry| {
        let drilled = series
            .iter()
            .any(|one| one.scenario.stack.as_str() == entry.name);
        actor.sees_stack(&entry.name) || drilled
    };
    let known: Vec<&StackEntry> = contents.stacks.iter().filter(sees).collect();
    let chosen = if wish.stack.is_empty() {
        // The one that was drilled last, else the first that anything uses.
        let last = series.first().map(|one| one.scenario.stack.as_str());
        let drilled = known.iter().find(|entry| Some(entry.name.as_str()) == last);
        drilled
            .or_else(|| known.iter().find(|entry| entry.stack().is_some()))
            .or_else(|| known.first())
            .copied()
    } else {
        let found = known.iter().find(|entry| entry.name == wish.stack);
        Some(*found.ok_or_else(|| {
            Problem::missing(
                "no-such-stack",
                format!("there is no stack `{}`", wish.stack),
            )
        })?)
    };
    let grid = match chosen.and_then(StackEntry::stack) {
        Some(stack) => Some(grid(&services, &actor, &contents, stack).await?),
        None => None,
    };
    render(&Coverage {
        layout: Layout::new(&services, "Coverage", "coverage", &actor).await?,
        stacks: known.iter().map(|entry| entry.name.clone()).collect(),
        stack: chosen.map(|entry| entry.name.clone()),
        grid,
        stale_days: STALE,
    })
}

async fn grid(
    services: &Services,
    visitor: &Visitor,
    contents: &Contents,
    stack: &Stack,
) -> Result<Grid, Problem> {
    let cells = cells(stack);
    let seen = |hits: Vec<Hit>| {
        hits.into_iter()
            .map(|hit| Seen {
                visible: sees(visitor, &stack.name, &hit),
                hit,
            })
            .collect()
    };
    let database = &services.database;
    let hits = Hits {
        drills: seen(database.latest_hits(&stack.name, true, &cells).await?),
        experiments: seen(database.latest_hits(&stack.name, false, &cells).await?),
    };
    let plans = [Kind::Drill, Kind::Experiment]
        .into_iter()
        .flat_map(|kind| contents.of(kind))
        .filter(|entry| visitor.sees_entry(entry))
        .filter_map(|entry| {
            let plan = entry.plan.as_ref().ok()?;
            let may = visitor.may(Permission::Operate, &Subject::At(of_plan(plan)));
            (plan.stack.name == stack.name).then_some((
                entry.kind,
                entry.name.as_str(),
                plan.as_ref(),
                may,
            ))
        });
    let starts = starts(plans);
    Ok(Grid::new(stack, &hits, &starts, services.now().wall))
}

fn sees(visitor: &Visitor, stack: &StackName, hit: &Hit) -> bool {
    let place = Place {
        stack: Some(stack),
        team: hit.team.as_ref(),
        hides: false,
        secret: false,
    };
    visitor.may(Permission::See, &Subject::At(place))
}
