//! Difference probes: how far two numbers, read at the same time, lie apart.

use std::fmt;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::http::unanswered;
use super::{judged, late};
use crate::address::shown;
use crate::engine::watch::SampleResult;
use crate::model::probe::{Expect, Reading};
use crate::outbound::{Outbound, SendError};

pub(super) async fn ask(
    outbound: &Outbound,
    sides: &[Reading; 2],
    expect: &Expect,
) -> SampleResult {
    if let Err(why) = bounded(expect) {
        return SampleResult::Unknown(why);
    }
    let [left, right] = sides;
    let (left, right) = tokio::join!(read(outbound, left, expect), read(outbound, right, expect));
    match (left, right) {
        (Ok(left), Ok(right)) => judged(
            expect
                .judge_number(left.distance(right))
                .map_err(|why| format!("{left} and {right} differ by {why}")),
        ),
        // One broken side is a failing difference, whatever hinders the question to the other.
        (Err(SampleResult::Failed(left)), Err(SampleResult::Failed(right))) => {
            SampleResult::Failed(format!("{left}; {right}"))
        }
        (Err(SampleResult::Failed(why)), _) | (_, Err(SampleResult::Failed(why))) => {
            SampleResult::Failed(why)
        }
        (Err(other), _) | (_, Err(other)) => other,
    }
}

/// A number without a bound would always be as expected.
pub(super) fn bounded(expect: &Expect) -> Result<(), String> {
    if expect.below.is_none() && expect.above.is_none() {
        return Err("the expectation has neither `below` nor `above`".to_owned());
    }
    Ok(())
}

/// The number, or what its absence comes to.
async fn read(
    outbound: &Outbound,
    reading: &Reading,
    expect: &Expect,
) -> Result<Number, SampleResult> {
    let path = JsonPath::parse(&reading.read).map_err(|error| {
        SampleResult::Unknown(format!("{} is not a JSONPath: {error}", reading.read))
    })?;
    let url = shown(&reading.http.url);
    let within = expect.within.duration();
    let reply = outbound
        .send_with_secrets(&reading.http, within)
        .await
        .map_err(|error| match error {
            SendError::Late(_) => SampleResult::Failed(format!("{url}: {}", late(within))),
            other => match unanswered(&other) {
                SampleResult::Failed(why) => SampleResult::Failed(format!("{url}: {why}")),
                said => said,
            },
        })?;
    let wrong = |why: String| SampleResult::Failed(format!("{url}: {why}"));
    expect
        .judge_http(
            reply.status.as_u16(),
            |name| reply.header(name),
            &reply.body,
        )
        .map_err(wrong)?;
    let body: Value = reply
        .json()
        .map_err(|_| wrong("the body is not JSON".to_owned()))?;
    let found = path.query(&body).all();
    match found.as_slice() {
        [value] => Number::of(value)
            .ok_or_else(|| wrong(format!("{} is {}, not a number", reading.read, cut(value)))),
        [] => Err(wrong(format!("{} is missing", reading.read))),
        several => Err(wrong(format!(
            "{} is {} values, not one",
            reading.read,
            several.len()
        ))),
    }
}

/// A number as it was answered. Whole ones stay exact: balances in wei lie beyond what a float can tell apart.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    /// A JSON number, or a text that holds one. Nodes of a chain answer `"0x1b4"`.
    fn of(value: &Value) -> Option<Self> {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return None,
        };
        let whole = match text.strip_prefix("0x") {
            Some(hex) => return i128::from_str_radix(hex, 16).ok().map(Self::Whole),
            None => text.parse().ok(),
        };
        whole.map(Self::Whole).or_else(|| {
            let real: f64 = text.parse().ok()?;
            real.is_finite().then_some(Self::Real(real))
        })
    }

    fn distance(self, other: Self) -> f64 {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => approximate(left.abs_diff(right)),
            (left, right) => (left.real() - right.real()).abs(),
        }
    }

    fn real(self) -> f64 {
        match self {
            Self::Whole(whole) if whole < 0 => -approximate(whole.unsigned_abs()),
            Self::Whole(whole) => approximate(whole.unsigned_abs()),
            Self::Real(real) => real,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => whole.fmt(f),
            Self::Real(real) => real.fmt(f),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "it is compared with a bound that is a float itself"
)]
fn approximate(whole: u128) -> f64 {
    whole as f64
}

