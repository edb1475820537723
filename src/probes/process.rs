//! Process probes: a program run to its end, in a process group of its own.
//!
//! Invariants: no shell; nothing of the group outlives the question, however the question ends: answered, late, or
//! dropped. A program that leaves its group on purpose (`setsid`) is beyond that. What it prints is read while it runs,
//! so that a full pipe never blocks it, and kept only in part.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::http::askable;
use super::{judged, late};
use crate::engine::watch::SampleResult;
use crate::model::probe::{Expect, Program};

/// How much of the end of both outputs is kept for the reason.
const KEPT_TAIL: usize = 4 << 10;
/// How much of standard output is kept for `body` and `json`.
const KEPT_ANSWER: usize = 64 << 10;
/// How many last lines, and characters of them, go into a reason.
const QUOTED_LINES: usize = 3;
const QUOTED_CHARS: usize = 300;
/// How long to wait for the end of the outputs once the group is dead. Only a program that left the group can still
/// hold them open, and it is not waited for.
const DRAIN: Duration = Duration::from_millis(100);

pub(super) async fn ask(program: &Program, expect: &Expect) -> SampleResult {
    if let Err(why) = askable(expect) {
        return SampleResult::Unknown(why);
    }
    let running = match Running::start(program) {
        Ok(running) => running,
        Err(why) => return SampleResult::Unknown(why),
    };
    let within = expect.within.duration();
    match tokio::time::timeout(within, running.end()).await {
        Ok(Ok((status, printed))) => judge(status, &printed, expect),
        Ok(Err(error)) => SampleResult::Unknown(format!("could not wait for it: {error}")),
        Err(_) => SampleResult::Failed(late(within)),
    }
}

fn judge(status: ExitStatus, printed: &Printed, expect: &Expect) -> SampleResult {
    let ended = match status.signal() {
        Some(signal) => Err(format!("killed by {}", signal_name(signal))),
        None => expect.judge_exit(status.code()),
    };
    if let Err(why) = ended {
        return SampleResult::Failed(match printed.last_lines() {
            lines if lines.is_empty() => why,
            lines => format!("{why}: {lines}"),
        });
    }
    let reads_answer = expect.body.is_some() || !expect.json.is_empty();
    if reads_answer && printed.answer_is_cut {
        return SampleResult::Failed(format!(
            "it printed more than {} KiB",
            KEPT_ANSWER >> 10
        ));
    }
    judged(expect.judge_body(&printed.answer))
}

/// A started program. Dropping it kills its whole group, then lets the runtime reap the leader.
struct Running {
    // Before `child`, so that it is dropped first: the leader is not reaped then, and its id can't be another's yet.
    group: Group,
    child: Child,
}

impl Running {
    fn start(program: &Program) -> Result<Self, String> {
        let (name, arguments) = program
            .command
            .split_first()
            .ok_or_else(|| "no program is named".to_owned())?;
        let could_not = |error: &io::Error| format!("could not start {name}: {error}");
        let folder = match &program.folder {
            Some(folder) => {
                let folder = std::path::absolute(folder).map_err(|error| could_not(&error))?;
                if !folder.is_dir() {
                    // Else the system says "no such file" and means the folder.
                    return Err(format!(
                        "could not start {name}: its folder {} is not there",
                        folder.display()
                    ));
                }
                Some(folder)
            }
            None => None,
        };
        let mut command = Command::new(located(name, folder.as_deref()));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        let child = command.spawn().map_err(|error| could_not(&error))?;
        let group = Group(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw),
        );
        Ok(Self { group, child })
    }

    /// Waits for the leader, ends what it left behind, and collects what was printed.
    async fn end(mut self) -> io::Result<(ExitStatus, Printed)> {
        let (mut out, mut err) = (self.child.stdout.take(), self.child.stderr.take());
        let mut printed = Printed::default();
        let (mut from_out, mut from_err) = ([0; 4096], [0; 4096]);
        // Reading and waiting are both cancel-safe: what one branch has not returned stays where it is.
        let status = loop {
            tokio::select! {
                read = next(&mut out, &mut from_out) => printed.take_out(&from_out[..read]),
                read = next(&mut err, &mut from_err) => printed.take_err(&from_err[..read]),
                status = self.child.wait() => break status?,
            }
        };
        // The leader has just been reaped. Its id can't have been given to another group yet: the group's survivors
        // hold it, and without survivors nobody could have gone through all other ids since the line above.
        self.group.kill();
        let _ = tokio::time::timeout(DRAIN, async {
            while out.is_some() || err.is_some() {
                tokio::select! {
                    read = next(&mut out, &mut from_out) => printed.take_out(&from_out[..read]),
                    read = next(&mut err, &mut from_err) => printed.take_err(&from_err[..read]),
                }
            }
        })
        .await;
        Ok((status, printed))
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

/// A relative path is found in the program's folder, a bare name on the `PATH`. A bare name is never looked for in the
/// folder: a file there must not take the place of a system program.
fn located(name: &str, folder: Option<&Path>) -> PathBuf {
    match folder {
        Some(folder) if name.contains('/') => folder.join(name),
        _ => PathBuf::from(name),
    }
}

/// A process group that is killed once, at the latest when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            // That it is gone already is the only error there can be: we started it, as ourselves.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a program printed, as far as it is kept.
#[derive(Default)]
struct Printed {
    /// The beginning of standard output.
    answer: Vec<u8>,
    answer_is_cut: bool,
    /// The end of both, as they came.
    tail: Vec<u8>,
}

impl Printed {
    fn take_out(&mut self, bytes: &[u8]) {
        let room = KEPT_ANSWER - self.answer.len();
        self.answer_is_cut |= bytes.len() > room;
        self.answer.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.take_err(bytes);
    }

    fn take_err(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let over = self.tail.len().saturating_sub(KEPT_TAIL);
        self.tail.drain(..over);
    }

    /// The last lines in one, without what could disturb a terminal.
    fn last_lines(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let mut lines: Vec<&str> = text
            .lines()
            .rev()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .take(QUOTED_LINES)
            .collect();
        lines.reverse();
        let joined: String = lines
            .join(" / ")
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        match joined.char_indices().nth_back(QUOTED_CHARS) {
            Some((before, c)) => format!("…{}", &joined[before + c.len_utf8()..]),
            None => joined,
        }
    }
}

fn signal_name(number: i32) -> String {
    let names = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
    ];
    names
        .iter()
        .find(|(signal, _)| signal.as_raw() == number)
        .map_or_else(|| format!("signal {number}"), |(_, name)| (*name).to_owned())
}
