//! Where people read: standard error, wrapped at its width, coloured and live only on a terminal that wants it; results
//! on standard output.
//!
//! A live line may stand at the end of standard error. It is one line, is drawn and erased with single writes, and is
//! erased before anything else is told, so that nothing of it stays behind.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

use crate::layout::{LongWords, paragraph, plain};
use crate::narrative::Tone;
use crate::score::report::text::{NARROWEST, WIDTH};

/// The width where there is no terminal to ask.
const USUAL: usize = 80;

/// Below this a terminal wraps by itself: a column of text would hold no word.
const LEAST: usize = 30;

/// To the beginning of the line, and everything after it erased.
const ERASE: &str = "\r\x1b[K";

/// The two streams, and what standard error can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terminal {
    wraps: bool,
    colour: bool,
    live: bool,
}

impl Terminal {
    /// Looks at standard error and the environment.
    pub(super) fn detect() -> Self {
        Self::of(io::stderr().is_terminal(), |name| std::env::var_os(name))
    }

    /// `NO_COLOR` wants no colour. Anything that is no terminal, `TERM=dumb` and `CI` want neither colour nor a live
    /// line; a terminal in CI may still be coloured.
    fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let given = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let dumb = variable("TERM").is_some_and(|value| value == "dumb");
        let moves = is_terminal && !dumb;
        Self {
            wraps: is_terminal,
            colour: moves && !given("NO_COLOR"),
            live: moves && !given("CI"),
        }
    }

    /// Whether messages are coloured.
    pub(super) fn has_colour(self) -> bool {
        self.colour
    }

    /// Whether a live line may be drawn.
    pub(super) fn is_live(self) -> bool {
        self.live
    }

    #[expect(clippy::unused_self, reason = "standard error is the terminal's")]
    /// The columns of standard error now: a window changes.
    pub(super) fn width(self) -> usize {
        columns(io::stderr()).unwrap_or(USUAL).max(LEAST)
    }

    /// How wide findings may be; nothing where no terminal is: programs read them there, a line each.
    pub(super) fn findings_width(self) -> Option<usize> {
        self.wraps.then(|| self.width())
    }

    #[expect(clippy::unused_self, reason = "standard output is the terminal's too")]
    /// The columns of a report on standard output.
    pub(super) fn report_width(self) -> usize {
        columns(io::stdout())
            .unwrap_or(USUAL)
            .clamp(NARROWEST, WIDTH)
    }

    /// A result, for programs and people alike.
    pub(super) fn result(self, text: &str) {
        self.erase();
        let mut out = io::stdout().lock();
        // A closed pipe is its reader's choice.
        let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
        let _ = out.flush();
    }

    /// Something to know while work goes on. On a terminal it is wrapped; elsewhere it stays one line, as programs that
    /// look for it expect.
    pub(super) fn note(self, text: &str) {
        self.tell(&self.wrapped("", text));
    }

    /// Text that has its lines already.
    pub(super) fn block(self, text: &str) {
        self.tell(&format!("{}\n", text.trim_end_matches('\n')));
    }

    /// A failure.
    pub(super) fn error(self, text: &str) {
        let word = if self.colour {
            "\x1b[1;31merror:\x1b[0m "
        } else {
            "error: "
        };
        self.tell(&self.wrapped(word, text));
    }

    /// A line of a run's timeline: time since it began, mark, sentence.
    pub(super) fn event(self, since: &str, tone: Tone, sentence: &str) {
        self.tell(&event(since, tone, sentence, self.width(), self.colour));
    }

    /// Draws the live line over the one that is there. It must fit into the width less one column.
    pub(super) fn draw(self, line: &str) {
        if self.live {
            write(&format!("\r{line}\x1b[K"));
        }
    }

    /// Takes the live line away.
    pub(super) fn erase(self) {
        if self.live {
            write(ERASE);
        }
    }

    fn wrapped(self, first: &str, text: &str) -> String {
        if !self.wraps {
            return format!("{first}{text}\n");
        }
        let width = self.width();
        text.lines()
            .enumerate()
            .map(|(index, line)| {
                let first = if index == 0 { first } else { "" };
                paragraph(first, 2, line, width, LongWords::Whole)
            })
            .collect()
    }

    fn tell(self, text: &str) {
        write(&format!("{}{text}", if self.live { ERASE } else { "" }));
    }
}

/// One write, so that neither other processes nor a redraw come between.
fn write(text: &str) {
    let mut stream = io::stderr().lock();
    // A closed stream is its reader's choice.
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.flush();
}

fn columns(stream: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A line of a timeline, its further lines under its sentence.
fn event(since: &str, tone: Tone, sentence: &str, width: usize, colour: bool) -> String {
    let mark = tone.mark();
    let indent = crate::layout::width(since) + 3;
    let first = if colour {
        let code = match tone {
            Tone::Run => "2",
            Tone::Fault => "33",
            Tone::Well => "32",
            Tone::Unwell => "31",
            Tone::People => "36",
            Tone::Alarm => "1;31",
        };
        format!("\x1b[2m{since}\x1b[0m \x1b[{code}m{mark}\x1b[0m ")
    } else {
        format!("{since} {mark} ")
    };
    paragraph(&first, indent, &plain(sentence), width, LongWords::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(is_terminal: bool, variables: &[(&str, &str)]) -> Terminal {
        Terminal::of(is_terminal, |name| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(found.1))
        })
    }

    #[test]
    fn colour_and_a_live_line_need_a_terminal_that_wants_them() {
        let shown = |is_terminal, variables: &[(&str, &str)]| {
            let terminal = with(is_terminal, variables);
            (terminal.has_colour(), terminal.is_live())
        };
        assert_eq!(shown(true, &[("TERM", "xterm")]), (true, true));
        assert_eq!(shown(true, &[("NO_COLOR", "")]), (true, true));
        assert_eq!(shown(true, &[("NO_COLOR", "1")]), (false, true));
        assert_eq!(shown(true, &[("CI", "true")]), (true, false));
        assert_eq!(shown(true, &[("TERM", "dumb")]), (false, false));
        assert_eq!(shown(false, &[("TERM", "xterm")]), (false, false));
    }

    #[test]
    fn a_sentence_wraps_beside_the_column_of_times() {
        let sentence = "chris tells customers on status_page: Transfers are failing at the moment.\nYour funds \
                        are safe.\u{1b}[2J";
        insta::assert_snapshot!(event("+00:24.0", Tone::People, sentence, 50, false), @r"
        +00:24.0 ● chris tells customers on status_page:
                   Transfers are failing at the moment.
                   Your funds are safe. [2J
        ");
    }
}
