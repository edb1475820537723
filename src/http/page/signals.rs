//! The inbox of signals.

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::start::bad_form;
use crate::engine::event::Source;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::runs::bad_query;
use crate::http::api::signals::{Attachment, attach_to, hidden_from};
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::run_line::RunLine;
use crate::http::view::signals::{Inbox, SignalRow, SourceLine};
use crate::store::runs::RunKind;
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
    let hidden = hidden_from(&services, &actor).await?;
    let asked = hidden.which(which);
    let mut signals = database.signals(asked, part.before, PART + 1).await?;
    let more = signals.len() > PART as usize;
    signals.truncate(PART as usize);
    let next = signals.last().filter(|_| more).map(|signal| signal.id);
    let signals = hidden.veil(signals, which);
    let heard = database.heard().await?;
    let mut drills = database.recent_runs(PART, None).await?;
    drills.retain(|row| row.kind == RunKind::Drill && row.ended.is_some() && actor.sees(row));
    render(&Inbox {
        layout: Layout::new(&services, "Signals", "signals", &actor).await?,
        sources: SourceLine::all(&services.senders, &heard),
        next,
        signals: signals.iter().map(SignalRow::from).collect(),
        runs: drills.iter().map(RunLine::from).collect(),
        all,
        further: part.before.is_some(),
    })
}

/// Attaches a signal to a run that is over, and leads to its scorecard.
pub(in crate::http) async fn attach(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
    wanted: Result<Form<Attachment>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(wanted) = wanted.map_err(|error| bad_form(&error))?;
    let (run, _) = attach_to(&services, &actor, Source::Room, &id, &wanted).await?;
    Ok(Redirect::to(&format!("/runs/{run}/scorecard")))
}
