//! Exit statuses.

use std::process::ExitCode;

use crate::engine::event::Verdict;

/// What a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The hypothesis held, and the team passed.
    Passed,
    /// The stack or the team fell short.
    Failed,
    /// The command line or a file is wrong; nothing was touched.
    Usage,
    /// A halt, a stop condition or a signal ended it; everything was undone.
    Aborted,
    /// firedrill could not do its work; everything was undone.
    Errored,
    /// Something could not be undone.
    Stuck,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Aborted => 3,
            Self::Errored => 4,
            Self::Stuck => 5,
        }
    }

    /// Of several: the worst of 5, 4, 3, 1.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if other.code() > self.code() {
            other
        } else {
            self
        }
    }

    /// A report's own number as an exit.
    pub fn of_code(code: u8) -> Self {
        match code {
            0 => Self::Passed,
            1 => Self::Failed,
            3 => Self::Aborted,
            5 => Self::Stuck,
            _ => Self::Errored,
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Passed,
            Verdict::Failed => Self::Failed,
            Verdict::Aborted => Self::Aborted,
            Verdict::Errored => Self::Errored,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_worst_counts() {
        let all = [
            Exit::Passed,
            Exit::Failed,
            Exit::Aborted,
            Exit::Errored,
            Exit::Stuck,
        ];
        for (index, exit) in all.iter().enumerate() {
            let worst = all[..=index]
                .iter()
                .fold(Exit::Passed, |worst, one| worst.worst(*one));
            assert_eq!(worst, *exit);
        }
    }
}
