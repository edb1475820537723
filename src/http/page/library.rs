//! The library: its files, one of them, edits, and dry runs.
//!
//! Whoever may operate somewhere sees the list's states. A file is opened by who may operate what it is used by, since a
//! drill's file tells what the drill hides; it is saved by who may operate all of it.

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::start::bad_form;
use crate::http::Services;
use crate::http::actor::{Actor, Visitor, encoded};
use crate::http::api::library::contents;
use crate::http::api::runs::bad_query;
use crate::http::catalogue::{Contents, Entry, Kind};
use crate::http::desk::{Considered, Listed, Opened, Unsaved};
use crate::http::keeper::of_plan;
use crate::http::problem::Problem;
use crate::http::templates::render;
use crate::http::view::layout::Layout;
use crate::http::view::library::{File, Group, Library, Line, Start, Trial, lines, plural, state};
use crate::model::access::{Permission, Place, Subject};
use crate::model::plan::Plan;
use crate::spec;

/// The fewest and the most lines of a file that are shown at once.
const ROWS: (usize, usize) = (12, 40);

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

/// Calls the desk where reading and writing files may block.
async fn at_desk<T: Send + 'static>(
    services: &Services,
    work: impl FnOnce(&crate::http::desk::Desk) -> T + Send + 'static,
) -> Result<T, Problem> {
    let library = services.library.clone();
    tokio::task::spawn_blocking(move || work(library.desk()))
        .await
        .map_err(|error| Problem::internal(&error))
}

/// The entries that a file is a part of.
fn users<'a>(contents: &'a Contents, listed: &Listed) -> Vec<&'a Entry> {
    let is = |path: &str| {
        path == listed.path
            || std::fs::canonicalize(path).is_ok_and(|real| real == listed.canonical)
    };
    contents
        .entries
        .iter()
        .filter(|entry| match &entry.plan {
            Ok(plan) => plan.files.iter().any(|file| is(&file.path)),
            Err(_) => is(&entry.path),
        })
        .collect()
}

/// Where a file counts: at each entry that uses it; a stack at itself besides.
fn may(visitor: &Visitor, listed: &Listed, users: &[&Entry], all: bool) -> bool {
    if visitor.may(Permission::Operate, &Subject::Everywhere) {
        return true;
    }
    let at = |entry: &&Entry| match &entry.plan {
        Ok(plan) => visitor.may(Permission::Operate, &Subject::At(of_plan(plan))),
        Err(_) => false,
    };
    let stacks = listed
        .holds
        .iter()
        .filter(|(kind, _)| *kind == spec::Kind::Stack)
        .map(|(_, name)| {
            let stack = name.parse().ok();
            let place = Place {
                stack: stack.as_ref(),
                ..Place::default()
            };
            visitor.may(Permission::Operate, &Subject::At(place))
        });
    let mut answers: Vec<bool> = users.iter().map(at).collect();
    answers.extend(stacks);
    if all {
        !answers.is_empty() && answers.iter().all(|answer| *answer)
    } else {
        answers.contains(&true)
    }
}

/// All files by kind.
pub(in crate::http) async fn list(
    State(services): State<Services>,
    actor: Actor,
) -> Result<Html<String>, Problem> {
    let contents = contents(&services).await?;
    let listed = at_desk(&services, crate::http::desk::Desk::list).await?;
    let operates = actor.may(Permission::Operate, &Subject::Anywhere);
    let mut groups = Vec::new();
    for kind in spec::Kind::ALL {
        let files: Vec<Line> = listed
            .iter()
            .flat_map(|file| file.holds.iter().map(move |held| (file, held)))
            .filter(|(_, (known, _))| *known == kind)
            .filter_map(|(file, (_, name))| line(&actor, &contents, file, kind, name))
            .collect();
        groups.push(Group {
            title: plural(kind),
            files,
        });
    }
    let unread: Vec<Line> = listed
        .iter()
        .filter(|file| file.holds.is_empty() && operates)
        .map(|file| Line {
            path: file.path.clone(),
            address: may(&actor, file, &[], false).then(|| address(&file.path)),
            name: "says not what it is".into(),
            about: String::new(),
            state: state(file),
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
        may_open: operates,
        may_make: actor.may(Permission::Operate, &Subject::Everywhere),
    })
}

