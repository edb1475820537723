//! Walks a tree along a form and reports everything that doesn't fit, each at its own bytes.
//!
//! What passes here can be read without looking again: [`View`] hands out values without findings of its own, and
//! takes defaults from the same tables.

use std::str::FromStr;

use croner::parser::{CronParser, Seconds, Year};

use crate::model::ids::ServiceName;
use crate::model::time::Millis;
use crate::spec::address;
use crate::spec::diagnostic::{Code, Sink, Span};
use crate::spec::form::{Form, Keys, Need, Object, Range, Rule, Variant};
use crate::spec::tree::{Kind, Node, short};

/// Checks a value; `anchor` is where to point when the value itself has no bytes: the key that leads to it.
pub(crate) fn check(node: &Node, anchor: Span, form: &'static Form, sink: &mut Sink) {
    if node.kind == Kind::Broken {
        return;
    }
    if !fits(node, form) {
        wrong_type(node, anchor, form, sink);
        return;
    }
    match form {
        Form::List(of, least, most) => {
            let items = node.items();
            if items.len() < *least || items.len() > *most {
                let wanted = if least == most {
                    format!("exactly {least}")
                } else {
                    format!("at least {least}")
                };
                sink.error(
                    Code::WrongLength,
                    place(node, anchor),
                    format!("expected {wanted} here, found {}", items.len()),
                );
            }
            for item in items {
                check(item, head(item), of, sink);
            }
        }
        Form::Map(keys, of) => {
            for entry in node.entries() {
                check_key(*keys, &entry.key, entry.span, sink);
                check(&entry.value, entry.span, of, sink);
            }
        }
        Form::Object(object) => check_object(node, anchor, object, sink),
        Form::Choice(what, variants) => check_choice(node, anchor, what, variants, sink),
        Form::Either(forms) => {
            if let Some(form) = forms.iter().find(|form| fits(node, form)) {
                check(node, anchor, form, sink);
            }
        }
        _ => check_leaf(node, anchor, form, sink),
    }
}

/// Where to point for a value: at its bytes, or at its anchor when it has none or is a whole map or list.
fn place(node: &Node, anchor: Span) -> Span {
    match node.kind {
        Kind::List(_) | Kind::Map(_) => anchor,
        _ if node.span.is_empty() => anchor,
        _ => node.span,
    }
}

/// Where to point for an item of a list: at its first key, or at itself.
pub(crate) fn head(item: &Node) -> Span {
    match item.entries() {
        [first, ..] => first.span,
        [] => item.span,
    }
}

/// Whether a value is of the type, not yet whether it is in range.
fn fits(node: &Node, form: &Form) -> bool {
    match form {
        Form::Any => true,
        Form::Integer(..) => matches!(node.kind, Kind::Int(_)),
        Form::Number(_) => matches!(node.kind, Kind::Int(_) | Kind::Float(_)),
        Form::Flag => matches!(node.kind, Kind::Bool(_)),
        Form::List(..) => matches!(node.kind, Kind::List(_)),
        Form::Map(..) | Form::Object(_) | Form::Choice(..) => matches!(node.kind, Kind::Map(_)),
        Form::Either(forms) => forms.iter().any(|form| fits(node, form)),
        _ => matches!(node.kind, Kind::Text(_)),
    }
}

