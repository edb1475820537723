//! How a program ended, what it printed, and whether that is as expected.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal;

use crate::model::probe::Expect;

/// How much of the end of both outputs is kept for the reason.
const KEPT_TAIL: usize = 4 << 10;
/// How much of standard output is kept for `body` and `json`.
const KEPT_ANSWER: usize = 64 << 10;
/// How many last lines, and characters of them, go into one line.
const QUOTED_LINES: usize = 3;
const QUOTED_CHARS: usize = 300;

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) printed: Printed,
}

impl Ended {
    /// Its exit status; nothing where a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Whether it ended as expected. A signal is never expected.
    pub(crate) fn judge_end(&self, expect: &Expect) -> Result<(), String> {
        match self.status.signal() {
            Some(signal) => Err(format!("killed by {}", signal_name(signal))),
            None => expect.judge_exit(self.status.code()),
        }
    }

    /// Whether it answered as expected, on standard output.
    pub(crate) fn judge_answer(&self, expect: &Expect) -> Result<(), String> {
        let reads_answer = expect.body.is_some() || !expect.json.is_empty();
        if reads_answer && self.printed.answer_is_cut {
            return Err(format!("it printed more than {} KiB", KEPT_ANSWER >> 10));
        }
        expect.judge_body(&self.printed.answer)
    }

    /// What it printed on standard output; nothing where that is more than is kept.
    pub(crate) fn answer(&self) -> Option<&[u8]> {
        (!self.printed.answer_is_cut).then_some(&self.printed.answer)
    }

    /// The end of what it printed on both outputs, line by line, without what could disturb a terminal.
    pub(crate) fn tail(&self) -> String {
        let text = String::from_utf8_lossy(&self.printed.tail);
        text.trim()
            .chars()
            .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
            .collect()
    }

    /// The last lines in one, and not much of them.
    pub(crate) fn last_lines(&self) -> String {
        let text = self.tail();
        let mut lines: Vec<&str> = text
            .lines()
            .rev()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .take(QUOTED_LINES)
            .collect();
        lines.reverse();
        let joined = lines.join(" / ");
        match joined.char_indices().nth_back(QUOTED_CHARS) {
            Some((before, c)) => format!("…{}", &joined[before + c.len_utf8()..]),
            None => joined,
        }
    }
}

/// What a program printed, as far as it is kept.
#[derive(Debug, Default)]
pub(super) struct Printed {
    /// The beginning of standard output.
    answer: Vec<u8>,
    answer_is_cut: bool,
    /// The end of both, as they came.
    tail: Vec<u8>,
}

impl Printed {
    pub(super) fn take_out(&mut self, bytes: &[u8]) {
        let room = KEPT_ANSWER - self.answer.len();
        self.answer_is_cut |= bytes.len() > room;
        self.answer
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.take_err(bytes);
    }

    pub(super) fn take_err(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let over = self.tail.len().saturating_sub(KEPT_TAIL);
        self.tail.drain(..over);
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
        .map_or_else(
            || format!("signal {number}"),
            |(_, name)| (*name).to_owned(),
        )
}
