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
    match outbound
        .send_with_secrets(request, expect.within.duration())
        .await
    {
        Ok(reply) => judged(expect.judge_http(
            reply.status.as_u16(),
            |name| reply.header(name),
            &reply.body,
        )),
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
        SendError::Connect(_) | SendError::Broken(_) | SendError::Late(_) | SendError::TooLarge => {
            SampleResult::Failed(why)
        }
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
    use std::time::Duration;

    use super::*;
    use crate::model::probe::Ask;
    use crate::probes::fixture::{Does, Server, get, line, nobody, sample, within};

    async fn asked(does: Does, expect: Expect) -> String {
        let server = Server::start(does).await;
        let sample = sample(Ask::Http(get(server.url("/"))), expect).await;
        line(&sample, &[&server])
    }

    #[tokio::test]
    async fn an_answer_as_expected_passes_and_says_how_long_it_took() {
        let server = Server::json(r#"{"state":"broadcast"}"#).await;
        let expect = Expect {
            status: Some(200),
            json: [("$.state".to_owned(), "broadcast".into())].into(),
            ..within(5000)
        };
        let sample = sample(Ask::Http(get(server.url("/"))), expect).await;
        assert_eq!(sample.result, SampleResult::Passed);
        assert!(
            sample.took > Duration::ZERO && sample.took < Duration::from_secs(5),
            "{:?}",
            sample.took
        );
    }

    #[tokio::test]
    async fn a_wrong_answer_fails_with_what_was_wrong() {
        let answer = |status, body: &str| Does::Answer(vec![("/", status, body.to_owned())]);
        insta::assert_snapshot!(
            asked(answer(503, "no"), within(5000)).await,
            @"failed: status 503, expected 200 to 299"
        );
        let expect = Expect {
            json: [("$.state".to_owned(), "broadcast".into())].into(),
            ..within(5000)
        };
        insta::assert_snapshot!(
            asked(answer(201, r#"{"state":"queued"}"#), expect).await,
            @r#"failed: $.state is "queued", expected "broadcast""#
        );
    }

    #[tokio::test]
    async fn a_refused_or_reset_connection_and_a_garbled_or_cut_answer_fail() {
        let refused = Ask::Http(get(format!("http://{}/", nobody().await)));
        insta::assert_snapshot!(
            line(&sample(refused, within(5000)).await, &[]),
            @"failed: could not connect: Connection refused (os error 111)"
        );
        insta::assert_snapshot!(asked(Does::Reset, within(5000)).await, @"failed: the connection failed: Connection reset by peer (os error 104)");
        insta::assert_snapshot!(asked(Does::Raw(b""), within(5000)).await, @"failed: the connection failed: connection closed before message completed");
        insta::assert_snapshot!(asked(Does::Raw(b"SSH-2.0-x\r\n"), within(5000)).await, @"failed: the connection failed: invalid HTTP version parsed");
        insta::assert_snapshot!(
            asked(Does::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"), within(5000)).await,
            @"failed: the connection failed: end of file before message length reached"
        );
    }

    #[tokio::test]
    async fn a_late_answer_fails_even_when_its_beginning_was_in_time() {
        for beginning in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"] {
            let server = Server::start(Does::Stall(beginning)).await;
            let sample = sample(Ask::Http(get(server.url("/"))), within(150)).await;
            insta::allow_duplicates! {
                insta::assert_snapshot!(line(&sample, &[]), @"failed: no answer within 150 ms");
            }
            assert_eq!(sample.took, Duration::from_millis(150));
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_fails() {
        let body = "x".repeat(crate::outbound::LARGEST_ANSWER + 1);
        insta::assert_snapshot!(
            asked(Does::Answer(vec![("/", 200, body)]), within(20_000)).await,
            @"failed: the answer is larger than 4 MiB"
        );
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_fails() {
        let sample = sample(Ask::Http(get("http://nowhere.invalid/")), within(5000)).await;
        // What the resolver says differs from system to system.
        assert!(
            matches!(&sample.result, SampleResult::Failed(why) if !why.is_empty()),
            "{sample:?}"
        );
    }

    #[tokio::test]
    async fn a_question_that_makes_no_sense_is_unknown() {
        for (url, path) in [
            ("127.0.0.1:1", "$.a"),
            ("http:///x", "$.a"),
            ("ftp://127.0.0.1/", "$.a"),
            ("http://127.0.0.1:1/", "$.a["),
        ] {
            let expect = Expect {
                json: [(path.to_owned(), 1.into())].into(),
                ..within(1000)
            };
            let sample = sample(Ask::Http(get(url)), expect).await;
            assert!(
                matches!(&sample.result, SampleResult::Unknown(why) if why.contains("can't be made") || why.contains("not a JSONPath")),
                "{url} {path}: {sample:?}"
            );
        }
    }

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