/// The type in words.
pub(crate) fn describe(form: &Form) -> String {
    match form {
        Form::Text | Form::Free => "a text".to_owned(),
        Form::Name => "a name".to_owned(),
        Form::Duration(..) => "a duration such as `30s`".to_owned(),
        Form::FineDuration => "a duration such as `50us` or `1ms`".to_owned(),
        Form::Integer(..) => "a whole number".to_owned(),
        Form::Number(_) => "a number".to_owned(),
        Form::Flag => "`true` or `false`".to_owned(),
        Form::Word(words) => listed(words.iter().map(|(word, _)| *word), "or"),
        Form::Url => "a URL such as `http://127.0.0.1:7000/health`".to_owned(),
        Form::Address => "an address such as `127.0.0.1:7000`".to_owned(),
        Form::Network => "a network such as `127.0.0.0/8`".to_owned(),
        Form::DockerHost => "a Docker host such as `unix:///var/run/docker.sock`".to_owned(),
        Form::Label => "a label such as `env=staging`".to_owned(),
        Form::LabelSelector => "a label such as `app=wallet` or `app`".to_owned(),
        Form::JsonPath => "a JSONPath such as `$.state`".to_owned(),
        Form::Cron => "a cron pattern such as `0 10 * * TUE`".to_owned(),
        Form::Timezone => "a time zone such as `Europe/Berlin`".to_owned(),
        Form::Any => "anything".to_owned(),
        Form::List(..) => "a list".to_owned(),
        Form::Map(..) => "a map".to_owned(),
        Form::Object(object) => format!("{}, a map", object.what),
        Form::Choice(what, _) => format!("{what}, a map with one key"),
        Form::Either(forms) => forms.iter().map(describe).collect::<Vec<_>>().join(", or "),
    }
}

fn wrong_type(node: &Node, anchor: Span, form: &'static Form, sink: &mut Sink) {
    let message = format!("expected {}, found {}", describe(form), node.what());
    let written = shown(node, sink);
    let scalar = matches!(node.kind, Kind::Int(_) | Kind::Float(_) | Kind::Bool(_));
    let at = if node.span.is_empty() {
        anchor
    } else {
        node.span
    };
    let finding = sink.error(Code::WrongType, at, message);
    match form {
        Form::Duration(..) | Form::FineDuration if scalar => {
            finding.with_hint(format!("give it a unit: `{written}s` or `{written}ms`"));
        }
        Form::Text | Form::Free | Form::Name if scalar => {
            finding.with_hint(format!("quote it to make it a text: \"{written}\""));
        }
        Form::List(..) if matches!(node.kind, Kind::Text(_)) => {
            finding.with_hint(format!("write it as a list: [{written}]"));
        }
        Form::Integer(..) | Form::Number(_)
            if node.text().is_some_and(|t| t.parse::<f64>().is_ok()) =>
        {
            finding.with_hint("write the number without quotes");
        }
        _ => {}
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
        Kind::Text(text) if !node.secret => short(text),
        _ => written(),
    }
}

