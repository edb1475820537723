//! YAML as a tree in which every key and value knows its bytes.
//!
//! What a hostile or broken file can cost is bounded here: depth, nodes (aliases expanded) and, through shared text,
//! memory. Nothing panics on any input. Aliases are expanded by copying; the copy's own span is the alias, the spans
//! inside stay where the anchor is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Tag};

use super::code::Code;
use super::diagnostic::{Diagnostic, Source, Span};
use crate::secret;

/// The deepest nesting of lists and maps.
pub(crate) const DEEPEST: usize = 64;
/// The most documents of a file.
const MOST_DOCUMENTS: usize = 100;
/// After so many findings the rest of a file is not looked at: it is not a file of ours.
const MOST_FINDINGS: usize = 500;
/// The most nodes a file may have, aliases expanded.
pub(crate) const MOST_NODES: usize = 100_000;

/// One value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Its bytes; for a block list or map up to the end of its last item.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) kind: Kind,
    /// The secrets in it.
    pub(crate) secret: Option<Secret>,
}

/// How the secrets of a text are in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Secret {
    /// As values, so that findings must not show it.
    Value,
    /// As references, to be looked up when it is used: the text with all else in it marked as literal.
    Reference(Arc<str>),
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Something a finding is already about; checks pass over it.
    Broken,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The key's text.
    pub(crate) key: Arc<str>,
    /// The key's bytes.
    pub(crate) span: Span,
    /// The value.
    pub(crate) value: Node,
}

impl Node {
    /// A map without keys, for what a file leaves out.
    pub(crate) fn empty() -> Self {
        Self {
            span: Span::default(),
            kind: Kind::Map(Vec::new()),
            secret: None,
        }
    }

    /// What it is, in words.
    pub(crate) fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null | Kind::Broken => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Int(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// The entry of this key, where this is a map that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| &*entry.key == key)
    }

    /// The value of this key, where this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A map's entries, else nothing.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// A list's items, else nothing.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The text as a plan holds one that is sent to somebody: references in it are looked up then, and what merely
    /// looks like one is not.
    pub(crate) fn template(&self) -> Option<String> {
        match &self.secret {
            Some(Secret::Reference(template)) => Some(template.to_string()),
            _ => self.text().map(|text| secret::literal(text).into_owned()),
        }
    }

    /// The text, where it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The only entry of a map that has one.
    pub(crate) fn only(&self) -> Option<&Entry> {
        match self.entries() {
            [entry] => Some(entry),
            _ => None,
        }
    }

    /// The value as JSON; a number that JSON hasn't (`.nan`) becomes null.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Null | Kind::Broken => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Int(number) => Value::from(*number),
            Kind::Float(number) => Value::from(*number),
            Kind::Text(text) => Value::from(&**text),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.to_string(), entry.value.to_json()))
                .collect(),
        }
    }
}

/// A collection that is still open.
struct Open {
    node: Node,
    anchor: usize,
    /// A map's key that waits for its value.
    key: Option<(Option<Arc<str>>, Span)>,
    keys: HashSet<Arc<str>>,
    /// The nesting inside it, itself included.
    height: usize,
    /// Nodes inside it, itself included.
    size: usize,
}

/// What an anchor names.
struct Anchored {
    node: Node,
    height: usize,
    size: usize,
}

/// Parses every document of `source` between two bytes. Errors come beside what could be read before them; a document
/// that holds an error is left out.
pub(crate) fn parse(source: &Arc<Source>, range: Span) -> (Vec<Node>, Vec<Diagnostic>) {
    let mut builder = Builder {
        source,
        documents: Vec::new(),
        found: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        copied: 0,
        started: 0,
    };
    let text = &source.text[range.start..range.end];
    let options = granit_parser::options! { emit_comments: false, emit_unresolved_aliases: true };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                let start = span.start.byte_offset().unwrap_or(0).min(text.len());
                let end = span.end.byte_offset().unwrap_or(start).min(text.len());
                let end = start + text.get(start..end).unwrap_or("").trim_end().len();
                let span = Span::new(range.start + start, range.start + end);
                if builder.event(event, span).is_err() {
                    break;
                }
            }
            Err(error) => {
                let at = range.start + error.marker().byte_offset().unwrap_or(0).min(text.len());
                let span = Span::new(at, at);
                if *error.kind() == ErrorKind::RecursionLimitExceeded {
                    builder.too_deep(span);
                } else {
                    builder.fail(
                        Code::Syntax,
                        span,
                        format!("this is not YAML: {}", error.info()),
                    );
                }
                break;
            }
        }
    }
    (builder.documents, builder.found)
}

