//! The library's files as pages and the API edit them.
//!
//! A file is only ever named by the path under which the library lists it: nothing that a request says becomes a path, but
//! for a new file's name, which has no separator in it. What a listed path leads to must lie within the library's folders,
//! links followed. A save is refused where the file changed since it was read, where the text has errors, and where it
//! brings in a command (invariant 11).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::catalogue::Finding;
use super::gate::hex;
use super::shelf::findings;
use crate::model::ids::{BadName, StackName};
use crate::spec::{self, Item, Library, Options};

/// A file of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// As it is listed, which is how it is asked for.
    pub path: String,
    /// What it holds.
    pub holds: Vec<(spec::Kind, String)>,
    /// How many errors it has.
    pub errors: usize,
    /// How many warnings it has.
    pub warnings: usize,
    /// Its one spelling, so that a plan's files can be held against it.
    pub canonical: PathBuf,
}

/// A file as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its text.
    pub text: String,
    /// What it is known by, until it changes.
    pub tag: String,
}

/// What an edit would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Considered {
    /// What is wrong in it.
    pub own: Vec<Finding>,
    /// What would be wrong elsewhere.
    pub others: Vec<Finding>,
    /// Commands that it would bring in.
    pub commands: Vec<String>,
}

impl Considered {
    /// Whether the text itself can't be used.
    pub fn has_errors(&self) -> bool {
        self.own.iter().any(|one| one.severity == "error")
    }
}

/// Why a file was not saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsaved {
    /// The library has no such file.
    #[error("the library has no file `{0}`")]
    Unknown(String),
    /// Somebody saved meanwhile.
    #[error(
        "somebody changed the file since you read it; hint: nothing was saved: compare with what is there now, and save again"
    )]
    Changed,
    /// A new file would replace one.
    #[error("there is a file `{0}` already")]
    Exists(String),
    /// The name is none.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The text has errors.
    #[error("the text has errors; hint: nothing was saved: mend what is listed below")]
    Errors,
    /// It would bring commands in.
    #[error(
        "commands never come from a page or a request: they are code, and this edit adds or changes {0}; hint: change the file on disk, where the server's own users can"
    )]
    Commands(String),
    /// It would break other files.
    #[error(
        "other files would have errors; hint: nothing was saved: tick the box to save all the same"
    )]
    Breaks,
    /// The disk refused.
    #[error("the file could not be written: {0}")]
    Disk(String),
}

/// Files below some folders, to be edited.
#[derive(Debug)]
pub struct Desk {
    paths: Vec<PathBuf>,
    options: Options,
    /// Held from the look at what is there to the end of the save.
    saving: Mutex<()>,
}

/// Where each kind stands in a library.
fn shelf(kind: spec::Kind) -> (&'static str, &'static str) {
    match kind {
        spec::Kind::Stack => ("stacks", "yaml"),
        spec::Kind::Experiment => ("experiments", "yaml"),
        spec::Kind::Drill => ("drills", "yaml"),
        spec::Kind::GameDay => ("gamedays", "yaml"),
        spec::Kind::Runbook => ("runbooks", "md"),
        spec::Kind::Team => ("teams", "yaml"),
        spec::Kind::Channel => ("channels", "yaml"),
        spec::Kind::Messages => ("messages", "yaml"),
    }
}

impl Desk {
    /// The files in `paths`, which are files or folders, read with `options`.
    pub fn new(paths: Vec<PathBuf>, options: Options) -> Self {
        Self {
            paths,
            options,
            saving: Mutex::new(()),
        }
    }

    fn present(&self) -> Vec<PathBuf> {
        let there = self.paths.iter().filter(|path| path.exists());
        there.cloned().collect()
    }

