//! What was there before a hook was done, and how it is put into the calls that undo it.
//!
//! Invariants: only one text, number or flag is ever captured, on one line and bounded, so that it can stand anywhere. It is
//! put in as text that is never looked into again: whatever a target answers, no secret is looked up for it, and it can
//! end neither the string nor the path segment that it stands in. Where a call goes and which program runs never depends
//! on it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::address::{encoded, split};
use crate::model::fault::{Call, Hook, Verify};
use crate::model::probe::{Expect, HttpRequest, Program};
use crate::secret;

/// The most bytes of a captured text.
const LONGEST: usize = 1024;

/// Below this, every whole number is a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A text, a number or a flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Captured(Value);

impl Captured {
    /// The one value that a path finds in a JSON answer.
    pub(super) fn from_answer(path: &str, body: &[u8]) -> Result<Self, String> {
        let parsed =
            JsonPath::parse(path).map_err(|error| format!("{path} is not a JSONPath: {error}"))?;
        let answer: Value =
            serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())?;
        match parsed.query(&answer).all()[..] {
            [] => Err(format!("{path} is missing")),
            [value] => Self::of(value.clone()).map_err(|why| format!("{path} is {why}")),
            ref several => Err(format!("{path} finds {} values, not one", several.len())),
        }
    }

    /// The one line that a program printed.
    pub(super) fn from_output(printed: &[u8]) -> Result<Self, String> {
        let text =
            std::str::from_utf8(printed).map_err(|_| "what it printed is not UTF-8".to_owned())?;
        Self::of(Value::from(text.trim())).map_err(|why| format!("what it printed is {why}"))
    }

    fn of(value: Value) -> Result<Self, String> {
        match &value {
            Value::String(text) if text.is_empty() => Err("empty".to_owned()),
            Value::String(text) if text.len() > LONGEST => {
                Err(format!("longer than {LONGEST} bytes"))
            }
            Value::String(text) if text.chars().any(char::is_control) => {
                Err("more than one line, or holds control characters".to_owned())
            }
            Value::Number(number)
                if number.is_f64() && number.as_f64().is_some_and(|it| it.abs() >= EXACT) =>
            {
                Err("a number too large to be kept exactly".to_owned())
            }
            Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(Self(value)),
            Value::Null => Err("null".to_owned()),
            Value::Array(_) | Value::Object(_) => {
                Err("neither a text, a number nor a flag".to_owned())
            }
        }
    }

    /// As JSON writes it.
    pub(super) fn shown(&self) -> String {
        self.0.to_string()
    }

    fn text(&self) -> String {
        match &self.0 {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// For a place in JSON text that follows `before`: inside a string its characters, elsewhere the value itself.
    fn in_json(&self, before: &str) -> String {
        if !ends_inside_string(before) {
            return self.0.to_string();
        }
        let quoted = Value::from(self.text()).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    }

    /// The hook with this in the calls that undo it.
    pub(super) fn put_into(&self, hook: Hook) -> Result<Hook, String> {
        Ok(Hook {
            undo: hook.undo.map(|call| self.call(call)).transpose()?,
            verify_undone: hook
                .verify_undone
                .map(|verify| {
                    Ok::<_, String>(Verify {
                        call: self.call(verify.call)?,
                        expect: self.expect(verify.expect),
                    })
                })
                .transpose()?,
            ..hook
        })
    }

    fn call(&self, call: Call) -> Result<Call, String> {
        Ok(match call {
            Call::Http(request) => Call::Http(self.request(request)?),
            Call::Run(program) => Call::Run(self.program(program)),
        })
    }

    fn request(&self, request: HttpRequest) -> Result<HttpRequest, String> {
        let (place, rest) = split(&request.url);
        if secret::is_in(place) {
            return Err("what was captured can't say where a request goes".to_owned());
        }
        let url = format!("{place}{}", secret::filled(rest, |_| encoded(&self.text())));
        let kind = Format::of(&request);
        let body = request.body.map(|body| {
            secret::filled(&body, |before| match kind {
                Format::Json => self.in_json(before),
                Format::Form => encoded(&self.text()),
                Format::Plain => self.text(),
            })
        });
        let headers = request.headers.into_iter();
        Ok(HttpRequest {
            method: request.method,
            url,
            headers: headers
                .map(|(name, value)| (name, secret::filled(&value, |_| self.text())))
                .collect(),
            body,
        })
    }

    fn program(&self, program: Program) -> Program {
        let mut words = program.command.into_iter();
        let name = words.next();
        let arguments = words.map(|word| secret::filled(&word, |_| self.text()));
        Program {
            command: name.into_iter().chain(arguments).collect(),
            folder: program.folder,
        }
    }

    /// What must come back is compared, never sent: it holds plain texts.
    fn expect(&self, expect: Expect) -> Expect {
        let text = |text: String| text.replace(secret::CAPTURED, &self.text());
        Expect {
            json: expect
                .json
                .into_iter()
                .map(|(path, value)| (path, self.value(value)))
                .collect(),
            body: expect.body.map(text),
            headers: expect
                .headers
                .into_iter()
                .map(|(name, value)| (name, text(value)))
                .collect(),
            ..expect
        }
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) if text == secret::CAPTURED => self.0.clone(),
            Value::String(text) => Value::from(text.replace(secret::CAPTURED, &self.text())),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(entries) => entries
                .into_iter()
                .map(|(key, value)| (key, self.value(value)))
                .collect(),
            other => other,
        }
    }
}

