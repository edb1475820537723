//! A copy of a database whose own folder can't be written: a full disk, a folder that is read only, another's file. What
//! is owed can be read from it all the same, its write-ahead log included.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::database;

/// How often a file that changes while it is copied is copied anew.
const TRIES: u32 = 20;

/// A folder with the copy, which goes with this.
#[derive(Debug)]
pub struct Copy(PathBuf);

impl Copy {
    /// Copies the database of `data` to the first place that takes it: the temporary folder, or one that is memory.
    pub fn make(data: &Path) -> io::Result<Self> {
        let places = [
            std::env::temp_dir(),
            PathBuf::from("/dev/shm"),
            PathBuf::from("/var/tmp"),
        ];
        let mut refused = Vec::new();
        for place in places {
            match Self::make_in(&place, data) {
                Ok(copy) => return Ok(copy),
                Err(error) => refused.push(format!("{}: {error}", place.display())),
            }
        }
        Err(io::Error::other(refused.join("; ")))
    }

    fn make_in(place: &Path, data: &Path) -> io::Result<Self> {
        let copy = Self(free_folder(place)?);
        copy.fill(data)?;
        Ok(copy)
    }

    /// Where it is: a data folder like any other.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Copies the file and its write-ahead log as of one instant: where one of them changed meanwhile, again.
    fn fill(&self, data: &Path) -> io::Result<()> {
        let file = data.join(database::FILE);
        let log = with_suffix(&file, "-wal");
        let ours = self.0.join(database::FILE);
        for _ in 0..TRIES {
            let before = (seen(&file)?, seen(&log)?);
            fs::copy(&file, &ours)?;
            match fs::copy(&log, with_suffix(&ours, "-wal")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            if (seen(&file)?, seen(&log)?) == before {
                return Ok(());
            }
        }
        Err(io::Error::other(format!(
            "{} changes all the time",
            file.display()
        )))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What stays is litter in a place for litter, readable by its owner only.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What tells one state of a file from the next; nothing where there is none.
fn seen(path: &Path) -> io::Result<Option<(u64, SystemTime)>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some((found.len(), found.modified()?))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A new folder that only this user reads: the first number that is free, since the making of a folder tells.
fn free_folder(place: &Path) -> io::Result<PathBuf> {
    let mut number = 0_u32;
    loop {
        let path = place.join(format!(
            "firedrill-recovery-{}-{number}",
            std::process::id()
        ));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1_000 => {
                number += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Durability, Journal as _};
    use crate::store::database::Database;
    use crate::store::sample;

    #[tokio::test]
    async fn a_copy_holds_what_is_only_in_the_write_ahead_log_and_goes_when_it_is_dropped() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("it opens");
        let run = sample::run("r1");
        let events = [sample::created("r1")];
        database
            .append(&run, 0, &events, Durability::Durable)
            .await
            .expect("it is appended");
        let copy = Copy::make(&folder.path).expect("there is a place for it");
        let path = copy.path().to_owned();
        let copied = Database::open(&path).await.expect("it opens");
        assert_eq!(copied.load(&run).await.expect("it is whole"), events);
        assert_eq!(copied.unfinished().await.expect("asked"), [run]);
        copied.close().await.expect("it closes");
        drop(copy);
        assert!(!path.exists());
        database.close().await.expect("it closes");
    }
}
