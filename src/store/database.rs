//! The database file: opening it, bringing its tables up to date, and closing it.
//!
//! One connection writes and a few read, in WAL mode with `synchronous = FULL`: a commit is on disk when it returns, and
//! readers never wait for the writer. Several processes may have one file open; each waits for another's commit.
//! Connections that read are made when first needed and let go when idle.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool};
use tokio_util::task::TaskTracker;

use super::intake::Intake;
use super::lock::RunLock;
use super::writer::Queue;
use crate::ports::JournalError;

/// The file in the data folder.
pub(super) const FILE: &str = "firedrill.db";

/// The file while it is made.
const DRAFT: &str = "firedrill.db.new";

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// What the first migration marks the file with.
const APPLICATION_ID: i64 = 1_718_186_597;

/// How long to wait for another process's commit, or for its migration.
const PATIENCE: Duration = Duration::from_secs(10);

/// Readers at once: pages are few, and each connection is a thread and a cache of its own.
pub const READERS: u32 = 3;

/// Why a database could not be opened. Each message holds its cause, before its hint, so that none is a `source` too:
/// whoever prints the chain would print it twice.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder can't be made or written to.
    #[error(
        "the data folder {} can't be used: {why}; hint: give another with `--data DIR`, or make it writable",
        path.display()
    )]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The file is there, and can't be read or written.
    #[error(
        "{} can't be opened for writing: {why}; hint: check who owns it and its folder, or give another folder with `--data DIR`",
        path.display()
    )]
    Denied {
        /// Which.
        path: PathBuf,
        /// Why.
        why: sqlx::Error,
    },
    /// The file is no database, or one that is damaged.
    #[error(
        "{} is not a database, or is damaged: {why}; hint: move it away to begin anew, or restore it from a backup",
        path.display()
    )]
    NotADatabase {
        /// Which.
        path: PathBuf,
        /// Why.
        why: sqlx::Error,
    },
    /// It is another program's.
    #[error(
        "{} is another program's database; hint: give another folder with `--data DIR`",
        path.display()
    )]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// A later firedrill has changed its tables.
    #[error(
        "{} was last used by a later firedrill (its tables are at version {found}, and this one knows up to {known}); hint: use that one, or another folder with `--data DIR`",
        path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// The version it is at.
        found: i64,
        /// The latest this program knows.
        known: i64,
    },
    /// A build from before the first release made tables that no release has.
    #[error(
        "{} has the tables of a firedrill from before the first release; hint: let that one `recover` what it left on, then give another folder with `--data DIR`",
        path.display()
    )]
    Unreleased {
        /// Which.
        path: PathBuf,
    },
    /// There is no room.
    #[error("there is no room for {}: {why}; hint: free some space on its disk", path.display())]
    Full {
        /// Which.
        path: PathBuf,
        /// Why.
        why: sqlx::Error,
    },
    /// Another process keeps it.
    #[error(
        "{} is kept busy by another process; hint: see whether another firedrill hangs on it",
        path.display()
    )]
    Busy {
        /// Which.
        path: PathBuf,
    },
    /// Anything else.
    #[error("{} could not be opened: {why}", path.display())]
    Other {
        /// Which.
        path: PathBuf,
        /// Why.
        why: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    /// Whether the database may be whole and only can't be written where it is: then a copy of it can still be read.
    pub fn is_only_unwritable(&self) -> bool {
        matches!(
            self,
            Self::Folder { .. } | Self::Denied { .. } | Self::Full { .. } | Self::Other { .. }
        )
    }
}

/// `SQLite`'s primary result code (<https://www.sqlite.org/rescode.html>), where an error has one.
fn code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

const PERM: i32 = 3;
const BUSY: i32 = 5;
const READONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;

/// What to do about an error, as the end of its message.
pub(super) fn hint(error: &sqlx::Error) -> &'static str {
    match code(error) {
        Some(FULL) => "; hint: free some space on the disk of the data folder",
        Some(BUSY) => "; hint: see whether another firedrill hangs on the same data folder",
        Some(READONLY | PERM | CANTOPEN) => "; hint: check that the data folder is writable",
        Some(CORRUPT | NOTADB) => "; hint: restore the data folder from a backup",
        _ => "",
    }
}

