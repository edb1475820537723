//! Where other files are found by name: folders are read when something in them is asked for, once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::names::{did_you_mean, listed, nearest};
use super::code::Code;
use super::diagnostic::{Diagnostic, Source, Span};
use super::document::{self, Document, Kind};
use super::findings::Sink;
use super::source;
use super::tree::{Node, short};
use crate::secret::Environment;

/// Where files are looked for, and what is put into them.
#[derive(Clone)]
pub struct Options {
    /// Where stacks are (`--stacks DIR`). When absent: `stacks/` in the working folder, then beside the file's folder.
    pub stacks_dir: Option<PathBuf>,
    /// Where the other kinds are (`--library DIR`). When absent: beside the file.
    pub library_dir: Option<PathBuf>,
    /// Values of variables (`--var k=v`).
    pub vars: BTreeMap<String, String>,
    /// Where `${env:NAME}` is looked up. Plans keep the reference: only whether it is set matters to them.
    pub env: Environment,
}

impl Default for Options {
    /// The usual folders, no variables, and an empty environment.
    fn default() -> Self {
        Self {
            stacks_dir: None,
            library_dir: None,
            vars: BTreeMap::new(),
            env: Arc::new(|_| None),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("stacks_dir", &self.stacks_dir)
            .field("library_dir", &self.library_dir)
            .field("vars", &self.vars)
            .finish_non_exhaustive()
    }
}

/// One file and its documents.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) source: Arc<Source>,
    pub(crate) documents: Vec<Document>,
    /// What parsing and the check of its shape found.
    pub(crate) found: Vec<Diagnostic>,
}

/// A document of a library, as pages list it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: String,
}

/// Files by kind and name.
#[derive(Debug)]
pub struct Library {
    options: Options,
    on_disk: bool,
    /// Files given, which come before those of folders.
    given: Vec<Arc<File>>,
    /// Files read, by their one spelling.
    read: BTreeMap<PathBuf, Arc<File>>,
    folders: BTreeMap<PathBuf, Vec<Arc<File>>>,
}

/// A document found: the file it is in, and its place there.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) file: Arc<File>,
    index: usize,
}

impl Found {
    pub(crate) fn document(&self) -> &Document {
        &self.file.documents[self.index]
    }
}

const SHELVES: [&str; 8] = [
    "stacks",
    "experiments",
    "drills",
    "gamedays",
    "runbooks",
    "teams",
    "channels",
    "messages",
];

