//! HTTP probes: one request, its whole answer judged.

use rustix::io::Errno;
use serde_json_path::JsonPath;

use super::judged;
use crate::engine::watch::SampleResult;
use crate::model::probe::{Expect, HttpRequest};
use crate::outbound::{Outbound, SendError};

pub(super) async fn ask(
    outbound: &Outbound,
    request: &HttpRequest,
    expect: &Expect,
) -> SampleResult {
    if let Err(why) = askable(expect) {
        return SampleResult::Unknown(why);
    }
    match outbound.send(request, expect.within.duration()).await {
        Ok(reply) => judged(expect.judge_http(reply.status.as_u16(), &reply.body)),
        Err(error) => unanswered(&error),
    }
}

/// Whether the expectation can be judged at all. A path that is none says nothing about the target.
pub(super) fn askable(expect: &Expect) -> Result<(), String> {
    expect.json.keys().try_for_each(|path| {
        JsonPath::parse(path)
            .map(drop)
            .map_err(|error| format!("{path} is not a JSONPath: {error}"))
    })
}

/// Whose fault it is that there is no answer.
pub(super) fn unanswered(error: &SendError) -> SampleResult {
    let why = error.to_string();
    match error {
        SendError::Request(_) | SendError::Tls(_) => SampleResult::Unknown(why),
        SendError::Connect(said) if is_our_own_shortage(said) => SampleResult::Unknown(why),
        // A name that can't be resolved is among these: the users of the stack resolve it too, so that a lost record or
        // a dead resolver hurts them as a refused connection does. Calling it unknown would turn a real outage, or a
        // fault injected into DNS, into an error of firedrill.
        SendError::Connect(_)
        | SendError::Broken(_)
        | SendError::Late(_)
        | SendError::TooLarge => SampleResult::Failed(why),
    }
}

/// Whether this machine ran out of something, by the system's own error number: the target was never asked.
fn is_our_own_shortage(said: &str) -> bool {
    let number = said
        .rsplit_once("(os error ")
        .and_then(|(_, rest)| rest.trim_end_matches(')').parse().ok());
    let shortages = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::ADDRNOTAVAIL,
    ];
    number.is_some_and(|number: i32| shortages.iter().any(|e| e.raw_os_error() == number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_files_is_the_askers_fault_and_a_refusal_is_the_targets() {
        let ours = SendError::Connect("Too many open files (os error 24)".into());
        assert!(matches!(unanswered(&ours), SampleResult::Unknown(_)));
        for theirs in [
            "Connection refused (os error 111)",
            "failed to lookup address information: Name or service not known",
        ] {
            let theirs = SendError::Connect(theirs.into());
            assert!(matches!(unanswered(&theirs), SampleResult::Failed(_)));
        }
    }

    #[test]
    fn no_tls_on_this_machine_is_the_askers_fault() {
        insta::assert_debug_snapshot!(
            unanswered(&SendError::Tls("no certificates found".into())),
            @r#"
        Unknown(
            "no TLS: no certificates found",
        )
        "#
        );
    }
}
