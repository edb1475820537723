//! The after-action report and its forms, and the list of corrective actions.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::own_path;
use super::start::bad_form;
use crate::http::Services;
use crate::http::actor::Actor;
use crate::http::api::review::{
    Answers, Listed, NewRemark, NewTask, add_action, add_remark, close_action, keep_answers,
    listed, remove_remark, reopen_action, reviewed, took_part,
};
use crate::http::keeper::of_run;
use crate::http::problem::Problem;
use crate::http::reading::run_id;
use crate::http::templates::render;
use crate::http::view::chart::chart;
use crate::http::view::layout::Layout;
use crate::http::view::review::{ActionLine, ActionsPage, Reader, ReviewPage, RunLink, known};
use crate::http::view::sight::Shown;
use crate::model::access::{Permission, Subject};
use crate::model::review::Kind;
use crate::review::markdown;

/// How many closed actions the list shows.
const CLOSED: usize = 50;

/// The report of a run that is over.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
) -> Result<Html<String>, Problem> {
    let reviewed = reviewed(&services, &run_id(&run)?).await?;
    let reading = &reviewed.reading;
    let place = Subject::At(of_run(&reading.row));
    let may_write = actor.may(Permission::Respond, &place);
    // Looking on makes nobody a pseudonym: whoever has none did not take part.
    let names = &reviewed.names;
    let me = names.iter().find(|(_, name)| **name == actor.name);
    let me = me
        .map(|(pseudonym, _)| pseudonym.as_str())
        .unwrap_or_default();
    let answers = services.database.answers_of(&reading.row.id).await?;
    let mine = answers.into_iter().find(|(who, _)| who == me);
    let reader = Reader {
        may_write,
        took_part: may_write && took_part(reading, me),
        answer: mine.map(|(_, answer)| answer),
    };
    let all = Shown {
        faults: true,
        probes: true,
    };
    let now = services.now().wall;
    let drawing = chart(reading, all, now, &known(names));
    let title = format!("Report of {}", reading.row.name);
    let layout = Layout::new(&services, title, "runs", &actor).await?;
    render(&ReviewPage::new(
        layout,
        &reading.row,
        reviewed.review,
        drawing,
        &reader,
        now,
    ))
}

/// The same as Markdown, to be saved.
pub(in crate::http) async fn as_markdown(
    State(services): State<Services>,
    Path(run): Path<String>,
) -> Result<Response, Problem> {
    let review = reviewed(&services, &run_id(&run)?).await?.review;
    let mut response = markdown::render(&review).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/markdown; charset=utf-8"),
    );
    Ok(response)
}

fn to_report(run: &str) -> Redirect {
    Redirect::to(&format!("/runs/{run}/report"))
}

/// A remark, as the form has it.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct RemarkForm {
    kind: Kind,
    text: String,
}

/// Writes a remark down.
pub(in crate::http) async fn remark(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    form: Result<Form<RemarkForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    let wanted = NewRemark::new(form.kind, form.text);
    add_remark(&services, &actor, &run, &wanted).await?;
    Ok(to_report(&run))
}

/// Takes a remark away.
pub(in crate::http) async fn unremark(
    State(services): State<Services>,
    Path((run, id)): Path<(String, String)>,
) -> Result<Redirect, Problem> {
    remove_remark(&services, &run, &id).await?;
    Ok(to_report(&run))
}

/// An action, as the form has it.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct TaskForm {
    text: String,
    owner: String,
    due: String,
}

/// Writes an action down.
pub(in crate::http) async fn act(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    form: Result<Form<TaskForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    let wanted = NewTask::new(form.text, form.owner, &form.due)?;
    add_action(&services, &actor, &run, &wanted).await?;
    Ok(to_report(&run))
}

/// Answers, as the form has them.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct SurveyForm {
    knew_what_to_do: u8,
    knew_who_does_what: u8,
    runbook_helped: u8,
    tools_showed_it: u8,
    comment: String,
}

/// Keeps a participant's answers.
pub(in crate::http) async fn answer(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    form: Result<Form<SurveyForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    let agreement = [
        form.knew_what_to_do,
        form.knew_who_does_what,
        form.runbook_helped,
        form.tools_showed_it,
    ];
    let wanted = Answers::new(agreement, form.comment);
    keep_answers(&services, &actor, &run, &wanted).await?;
    Ok(to_report(&run))
}

/// All corrective actions.
pub(in crate::http) async fn actions(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Html<String>, Problem> {
    let now = services.now().wall;
    let lines = |listed: Vec<Listed>| -> Vec<ActionLine> {
        let lines = listed.into_iter().map(|one| {
            let run = RunLink {
                id: one.run.to_string(),
                name: one.name,
            };
            ActionLine::new(&one.task, Some(run), one.may_change, now)
        });
        lines.collect()
    };
    let open = lines(listed(&services, &actor, false).await?);
    let mut closed = lines(listed(&services, &actor, true).await?);
    closed.truncate(CLOSED);
    render(&ActionsPage {
        layout: Layout::new(&services, "Corrective actions", "actions", &actor).await?,
        overdue: open.iter().filter(|line| line.overdue).count(),
        open,
        closed,
    })
}

/// What came of an action, and where to go then.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Closing {
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    back: String,
}

impl Closing {
    fn back(&self) -> Redirect {
        Redirect::to(own_path(&self.back).unwrap_or("/actions"))
    }
}

/// Closes an action.
pub(in crate::http) async fn close(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
    form: Result<Form<Closing>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    close_action(&services, &actor, &id, &form.outcome).await?;
    Ok(form.back())
}

/// Opens an action again.
pub(in crate::http) async fn reopen(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
    form: Result<Form<Closing>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form.map_err(|error| bad_form(&error))?;
    reopen_action(&services, &actor, &id).await?;
    Ok(form.back())
}
