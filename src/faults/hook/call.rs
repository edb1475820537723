//! Performing one call of a hook, over HTTP or as a program, and judging its answer.

use std::time::Duration;

use super::program::{self, RunError};
use crate::address::shown;
use crate::model::fault::Call;
use crate::model::probe::{Expect, Program};
use crate::model::time::Millis;
use crate::outbound::Outbound;
use crate::ports::FaultError;

/// The most bytes of a program's output that an error shows: the last ones, where the reason is.
const MOST_SHOWN: usize = 4 << 10;

/// Why a call did not do what it should.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It could not be asked, or gave no answer: that says nothing about the target.
    Unasked(FaultError),
    /// It was answered otherwise than expected.
    Unmet {
        /// Which call.
        what: String,
        /// What was answered.
        why: String,
    },
}

impl Trouble {
    /// For a call that does or undoes something.
    pub(super) fn refused(self) -> FaultError {
        match self {
            Self::Unasked(error) => error,
            Self::Unmet { what, why } => FaultError::Refused { what, why },
        }
    }

    /// For a call that verifies something.
    pub(super) fn reads_back(self) -> FaultError {
        match self {
            Self::Unasked(error) => error,
            Self::Unmet { what, why } => FaultError::ReadBack { what, why },
        }
    }
}

/// Performs a call, within `limit`. Without an expectation a request must answer 200 to 299 and a program exit 0.
/// What was answered, in a line.
pub(super) async fn perform(
    outbound: &Outbound,
    call: &Call,
    expect: Option<&Expect>,
    limit: Duration,
) -> Result<String, Trouble> {
    let plain = Expect {
        status: None,
        json: std::collections::BTreeMap::new(),
        body: None,
        exit: None,
        below: None,
        above: None,
        within: Millis::ZERO,
    };
    let expect = expect.unwrap_or(&plain);
    let what = described(call);
    let unasked =
        |what: String, why: String| Trouble::Unasked(FaultError::Unreachable { what, why });
    match call {
        Call::Http(request) => {
            let reply = outbound
                .send_with_secrets(request, limit)
                .await
                .map_err(|error| unasked(what.clone(), error.to_string()))?;
            let status = reply.status.as_u16();
            match expect.judge_http(status, &reply.body) {
                Ok(()) => Ok(format!("{what} answered {status}")),
                Err(why) => Err(Trouble::Unmet { what, why }),
            }
        }
        Call::Run(program) => {
            let ended = program::run(program, limit)
                .await
                .map_err(|error| match error {
                    RunError::NotStarted(_) => Trouble::Unasked(FaultError::Missing {
                        what: format!("{what}: {error}"),
                        hint: Some(
                            "a relative program is found from the folder of its file".to_owned(),
                        ),
                    }),
                    RunError::Lost(_) | RunError::Late(_) => {
                        unasked(what.clone(), error.to_string())
                    }
                })?;
            let judged = expect
                .judge_exit(ended.code)
                .and_then(|()| expect.judge_body(&ended.stdout));
            match judged {
                Ok(()) => Ok(format!(
                    "{what} exited with {}",
                    ended.code.unwrap_or_default()
                )),
                Err(why) => Err(Trouble::Unmet {
                    what,
                    why: format!("{why}{}", said(&ended)),
                }),
            }
        }
    }
}

/// A call by its address or program, without what may be a secret: a query, a password, arguments.
fn described(call: &Call) -> String {
    match call {
        Call::Http(request) => format!("{} {}", request.method, shown(&request.url)),
        Call::Run(program) => name(program),
    }
}

/// A program by its first word.
pub(super) fn name(program: &Program) -> String {
    match program.command.first() {
        Some(name) => format!("program {name}"),
        None => "a program without a name".to_owned(),
    }
}

/// What the program said at its end: its errors, else its output.
fn said(ended: &program::Ended) -> String {
    let bytes = [&ended.stderr, &ended.stdout]
        .into_iter()
        .find(|bytes| !bytes.trim_ascii().is_empty());
    let Some(bytes) = bytes else {
        return String::new();
    };
    let last = &bytes[bytes.len().saturating_sub(MOST_SHOWN)..];
    format!("; it said: {}", String::from_utf8_lossy(last).trim())
}
