//! Enter, on a terminal: how somebody at a command lets a method go on that waits for a person.

use std::future::pending;
use std::io::{self, IsTerminal as _, Stdin};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the terminal is looked at. It is asked rather than read in a thread, which could not be ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Standard input, where it is a terminal.
pub(super) struct Enter {
    input: Stdin,
    looks: Option<Interval>,
}

impl Enter {
    /// Listens to standard input, where that is a terminal.
    pub(super) fn listen() -> Self {
        let input = io::stdin();
        let looks = input.is_terminal().then(|| {
            let mut looks = interval(LOOK_EVERY);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            looks
        });
        Self { input, looks }
    }

    /// Whether somebody can press it.
    pub(super) fn is_there(&self) -> bool {
        self.looks.is_some()
    }

    /// Waits until it is pressed; for ever where nobody can. Cancel safe: a line is taken at once or not at all.
    pub(super) async fn pressed(&mut self) {
        let Some(looks) = &mut self.looks else {
            return pending().await;
        };
        loop {
            looks.tick().await;
            // Who reads from the terminal in the background is stopped, and a run that is stopped undoes nothing. A
            // terminal that does not control us can't put us there.
            let behind = tcgetpgrp(&self.input).is_ok_and(|front| front != getpgrp());
            if behind || !has_line(&self.input) {
                continue;
            }
            match self.input.read_line(&mut String::new()) {
                // Its other end is gone.
                Ok(0) | Err(_) => return pending().await,
                Ok(_) => return,
            }
        }
    }
}

/// Whether reading would not wait: a terminal is readable once a whole line is there.
fn has_line(input: &Stdin) -> bool {
    let mut asked = [PollFd::new(input, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}
