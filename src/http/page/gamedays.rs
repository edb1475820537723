//! Game days: the list, one of them, and the button that ends the rest of it.

use axum::extract::{Path, State};
use axum::response::{Html, Redirect};

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::gamedays;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::gamedays::{DayLine, GameDay, GameDays};
use crate::http::view::layout::Layout;

/// How many are listed.
const SHOWN: u32 = 50;

/// The latest ones.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Html<String>, Problem> {
    let days = gamedays::latest(&services, &actor, SHOWN).await?;
    render(&GameDays {
        layout: Layout::new(&services, "Game days", "library", &actor).await?,
        days: days.iter().map(DayLine::new).collect(),
    })
}

/// One of them.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html<String>, Problem> {
    let day = gamedays::one(&services, &actor, &id).await?;
    let layout = Layout::new(&services, day.name.to_string(), "library", &actor).await?;
    render(&GameDay::new(layout, &day, gamedays::may_end(&actor, &day)))
}

/// Ends the rest of one.
pub(in crate::http) async fn end(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Redirect, Problem> {
    let day = gamedays::end(&services, &actor, &id).await?;
    Ok(Redirect::to(&format!("/gamedays/{}", day.id)))
}
