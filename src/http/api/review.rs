//! After-action reports: what people write down after a run, the corrective actions, and evidence in one file.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::log::accepts;
use super::start::malformed;
use crate::engine::event::Source;
use crate::evidence::{Bundle, File};
use crate::http::Services;
use crate::http::actor::{self, Actor, Visitor};
use crate::http::keeper::of_run;
use crate::http::problem::Problem;
use crate::http::reading::{Reading, run_id};
use crate::http::tagged;
use crate::http::view::review::known;
use crate::model::access::{Permission, Subject};
use crate::model::ids::RunId;
use crate::model::review::{Action, Answer, Kind, LONGEST, STATEMENTS, pseudonyms};
use crate::review::{Review, Task, markdown};
use crate::store::reviews::NewAction;

/// The most actions of one answer.
const MOST: u32 = 500;

/// A run that is over, with what people wrote down about it.
pub(in crate::http) struct Reviewed {
    pub(in crate::http) reading: Reading,
    pub(in crate::http) review: Review,
    /// Names by pseudonym.
    pub(in crate::http) names: BTreeMap<String, String>,
}

/// Reads a run that is over, and makes its after-action report.
pub(in crate::http) async fn reviewed(
    services: &Services,
    run: &RunId,
) -> Result<Reviewed, Problem> {
    let reading = Reading::of(services, run).await?;
    if reading.is_live() {
        return Err(goes_on());
    }
    let gone = || {
        Problem::missing(
            "no-report",
            "the run's log can't be judged: its first event was erased",
        )
    };
    let database = &services.database;
    let written = database.written_about(run).await?;
    let mut names = actor::names(services, &reading.events).await?;
    names.extend(database.names(&written.pseudonyms()).await?);
    let plan = reading.state.plan().ok_or_else(gone)?;
    let report = reading.report.clone().ok_or_else(gone)?;
    let review = Review::new(plan, &reading.events, report, &written, &known(&names));
    Ok(Reviewed {
        reading,
        review,
        names,
    })
}

fn goes_on() -> Problem {
    Problem::conflict(
        "run-goes-on",
        "the run goes on; hint: its report can be read and written once it is over",
    )
}

/// That a run can be written about: it is there, and over.
async fn over(services: &Services, run: &RunId) -> Result<(), Problem> {
    if services.database.run(run).await?.ended.is_none() {
        return Err(goes_on());
    }
    Ok(())
}

/// Who writes, as a pseudonym.
async fn writer(services: &Services, name: &str) -> Result<String, Problem> {
    let origin = actor::person(services, Source::Room, name).await?;
    Ok(origin.actor.unwrap_or_default())
}

/// A text that says something, and not too much.
fn said<'a>(what: &str, text: &'a str) -> Result<&'a str, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::unprocessable(
            "empty-text",
            format!("{what} is empty"),
        ));
    }
    if text.chars().count() > LONGEST {
        return Err(Problem::unprocessable(
            "text-too-long",
            format!("{what} has more than {LONGEST} characters"),
        ));
    }
    Ok(text)
}

/// The after-action report, as JSON or Markdown.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let review = reviewed(&services, &run_id(&run)?).await?.review;
    let (media_type, body) = if accepts(&headers, "text/markdown") {
        ("text/markdown; charset=utf-8", markdown::render(&review))
    } else {
        let body = serde_json::to_string(&review).map_err(|error| Problem::internal(&error))?;
        ("application/json", body)
    };
    let mut response = tagged::answer(&headers, media_type, body);
    let fields = response.headers_mut();
    fields.insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Evidence of a run that is over.
pub(in crate::http) async fn evidence(
    State(services): State<Services>,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = run_id(&run)?;
    over(&services, &run).await?;
    let reading = Reading::of(&services, &run).await?;
    let report = reading.report.as_ref().ok_or_else(|| {
        Problem::missing(
            "no-scorecard",
            "the run's log can't be judged: its first event was erased",
        )
    })?;
    let mut files = Vec::new();
    for file in reading.state.plan().map_or(&[][..], |plan| &plan.files) {
        let text = services.database.file(&file.sha256).await?;
        files.push(File::new(file, text));
    }
    let log = services.database.sealed(&run).await?;
    let bundle = Bundle::new(run, log, files, report);
    let text = bundle.and_then(|bundle| bundle.render());
    let text = text.map_err(|error| Problem::internal(&error))?;
    Ok(tagged::answer(&headers, "application/json", text))
}

/// A remark that is made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewRemark {
    /// What it is about.
    kind: Kind,
    /// In your words.
    text: String,
}

impl NewRemark {
    /// A remark.
    pub(in crate::http) fn new(kind: Kind, text: String) -> Self {
        Self { kind, text }
    }
}

/// The number of what was written down.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Kept {
    /// Its number.
    id: i64,
}

/// Writes a remark down.
pub(in crate::http) async fn remark(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    wanted: Result<Json<NewRemark>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let id = add_remark(&services, &actor, &run, &wanted).await?;
    Ok((StatusCode::CREATED, Json(Kept { id })))
}

