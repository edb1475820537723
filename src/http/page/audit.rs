//! Who changed what, for administrators.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::accounts::named;
use crate::http::api::runs::bad_query;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::audit::{Audit, Line};
use crate::http::view::layout::Layout;

/// Entries on one page.
const PART: u32 = 100;

/// Where a page begins.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Part {
    before: Option<u64>,
}

/// A part of the list, latest first.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let mut entries = services.database.audited(PART + 1, part.before).await?;
    let more = entries.len() > PART as usize;
    entries.truncate(PART as usize);
    let names = named(&services, &entries).await?;
    render(&Audit {
        layout: Layout::new(&services, "Audit", "settings", &actor).await?,
        next: entries.last().filter(|_| more).map(|entry| entry.seq),
        lines: entries
            .iter()
            .map(|entry| Line::new(entry, &names))
            .collect(),
    })
}