    /// Every file that is ours, in the order of kinds and names; those that say nothing last.
    pub fn list(&self) -> Vec<Listed> {
        let report = Library::new(self.options.clone()).validate(&self.present());
        let items: Vec<Item> = Library::new(self.options.clone()).items(&self.present());
        let mut all: Vec<Listed> = report
            .files
            .iter()
            .map(|path| {
                let shown = path.to_string_lossy().into_owned();
                let of = |severity: spec::Severity| {
                    let own = report.findings.iter();
                    own.filter(|one| one.file.path == shown && one.severity == severity)
                        .count()
                };
                Listed {
                    holds: items
                        .iter()
                        .filter(|item| item.path == shown)
                        .map(|item| (item.kind, item.name.clone()))
                        .collect(),
                    errors: of(spec::Severity::Error),
                    warnings: of(spec::Severity::Warning),
                    canonical: canonical(path),
                    path: shown,
                }
            })
            .collect();
        all.sort_by(|one, other| {
            one.holds
                .is_empty()
                .cmp(&other.holds.is_empty())
                .then_with(|| one.holds.cmp(&other.holds))
                .then_with(|| one.path.cmp(&other.path))
        });
        all
    }

    /// The place of a listed file on disk; none where it is not listed, or leads out of the library.
    fn place(&self, path: &str) -> Option<PathBuf> {
        let listed = Library::new(self.options.clone()).listed(&self.present());
        let mut listed = listed.into_iter();
        let found = listed.find(|known| known.to_string_lossy() == path)?;
        self.holds(&found).then_some(found)
    }

    fn holds(&self, path: &Path) -> bool {
        let real = canonical(path);
        self.paths
            .iter()
            .any(|root| real.starts_with(canonical(root)))
    }

    /// A listed file as it is.
    pub fn open(&self, path: &str) -> Option<Opened> {
        let text = std::fs::read_to_string(self.place(path)?).ok()?;
        Some(Opened {
            tag: tag(&text),
            text,
        })
    }

    /// What a text would do in place of a listed file, or as a new one.
    pub fn consider(&self, path: &str, text: &str) -> Considered {
        let now = self.open(path);
        let edit = spec::consider(
            &self.present(),
            Path::new(path),
            text,
            now.as_ref().map(|now| now.text.as_str()),
            &self.options,
        );
        Considered {
            own: findings(&edit.own),
            others: findings(&edit.others),
            commands: edit.commands,
        }
    }

    /// Where a new file of this kind and name would be.
    pub fn place_of(&self, kind: spec::Kind, name: &str) -> Result<String, Unsaved> {
        // A name as everything in a library has one: no separator, and no dot in front.
        let name: StackName = name.trim().parse()?;
        let (shelf, end) = shelf(kind);
        let on_shelf = self
            .paths
            .iter()
            .find(|path| path.file_name().is_some_and(|last| last == shelf));
        let folder = if let Some(path) = on_shelf {
            path.clone()
        } else {
            let root = self.paths.iter().find(|path| path.is_dir());
            let root = root.cloned().unwrap_or_default();
            let below = root.join(shelf);
            if below.is_dir() { below } else { root }
        };
        let path = folder.join(format!("{}.{end}", name.as_str().replace([':', '#'], "-")));
        let shown = path.to_string_lossy().into_owned();
        if path.exists() {
            return Err(Unsaved::Exists(shown));
        }
        Ok(shown)
    }

    /// Saves a listed file in place of the one that `tag` is of. Answers with what it is known by now.
    pub fn save(
        &self,
        path: &str,
        text: &str,
        expected: &str,
        although_others_break: bool,
    ) -> Result<String, Unsaved> {
        let _alone = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let place = self
            .place(path)
            .ok_or_else(|| Unsaved::Unknown(path.to_owned()))?;
        let now = self
            .open(path)
            .ok_or_else(|| Unsaved::Unknown(path.to_owned()))?;
        if now.tag != expected {
            return Err(Unsaved::Changed);
        }
        self.allow(path, text, although_others_break)?;
        // A link is written through, so that it stays one.
        write(&canonical(&place), text)?;
        Ok(tag(text))
    }

