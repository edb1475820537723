//! Coverage.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::runs::bad_query;
use crate::http::coverage::{Covered, STALE_DAYS};
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::coverage::{Coverage, Grid};
use crate::http::view::layout::Layout;

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
    let wanted = Some(wish.stack.as_str()).filter(|name| !name.is_empty());
    let covered = Covered::of(&services, &actor, wanted).await?;
    let now = services.now().wall;
    let grid = covered
        .cover
        .map(|cover| Grid::new(cover.stack(), &cover.hits, &cover.starts, now));
    render(&Coverage {
        layout: Layout::new(&services, "Coverage", "coverage", &actor).await?,
        stacks: covered.stacks,
        stack: covered.stack,
        grid,
        stale_days: STALE_DAYS,
    })
}
