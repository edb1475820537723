//! Where people read: plain lines on standard error, coloured only on a terminal that wants it; results on standard
//! output.

use std::io::{self, IsTerminal as _, Write as _};

use crate::narrative::Tone;

/// The two streams, and whether standard error is a terminal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    colour: bool,
}

impl Terminal {
    /// Looks at the environment: `NO_COLOR` and anything that is no terminal get plain text.
    pub(super) fn detect() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: io::stderr().is_terminal() && !unwanted,
        }
    }

    /// Whether messages are coloured.
    pub(super) fn has_colour(self) -> bool {
        self.colour
    }

    #[expect(clippy::unused_self, reason = "standard output is the terminal's too")]
    /// A result, for programs and people alike.
    pub(super) fn result(self, text: &str) {
        let mut out = io::stdout().lock();
        // A closed pipe is its reader's choice.
        let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
        let _ = out.flush();
    }

    #[expect(
        clippy::unused_self,
        reason = "a note has no colour, and is the terminal's all the same"
    )]
    /// Something to know while work goes on.
    pub(super) fn note(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A failure.
    pub(super) fn error(self, text: &str) {
        let word = if self.colour {
            "\x1b[1;31merror:\x1b[0m"
        } else {
            "error:"
        };
        let _ = writeln!(io::stderr().lock(), "{word} {text}");
    }

    /// A line of a run's timeline: time since it began, mark, sentence.
    pub(super) fn event(self, since: &str, tone: Tone, sentence: &str) {
        let mark = tone.mark();
        let line = if self.colour {
            let colour = match tone {
                Tone::Run => "2",
                Tone::Fault => "33",
                Tone::Well => "32",
                Tone::Unwell => "31",
                Tone::People => "36",
                Tone::Alarm => "1;31",
            };
            format!("\x1b[2m{since}\x1b[0m \x1b[{colour}m{mark}\x1b[0m {sentence}")
        } else {
            format!("{since} {mark} {sentence}")
        };
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}
