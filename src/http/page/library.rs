//! The library: its files, one of them, edits, and dry runs. Who may do what is [`files`]'s to say.

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::start::bad_form;
use crate::http::Services;
use crate::http::actor::{Actor, Visitor};
use crate::http::api::runs::bad_query;
use crate::http::catalogue::{DayEntry, Entry};
use crate::http::desk::{Considered, Unsaved};
use crate::http::files::{self, Files, Held, Shown, Thing, kind, skeleton, status, users};
use crate::http::keeper::of_plan;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::library::{
    File, Group, Library, Line, Start, Trial, address, lines, plural, state,
};
use crate::model::access::{Permission, Subject};
use crate::spec;
use crate::spec::explain::explain_game_day_within;

/// The fewest and the most lines of a file that are shown at once.
const ROWS: (usize, usize) = (12, 40);

/// The columns of a game day in words.
const WORDS: usize = 100;

/// Which file.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Choice {
    path: String,
    saved: Option<String>,
}

/// An edit.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Edited {
    path: String,
    text: String,
    tag: String,
    #[serde(rename = "do")]
    act: String,
    although: Option<String>,
}

/// A new file.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Wanted {
    kind: String,
    name: String,
    #[serde(default)]
    text: String,
}

/// All files by kind.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Html<String>, Problem> {
    let files = Files::of(&services).await?;
    let all = files.listed.iter();
    let shown: Vec<Shown> = all.filter_map(|file| files.shown(&actor, file)).collect();
    let mut groups = Vec::new();
    for kind in spec::Kind::ALL {
        let files: Vec<Line> = shown
            .iter()
            .flat_map(|file| file.holds.iter().map(move |thing| (file, thing)))
            .filter(|(_, thing)| thing.kind == kind)
            .map(|(file, thing)| line(&actor, file, thing))
            .collect();
        groups.push(Group {
            title: plural(kind),
            files,
        });
    }
    let unread: Vec<Line> = shown
        .iter()
        .filter(|shown| shown.holds.is_empty())
        .map(|shown| Line {
            path: shown.file.path.clone(),
            address: shown.may_open.then(|| address(&shown.file.path)),
            name: "says not what it is".into(),
            about: String::new(),
            state: state(shown.file),
            start: None,
        })
        .collect();
    if !unread.is_empty() {
        groups.push(Group {
            title: "Files that can't be read",
            files: unread,
        });
    }
    render(&Library {
        layout: Layout::new(&services, "Library", "library", &actor).await?,
        groups,
        kinds: spec::Kind::ALL.map(spec::Kind::as_str).into(),
        may_open: actor.may(Permission::Operate, &Subject::Anywhere),
        may_make: actor.may(Permission::Operate, &Subject::Everywhere),
    })
}

/// One thing of a file in the list.
fn line(visitor: &Visitor, shown: &Shown<'_>, thing: &Thing<'_>) -> Line {
    let plan = thing.entry.and_then(|entry| entry.plan.as_ref().ok());
    let about = match (plan, thing.kind) {
        (Some(plan), spec::Kind::Drill) => plan.drill.as_ref().map(|exercise| {
            format!(
                "{}, team {}, on {}",
                exercise.drill.severity.as_str(),
                exercise.team.name,
                plan.stack.name
            )
        }),
        (Some(plan), _) => Some(plan.experiment.hypothesis.clone()),
        (None, _) => {
            (!shown.used_by.is_empty()).then(|| format!("used by {}", users(&shown.used_by)))
        }
    };
    if let Some(day) = thing.day {
        return day_line(visitor, shown, day);
    }
    let starts =
        plan.is_some_and(|plan| visitor.may(Permission::Operate, &Subject::At(of_plan(plan))));
    Line {
        path: shown.file.path.clone(),
        address: shown.may_open.then(|| address(&shown.file.path)),
        name: thing.name.to_owned(),
        about: about.unwrap_or_default(),
        state: state(shown.file),
        start: thing.entry.filter(|_| starts).map(start_of),
    }
}

