//! From paths to plans: gathers the files that belong together, checks each alone and all against each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::model::channel::Channel;
use crate::model::drill::Drill;
use crate::model::experiment::Experiment;
use crate::model::gameday::Programme;
use crate::model::messages::Messages;
use crate::model::plan::{Exercise, Plan, SourceFile};
use crate::model::stack::Stack;

use super::check::{channel, drill, experiment, gameday, messages, runbook, stack, team};
use super::code::Code;
use super::diagnostic::{Diagnostic, Severity, Source};
use super::document::{Document, Kind};
use super::findings::{Findings, Sink};
use super::library::{File, Found, Library, Options};
use super::resolve::{self, Read};
use super::tree::Node;

/// What a look at files found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The files looked at.
    pub files: Vec<PathBuf>,
    /// What was found in them, and in the files that they need.
    pub findings: Findings,
}

/// What a file asks to be run.
#[derive(Debug, Clone, PartialEq)]
pub enum Loaded {
    /// An experiment or a drill.
    Plan(Box<Plan>),
    /// Drills, one after the other.
    GameDay(Box<Programme>),
}

/// Reads what a file asks to be run. Warnings alone don't stop it.
pub fn load(target: &Path, options: &Options) -> Result<Loaded, Findings> {
    let mut library = Library::new(options.clone());
    if library.holds_game_day(target) {
        let programme = library.programme(target)?;
        return Ok(Loaded::GameDay(Box::new(programme)));
    }
    Ok(Loaded::Plan(Box::new(library.plan(target)?)))
}

/// Makes the plan of an experiment's or a drill's file. Warnings alone don't stop it.
pub fn load_plan(target: &Path, options: &Options) -> Result<Plan, Findings> {
    Library::new(options.clone()).plan(target)
}

/// Checks files, and all files below folders: each alone, and experiments and drills with all that they need.
pub fn validate(paths: &[PathBuf], options: &Options) -> Report {
    Library::new(options.clone()).validate(paths)
}

impl Library {
    /// Makes the plan of an experiment's or a drill's file. Warnings alone don't stop it.
    pub fn plan(&mut self, target: &Path) -> Result<Plan, Findings> {
        let file = self.load(target);
        let mut gathered = Gathered::default();
        match one_target(&file) {
            Ok(document) => gathered.document(self, &file, document),
            Err(finding) => gathered.found.extend(finding),
        }
        gathered.take(&file);
        gathered.unknown_overrides(self.options(), &file);
        let failed = gathered.found.iter().any(is_error);
        if gathered.plan.is_none() && !failed {
            gathered.found.push(unread(&file.source));
        }
        match gathered.plan {
            Some(plan) if !failed => Ok(plan),
            _ => Err(Findings::new(gathered.found)),
        }
    }

    /// Whether a file is to be run as a game day: drills beside it in the file are its own.
    pub fn holds_game_day(&mut self, target: &Path) -> bool {
        let file = self.load(target);
        let mut kinds = file.documents.iter().map(|document| document.kind);
        kinds.any(|kind| kind == Kind::GameDay)
    }

    /// Makes the plans of a game day's drills. Warnings alone don't stop it.
    pub fn programme(&mut self, target: &Path) -> Result<Programme, Findings> {
        let file = self.load(target);
        let mut gathered = Gathered::default();
        match one_of(&file, Kind::GameDay) {
            Ok(Some(document)) => gathered.document(self, &file, document),
            Ok(None) => {}
            Err(finding) => gathered.found.push(finding),
        }
        gathered.take(&file);
        gathered.unknown_overrides(self.options(), &file);
        let failed = gathered.found.iter().any(is_error);
        if gathered.programme.is_none() && !failed {
            gathered.found.push(unread(&file.source));
        }
        match gathered.programme {
            Some(programme) if !failed => Ok(programme),
            _ => Err(Findings::new(gathered.found)),
        }
    }

    /// The files that a validation of these files and folders looks at, unchecked.
    pub fn listed(&mut self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let files = self.ours(paths).into_iter();
        files.map(|(path, _)| path).collect()
    }

    fn ours(&mut self, paths: &[PathBuf]) -> Vec<(PathBuf, Arc<File>)> {
        let mut files: Vec<(PathBuf, Arc<File>)> = Vec::new();
        for given in paths {
            for path in self.files(given) {
                let file = self.load(&path);
                // Below a folder, Markdown that doesn't say that it is ours is somebody else's.
                let foreign = path != *given
                    && path.extension().is_some_and(|end| end == "md")
                    && !claims(&file);
                if !foreign && !files.iter().any(|(_, other)| Arc::ptr_eq(other, &file)) {
                    self.give(&path);
                    files.push((path, file));
                }
            }
        }
        files
    }

