//! Running a program of the user's: no shell, a process group of its own, a deadline, bounded output.
//!
//! On the deadline, or when its caller goes away, the program is killed with all its children. What a program that
//! ended in time has left running in the background is left alone: that may be what the hook is for.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::model::probe::Program;

/// The most bytes of each output that are kept; the rest is read and dropped.
const MOST_OUTPUT: usize = 64 << 10;

/// How long the output of a program that has ended is still read: a child in the background may hold it open for ever.
const DRAINING: Duration = Duration::from_millis(200);

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// None where a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Why a program did not end.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error("it could not be started: {0}")]
    NotStarted(std::io::Error),
    #[error("it could not be waited for: {0}")]
    Lost(std::io::Error),
    #[error("it was killed with its children after {} ms", .0.as_millis())]
    Late(Duration),
}

/// The same program, found from any folder: an undo may run in another process, started elsewhere.
pub(super) fn anchored(program: &Program) -> std::io::Result<Program> {
    let folder = std::path::absolute(program.folder.as_deref().unwrap_or("."))?;
    Ok(Program {
        command: program.command.clone(),
        folder: Some(folder.to_string_lossy().into_owned()),
    })
}

/// Where the program's file is, if there is one that can be run.
pub(super) fn found(program: &Program) -> Option<PathBuf> {
    let name = program.command.first()?;
    let executable = |path: &Path| {
        path.metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(located(program, name)).filter(|path| executable(path));
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| executable(path))
}

/// Runs it to its end.
pub(super) async fn run(program: &Program, limit: Duration) -> Result<Ended, RunError> {
    let empty = || RunError::NotStarted(std::io::ErrorKind::InvalidInput.into());
    let (name, arguments) = program.command.split_first().ok_or_else(empty)?;
    let mut command = Command::new(located(program, name));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(folder) = &program.folder {
        command.current_dir(folder);
    }
    let mut child = command.spawn().map_err(RunError::NotStarted)?;
    let mut group = Group::led_by(&child);
    let ended = tokio::time::timeout(limit, finish(&mut child)).await;
    if let Ok(ended) = ended {
        group.leave();
        ended.map_err(RunError::Lost)
    } else {
        Err(RunError::Late(limit))
    }
}

/// Reads both outputs while the program runs, so that it never waits for us.
async fn finish(child: &mut Child) -> std::io::Result<Ended> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = {
        let reading = async { tokio::join!(keep(out, &mut stdout), keep(err, &mut stderr)) };
        tokio::pin!(reading);
        // Cancelling either side is safe: `wait` may be asked again, and what was read is already kept.
        tokio::select! {
            _ = &mut reading => child.wait().await?,
            status = child.wait() => {
                let _ = tokio::time::timeout(DRAINING, reading).await;
                status?
            }
        }
    };
    Ok(Ended {
        code: status.code(),
        stdout,
        stderr,
    })
}

async fn keep(source: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut source) = source else { return };
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = source.read(&mut piece).await {
        let room = MOST_OUTPUT.saturating_sub(kept.len());
        kept.extend_from_slice(&piece[..read.min(room)]);
    }
}

/// A relative path is meant from the program's folder, a bare name from the search path.
fn located(program: &Program, name: &str) -> PathBuf {
    match &program.folder {
        Some(folder) if name.contains('/') => Path::new(folder).join(name),
        _ => PathBuf::from(name),
    }
}

/// A process group that is killed unless it is left in time.
struct Group(Option<Pid>);

impl Group {
    fn led_by(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        Self(leader.and_then(Pid::from_raw))
    }

    fn leave(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // The leader is not reaped yet, so that the group's number can't be anybody else's.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
