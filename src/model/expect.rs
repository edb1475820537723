//! Judging an answer by an expectation: the one meaning of [`Expect`] for probes, hooks and identity checks.
//!
//! Pure: what was answered comes in, a reason comes out. Whether the answer came in time is for whoever asked to say.
//! Reasons are short and exact, because they end up on the run's timeline.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::probe::Expect;

/// The most characters of a value that a reason quotes.
const LONGEST_QUOTE: usize = 120;

impl Expect {
    /// Whether an HTTP answer is as expected: its status, its headers, then its body. `header` gives all values of a
    /// header, whatever the case of its name.
    pub fn judge_http(
        &self,
        status: u16,
        header: impl Fn(&str) -> Vec<String>,
        body: &[u8],
    ) -> Result<(), String> {
        match self.status {
            Some(expected) if status != expected => {
                return Err(format!("status {status}, expected {expected}"));
            }
            None if !(200..=299).contains(&status) => {
                return Err(format!("status {status}, expected 200 to 299"));
            }
            _ => {}
        }
        for (name, expected) in &self.headers {
            judge_header(name, expected, &header(name))?;
        }
        self.judge_body(body)
    }

    /// Whether a body, or a program's standard output, contains what `body` and `json` ask for.
    pub fn judge_body(&self, body: &[u8]) -> Result<(), String> {
        if let Some(text) = &self.body
            && !String::from_utf8_lossy(body).contains(text.as_str())
        {
            return Err(format!("the body does not contain {}", quote(text)));
        }
        if self.json.is_empty() {
            return Ok(());
        }
        let answer: Value = serde_json::from_slice(body)
            .map_err(|_| format!("the body is not JSON: {}", quote(&excerpt(body))))?;
        for (path, expected) in &self.json {
            judge_path(path, expected, &answer)?;
        }
        Ok(())
    }

    /// Whether a program ended as expected: with `exit`, else 0. `None` is a program that a signal ended.
    pub fn judge_exit(&self, code: Option<i32>) -> Result<(), String> {
        let expected = self.exit.unwrap_or(0);
        match code {
            Some(code) if code == expected => Ok(()),
            Some(code) => Err(format!("exit {code}, expected {expected}")),
            None => Err(format!("ended by a signal, expected exit {expected}")),
        }
    }

    /// Whether a number lies between `above` and `below`. What is not a number never does.
    pub fn judge_number(&self, number: f64) -> Result<(), String> {
        if number.is_nan() {
            return Err("not a number".to_owned());
        }
        if let Some(below) = self.below
            && number >= below
        {
            return Err(format!("{number}, expected below {below}"));
        }
        if let Some(above) = self.above
            && number <= above
        {
            return Err(format!("{number}, expected above {above}"));
        }
        Ok(())
    }
}

/// A header that comes more than once must have the expected value each time.
fn judge_header(name: &str, expected: &str, found: &[String]) -> Result<(), String> {
    if found.is_empty() {
        return Err(format!(
            "header {name} is missing, expected {}",
            quote(expected)
        ));
    }
    match found.iter().find(|value| *value != expected) {
        Some(value) => Err(format!(
            "header {name} is {}, expected {}",
            quote(value),
            quote(expected)
        )),
        None => Ok(()),
    }
}

/// Every node the path finds must be the expected value, and there must be one.
fn judge_path(path: &str, expected: &Value, answer: &Value) -> Result<(), String> {
    let parsed =
        JsonPath::parse(path).map_err(|error| format!("{path} is not a JSONPath: {error}"))?;
    let found = parsed.query(answer).all();
    let expected_text = || quote_value(expected);
    if found.is_empty() {
        return Err(format!("{path} is missing, expected {}", expected_text()));
    }
    match found.into_iter().find(|value| !same(value, expected)) {
        Some(value) => Err(format!(
            "{path} is {}, expected {}",
            quote_value(value),
            expected_text()
        )),
        None => Ok(()),
    }
}

/// Equality as JSON means it: `1` and `1.0` are one number, which `serde_json` keeps apart.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(l), Value::Number(r)) => {
            l == r || (l.is_f64() || r.is_f64()) && l.as_f64() == r.as_f64()
        }
        (Value::Array(l), Value::Array(r)) => {
            l.len() == r.len() && l.iter().zip(r).all(|(l, r)| same(l, r))
        }
        (Value::Object(l), Value::Object(r)) => {
            l.len() == r.len()
                && l.iter()
                    .all(|(key, l)| r.get(key).is_some_and(|r| same(l, r)))
        }
        _ => left == right,
    }
}

fn quote(text: &str) -> String {
    quote_value(&Value::from(text))
}

fn quote_value(value: &Value) -> String {
    shortened(&value.to_string())
}

