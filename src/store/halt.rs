//! The halt of a data folder: while it is on, nothing starts, and every run of every process on that folder is undone.
//!
//! It is a small file, not a row: pulling it must reach every living process while the database is slow, locked, full or
//! gone, and each of them looks at it a few times a second. Where the data folder takes no file, the halt is kept in a
//! folder of this user's own among the machine's temporary ones, which everybody looks at too. It outlives restarts of
//! firedrill; the one kept aside does not outlive the machine's.
//!
//! A halt that is there and can't be read counts as one: nothing starts because of a doubt.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Result;
use super::columns::read_instant;
use super::database::Database;
use crate::engine::event::{ActorKind, Origin, Source};
use crate::ports::{self, Answer, Halted, Ids};

/// The file in the data folder.
const FILE: &str = "halt";

/// How long a run's stop waits for the pseudonym of who halted.
const NAME_PATIENCE: Duration = Duration::from_millis(200);

/// Who halted everything, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// Under which name. It is no log, and goes when the halt is lifted.
    pub by: String,
    /// In their words.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// The way it came in.
    pub source: Source,
}

/// Where a halt is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In the data folder.
    Folder,
    /// Among the machine's temporary files, until it is started again.
    Aside,
}

/// What pulling came to.
#[derive(Debug)]
pub struct Pulled {
    /// The halt that is on now: where one was on already, that one.
    pub halt: Halt,
    /// Whether it was on already.
    pub before: bool,
    /// Where it is kept.
    pub kept: Kept,
    /// Why not in the data folder, where that is so.
    pub why: Option<io::Error>,
}

/// The one lever of a data folder. Cheap to clone; every call looks at the disk, and none at the database.
#[derive(Debug, Clone)]
pub struct Lever {
    main: PathBuf,
    aside: PathBuf,
}

impl Lever {
    /// The lever of the folder `data`, which need not be there yet.
    pub fn of(data: &Path) -> Self {
        Self::with_aside(data, &std::env::temp_dir())
    }

    fn with_aside(data: &Path, temporary: &Path) -> Self {
        // However the folder is spelled, it is one lever.
        let whole = fs::canonicalize(data)
            .or_else(|_| std::path::absolute(data))
            .unwrap_or_else(|_| data.to_owned());
        let digest = Sha256::digest(whole.as_os_str().as_encoded_bytes());
        let first = digest.iter().take(8);
        let short = first.fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
        let user = rustix::process::getuid().as_raw();
        Self {
            main: data.join(FILE),
            aside: temporary
                .join(format!("firedrill-{user}"))
                .join(format!("halt-{short:016x}")),
        }
    }

    /// The halt, while it is on.
    pub fn state(&self) -> Option<Halt> {
        read(&self.main).or_else(|| {
            // A folder that others may write to says nothing.
            let folder = self.aside.parent()?;
            is_private(folder).then(|| read(&self.aside)).flatten()
        })
    }

    /// Puts the halt on. Where it is on already, who did so first stays. Fails only where it can be kept nowhere.
    pub fn pull(&self, halt: &Halt) -> io::Result<Pulled> {
        if let Some(known) = self.state() {
            let kept = if self.main.exists() {
                Kept::Folder
            } else {
                Kept::Aside
            };
            return Ok(Pulled {
                halt: known,
                before: true,
                kept,
                why: None,
            });
        }
        let pulled = |kept, why| Pulled {
            halt: halt.clone(),
            before: false,
            kept,
            why,
        };
        match write(&self.main, halt) {
            Ok(()) => Ok(pulled(Kept::Folder, None)),
            Err(why) => {
                write(&self.aside, halt)?;
                Ok(pulled(Kept::Aside, Some(why)))
            }
        }
    }