/// A file in the list; nothing of what a visitor may not see.
fn line(
    visitor: &Visitor,
    contents: &Contents,
    file: &Listed,
    kind: spec::Kind,
    name: &str,
) -> Option<Line> {
    let users = users(contents, file);
    let entry = match kind {
        spec::Kind::Drill => contents.get(Kind::Drill, name),
        spec::Kind::Experiment => contents.get(Kind::Experiment, name),
        _ => None,
    };
    let seen = match (kind, entry) {
        (spec::Kind::Stack, _) => visitor.sees_stack(name),
        (_, Some(entry)) => visitor.sees_entry(entry),
        (_, None) => {
            users.iter().any(|entry| visitor.sees_entry(entry)) || may(visitor, file, &users, false)
        }
    };
    if !seen {
        return None;
    }
    let plan = entry.and_then(|entry| entry.plan.as_ref().ok());
    let about = match (plan, kind) {
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
            let known = users.iter().filter(|entry| visitor.sees_entry(entry));
            let names: Vec<&str> = known.map(|entry| entry.name.as_str()).collect();
            (!names.is_empty()).then(|| format!("used by {}", names.join(", ")))
        }
    };
    let opens = may(visitor, file, &users, false);
    let starts =
        plan.is_some_and(|plan| visitor.may(Permission::Operate, &Subject::At(of_plan(plan))));
    Some(Line {
        path: file.path.clone(),
        address: opens.then(|| address(&file.path)),
        name: name.to_owned(),
        about: about.unwrap_or_default(),
        state: state(file),
        start: entry.filter(|_| starts).map(start_of),
    })
}

fn start_of(entry: &Entry) -> Start {
    Start {
        kind: entry.kind.as_str(),
        name: entry.name.clone(),
    }
}

fn address(path: &str) -> String {
    format!("/library/file?path={}", encoded(path))
}

/// A file that a visitor may open.
struct Held {
    listed: Listed,
    opened: Opened,
    contents: std::sync::Arc<Contents>,
    may_save: bool,
}

async fn held(services: &Services, visitor: &Visitor, path: &str) -> Result<Held, Problem> {
    let unknown = || {
        Problem::missing(
            "no-such-file",
            format!(
                "the library has no file `{}`",
                path.chars().take(200).collect::<String>()
            ),
        )
    };
    let contents = contents(services).await?;
    let wanted = path.to_owned();
    let found = at_desk(services, move |desk| {
        let listed = desk.list().into_iter().find(|file| file.path == wanted)?;
        let opened = desk.open(&wanted)?;
        Some((listed, opened))
    })
    .await?;
    let (listed, opened) = found.ok_or_else(unknown)?;
    let users = users(&contents, &listed);
    if !may(visitor, &listed, &users, false) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not-allowed",
            "your role does not hold for what this file is used by",
        ));
    }
    let may_save = may(visitor, &listed, &users, true);
    Ok(Held {
        listed,
        opened,
        contents,
        may_save,
    })
}

impl Held {
    /// What of the file can be started, and its plan.
    fn entry(&self) -> Option<&Entry> {
        let kinds = [
            (spec::Kind::Drill, Kind::Drill),
            (spec::Kind::Experiment, Kind::Experiment),
        ];
        kinds.into_iter().find_map(|(held, kind)| {
            let (_, name) = self.listed.holds.iter().find(|(known, _)| *known == held)?;
            self.contents.get(kind, name)
        })
    }

    fn plan(&self) -> Option<&Plan> {
        self.entry()?.plan.as_ref().ok().map(std::sync::Arc::as_ref)
    }

    /// The page of the file as it is on disk.
    fn page(&self, layout: Layout, found: &Considered) -> File {
        let users = users(&self.contents, &self.listed);
        let (own, others) = lines(found);
        let (first, last) = ROWS;
        File {
            layout,
            path: self.listed.path.clone(),
            title: self
                .listed
                .holds
                .first()
                .map_or_else(|| self.listed.path.clone(), |(_, name)| name.clone()),
            kind: self.listed.holds.first().map(|(kind, _)| kind.as_str()),
            rows: (self.opened.text.lines().count() + 2).clamp(first, last),
            text: self.opened.text.clone(),
            tag: self.opened.tag.clone(),
            new: None,
            may_save: self.may_save,
            used_by: users.iter().map(|entry| entry.name.clone()).collect(),
            own,
            others,
            commands: Vec::new(),
            refused: None,
            done: None,
            trial: self.plan().map(|plan| Trial::new(plan, None)),
            start: self
                .entry()
                .filter(|entry| entry.plan.is_ok())
                .map(start_of),
        }
    }
}