fn cut(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::Ask;
    use crate::probes::fixture::{Does, Server, get, line, nobody, sample, within};
    use serde_json::json;

    fn below(bound: f64) -> Expect {
        Expect {
            below: Some(bound),
            ..within(5000)
        }
    }

    async fn asked(left: Does, right: Does, read: &str, expect: Expect) -> String {
        let (left, right) = (Server::start(left).await, Server::start(right).await);
        let reading = |server: &Server| Reading {
            http: get(server.url("/head?token=secret")),
            read: read.to_owned(),
        };
        let sides = Box::new([reading(&left), reading(&right)]);
        line(
            &sample(Ask::Difference { sides }, expect).await,
            &[&left, &right],
        )
    }

    fn height(height: &str) -> Does {
        Does::Answer(vec![("/head", 200, format!(r#"{{"height":{height}}}"#))])
    }

    #[tokio::test]
    async fn the_distance_is_judged_whichever_side_is_ahead() {
        for (left, right) in [("7", "9"), ("9", "7"), (r#""0x9""#, "7"), ("7.5", "7")] {
            let said = asked(height(left), height(right), "$.height", below(3.0)).await;
            assert_eq!(said, "passed", "{left} {right}");
        }
        insta::assert_snapshot!(
            asked(height("12"), height("7"), "$.height", below(3.0)).await,
            @"failed: 12 and 7 differ by 5, expected below 3"
        );
        let apart = Expect {
            above: Some(5.0),
            ..within(5000)
        };
        insta::assert_snapshot!(
            asked(height("12"), height("7"), "$.height", apart).await,
            @"failed: 12 and 7 differ by 5, expected above 5"
        );
    }

    #[tokio::test]
    async fn a_side_that_answers_wrong_fails_with_its_address() {
        let error = || Does::Answer(vec![("/", 500, String::new())]);
        let texts = [
            asked(height("1"), error(), "$.height", below(3.0)).await,
            asked(error(), error(), "$.height", below(3.0)).await,
            asked(height("null"), height("1"), "$.height", below(3.0)).await,
            asked(height("1"), height("1"), "$.head", below(3.0)).await,
            asked(height("[1,2]"), height("1"), "$.height[*]", below(3.0)).await,
            asked(Does::Raw(b""), height("1"), "$.height", below(3.0)).await,
        ];
        insta::assert_snapshot!(texts.join("\n"), @r#"
failed: http://server-1/head: status 500, expected 200 to 299
failed: http://server-0/head: status 500, expected 200 to 299; http://server-1/head: status 500, expected 200 to 299
failed: http://server-0/head: $.height is null, not a number
failed: http://server-0/head: $.head is missing; http://server-1/head: $.head is missing
failed: http://server-0/head: $.height[*] is 2 values, not one; http://server-1/head: $.height[*] is missing
failed: http://server-0/head: the connection failed: connection closed before message completed
"#);
    }

    #[tokio::test]
    async fn a_late_side_fails_at_the_deadline_of_the_whole() {
        let expect = Expect {
            below: Some(3.0),
            ..within(150)
        };
        insta::assert_snapshot!(
            asked(height("1"), Does::Stall(b""), "$.height", expect).await,
            @"failed: http://server-1/head: no answer within 150 ms"
        );
    }

    #[tokio::test]
    async fn both_sides_are_asked_at_once() {
        let expect = Expect {
            below: Some(3.0),
            ..within(300)
        };
        let stall = Server::start(Does::Stall(b"")).await;
        let reading = Reading {
            http: get(stall.url("/")),
            read: "$".into(),
        };
        let begun = tokio::time::Instant::now();
        let sides = Box::new([reading.clone(), reading]);
        let _ = sample(Ask::Difference { sides }, expect).await;
        assert!(begun.elapsed() < std::time::Duration::from_millis(550));
    }

    #[tokio::test]
    async fn a_refused_side_fails_even_where_the_other_could_not_be_asked() {
        let refused = format!("http://{}/", nobody().await);
        let reading = |url: &str| Reading {
            http: get(url),
            read: "$".into(),
        };
        let sides = Box::new([reading("nonsense"), reading(&refused)]);
        let sample = sample(Ask::Difference { sides }, below(3.0)).await;
        assert!(
            matches!(sample.result, SampleResult::Failed(_)),
            "{sample:?}"
        );
    }

    #[tokio::test]
    async fn a_path_that_is_none_and_a_missing_bound_are_unknown() {
        let texts = [
            asked(height("1"), height("1"), "$.height", within(5000)).await,
            asked(height("1"), height("1"), "height", below(3.0)).await,
        ];
        insta::assert_snapshot!(texts.join("\n"), @r#"
unknown: the expectation has neither `below` nor `above`
unknown: height is not a JSONPath: at position 0, parser error
"#);
    }

    #[test]
    fn numbers_are_read_from_numbers_and_from_texts() {
        assert_eq!(Number::of(&json!(7)), Some(Number::Whole(7)));
        assert_eq!(Number::of(&json!("0x1b4")), Some(Number::Whole(436)));
        assert_eq!(Number::of(&json!("-1.5")), Some(Number::Real(-1.5)));
        for none in [
            json!(null),
            json!("NaN"),
            json!("inf"),
            json!("0x"),
            json!(""),
            json!([1]),
        ] {
            assert_eq!(Number::of(&none), None, "{none}");
        }
    }

    #[test]
    fn one_wei_is_seen_between_balances_that_no_float_tells_apart() {
        let left = Number::of(&json!("1000000000000000000000001")).expect("a number");
        let right = Number::of(&json!("1000000000000000000000000")).expect("a number");
        assert!((left.distance(right) - 1.0).abs() < f64::EPSILON);
        let mixed = Number::of(&json!(-2)).expect("a number");
        assert!((mixed.distance(Number::Real(1.5)) - 3.5).abs() < f64::EPSILON);
    }
}
