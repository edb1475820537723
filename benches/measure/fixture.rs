//! What the topics share: folders on disk, and the shortest experiment there is.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use firedrill::model::plan::Plan;
use firedrill::spec::{Options, load_plan};

/// Where a build may leave what only measures need.
pub(crate) const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// A folder on the disk that holds the build, removed when it is dropped: the system's own folder for such things may
/// be memory.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "measure-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = Path::new(SCRATCH).join(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("{} can't be made", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The second probe is asked by nobody: its address is what tells that the stack is on this machine.
const STACK: &str = "\
kind: Stack
name: measured
environment: staging
probes:
  alive: {process: {command: [\"true\"]}, every: 1s}
  local: {tcp: {address: \"127.0.0.1:9\"}, every: 1s}
";

/// One process probe, one sample, nothing broken, nothing waited for.
const EXPERIMENT: &str = "\
kind: Experiment
name: shortest
stack: measured
hypothesis: It is there.
steady_state: [{probe: alive, pass_after: 1}]
method: []
recovery: {stable_for: 0s}
";

/// Writes the shortest experiment and its stack; answers with the experiment's file.
pub(crate) fn shortest(folder: &Folder) -> anyhow::Result<PathBuf> {
    written(folder, STACK, EXPERIMENT)
}

/// Writes an experiment and its stack; answers with the experiment's file.
pub(crate) fn written(folder: &Folder, stack: &str, experiment: &str) -> anyhow::Result<PathBuf> {
    let stacks = folder.path().join("stacks");
    std::fs::create_dir_all(&stacks)?;
    std::fs::write(stacks.join("measured.yaml"), stack)?;
    let file = folder.path().join("experiment.yaml");
    std::fs::write(&file, experiment)?;
    Ok(file)
}

/// The plan of a written experiment.
pub(crate) fn plan(folder: &Folder, file: &Path) -> anyhow::Result<Plan> {
    let options = Options {
        stacks_dir: Some(folder.path().join("stacks")),
        ..Options::default()
    };
    load_plan(file, &options).map_err(|findings| anyhow::anyhow!(findings.render(false)))
}
