//! Programs of the user's: run to their end without a shell, each in a process group of its own.
//!
//! Invariants: on the deadline, or when its caller goes away, a program is killed with its whole group; only one that
//! left its group on purpose (`setsid`) is beyond that. What it prints is read while it runs, so that a full pipe never
//! blocks it, and kept only in part. Secrets in its arguments are looked up when it starts; which program runs never is
//! a secret.

mod ended;
#[cfg(test)]
pub(crate) mod scripts;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

pub(crate) use self::ended::Ended;
use self::ended::Printed;
use crate::model::probe::Program;
use crate::secret::{self, Environment, Unset};

/// How long to wait for the end of the outputs once a program has ended: whatever it left behind may hold them open for
/// ever, and is not waited for.
const DRAIN: Duration = Duration::from_millis(100);

/// What becomes of processes that a program which ended in time has left in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftovers {
    /// They are killed: a question leaves nothing behind.
    Killed,
    /// They live on: starting them may be what the program was for.
    Kept,
}

/// Why a program did not end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("no program is named")]
    Unnamed,
    /// An argument can't be made.
    #[error(transparent)]
    Unset(#[from] Unset),
    #[error("it could not be started: {0}")]
    NotStarted(String),
    #[error("it could not be waited for: {0}")]
    Lost(io::Error),
    #[error("it was killed with its children after {} ms", .0.as_millis())]
    Late(Duration),
}

/// Runs it to its end, within `limit`.
pub(crate) async fn run(
    program: &Program,
    environment: &Environment,
    limit: Duration,
    leftovers: Leftovers,
) -> Result<Ended, RunError> {
    let running = Running::start(program, environment)?;
    match tokio::time::timeout(limit, running.end(leftovers)).await {
        Ok(ended) => ended.map_err(RunError::Lost),
        Err(_) => Err(RunError::Late(limit)),
    }
}

/// The same program, found from any folder: it may run in another process, started elsewhere.
pub(crate) fn anchored(program: &Program) -> io::Result<Program> {
    let folder = std::path::absolute(program.folder.as_deref().unwrap_or("."))?;
    Ok(Program {
        command: program.command.clone(),
        folder: Some(folder.to_string_lossy().into_owned()),
    })
}

/// Where the program's file is, if there is one that can be run.
pub(crate) fn found(program: &Program) -> Option<PathBuf> {
    let name = program.command.first()?;
    let executable = |path: &Path| {
        path.metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let folder = program.folder.as_deref().map(Path::new);
        return Some(located(name, folder)).filter(|path| executable(path));
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| executable(path))
}

/// The program's arguments as they are given to it, with the values of their secrets.
pub(crate) fn arguments<'a>(
    program: &'a Program,
    environment: &Environment,
) -> Result<Vec<Cow<'a, str>>, Unset> {
    let arguments = program.command.iter().skip(1);
    arguments
        .map(|argument| secret::revealed(argument, environment))
        .collect()
}

/// A relative path is found in the program's folder, a bare name on the `PATH`. A bare name is never looked for in the
/// folder: a file there must not take the place of a system program.
fn located(name: &str, folder: Option<&Path>) -> PathBuf {
    match folder {
        Some(folder) if name.contains('/') => folder.join(name),
        _ => PathBuf::from(name),
    }
}

/// The folder it runs in, once it is known to be there: else the system says "no such file" and means the folder.
fn folder(program: &Program) -> Result<Option<PathBuf>, RunError> {
    let Some(folder) = &program.folder else {
        return Ok(None);
    };
    let folder =
        std::path::absolute(folder).map_err(|error| RunError::NotStarted(error.to_string()))?;
    if !folder.is_dir() {
        return Err(RunError::NotStarted(format!(
            "its folder {} is not there",
            folder.display()
        )));
    }
    Ok(Some(folder))
}

/// A started program. Dropping it kills its whole group, then lets the runtime reap the leader.
struct Running {
    // Before `child`, so that it is dropped first: the leader is not reaped then, and its id can't be another's yet.
    group: Group,
    child: Child,
}

impl Running {
    fn start(program: &Program, environment: &Environment) -> Result<Self, RunError> {
        let name = program.command.first().ok_or(RunError::Unnamed)?;
        let arguments = arguments(program, environment)?;
        let folder = folder(program)?;
        let mut command = Command::new(located(name, folder.as_deref()));
        command
            .args(arguments.iter().map(Cow::as_ref))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        let child = command
            .spawn()
            .map_err(|error| RunError::NotStarted(error.to_string()))?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        let group = Group(leader.and_then(Pid::from_raw));
        Ok(Self { group, child })
    }

    /// Waits for the leader and collects what was printed.
    async fn end(mut self, leftovers: Leftovers) -> io::Result<Ended> {
        let (mut out, mut err) = (self.child.stdout.take(), self.child.stderr.take());
        let mut printed = Printed::default();
        let (mut from_out, mut from_err) = ([0; 4096], [0; 4096]);
        // Reading and waiting are both cancel-safe: what one branch has not returned stays where it is.
        let status: ExitStatus = loop {
            tokio::select! {
                read = next(&mut out, &mut from_out) => printed.take_out(&from_out[..read]),
                read = next(&mut err, &mut from_err) => printed.take_err(&from_err[..read]),
                status = self.child.wait() => break status?,
            }
        };
        // The leader has just been reaped. Its id can't have been given to another group yet: the group's survivors
        // hold it, and without survivors nobody could have gone through all other ids since the line above.
        match leftovers {
            Leftovers::Killed => self.group.kill(),
            Leftovers::Kept => self.group.leave(),
        }
        let _ = tokio::time::timeout(DRAIN, async {
            while out.is_some() || err.is_some() {
                tokio::select! {
                    read = next(&mut out, &mut from_out) => printed.take_out(&from_out[..read]),
                    read = next(&mut err, &mut from_err) => printed.take_err(&from_err[..read]),
                }
            }
        })
        .await;
        Ok(Ended { status, printed })
    }
}

/// The next bytes; at its end the stream is gone, and with it the branch: a stream that is gone is never ready.
async fn next(stream: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    let Some(open) = stream else {
        return std::future::pending().await;
    };
    match open.read(buffer).await {
        Ok(read) if read > 0 => read,
        _ => {
            *stream = None;
            0
        }
    }
}

/// A process group that is killed once, at the latest when this is dropped, unless it is left in time.
struct Group(Option<Pid>);

impl Group {
    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            // That it is gone already is the only error there can be: we started it, as ourselves.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    fn leave(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
