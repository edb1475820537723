//! Scalars and keys: what a text, a number or a key of the user's own must look like.

use croner::parser::{CronParser, Seconds, Year};

use crate::model::container::Size;
use crate::model::ids::ServiceName;
use crate::model::time::Millis;
use crate::spec::address;
use crate::spec::check::names::{did_you_mean, listed, nearest};
use crate::spec::code::Code;
use crate::spec::diagnostic::Span;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Keys, Range};
use crate::spec::tree::{Kind, Node, short};

/// A number, whole or not.
pub(crate) fn number(node: &Node) -> Option<f64> {
    match node.kind {
        #[expect(
            clippy::cast_precision_loss,
            reason = "numbers of files are far below 2^53; JSON readers do the same"
        )]
        Kind::Int(number) => Some(number as f64),
        Kind::Float(number) => Some(number),
        _ => None,
    }
}

/// A value as the file has it, cut where it is long; never a secret.
pub(crate) fn shown(node: &Node, sink: &Sink) -> String {
    let written = || {
        let text = &sink.source.text;
        short(
            text.get(node.span.start..node.span.end)
                .unwrap_or("")
                .trim_matches(['"', '\'']),
        )
    };
    match &node.kind {
        Kind::Text(text) if node.secret.is_none() => short(text),
        _ => written(),
    }
}

pub(crate) fn check_key(keys: Keys, key: &str, span: Span, sink: &mut Sink) {
    match keys {
        Keys::Text => {}
        Keys::Name => {
            if let Err(error) = key.parse::<ServiceName>() {
                sink.error(Code::BadName, span, error.to_string());
            }
        }
        Keys::JsonPath => json_path(key, key, span, sink),
        Keys::Header => {
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if key.is_empty() || !key.chars().all(token) {
                sink.error(
                    Code::BadHeader,
                    span,
                    format!("`{}` is not a header name", short(key)),
                );
            }
        }
    }
}

fn json_path(text: &str, shown: &str, span: Span, sink: &mut Sink) {
    if let Err(error) = serde_json_path::JsonPath::parse(text) {
        let why = if text == shown {
            format!(": {error}")
        } else {
            String::new()
        };
        sink.error(
            Code::BadJsonPath,
            span,
            format!("`{}` is not a JSONPath{why}", short(shown)),
        )
        .with_hint("a JSONPath begins with `$`, such as `$.result` or `$.items[0].id` (RFC 9535)");
    }
}

pub(crate) fn check_leaf(node: &Node, at: Span, form: &'static Form, sink: &mut Sink) {
    match (form, &node.kind) {
        (Form::Integer(low, high), Kind::Int(number)) if (number < low || number > high) => {
            let wanted = if *high == i64::MAX {
                format!("at least {low}")
            } else {
                format!("from {low} to {high}")
            };
            sink.error(
                Code::OutOfRange,
                at,
                format!("{number} is out of range: it must be {wanted}"),
            );
        }
        (Form::Number(range), Kind::Int(_) | Kind::Float(_)) => {
            check_number(number(node).unwrap_or(f64::NAN), *range, at, sink);
        }
        (_, Kind::Text(text)) => check_text(text, &shown(node, sink), at, form, sink),
        _ => {}
    }
}

fn check_number(number: f64, range: Range, at: Span, sink: &mut Sink) {
    let low = if range.closed {
        number >= range.low
    } else {
        number > range.low
    };
    if low && number <= range.high {
        return;
    }
    let edge = if range.closed { "at least" } else { "above" };
    let message = match (range.low > f64::MIN, range.high < f64::MAX) {
        (true, true) => format!("{edge} {} and at most {}", range.low, range.high),
        (true, false) => format!("{edge} {}", range.low),
        _ => "a finite number".to_owned(),
    };
    sink.error(
        Code::OutOfRange,
        at,
        format!("{number} is out of range: it must be {message}"),
    );
}

