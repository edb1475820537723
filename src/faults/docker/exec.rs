//! Commands inside a container: do, verify, undo, verify-undone, as a hook has them.
//!
//! What a command does can't be known, so its own status and the checks are the evidence. It runs in the container that was
//! captured, known by its id; what it changed there outlives a restart, so the undo runs whichever start it is. Docker can't
//! end a command that was begun: one that is late goes on, and that is said. Which commands may run at all is for the
//! configuration to say, before a plan gets here.

use std::time::Duration;

use tokio::time::Instant;

use super::daemon::{Daemon, Ran, Seen};
use super::{DockerDriver, Mark};
use crate::engine::event::UndoneBy;
use crate::faults::deadline;
use crate::model::container::{Check, Exec};
use crate::ports::{Applied, FaultError, Presence, Removed};

/// How long a check may take to hold.
const SETTLING: Duration = Duration::from_secs(4);

/// From one check to the next.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// What a driver call keeps for all else that it asks.
const SPARE: Duration = Duration::from_secs(1);

/// A check that did not hold, or could not be asked.
enum Unmet {
    Otherwise(String),
    Unasked(FaultError),
}

impl DockerDriver {
    /// Does it, in a container that was seen to be as captured.
    pub(super) async fn exec(
        &self,
        daemon: &Daemon,
        mark: &Mark,
        exec: &Exec,
        before: &Seen,
    ) -> Result<Applied, FaultError> {
        let until = Instant::now() + deadline::LONGEST_CALL - SPARE;
        let sent = self.attempts.applying(&mark.owner, self.clock.now());
        let mut evidence = Vec::new();
        // A repeat after an answer is only looked at: not every command can be run twice.
        if !self.attempts.is_applied_for_sure(&mark.owner) {
            evidence.push(run(daemon, mark, &exec.act, until).await?);
            self.attempts.applied_for_sure(&mark.owner);
        }
        if let Some(check) = &exec.verify {
            evidence.push(holds(daemon, mark, check, until).await?);
        }
        if evidence.is_empty() {
            evidence.push(format!(
                "it was done before in {}, {}",
                mark.what(),
                before.state()
            ));
        }
        Ok(Applied {
            sent,
            effective: self.clock.now(),
            evidence: evidence.join("; "),
        })
    }

    /// Undoes it.
    pub(super) async fn unexec(
        &self,
        daemon: &Daemon,
        mark: &Mark,
        exec: &Exec,
        seen: &Seen,
    ) -> Result<Removed, FaultError> {
        let until = Instant::now() + deadline::LONGEST_CALL - SPARE;
        if !seen.running || seen.restarting || seen.paused {
            return Err(FaultError::Refused {
                what: format!("a command in {}", mark.what()),
                why: format!(
                    "it is {}, and commands run only in a running one; hint: start it",
                    seen.state()
                ),
            });
        }
        let mut evidence = vec![run(daemon, mark, &exec.undo, until).await?];
        if let Some(check) = &exec.verify_undone {
            evidence.push(holds(daemon, mark, check, until).await?);
        }
        Ok(self.removed(mark, UndoneBy::Us, evidence.join("; ")))
    }

    /// Whether it is still on, as its check tells; without one nobody can tell.
    pub(super) async fn exec_shows(
        &self,
        daemon: &Daemon,
        mark: &Mark,
        exec: &Exec,
    ) -> Result<Presence, FaultError> {
        let Some(check) = &exec.verify else {
            return Ok(Presence::Present);
        };
        let until = Instant::now() + deadline::LONGEST_CALL - SPARE;
        match ask(daemon, mark, check, until).await {
            Ok(_) => Ok(Presence::Present),
            Err(Unmet::Otherwise(why)) => Ok(Presence::Gone(why)),
            Err(Unmet::Unasked(error)) => Err(error),
        }
    }
}

/// What a person types to undo it.
pub(super) fn by_hand(exec: &Exec) -> String {
    let quoted = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    exec.undo.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// A command by its first word: arguments may say too much.
fn called(command: &[String]) -> String {
    let name = command.first().map_or("", String::as_str);
    format!("program {name}")
}

async fn run(
    daemon: &Daemon,
    mark: &Mark,
    command: &[String],
    until: Instant,
) -> Result<String, FaultError> {
    let what = format!("{} in {}", called(command), mark.what());
    let ran = in_time(daemon, mark, command, until, &what).await?;
    match ran.code {
        Some(0) => Ok(format!("{what} exited with 0")),
        _ => Err(FaultError::Refused {
            what,
            why: ended(&ran),
        }),
    }
}

/// Asks until the check holds, or the time to settle is over.
async fn holds(
    daemon: &Daemon,
    mark: &Mark,
    check: &Check,
    until: Instant,
) -> Result<String, FaultError> {
    let settled = until.min(Instant::now() + SETTLING);
    loop {
        match ask(daemon, mark, check, until).await {
            Ok(evidence) => return Ok(evidence),
            Err(unmet) if Instant::now() + ASK_AGAIN >= settled => {
                return Err(match unmet {
                    Unmet::Unasked(error) => error,
                    Unmet::Otherwise(why) => FaultError::ReadBack {
                        what: format!("{} in {}", called(&check.run), mark.what()),
                        why,
                    },
                });
            }
            Err(_) => tokio::time::sleep(ASK_AGAIN).await,
        }
    }
}

/// Asks once.
async fn ask(daemon: &Daemon, mark: &Mark, check: &Check, until: Instant) -> Result<String, Unmet> {
    let what = format!("{} in {}", called(&check.run), mark.what());
    let until = until.min(Instant::now() + check.within.duration());
    let ran = in_time(daemon, mark, &check.run, until, &what)
        .await
        .map_err(Unmet::Unasked)?;
    match ran.code {
        Some(code) if code == i64::from(check.exit) => Ok(format!("{what} exited with {code}")),
        _ => Err(Unmet::Otherwise(format!(
            "{what}: {}, expected exit {}",
            ended(&ran),
            check.exit
        ))),
    }
}

async fn in_time(
    daemon: &Daemon,
    mark: &Mark,
    command: &[String],
    until: Instant,
    what: &str,
) -> Result<Ran, FaultError> {
    tokio::time::timeout_at(until, daemon.run_inside(&mark.id, command))
        .await
        .unwrap_or_else(|_| {
            Err(FaultError::Unreachable {
                what: what.to_owned(),
                why: "it has not ended in time, and goes on: Docker can't end it".to_owned(),
            })
        })
}

fn ended(ran: &Ran) -> String {
    match ran.code {
        // What Docker answers where the program can't be started.
        Some(code @ (126 | 127)) => format!(
            "exit {code}: there may be no such program in the container{}",
            ran.said()
        ),
        Some(code) => format!("exit {code}{}", ran.said()),
        None => format!("how it ended is not known{}", ran.said()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_undo_by_hand_can_be_pasted() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let exec = Exec {
            act: words(&["a"]),
            verify: None,
            undo: words(&["sh", "-c", "echo it's \"$0\"", ""]),
            verify_undone: None,
        };
        assert_eq!(by_hand(&exec), r#"sh -c 'echo it'\''s "$0"' ''"#);
    }
}
