//! The inbox of signals.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::runs::bad_query;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::signals::{Inbox, SignalRow, SourceLine};
use crate::store::signals::Which;

/// Signals on one page.
const PART: u32 = 50;

/// Which part, and of what.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Part {
    before: Option<i64>,
    all: Option<String>,
}

/// Who can be heard, and a part of what came in, latest first.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(part) = part.map_err(|error| bad_query(&error))?;
    let all = part.all.as_deref() == Some("1");
    let which = if all { Which::All } else { Which::Unmatched };
    let database = &services.database;
    let mut signals = database.signals(which, part.before, PART + 1).await?;
    let more = signals.len() > PART as usize;
    signals.truncate(PART as usize);
    let heard = database.heard().await?;
    render(&Inbox {
        layout: Layout::new(&services, "Signals", "signals", &actor).await?,
        sources: SourceLine::all(&services.senders, &heard),
        next: signals.last().filter(|_| more).map(|signal| signal.id),
        signals: signals.iter().map(SignalRow::from).collect(),
        all,
        further: part.before.is_some(),
    })
}