fn opened(path: &Path, why: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    match code(&why) {
        Some(NOTADB | CORRUPT) => OpenError::NotADatabase { path, why },
        Some(READONLY | PERM | CANTOPEN) => OpenError::Denied { path, why },
        Some(FULL) => OpenError::Full { path, why },
        Some(BUSY) => OpenError::Busy { path },
        _ => OpenError::Other {
            path,
            why: Box::new(why),
        },
    }
}

/// A handle on an open database: cheap to clone, and the journal of its runs.
///
/// [`close`](Self::close) it before the runtime ends: a runtime that is shut down takes the writer with it, and with the
/// writer what was queued without being waited for. What was durable stays in any case.
#[derive(Debug, Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: SqlitePool,
    readers: SqlitePool,
    queue: Queue,
    intake: Intake,
    tasks: TaskTracker,
    /// What surprise drills' seeds are made from.
    secret: [u8; 32],
}

impl Database {
    /// Whether a data folder holds a database, without opening or making anything.
    pub fn is_in(data: &Path) -> bool {
        data.join(FILE).is_file()
    }

    /// Opens the database in the folder `data`, making both where they are missing.
    pub async fn open(data: &Path) -> Result<Self, OpenError> {
        Self::open_for(data, READERS).await
    }

    /// The same with so many connections that read.
    pub async fn open_for(data: &Path, readers: u32) -> Result<Self, OpenError> {
        Box::pin(Self::open_with(data, readers, |options| options)).await
    }

    async fn open_with(
        data: &Path,
        readers: u32,
        adapt: impl Fn(SqliteConnectOptions) -> SqliteConnectOptions,
    ) -> Result<Self, OpenError> {
        let folder = |why| OpenError::Folder {
            path: data.to_owned(),
            why,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .map_err(folder)?;
        let path = data.join(FILE);
        let failed = |source| opened(&path, source);

        // Two processes that make the same tables, or switch to WAL, get in each other's way.
        let opening = opening_alone(data, &path).await?;
        let base = SqliteConnectOptions::new()
            .filename(&path)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full);
        let options = base
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .thread_name(|_| "store-writer".to_owned())
            // What is erased must not stay in free pages.
            .pragma("secure_delete", "ON")
            .pragma("journal_size_limit", "16777216");
        let is_new = !path.exists();
        if is_new {
            make(data, &path, &adapt).await?;
        }
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(adapt(options))
            .await
            .map_err(failed)?;
        let mut connection = writer.acquire().await.map_err(failed)?;
        if !is_new {
            migrate(&mut connection, &path).await?;
        }
        let secret: Vec<u8> = sqlx::query_scalar("SELECT key FROM seed_secret WHERE id = 1")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        drop(connection);
        drop(opening);

        let readers = SqlitePoolOptions::new()
            .max_connections(readers)
            .idle_timeout(Duration::from_mins(1))
            .test_before_acquire(false)
            .connect_lazy_with(
                base.read_only(true)
                    .thread_name(|n| format!("store-reader-{n}")),
            );
        let (queue, work) = Queue::new(writer.clone());
        let (intake, keeping) = Intake::new(writer.clone());
        let tasks = TaskTracker::new();
        tasks.spawn(work);
        tasks.spawn(keeping);
        tasks.close();
        Ok(Self {
            inner: Arc::new(Inner {
                writer,
                readers,
                queue,
                intake,
                tasks,
                secret: secret.try_into().unwrap_or_default(),
            }),
        })
    }

    /// Commits what is queued and closes the file. Fails where a grouped append failed that no later append told of.
    pub async fn close(&self) -> Result<(), JournalError> {
        self.inner.queue.close().await;
        self.inner.intake.close().await;
        self.inner.tasks.wait().await;
        self.inner.readers.close().await;
        self.inner.writer.close().await;
        self.inner.queue.untold().map_or(Ok(()), Err)
    }

    /// What this server keeps to itself, and makes the seeds of surprise drills from.
    pub fn secret(&self) -> [u8; 32] {
        self.inner.secret
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.inner.queue
    }

    pub(super) fn intake(&self) -> &Intake {
        &self.inner.intake
    }

    pub(super) fn writer(&self) -> &SqlitePool {
        &self.inner.writer
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    /// Makes sure that what was just erased is not in the write-ahead log any more, as far as readers allow now; the
    /// rest goes with the next checkpoint.
    pub(super) async fn flush_erased(&self) -> super::Result<()> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(self.writer())
            .await?;
        Ok(())
    }
}

