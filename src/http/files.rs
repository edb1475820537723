//! The library's files as pages and the API hand them out: what of the list is shown to whom, who opens a file and who
//! saves it, and what a dry run finds. Both ask for the same here.
//!
//! Whoever may operate somewhere sees the list's states. A file is opened by who may operate what it is used by, since a
//! drill's file tells what the drill hides; it is saved by who may operate all of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::StatusCode;

use super::Services;
use super::actor::Visitor;
use super::api::library::contents;
use super::catalogue::{Contents, DayEntry, Entry, Kind};
use super::desk::{Considered, Desk, Listed, Opened, Unsaved, canonical};
use super::keeper::of_plan;
use super::problem::Problem;
use crate::model::access::{Permission, Place, Subject};
use crate::model::plan::Plan;
use crate::spec;

/// All files, and what each is a part of.
#[derive(Debug)]
pub(super) struct Files {
    contents: Arc<Contents>,
    pub(super) listed: Vec<Listed>,
    /// The files of each entry of the contents, each in its one spelling.
    parts: Vec<Vec<PathBuf>>,
}

/// What a visitor is shown of a file in the list.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) file: &'a Listed,
    /// What it holds; empty where it says not what it is.
    pub(super) holds: Vec<Thing<'a>>,
    /// The experiments and drills that it is a part of, those that they are told of.
    pub(super) used_by: Vec<&'a Entry>,
    pub(super) may_open: bool,
    pub(super) may_save: bool,
}

/// One thing that a file holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thing<'a> {
    pub(super) kind: spec::Kind,
    pub(super) name: &'a str,
    /// The same as something that can be started, where it can.
    pub(super) entry: Option<&'a Entry>,
    /// The same as a game day, where it is one.
    pub(super) day: Option<&'a DayEntry>,
}

/// A file that a visitor may open.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) listed: Listed,
    pub(super) opened: Opened,
    pub(super) may_save: bool,
    files: Files,
}

/// What a dry run found.
#[derive(Debug)]
pub(super) struct Looked {
    /// The plan, what it leaves to chance drawn.
    pub(super) plan: Plan,
    /// What was read from the targets, or all that is in the way of a run.
    pub(super) found: Result<Vec<String>, Vec<String>>,
}

/// Calls the desk where reading and writing files may block.
async fn at_desk<T: Send + 'static>(
    services: &Services,
    work: impl FnOnce(&Desk) -> T + Send + 'static,
) -> Result<T, Problem> {
    let library = services.library.clone();
    tokio::task::spawn_blocking(move || work(library.desk()))
        .await
        .map_err(|error| Problem::internal(&error))
}

fn parts(entry: &Entry) -> Vec<PathBuf> {
    match &entry.plan {
        Ok(plan) => {
            let files = plan.files.iter();
            files.map(|file| canonical(Path::new(&file.path))).collect()
        }
        Err(_) => vec![canonical(Path::new(&entry.path))],
    }
}

impl Files {
    /// All of them, read anew.
    pub(super) async fn of(services: &Services) -> Result<Self, Problem> {
        let contents = contents(services).await?;
        at_desk(services, move |desk| Self {
            listed: desk.list(),
            parts: contents.entries.iter().map(parts).collect(),
            contents,
        })
        .await
    }

    /// What of a file a visitor is shown; nothing of what they may not know of.
    pub(super) fn shown<'a>(&'a self, visitor: &Visitor, file: &'a Listed) -> Option<Shown<'a>> {
        let users = self.users(file);
        let days = self.days(file);
        let may_open = may(visitor, file, (&users, &days), false);
        let used_by: Vec<&Entry> = users
            .iter()
            .copied()
            .filter(|entry| visitor.sees_entry(entry))
            .collect();
        let things = file
            .holds
            .iter()
            .map(|(kind, name)| self.thing(*kind, name));
        let holds: Vec<Thing> = things
            .filter(|thing| match (thing.kind, thing.entry) {
                (spec::Kind::Stack, _) => visitor.sees_stack(thing.name),
                (spec::Kind::GameDay, _) => {
                    thing.day.is_some_and(|day| visitor.sees_day(day)) || may_open
                }
                (_, Some(entry)) => visitor.sees_entry(entry) || may_open,
                (_, None) => !used_by.is_empty() || may_open,
            })
            .collect();
        let told = if file.holds.is_empty() {
            visitor.may(Permission::Operate, &Subject::Anywhere)
        } else {
            !holds.is_empty()
        };
        told.then(|| Shown {
            file,
            holds,
            used_by,
            may_open,
            may_save: may(visitor, file, (&users, &days), true),
        })
    }

