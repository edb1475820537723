//! Who runs a run: an operating-system lock on a file of its own, which the kernel lets go when its holder dies, however
//! it dies. Recovery touches only runs whose lock it could take.
//!
//! Nothing here ever waits for a holder. A holder has it exclusively; who only looks shares it for an instant, so a look
//! can't be mistaken for a holder. The file is removed by its holder, and whoever takes a lock checks that the file it
//! locked is still the one at that path.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::model::ids::RunId;

/// A look lasts microseconds, or until its thread gets to run again on a busy machine. Past these many tries, the later
/// of them a millisecond apart, it is no look.
const TRIES: u32 = 300;
const AT_ONCE: u32 = 100;

/// Ownership of a run by this process, until dropped.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    _file: File,
}

impl RunLock {
    /// Takes `run`, or `None` where somebody else has it.
    pub fn acquire(data: &Path, run: &RunId) -> io::Result<Option<Self>> {
        let folder = data.join("locks");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        Self::at(folder.join(run.as_str()))
    }

    /// Takes `run` whose data folder may not be writable, or `None` where somebody else has it. Where its file is there,
    /// a descriptor that only reads holds it as well. Where none can be made, nobody holds the run, and of those who
    /// ask alike the first has it `elsewhere`.
    pub fn acquire_unwritable(
        data: &Path,
        run: &RunId,
        elsewhere: &Path,
    ) -> io::Result<Option<Self>> {
        if let Ok(taken) = Self::acquire(data, run) {
            return Ok(taken);
        }
        let path = data.join("locks").join(run.as_str());
        match File::open(&path) {
            Ok(file) => {
                let taken = try_lock(&file, FlockOperation::NonBlockingLockExclusive)?;
                Ok(taken.then_some(Self { path, _file: file }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::acquire(elsewhere, run),
            Err(error) => Err(error),
        }
    }

    pub(super) fn at(path: PathBuf) -> io::Result<Option<Self>> {
        for tried in 0..TRIES {
            let file = open(&path)?;
            match take(&file, &path)? {
                Taken::Ours => return Ok(Some(Self { path, _file: file })),
                Taken::Theirs => return Ok(None),
                Taken::Again => {
                    drop(file);
                    if tried < AT_ONCE {
                        std::thread::yield_now();
                    } else {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            }
        }
        Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            format!("{} is looked at without end", path.display()),
        ))
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // While it is still locked, so that nobody else's is removed. A file that stays is only litter.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether nobody has `run`: for showing, since it may be taken at once. To act on a run, acquire it.
pub fn is_free(data: &Path, run: &RunId) -> io::Result<bool> {
    let file = match File::open(data.join("locks").join(run.as_str())) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(e) => return Err(e),
    };
    try_lock(&file, FlockOperation::NonBlockingLockShared)
}

/// Every run, and every stack as `stack:NAME`, that a living process holds. It opens nothing for writing.
pub fn held(data: &Path) -> io::Result<Vec<RunId>> {
    let entries = match std::fs::read_dir(data.join("locks")) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut held = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        // What is not a name is not ours.
        let Some(Ok(run)) = name.to_str().map(str::parse::<RunId>) else {
            continue;
        };
        if !is_free(data, &run)? {
            held.push(run);
        }
    }
    held.sort();
    Ok(held)
}

/// What an attempt to take a lock came to.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Ours,
    Theirs,
    /// That can't be told from this file.
    Again,
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn take(file: &File, path: &Path) -> io::Result<Taken> {
    if try_lock(file, FlockOperation::NonBlockingLockExclusive)? {
        // Its last holder may have removed it between our opening and locking it.
        return Ok(if is_at(file, path)? {
            Taken::Ours
        } else {
            Taken::Again
        });
    }
    // Where it can be shared, nobody holds it: somebody was only looking.
    Ok(if try_lock(file, FlockOperation::NonBlockingLockShared)? {
        Taken::Again
    } else {
        Taken::Theirs
    })
}

fn try_lock(file: &File, how: FlockOperation) -> io::Result<bool> {
    loop {
        match flock(file, how) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;
    use crate::store::sample;

    #[test]
    fn a_run_has_one_owner_until_it_lets_go() {
        let folder = sample::Folder::new();
        let run = sample::run("r1");
        assert!(is_free(&folder.path, &run).expect("looked"));

        let lock = RunLock::acquire(&folder.path, &run).expect("a lock");
        assert!(lock.is_some());
        assert!(!is_free(&folder.path, &run).expect("looked"));
        assert!(
            RunLock::acquire(&folder.path, &run)
                .expect("asked")
                .is_none()
        );
        let other = RunLock::acquire(&folder.path, &sample::run("r2")).expect("asked");
        assert!(other.is_some(), "another run's lock is its own");

        drop(lock);
        assert!(is_free(&folder.path, &run).expect("looked"));
        assert!(
            RunLock::acquire(&folder.path, &run)
                .expect("asked")
                .is_some()
        );
    }

    #[test]
    fn the_kernel_frees_a_dead_holders_lock_and_its_file_is_no_obstacle() {
        let folder = sample::Folder::new();
        let run = sample::run("r1");
        // What `kill -9` leaves: the file, without anybody's lock on it.
        let lock = RunLock::acquire(&folder.path, &run)
            .expect("asked")
            .expect("free");
        let path = lock.path.clone();
        drop(lock);
        std::fs::write(&path, "").expect("a left-over file");

        assert!(is_free(&folder.path, &run).expect("looked"));
        assert!(
            RunLock::acquire(&folder.path, &run)
                .expect("asked")
                .is_some()
        );
    }

    #[test]
    fn a_look_is_never_mistaken_for_a_holder() {
        let folder = sample::Folder::new();
        let run = sample::run("r1");
        let lock = RunLock::acquire(&folder.path, &run).expect("asked");
        let path = lock.expect("free").path.clone();
        let looker = open(&path).expect("opened");
        assert!(try_lock(&looker, FlockOperation::NonBlockingLockShared).expect("asked"));
        // This one never ends, which no look does: it is an error then, and not somebody else's run.
        let error = RunLock::acquire(&folder.path, &run).expect_err("not told");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(looker);
        let lock = RunLock::acquire(&folder.path, &run).expect("asked");
        assert!(lock.is_some());
    }

    #[test]
    fn a_file_that_its_holder_removed_is_no_lock_any_more() {
        let folder = sample::Folder::new();
        let lock = RunLock::acquire(&folder.path, &sample::run("r1"))
            .expect("asked")
            .expect("free");
        let path = lock.path.clone();
        let late = open(&path).expect("opened");
        assert_eq!(take(&late, &path).expect("asked"), Taken::Theirs);
        drop(lock);
        assert_eq!(take(&late, &path).expect("asked"), Taken::Again);
        let next = RunLock::at(path).expect("asked");
        assert!(next.is_some(), "the removed file stands in nobody's way");
    }

    #[test]
    fn lookers_and_takers_never_make_two_owners_or_hide_a_free_run() {
        let folder = sample::Folder::new();
        let run = sample::run("r1");
        let owners = AtomicU32::new(0);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    is_free(&folder.path, &run).expect("looked");
                }
            });
            let takers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut taken = 0;
                        while taken < 200 {
                            if let Some(lock) = RunLock::acquire(&folder.path, &run).expect("asked")
                            {
                                assert_eq!(owners.fetch_add(1, Ordering::SeqCst), 0, "two owners");
                                std::thread::yield_now();
                                owners.fetch_sub(1, Ordering::SeqCst);
                                drop(lock);
                                taken += 1;
                            }
                        }
                    })
                })
                .collect();
            let results: Vec<_> = takers
                .into_iter()
                .map(std::thread::ScopedJoinHandle::join)
                .collect();
            // The takers are over: with a looker alone, a free run must never seem taken.
            let hidden = (0..200)
                .filter(|_| !matches!(RunLock::acquire(&folder.path, &run), Ok(Some(_))))
                .count();
            done.store(true, Ordering::SeqCst);
            assert_eq!(hidden, 0, "a look was mistaken for a holder");
            for result in results {
                result.expect("no taker saw two owners");
            }
        });
    }
}