async fn opening_alone(data: &Path, path: &Path) -> Result<RunLock, OpenError> {
    // Another process opens the file in milliseconds, or dies and frees the lock.
    const PAUSE: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        let lock = RunLock::at(data.join(".opening")).map_err(|why| OpenError::Folder {
            path: data.to_owned(),
            why,
        })?;
        if let Some(lock) = lock {
            return Ok(lock);
        }
        tokio::time::sleep(PAUSE).await;
        waited += PAUSE;
    }
    Err(OpenError::Busy {
        path: path.to_owned(),
    })
}

/// Makes the file beside its place, without waiting for the disk at each step, which is most of what a run in a new folder
/// would wait for; then puts it there whole. Who dies meanwhile leaves a draft, which the next one makes anew.
async fn make(
    data: &Path,
    path: &Path,
    adapt: &impl Fn(SqliteConnectOptions) -> SqliteConnectOptions,
) -> Result<(), OpenError> {
    let folder = |why| OpenError::Folder {
        path: data.to_owned(),
        why,
    };
    let draft = data.join(DRAFT);
    // Beside a file that is put there whole, a log that outlived another one would be taken for its own.
    let logs = ["-wal", "-shm"].map(|end| data.join(format!("{FILE}{end}")));
    for stale in logs.iter().chain([&draft]) {
        match fs::remove_file(stale) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(folder(error)),
            _ => {}
        }
    }
    let options = SqliteConnectOptions::new()
        .filename(&draft)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off);
    let failed = |source| opened(path, source);
    let mut connection = adapt(options).connect().await.map_err(failed)?;
    migrate(&mut connection, path).await?;
    sqlx::query("PRAGMA journal_mode = WAL")
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    connection.close().await.map_err(failed)?;
    File::open(&draft)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&draft, path))
        .and_then(|()| File::open(data)?.sync_all())
        .map_err(folder)
}

async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| opened(path, source);
    let (tables, application): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM sqlite_schema), application_id FROM pragma_application_id",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let migrated: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
    if tables > 0 && application != APPLICATION_ID && migrated == 0 {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    let known = MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default();
    if migrated > 0 {
        let found: i64 =
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
                .fetch_one(&mut *connection)
                .await
                .map_err(failed)?;
        if found > known {
            return Err(OpenError::Newer {
                path: path.to_owned(),
                found,
                known,
            });
        }
    }
    // All or none of them, and one commit instead of two for each.
    let mut together = connection.begin().await.map_err(failed)?;
    let migrated = MIGRATIONS.run(&mut *together).await;
    migrated.map_err(|error| match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => failed(source),
        MigrateError::VersionMismatch(_) | MigrateError::VersionMissing(_) => {
            OpenError::Unreleased {
                path: path.to_owned(),
            }
        }
        other => OpenError::Other {
            path: path.to_owned(),
            why: Box::new(other),
        },
    })?;
    together.commit().await.map_err(failed)
}

#[cfg(test)]
impl Database {
    /// As `open`, with a file that can't grow beyond `pages`: a full disk.
    pub(super) async fn open_limited(data: &Path, pages: u32) -> Result<Self, OpenError> {
        Box::pin(Self::open_with(data, READERS, |options| {
            options.pragma("max_page_count", pages.to_string())
        }))
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::sample;

    async fn refusal(data: &Path) -> OpenError {
        match Database::open(data).await {
            Ok(_) => panic!("it opened"),
            Err(error) => error,
        }
    }

    #[tokio::test]
    async fn a_new_folder_is_private_and_its_database_opens_again() {
        let folder = sample::Folder::new();
        let data = folder.path.join("deep/data");
        let database = Database::open(&data).await.expect("opened");
        let mode = std::fs::metadata(&data)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        let settings: (String, i64, i64) = sqlx::query_as(
            "SELECT journal_mode, synchronous, foreign_keys
             FROM pragma_journal_mode, pragma_synchronous, pragma_foreign_keys",
        )
        .fetch_one(database.writer())
        .await
        .expect("readable");
        assert_eq!(settings, ("wal".to_owned(), 2, 1), "2 is FULL");
        database.close().await.expect("closed");
        let again = Database::open(&data).await.expect("opened again");
        again.close().await.expect("closed");
    }

    #[tokio::test]
    async fn a_log_that_outlived_its_database_is_not_taken_for_the_next_ones() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        sqlx::query("INSERT INTO people (pseudonym, name) VALUES ('p-1', 'Ada')")
            .execute(database.writer())
            .await
            .expect("written");
        let log = folder.path.join("firedrill.db-wal");
        let outlived = std::fs::read(&log).expect("it is there");
        database.close().await.expect("closed");
        std::fs::remove_file(folder.path.join(FILE)).expect("removed by somebody");
        std::fs::write(&log, outlived).expect("left by a crash");
        let again = Database::open(&folder.path).await.expect("opened again");
        let people: i64 = sqlx::query_scalar("SELECT count(*) FROM people")
            .fetch_one(again.writer())
            .await
            .expect("read");
        let whole: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(again.writer())
            .await
            .expect("checked");
        assert_eq!((people, whole.as_str()), (0, "ok"));
        again.close().await.expect("closed");
    }

