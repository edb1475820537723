//! The state file: what proxies and toxics there are, kept so that they outlive the process.
//!
//! Written whole, to a file beside it that then takes its place, both synced: at any instant the file is either the one
//! before or the one after. It is written by a task of its own, never by a request. A change takes effect at once; its
//! answer then waits until the change is on disk, for a second at most, since taking a fault away must not depend on a
//! disk. What could not be written is tried again until it can be.
//!
//! Times to live are kept as wall-clock deadlines. What is over when the file is read does not come back.
//!
//! A file that can't be understood is refused and left as it is.

mod wall;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use self::wall::Clocks;
use super::{
    body::{self, Fields},
    error::Error,
    lease::Lease,
    proxy::{ProxyConfig, Tasks, View},
    registry::Registry,
    toxics::Toxic,
};

/// The only form there is so far.
const VERSION: i64 = 1;

/// How long an answer waits for the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long after a failure to write it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Why a state file can't be used. It is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(
        "state file {path} can't be read: {source}; hint: it must be a file that this user may read and write"
    )]
    Unreadable { path: String, source: io::Error },
    #[error(
        "state file {path} is in use by another server; hint: give each server a file of its own"
    )]
    InUse { path: String },
    #[error(
        "state file {path} is damaged: {why}; hint: it was left as it is; repair it, or move it away to begin with nothing"
    )]
    Damaged { path: String, why: String },
}

/// A state file that this process alone uses.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    proxies: Vec<ProxyConfig>,
    /// What the file holds now.
    written: Vec<u8>,
    /// Locked until dropped. Beside the file, which is replaced with each change.
    lock: File,
}