/// How a body is written, which says what must be escaped in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Form,
    Plain,
}

impl Format {
    /// By its content type, else by how it begins.
    fn of(request: &HttpRequest) -> Self {
        let mut headers = request.headers.iter();
        let kind = headers
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .map(|(_, value)| value.to_ascii_lowercase());
        let begins = |body: &String| body.trim_start().starts_with(['{', '[']);
        match kind {
            Some(kind) if kind.contains("json") => Self::Json,
            Some(kind) if kind.contains("x-www-form-urlencoded") => Self::Form,
            None if request.body.as_ref().is_some_and(begins) => Self::Json,
            Some(_) | None => Self::Plain,
        }
    }
}

/// Whether what follows this much of a JSON text stands inside a string.
fn ends_inside_string(json: &str) -> bool {
    let (mut inside, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::model::time::Millis;
    use crate::secret::Environment;

    fn captured(value: Value) -> Captured {
        Captured::of(value).expect("it can be captured")
    }

    fn request(url: &str, headers: &[(&str, &str)], body: Option<&str>) -> HttpRequest {
        HttpRequest {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: headers
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: body.map(str::to_owned),
        }
    }

    fn body(value: Value, headers: &[(&str, &str)], body: &str) -> String {
        captured(value)
            .request(request("http://a/", headers, Some(body)))
            .expect("it is filled")
            .body
            .expect("a body")
    }

    #[test]
    fn in_json_a_text_can_not_end_its_string_and_a_value_keeps_its_type() {
        let text = json!(r#"a"b\c"#);
        let inside = body(text.clone(), &[], r#"{"signer":"x-${captured}","q":"\""}"#);
        assert_eq!(inside, r#"{"signer":"x-a\"b\\c","q":"\""}"#);
        assert_eq!(
            body(text.clone(), &[], r#"{"signer":${captured}}"#),
            r#"{"signer":"a\"b\\c"}"#
        );
        assert_eq!(
            body(json!(41), &[], r#"{"version":${captured}}"#),
            r#"{"version":41}"#
        );
        assert_eq!(
            body(json!(41), &[], r#"{"version":"v${captured}"}"#),
            r#"{"version":"v41"}"#
        );
        assert_eq!(
            body(json!(false), &[], r#"{"a":"\"","paused":${captured}}"#),
            r#"{"a":"\"","paused":false}"#
        );
        let typed = [("Content-Type", "application/vnd.x+json; charset=utf-8")];
        assert_eq!(body(text, &typed, "\"${captured}\""), r#""a\"b\\c""#);
    }

    #[test]
    fn forms_urls_headers_and_arguments_each_take_it_as_they_can() {
        let value = || json!("a/b?c=d&e #é");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        assert_eq!(
            body(value(), &form, "to=${captured}&x=1"),
            "to=a%2Fb%3Fc%3Dd%26e%20%23%C3%A9&x=1"
        );
        assert_eq!(body(value(), &[], "to ${captured}"), "to a/b?c=d&e #é");
        let sent = captured(value())
            .request(request(
                "http://a:1/x/${captured}?to=${captured}",
                &[("x-was", "<${captured}>")],
                None,
            ))
            .expect("it is filled");
        assert_eq!(
            sent.url,
            "http://a:1/x/a%2Fb%3Fc%3Dd%26e%20%23%C3%A9?to=a%2Fb%3Fc%3Dd%26e%20%23%C3%A9"
        );
        assert_eq!(sent.headers["x-was"], "<a/b?c=d&e #é>");
        let program = captured(value()).program(Program {
            command: vec!["./failover".to_owned(), "--to=${captured}".to_owned()],
            folder: None,
        });
        assert_eq!(program.command, ["./failover", "--to=a/b?c=d&e #é"]);
        let elsewhere = captured(value()).request(request("http://${captured}/", &[], None));
        assert!(elsewhere.is_err());
    }

    #[test]
    fn what_a_target_answers_is_never_looked_up_as_a_secret() {
        let given: Environment = Arc::new(|name| Some(format!("<{name}>")));
        for (template, value, expected) in [
            ("${env:A} ${captured}", "${env:B}", "<A> ${env:B}"),
            ("$${captured}", "{env:B}", "${env:B}"),
            ("${env:A}${captured}", "${captured}", "<A>${captured}"),
        ] {
            let filled = body(json!(value), &[], template);
            assert_eq!(
                secret::revealed(&filled, &given).as_deref(),
                Ok(expected),
                "{template}"
            );
        }
    }

    #[test]
    fn what_must_come_back_is_compared_with_its_type() {
        let expect = Expect {
            status: None,
            json: [
                ("$.version".to_owned(), json!("${captured}")),
                ("$.all".to_owned(), json!([{"v": "v${captured}"}, 1])),
            ]
            .into(),
            body: Some("at ${captured}".to_owned()),
            headers: [("x-version".to_owned(), "${captured}".to_owned())].into(),
            exit: None,
            below: None,
            above: None,
            within: Millis::seconds(1),
        };
        let expect = captured(json!(40)).expect(expect);
        assert_eq!(expect.json["$.version"], json!(40));
        assert_eq!(expect.json["$.all"], json!([{"v": "v40"}, 1]));
        assert_eq!(expect.body.as_deref(), Some("at 40"));
        assert_eq!(expect.headers["x-version"], "40");
    }

    #[test]
    fn only_one_small_plain_value_is_captured() {
        let answer = |path: &str, body: &str| {
            Captured::from_answer(path, body.as_bytes()).map(|found| found.shown())
        };
        let whole = r#"{"signer":"signer-b","n":12.5,"on":true,"none":null,"list":[1,2],"empty":"","lines":"a\nb","wei":100000000000000000000}"#;
        for (path, expected) in [
            ("$.signer", Ok("\"signer-b\"")),
            ("$.n", Ok("12.5")),
            ("$.on", Ok("true")),
            ("$.none", Err("$.none is null")),
            ("$.gone", Err("$.gone is missing")),
            (
                "$.list",
                Err("$.list is neither a text, a number nor a flag"),
            ),
            ("$.list[*]", Err("$.list[*] finds 2 values, not one")),
            ("$.empty", Err("$.empty is empty")),
            (
                "$.lines",
                Err("$.lines is more than one line, or holds control characters"),
            ),
            (
                "$.wei",
                Err("$.wei is a number too large to be kept exactly"),
            ),
        ] {
            assert_eq!(
                answer(path, whole).as_deref().map_err(String::as_str),
                expected
            );
        }
        assert_eq!(
            answer("$", "<html>"),
            Err("the answer is not JSON".to_owned())
        );
        let printed = |bytes: &[u8]| Captured::from_output(bytes).map(|found| found.shown());
        assert_eq!(printed(b" signer-b\r\n").as_deref(), Ok("\"signer-b\""));
        assert_eq!(printed(b"\n"), Err("what it printed is empty".to_owned()));
        assert_eq!(
            printed(b"a\nb\n"),
            Err("what it printed is more than one line, or holds control characters".to_owned())
        );
        assert_eq!(
            printed(b"\xff"),
            Err("what it printed is not UTF-8".to_owned())
        );
        assert_eq!(
            printed(&[b'a'; 1025]),
            Err("what it printed is longer than 1024 bytes".to_owned())
        );
    }
}
