//! The start buttons.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::Redirect;
use serde::Deserialize;

use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::start::{Wanted, start};
use crate::http::catalogue::Kind;
use crate::http::gamedays::{self, Wish};
use crate::http::problem::Problem;
use crate::model::drill::Autopilot;

/// What shall be started.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Choice {
    kind: String,
    name: String,
    /// The profile of a scripted team; empty where people respond.
    #[serde(default)]
    autopilot: String,
}

/// Starts it and leads to its room, or to the page of a game day.
pub(in crate::http) async fn post(
    State(services): State<Services>,
    actor: Actor,
    choice: Result<Form<Choice>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(choice) = choice.map_err(|error| bad_form(&error))?;
    let autopilot = match choice.autopilot.as_str() {
        "" => None,
        profile => Some(Autopilot {
            profile: profile
                .parse()
                .map_err(|error: String| Problem::unprocessable("unfit-profile", error))?,
            seed: 1,
        }),
    };
    let kind = match choice.kind.as_str() {
        "drill" => Kind::Drill,
        "experiment" => Kind::Experiment,
        "game day" => {
            let wish = Wish {
                name: choice.name,
                autopilot,
                ..Wish::default()
            };
            let (id, _) = gamedays::start(&services, &actor.0, wish).await?;
            return Ok(Redirect::to(&format!("/gamedays/{id}")));
        }
        _ => {
            return Err(Problem::bad(
                "nothing-to-start",
                "only drills, experiments and game days can be started",
            ));
        }
    };
    let wanted = Wanted::named(kind, choice.name).flown_by(autopilot);
    let handle = start(&services, &actor, wanted).await?;
    Ok(Redirect::to(&format!("/runs/{}", handle.run())))
}

/// A form that does not read.
pub(in crate::http) fn bad_form(error: &FormRejection) -> Problem {
    Problem::new(error.status(), "bad-form", error.body_text())
}