    /// Checks files, and all files below folders.
    pub fn validate(&mut self, paths: &[PathBuf]) -> Report {
        let files = self.ours(paths);
        let mut gathered = Gathered::default();
        for (_, file) in &files {
            gathered.take(file);
            for document in &file.documents {
                gathered.document(self, file, document);
            }
        }
        if let Some((_, first)) = files.first() {
            gathered.unknown_overrides(self.options(), first);
        }
        Report {
            files: files.into_iter().map(|(path, _)| path).collect(),
            findings: Findings::new(gathered.found),
        }
    }
}

impl Library {
    /// The texts of messages in these files and folders, in the order of their names. Those with findings are left out:
    /// `validate` shows them.
    pub fn messages(&mut self, paths: &[PathBuf]) -> Vec<Messages> {
        let items = self.items(paths);
        let of_kind = items.iter().filter(|item| item.kind == Kind::Messages);
        let files: Vec<Arc<File>> = of_kind
            .map(|item| self.load(Path::new(&item.path)))
            .collect();
        let documents = files.iter().flat_map(|file| &file.documents);
        documents
            .filter(|document| document.kind == Kind::Messages)
            .filter_map(|document| {
                let mut sink = Sink::new(&document.source);
                messages::read(&document.root, &mut sink)
            })
            .collect()
    }
}

/// A mistake of firedrill's own: better said than passed over.
fn unread(source: &Arc<Source>) -> Diagnostic {
    let message = "this file passed every check and still could not be read: please report it";
    Diagnostic::error(Code::Unread, source, None, message)
}

fn is_error(one: &Diagnostic) -> bool {
    one.severity == Severity::Error
}

/// Whether a Markdown file's front matter names a kind.
fn claims(file: &File) -> bool {
    let text = &file.source.text;
    let front = text
        .strip_prefix("---")
        .and_then(|rest| rest.split("\n---").next());
    front.is_some_and(|front| front.lines().any(|line| line.starts_with("kind:")))
}

/// The one document of a kind in a file; nothing where there is none.
fn one_of(file: &File, kind: Kind) -> Result<Option<&Document>, Diagnostic> {
    let mut all = file
        .documents
        .iter()
        .filter(|document| document.kind == kind);
    let (first, second) = (all.next(), all.next());
    let Some(other) = second else {
        return Ok(first);
    };
    let span = other.root.entry("kind").map(|entry| entry.value.span);
    let what = kind.words();
    let hint = match kind {
        Kind::GameDay => "put the others into files of their own",
        _ => "a run is made of one: put the others into files of their own",
    };
    Err(Diagnostic::error(
        Code::WrongKind,
        &file.source,
        span,
        format!("this file holds more than one {what}"),
    )
    .hint(hint))
}

/// The document of a file that a run is made of: its drill, else its experiment.
fn one_target(file: &File) -> Result<&Document, Option<Diagnostic>> {
    for kind in [Kind::Drill, Kind::Experiment] {
        if let Some(one) = one_of(file, kind).map_err(Some)? {
            return Ok(one);
        }
    }
    let Some(document) = file.documents.first() else {
        // Why there is no document is already among the file's findings.
        return Err(None);
    };
    let span = document.root.entry("kind").map(|entry| entry.value.span);
    let message = format!("a {} can't be run", document.kind.words());
    Err(Some(
        Diagnostic::error(Code::WrongKind, &file.source, span, message)
            .hint("name a file of `kind: Experiment`, `kind: Drill` or `kind: GameDay`"),
    ))
}

/// What belongs to one run, and what was found on the way.
#[derive(Debug, Default)]
struct Gathered {
    found: Vec<Diagnostic>,
    files: Vec<Arc<File>>,
    plan: Option<Plan>,
    programme: Option<Programme>,
}

impl Gathered {
    /// Takes over what a file's own parsing found, once.
    fn take(&mut self, file: &Arc<File>) {
        if !self.files.iter().any(|other| Arc::ptr_eq(other, file)) {
            self.files.push(Arc::clone(file));
            self.found.extend(file.found.iter().cloned());
        }
    }

