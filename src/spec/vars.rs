//! Variables and secrets: `${name}` and `${env:NAME}` inside a file's values.
//!
//! Substitution works on the tree, so a value can't become a key, a list or another line. A value that is wholly
//! `${name}` takes the variable's type. In a plan's files secrets stay references, which are looked up here only to find
//! out that they can be; see [`crate::secret`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::time::Millis;
use crate::secret::{self, Environment, Template};
use crate::spec::check::refer;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::diagnostic::Span;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Object, defaulted, optional};
use crate::spec::tree::{Entry, Kind, Node, Secret, resolve, short};

/// What becomes of `${env:NAME}`.
#[derive(Clone, Copy)]
pub(crate) enum Secrets<'a> {
    /// It stays, as long as the variable is set.
    Kept(&'a Environment),
    /// The variable's value takes its place.
    Revealed(&'a Environment),
}

/// The full form of a variable's declaration.
pub(crate) static VARIABLE: Object = Object {
    what: "a variable",
    about: "A value that `--var name=value` can replace.",
    groups: &[&[
        defaulted(
            "type",
            Form::Word(&[
                ("text", "Any text."),
                ("integer", "A whole number."),
                ("number", "A number."),
                ("boolean", "`true` or `false`."),
                ("duration", "A length of time."),
            ]),
            "text",
            "What it holds.",
        ),
        optional("default", Form::Scalar, "Its value where none is given."),
    ]],
    rules: &[],
};

/// The keys of what undoes a hook or a remedy.
const UNDOING: [&str; 3] = ["undo", "verify_undone", "restore"];

/// All substituted text of a document together; a file that needs more is a bomb.
const MOST_TEXT: usize = 8 << 20;

#[derive(Debug, Clone)]
struct Variable {
    /// Absent where its declaration or value is wrong, which is already reported.
    value: Option<Value>,
}

#[derive(Debug, Clone)]
struct Value {
    kind: Kind,
    secret: Option<Secret>,
}

impl From<Kind> for Value {
    fn from(kind: Kind) -> Self {
        Self { kind, secret: None }
    }
}

/// Puts variables and secrets into a document's values. Returns the names it declares.
pub(crate) fn substitute(
    root: &mut Node,
    overrides: &BTreeMap<String, String>,
    secrets: Secrets<'_>,
    sink: &mut Sink,
) -> BTreeSet<String> {
    let mut filler = Filler {
        variables: BTreeMap::new(),
        secrets,
        written: 0,
        undo: None,
        captured: 0,
        sink,
    };
    if let Kind::Map(entries) = &mut root.kind
        && let Some(vars) = entries.iter_mut().find(|entry| &*entry.key == "vars")
    {
        filler.fill(&mut vars.value, true);
        let variables = declared(&vars.value, overrides, filler.sink);
        filler.variables = variables;
    }
    if let Kind::Map(entries) = &mut root.kind {
        for entry in entries.iter_mut().filter(|entry| &*entry.key != "vars") {
            filler.fill(&mut entry.value, false);
        }
    }
    filler.variables.into_keys().collect()
}

fn declared(
    vars: &Node,
    overrides: &BTreeMap<String, String>,
    sink: &mut Sink,
) -> BTreeMap<String, Variable> {
    let mut all = BTreeMap::new();
    for entry in vars.entries() {
        let value = one(
            &entry.key,
            &entry.value,
            entry.span,
            overrides.get(&*entry.key),
            sink,
        );
        all.insert(entry.key.to_string(), Variable { value });
    }
    all
}

fn one(
    name: &str,
    node: &Node,
    key: Span,
    given: Option<&String>,
    sink: &mut Sink,
) -> Option<Value> {
    let (kind, default) = if matches!(node.kind, Kind::Map(_)) {
        // The form of declarations is checked with the rest of the document.
        let view = View::new(node, &VARIABLE);
        (view.text("type")?, view.value("default"))
    } else {
        let kind = match node.kind {
            Kind::Text(_) => "text",
            Kind::Int(_) => "integer",
            Kind::Float(_) => "number",
            Kind::Bool(_) => "boolean",
            _ => return None,
        };
        (kind, Some(node))
    };
    if let Some(text) = given {
        let value = typed(kind, text);
        if value.is_none() {
            sink.error(
                Code::BadVariable,
                key,
                format!("the value given for `{name}` is not {}", article(kind)),
            )
            .with_hint(format!("give --var {name}=… as {}", article(kind)));
        }
        return value.map(Value::from);
    }
    let Some(default) = default else {
        sink.error(
            Code::BadVariable,
            key,
            format!("the variable `{name}` has no value"),
        )
        .with_hint(format!("give it a `default`, or run with --var {name}=…"));
        return None;
    };
    if agrees(kind, &default.kind) {
        return Some(Value {
            kind: default.kind.clone(),
            secret: default.secret.clone(),
        });
    }
    let span = if default.span.is_empty() {
        key
    } else {
        default.span
    };
    sink.error(
        Code::BadVariable,
        span,
        format!("the default of `{name}` is not {}", article(kind)),
    );
    None
}

fn article(kind: &str) -> &'static str {
    match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "duration" => "a duration such as `30s`",
        _ => "a text",
    }
}