    #[tokio::test]
    async fn several_open_a_new_database_at_once() {
        let folder = sample::Folder::new();
        let all = (0..4).map(|_| Database::open(&folder.path));
        for opened in futures_util::future::join_all(all).await {
            opened.expect("opened").close().await.expect("closed");
        }
    }

    #[tokio::test]
    async fn a_file_in_the_folders_place_is_named() {
        let folder = sample::Folder::new();
        std::fs::create_dir_all(&folder.path).expect("a folder");
        let data = folder.path.join("file");
        std::fs::write(&data, "x").expect("a file");
        let error = refusal(&data).await;
        assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
        assert!(error.to_string().contains("--data DIR"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_is_said_with_what_to_check() {
        let folder = sample::Folder::new();
        std::fs::create_dir_all(folder.path.join("firedrill.db")).expect("a folder in its place");
        let error = refusal(&folder.path).await;
        assert!(matches!(error, OpenError::Denied { .. }), "{error:?}");
        assert!(error.to_string().contains("check who owns it"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_database_is_refused_and_left_alone() {
        let folder = sample::Folder::new();
        std::fs::create_dir_all(&folder.path).expect("a folder");
        let path = folder.path.join("firedrill.db");
        let text = "this is not a database, whatever its name says; ".repeat(40);
        std::fs::write(&path, &text).expect("a file");
        let error = refusal(&folder.path).await;
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
    }

    #[tokio::test]
    async fn another_programs_database_is_refused_and_left_alone() {
        let folder = sample::Folder::new();
        std::fs::create_dir_all(&folder.path).expect("a folder");
        let options = SqliteConnectOptions::new()
            .filename(folder.path.join("firedrill.db"))
            .create_if_missing(true);
        let other = SqlitePool::connect_with(options).await.expect("opened");
        sqlx::query("CREATE TABLE theirs (x)")
            .execute(&other)
            .await
            .expect("made");
        let error = refusal(&folder.path).await;
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema")
            .fetch_all(&other)
            .await
            .expect("readable");
        assert_eq!(tables, ["theirs"]);
    }

    #[tokio::test]
    async fn tables_of_a_later_firedrill_are_refused() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (99991231000000, 'later', 1, x'00', 0)",
        )
        .execute(database.writer())
        .await
        .expect("made newer");
        database.close().await.expect("closed");
        let error = refusal(&folder.path).await;
        assert!(
            matches!(
                error,
                OpenError::Newer {
                    found: 99_991_231_000_000,
                    ..
                }
            ),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn tables_from_before_the_first_release_are_refused() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        sqlx::query("UPDATE _sqlx_migrations SET version = version - 20261128000000")
            .execute(database.writer())
            .await
            .expect("made older");
        database.close().await.expect("closed");
        let error = refusal(&folder.path).await;
        assert!(matches!(error, OpenError::Unreleased { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn no_room_for_the_tables_is_said() {
        let folder = sample::Folder::new();
        let error = Database::open_limited(&folder.path, 2)
            .await
            .expect_err("refused");
        assert!(matches!(error, OpenError::Full { .. }), "{error:?}");
        assert!(error.to_string().contains("free some space"), "{error}");
    }
}