/// Reading can't go on; why is already among the findings.
struct Stop;

struct Builder<'s> {
    source: &'s Arc<Source>,
    documents: Vec<Node>,
    found: Vec<Diagnostic>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    /// Nodes copied for anchors.
    copied: usize,
    /// Documents begun.
    started: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        if self.found.len() >= MOST_FINDINGS {
            return Err(Stop);
        }
        match event {
            Event::DocumentStart(..) => {
                // Anchors end with their document; the budgets are the file's.
                self.anchors.clear();
                self.started += 1;
                if self.started > MOST_DOCUMENTS {
                    self.fail(
                        Code::TooMuch,
                        span,
                        format!("the file holds more than {MOST_DOCUMENTS} documents"),
                    );
                    return Err(Stop);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let kind = self.scalar(&text, style, tag.as_deref(), span);
                self.count(1, span)?;
                let node = Node {
                    span,
                    kind,
                    secret: None,
                };
                self.place(node, anchor, 0, 1)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), "seq", span);
                self.begin(Kind::List(Vec::new()), anchor, span)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), "map", span);
                self.begin(Kind::Map(Vec::new()), anchor, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
            Event::Alias(id) => self.alias(id, span)?,
            Event::UnresolvedAlias(name) => {
                self.fail(Code::Syntax, span, format!("there is no anchor `&{name}`"));
                self.place(
                    Node {
                        span,
                        kind: Kind::Broken,
                        secret: None,
                    },
                    0,
                    0,
                    1,
                )?;
            }
            _ => {}
        }
        Ok(())
    }

    fn fail(&mut self, code: Code, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.found
            .push(Diagnostic::error(code, self.source, span, message));
        self.found.last_mut().expect("one was just pushed")
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes > MOST_NODES {
            return self.too_much(span);
        }
        Ok(())
    }

    fn too_much(&mut self, span: Span) -> Result<(), Stop> {
        self.fail(
            Code::TooMuch,
            span,
            format!("the file holds more than {MOST_NODES} values, aliases expanded"),
        )
        .with_hint(
            "an alias copies everything that its anchor names: split the file, or write fewer aliases",
        );
        Err(Stop)
    }

    fn begin(&mut self, kind: Kind, anchor: usize, span: Span) -> Result<(), Stop> {
        self.count(1, span)?;
        if self.open.len() >= DEEPEST {
            self.too_deep(span);
            return Err(Stop);
        }
        self.open.push(Open {
            node: Node {
                span,
                kind,
                secret: None,
            },
            anchor,
            key: None,
            keys: HashSet::new(),
            height: 1,
            size: 1,
        });
        Ok(())
    }

    fn too_deep(&mut self, span: Span) {
        self.fail(
            Code::TooDeep,
            span,
            format!("lists and maps are nested more than {DEEPEST} deep"),
        );
    }

    fn end(&mut self, span: Span) -> Result<(), Stop> {
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        let last = match &open.node.kind {
            Kind::List(items) => items.last().map(|item| item.span.end),
            Kind::Map(entries) => entries
                .last()
                .map(|entry| entry.value.span.end.max(entry.span.end)),
            _ => None,
        };
        // A block collection ends where its last item does; a flow collection has a bracket of its own.
        let end = if span.is_empty() {
            last
        } else {
            Some(span.end)
        };
        open.node.span.end = end.unwrap_or(open.node.span.end).max(open.node.span.start);
        self.place(open.node, open.anchor, open.height, open.size)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Stop> {
        if self.open.iter().any(|open| open.anchor == id) {
            self.fail(
                Code::CyclicAlias,
                span,
                "this alias stands inside what it names, so it would never end",
            );
            return Err(Stop);
        }
        let Some(anchored) = self.anchors.get(&id) else {
            // Its anchor was in a place that held an error.
            return self.place(
                Node {
                    span,
                    kind: Kind::Broken,
                    secret: None,
                },
                0,
                0,
                1,
            );
        };
        let (height, size) = (anchored.height, anchored.size);
        self.count(size, span)?;
        if self.open.len() + height > DEEPEST {
            self.too_deep(span);
            return Err(Stop);
        }
        let mut node = self.anchors[&id].node.clone();
        node.span = span;
        self.place(node, 0, height, size)
    }

    fn place(&mut self, node: Node, anchor: usize, height: usize, size: usize) -> Result<(), Stop> {
        if anchor != 0 {
            // Anchors inside anchors copy the same values once a level: the copies have a budget of their own.
            self.copied += size;
            if self.copied > MOST_NODES {
                return self.too_much(node.span);
            }
            let node = node.clone();
            self.anchors.insert(anchor, Anchored { node, height, size });
        }
        let Some(mut open) = self.open.pop() else {
            self.documents.push(node);
            return Ok(());
        };
        open.height = open.height.max(height + 1);
        open.size += size;
        match &mut open.node.kind {
            Kind::List(items) => items.push(node),
            Kind::Map(entries) => match open.key.take() {
                None => open.key = Some(self.key(&node, &mut open.keys)),
                Some((Some(key), span)) => entries.push(Entry {
                    key,
                    span,
                    value: node,
                }),
                Some((None, _)) => {}
            },
            _ => {}
        }
        self.open.push(open);
        Ok(())
    }

    /// A key, or nothing where it can't be one: its value is then left out.
    fn key(&mut self, node: &Node, keys: &mut HashSet<Arc<str>>) -> (Option<Arc<str>>, Span) {
        let written = self.source.text.get(node.span.start..node.span.end);
        let key: Arc<str> = match &node.kind {
            Kind::Text(text) => Arc::clone(text),
            Kind::List(_) | Kind::Map(_) => {
                self.fail(Code::BadKey, node.span, "a key must be a plain text")
                    .with_label(node.what())
                    .with_hint("a value that begins with `{` or `[` must be quoted");
                return (None, node.span);
            }
            Kind::Broken => return (None, node.span),
            _ => Arc::from(written.unwrap_or("")),
        };
        if !keys.insert(Arc::clone(&key)) {
            self.fail(
                Code::DuplicateKey,
                node.span,
                format!("the key `{}` stands here a second time", short(&key)),
            );
            return (None, node.span);
        }
        (Some(key), node.span)
    }

    fn tag(&mut self, tag: Option<&Tag>, fits: &str, span: Span) {
        if let Some(tag) = tag
            && tag.core_suffix() != Some(fits)
        {
            let shown = tag.original();
            self.bad_tag(&shown, span);
        }
    }

    fn bad_tag(&mut self, tag: &str, span: Span) {
        self.fail(
            Code::BadTag,
            span,
            format!("the tag `{tag}` has no meaning here"),
        )
        .with_hint("leave the tag out; quote a value to make it a text");
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Kind {
        let plain = style == ScalarStyle::Plain;
        let Some(tag) = tag else {
            return if plain {
                resolve(text)
            } else {
                Kind::Text(Arc::from(text))
            };
        };
        let kind = match tag.core_suffix() {
            Some("str") => return Kind::Text(Arc::from(text)),
            Some("null" | "bool" | "int" | "float") => resolve(text),
            _ => {
                let shown = tag.original();
                self.bad_tag(&shown, span);
                return Kind::Broken;
            }
        };
        let fits = match kind {
            Kind::Null => tag.core_suffix() == Some("null"),
            Kind::Bool(_) => tag.core_suffix() == Some("bool"),
            Kind::Int(_) => matches!(tag.core_suffix(), Some("int" | "float")),
            Kind::Float(_) => tag.core_suffix() == Some("float"),
            _ => false,
        };
        if !fits {
            let shown = tag.original();
            self.fail(
                Code::BadTag,
                span,
                format!("the value does not fit its tag `{shown}`"),
            );
            return Kind::Broken;
        }
        kind
    }
}

/// A plain scalar by the core schema of YAML 1.2 (<https://yaml.org/spec/1.2.2/#103-core-schema>).
pub(crate) fn resolve(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Kind::Float(f64::NAN),
        _ => {}
    }
    if let Some(number) = integer(text) {
        return Kind::Int(number);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
        return Kind::Float(f64::INFINITY * sign);
    }
    let numeric = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'));
    match text.parse::<f64>() {
        Ok(number) if numeric => Kind::Float(number),
        _ => Kind::Text(Arc::from(text)),
    }
}

fn integer(text: &str) -> Option<i64> {
    let digits = |text: &str, radix: u32| {
        let good = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
        good.then(|| i64::from_str_radix(text, radix).ok())
            .flatten()
    };
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let good = !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit());
    good.then(|| text.strip_prefix('+').unwrap_or(text).parse().ok())
        .flatten()
}

/// A text as a message shows it: what is too long to help is cut.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