/// A given text as a value of this type.
fn typed(kind: &str, text: &str) -> Option<Kind> {
    let value = match kind {
        "text" | "duration" => Kind::Text(Arc::from(text)),
        _ => resolve(text.trim()),
    };
    agrees(kind, &value).then_some(value)
}

fn agrees(kind: &str, value: &Kind) -> bool {
    match (kind, value) {
        ("text", Kind::Text(_))
        | ("integer", Kind::Int(_))
        | ("number", Kind::Int(_) | Kind::Float(_))
        | ("boolean", Kind::Bool(_)) => true,
        ("duration", Kind::Text(text)) => text.parse::<Millis>().is_ok(),
        _ => false,
    }
}

struct Filler<'a, 's> {
    variables: BTreeMap<String, Variable>,
    secrets: Secrets<'a>,
    /// Bytes of substituted text so far.
    written: usize,
    /// Inside of what undoes something: whether what was there before is captured.
    undo: Option<bool>,
    /// How often that was referred to so far.
    captured: usize,
    sink: &'s mut Sink,
}

impl Filler<'_, '_> {
    fn fill(&mut self, node: &mut Node, secrets_only: bool) {
        match &mut node.kind {
            Kind::List(items) => items
                .iter_mut()
                .for_each(|item| self.fill(item, secrets_only)),
            Kind::Map(entries) => self.fill_map(entries, secrets_only),
            Kind::Text(text) if text.contains("${") => {
                let text = Arc::clone(text);
                self.fill_text(node, &text, secrets_only);
            }
            _ => {}
        }
    }

    /// `${captured}` means something in what undoes a hook or a remedy, beside its `capture`.
    fn fill_map(&mut self, entries: &mut [Entry], secrets_only: bool) {
        let capture = entries.iter().find(|entry| &*entry.key == "capture");
        let capture = capture.map(|entry| entry.span);
        let (outer, before) = (self.undo, self.captured);
        let mut is_undone = false;
        for entry in entries {
            let undoes = UNDOING.contains(&&*entry.key) && outer.is_none();
            is_undone |= undoes;
            self.undo = if undoes {
                Some(capture.is_some())
            } else {
                outer
            };
            self.fill(&mut entry.value, secrets_only);
        }
        self.undo = outer;
        if let Some(span) = capture.filter(|_| is_undone && self.captured == before) {
            self.sink
                .error(
                    Code::UnusedCapture,
                    span,
                    "what is captured is put back by nothing",
                )
                .as_warning()
                .with_hint("write `${captured}` where its value belongs in what undoes this");
        }
    }

    /// What stands for `${captured}`, where it may stand.
    fn captured(&mut self, reference: &str, span: Span) -> Option<Value> {
        if self.undo == Some(true) {
            self.captured += 1;
            let reference: Arc<str> = secret::CAPTURED.into();
            return Some(Value {
                kind: Kind::Text(Arc::clone(&reference)),
                secret: Some(Secret::Reference(reference)),
            });
        }
        let at = self.place(span, reference);
        let (message, hint) = if self.undo.is_some() {
            (
                "nothing is captured that `${captured}` could stand for",
                "say what is to be read before: add `capture: {http: …, read: …}` or `capture: {run: […]}` beside this",
            )
        } else {
            (
                "`${captured}` stands only in what undoes something",
                "write it in `undo`, `verify_undone` or `restore`, beside a `capture`; `$${captured}` is the text itself",
            )
        };
        self.sink
            .error(Code::MisplacedCaptured, at, message)
            .with_hint(hint);
        None
    }

