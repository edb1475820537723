//! The library's files: which there are, the text of one, edits held against what was read, new ones, and dry runs.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::library::{contents, faulty, unknown};
use super::place::Spot;
use super::runs::bad_query;
use super::start::malformed;
use crate::http::Services;
use crate::http::actor::{Actor, Visitor, encoded};
use crate::http::catalogue::{Finding, Kind, listed};
use crate::http::desk::{Considered, Unsaved};
use crate::http::files::{self, Held, Shown, kind, skeleton, status};
use crate::http::problem::Problem;
use crate::http::tagged;

/// All files.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LibraryFiles")]
pub(in crate::http) struct Files {
    /// By kind and name; those that say not what they are last.
    files: Vec<InShort>,
}

/// A file in the list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LibraryFile")]
struct InShort {
    /// Its path, by which it is asked for.
    path: String,
    /// What it holds; empty where it says not what it is.
    holds: Vec<Thing>,
    /// How many errors it has.
    errors: usize,
    /// How many warnings.
    warnings: usize,
    /// The experiments and drills that it is a part of.
    used_by: Vec<String>,
    /// Whether whoever asks may read its text.
    may_open: bool,
    /// Whether they may save it.
    may_save: bool,
}

/// One thing that a file holds.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HeldThing")]
struct Thing {
    /// What it is, as its `kind` says.
    kind: &'static str,
    /// Its name.
    name: String,
}

/// Which file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Which {
    /// Its path, as the list has it.
    path: String,
}

/// Which new file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Blank {
    /// What it shall hold, such as `Drill`.
    kind: String,
    /// Its name.
    name: String,
}

/// A file's text.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FileText")]
pub(in crate::http) struct Text {
    /// Its path.
    path: String,
    /// All that it says.
    text: String,
}

/// An edit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FileEdit")]
pub(in crate::http) struct Edit {
    /// What shall stand in place of what was read.
    text: String,
    /// Whether it is saved although other files will have errors.
    #[serde(default)]
    although_others_break: bool,
}

/// A text to be checked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FileTrial")]
pub(in crate::http) struct Trial {
    /// In place of what is on disk, which is checked where this is not given.
    text: Option<String>,
}

/// What is wrong with a text, and would be once it is saved.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FileChecked")]
pub(in crate::http) struct Checked {
    /// In the text itself. With an error it is not saved.
    findings: Vec<Finding>,
    /// In other files, through it.
    elsewhere: Vec<Finding>,
    /// Commands that it would bring in, with which it is never saved.
    commands: Vec<String>,
}

/// A new file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewFile")]
pub(in crate::http) struct New {
    /// What it holds, such as `Drill`.
    kind: String,
    /// Its name, from which its path is made.
    name: String,
    /// What it says.
    text: String,
}

/// What a look at every target found. Nothing was touched.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DryRun")]
pub(in crate::http) struct Looked {
    /// Whether a run could begin now.
    ready: bool,
    /// What was read from the targets, or all that is in the way.
    found: Vec<String>,
    /// What its steps would hit, and how that would fail.
    hits: Vec<Spot>,
}

impl InShort {
    fn new(shown: &Shown<'_>) -> Self {
        let holds = shown.holds.iter().map(|thing| Thing {
            kind: thing.kind.as_str(),
            name: thing.name.to_owned(),
        });
        let used_by = shown.used_by.iter().map(|entry| entry.name.clone());
        Self {
            path: shown.file.path.clone(),
            holds: holds.collect(),
            errors: shown.file.errors,
            warnings: shown.file.warnings,
            used_by: used_by.collect(),
            may_open: shown.may_open,
            may_save: shown.may_save,
        }
    }
}

/// Why a text is not saved.
fn refused(why: &Unsaved, found: &Considered) -> Problem {
    let none = Vec::new();
    let (code, findings, detail) = match why {
        Unsaved::Unknown(_) => ("no-such-file", &none, why.to_string()),
        Unsaved::Changed => ("changed-meanwhile", &none, why.to_string()),
        Unsaved::Exists(_) => ("file-exists", &none, why.to_string()),
        Unsaved::Name(_) => ("bad-name", &none, why.to_string()),
        Unsaved::Commands(_) => ("new-command", &none, why.to_string()),
        Unsaved::Disk(_) => ("not-written", &none, why.to_string()),
        Unsaved::Errors => (
            "file-findings",
            &found.own,
            "the text has errors; hint: nothing was saved: mend what `findings` lists".to_owned(),
        ),
        Unsaved::Breaks => (
            "breaks-others",
            &found.others,
            "other files would have errors; hint: nothing was saved: mend what `findings` lists, or send \
             `although_others_break` where the API takes it"
                .to_owned(),
        ),
    };
    Problem::new(status(why), code, detail).with_findings(listed(findings))
}

/// All files.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let files = files::Files::of(&services).await?;
    let all = files.listed.iter();
    let shown = all.filter_map(|file| files.shown(&actor, file));
    let files = shown.map(|shown| InShort::new(&shown)).collect();
    tagged::json(&headers, &Files { files })
}

