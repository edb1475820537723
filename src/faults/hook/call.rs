//! Performing one call of a hook, over HTTP or as a program, and judging its answer.

use std::time::Duration;

use super::captured::Captured;
use crate::address::shown;
use crate::model::fault::{Call, Capture};
use crate::model::probe::{Expect, Program};
use crate::model::time::Millis;
use crate::outbound::Outbound;
use crate::ports::FaultError;
use crate::program::{self, Leftovers, RunError};
use crate::secret::{self, Environment, Unset};

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
    let plain = plain();
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
            match expect.judge_http(status, |name| reply.header(name), &reply.body) {
                Ok(()) => Ok(format!("{what} answered {status}")),
                Err(why) => Err(Trouble::Unmet { what, why }),
            }
        }
        Call::Run(program) => {
            // What it leaves running may be what the hook is for.
            let ended = program::run(program, outbound.environment(), limit, Leftovers::Kept)
                .await
                .map_err(|error| match error {
                    RunError::Unnamed | RunError::NotStarted(_) => {
                        Trouble::Unasked(FaultError::Missing {
                            what: format!("{what}: {error}"),
                            hint: Some(
                                "a relative program is found from the folder of its file"
                                    .to_owned(),
                            ),
                        })
                    }
                    RunError::Unset(_) | RunError::Lost(_) | RunError::Late(_) => {
                        unasked(what.clone(), error.to_string())
                    }
                })?;
            let judged = ended
                .judge_end(expect)
                .and_then(|()| ended.judge_answer(expect));
            match judged {
                Ok(()) => Ok(format!(
                    "{what} exited with {}",
                    ended.code().unwrap_or_default()
                )),
                Err(why) => Err(Trouble::Unmet {
                    what,
                    why: match ended.tail() {
                        said if said.is_empty() => why,
                        said => format!("{why}; it said: {said}"),
                    },
                }),
            }
        }
    }
}

/// What is expected where nobody says: 200 to 299, or exit 0.
fn plain() -> Expect {
    Expect {
        status: None,
        json: std::collections::BTreeMap::new(),
        body: None,
        headers: std::collections::BTreeMap::new(),
        exit: None,
        below: None,
        above: None,
        within: Millis::ZERO,
    }
}

/// Reads what is there before anything is done, within `limit`. A request must answer 200 to 299 and a program exit 0.
pub(super) async fn capture(
    outbound: &Outbound,
    question: &Capture,
    limit: Duration,
) -> Result<Captured, FaultError> {
    askable(&question.call, outbound.environment())?;
    let what = format!("what is there, by {}", described(&question.call));
    let unread = |why: String| FaultError::ReadBack {
        what: what.clone(),
        why,
    };
    let unasked = |why: String| FaultError::Unreachable {
        what: what.clone(),
        why,
    };
    match &question.call {
        Call::Http(request) => {
            let reply = outbound.send_with_secrets(request, limit).await;
            let reply = reply.map_err(|error| unasked(error.to_string()))?;
            if !reply.status.is_success() {
                return Err(unread(format!("status {}", reply.status.as_u16())));
            }
            let path = question.read.as_deref().unwrap_or("$");
            Captured::from_answer(path, &reply.body).map_err(unread)
        }
        Call::Run(program) => {
            let run = program::run(program, outbound.environment(), limit, Leftovers::Killed);
            let ended = run.await.map_err(|error| unasked(error.to_string()))?;
            ended.judge_end(&plain()).map_err(unread)?;
            let printed = ended.answer().unwrap_or_default();
            Captured::from_output(printed).map_err(unread)
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

/// Refuses a call whose secrets this process can't look up.
pub(super) fn askable(call: &Call, environment: &Environment) -> Result<(), FaultError> {
    let unset = match call {
        Call::Http(request) => {
            let texts = [Some(&request.url), request.body.as_ref()];
            let mut texts = texts.into_iter().flatten().chain(request.headers.values());
            texts.find_map(|text| secret::revealed(text, environment).err())
        }
        Call::Run(program) => program::arguments(program, environment).err(),
    };
    match unset {
        None => Ok(()),
        Some(Unset(name)) => Err(FaultError::Missing {
            what: format!("the environment variable `{name}` of {}", described(call)),
            hint: Some("set it where firedrill runs".to_owned()),
        }),
    }
}

/// A program by its first word.
pub(super) fn name(program: &Program) -> String {
    match program.command.first() {
        Some(name) => format!("program {name}"),
        None => "a program without a name".to_owned(),
    }
}