    /// Takes the halt off. Answers with the one that was on.
    pub fn lift(&self) -> io::Result<Option<Halt>> {
        let known = self.state();
        for path in [&self.main, &self.aside] {
            match fs::remove_file(path) {
                Err(error) if !is_absence(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(known)
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn read(path: &Path) -> Option<Halt> {
    let unreadable = |why: String| Halt {
        by: "nobody knows whom".to_owned(),
        reason: format!("{} is there and can't be read: {why}", path.display()),
        at: Timestamp::UNIX_EPOCH,
        source: Source::CommandLine,
    };
    match fs::read(path) {
        Ok(bytes) => Some(
            serde_json::from_slice(&bytes).unwrap_or_else(|error| unreadable(error.to_string())),
        ),
        // A folder of that name holds no halt; it only keeps one from being written there.
        Err(error) if is_absence(&error) || error.kind() == io::ErrorKind::IsADirectory => None,
        Err(error) => Some(unreadable(error.to_string())),
    }
}

/// Whole or not at all: a reader never sees half of it.
fn write(path: &Path, halt: &Halt) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let draft = folder.join(format!(".halt-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    let written = serde_json::to_writer(&file, halt)
        .map_err(io::Error::from)
        .and_then(|()| file.flush())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&draft, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    // It is seen from now on; that it also outlives the machine is a matter of the folder's own sync.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn is_private(folder: &Path) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|seen| {
        seen.is_dir()
            && seen.uid() == rustix::process::getuid().as_raw()
            && seen.mode() & 0o022 == 0
    })
}

/// The lever as the runtime sees it.
pub struct Watched {
    lever: Lever,
    database: Database,
    ids: Arc<dyn Ids>,
}

impl Watched {
    /// The lever, with what turns a name into a pseudonym.
    pub fn new(lever: Lever, database: Database, ids: Arc<dyn Ids>) -> Self {
        Self {
            lever,
            database,
            ids,
        }
    }
}

impl ports::Lever for Watched {
    fn halted(&self) -> Answer<'_, Option<Halted>> {
        Box::pin(async {
            let lever = self.lever.clone();
            let state = tokio::task::spawn_blocking(move || lever.state()).await;
            state.ok().flatten().map(|halt| Halted {
                by: halt.by,
                reason: halt.reason,
                at: halt.at,
                source: halt.source,
            })
        })
    }

    fn origin<'a>(&'a self, halted: &'a Halted) -> Answer<'a, Origin> {
        Box::pin(async move {
            let draw = || {
                let mut bytes = [0; 6];
                bytes.copy_from_slice(&self.ids.seed().to_be_bytes()[2..]);
                bytes
            };
            let named = self.database.pseudonym_of(&halted.by, draw);
            match tokio::time::timeout(NAME_PATIENCE, named).await {
                Ok(Ok(pseudonym)) => Origin::person(halted.source, pseudonym),
                // The stop matters more than the name.
                _ => Origin {
                    kind: ActorKind::Human,
                    ..Origin::machine(halted.source)
                },
            }
        })
    }
}

impl Database {
    /// The halt that an earlier firedrill kept in its database, which is forgotten there.
    pub async fn take_former_halt(&self) -> Result<Option<Halt>> {
        let row: Option<(String, String, String)> =
            sqlx::query_as("SELECT by, reason, at FROM halt")
                .fetch_optional(self.readers())
                .await?;
        let Some((by, reason, at)) = row else {
            return Ok(None);
        };
        let at = read_instant(&at)?;
        sqlx::query("DELETE FROM halt")
            .execute(self.writer())
            .await?;
        Ok(Some(Halt {
            by,
            reason,
            at,
            source: Source::Room,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    fn halt(by: &str) -> Halt {
        Halt {
            by: by.into(),
            reason: "the exchange is down".into(),
            at: sample::at(1).wall,
            source: Source::Api,
        }
    }

    #[test]
    fn a_halt_stays_until_it_is_lifted_and_who_pulled_first_stays() {
        let folder = sample::Folder::new();
        let data = folder.path.join("data");
        let lever = Lever::with_aside(&data, &folder.path);
        assert_eq!(lever.state(), None);
        let pulled = lever.pull(&halt("ann")).expect("pulled");
        assert!(!pulled.before && pulled.kept == Kept::Folder);
        let again = lever.pull(&halt("bob")).expect("pulled");
        assert!(again.before);
        assert_eq!(again.halt, halt("ann"));
        // Another process's.
        let other = Lever::with_aside(&data, &folder.path);
        assert_eq!(other.state(), Some(halt("ann")));
        assert_eq!(other.lift().expect("lifted"), Some(halt("ann")));
        assert_eq!(lever.state(), None);
        assert_eq!(lever.lift().expect("nothing to lift"), None);
    }

    #[test]
    fn where_the_data_folder_takes_no_file_the_halt_is_kept_aside_and_seen_all_the_same() {
        let folder = sample::Folder::new();
        let data = folder.path.join("data");
        // Whoever runs the tests may write everywhere: a folder in the file's place refuses even them.
        fs::create_dir_all(data.join(FILE)).expect("a folder");
        let lever = Lever::with_aside(&data, &folder.path);
        let pulled = lever.pull(&halt("ann")).expect("pulled");
        assert_eq!(pulled.kept, Kept::Aside);
        assert!(pulled.why.is_some());
        let other = Lever::with_aside(&folder.path.join("data/../data"), &folder.path);
        assert_eq!(other.state(), Some(halt("ann")));
        fs::remove_dir(data.join(FILE)).expect("removed");
        assert_eq!(lever.lift().expect("lifted"), Some(halt("ann")));
        assert_eq!(other.state(), None);
    }

    #[test]
    fn a_halt_kept_aside_counts_only_in_a_folder_that_nobody_else_may_write_to() {
        let folder = sample::Folder::new();
        let lever = Lever::with_aside(&folder.path.join("data"), &folder.path);
        write(&lever.aside, &halt("mallory")).expect("written");
        assert!(lever.state().is_some());
        let home = lever.aside.parent().expect("a folder");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(home, open).expect("changed");
        assert_eq!(lever.state(), None);
    }

    #[test]
    fn a_halt_that_can_not_be_read_counts_as_one() {
        let folder = sample::Folder::new();
        let lever = Lever::with_aside(&folder.path, &folder.path);
        fs::create_dir_all(&folder.path).expect("a folder");
        fs::write(&lever.main, "half of a h").expect("written");
        let state = lever.state().expect("halted");
        assert!(state.reason.contains("can't be read"), "{}", state.reason);
        assert!(lever.lift().expect("lifted").is_some());
        assert_eq!(lever.state(), None);
    }

    #[tokio::test]
    async fn a_halt_of_an_earlier_firedrill_is_taken_over_once() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        assert_eq!(database.take_former_halt().await.expect("asked"), None);
        sqlx::query("INSERT INTO halt (id, by, reason, at) VALUES (1, 'p-1', 'old', '2026-03-01T10:00:00.000000000Z')")
            .execute(database.writer())
            .await
            .expect("inserted");
        let taken = database.take_former_halt().await.expect("asked");
        assert_eq!(taken.expect("there").reason, "old");
        assert_eq!(database.take_former_halt().await.expect("asked"), None);
    }
}