fn check_key(keys: Keys, key: &str, span: Span, sink: &mut Sink) {
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

fn check_leaf(node: &Node, anchor: Span, form: &'static Form, sink: &mut Sink) {
    let at = place(node, anchor);
    match (form, &node.kind) {
        (Form::Integer(low, high), Kind::Int(number)) => {
            if number < low || number > high {
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
        Form::Name => {
            if text.parse::<ServiceName>().is_err() {
                sink.error(Code::BadName, at, format!("`{shown}` is not a name")).with_hint(
                    "use 1 to 80 letters, digits, `.`, `_`, `-`, `:` or `#`, beginning with a letter or digit",
                );
            }
        }
        Form::Duration(least, most) => check_duration(text, shown, (*least, *most), at, sink),
        Form::FineDuration => {
            if microseconds(text).is_none() {
                sink.error(
                    Code::BadDuration,
                    at,
                    format!("`{shown}` is not a duration"),
                )
                .with_hint("write it like `50us`, `1ms` or `2s`");
            }
        }
        Form::Word(words) => {
            if !words.iter().any(|(word, _)| *word == text) {
                let all = listed(words.iter().map(|(word, _)| *word), "or");
                let near = nearest(text, words.iter().map(|(word, _)| *word));
                sink.error(
                    Code::UnknownWord,
                    at,
                    format!("`{shown}` is not one of the words allowed here"),
                )
                .with_hint(did_you_mean(near, &format!("it is {all}")));
            }
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
        Form::Timezone => {
            if jiff::tz::TimeZone::get(text).is_err() {
                let why = "use a name of the IANA database, such as `Europe/Berlin` or `UTC`";
                refuse(Some(why), Code::BadTimezone, "time zone", shown, at, sink);
            }
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

pub(crate) fn check_object(node: &Node, anchor: Span, object: &'static Object, sink: &mut Sink) {
    let known = || {
        object
            .fields()
            .filter(|field| field.need != Need::Later)
            .map(|field| field.name)
    };
    for entry in node.entries() {
        match object.field(&entry.key) {
            None => {
                let near = nearest(&entry.key, known());
                let all = format!("{} has {}", object.what, listed(known(), "and"));
                sink.error(
                    Code::UnknownKey,
                    entry.span,
                    format!("{} has no key `{}`", object.what, short(&entry.key)),
                )
                .with_hint(did_you_mean(near, &all));
            }
            Some(field) if field.need == Need::Later => unsupported(field.name, entry.span, sink),
            Some(field) => check(&entry.value, entry.span, &field.form, sink),
        }
    }
    for field in object.fields() {
        if field.need == Need::Required && node.entry(field.name).is_none() {
            sink.error(
                Code::MissingKey,
                anchor,
                format!("{} needs `{}`", object.what, field.name),
            )
            .with_hint(format!("add `{}:` ({})", field.name, describe(&field.form)));
        }
    }
    for rule in object.rules {
        check_rule(node, anchor, object, rule, sink);
    }
}

fn unsupported(name: &str, span: Span, sink: &mut Sink) {
    sink.error(
        Code::Unsupported,
        span,
        format!("`{name}` is not supported yet"),
    )
    .with_hint("it is planned: leave it out until then");
}

fn check_rule(node: &Node, anchor: Span, object: &Object, rule: &Rule, sink: &mut Sink) {
    let (names, least, most) = match rule {
        Rule::ExactlyOne(names) => (*names, 1, 1),
        Rule::AtMostOne(names) => (*names, 0, 1),
        Rule::AtLeastOne(names) => (*names, 1, usize::MAX),
        Rule::Needs(name, other) => {
            if let Some(entry) = node.entry(name)
                && node.entry(other).is_none()
            {
                sink.error(
                    Code::MissingKey,
                    entry.span,
                    format!("`{name}` needs `{other}` beside it"),
                );
            }
            return;
        }
    };
    let there: Vec<_> = node
        .entries()
        .iter()
        .filter(|entry| names.contains(&&*entry.key))
        .collect();
    if there.len() < least {
        let all = listed(names.iter().copied(), "or");
        let one = if most == 1 { "one" } else { "at least one" };
        sink.error(
            Code::MissingKey,
            anchor,
            format!("{} needs {one} of {all}", object.what),
        );
    }
    for extra in there.iter().skip(most) {
        let first = &there[0].key;
        sink.error(
            Code::ConflictingKeys,
            extra.span,
            format!("`{}` and `{first}` exclude each other", extra.key),
        )
        .with_hint(format!(
            "keep one of {}",
            listed(names.iter().copied(), "or")
        ));
    }
}

fn check_choice(
    node: &Node,
    anchor: Span,
    what: &str,
    variants: &'static [Variant],
    sink: &mut Sink,
) {
    let known = || {
        variants
            .iter()
            .filter(|one| one.form.is_some())
            .map(|one| one.name)
    };
    let at = if node.span.is_empty() {
        anchor
    } else {
        head(node)
    };
    if node.entries().is_empty() {
        sink.error(
            Code::MissingKey,
            at,
            format!("{what} needs one of {}", listed(known(), "or")),
        );
    }
    for (index, entry) in node.entries().iter().enumerate() {
        match variants.iter().find(|one| one.name == &*entry.key) {
            None if index > 0 => {
                let first = &node.entries()[0].key;
                sink.error(
                    Code::UnknownKey,
                    entry.span,
                    format!("`{}` is not {what}", short(&entry.key)),
                )
                .with_hint(format!(
                    "to make it a key of `{}`, write it further in",
                    short(first)
                ));
            }
            None => {
                let near = nearest(&entry.key, known());
                let all = format!("{what} is one of {}", listed(known(), "or"));
                sink.error(
                    Code::UnknownKey,
                    entry.span,
                    format!("`{}` is not {what}", short(&entry.key)),
                )
                .with_hint(did_you_mean(near, &all));
            }
            Some(_) if index > 0 => {
                sink.error(
                    Code::ConflictingKeys,
                    entry.span,
                    format!(
                        "{what} has exactly one key, and `{}` stands here already",
                        node.entries()[0].key
                    ),
                )
                .with_hint("begin a list item of its own with `- `");
            }
            Some(Variant {
                form: Some(form), ..
            }) => check(&entry.value, entry.span, form, sink),
            Some(_) => unsupported(&entry.key, entry.span, sink),
        }
    }
}

/// The known name that is most like this one, if any is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    // What is longer than any name is not a slip of one, and comparing it would cost its length squared.
    if name.len() > 100 {
        return None;
    }
    let wanted = plain(name);
    known
        .map(|other| (strsim::osa_distance(&wanted, &plain(other)), other))
        .filter(|(distance, other)| {
            let length = other.len().min(name.len());
            *distance < length && *distance <= 1 + length / 4
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// `a`, `b` or `c`.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>, word: &str) -> String {
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.len() > 30 {
        let more = names.len() - 30;
        names.truncate(30);
        return format!("{} {word} {more} more", names.join(", "));
    }
    match names.pop() {
        None => "none".to_owned(),
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} {word} {last}", names.join(", ")),
    }
}

/// The nearest name as a question, then what there is.
pub(crate) fn did_you_mean(near: Option<&str>, all: &str) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`? {all}"),
        None => all.to_owned(),
    }
}

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

/// A checked map, read by the keys of its object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// The map.
    pub(crate) node: &'a Node,
    /// Its form.
    pub(crate) object: &'static Object,
}

impl<'a> View<'a> {
    pub(crate) fn new(node: &'a Node, object: &'static Object) -> Self {
        Self { node, object }
    }

    /// The value of a key, where it is given.
    pub(crate) fn value(self, name: &str) -> Option<&'a Node> {
        debug_assert!(
            self.object.field(name).is_some(),
            "{} has no `{name}`",
            self.object.what
        );
        self.node.get(name)
    }

    fn default(self, name: &str) -> Option<&'static str> {
        match self.object.field(name)?.need {
            Need::Default(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes of a key's value, where it is given, else of nothing.
    pub(crate) fn span(self, name: &str) -> Option<Span> {
        let entry = self.node.entry(name)?;
        Some(place(&entry.value, entry.span))
    }

    /// The bytes of a key.
    pub(crate) fn key_span(self, name: &str) -> Option<Span> {
        self.node.entry(name).map(|entry| entry.span)
    }

    /// A text, or its default.
    pub(crate) fn text(self, name: &str) -> Option<&'a str> {
        match self.value(name) {
            Some(node) => node.text(),
            None => self.default(name),
        }
    }

    /// A text that is of a type of its own: a name, a duration; or its default.
    pub(crate) fn read<T: FromStr>(self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// A whole number, or its default.
    pub(crate) fn integer<T: TryFrom<i64>>(self, name: &str) -> Option<T> {
        let number = match self.value(name).map(|node| &node.kind) {
            Some(Kind::Int(number)) => *number,
            Some(_) => return None,
            None => self.default(name)?.parse().ok()?,
        };
        T::try_from(number).ok()
    }

    /// A number, or its default.
    pub(crate) fn number(self, name: &str) -> Option<f64> {
        match self.value(name) {
            Some(node) => number(node),
            None => self.default(name)?.parse().ok(),
        }
    }

    /// A flag, or its default.
    pub(crate) fn flag(self, name: &str) -> Option<bool> {
        match self.value(name).map(|node| &node.kind) {
            Some(Kind::Bool(flag)) => Some(*flag),
            Some(_) => None,
            None => self.default(name)?.parse().ok(),
        }
    }

    /// A list's items; none where it is absent.
    pub(crate) fn items(self, name: &str) -> &'a [Node] {
        self.value(name).map_or(&[], Node::items)
    }

    /// A list of texts that are of a type of their own.
    pub(crate) fn all<T: FromStr>(self, name: &str) -> Option<Vec<T>> {
        self.items(name)
            .iter()
            .map(|item| item.text()?.parse().ok())
            .collect()
    }
}
