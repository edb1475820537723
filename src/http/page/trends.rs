//! Trends: all scenarios, and one in full.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Html;
use serde::Deserialize;

use crate::http::Services;
use crate::http::actor::{Actor, Visitor};
use crate::http::api::runs::bad_query;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::trends::{Card, Filters, Part, Trend, Trends};
use crate::model::access::{Permission, Place, Subject};
use crate::model::summary::Scenario;
use crate::stats::FEWEST;
use crate::store::summaries::Series;

/// Scenarios on one page.
const CARDS: usize = 24;

/// How many of a scenario's latest runs are looked at.
pub(in crate::http) const WINDOW: u32 = 60;

/// What the list is narrowed to.
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Wish {
    #[serde(default)]
    team: String,
    #[serde(default)]
    failure: String,
    #[serde(default)]
    kind: String,
}

/// Whether a visitor may see the runs of a scenario.
pub(in crate::http) fn sees(visitor: &Visitor, scenario: &Scenario) -> bool {
    let place = Place {
        stack: Some(&scenario.stack),
        team: scenario.team.as_ref(),
        hides: false,
        secret: false,
    };
    visitor.may(Permission::See, &Subject::At(place))
}

/// The series that a visitor may see, rehearsals left out, and how many those are.
pub(in crate::http) async fn visible(
    services: &Services,
    visitor: &Visitor,
) -> Result<(Vec<Series>, usize), Problem> {
    let mut all = services.database.series().await?;
    all.retain(|one| sees(visitor, &one.scenario));
    let before = all.len();
    all.retain(|one| !one.scenario.rehearsal);
    let rehearsed = before - all.len();
    Ok((all, rehearsed))
}

/// All scenarios, those with the latest runs first.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(wish) = wish.map_err(|error| bad_query(&error))?;
    let (series, rehearsed) = visible(&services, &actor).await?;
    let filters = Filters::new(&series, &wish.team, &wish.failure, &wish.kind);
    let any = !series.is_empty();
    let chosen: Vec<Series> = series
        .into_iter()
        .filter(|one| filters.take(&one.scenario))
        .collect();
    let mut cards = Vec::new();
    for one in chosen.iter().take(CARDS) {
        let runs = services.database.summaries_of(one.id, WINDOW).await?;
        cards.push(Card::new(one, &runs, false));
    }
    render(&Trends {
        layout: Layout::new(&services, "Trends", "trends", &actor).await?,
        filters,
        more: chosen.len() - cards.len(),
        cards,
        rehearsed,
        any,
        fewest: FEWEST,
        window: WINDOW,
    })
}

/// Every scenario of one name, each with its runs and what they showed.
pub(in crate::http) async fn one(
    State(services): State<Services>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Html<String>, Problem> {
    let (series, _) = visible(&services, &actor).await?;
    let mut parts = Vec::new();
    for one in series.iter().filter(|one| one.scenario.name == name) {
        let runs = services.database.summaries_of(one.id, WINDOW).await?;
        let all = services.database.runs_of_series(one.id).await?;
        parts.push(Part::new(one, &runs, all));
    }
    if parts.is_empty() {
        return Err(Problem::missing(
            "no-such-scenario",
            format!(
                "no drill or experiment `{name}` has ended yet; hint: start it, and its runs are compared here"
            ),
        ));
    }
    render(&Trend {
        layout: Layout::new(&services, format!("Trends of {name}"), "trends", &actor).await?,
        name,
        parts,
        fewest: FEWEST,
        window: WINDOW,
    })
}