    /// An override that no file declares is a slip of the pen, and would silently change nothing.
    fn unknown_overrides(&mut self, options: &Options, target: &Arc<File>) {
        let documents = self.files.iter().flat_map(|file| &file.documents);
        let declared: BTreeSet<&String> =
            documents.flat_map(|document| &document.variables).collect();
        for name in options.vars.keys().filter(|name| !declared.contains(name)) {
            let known = declared.iter().map(|name| name.as_str());
            let mut sink = Sink::new(&target.source);
            let finding = super::check::refer::unknown(
                Code::UnknownOverride,
                "variable",
                name,
                super::Span::default(),
                known,
                &mut sink,
            );
            finding.span = None;
            finding.message.push_str(" to give a value to");
            self.found.extend(sink.into_found());
        }
    }

    /// Reads a document by its reader; what that finds is kept.
    fn read<T>(
        &mut self,
        document: &Document,
        reader: impl FnOnce(&Node, &mut Sink) -> Option<T>,
    ) -> Option<T> {
        let mut sink = Sink::new(&document.source);
        let value = reader(&document.root, &mut sink);
        self.found.extend(sink.into_found());
        let clean = !self
            .found
            .iter()
            .any(|one| is_error(one) && one.file == document.source);
        if value.is_none() && clean {
            self.found.push(unread(&document.source));
        }
        // A value of a file with errors is not what its author meant.
        value.filter(|_| clean)
    }

    fn document(&mut self, library: &mut Library, file: &Arc<File>, document: &Document) {
        self.take(file);
        match document.kind {
            Kind::Stack => drop(self.read(document, stack::read)),
            Kind::Team => drop(self.read(document, team::read)),
            Kind::Channel => drop(self.read(document, channel::read)),
            Kind::Messages => drop(self.read(document, messages::read)),
            Kind::Runbook => drop(self.read(document, |root, sink| {
                runbook::read(root, &document.body, sink)
            })),
            Kind::Experiment => {
                if let Some((stack, experiment)) = self.experiment(library, file, document) {
                    let files = Self::sources(&[&stack.0.file, file]);
                    let stack = Read {
                        document: stack.0.document(),
                        value: stack.1,
                    };
                    let experiment = Read {
                        document,
                        value: experiment,
                    };
                    let (plan, found) = resolve::resolve(stack, experiment, None, files);
                    self.found.extend(found);
                    self.plan = plan;
                }
            }
            Kind::Drill => self.drill(library, file, document),
            Kind::GameDay => self.game_day(library, file, document),
        }
    }

    /// Looks a name up, at the value of `key`.
    fn find(
        &mut self,
        document: &Document,
        key: &str,
        look: impl FnOnce(&Node, &mut Sink) -> Option<Found>,
    ) -> Option<Found> {
        let node = document.root.get(key)?;
        let mut sink = Sink::new(&document.source);
        let found = look(node, &mut sink);
        self.found.extend(sink.into_found());
        if let Some(found) = &found {
            self.take(&found.file);
        }
        found
    }

    fn experiment(
        &mut self,
        library: &mut Library,
        file: &Arc<File>,
        document: &Document,
    ) -> Option<((Found, Stack), Experiment)> {
        let home = self.find(document, "stack", |node, sink| {
            library.find(Kind::Stack, node, file, sink)
        });
        let stack = home
            .as_ref()
            .and_then(|home| self.read(home.document(), stack::read));
        let experiment = self.read_leniently(document, |root, sink| {
            experiment::read(root, stack.as_ref(), sink)
        });
        Some(((home?, stack?), experiment?))
    }

    /// As `read`, where a missing value may be another file's fault.
    fn read_leniently<T>(
        &mut self,
        document: &Document,
        reader: impl FnOnce(&Node, &mut Sink) -> Option<T>,
    ) -> Option<T> {
        if self.found.iter().any(is_error) {
            let mut sink = Sink::new(&document.source);
            let value = reader(&document.root, &mut sink);
            self.found.extend(sink.into_found());
            let clean = !self
                .found
                .iter()
                .any(|one| is_error(one) && one.file == document.source);
            return value.filter(|_| clean);
        }
        self.read(document, reader)
    }