    /// The game days that a file holds.
    fn days(&self, file: &Listed) -> Vec<&DayEntry> {
        let held = file.holds.iter();
        held.filter(|(kind, _)| *kind == spec::Kind::GameDay)
            .filter_map(|(_, name)| self.contents.day(name))
            .collect()
    }

    fn thing<'a>(&'a self, kind: spec::Kind, name: &'a str) -> Thing<'a> {
        let entry = match kind {
            spec::Kind::Drill => self.contents.get(Kind::Drill, name),
            spec::Kind::Experiment => self.contents.get(Kind::Experiment, name),
            _ => None,
        };
        let day = (kind == spec::Kind::GameDay).then(|| self.contents.day(name));
        Thing {
            kind,
            name,
            entry,
            day: day.flatten(),
        }
    }

    /// The entries that a file is a part of.
    fn users(&self, file: &Listed) -> Vec<&Entry> {
        let entries = self.contents.entries.iter().zip(&self.parts);
        entries
            .filter(|(_, parts)| parts.contains(&file.canonical))
            .map(|(entry, _)| entry)
            .collect()
    }
}

/// Where a file counts: at each entry that uses it, and at all drills of a game day that it holds; a stack at itself
/// besides.
fn may(
    visitor: &Visitor,
    file: &Listed,
    (users, days): (&[&Entry], &[&DayEntry]),
    all: bool,
) -> bool {
    if visitor.may(Permission::Operate, &Subject::Everywhere) {
        return true;
    }
    let at = |entry: &&Entry| match &entry.plan {
        Ok(plan) => visitor.may(Permission::Operate, &Subject::At(of_plan(plan))),
        Err(_) => false,
    };
    let stacks = file
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
    answers.extend(
        days.iter()
            .map(|day| visitor.holds_throughout(day, Permission::Operate)),
    );
    if all {
        !answers.is_empty() && answers.iter().all(|answer| *answer)
    } else {
        answers.contains(&true)
    }
}

/// Experiments and drills by their names; nothing of none.
pub(super) fn users(entries: &[&Entry]) -> String {
    let kinds = [Kind::Experiment, Kind::Drill].into_iter();
    let told = kinds.filter_map(|kind| {
        let of_kind = entries.iter().filter(|entry| entry.kind == kind);
        let names: Vec<&str> = of_kind.map(|entry| entry.name.as_str()).collect();
        let many = if names.len() == 1 { "" } else { "s" };
        (!names.is_empty()).then(|| format!("{}{many} {}", kind.as_str(), names.join(", ")))
    });
    told.collect::<Vec<_>>().join("; ")
}

impl Held {
    /// The file at this path of the list, where a visitor may open it.
    pub(super) async fn of(
        services: &Services,
        visitor: &Visitor,
        path: &str,
    ) -> Result<Self, Problem> {
        let files = Files::of(services).await?;
        let listed = files.listed.iter().find(|file| file.path == path).cloned();
        let wanted = path.to_owned();
        let opened = match &listed {
            Some(_) => at_desk(services, move |desk| desk.open(&wanted)).await?,
            None => None,
        };
        let (listed, opened) = listed.zip(opened).ok_or_else(|| unknown(path))?;
        let users = files.users(&listed);
        let days = files.days(&listed);
        if !may(visitor, &listed, (&users, &days), false) {
            return Err(not_allowed("what"));
        }
        Ok(Self {
            may_save: may(visitor, &listed, (&users, &days), true),
            listed,
            opened,
            files,
        })
    }

    /// That they may save it as well.
    pub(super) fn must_save(&self) -> Result<(), Problem> {
        if self.may_save {
            Ok(())
        } else {
            Err(not_allowed("all that"))
        }
    }

    /// What it is a part of, beside itself.
    pub(super) fn used_by(&self) -> String {
        let mut users = self.files.users(&self.listed);
        users.retain(|entry| entry.path != self.listed.path);
        self::users(&users)
    }

    /// What of it can be started.
    pub(super) fn entry(&self) -> Option<&Entry> {
        [spec::Kind::Drill, spec::Kind::Experiment]
            .into_iter()
            .find_map(|wanted| {
                let mut held = self.listed.holds.iter();
                let (_, name) = held.find(|(kind, _)| *kind == wanted)?;
                self.files.thing(wanted, name).entry
            })
    }

