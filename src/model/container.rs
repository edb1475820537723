//! What is done to containers, with its particulars: how a process dies, how little it gets, which commands run inside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::time::Millis;

/// What is done to a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerAction {
    /// SIGKILL through the API, which suppresses the restart policy; undone by start.
    Kill,
    /// Stopped in good order; undone by start.
    Stop,
    /// Frozen; undone by unpause.
    Pause,
    /// Restarted once; nothing to undo but to see that it runs.
    Restart,
    /// Its first process dies as by itself, so that the restart policy acts; undone by start where none did.
    Crash(CrashSignal),
    /// Less memory or processor time; undone by the former limits.
    Squeeze(Squeeze),
    /// Commands inside it, undone by another of its own.
    Exec(Box<Exec>),
}

impl ContainerAction {
    /// The step key.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Restart => "restart",
            Self::Crash(_) => "crash",
            Self::Squeeze(_) => "squeeze",
            Self::Exec(_) => "exec",
        }
    }

    /// Whether the container has ended while it is on, or may have.
    pub fn ends_it(&self) -> bool {
        matches!(self, Self::Kill | Self::Stop | Self::Crash(_))
    }
}

/// What kills a container's first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CrashSignal {
    /// Nothing can be done about it. Only the host can send it to a container's first process.
    Kill,
    /// The others reach a first process only where it handles them.
    Term,
    /// As a terminal's interrupt.
    Int,
    /// As a terminal that is gone.
    Hup,
    /// As a terminal's quit.
    Quit,
    /// As a failed assertion.
    Abrt,
    /// As a wrong address.
    Segv,
}

impl CrashSignal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Kill,
        Self::Term,
        Self::Int,
        Self::Hup,
        Self::Quit,
        Self::Abrt,
        Self::Segv,
    ];

    /// The word in files, and of `kill -s`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Hup => "HUP",
            Self::Quit => "QUIT",
            Self::Abrt => "ABRT",
            Self::Segv => "SEGV",
        }
    }
}

impl fmt::Display for CrashSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.as_str())
    }
}

impl FromStr for CrashSignal {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|signal| signal.as_str() == text)
            .ok_or(())
    }
}

/// How little a container gets; what is absent stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Squeeze {
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Processor time, in thousandths of a processor, at least 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milli_cpus: Option<u32>,
}

impl fmt::Display for Squeeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.memory.map(|memory| format!("{memory} of memory"));
        let cpus = self
            .milli_cpus
            .map(|milli| format!("{} of a processor", f64::from(milli) / 1_000.0));
        let both: Vec<String> = memory.into_iter().chain(cpus).collect();
        f.write_str(&both.join(" and "))
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Size(u64);

const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl Size {
    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// How many bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |unit: u64| self.0 >= unit && self.0.is_multiple_of(unit);
        let (name, unit) = UNITS
            .into_iter()
            .find(|(_, unit)| whole(*unit))
            .unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl FromStr for Size {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        let of_unit = UNITS
            .into_iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)));
        let (count, unit) = of_unit.ok_or(())?;
        let count = count.trim_end();
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        let count: u64 = count.parse().map_err(|_| ())?;
        count.checked_mul(unit).map(Self).ok_or(())
    }
}

/// Commands inside a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// What is done.
    #[serde(rename = "do")]
    pub act: Vec<String>,
    /// What shows that it was done; without it the command's own status is the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Check>,
    /// What undoes it.
    pub undo: Vec<String>,
    /// What shows that it was undone; without it the undo's own status is the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_undone: Option<Check>,
}

impl Exec {
    /// Every command that it runs.
    pub fn commands(&self) -> impl Iterator<Item = &Vec<String>> {
        let checks = self.verify.iter().chain(&self.verify_undone);
        [&self.act, &self.undo]
            .into_iter()
            .chain(checks.map(|check| &check.run))
    }
}

/// A command that must end as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The program and its arguments.
    pub run: Vec<String>,
    /// The exit status.
    pub exit: u8,
    /// How long it may take.
    pub within: Millis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_in_the_largest_unit_that_is_whole() {
        for (text, bytes, written) in [
            ("64MiB", 64 << 20, "64MiB"),
            (" 1 GiB", 1 << 30, "1GiB"),
            ("1024MiB", 1 << 30, "1GiB"),
            ("8MB", 8_000_000, "8MB"),
            ("6291456B", 6 << 20, "6MiB"),
            ("7B", 7, "7B"),
        ] {
            let size: Size = text.parse().expect("a size");
            assert_eq!((size.get(), size.to_string().as_str()), (bytes, written));
        }
        for bad in ["", "64", "MiB", "1.5GiB", "-1B", "64mib", "99999999999GiB"] {
            assert_eq!(bad.parse::<Size>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn actions_of_older_logs_are_read_as_they_were_written() {
        let kill: ContainerAction = serde_json::from_str("\"kill\"").expect("it is read");
        assert_eq!(kill, ContainerAction::Kill);
        let crash = ContainerAction::Crash(CrashSignal::Term);
        let written = serde_json::to_string(&crash).expect("it is plain");
        assert_eq!(written, r#"{"crash":"TERM"}"#);
    }
}
