//! The forms that correct a run that is over: a time or words, a line that staff judge, who ended it.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::Redirect;
use serde::Deserialize;

use super::start::bad_form;
use crate::engine::event::{Attribution, Judgement, Source};
use crate::engine::input::{Correction, Corrects};
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::corrections::correct;
use crate::http::problem::Problem;
use crate::http::reading::run_id;

/// What was otherwise. Each of the forms has its own of these.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Fields {
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    line: Option<String>,
    #[serde(default)]
    verdict: Option<Judgement>,
    #[serde(default)]
    ended_by: Option<Attribution>,
    /// A time of the day or an instant, in UTC; nothing where it is empty.
    #[serde(default)]
    at: String,
    #[serde(default)]
    text: String,
    reason: String,
}

/// Corrects it and leads back to the scorecard.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    fields: Result<Form<Fields>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(fields) = fields.map_err(|error| bad_form(&error))?;
    let id = run_id(&run)?;
    let correction = Correction {
        reason: fields.reason.clone(),
        what: what(fields)?,
    };
    correct(&services, &actor, Source::Room, &id, correction).await?;
    Ok(Redirect::to(&format!("/runs/{id}/scorecard")))
}

/// What is said, by the fields that are there.
fn what(fields: Fields) -> Result<Corrects, Problem> {
    if let Some(by) = fields.ended_by {
        return Ok(Corrects::End { by });
    }
    if let Some((line, verdict)) = fields.line.zip(fields.verdict) {
        let line = line
            .parse()
            .map_err(|_| Problem::unprocessable("no-such-line", format!("`{line}` is no line")))?;
        return Ok(Corrects::Line { line, verdict });
    }
    let Some(seq) = fields.seq else {
        return Err(Problem::unprocessable(
            "nothing-corrected",
            "nothing is corrected; hint: name an event by its number",
        ));
    };
    let filled = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let at = match filled(fields.at) {
        None => None,
        Some(text) => Some(instant(&text).ok_or_else(|| {
            Problem::unprocessable(
                "unfit-time",
                format!("`{text}` is no time; hint: write it as 2026-03-01T10:00:00, in UTC"),
            )
        })?),
    };
    Ok(Corrects::Event {
        seq,
        at,
        text: filled(fields.text),
    })
}

/// An instant as people and browsers write it: with a zone, else in UTC.
fn instant(text: &str) -> Option<jiff::Timestamp> {
    let text = text.replace(' ', "T");
    text.parse()
        .or_else(|_| format!("{}Z", text.trim_end_matches('Z')).parse())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_utc() {
        for text in [
            "2026-03-01T10:00:05",
            "2026-03-01 10:00:05",
            "2026-03-01T11:00:05+01:00",
        ] {
            let at = instant(text).map(|at| at.to_string());
            assert_eq!(at.as_deref(), Some("2026-03-01T10:00:05Z"), "{text}");
        }
        assert_eq!(instant("noon"), None);
    }
}