/// The beginning of a body, cut before it is quoted so that a megabyte is never escaped for a hundred characters.
fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(4 * LONGEST_QUOTE)]).into_owned()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::time::Millis;

    fn expect() -> Expect {
        Expect {
            status: None,
            json: std::collections::BTreeMap::new(),
            body: None,
            headers: std::collections::BTreeMap::new(),
            exit: None,
            below: None,
            above: None,
            within: Millis::seconds(1),
        }
    }

    fn none(_: &str) -> Vec<String> {
        Vec::new()
    }

    fn at(path: &str, value: Value) -> Expect {
        Expect {
            json: [(path.to_owned(), value)].into(),
            ..expect()
        }
    }

    fn reason(judged: Result<(), String>) -> String {
        judged.expect_err("it should have failed")
    }

    #[test]
    fn without_a_status_any_success_passes_and_nothing_else() {
        for good in [200, 204, 299] {
            assert_eq!(expect().judge_http(good, none, b""), Ok(()));
        }
        for bad in [199, 300, 404, 503] {
            assert_eq!(
                reason(expect().judge_http(bad, none, b"")),
                format!("status {bad}, expected 200 to 299")
            );
        }
    }

    #[test]
    fn a_status_given_must_be_that_one() {
        let expected = Expect {
            status: Some(201),
            ..expect()
        };
        assert_eq!(expected.judge_http(201, none, b""), Ok(()));
        assert_eq!(
            reason(expected.judge_http(503, none, b"")),
            "status 503, expected 201"
        );
    }

    #[test]
    fn a_path_must_find_the_value_and_every_node_it_finds_must_be_it() {
        let body = br#"{"state":"failed","gap":0,"nodes":[{"up":true},{"up":false}]}"#;
        assert_eq!(
            reason(at("$.state", json!("broadcast")).judge_http(200, none, body)),
            r#"$.state is "failed", expected "broadcast""#
        );
        assert_eq!(
            reason(at("$.height", json!(1)).judge_http(200, none, body)),
            "$.height is missing, expected 1"
        );
        assert_eq!(
            reason(at("$.nodes[*].up", json!(true)).judge_http(200, none, body)),
            "$.nodes[*].up is false, expected true"
        );
        assert_eq!(at("$.gap", json!(0.0)).judge_http(200, none, body), Ok(()));
        assert_eq!(
            at("$.nodes[0]", json!({"up": true})).judge_http(200, none, body),
            Ok(())
        );
        assert_eq!(
            reason(at("$.gap", json!("0")).judge_http(200, none, body)),
            r#"$.gap is 0, expected "0""#
        );
    }

    #[test]
    fn large_whole_numbers_are_not_compared_as_floats() {
        let body = br#"{"wei":9007199254740993}"#;
        assert_eq!(
            reason(at("$.wei", json!(9_007_199_254_740_992_u64)).judge_body(body)),
            "$.wei is 9007199254740993, expected 9007199254740992"
        );
    }

    #[test]
    fn a_body_that_is_no_json_and_a_path_that_is_none_say_so() {
        assert_eq!(
            reason(at("$.a", json!(1)).judge_http(200, none, b"<html>")),
            r#"the body is not JSON: "<html>""#
        );
        assert!(
            reason(at("$.a[", json!(1)).judge_http(200, none, b"{}"))
                .starts_with("$.a[ is not a JSONPath: ")
        );
    }

    #[test]
    fn a_text_must_be_in_the_body_and_long_values_are_cut() {
        let expected = Expect {
            body: Some("ready".into()),
            ..expect()
        };
        assert_eq!(expected.judge_http(200, none, b"all ready"), Ok(()));
        assert_eq!(
            reason(expected.judge_http(200, none, b"wait")),
            r#"the body does not contain "ready""#
        );
        let long = format!("{{\"a\":\"{}\"}}", "é".repeat(5000));
        let why = reason(at("$.a", json!(1)).judge_body(long.as_bytes()));
        assert!(
            why.chars().count() < 160 && why.ends_with("…, expected 1"),
            "{why}"
        );
    }

    #[test]
    fn a_header_must_be_there_with_the_value_each_time_it_comes() {
        let expected = Expect {
            headers: [("X-Environment".to_owned(), "staging".to_owned())].into(),
            ..expect()
        };
        let judge = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
            expected.judge_http(
                200,
                |name| {
                    assert_eq!(name, "X-Environment");
                    values.clone()
                },
                b"",
            )
        };
        assert_eq!(judge(&["staging"]), Ok(()));
        assert_eq!(judge(&["staging", "staging"]), Ok(()));
        assert_eq!(
            reason(judge(&["staging", "production"])),
            r#"header X-Environment is "production", expected "staging""#
        );
        assert_eq!(
            reason(judge(&[])),
            r#"header X-Environment is missing, expected "staging""#
        );
        assert_eq!(
            reason(expected.judge_http(503, none, b"")),
            "status 503, expected 200 to 299"
        );
    }

    #[test]
    fn an_exit_is_zero_unless_another_is_expected() {
        assert_eq!(expect().judge_exit(Some(0)), Ok(()));
        assert_eq!(reason(expect().judge_exit(Some(3))), "exit 3, expected 0");
        assert_eq!(
            reason(expect().judge_exit(None)),
            "ended by a signal, expected exit 0"
        );
        let three = Expect {
            exit: Some(3),
            ..expect()
        };
        assert_eq!(three.judge_exit(Some(3)), Ok(()));
        assert_eq!(reason(three.judge_exit(Some(0))), "exit 0, expected 3");
    }

    #[test]
    fn bounds_exclude_themselves_and_what_is_not_a_number() {
        let range = Expect {
            above: Some(1.0),
            below: Some(3.0),
            ..expect()
        };
        assert_eq!(range.judge_number(2.5), Ok(()));
        assert_eq!(reason(range.judge_number(3.0)), "3, expected below 3");
        assert_eq!(reason(range.judge_number(1.0)), "1, expected above 1");
        assert_eq!(reason(range.judge_number(f64::NAN)), "not a number");
        assert_eq!(
            reason(range.judge_number(f64::INFINITY)),
            "inf, expected below 3"
        );
    }
}
