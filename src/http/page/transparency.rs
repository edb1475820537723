//! Transparency: served to anybody, and only where the configuration says so.

use axum::extract::State;
use axum::response::Html;

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::problem::Problem;
use crate::http::published::published;
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::transparency::{Figures, Transparency};

/// What is published; nothing where nothing is.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Html<String>, Problem> {
    let published = published(&services)?;
    let gathered = published.gathered(&services).await?;
    render(&Transparency {
        layout: Layout::new(&services, "Transparency", "transparency", &actor).await?,
        platform: published.platform().to_owned(),
        figures: Figures::new(&gathered),
    })
}