fn check_text(text: &str, shown: &str, at: Span, form: &'static Form, sink: &mut Sink) {
    match form {
        Form::Text if text.trim().is_empty() => {
            sink.error(Code::OutOfRange, at, "this text must not be empty");
        }
        Form::Name if text.parse::<ServiceName>().is_err() => {
            sink.error(Code::BadName, at, format!("`{shown}` is not a name")).with_hint(
                    "use 1 to 80 letters, digits, `.`, `_`, `-`, `:` or `#`, beginning with a letter or digit",
                );
        }
        Form::Duration(least, most) => check_duration(text, shown, (*least, *most), at, sink),
        Form::FineDuration if microseconds(text).is_none() => {
            sink.error(
                Code::BadDuration,
                at,
                format!("`{shown}` is not a duration"),
            )
            .with_hint("write it like `50us`, `1ms` or `2s`");
        }
        Form::Size => {
            let whole = text.parse::<Size>().is_ok_and(|size| size.get() > 0);
            let why = (!whole).then_some("write it like `64MiB`, `1GiB` or `500KB`");
            refuse(why, Code::OutOfRange, "size", shown, at, sink);
        }
        Form::Word(words) if !words.iter().any(|(word, _)| *word == text) => {
            let all = listed(words.iter().map(|(word, _)| *word), "or");
            let near = nearest(text, words.iter().map(|(word, _)| *word));
            sink.error(
                Code::UnknownWord,
                at,
                format!("`{shown}` is not one of the words allowed here"),
            )
            .with_hint(did_you_mean(near, &format!("it is {all}")));
        }
        Form::Url => refuse(
            address::url(text).err(),
            Code::BadUrl,
            "URL",
            shown,
            at,
            sink,
        ),
        Form::Address => {
            let why = address::host_and_port(text).err();
            refuse(why, Code::BadAddress, "address", shown, at, sink);
        }
        Form::Network => refuse(
            address::network(text).err(),
            Code::BadNetwork,
            "network",
            shown,
            at,
            sink,
        ),
        Form::DockerHost => {
            let why = address::docker_host(text).err();
            refuse(why, Code::BadDockerHost, "Docker host", shown, at, sink);
        }
        Form::Label | Form::LabelSelector => {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            let whole = matches!(form, Form::LabelSelector) || text.contains('=');
            let plain = |part: &str| !part.chars().any(|c| c.is_whitespace() || c.is_control());
            if key.is_empty() || !whole || !plain(key) || value.chars().any(char::is_control) {
                refuse(
                    Some("write it as `key=value`"),
                    Code::BadLabel,
                    "label",
                    shown,
                    at,
                    sink,
                );
            }
        }
        Form::JsonPath => json_path(text, shown, at, sink),
        Form::Cron => {
            let parser = CronParser::builder()
                .seconds(Seconds::Disallowed)
                .year(Year::Disallowed)
                .build();
            if text.starts_with('@') || parser.parse(text).is_err() {
                let why = "it has five fields: minute, hour, day of month, month, day of week";
                refuse(Some(why), Code::BadCron, "cron pattern", shown, at, sink);
            }
        }
        Form::Timezone if jiff::tz::TimeZone::get(text).is_err() => {
            let why = "use a name of the IANA database, such as `Europe/Berlin` or `UTC`";
            refuse(Some(why), Code::BadTimezone, "time zone", shown, at, sink);
        }
        _ => {}
    }
}

fn refuse(why: Option<&str>, code: Code, what: &str, shown: &str, at: Span, sink: &mut Sink) {
    if let Some(why) = why {
        sink.error(code, at, format!("`{shown}` is not a usable {what}"))
            .with_hint(why);
    }
}

fn check_duration(text: &str, shown: &str, (least, most): (u64, u64), at: Span, sink: &mut Sink) {
    match text.parse::<Millis>() {
        Err(_) => {
            sink.error(
                Code::BadDuration,
                at,
                format!("`{shown}` is not a duration"),
            )
            .with_hint("write it like `500ms`, `30s`, `2m`, `1h` or `1m30s`");
        }
        Ok(length) if length.get() < least => {
            let least = Millis::new(least);
            sink.error(
                Code::OutOfRange,
                at,
                format!("`{shown}` is too short: it must be at least {least}"),
            );
        }
        Ok(length) if length.get() > most => {
            let most = Millis::new(most);
            sink.error(
                Code::OutOfRange,
                at,
                format!("`{shown}` is too long: it must be at most {most}"),
            );
        }
        Ok(_) => {}
    }
}

/// A length of time in microseconds, `us` or `µs` beside the units of `Millis`.
pub(crate) fn microseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let fine = text.strip_suffix("us").or_else(|| text.strip_suffix("µs"));
    let length = match fine {
        Some(count) if count.bytes().all(|b| b.is_ascii_digit()) => count.parse().ok()?,
        Some(_) => return None,
        None => text.parse::<Millis>().ok()?.get().checked_mul(1_000)?,
    };
    // An hour between two slices is no slicing any more.
    (length <= 3_600_000_000).then_some(length)
}
