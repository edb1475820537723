//! Difference probes: how far two numbers, read at the same time, lie apart.

use std::fmt;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::http::unanswered;
use super::network::shown;
use super::{judged, late};
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
    let (left, right) = tokio::join!(
        read(outbound, left, expect),
        read(outbound, right, expect)
    );
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
        .send(&reading.http, within)
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
        .judge_http(reply.status.as_u16(), &reply.body)
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
    use serde_json::json;

    #[test]
    fn numbers_are_read_from_numbers_and_from_texts() {
        assert_eq!(Number::of(&json!(7)), Some(Number::Whole(7)));
        assert_eq!(Number::of(&json!("0x1b4")), Some(Number::Whole(436)));
        assert_eq!(Number::of(&json!("-1.5")), Some(Number::Real(-1.5)));
        for none in [json!(null), json!("NaN"), json!("inf"), json!("0x"), json!(""), json!([1])] {
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