    /// Saves a new file of this kind and name. Answers with its path.
    pub fn create(&self, kind: spec::Kind, name: &str, text: &str) -> Result<String, Unsaved> {
        let _alone = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.place_of(kind, name)?;
        self.allow(&path, text, false)?;
        let place = Path::new(&path);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Unsaved::Disk(error.to_string()))?;
        }
        write(place, text)?;
        Ok(path)
    }

    fn allow(&self, path: &str, text: &str, although_others_break: bool) -> Result<(), Unsaved> {
        let found = self.consider(path, text);
        if !found.commands.is_empty() {
            return Err(Unsaved::Commands(found.commands.join("; ")));
        }
        if found.has_errors() {
            return Err(Unsaved::Errors);
        }
        if !found.others.is_empty() && !although_others_break {
            return Err(Unsaved::Breaks);
        }
        Ok(())
    }
}

/// Whole or not at all: a file beside it that takes its place once it is on disk.
fn write(path: &Path, text: &str) -> Result<(), Unsaved> {
    let failed = |error: std::io::Error| Unsaved::Disk(error.to_string());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden, so that no library lists it.
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        if let Ok(former) = std::fs::metadata(path) {
            file.set_permissions(former.permissions())?;
        }
        file.sync_all()?;
        std::fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written.map_err(failed)
}

/// The one spelling of a path; itself where nothing is there.
pub(super) fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// What a text is known by.
fn tag(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..12])
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Shop {
        folder: PathBuf,
        desk: Desk,
    }

    const STACK: &str = "kind: Stack