    /// The game day that it holds.
    pub(super) fn day(&self) -> Option<&DayEntry> {
        self.files.days(&self.listed).first().copied()
    }

    /// What a run of it would do.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.entry()?.plan.as_ref().ok().map(Arc::as_ref)
    }
}

fn unknown(path: &str) -> Problem {
    let path: String = path.chars().take(200).collect();
    Problem::missing("no-such-file", Unsaved::Unknown(path).to_string())
}

fn not_allowed(what: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-allowed",
        format!("your role does not hold for {what} this file is used by"),
    )
}

/// What a text would do in place of a file, or as a new one.
pub(super) async fn consider(
    services: &Services,
    path: &str,
    text: &str,
) -> Result<Considered, Problem> {
    let (path, text) = (path.to_owned(), text.to_owned());
    at_desk(services, move |desk| desk.consider(&path, &text)).await
}

/// Saves a text in place of the one that `tag` is of.
pub(super) async fn save(
    services: &Services,
    path: &str,
    text: &str,
    tag: &str,
    although_others_break: bool,
) -> Result<Result<(), Unsaved>, Problem> {
    let (path, text, tag) = (path.to_owned(), text.to_owned(), tag.to_owned());
    let saved = at_desk(services, move |desk| {
        desk.save(&path, &text, &tag, although_others_break)
    })
    .await?;
    if saved.is_ok() {
        services.library.forget();
    }
    Ok(saved.map(|_| ()))
}

/// Saves a new file; answers with its path.
pub(super) async fn create(
    services: &Services,
    kind: spec::Kind,
    name: &str,
    text: &str,
) -> Result<Result<String, Unsaved>, Problem> {
    let (name, text) = (name.to_owned(), text.to_owned());
    let created = at_desk(services, move |desk| desk.create(kind, &name, &text)).await?;
    if created.is_ok() {
        services.library.forget();
    }
    Ok(created)
}

/// Where a new file would be.
pub(super) async fn place_of(
    services: &Services,
    kind: spec::Kind,
    name: &str,
) -> Result<Result<String, Unsaved>, Problem> {
    let name = name.to_owned();
    at_desk(services, move |desk| desk.place_of(kind, &name)).await
}

/// Looks at every target of a plan, and touches nothing.
pub(super) async fn look(
    services: &Services,
    visitor: &Visitor,
    plan: &Plan,
) -> Result<Looked, Problem> {
    visitor.must(Permission::Operate, &Subject::At(of_plan(plan)))?;
    let inspector = &services.supervisor.ports().inspector;
    let plan = inspector.draw(plan.clone(), services.ids().seed()).await;
    let found = inspector.look(&plan).await;
    Ok(Looked { plan, found })
}

/// A kind by its name.
pub(super) fn kind(text: &str) -> Result<spec::Kind, Problem> {
    text.parse()
        .map_err(|error: spec::document::UnknownKindName| {
            Problem::unprocessable("unknown-kind", error.to_string())
        })
}

/// The status with which an edit is refused.
pub(super) fn status(why: &Unsaved) -> StatusCode {
    match why {
        Unsaved::Unknown(_) => StatusCode::NOT_FOUND,
        Unsaved::Changed => StatusCode::PRECONDITION_FAILED,
        Unsaved::Exists(_) | Unsaved::Breaks => StatusCode::CONFLICT,
        Unsaved::Name(_) | Unsaved::Errors => StatusCode::UNPROCESSABLE_ENTITY,
        Unsaved::Commands(_) => StatusCode::FORBIDDEN,
        Unsaved::Disk(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What a new file begins with.
pub(super) fn skeleton(kind: spec::Kind, name: &str) -> String {
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
        spec::Kind::GameDay => format!(
            "kind: GameDay\nname: {name}\nabout: \ndrills:\n  - {{drill: }}\n  - {{drill: , pause: 15m}}\ngoes_on: passed_or_failed\n"
        ),
        spec::Kind::Runbook => format!(
            "---\nkind: Runbook\nname: {name}\nclass: availability\nexpect:\n  - {{id: ack, event: acknowledged, by: human, within: 5m, from: paged}}\n---\n\n## 1. Confirm\n"
        ),
        spec::Kind::Team => format!("kind: Team\nname: {name}\nmembers: []\n"),
        spec::Kind::Channel => format!("kind: Channel\nname: {name}\n"),
        spec::Kind::Messages => format!("kind: Messages\nname: {name}\nlanguage: en\n"),
    }
}
