//! The library on disk: files below some folders, read when they are asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::catalogue::{Catalogue, Contents, DayEntry, Entry, Finding, Kind, Refused, StackEntry};
use super::desk::Desk;
use crate::messages::Texts;
use crate::model::gameday::Programme;
use crate::model::plan::Plan;
use crate::shipped;
use crate::spec::{self, Findings, Item, Library, Options, Source};

/// How old a listing may be. Starting a run reads its files anew.
const FRESH: Duration = Duration::from_secs(2);

/// The shipped texts of messages.
pub(super) static SHIPPED: LazyLock<Texts> = LazyLock::new(|| {
    let sources = shipped::FILES
        .iter()
        .filter(|(path, _)| path.starts_with("messages/"))
        .map(|(path, text)| Source::new(*path, *text));
    let mut texts = Texts::default();
    for messages in Library::of(sources, Options::default()).messages(&[]) {
        texts.add(messages);
    }
    texts
});

/// Files below some folders.
#[derive(Debug)]
pub struct Shelf {
    paths: Vec<PathBuf>,
    options: Options,
    last: Mutex<Option<(Instant, Arc<Contents>)>>,
    texts: Mutex<Option<(Instant, Arc<Texts>)>>,
    desk: Desk,
}

impl Shelf {
    /// The files in `paths`, which are files or folders, read with `options`.
    pub fn new(paths: Vec<PathBuf>, options: Options) -> Self {
        Self {
            desk: Desk::new(paths.clone(), listing(&options)),
            paths,
            options,
            last: Mutex::new(None),
            texts: Mutex::new(None),
        }
    }

    fn listing(&self) -> Options {
        listing(&self.options)
    }

    fn read(&self) -> Contents {
        let items = Library::new(self.listing()).items(&self.paths);
        let mut library = Library::new(self.listing());
        let mut contents = Contents::default();
        for item in &items {
            let Some(kind @ (Kind::Experiment | Kind::Drill)) = kind(item) else {
                continue;
            };
            let plan = library.plan(&PathBuf::from(&item.path));
            contents.entries.push(Entry {
                kind,
                name: item.name.clone(),
                path: item.path.clone(),
                plan: plan.map(Arc::new).map_err(|found| findings(&found)),
                secret: false,
            });
        }
        for item in items.iter().filter(|item| kind(item) == Some(Kind::Stack)) {
            let plans = contents
                .entries
                .iter()
                .filter_map(|entry| entry.plan.as_ref().ok());
            let stack = plans
                .filter(|plan| plan.stack.name.as_str() == item.name)
                .min_by_key(|plan| plan.name().to_owned());
            contents.stacks.push(StackEntry {
                name: item.name.clone(),
                path: item.path.clone(),
                stack: stack.cloned(),
            });
        }
        for item in items.iter().filter(|it| it.kind == spec::Kind::GameDay) {
            let programme = library.programme(&PathBuf::from(&item.path));
            contents.days.push(DayEntry {
                name: item.name.clone(),
                path: item.path.clone(),
                programme: programme.map(Arc::new).map_err(|found| findings(&found)),
            });
        }
        contents.veiled()
    }
}

/// Options that leave secrets as they are written: what is listed is shown.
fn listing(options: &Options) -> Options {
    Options {
        env: Arc::new(|name| Some(format!("${{env:{name}}}"))),
        ..options.clone()
    }
}

impl Catalogue for Shelf {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn contents(&self) -> Arc<Contents> {
        // The lock is held while reading: of many who ask at once, one reads.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, contents)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return contents.clone();
        }
        let contents = Arc::new(self.read());
        *last = Some((Instant::now(), contents.clone()));
        contents
    }

    fn check(&self) -> (usize, Vec<Finding>) {
        let paths: Vec<PathBuf> = self
            .paths
            .iter()
            .filter(|it| it.exists())
            .cloned()
            .collect();
        let report = Library::new(self.listing()).validate(&paths);
        (report.files.len(), findings(&report.findings))
    }

    fn messages(&self) -> Arc<Texts> {
        let mut last = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, texts)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return texts.clone();
        }
        let mut texts = SHIPPED.clone();
        for messages in Library::new(self.listing()).messages(&self.paths) {
            texts.add(messages);
        }
        let texts = Arc::new(texts);
        *last = Some((Instant::now(), texts.clone()));
        texts
    }

    fn plan(
        &self,
        wanted: Kind,
        name: &str,
        vars: &BTreeMap<String, String>,
    ) -> Result<Plan, Refused> {
        let items = Library::new(self.listing()).items(&self.paths);
        let item = items
            .iter()
            .find(|item| kind(item) == Some(wanted) && item.name == name)
            .ok_or(Refused::Unknown)?;
        spec::load_plan(&PathBuf::from(&item.path), &with(&self.options, vars))
            .map_err(|found| Refused::Findings(findings(&found)))
    }

    fn programme(&self, name: &str, vars: &BTreeMap<String, String>) -> Result<Programme, Refused> {
        let items = Library::new(self.listing()).items(&self.paths);
        let item = items
            .iter()
            .find(|item| item.kind == spec::Kind::GameDay && item.name == name)
            .ok_or(Refused::Unknown)?;
        Library::new(with(&self.options, vars))
            .programme(&PathBuf::from(&item.path))
            .map_err(|found| Refused::Findings(findings(&found)))
    }
}

/// The options of a shelf, with these values of variables.
fn with(options: &Options, vars: &BTreeMap<String, String>) -> Options {
    let mut options = options.clone();
    options.vars.extend(vars.clone());
    options
}

fn kind(item: &Item) -> Option<Kind> {
    match item.kind {
        spec::Kind::Stack => Some(Kind::Stack),
        spec::Kind::Experiment => Some(Kind::Experiment),
        spec::Kind::Drill => Some(Kind::Drill),
        _ => None,
    }
}

/// Findings as pages and the API list them.
pub(super) fn findings(found: &Findings) -> Vec<Finding> {
    found
        .iter()
        .map(|one| {
            let place = one.span.map(|span| one.file.position(span.start));
            let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
            Finding {
                severity: match one.severity {
                    spec::Severity::Error => "error",
                    spec::Severity::Warning => "warning",
                }
                .to_owned(),
                code: one.code.as_str().to_owned(),
                file: one.file.path.clone(),
                line: place.map(|(line, _)| count(line)),
                column: place.map(|(_, column)| count(column)),
                message: one.message.clone(),
                hint: one.hint.clone(),
            }
        })
        .collect()
}
