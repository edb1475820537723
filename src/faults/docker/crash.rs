//! Crashes: a container's first process dies as by itself, so that its restart policy acts.
//!
//! A kill through the API won't do: the daemon then keeps the policy from acting. From inside, the kernel drops every
//! signal that a container's first process does not handle, SIGKILL above all. So the signal is sent by firedrill itself,
//! to the process as the host numbers it, where the container runs on this very machine; else by `kill` inside it. A
//! number alone is never believed: the process must be in the container's control group, seen while a descriptor holds it.

use std::fs;

use rustix::process::{Pid, Signal, test_kill_process};
use serde::{Deserialize, Serialize};

use super::daemon::{Daemon, Seen};
use super::short;
use crate::model::container::CrashSignal;
use crate::ports::FaultError;

/// How a signal reaches the first process of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// From this machine, where the process has this number.
    Host {
        /// Its number.
        pid: i32,
    },
    /// By `kill` inside the container.
    Inside,
}

/// The way to a container's first process, or why there is none.
pub(super) fn way(host: &str, seen: &Seen, signal: CrashSignal) -> Result<Way, String> {
    match (on_this_machine(host, seen), signal) {
        (Ok(pid), CrashSignal::Kill) => Ok(Way::Host { pid }),
        (Ok(pid), signal) if handles(pid, signal)? => Ok(Way::Host { pid }),
        (Ok(_), signal) => Err(format!(
            "its first process does not handle {signal}, and the kernel keeps from it what it does not handle; hint: `signal: \
             KILL`, or one that it handles"
        )),
        (Err(why), CrashSignal::Kill) => Err(format!(
            "its process can't be signalled from here ({why}), and from inside SIGKILL never reaches a container's first \
             process; hint: run firedrill on the Docker host, as a user who may, or name a `signal` that the process handles"
        )),
        (Err(_), _) => Ok(Way::Inside),
    }
}

/// Sends the signal. Whether it had any effect is for the container's state to say.
pub(super) async fn send(
    daemon: &Daemon,
    id: &str,
    way: Way,
    signal: CrashSignal,
) -> Result<(), FaultError> {
    let refused = |why: String| FaultError::Refused {
        what: format!("the first process of container {}", short(id)),
        why,
    };
    match way {
        Way::Host { pid } => from_host(pid, id, signal).map_err(refused),
        Way::Inside => {
            let command = ["kill", "-s", signal.as_str(), "1"].map(str::to_owned);
            let ran = daemon.run_inside(id, &command).await?;
            match ran.code {
                // The command may die with the container that it has killed.
                Some(0 | 137) | None => Ok(()),
                Some(code) => Err(refused(format!(
                    "`{}` inside it exited with {code}{}",
                    command.join(" "),
                    ran.said()
                ))),
            }
        }
    }
}

/// The number of a container's first process, where it is this machine's to signal.
fn on_this_machine(host: &str, seen: &Seen) -> Result<i32, String> {
    if !host.starts_with("unix://") {
        return Err("Docker is not reached through a local socket".to_owned());
    }
    let pid = i32::try_from(seen.pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or("the daemon names no process of it")?;
    let number = pid.as_raw_nonzero().get();
    if !belongs(number, &seen.id) {
        return Err(format!("process {number} here is not in its control group"));
    }
    test_kill_process(pid)
        .map_err(|error| format!("process {number} may not be signalled: {error}"))?;
    Ok(number)
}

/// Whether a process of this machine is in the container's control group, whose path holds the container's id.
fn belongs(pid: i32, id: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains(id))
}

/// Whether a process has a handler for a signal.
fn handles(pid: i32, signal: CrashSignal) -> Result<bool, String> {
    let unread = |why: String| format!("which signals it handles can't be read: {why}");
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| unread(error.to_string()))?;
    is_caught(&status, number(signal).as_raw())
        .ok_or_else(|| unread("the kernel does not say".to_owned()))
}

/// Whether `/proc/PID/status` has a signal among those that the process catches.
fn is_caught(status: &str, signal: i32) -> Option<bool> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    let bit = u32::try_from(signal).ok()?.checked_sub(1)?;
    Some(mask.checked_shr(bit)? & 1 == 1)
}

fn number(signal: CrashSignal) -> Signal {
    match signal {
        CrashSignal::Kill => Signal::KILL,
        CrashSignal::Term => Signal::TERM,
        CrashSignal::Int => Signal::INT,
        CrashSignal::Hup => Signal::HUP,
        CrashSignal::Quit => Signal::QUIT,
        CrashSignal::Abrt => Signal::ABORT,
        CrashSignal::Segv => Signal::SEGV,
    }
}

#[cfg(target_os = "linux")]
fn from_host(pid: i32, id: &str, signal: CrashSignal) -> Result<(), String> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

    let raw = Pid::from_raw(pid).ok_or("it has no process")?;
    // Held first: from here on the number can't come to mean another process.
    let process = pidfd_open(raw, PidfdFlags::empty())
        .map_err(|error| format!("process {pid} is gone: {error}"))?;
    if !belongs(pid, id) {
        return Err(format!("process {pid} is not its own any more"));
    }
    pidfd_send_signal(&process, number(signal))
        .map_err(|error| format!("process {pid} could not be signalled: {error}"))
}

#[cfg(not(target_os = "linux"))]
fn from_host(pid: i32, _id: &str, _signal: CrashSignal) -> Result<(), String> {
    // Containers never are this machine's own processes elsewhere.
    Err(format!("process {pid} can't be held on this system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_mask_tells_which_signals_are_handled() {
        let status = "Name:\tsh\nSigIgn:\t0000000000000004\nSigCgt:\t0000000000014003\n";
        for (signal, caught) in [
            (Signal::HUP, true),
            (Signal::INT, true),
            (Signal::TERM, true),
            (Signal::QUIT, false),
            (Signal::SEGV, false),
        ] {
            assert_eq!(
                is_caught(status, signal.as_raw()),
                Some(caught),
                "{signal:?}"
            );
        }
        assert_eq!(is_caught("Name:\tsh\n", Signal::TERM.as_raw()), None);
    }

    #[test]
    fn a_process_of_nobodys_container_belongs_to_none() {
        let own = i32::try_from(std::process::id()).expect("a number");
        assert!(!belongs(own, &"0".repeat(64)));
    }
}