/// A game day in the list.
fn day_line(visitor: &Visitor, shown: &Shown<'_>, day: &DayEntry) -> Line {
    let about = day.programme.as_ref().map_or_else(
        |_| String::new(),
        |programme| {
            let drills = programme.day.drills.iter();
            let names: Vec<&str> = drills.map(|part| part.drill.as_str()).collect();
            format!("drills {}", names.join(", "))
        },
    );
    let starts = day.programme.is_ok() && visitor.holds_throughout(day, Permission::Operate);
    Line {
        path: shown.file.path.clone(),
        address: shown.may_open.then(|| address(&shown.file.path)),
        name: day.name.clone(),
        about,
        state: state(shown.file),
        start: starts.then(|| start_of_day(day)),
    }
}

fn start_of_day(day: &DayEntry) -> Start {
    Start {
        kind: "game day",
        name: day.name.clone(),
    }
}

fn start_of(entry: &Entry) -> Start {
    Start {
        kind: entry.kind.as_str(),
        name: entry.name.clone(),
    }
}

/// The page of a file as it is on disk.
fn page_of(held: &Held, layout: Layout, found: &Considered) -> File {
    let listed = &held.listed;
    let (own, others) = lines(found);
    let (first, last) = ROWS;
    File {
        layout,
        path: listed.path.clone(),
        title: listed
            .holds
            .first()
            .map_or_else(|| listed.path.clone(), |(_, name)| name.clone()),
        kind: listed.holds.first().map(|(kind, _)| kind.as_str()),
        rows: (held.opened.text.lines().count() + 2).clamp(first, last),
        text: held.opened.text.clone(),
        tag: held.opened.tag.clone(),
        new: None,
        may_save: held.may_save,
        used_by: held.used_by(),
        own,
        others,
        commands: Vec::new(),
        refused: None,
        done: None,
        // A game day's file may hold drills of its own: it is the game day that starts.
        trial: held
            .plan()
            .filter(|_| held.day().is_none())
            .map(|plan| Trial::new(plan, None)),
        words: held
            .day()
            .and_then(|day| day.programme.as_ref().ok())
            .map(|programme| explain_game_day_within(programme, WORDS)),
        start: match held.day() {
            Some(day) => day.programme.is_ok().then(|| start_of_day(day)),
            None => held
                .entry()
                .filter(|entry| entry.plan.is_ok())
                .map(start_of),
        },
    }
}

/// A file with what is wrong in it.
pub(in crate::http) async fn file(
    State(services): State<Services>,
    actor: Actor,
    choice: Result<Query<Choice>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(choice) = choice.map_err(|error| bad_query(&error))?;
    let held = Held::of(&services, &actor, &choice.path).await?;
    let found = files::consider(&services, &choice.path, &held.opened.text).await?;
    let layout = Layout::new(&services, &held.listed.path, "library", &actor).await?;
    let mut page = page_of(&held, layout, &found);
    page.done = choice.saved.map(|_| "Saved.");
    render(&page)
}

/// Checks an edit, or saves it.
pub(in crate::http) async fn edit(
    State(services): State<Services>,
    actor: Actor,
    edited: Result<Form<Edited>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(edited) = edited.map_err(|error| bad_form(&error))?;
    let held = Held::of(&services, &actor, &edited.path).await?;
    held.must_save()?;
    let text = lines_as_before(&edited.text, &held.opened.text);
    let save = edited.act == "save";
    let mut refused = None;
    if save {
        let although = edited.although.is_some();
        match files::save(&services, &edited.path, &text, &edited.tag, although).await? {
            Ok(()) => {
                let saved = format!("{}&saved=1", address(&edited.path));
                return Ok(Redirect::to(&saved).into_response());
            }
            Err(why) => refused = Some(why),
        }
    }
    let found = files::consider(&services, &edited.path, &text).await?;
    let layout = Layout::new(&services, &held.listed.path, "library", &actor).await?;
    let mut page = page_of(&held, layout, &found);
    page.text = text;
    // The tag of what was read, so that a second try is still held against it.
    page.tag = edited.tag;
    if refused == Some(Unsaved::Changed) {
        // What is there now has been seen once it is compared with: the page shows both.
        page.tag.clone_from(&held.opened.tag);
    }
    page.commands = found.commands;
    page.done = (!save).then_some("Checked, not saved.");
    let status = refused.as_ref().map_or(StatusCode::OK, status);
    page.refused = refused.map(|why| told(&why));
    Ok((status, render(&page)?).into_response())
}