    fn drill(&mut self, library: &mut Library, file: &Arc<File>, document: &Document) {
        let experiment_at = self.find(document, "experiment", |node, sink| {
            library.find(Kind::Experiment, node, file, sink)
        });
        let runbook_at = self.find(document, "runbook", |node, sink| {
            library.find_runbook(node, file, sink)
        });
        let team_at = self.find(document, "team", |node, sink| {
            library.find(Kind::Team, node, file, sink)
        });
        let channels = self.channels(library, file, document);
        let world = experiment_at
            .as_ref()
            .and_then(|at| self.experiment(library, &at.file, at.document()));
        let runbook = runbook_at.as_ref().and_then(|at| {
            self.read(at.document(), |root, sink| {
                runbook::read(root, &at.document().body, sink)
            })
        });
        let team = team_at
            .as_ref()
            .and_then(|at| self.read(at.document(), team::read));
        let name = runbook.as_ref().map(|runbook| &runbook.name);
        let drill: Option<Drill> =
            self.read_leniently(document, |root, sink| drill::read(root, name, sink));
        let (Some(experiment_at), Some(((stack_at, stack), experiment))) = (experiment_at, world)
        else {
            return;
        };
        self.cross(document, |root, sink| {
            drill::against(root, &stack, &experiment, sink);
        });
        if let Some(team) = &team {
            self.cross(document, |root, sink| drill::against_team(root, team, sink));
        }
        if let (Some(at), Some(drill)) = (&runbook_at, &drill) {
            self.cross(at.document(), |root, sink| {
                runbook::against(root, &stack, &experiment, drill, sink);
            });
        }
        let (Some(runbook_at), Some(team_at)) = (runbook_at, team_at) else {
            return;
        };
        let Some(channels) = channels else { return };
        let mut files = vec![
            &stack_at.file,
            &experiment_at.file,
            &runbook_at.file,
            &team_at.file,
        ];
        files.extend(channels.iter().map(|(at, _)| &at.file));
        files.push(file);
        let files = Self::sources(&files);
        let exercise = match (drill, runbook, team) {
            (Some(drill), Some(runbook), Some(team)) => Some(Exercise {
                drill,
                runbook,
                team,
                channels: channels.into_iter().map(|(_, channel)| channel).collect(),
            }),
            _ => return,
        };
        let stack = Read {
            document: stack_at.document(),
            value: stack,
        };
        let experiment = Read {
            document: experiment_at.document(),
            value: experiment,
        };
        let (plan, found) = resolve::resolve(stack, experiment, exercise, files);
        self.found.extend(found);
        self.plan = plan;
    }

    fn game_day(&mut self, library: &mut Library, file: &Arc<File>, document: &Document) {
        let day = self.read(document, gameday::read);
        let items = document.root.get("drills").map_or(&[][..], Node::items);
        let mut plans = Vec::new();
        let mut sources = Self::sources(&[file]);
        for item in items {
            let Some(node) = item.get("drill") else {
                continue;
            };
            let mut sink = Sink::new(&document.source);
            let found = library.find(Kind::Drill, node, file, &mut sink);
            self.found.extend(sink.into_found());
            let Some(found) = found else { continue };
            self.drill(library, &found.file, found.document());
            // What its files need of each other is found with it, and is theirs.
            self.take(&found.file);
            let Some(plan) = self.plan.take() else {
                continue;
            };
            self.cross(document, |_, sink| gameday::against(item, &plan, sink));
            for source in &plan.files {
                if !sources.contains(source) {
                    sources.push(source.clone());
                }
            }
            plans.push(plan);
        }
        if let Some(day) = day
            && day.drills.len() == plans.len()
        {
            self.programme = Some(Programme {
                day,
                plans,
                files: sources,
            });
        }
    }

    /// The channels that a drill names, with their files; nothing where one of them can't be had.
    fn channels(
        &mut self,
        library: &mut Library,
        file: &Arc<File>,
        document: &Document,
    ) -> Option<Vec<(Found, Channel)>> {
        let named = document.root.get("channels").map_or(&[][..], Node::items);
        let mut all = Some(Vec::new());
        for node in named {
            let mut sink = Sink::new(&document.source);
            let found = library.find(Kind::Channel, node, file, &mut sink);
            self.found.extend(sink.into_found());
            let channel = found.as_ref().and_then(|found| {
                self.take(&found.file);
                self.read(found.document(), channel::read)
            });
            match (found, channel, &mut all) {
                (Some(found), Some(channel), Some(all)) => all.push((found, channel)),
                (Some(_), Some(_), None) => {}
                _ => all = None,
            }
        }
        all
    }

    fn cross(&mut self, document: &Document, check: impl FnOnce(&Node, &mut Sink)) {
        let mut sink = Sink::new(&document.source);
        check(&document.root, &mut sink);
        self.found.extend(sink.into_found());
    }

    /// The files of a plan with their digests, each once.
    fn sources(files: &[&Arc<File>]) -> Vec<SourceFile> {
        let mut all: Vec<SourceFile> = Vec::new();
        for file in files {
            let path = file.source.path.clone();
            if !all.iter().any(|other| other.path == path) {
                let digest = Sha256::digest(file.source.text.as_bytes());
                let sha256 = hex(&digest);
                all.push(SourceFile { path, sha256 });
            }
        }
        all
    }
}

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
