//! The process that a demo's containers belong to, so that another process can tell whether it still lives.
//!
//! A number alone does not name a process: numbers are used again, each start of the machine and each namespace counts
//! anew. The tag holds all four. What can't be told counts as living: its containers are left alone.

use std::fmt;
use std::fs;
use std::str::FromStr;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// A process, told apart from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// This start of the machine.
    boot: String,
    /// The namespace that counts processes.
    namespace: String,
    number: i32,
    /// When it started, in the kernel's ticks.
    started: u64,
}

/// What has become of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It runs.
    Alive,
    /// It has ended.
    Dead,
    /// It ran before the machine was started, or on another one.
    OtherBoot,
    /// It can't be seen from here: it is in another container, say.
    Unseen,
}

impl Owner {
    /// This process.
    pub(super) fn own() -> Result<Self, String> {
        let (boot, namespace) = place()?;
        let number = i32::try_from(std::process::id()).map_err(|error| error.to_string())?;
        let (started, _) = life(number).ok_or("/proc/self/stat can't be read")?;
        Ok(Self {
            boot,
            namespace,
            number,
            started,
        })
    }

    /// What has become of it, as far as this process can tell.
    pub(super) fn standing(&self) -> Standing {
        let Ok((boot, namespace)) = place() else {
            return Standing::Unseen;
        };
        if self.boot != boot {
            return Standing::OtherBoot;
        }
        if self.namespace != namespace {
            return Standing::Unseen;
        }
        let Some(number) = Pid::from_raw(self.number) else {
            return Standing::Unseen;
        };
        // Somebody else's process is there, though it may not be signalled.
        if test_kill_process(number) == Err(Errno::SRCH) {
            return Standing::Dead;
        }
        match life(self.number) {
            Some((started, _)) if started != self.started => Standing::Dead,
            // It has ended, and nobody has asked how.
            Some((_, 'Z' | 'X')) => Standing::Dead,
            Some(_) => Standing::Alive,
            None => Standing::Unseen,
        }
    }
}

/// This start of the machine, and the namespace that counts processes here.
fn place() -> Result<(String, String), String> {
    let told = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let boot = "/proc/sys/kernel/random/boot_id";
    let boot = fs::read_to_string(boot).map_err(|error| told(boot, error))?;
    let namespace = "/proc/self/ns/pid";
    let namespace = fs::read_link(namespace).map_err(|error| told(namespace, error))?;
    let digits = |c: char| c.is_ascii_digit();
    let namespace = namespace
        .to_string_lossy()
        .chars()
        .filter(|c| digits(*c))
        .collect();
    Ok((boot.trim().to_owned(), namespace))
}

/// When a process started, and its state.
fn life(number: i32) -> Option<(u64, char)> {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // Its name is in brackets, and may hold anything, brackets as well.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // The 22nd field of the line; the state is the third.
    let started = fields.nth(18)?.parse().ok()?;
    Some((started, state))
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            boot,
            namespace,
            number,
            started,
        } = self;
        write!(f, "{boot}/{namespace}/{number}/{started}")
    }
}

impl FromStr for Owner {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split('/').collect();
        let &[boot, namespace, number, started] = parts.as_slice() else {
            return Err(());
        };
        Ok(Self {
            boot: boot.to_owned(),
            namespace: namespace.to_owned(),
            number: number.parse().map_err(|_| ())?,
            started: started.parse().map_err(|_| ())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn own() -> Owner {
        Owner::own().expect("this process can be read")
    }

    #[test]
    fn this_process_lives_and_its_tag_reads_back() {
        let own = own();
        assert_eq!(own.standing(), Standing::Alive);
        assert_eq!(own.to_string().parse(), Ok(own));
    }

    #[test]
    fn a_process_that_has_ended_is_dead_even_before_anybody_asks_how() {
        let mut child = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let number = i32::try_from(child.id()).expect("a small number");
        let owner = Owner {
            number,
            started: life(number).expect("it is there").0,
            ..own()
        };
        assert_eq!(owner.standing(), Standing::Alive);
        child.kill().expect("it is there");
        let ended = std::iter::repeat_with(|| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            owner.standing()
        });
        assert!(ended.take(2000).any(|standing| standing == Standing::Dead));
        child.wait().expect("it is our child");
        assert_eq!(owner.standing(), Standing::Dead);
    }

    #[test]
    fn another_process_with_the_number_is_not_the_one_that_had_it() {
        let earlier = Owner {
            started: own().started - 1,
            ..own()
        };
        assert_eq!(earlier.standing(), Standing::Dead);
    }

    #[test]
    fn what_can_not_be_seen_from_here_is_not_called_dead() {
        let elsewhere = Owner {
            namespace: "1".to_owned(),
            ..own()
        };
        assert_eq!(elsewhere.standing(), Standing::Unseen);
        let before = Owner {
            boot: "another".to_owned(),
            ..own()
        };
        assert_eq!(before.standing(), Standing::OtherBoot);
        assert_eq!("1/2/3".parse::<Owner>(), Err(()));
    }
}
