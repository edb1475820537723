//! One's own account: password and sessions; for administrators, the way to everybody's.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::setup::differ;
use super::start::bad_form;
use crate::http::Services;
use crate::http::actor::{Actor, Means};
use crate::http::password::SHORTEST;
use crate::http::people;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::account::{Account, SessionLine, held};
use crate::http::view::layout::Layout;
use crate::model::access::Principal;

/// Another password.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Change {
    current: String,
    password: String,
    again: String,
}

/// Who one is here.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Html<String>, Problem> {
    let sessions = match actor.means {
        Means::Session { id, .. } => {
            let now = services.now().wall;
            let sessions = services.database.sessions(Some(&actor.name), now).await?;
            sessions
                .iter()
                .map(|one| SessionLine::new(one, one.id == id))
                .collect()
        }
        _ => Vec::new(),
    };
    render(&Account {
        layout: Layout::new(&services, "Settings", "settings", &actor).await?,
        held: match &actor.principal {
            Principal::Holder(grants) => grants.iter().map(held).collect(),
            _ => Vec::new(),
        },
        sessions,
        shortest: SHORTEST,
    })
}

/// Sets another password, and ends every other session of the account.
pub(in crate::http) async fn password(
    State(services): State<Services>,
    actor: Actor,
    form: Result<Form<Change>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    if form.password != form.again {
        return Err(differ());
    }
    people::set_own_password(&services, &actor, form.current, form.password).await?;
    Ok(Redirect::to("/settings"))
}