/// Looks at every target of what a file would run, and touches nothing.
pub(in crate::http) async fn look(
    State(services): State<Services>,
    actor: Actor,
    choice: Result<Form<Choice>, FormRejection>,
) -> Result<Html<String>, Problem> {
    let Form(choice) = choice.map_err(|error| bad_form(&error))?;
    let held = Held::of(&services, &actor, &choice.path).await?;
    let Some(plan) = held.plan() else {
        return Err(Problem::unprocessable(
            "nothing-to-start",
            "only drills and experiments without errors can be tried; hint: mend what the file's page lists",
        ));
    };
    let looked = files::look(&services, &actor, plan).await?;
    let layout = Layout::new(&services, &held.listed.path, "library", &actor).await?;
    let mut page = page_of(&held, layout, &Considered::default());
    page.trial = Some(Trial::new(&looked.plan, Some(looked.found)));
    render(&page)
}

/// An empty file of a kind.
pub(in crate::http) async fn begin(
    State(services): State<Services>,
    actor: Actor,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(wanted) = wanted.map_err(|error| bad_query(&error))?;
    let text = skeleton(kind(&wanted.kind)?, wanted.name.trim());
    let page = made(&services, &actor, wanted, text, None).await?;
    render(&page)
}

/// Saves a new file.
pub(in crate::http) async fn create(
    State(services): State<Services>,
    actor: Actor,
    wanted: Result<Form<Wanted>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(wanted) = wanted.map_err(|error| bad_form(&error))?;
    let kind = kind(&wanted.kind)?;
    let text = lines_as_before(&wanted.text, "");
    match files::create(&services, kind, &wanted.name, &text).await? {
        Ok(path) => Ok(Redirect::to(&format!("{}&saved=1", address(&path))).into_response()),
        Err(why) => {
            let status = status(&why);
            let page = made(&services, &actor, wanted, text, Some(why)).await?;
            Ok((status, render(&page)?).into_response())
        }
    }
}

/// The page of a file that is not there yet.
async fn made(
    services: &Services,
    actor: &Actor,
    wanted: Wanted,
    text: String,
    refused: Option<Unsaved>,
) -> Result<File, Problem> {
    let kind = kind(&wanted.kind)?;
    let (path, found, refused) = match files::place_of(services, kind, &wanted.name).await? {
        Ok(path) => {
            let found = files::consider(services, &path, &text).await?;
            (path, found, refused)
        }
        Err(why) => (String::new(), Considered::default(), Some(why)),
    };
    let (own, others) = lines(&found);
    Ok(File {
        layout: Layout::new(services, "A new file", "library", actor).await?,
        path,
        title: wanted.name.trim().to_owned(),
        kind: Some(kind.as_str()),
        rows: ROWS.0.max(text.lines().count() + 4),
        text,
        tag: String::new(),
        new: Some((kind.as_str().to_owned(), wanted.name.trim().to_owned())),
        may_save: true,
        used_by: String::new(),
        own,
        others,
        commands: found.commands,
        refused: refused.map(|why| told(&why)),
        done: None,
        trial: None,
        words: None,
        start: None,
    })
}

fn told(why: &Unsaved) -> (String, Option<String>) {
    let text = why.to_string();
    match text.split_once("; hint: ") {
        Some((detail, hint)) => (detail.to_owned(), Some(hint.to_owned())),
        None => (text, None),
    }
}

/// A form's text with the line ends that the file has: browsers send others.
fn lines_as_before(text: &str, before: &str) -> String {
    let plain = text.replace("\r\n", "\n");
    let mut text = if before.contains("\r\n") {
        plain.replace('\n', "\r\n")
    } else {
        plain
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_text_keeps_the_line_ends_of_its_file() {
        assert_eq!(lines_as_before("a\r\nb", "x\ny\n"), "a\nb\n");
        assert_eq!(lines_as_before("a\r\nb\r\n", "x\r\ny\r\n"), "a\r\nb\r\n");
        assert_eq!(lines_as_before("", "x\n"), "");
    }
}
