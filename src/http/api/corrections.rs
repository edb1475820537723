//! Corrections of a run that is over: a time or words, a line that staff judge, or who ended it; as one more event, with who
//! says so and why.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::log::Taken;
use super::signals::rescore;
use super::start::malformed;
use crate::engine::event::Source;
use crate::engine::input::{Correction, Corrects, Input};
use crate::http::Services;
use crate::http::actor::{self, Actor};
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::model::ids::RunId;
use crate::runtime::amend::amend;
use crate::score::Report;

/// The longest text or reason, in characters.
const LONGEST: usize = 4000;

/// Corrects a run's log; its score is made anew, beside what it was. Nothing else follows from it.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    correction: Result<Json<Correction>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(correction) = correction.map_err(|error| malformed(&error))?;
    let run = run_id(&run)?;
    let seq = correct(&services, &actor, Source::Api, &run, correction).await?;
    Ok((StatusCode::CREATED, Json(Taken::new(run, seq))))
}

/// Corrects a run's log on somebody's word. Answers with the event that says so.
pub(in crate::http) async fn correct(
    services: &Services,
    actor: &Actor,
    source: Source,
    run: &RunId,
    correction: Correction,
) -> Result<u64, Problem> {
    let words = match &correction.what {
        Corrects::Event { text, .. } => text.as_ref(),
        Corrects::Line { .. } | Corrects::End { .. } => None,
    };
    let texts = words.into_iter().chain([&correction.reason]);
    if texts.into_iter().any(|text| text.chars().count() > LONGEST) {
        return Err(Problem::unprocessable(
            "text-too-long",
            format!("a text or a reason has at most {LONGEST} characters"),
        ));
    }
    services.database.run(run).await?;
    if matches!(correction.what, Corrects::End { .. }) {
        refuse_what_is_on_record(services, run).await?;
    }
    let origin = actor::person(services, source, &actor.name).await?;
    let input = Input::Correct { correction, origin };
    let seq = amend(&services.supervisor, run, input).await?;
    rescore(services, run).await?;
    Ok(seq)
}

/// What the record says of who ended it is not for anybody to say otherwise.
async fn refuse_what_is_on_record(services: &Services, run: &RunId) -> Result<(), Problem> {
    let reading = Reading::of(services, run).await?;
    let open = reading.report.as_ref().is_some_and(Report::is_unattributed);
    if reading.is_live() || open {
        return Ok(());
    }
    Err(Problem::conflict(
        "not-unattributed",
        "the log says who ended it, or that nobody did; hint: correct an event of it that is wrong, or attach what is missing",
    ))
}