impl StateFile {
    /// Takes the file for this process and reads it. One that isn't there is empty.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let shown = path.display().to_string();
        let unreadable = |source| StateError::Unreadable {
            path: shown.clone(),
            source,
        };
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(beside(path, "lock"))
            .map_err(unreadable)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StateError::InUse { path: shown }),
            Err(error) => return Err(unreadable(error.into())),
        }
        let (written, proxies) = match fs::read(path) {
            Ok(bytes) => match read(&bytes, &Clocks::now()) {
                Ok(proxies) => (bytes, proxies),
                Err(why) => return Err(StateError::Damaged { path: shown, why }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        Ok(Self {
            path: path.to_owned(),
            proxies,
            written,
            lock,
        })
    }

    /// How many proxies it brings back.
    pub fn proxies(&self) -> usize {
        self.proxies.len()
    }

    pub(crate) fn restored(&mut self) -> Vec<ProxyConfig> {
        std::mem::take(&mut self.proxies)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

/// A proxy or toxic with the wall-clock time, in milliseconds since 1970, at which it is over.
#[derive(Serialize)]
struct Dated<T> {
    #[serde(flatten)]
    thing: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<u64>,
}

impl<T> Dated<T> {
    fn new(thing: T, lease: &Lease, clocks: &Clocks) -> Self {
        let deadline = lease.ttl.map(|ttl| clocks.wall_of(ttl.deadline()));
        Self { thing, deadline }
    }
}

fn render(views: Vec<View>, clocks: &Clocks) -> Vec<u8> {
    #[derive(Serialize)]
    struct Document {
        version: i64,
        proxies: Vec<Dated<Kept>>,
    }
    #[derive(Serialize)]
    struct Kept {
        name: String,
        listen: String,
        upstream: String,
        enabled: bool,
        #[serde(flatten)]
        lease: Lease,
        toxics: Vec<Dated<Toxic>>,
    }
    let toxic = |toxic: Toxic| {
        let lease = toxic.lease.clone();
        Dated::new(toxic, &lease, clocks)
    };
    let proxy = |view: View| {
        let lease = view.lease.clone();
        let kept = Kept {
            name: view.name,
            listen: view.listen,
            upstream: view.upstream,
            enabled: view.enabled,
            lease: view.lease,
            toxics: view.toxics.into_iter().map(toxic).collect(),
        };
        Dated::new(kept, &lease, clocks)
    };
    let document = Document {
        version: VERSION,
        proxies: views.into_iter().map(proxy).collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&document)
        .expect("strings, finite numbers and string-keyed maps always render");
    bytes.push(b'\n');
    bytes
}

/// The proxies that a file's bytes say, with what is left of their times to live.
fn read(bytes: &[u8], clocks: &Clocks) -> Result<Vec<ProxyConfig>, String> {
    // As a whole first: what follows the document must be nothing.
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(|error| error.to_string())?;
    let document = body::object(bytes, "State").map_err(|error| error.words())?;
    match document.integer("version").map_err(|error| error.words())? {
        Some(VERSION) => {}
        Some(other) => {
            return Err(format!(
                "its `version` is {other}, this server knows {VERSION}"
            ));
        }
        None => return Err("it has no `version`".to_owned()),
    }
    if !document.has("proxies") {
        return Err("it has no `proxies`".to_owned());
    }
    let bodies = document.objects("proxies").map_err(|error| error.words())?;
    let mut proxies: Vec<ProxyConfig> = Vec::new();
    for (index, body) in bodies.iter().enumerate() {
        let place = format!("proxy {}", index + 1);
        let proxy = restore(body, &place, clocks).map_err(|error| error.words())?;
        if proxies.iter().any(|other| other.name == proxy.name) {
            return Err(format!("{} is in it twice", proxy.name));
        }
        proxies.push(proxy);
    }
    Ok(proxies)
}

fn restore(body: &Fields, place: &str, clocks: &Clocks) -> Result<ProxyConfig, Error> {
    let mut proxy = ProxyConfig::read(body, place)?;
    let mut toxics = Vec::new();
    for (mut toxic, given) in proxy.toxics.drain(..).zip(body.objects("toxics")?) {
        match left(&given, place, clocks)? {
            Some(Duration::ZERO) => continue,
            Some(left) => toxic.term.shorten(left),
            None => {}
        }
        toxics.push(toxic);
    }
    proxy.toxics = toxics;
    if !proxy.enabled {
        match left(body, place, clocks)? {
            Some(Duration::ZERO) => proxy.enabled = true,
            Some(left) => proxy.term.shorten(left),
            None => {}
        }
    }
    Ok(proxy)
}

fn left(body: &Fields, place: &str, clocks: &Clocks) -> Result<Option<Duration>, Error> {
    let deadline = body.integer("deadline").map_err(|error| error.at(place))?;
    Ok(deadline.map(|deadline| clocks.until(u64::try_from(deadline).unwrap_or(0))))
}

/// Keeps the file in step with the proxies.
pub(crate) struct Keeper {
    path: PathBuf,
    /// How many changes there were; counted after each.
    changes: AtomicU64,
    /// Up to which of them the file goes.
    kept: watch::Sender<u64>,
    dirty: Notify,
    failing: AtomicBool,
    _lock: File,
}

impl Keeper {
    /// Starts keeping what `registry` holds, from the file's present content on.
    pub(crate) fn start(file: StateFile, registry: Arc<Registry>, tasks: &Tasks) -> Arc<Self> {
        let keeper = Arc::new(Self {
            path: file.path,
            changes: AtomicU64::new(1),
            kept: watch::Sender::new(0),
            dirty: Notify::new(),
            failing: AtomicBool::new(false),
            _lock: file.lock,
        });
        keeper.dirty.notify_one();
        tasks
            .tracker
            .spawn(Arc::clone(&keeper).keep(file.written, registry, tasks.clone()));
        keeper
    }

    /// Something may have changed.
    pub(crate) fn changed(&self) -> u64 {
        let change = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        self.dirty.notify_one();
        change
    }

    /// Something may have changed: waits until that is on disk. False where it isn't in time; it will be tried again.
    pub(crate) async fn settle(&self) -> bool {
        let change = self.changed();
        let mut kept = self.kept.subscribe();
        let settled = kept.wait_for(|kept| *kept >= change);
        timeout(PATIENCE, settled)
            .await
            .is_ok_and(|waited| waited.is_ok())
    }

    /// Whether the last attempt to write it worked.
    pub(crate) fn is_well(&self) -> bool {
        !self.failing.load(Ordering::Relaxed)
    }

    async fn keep(self: Arc<Self>, mut written: Vec<u8>, registry: Arc<Registry>, tasks: Tasks) {
        loop {
            // Cancel safe: a notification that comes while we write is kept by `Notify`.
            tokio::select! {
                biased;
                () = tasks.shutdown.cancelled() => return,
                () = self.dirty.notified() => {}
            }
            let change = self.changes.load(Ordering::SeqCst);
            let bytes = render(registry.listed(), &Clocks::now());
            // Closing empties the proxies; that is no change to keep.
            if tasks.shutdown.is_cancelled() {
                return;
            }
            if bytes == written {
                self.kept.send_replace(change);
                continue;
            }
            let (path, content) = (self.path.clone(), bytes.clone());
            let wrote = tasks
                .tracker
                .spawn_blocking(move || replace(&path, &content))
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)));
            match wrote {
                Ok(()) => {
                    written = bytes;
                    self.failing.store(false, Ordering::Relaxed);
                    self.kept.send_replace(change);
                }
                Err(error) => {
                    if !self.failing.swap(true, Ordering::Relaxed) {
                        tracing::error!(path = %self.path.display(), %error, "the state file could not be written; trying again each second");
                    }
                    self.dirty.notify_one();
                    tokio::select! {
                        () = tasks.shutdown.cancelled() => return,
                        () = sleep(RETRY) => {}
                    }
                }
            }
        }
    }
}

/// Puts a file with that content in the place of the one that is there.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = beside(path, "new");
    let mut file = File::create(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