impl Library {
    /// A library on disk.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            on_disk: true,
            given: Vec::new(),
            read: BTreeMap::new(),
            folders: BTreeMap::new(),
        }
    }

    /// A library of these files only; the disk is left alone.
    pub fn of(sources: impl IntoIterator<Item = Arc<Source>>, options: Options) -> Self {
        let mut library = Self::new(options);
        library.on_disk = false;
        for source in sources {
            let file = library.parse(&source);
            library
                .read
                .insert(PathBuf::from(&source.path), Arc::clone(&file));
            library.given.push(file);
        }
        library
    }

    /// What these files and folders hold, in the order of kinds and names. Documents without a usable name are left out.
    pub fn items(&mut self, paths: &[PathBuf]) -> Vec<Item> {
        for path in paths {
            for path in self.files(path) {
                self.give(&path);
            }
        }
        let documents = self.given.iter().flat_map(|file| &file.documents);
        let mut items: Vec<Item> = documents
            .filter_map(|document| {
                Some(Item {
                    kind: document.kind,
                    name: document.name.clone()?,
                    path: document.source.path.clone(),
                })
            })
            .collect();
        items.sort();
        items.dedup();
        items
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// A file, or every file below a folder.
    pub(crate) fn files(&self, path: &Path) -> Vec<PathBuf> {
        if self.on_disk && source::is_folder(path) {
            source::files_below(path)
        } else {
            vec![path.to_owned()]
        }
    }

    /// Adds a file to those that come before the folders.
    pub(crate) fn give(&mut self, path: &Path) -> Arc<File> {
        let file = self.load(path);
        if !self.given.iter().any(|other| Arc::ptr_eq(other, &file)) {
            self.given.push(Arc::clone(&file));
        }
        file
    }

    /// Reads a file, once. One that can't be read has no documents and says why.
    pub(crate) fn load(&mut self, path: &Path) -> Arc<File> {
        let key = if self.on_disk {
            source::canonical(path)
        } else {
            path.to_owned()
        };
        if let Some(file) = self.read.get(&key) {
            return Arc::clone(file);
        }
        let failed = |source: Arc<Source>, finding| {
            Arc::new(File {
                source,
                documents: Vec::new(),
                found: vec![finding],
            })
        };
        let file = if self.on_disk {
            match source::read(path) {
                Ok(source) => self.parse(&source),
                Err(finding) => failed(Arc::clone(&finding.file), finding),
            }
        } else {
            let source = Source::new(path.to_string_lossy(), "");
            let finding =
                Diagnostic::error(Code::UnreadableFile, &source, None, "there is no such file");
            failed(source, finding)
        };
        self.read.insert(key, Arc::clone(&file));
        file
    }

    /// Takes `text` for what the file `path` holds, whatever is on disk.
    pub(crate) fn overlay(&mut self, path: &Path, text: &str) {
        let source = Source::new(path.to_string_lossy(), text);
        let folder = source::canonical(Path::new(&source.folder));
        let source = source.in_folder(folder.to_string_lossy().into_owned());
        let file = self.parse(&source);
        self.read.insert(source::canonical(path), file);
    }

    fn parse(&mut self, source: &Arc<Source>) -> Arc<File> {
        let (documents, found) = document::parse(source, &self.options.vars, &self.options.env);
        Arc::new(File {
            source: Arc::clone(source),
            documents,
            found,
        })
    }

    /// The folders in which a kind is looked for, nearest first, for a file of this folder.
    fn places(&self, kind: Kind, beside: &Path) -> Vec<PathBuf> {
        if !self.on_disk {
            return Vec::new();
        }
        let parent = beside.join("..");
        let chosen = match kind {
            Kind::Stack => self
                .options
                .stacks_dir
                .as_ref()
                .or(self.options.library_dir.as_ref()),
            _ => self.options.library_dir.as_ref(),
        };
        let shelves = |folder: &Path| SHELVES.map(|shelf| folder.join(shelf)).to_vec();
        if let Some(folder) = chosen {
            let mut places = vec![folder.clone()];
            places.extend(shelves(folder));
            return places;
        }
        if kind == Kind::Stack {
            return vec![
                PathBuf::from("stacks"),
                beside.join("stacks"),
                beside.to_owned(),
                parent.join("stacks"),
            ];
        }
        let mut places = vec![beside.to_owned()];
        for folder in [beside, &parent, Path::new("")] {
            places.extend(shelves(folder));
        }
        places
    }

    fn folder(&mut self, folder: &Path) -> Vec<Arc<File>> {
        if let Some(files) = self.folders.get(folder) {
            return files.clone();
        }
        let mut files = Vec::new();
        for path in source::files_in(folder) {
            files.push(self.load(&tidy(&path)));
        }
        self.folders.insert(folder.to_owned(), files.clone());
        files
    }

    /// Finds what `node` names, for a document of `sink`'s file; reports when there is none or more than one.
    pub(crate) fn find(
        &mut self,
        kind: Kind,
        node: &Node,
        home: &Arc<File>,
        sink: &mut Sink,
    ) -> Option<Found> {
        let name = node.text()?;
        let beside = beside(home);
        let places = self.places(kind, &beside);
        let mut seen = vec![Arc::clone(home)];
        if let Some(found) = pick(kind, name, node.span, &seen, sink) {
            return found;
        }
        // Folders are read one by one, and no further than needed.
        for place in &places {
            let files = self.folder(&tidy(place));
            if let Some(found) = pick(kind, name, node.span, &files, sink) {
                return found;
            }
            seen.extend(files);
        }
        if let Some(found) = pick(kind, name, node.span, &self.given, sink) {
            return found;
        }
        seen.extend(self.given.iter().cloned());
        missing(kind, name, node.span, &seen, &places, sink);
        None
    }

    /// Finds a runbook, by its path or by its name.
    pub(crate) fn find_runbook(
        &mut self,
        node: &Node,
        home: &Arc<File>,
        sink: &mut Sink,
    ) -> Option<Found> {
        let text = node.text()?;
        if !document::is_markdown(text) {
            return self.find(Kind::Runbook, node, home, sink);
        }
        let beside = beside(home);
        let mut places = vec![beside.clone(), beside.join(".."), PathBuf::new()];
        places.extend(self.options.library_dir.clone());
        let paths: Vec<PathBuf> = places.iter().map(|place| tidy(&place.join(text))).collect();
        let there = |path: &PathBuf| {
            if self.on_disk {
                source::is_file(path)
            } else {
                self.read.contains_key(path)
            }
        };
        let Some(path) = paths.iter().find(|path| there(path)).cloned() else {
            let looked = paths
                .iter()
                .map(|path| path.to_string_lossy().into_owned())
                .collect::<Vec<_>>();
            sink.error(
                Code::UnknownFile,
                node.span,
                format!("there is no file `{}`", short(text)),
            )
            .with_hint(format!(
                "looked for {}",
                listed(looked.iter().map(String::as_str), "and")
            ));
            return None;
        };
        let file = self.load(&path);
        let index = file
            .documents
            .iter()
            .position(|document| document.kind == Kind::Runbook);
        if index.is_none() && file.found.is_empty() {
            sink.error(
                Code::WrongKind,
                node.span,
                format!("`{}` is not a runbook", short(text)),
            );
        }
        if let Some(index) = index {
            Some(Found { file, index })
        } else {
            // Why it holds no runbook is that file's own finding.
            sink.adopt(&file.found);
            None
        }
    }
}

