//! The run room, and the stream that tells it to look again.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse};
use serde::Deserialize;

use crate::http::actor::{self, Actor};
use crate::http::api::compose::texts;
use crate::http::api::library::contents;
use crate::http::events::{Shape, follow, resume_after};
use crate::http::keeper::{Pass, of_run};
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::http::templates::render;
use crate::http::view::composer::Drafted;
use crate::http::view::layout::Layout;
use crate::http::view::room::{Around, Room};
use crate::http::{Services, acting};
use crate::model::access::{Permission, Subject};
use crate::model::team::Seat;

/// What the address asks for.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Wish {
    pub(super) staff: Option<String>,
    after: Option<u64>,
}

/// The room as things stand now.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Html<String>, Problem> {
    let reading = Reading::of(&services, &run_id(&run)?).await?;
    let staff = wish.staff.as_deref() == Some("1");
    show(&services, &actor, &reading, staff, None).await
}

/// The room of a run, with an update that is being written.
pub(super) async fn show(
    services: &Services,
    actor: &Actor,
    reading: &Reading,
    staff: bool,
    drafted: Option<&Drafted>,
) -> Result<Html<String>, Problem> {
    let place = Subject::At(of_run(&reading.row));
    if staff {
        actor.must(Permission::SeeAnswers, &place)?;
        acting::look_behind(services, actor, &reading.row.id, Seat::Observer).await?;
    }
    let (contents, texts) = (contents(services).await?, texts(services).await?);
    let names = actor::names(services, &reading.events).await?;
    let layout = Layout::new(services, &reading.row.name, "runs", actor).await?;
    render(&Room::new(
        layout,
        reading,
        &Around {
            contents: &contents,
            names: &names,
            staff,
            who: &actor.name,
            may_act: actor.may(Permission::Respond, &place),
            may_see_all: actor.may(Permission::SeeAnswers, &place),
            now: services.now().wall,
            texts: &texts,
            drafted,
        },
    ))
}

/// That something happened, never what: a responder's browser is not told what the page hides.
pub(in crate::http) async fn changes(
    State(services): State<Services>,
    Path(run): Path<String>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
    pass: Pass,
) -> Result<impl IntoResponse, Problem> {
    let run = run_id(&run)?;
    services.database.run(&run).await?;
    let after = resume_after(&headers, wish.after);
    Ok(follow(services, pass, run, after, Shape::Change))
}