/// A file with what is wrong in it.
pub(in crate::http) async fn file(
    State(services): State<Services>,
    actor: Actor,
    choice: Result<Query<Choice>, QueryRejection>,
) -> Result<Html<String>, Problem> {
    let Query(choice) = choice.map_err(|error| bad_query(&error))?;
    let held = held(&services, &actor, &choice.path).await?;
    let (path, text) = (choice.path, held.opened.text.clone());
    let found = at_desk(&services, move |desk| desk.consider(&path, &text)).await?;
    let layout = Layout::new(&services, &held.listed.path, "library", &actor).await?;
    let mut page = held.page(layout, &found);
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
    let held = held(&services, &actor, &edited.path).await?;
    if !held.may_save {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not-allowed",
            "your role does not hold for all that this file is used by",
        ));
    }
    let text = lines_as_before(&edited.text, &held.opened.text);
    let save = edited.act == "save";
    let (path, tag, wanted) = (edited.path.clone(), edited.tag.clone(), text.clone());
    let although = edited.although.is_some();
    let (found, saved) = at_desk(&services, move |desk| {
        let found = desk.consider(&path, &wanted);
        let saved = save.then(|| desk.save(&path, &wanted, &tag, although));
        (found, saved)
    })
    .await?;
    let refused = match saved {
        Some(Ok(_)) => {
            services.library.forget();
            return Ok(Redirect::to(&format!("{}&saved=1", address(&edited.path))).into_response());
        }
        Some(Err(why)) => Some(why),
        None => None,
    };
    let layout = Layout::new(&services, &held.listed.path, "library", &actor).await?;
    let mut page = held.page(layout, &found);
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
    let held = held(&services, &actor, &choice.path).await?;
    let Some(plan) = held.plan() else {
        return Err(Problem::unprocessable(
            "nothing-to-start",
            "only drills and experiments without errors can be tried; hint: mend what the file's page lists",
        ));
    };
    actor.must(Permission::Operate, &Subject::At(of_plan(plan)))?;
    let inspector = &services.supervisor.ports().inspector;
    let drawn = inspector.draw(plan.clone(), services.ids().seed()).await;
    let found = inspector.look(&drawn).await;
    let layout = Layout::new(&services, &held.listed.path, "library", &actor).await?;
    let mut page = held.page(layout, &Considered::default());
    page.trial = Some(Trial::new(&drawn, Some(found)));
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
    let (name, new) = (wanted.name.clone(), text.clone());
    let created = at_desk(&services, move |desk| desk.create(kind, &name, &new)).await?;
    match created {
        Ok(path) => {
            services.library.forget();
            Ok(Redirect::to(&format!("{}&saved=1", address(&path))).into_response())
        }
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
    let (name, new) = (wanted.name.clone(), text.clone());
    let looked = at_desk(services, move |desk| {
        let path = desk.place_of(kind, &name)?;
        let found = desk.consider(&path, &new);
        Ok::<_, Unsaved>((path, found))
    })
    .await?;
    let (path, found, refused) = match looked {
        Ok((path, found)) => (path, found, refused),
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
        used_by: Vec::new(),
        own,
        others,
        commands: found.commands,
        refused: refused.map(|why| told(&why)),
        done: None,
        trial: None,
        start: None,
    })
}

fn kind(text: &str) -> Result<spec::Kind, Problem> {
    text.parse()
        .map_err(|error: spec::document::UnknownKindName| {
            Problem::unprocessable("unknown-kind", error.to_string())
        })
}

fn status(why: &Unsaved) -> StatusCode {
    match why {
        Unsaved::Unknown(_) => StatusCode::NOT_FOUND,
        Unsaved::Changed => StatusCode::PRECONDITION_FAILED,
        Unsaved::Exists(_) | Unsaved::Breaks => StatusCode::CONFLICT,
        Unsaved::Name(_) | Unsaved::Errors => StatusCode::UNPROCESSABLE_ENTITY,
        Unsaved::Commands(_) => StatusCode::FORBIDDEN,
        Unsaved::Disk(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
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

/// What a new file begins with.
fn skeleton(kind: spec::Kind, name: &str) -> String {
    match kind {
        spec::Kind::Stack => format!(
            "kind: Stack\nname: {name}\nenvironment: staging\nservices:\n  api: {{tier: customer}}\nprobes:\n  alive: {{http: {{url: \"http://127.0.0.1:8080/healthz\"}}, every: 2s, impact: true}}\n"
        ),
        spec::Kind::Experiment => format!(
            "kind: Experiment\nname: {name}\nstack: \nhypothesis: \nsteady_state: []\nmethod: []\nrecovery: {{within: 60s, stable_for: 10s}}\n"
        ),
        spec::Kind::Drill => format!(
            "kind: Drill\nname: {name}\nexperiment: \nrunbook: \nteam: \nseverity: SEV2\nbrief: \nremedies: []\n"
        ),
        spec::Kind::Runbook => format!(
            "---\nkind: Runbook\nname: {name}\nclass: availability\nexpect:\n  - {{id: ack, event: acknowledged, by: human, within: 5m, from: paged}}\n---\n\n## 1. Confirm\n"
        ),
        spec::Kind::Team => format!("kind: Team\nname: {name}\nmembers: []\n"),
        spec::Kind::Channel => format!("kind: Channel\nname: {name}\n"),
        spec::Kind::Messages => format!("kind: Messages\nname: {name}\nlanguage: en\n"),
    }
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
