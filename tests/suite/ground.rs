//! Ground to build on: folders and loopback addresses that no other test has, and waiting with a limit.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

static ADDRESSES: AtomicU32 = AtomicU32::new(1);
static FOLDERS: AtomicU32 = AtomicU32::new(1);

/// A loopback address of its own, so that fixed ports never meet, within this process or with another one that tests
/// at the same time: fifteen bits are the process's, eight count.
pub(crate) fn own_address() -> IpAddr {
    let [.., high, low] = process::id().to_be_bytes();
    let last = ADDRESSES.fetch_add(1, Ordering::Relaxed);
    let last = u8::try_from(last).expect("one process asks for fewer than 256 addresses");
    IpAddr::V4(Ipv4Addr::new(127, 0x40 | (high & 0x7f), low, last))
}

/// A port that nobody listens on, so that connecting is refused at once.
pub(crate) fn closed_port(host: IpAddr) -> SocketAddr {
    SocketAddr::new(host, 9)
}

/// A folder that goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("firedrill-suite-{}-{number}", process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("the temp folder takes a folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, with the folders it is in.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        let parent = path.parent().expect("a file is in a folder");
        fs::create_dir_all(parent).expect("a folder can be made");
        fs::write(&path, text).expect("a file can be written");
        path
    }

    /// What a file holds; nothing where it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The project's own folder, with the files that ship.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Asks again and again until there is an answer; fails with `what` after `limit`.
pub(crate) fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Says that a test did not run, and why; a failure where `CI` promises that nothing is missing.
pub(crate) fn not_run(why: &str) {
    assert!(
        env::var_os("CI").is_none(),
        "CI needs what is absent: {why}"
    );
    println!("NOT RUN: {why}");
}