/// Keeps a remark. Answers with its number.
pub(in crate::http) async fn add_remark(
    services: &Services,
    actor: &Visitor,
    run: &str,
    wanted: &NewRemark,
) -> Result<i64, Problem> {
    let run = run_id(run)?;
    over(services, &run).await?;
    let text = said("the remark", &wanted.text)?;
    let by = writer(services, &actor.name).await?;
    let at = services.now().wall;
    Ok(services
        .database
        .add_remark(&run, wanted.kind, text, &by, at)
        .await?)
}

/// Takes a remark away.
pub(in crate::http) async fn unremark(
    State(services): State<Services>,
    Path((run, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    remove_remark(&services, &run, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a remark about a run away.
pub(in crate::http) async fn remove_remark(
    services: &Services,
    run: &str,
    id: &str,
) -> Result<(), Problem> {
    let run = run_id(run)?;
    let known = match id.parse() {
        Ok(id) => services.database.remove_remark(&run, id).await?,
        Err(_) => false,
    };
    if known {
        return Ok(());
    }
    let id: String = id.chars().take(20).collect();
    Err(Problem::missing(
        "no-such-remark",
        format!("run {run} has no remark {id}"),
    ))
}

/// A corrective action that is written down.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewCorrectiveAction")]
pub(in crate::http) struct NewTask {
    /// What shall be done.
    text: String,
    /// By whom: a person or a team.
    owner: String,
    /// By when, such as `2026-12-24`.
    #[schemars(with = "String", regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    due: Date,
}

/// Writes a corrective action down.
pub(in crate::http) async fn act(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    wanted: Result<Json<NewTask>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    let id = add_action(&services, &actor, &run, &wanted).await?;
    Ok((StatusCode::CREATED, Json(Kept { id })))
}

impl NewTask {
    /// An action as a form has it.
    pub(in crate::http) fn new(text: String, owner: String, due: &str) -> Result<Self, Problem> {
        let due = due.trim().parse().map_err(|_| {
            Problem::unprocessable("bad-day", "the day is none; hint: write it like 2026-12-24")
        })?;
        Ok(Self { text, owner, due })
    }
}

/// Keeps an action. Answers with its number.
pub(in crate::http) async fn add_action(
    services: &Services,
    actor: &Visitor,
    run: &str,
    wanted: &NewTask,
) -> Result<i64, Problem> {
    let run = run_id(run)?;
    over(services, &run).await?;
    let text = said("the action", &wanted.text)?;
    let owner = actor::checked(&wanted.owner)?;
    let new = NewAction {
        run: &run,
        text,
        owner: &writer(services, &owner).await?,
        due: wanted.due,
        by: &writer(services, &actor.name).await?,
        at: services.now().wall,
    };
    Ok(services.database.add_action(new).await?)
}

/// Which actions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Which {
    /// Whether those that are closed are wanted.
    #[serde(default)]
    closed: bool,
}

/// Corrective actions, and the runs that showed them.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CorrectiveActions")]
pub(in crate::http) struct Tasks {
    /// Open ones with those that are due first in front; closed ones latest first.
    actions: Vec<Listed>,
}

/// An action and its run.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListedAction")]
pub(in crate::http) struct Listed {
    /// The run that showed it.
    pub(in crate::http) run: RunId,
    /// The run's drill or experiment.
    pub(in crate::http) name: String,
    /// The action.
    #[serde(flatten)]
    pub(in crate::http) task: Task,
    /// Whether whoever asks may change it.
    #[serde(skip)]
    pub(in crate::http) may_change: bool,
}

/// Corrective actions of all runs.
pub(in crate::http) async fn actions(
    State(services): State<Services>,
    actor: Actor,
    which: Result<Query<Which>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Tasks>, Problem> {
    let Query(which) = which.map_err(|error| super::runs::bad_query(&error))?;
    let actions = listed(&services, &actor, which.closed).await?;
    Ok(Json(Tasks { actions }))
}

/// The actions of the runs that whoever asks may see.
pub(in crate::http) async fn listed(
    services: &Services,
    actor: &Visitor,
    closed: bool,
) -> Result<Vec<Listed>, Problem> {
    let actions = if closed {
        services.database.closed_actions(MOST).await?
    } else {
        services.database.open_actions(MOST).await?
    };
    let names = services.database.names(&pseudonyms(&actions)).await?;
    let mut listed = Vec::new();
    for action in &actions {
        let row = services.database.run(&action.run).await?;
        if actor.sees(&row) {
            listed.push(Listed {
                run: action.run.clone(),
                name: row.name.clone(),
                task: Task::new(action, &known(&names)),
                may_change: actor.may(Permission::Respond, &Subject::At(of_run(&row))),
            });
        }
    }
    Ok(listed)
}

/// What came of an action.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ActionOutcome")]
pub(in crate::http) struct Outcome {
    /// In your words.
    pub(in crate::http) outcome: String,
}

/// Closes an action.
pub(in crate::http) async fn close(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
    wanted: Result<Json<Outcome>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    close_action(&services, &actor, &id, &wanted.outcome).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The action of this number, where whoever asks may change it.
async fn changeable(services: &Services, actor: &Visitor, id: &str) -> Result<Action, Problem> {
    let action = match id.parse() {
        Ok(id) => services.database.action(id).await?,
        Err(_) => None,
    };
    let Some(action) = action else {
        let id: String = id.chars().take(20).collect();
        return Err(Problem::missing(
            "no-such-action",
            format!("there is no corrective action {id}"),
        ));
    };
    let row = services.database.run(&action.run).await?;
    actor.must(Permission::Respond, &Subject::At(of_run(&row)))?;
    Ok(action)
}

/// Closes an action with what came of it.
pub(in crate::http) async fn close_action(
    services: &Services,
    actor: &Visitor,
    id: &str,
    outcome: &str,
) -> Result<(), Problem> {
    let action = changeable(services, actor, id).await?;
    let outcome = said("what came of it", outcome)?;
    let by = writer(services, &actor.name).await?;
    let at = services.now().wall;
    if services
        .database
        .close_action(action.id, outcome, &by, at)
        .await?
    {
        return Ok(());
    }
    Err(Problem::conflict(
        "action-closed",
        "the action is closed already; hint: open it again first",
    ))
}

/// Opens an action again.
pub(in crate::http) async fn reopen(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    reopen_action(&services, &actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens an action again.
pub(in crate::http) async fn reopen_action(
    services: &Services,
    actor: &Visitor,
    id: &str,
) -> Result<(), Problem> {
    let action = changeable(services, actor, id).await?;
    if services.database.reopen_action(action.id).await? {
        return Ok(());
    }
    Err(Problem::conflict("action-open", "the action is open"))
}

/// A participant's answers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SurveyAnswer")]
pub(in crate::http) struct Answers {
    /// I knew what to do next: from 1 (not at all) to 5 (fully).
    #[schemars(range(min = 1, max = 5))]
    knew_what_to_do: u8,
    /// I knew who did what.
    #[schemars(range(min = 1, max = 5))]
    knew_who_does_what: u8,
    /// The runbook helped.
    #[schemars(range(min = 1, max = 5))]
    runbook_helped: u8,
    /// Our tools showed what I needed to see.
    #[schemars(range(min = 1, max = 5))]
    tools_showed_it: u8,
    /// What should change.
    #[serde(default)]
    comment: String,
}

impl Answers {
    /// Answers in the order of the sentences.
    pub(in crate::http) fn new(agreement: [u8; STATEMENTS.len()], comment: String) -> Self {
        let [
            knew_what_to_do,
            knew_who_does_what,
            runbook_helped,
            tools_showed_it,
        ] = agreement;
        Self {
            knew_what_to_do,
            knew_who_does_what,
            runbook_helped,
            tools_showed_it,
            comment,
        }
    }

    fn agreement(&self) -> [u8; STATEMENTS.len()] {
        [
            self.knew_what_to_do,
            self.knew_who_does_what,
            self.runbook_helped,
            self.tools_showed_it,
        ]
    }
}

/// Keeps a participant's answers.
pub(in crate::http) async fn answer(
    State(services): State<Services>,
    actor: Actor,
    Path(run): Path<String>,
    wanted: Result<Json<Answers>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(wanted) = wanted.map_err(|error| malformed(&error))?;
    keep_answers(&services, &actor, &run, &wanted).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps the answers of somebody who took part.
pub(in crate::http) async fn keep_answers(
    services: &Services,
    actor: &Visitor,
    run: &str,
    wanted: &Answers,
) -> Result<(), Problem> {
    let agreement = wanted.agreement();
    if agreement.iter().any(|value| !(1..=5).contains(value)) {
        return Err(Problem::unprocessable(
            "bad-answer",
            "an answer is a number from 1 to 5",
        ));
    }
    let comment = wanted.comment.trim();
    if !comment.is_empty() {
        said("the comment", comment)?;
    }
    let run = run_id(run)?;
    over(services, &run).await?;
    let person = writer(services, &actor.name).await?;
    let reading = Reading::of(services, &run).await?;
    if !took_part(&reading, &person) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not-a-participant",
            "the survey is for those who acted in the run, and you did not",
        ));
    }
    let answer = Answer {
        agreement,
        comment: comment.to_owned(),
    };
    Ok(services.database.answer(&run, &person, &answer).await?)
}

/// Whether somebody acted in a run.
pub(in crate::http) fn took_part(reading: &Reading, pseudonym: &str) -> bool {
    reading.events.iter().any(|event| {
        event.origin.actor.as_deref() == Some(pseudonym)
            && !matches!(
                event.fact,
                crate::engine::event::Fact::StopRequested { .. }
                    | crate::engine::event::Fact::SignalAttached { .. }
            )
    })
}
