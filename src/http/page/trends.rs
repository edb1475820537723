//! Trends: all scenarios, and one in full.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Html;
use serde::Deserialize;

use crate::http::Services;
use crate::http::actor::{Actor, encoded};
use crate::http::api::runs::bad_query;
use crate::http::problem::Problem;
use crate::http::series::{Narrowing, WINDOW, latest_runs, named, visible};
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::trends::{Card, Filters, Part, Trend, Trends};
use crate::stats::FEWEST;

/// Scenarios on one page, so that it stays light.
const CARDS: usize = 6;

/// What the list is narrowed to.
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Wish {
    #[serde(default)]
    team: String,
    #[serde(default)]
    failure: String,
    #[serde(default)]
    kind: String,
    /// How many scenarios to leave out before those shown.
    #[serde(default)]
    from: usize,
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
    let narrowing = Narrowing {
        team: &wish.team,
        failure: &wish.failure,
        kind: &wish.kind,
    };
    let mut chosen = series;
    chosen.retain(|one| narrowing.takes(&one.scenario));
    let mut cards = Vec::new();
    let from = wish.from.min(chosen.len());
    for one in chosen.iter().skip(from).take(CARDS) {
        let runs = latest_runs(&services, one).await?;
        cards.push(Card::new(one, &runs, false));
    }
    let more = chosen.len() - from - cards.len();
    let address = |from: usize| {
        let [team, failure, kind] = [&wish.team, &wish.failure, &wish.kind].map(|it| encoded(it));
        format!("/trends?team={team}&failure={failure}&kind={kind}&from={from}")
    };
    render(&Trends {
        layout: Layout::new(&services, "Trends", "trends", &actor).await?,
        filters,
        more,
        next: (more > 0).then(|| address(from + CARDS)),
        back: (from > 0).then(|| address(from.saturating_sub(CARDS))),
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
    let mut parts = Vec::new();
    for one in &named(&services, &actor, &name).await? {
        let runs = latest_runs(&services, one).await?;
        let all = services.database.runs_of_series(one.id).await?;
        parts.push(Part::new(one, &runs, all));
    }
    render(&Trend {
        layout: Layout::new(&services, format!("Trends of {name}"), "trends", &actor).await?,
        name,
        parts,
        fewest: FEWEST,
        window: WINDOW,
    })
}
