//! Under which name this browser acts.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect};
use serde::Deserialize;

use super::back;
use super::start::bad_form;
use crate::http::Services;
use crate::http::actor::{checked, cookie};
use crate::http::problem::Problem;

/// The name to keep.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Name {
    name: String,
}

/// Keeps it in a cookie and leads back.
pub(in crate::http) async fn post(
    State(_): State<Services>,
    headers: HeaderMap,
    form: Result<Form<Name>, FormRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    let name = checked(&form.name)?;
    Ok((
        [(header::SET_COOKIE, cookie(&name))],
        Redirect::to(&back(&headers)),
    ))
}
