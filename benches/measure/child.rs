//! Other processes: found, started, ended with their guard, and read from outside.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::stopwatch::Stopwatch;

/// firedrill as this build made it.
pub(crate) const FIREDRILL: &str = env!("CARGO_BIN_EXE_firedrill");

/// The program of this name on the `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Runs a program to its end, without its output: the wall time in milliseconds from before it is forked until it is
/// reaped. One that fails is an error, not a figure.
pub(crate) fn wall_time(mut command: Command) -> anyhow::Result<f64> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let watch = Stopwatch::start();
    let status = command
        .status()
        .with_context(|| format!("{} could not be started", name(&command)))?;
    let taken = watch.milliseconds();
    if !status.success() {
        bail!("{} ended with {status}", name(&command));
    }
    Ok(taken)
}

/// The most resident memory a program had at once, in MiB, by the kernel's own account (`ru_maxrss`, which GNU time
/// reads when it reaps the program). Not by our own reaping: a child begins with the mark of whoever forked it, and
/// GNU time is small. `None` where GNU time is not there.
pub(crate) fn peak_memory(command: &Command) -> anyhow::Result<Option<f64>> {
    let Some(time) = on_path("time") else {
        return Ok(None);
    };
    let mut measured = Command::new(time);
    measured.args(["-f", "%M"]).arg(command.get_program());
    measured.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        measured.current_dir(folder);
    }
    let output = measured.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{} ended with {}", name(command), output.status);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let kibibytes: f64 = said
        .lines()
        .last()
        .unwrap_or_default()
        .trim()
        .parse()
        .with_context(|| format!("`time` is not GNU time: it said {said:?}"))?;
    Ok(Some(kibibytes / 1024.0))
}

fn name(command: &Command) -> String {
    Path::new(command.get_program()).display().to_string()
}

/// A process in the background, ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Background(Child);

impl Background {
    /// Starts it with its output thrown away.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Ok(Self(child.with_context(|| {
            format!("{} could not be started", name(command))
        })?))
    }

    /// Starts it and waits for a line of its standard error that `wanted` finds something in. The rest of its output
    /// goes unread: a program that says more than fits a pipe would stop.
    pub(crate) fn start_until<T>(
        command: &mut Command,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> anyhow::Result<(Self, T)> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} could not be started", name(command)))?;
        let said = child.stderr.take().context("its standard error is piped")?;
        // The guard is there before anything can fail.
        let background = Self(child);
        let mut lines = BufReader::new(said).lines();
        let mut heard = Vec::new();
        for line in lines.by_ref() {
            let line = line?;
            if let Some(found) = wanted(&line) {
                std::thread::spawn(move || lines.for_each(drop));
                return Ok((background, found));
            }
            heard.push(line);
        }
        bail!("{} ended: {}", name(command), heard.join(" / "))
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn crash(mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        let status = self.0.wait()?;
        anyhow::ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    /// Its resident memory now, in MiB; `None` where the system has no `/proc`.
    pub(crate) fn resident(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes / 1024.0)
    }

    /// The processor seconds it has used, all threads together; `None` where the system has no `/proc`.
    pub(crate) fn processor_seconds(&self) -> Option<f64> {
        /// Linux counts for user programs in hundredths of a second, whatever its own tick.
        const TICKS: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).ok()?;
        // The second field is the name in parentheses and may hold anything; `utime` and `stime` are 14 and 15.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let user: f64 = fields.get(11)?.parse().ok()?;
        let system: f64 = fields.get(12)?.parse().ok()?;
        Some((user + system) / TICKS)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // What was waited for has no id any more.
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself; it is not reaped yet, so its id is no other's.
            let _ = kill_process(pid, Signal::TERM);
        }
        let watch = Stopwatch::start();
        while watch.seconds() < 5.0 {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
