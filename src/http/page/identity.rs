//! Under which name the local operator acts.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect};
use serde::Deserialize;

use super::back;
use super::start::bad_form;
use crate::http::actor::{Actor, Means, checked, cookie};
use crate::http::problem::Problem;

/// The name to keep.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Name {
    name: String,
}

/// Keeps it in a cookie and leads back.
pub(in crate::http) async fn post(
    actor: Actor,
    headers: HeaderMap,
    form: Result<Form<Name>, FormRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    if actor.means != Means::Local {
        return Err(Problem::conflict(
            "named-by-account",
            "whoever is logged in acts under the name of their account",
        ));
    }
    let name = checked(&form.name)?;
    Ok((
        [(header::SET_COOKIE, cookie(&name))],
        Redirect::to(&back(&headers)),
    ))
}