/// A file's text.
pub(in crate::http) async fn get(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(which) = which.map_err(|error| bad_query(&error))?;
    let held = Held::of(&services, &actor, &which.path).await?;
    tagged::json(&headers, &Text::of(&held))
}

impl Text {
    fn of(held: &Held) -> Self {
        Self {
            path: held.listed.path.clone(),
            text: held.opened.text.clone(),
        }
    }
}

/// Saves an edit of what `If-Match` names.
pub(in crate::http) async fn put(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    which: Result<Query<Which>, QueryRejection>,
    edit: Result<Json<Edit>, JsonRejection>,
) -> Result<Response, Problem> {
    let Query(which) = which.map_err(|error| bad_query(&error))?;
    let Json(edit) = edit.map_err(|error| malformed(&error))?;
    let held = Held::of(&services, &actor, &which.path).await?;
    held.must_save()?;
    if !headers.contains_key(header::IF_MATCH) {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "if-match-needed",
            "an edit is of what was read; hint: read the file, and send its `ETag` as `If-Match`",
        ));
    }
    tagged::still(&headers, &Text::of(&held))?;
    // Held against the text that was compared: who saves between these lines is not overwritten.
    let (path, tag) = (&which.path, &held.opened.tag);
    let saved = files::save(&services, path, &edit.text, tag, edit.although_others_break);
    if let Err(why) = saved.await? {
        let found = files::consider(&services, path, &edit.text).await?;
        return Err(refused(&why, &found));
    }
    let text = Text {
        path: which.path,
        text: edit.text,
    };
    tagged::json(&HeaderMap::new(), &text)
}

/// Checks a file, or an edit of it. Nothing is saved.
pub(in crate::http) async fn check(
    State(services): State<Services>,
    actor: Actor,
    which: Result<Query<Which>, QueryRejection>,
    trial: Result<Json<Trial>, JsonRejection>,
) -> Result<Json<Checked>, Problem> {
    let Query(which) = which.map_err(|error| bad_query(&error))?;
    let Json(trial) = trial.map_err(|error| malformed(&error))?;
    let held = Held::of(&services, &actor, &which.path).await?;
    if trial.text.is_some() {
        held.must_save()?;
    }
    let text = trial.text.as_ref().unwrap_or(&held.opened.text);
    let found = files::consider(&services, &which.path, text).await?;
    Ok(Json(Checked {
        findings: found.own,
        elsewhere: found.others,
        commands: found.commands,
    }))
}

/// What a new file would begin with, and where it would be.
pub(in crate::http) async fn blank(
    State(services): State<Services>,
    wanted: Result<Query<Blank>, QueryRejection>,
) -> Result<Json<Text>, Problem> {
    let Query(wanted) = wanted.map_err(|error| bad_query(&error))?;
    let (kind, name) = (kind(&wanted.kind)?, wanted.name.trim());
    match files::place_of(&services, kind, name).await? {
        Ok(path) => Ok(Json(Text {
            path,
            text: skeleton(kind, name),
        })),
        Err(why) => Err(refused(&why, &Considered::default())),
    }
}

/// Saves a new file.
pub(in crate::http) async fn create(
    State(services): State<Services>,
    new: Result<Json<New>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(new) = new.map_err(|error| malformed(&error))?;
    let kind = kind(&new.kind)?;
    match files::create(&services, kind, &new.name, &new.text).await? {
        Ok(path) => {
            let location = format!("/api/v1/files/text?path={}", encoded(&path));
            let text = Text {
                path,
                text: new.text,
            };
            let told = tagged::json(&HeaderMap::new(), &text)?;
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], told).into_response())
        }
        Err(why) => {
            let found = match files::place_of(&services, kind, &new.name).await? {
                Ok(path) => files::consider(&services, &path, &new.text).await?,
                Err(_) => Considered::default(),
            };
            Err(refused(&why, &found))
        }
    }
}

/// Looks at every target of a drill, and touches nothing.
pub(in crate::http) async fn look_at_drill(
    State(services): State<Services>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<Looked>, Problem> {
    look(&services, &actor, Kind::Drill, &name).await
}

/// Looks at every target of an experiment, and touches nothing.
pub(in crate::http) async fn look_at_experiment(
    State(services): State<Services>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<Looked>, Problem> {
    look(&services, &actor, Kind::Experiment, &name).await
}

async fn look(
    services: &Services,
    visitor: &Visitor,
    kind: Kind,
    name: &str,
) -> Result<Json<Looked>, Problem> {
    let contents = contents(services).await?;
    let entry = contents
        .get(kind, name)
        .ok_or_else(|| unknown(kind, name))?;
    let plan = entry.plan.as_ref();
    let plan = plan.map_err(|found| faulty(kind, name, found))?;
    let looked = files::look(services, visitor, plan).await?;
    let hits = looked.plan.hits().into_iter();
    let hits = hits.map(|(target, failure)| Spot::new(&target, failure, &looked.plan.stack));
    Ok(Json(Looked {
        hits: hits.collect(),
        ready: looked.found.is_ok(),
        found: looked.found.unwrap_or_else(|in_the_way| in_the_way),
    }))
}