/// The document of this kind and name in a group of files. `Some(None)`: there are several, which is reported.
#[expect(
    clippy::option_option,
    reason = "none here, or none that can be told from another"
)]
fn pick(
    kind: Kind,
    name: &str,
    span: Span,
    files: &[Arc<File>],
    sink: &mut Sink,
) -> Option<Option<Found>> {
    let mut all: Vec<Found> = Vec::new();
    for file in files {
        for (index, document) in file.documents.iter().enumerate() {
            let there = document.kind == kind && document.name.as_deref() == Some(name);
            if there
                && !all
                    .iter()
                    .any(|one| Arc::ptr_eq(&one.file, file) && one.index == index)
            {
                all.push(Found {
                    file: Arc::clone(file),
                    index,
                });
            }
        }
    }
    if all.len() > 1 {
        let paths: Vec<&str> = all
            .iter()
            .map(|one| one.file.source.path.as_str())
            .collect();
        let what = kind.words();
        sink.error(
            Code::AmbiguousName,
            span,
            format!("{} files hold a {what} `{}`", all.len(), short(name)),
        )
        .with_hint(format!(
            "rename all but one in {}",
            listed(paths.into_iter(), "and")
        ));
        return Some(None);
    }
    all.pop().map(Some)
}

fn missing(
    kind: Kind,
    name: &str,
    span: Span,
    seen: &[Arc<File>],
    places: &[PathBuf],
    sink: &mut Sink,
) {
    let what = kind.words();
    let known: Vec<&str> = seen
        .iter()
        .flat_map(|file| &file.documents)
        .filter(|document| document.kind == kind)
        .filter_map(|document| document.name.as_deref())
        .collect();
    let near = nearest(name, known.iter().copied());
    let mut hint = if known.is_empty() {
        "none was found".to_owned()
    } else {
        format!("there is {}", listed(known.iter().copied(), "and"))
    };
    let folders: Vec<String> = places
        .iter()
        .map(|place| tidy(place))
        .map(|place| place.to_string_lossy().into_owned())
        .map(|place| {
            if place.is_empty() {
                ".".to_owned()
            } else {
                place
            }
        })
        .collect();
    if !folders.is_empty() && folders.len() <= 6 {
        let folders = listed(folders.iter().map(String::as_str), "and");
        hint = format!("{hint} (looked in {folders})");
    }
    let broken: Vec<&str> = seen
        .iter()
        .filter(|file| {
            file.documents.is_empty()
                && !file.found.is_empty()
                && !document::is_markdown(&file.source.path)
        })
        .map(|file| file.source.path.as_str())
        .collect();
    if !broken.is_empty() {
        let broken = listed(broken.into_iter(), "and");
        hint = format!("{hint}; {broken} could not be read");
    }
    sink.error(
        Code::UnknownFile,
        span,
        format!("there is no {what} `{}`", short(name)),
    )
    .with_hint(did_you_mean(near, &hint));
}

/// The folder of a file, spelled as the file's path was.
fn beside(home: &File) -> PathBuf {
    let folder = Path::new(&home.source.path)
        .parent()
        .unwrap_or(Path::new(""));
    if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder.to_owned()
    }
}

/// A path without `.` and without `folder/..`.
fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.last(), Some(Component::Normal(_))) => {
                out.pop();
            }
            _ => out.push(part),
        }
    }
    out.into_iter().collect()
}