    fn fill_text(&mut self, node: &mut Node, text: &str, secrets_only: bool) {
        let mut out = String::new();
        let mut template = Template::default();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                // `$${` stands for `${` itself.
                for plain in [&rest[..at - 1], "${"] {
                    out.push_str(plain);
                    template.plain(plain);
                }
                rest = &rest[at + 2..];
                continue;
            }
            out.push_str(&rest[..at]);
            template.plain(&rest[..at]);
            let Some(end) = rest[at..].find('}') else {
                let span = self.place(node.span, &rest[at..]);
                self.sink
                    .error(Code::UnknownVariable, span, "this `${` is never closed")
                    .with_hint("write `$${` for the text `${` itself");
                node.kind = Kind::Broken;
                return;
            };
            let reference = &rest[at..=at + end];
            let name = &reference[2..reference.len() - 1];
            rest = &rest[at + end + 1..];
            let Some(value) = self.value(name, reference, node.span, secrets_only) else {
                node.kind = Kind::Broken;
                return;
            };
            if reference.len() == text.len() {
                node.kind = value.kind;
                node.secret = value.secret;
                return;
            }
            let written = plain(&value.kind);
            out.push_str(&written);
            match value.secret {
                Some(Secret::Reference(whole)) => template.whole(&whole),
                Some(Secret::Value) => node.secret = Some(Secret::Value),
                None => template.plain(&written),
            }
            if !self.within_budget(out.len() + rest.len(), node) {
                return;
            }
        }
        out.push_str(rest);
        template.plain(rest);
        if let Some(template) = template.finish() {
            node.secret = Some(Secret::Reference(template.into()));
        }
        self.written += out.len();
        if self.within_budget(0, node) {
            node.kind = Kind::Text(Arc::from(out));
        }
    }

    fn within_budget(&mut self, more: usize, node: &mut Node) -> bool {
        if self.written + more <= MOST_TEXT {
            return true;
        }
        if self.written <= MOST_TEXT {
            self.sink.error(
                Code::TooMuch,
                node.span,
                format!("variables make this document longer than {MOST_TEXT} bytes"),
            );
        }
        self.written = MOST_TEXT + 1;
        node.kind = Kind::Broken;
        false
    }

    fn value(
        &mut self,
        name: &str,
        reference: &str,
        span: Span,
        secrets_only: bool,
    ) -> Option<Value> {
        if let Some(variable) = name.strip_prefix("env:") {
            let (Secrets::Kept(environment) | Secrets::Revealed(environment)) = self.secrets;
            let value = environment(variable);
            if value.is_none() {
                let at = self.place(span, reference);
                self.sink
                    .error(
                        Code::MissingSecret,
                        at,
                        format!("the environment variable `{}` is not set", short(variable)),
                    )
                    .with_hint(format!(
                        "set it where firedrill runs: export {}=…",
                        short(variable)
                    ));
            }
            let value = value?;
            return Some(match self.secrets {
                Secrets::Revealed(_) => Value {
                    kind: Kind::Text(value.into()),
                    secret: Some(Secret::Value),
                },
                Secrets::Kept(_) => {
                    let reference: Arc<str> = secret::reference(variable).into();
                    Value {
                        kind: Kind::Text(Arc::clone(&reference)),
                        secret: Some(Secret::Reference(reference)),
                    }
                }
            });
        }
        if let Some(variable) = self.variables.get(name) {
            return variable.value.clone();
        }
        if reference == secret::CAPTURED && !secrets_only {
            return self.captured(reference, span);
        }
        let at = self.place(span, reference);
        if secrets_only {
            self.sink
                .error(
                    Code::UnknownVariable,
                    at,
                    "a variable's value can't use another variable",
                )
                .with_hint("only `${env:NAME}` may stand here");
        } else {
            let known = self.variables.keys().map(String::as_str);
            refer::unknown(
                Code::UnknownVariable,
                "variable",
                name,
                at,
                known,
                self.sink,
            );
        }
        None
    }

    /// The reference's own bytes inside a value's.
    fn place(&self, span: Span, reference: &str) -> Span {
        let written = self
            .sink
            .source
            .text
            .get(span.start..span.end)
            .unwrap_or("");
        match written.find(reference) {
            Some(at) => Span::new(span.start + at, span.start + at + reference.len()),
            None => span,
        }
    }
}

fn plain(value: &Kind) -> String {
    match value {
        Kind::Bool(flag) => flag.to_string(),
        Kind::Int(number) => number.to_string(),
        Kind::Float(number) => number.to_string(),
        Kind::Text(text) => text.to_string(),
        _ => String::new(),
    }
}