name: tiny
environment: staging
services: {api: {tier: customer}}
probes:
  alive: {process: {command: [./check]}, every: 1s}
  local: {tcp: {address: \"127.0.0.1:9\"}, every: 1s}
";

    const EXPERIMENT: &str = "kind: Experiment
name: shortest
stack: tiny
hypothesis: It is there.
steady_state: [{probe: alive, pass_after: 1}]
method: []
recovery: {stable_for: 0s}
";

    impl Shop {
        fn open() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let folder = std::env::temp_dir().join(format!(
                "firedrill-desk-{}-{}",
                std::process::id(),
                COUNT.fetch_add(1, Ordering::Relaxed)
            ));
            let _ = std::fs::remove_dir_all(&folder);
            let library = folder.join("library");
            for (shelf, name, text) in [
                ("stacks", "tiny.yaml", STACK),
                ("experiments", "shortest.yaml", EXPERIMENT),
            ] {
                std::fs::create_dir_all(library.join(shelf)).expect("a folder");
                std::fs::write(library.join(shelf).join(name), text).expect("a file");
            }
            std::fs::write(folder.join("outside.yaml"), STACK).expect("a file");
            let options = Options {
                library_dir: Some(library.clone()),
                ..Options::default()
            };
            Self {
                desk: Desk::new(vec![library], options),
                folder,
            }
        }

        fn path(&self, rest: &str) -> String {
            self.folder
                .join("library")
                .join(rest)
                .to_string_lossy()
                .into_owned()
        }
    }

    impl Drop for Shop {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn files_are_listed_with_what_they_hold_and_what_is_wrong() {
        let shop = Shop::open();
        std::fs::write(
            shop.path("experiments/broken.yaml"),
            "kind: Experiment\nname: b\n",
        )
        .expect("a file");
        let list = shop.desk.list();
        let told: Vec<_> = list
            .iter()
            .map(|one| (one.holds[0].1.as_str(), one.errors > 0))
            .collect();
        assert_eq!(told, [("tiny", false), ("b", true), ("shortest", false)]);
    }

    #[test]
    fn a_save_keeps_what_somebody_else_saved_meanwhile() {
        let shop = Shop::open();
        let path = shop.path("experiments/shortest.yaml");
        let first = shop.desk.open(&path).expect("a file");
        let edited = EXPERIMENT.replace("It is there.", "It is still there.");
        let tag = shop
            .desk
            .save(&path, &edited, &first.tag, false)
            .expect("saved");
        let late = shop.desk.save(&path, EXPERIMENT, &first.tag, false);
        assert_eq!(late, Err(Unsaved::Changed));
        let now = shop.desk.open(&path).expect("a file");
        assert_eq!((now.text, now.tag), (edited, tag));
    }

    #[test]
    fn nothing_outside_the_library_is_read_or_written() {
        let shop = Shop::open();
        let inside = shop.path("experiments/shortest.yaml");
        std::os::unix::fs::symlink(
            shop.folder.join("outside.yaml"),
            shop.path("stacks/link.yaml"),
        )
        .expect("a link");
        for path in [
            "/etc/passwd".to_owned(),
            shop.folder
                .join("outside.yaml")
                .to_string_lossy()
                .into_owned(),
            inside.replace("experiments/", "experiments/../experiments/"),
            inside.replace("library/", "library/../library/"),
            shop.path("stacks/link.yaml"),
            shop.path("../outside.yaml"),
            String::new(),
            "\0".to_owned(),
        ] {
            assert_eq!(shop.desk.open(&path), None, "{path}");
            let saved = shop.desk.save(&path, STACK, "any", true);
            assert_eq!(saved, Err(Unsaved::Unknown(path.clone())));
        }
        for name in [
            "../x", "a/b", "/etc/x", "", ".hidden", "a\0b", "..", "x\\y/z",
        ] {
            let made = shop
                .desk
                .create(spec::Kind::Team, name, "kind: Team\nname: t\n");
            assert!(matches!(made, Err(Unsaved::Name(_))), "{name:?}: {made:?}");
        }
        assert_eq!(
            std::fs::read_to_string(shop.folder.join("outside.yaml")).expect("there"),
            STACK
        );
    }

    #[test]
    fn commands_and_errors_are_refused_and_leave_the_file_as_it_is() {
        let shop = Shop::open();
        let path = shop.path("stacks/tiny.yaml");
        let tag = shop.desk.open(&path).expect("a file").tag;
        let save = |text: &str| shop.desk.save(&path, text, &tag, false);
        let refused = save(&STACK.replace("./check", "./steal")).expect_err("refused");
        assert!(
            matches!(&refused, Unsaved::Commands(what) if what.contains("./steal")),
            "{refused}"
        );
        assert_eq!(save(&STACK.replace("every", "evry")), Err(Unsaved::Errors));
        assert_eq!(
            save(&STACK.replace("name: tiny", "name: small")),
            Err(Unsaved::Breaks),
            "the experiment's stack would be gone"
        );
        assert_eq!(shop.desk.open(&path).expect("a file").text, STACK);
        let renamed = STACK.replace("name: tiny", "name: small");
        assert!(shop.desk.save(&path, &renamed, &tag, true).is_ok());
    }

    #[test]
    fn a_new_file_stands_on_its_shelf_and_replaces_none() {
        let shop = Shop::open();
        let text = EXPERIMENT.replace("name: shortest", "name: second");
        let create = || shop.desk.create(spec::Kind::Experiment, "second", &text);
        let path = create().expect("made");
        assert_eq!(path, shop.path("experiments/second.yaml"));
        assert_eq!(create(), Err(Unsaved::Exists(path.clone())));
        assert_eq!(shop.desk.open(&path).expect("a file").text, text);
        let refused = shop.desk.create(spec::Kind::Stack, "third", STACK);
        assert!(matches!(refused, Err(Unsaved::Commands(_))), "{refused:?}");
        let hidden = std::fs::read_dir(shop.folder.join("library/experiments")).expect("a folder");
        assert_eq!(hidden.count(), 2, "nothing is left beside");
    }
}
