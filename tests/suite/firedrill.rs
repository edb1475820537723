//! The real binary, run as users run it: in a folder, with a data folder, its two streams kept apart.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::ground::until;

/// No command of these tests takes longer; one that does is ended and fails its test.
const LONGEST: Duration = Duration::from_secs(150);

/// How long a process may take to end after SIGTERM before it is killed.
const TERMINATION: Duration = Duration::from_secs(5);

static NEXT: AtomicU32 = AtomicU32::new(1);

/// How the binary is run.
#[derive(Debug, Clone)]
pub(crate) struct Firedrill {
    folder: PathBuf,
    data: PathBuf,
    environment: Vec<(String, String)>,
    /// Programs that start it, such as one that enters a namespace.
    entrance: Vec<String>,
}

impl Firedrill {
    /// In a folder, where its streams are kept too.
    pub(crate) fn within(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            data: folder.join("data"),
            environment: Vec::new(),
            entrance: Vec::new(),
        }
    }

    /// With another data folder.
    pub(crate) fn with_data(&self, data: PathBuf) -> Self {
        Self {
            data,
            ..self.clone()
        }
    }

    /// With a variable in its environment.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.environment.push((name.to_owned(), value.to_owned()));
        other
    }

    /// Started by other programs, which must become it in the end.
    pub(crate) fn through(&self, entrance: Vec<String>) -> Self {
        Self {
            entrance,
            ..self.clone()
        }
    }

    /// Runs it to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Finished {
        self.start(arguments).finish()
    }

    /// Starts it with nothing to read. Dropped, it is ended.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Started {
        self.start_reading(arguments, Stdio::null())
    }

    /// Starts it with something to read.
    pub(crate) fn start_reading<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: Stdio,
    ) -> Started {
        self.launch(self.program(), arguments, input, None)
    }

    /// Starts it with its standard error on a terminal. Dropped, it is ended.
    pub(crate) fn start_on<S: AsRef<OsStr>>(
        &self,
        terminal: Stdio,
        arguments: impl IntoIterator<Item = S>,
    ) -> Started {
        self.launch(self.program(), arguments, Stdio::null(), Some(terminal))
    }

    fn program(&self) -> Command {
        let entrance = self.entrance.iter().map(String::as_str);
        let mut words = entrance.chain([env!("CARGO_BIN_EXE_firedrill")]);
        let mut command = Command::new(words.next().expect("the binary is the last"));
        command.args(words);
        command
    }

    /// Starts it in the place of a shell that has set a limit.
    pub(crate) fn start_limited<S: AsRef<OsStr>>(
        &self,
        limit: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Started {
        let mut shell = Command::new("sh");
        let script = format!("{limit} && exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_firedrill")]);
        self.launch(shell, arguments, Stdio::null(), None)
    }

    fn launch<S: AsRef<OsStr>>(
        &self,
        mut command: Command,
        arguments: impl IntoIterator<Item = S>,
        input: Stdio,
        terminal: Option<Stdio>,
    ) -> Started {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let stream = |name: &str| self.folder.join(format!("{name}-{number}.txt"));
        let (stdout, stderr) = (stream("stdout"), stream("stderr"));
        let create =
            |path: &Path| Stdio::from(File::create(path).expect("the folder takes a file"));
        command
            .current_dir(&self.folder)
            .arg("--data")
            .arg(&self.data)
            .args(arguments)
            .stdin(input)
            .stdout(create(&stdout))
            .stderr(terminal.unwrap_or_else(|| create(&stderr)));
        // What the machine that tests has set must not show.
        for name in [
            "GITHUB_STEP_SUMMARY",
            "NO_COLOR",
            "FIREDRILL_DATA",
            "FIREDRILL_TOKEN",
            "RUST_LOG",
        ] {
            command.env_remove(name);
        }
        // What one test's killed demo left is not for any other test's `recover` to remove.
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        command.envs(self.environment.iter().cloned());
        let child = command.spawn().expect("the binary is built");
        Started {
            child,
            stdout,
            stderr,
            began: Instant::now(),
        }
    }
}

/// A process that goes on.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    began: Instant,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit status; nothing where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Started {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
    }

    /// What it has told so far, each sentence of the timeline on one line again.
    pub(crate) fn told(&self) -> String {
        let told = fs::read_to_string(&self.stderr).unwrap_or_default();
        told.replace(&format!("\n{:11}", ""), " ")
    }

    /// Waits until its standard error holds `text`.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        while !self.told().contains(text) {
            let ended = self.child.try_wait().expect("it is our child");
            let late = Instant::now() > end;
            assert!(
                ended.is_none() && !late,
                "`{text}` was not told ({ended:?}):\n{}",
                self.told()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        let status = until("the process ends", LONGEST, || {
            self.child.try_wait().expect("it is our child")
        });
        Finished {
            code: status.code(),
            stdout: fs::read_to_string(&self.stdout).unwrap_or_default(),
            stderr: self.told(),
            took: self.began.elapsed(),
        }
    }

    /// Ends it with SIGKILL, as a crash would.
    pub(crate) fn crash(mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let pid = Pid::from_child(&self.child);
        // A stopped process hears nothing but SIGCONT.
        let _ = kill_process(pid, Signal::CONT);
        let _ = kill_process(pid, Signal::TERM);
        let end = Instant::now() + TERMINATION;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// Holds it to an exit status.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "after {:?}\nstdout:\n{}\nstderr:\n{}",
            self.took,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Holds it to having told something on standard error.
    #[track_caller]
    pub(crate) fn tells(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "`{text}` is not in\n{}",
            self.stderr
        );
        self
    }

    /// Holds it to a result that holds something.
    #[track_caller]
    pub(crate) fn results(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "`{text}` is not in\n{}",
            self.stdout
        );
        self
    }
}
