//! Findings about users' files: each with a stable code, the exact bytes it is about, and what to do.
//!
//! A finding never holds the value of a secret: it shows the file's own text, where `${env:NAME}` stands unresolved.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet, renderer::DecorStyle};
use serde_json::json;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// As given or found.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

impl Source {
    /// A file's path and text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            path: path.into(),
            text: text.into(),
        })
    }

    /// The folder of the file; programs named in it run there.
    pub fn folder(&self) -> String {
        let folder = Path::new(&self.path).parent().unwrap_or(Path::new(""));
        if folder.as_os_str().is_empty() {
            ".".to_owned()
        } else {
            folder.to_string_lossy().into_owned()
        }
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        let start = before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |newline| newline + 1);
        let column = 1 + String::from_utf8_lossy(&before[start..]).chars().count();
        (line, column)
    }
}

/// Bytes of a source, from `start` up to but without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// From `start` up to `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Whether it holds no bytes.
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The file can't be used.
    Error,
    /// The file can be used, though it may not mean what was meant.
    Warning,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// What kind of finding it is; the text of a code never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $name,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// As users see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

codes! {
    /// The file could not be read.
    UnreadableFile = "unreadable-file",
    /// The file is larger than a file of firedrill may be.
    TooLarge = "too-large",
    /// The file isn't UTF-8.
    NotUtf8 = "not-utf-8",
    /// The file isn't YAML.
    Syntax = "syntax",
    /// Lists and maps are nested too deeply.
    TooDeep = "too-deep",
    /// The document holds too much, aliases expanded.
    TooMuch = "too-much",
    /// An alias stands inside what it names.
    CyclicAlias = "cyclic-alias",
    /// A key stands twice in one map.
    DuplicateKey = "duplicate-key",
    /// A key isn't a plain text.
    BadKey = "bad-key",
    /// A YAML tag that has no meaning here.
    BadTag = "bad-tag",
    /// A Markdown file without front matter that begins and ends with `---`.
    BadFrontMatter = "bad-front-matter",
    /// A file without `kind`.
    MissingKind = "missing-kind",
    /// A `kind` that there isn't.
    UnknownKind = "unknown-kind",
    /// A kind that doesn't belong here.
    WrongKind = "wrong-kind",
    /// A key that there isn't.
    UnknownKey = "unknown-key",
    /// A key that must be there.
    MissingKey = "missing-key",
    /// Keys that exclude each other.
    ConflictingKeys = "conflicting-keys",
    /// A key that is planned and not there yet.
    Unsupported = "unsupported",
    /// A value of another type.
    WrongType = "wrong-type",
    /// A list with too few or too many items.
    WrongLength = "wrong-length",
    /// A word that isn't one of those allowed.
    UnknownWord = "unknown-word",
    /// A text that can't be a name.
    BadName = "bad-name",
    /// A text that isn't a duration.
    BadDuration = "bad-duration",
    /// A value outside its range.
    OutOfRange = "out-of-range",
    /// A text that isn't a usable URL.
    BadUrl = "bad-url",
    /// A text that isn't `host:port`.
    BadAddress = "bad-address",
    /// A text that isn't a network in CIDR form.
    BadNetwork = "bad-network",
    /// A text that isn't a Docker host.
    BadDockerHost = "bad-docker-host",
    /// A text that isn't a JSONPath.
    BadJsonPath = "bad-json-path",
    /// A text that isn't a header.
    BadHeader = "bad-header",
    /// A text that isn't a label.
    BadLabel = "bad-label",
    /// A text that isn't a cron pattern.
    BadCron = "bad-cron",
    /// A text that isn't an IANA time zone.
    BadTimezone = "bad-timezone",
    /// An unquoted hexadecimal number where a text is probably meant.
    UnquotedHex = "unquoted-hex",
    /// An id or name used twice.
    DuplicateId = "duplicate-id",
    /// An expectation that doesn't fit its question.
    ExpectMismatch = "expect-mismatch",
    /// A variable that isn't declared.
    UnknownVariable = "unknown-variable",
    /// A variable's declaration or value that makes no sense.
    BadVariable = "bad-variable",
    /// An override of a variable that no file declares.
    UnknownOverride = "unknown-override",
    /// An environment variable that isn't set.
    MissingSecret = "missing-secret",
    /// A service that the stack hasn't.
    UnknownService = "unknown-service",
    /// A link that the stack hasn't.
    UnknownLink = "unknown-link",
    /// A link given by its ends that several proxies carry.
    AmbiguousLink = "ambiguous-link",
    /// A probe that the stack hasn't.
    UnknownProbe = "unknown-probe",
    /// A step that the experiment hasn't.
    UnknownStep = "unknown-step",
    /// A remedy that the drill hasn't.
    UnknownRemedy = "unknown-remedy",
    /// A file of this name that can't be found.
    UnknownFile = "unknown-file",
    /// A name that several files have.
    AmbiguousName = "ambiguous-name",
    /// A step that lasts until it is remedied and that no remedy ends.
    Unremedied = "unremedied",
    /// Steps that wait for each other.
    Cycle = "cycle",
    /// Steps that disturb one target in the same way at one time.
    Overlap = "overlap",
    /// A step that ends after the run has.
    LateStep = "late-step",
    /// A time limit that no run can reach.
    LateLimit = "late-limit",
    /// More services hit at once than allowed.
    TooManyServices = "too-many-services",
    /// A file that passed every check and still could not be read; a mistake of firedrill's own.
    Unread = "unread",
    /// Links or their faults without a Toxiproxy.
    NoToxiproxy = "no-toxiproxy",
    /// A container fault on a stack without Docker.
    NoDocker = "no-docker",
    /// A container fault on a service without a container.
    NoContainer = "no-container",
    /// A partition that cuts no link.
    EmptyPartition = "empty-partition",
    /// A stack beyond loopback without proof of its identity.
    NoIdentity = "no-identity",
    /// A mainnet.
    Mainnet = "mainnet",
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is.
    pub code: Code,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// The file.
    pub file: Arc<Source>,
    /// The bytes it is about; absent when it is about the whole file.
    pub span: Option<Span>,
    /// What stands at those bytes, in a few words; may be empty.
    pub label: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at these bytes.
    pub fn error(
        code: Code,
        file: &Arc<Source>,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            file: Arc::clone(file),
            span: span.into(),
            label: String::new(),
            hint: None,
        }
    }

    /// With a few words at the underline.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Path, line, column, the line with the bytes underlined, and the hint.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        }
        .decor_style(DecorStyle::Ascii)
        .term_width(120);
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level
            .primary_title(self.message.as_str())
            .id(self.code.as_str());
        let mut group = match self.span {
            Some(span) => {
                let (window, line, start) = self.window(span);
                let inside = self.inside(span, start, window.len());
                let mut annotation = AnnotationKind::Primary.span(inside.start..inside.end);
                if !self.label.is_empty() {
                    annotation = annotation.label(self.label.as_str());
                }
                title.element(
                    Snippet::source(window)
                        .line_start(line)
                        .path(self.file.path.as_str())
                        .annotation(annotation),
                )
            }
            None => title.element(Origin::path(self.file.path.as_str())),
        };
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        renderer.render(&[group])
    }

    /// The first line of the span, its number, and its first byte: only what is shown is handed to the renderer, so
    /// that a finding in a large file costs no more than one in a small file.
    fn window(&self, span: Span) -> (&str, usize, usize) {
        let text = &self.file.text;
        let at = floor(text, span.start);
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..]
            .find('\n')
            .map_or(text.len(), |newline| at + newline);
        let (line, _) = self.file.position(start);
        (text[start..end].trim_end_matches('\r'), line, start)
    }

    /// The span relative to its window, cut at the window's end.
    fn inside(&self, span: Span, start: usize, length: usize) -> Span {
        let from = (floor(&self.file.text, span.start) - start).min(length);
        let to = floor(&self.file.text, span.end)
            .saturating_sub(start)
            .clamp(from, length);
        Span::new(from, to)
    }

    /// File, line, column, end, message, hint and code.
    pub fn to_json(&self) -> serde_json::Value {
        let place = |byte| {
            let (line, column) = self.file.position(byte);
            json!({"line": line, "column": column})
        };
        let start = self.span.map(|span| self.file.position(span.start));
        json!({
            "file": self.file.path,
            "line": start.map(|(line, _)| line),
            "column": start.map(|(_, column)| column),
            "end": self.span.map(|span| place(span.end)),
            "severity": match self.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "code": self.code.as_str(),
            "message": self.message,
            "label": self.label,
            "hint": self.hint,
        })
    }
}

/// The nearest character boundary at or before a byte.
fn floor(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// Findings of one or several files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(Vec<Diagnostic>);

/// More findings than this in one report help nobody; the rest is counted.
const SHOWN: usize = 200;

impl Findings {
    /// In the order of files as they came, of places within a file; the same finding once.
    pub fn new(found: impl IntoIterator<Item = Diagnostic>) -> Self {
        let mut seen = HashSet::new();
        let mut files: Vec<String> = Vec::new();
        let mut list: Vec<(usize, Diagnostic)> = Vec::new();
        for one in found {
            let key = (
                one.file.path.clone(),
                one.span,
                one.code,
                one.message.clone(),
            );
            if !seen.insert(key) {
                continue;
            }
            let rank = files
                .iter()
                .position(|path| *path == one.file.path)
                .unwrap_or_else(|| {
                    files.push(one.file.path.clone());
                    files.len() - 1
                });
            list.push((rank, one));
        }
        list.sort_by_key(|(rank, one)| (*rank, one.span));
        Self(list.into_iter().map(|(_, one)| one).collect())
    }

    /// Each finding.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Whether there are none, warnings included.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are errors.
    pub fn errors(&self) -> usize {
        self.0
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .count()
    }

    /// All findings as text, one after the other, each ending in a newline.
    pub fn render(&self, color: bool) -> String {
        let mut text = String::new();
        for one in self.0.iter().take(SHOWN) {
            text.push_str(&one.render(color));
            text.push_str("\n\n");
        }
        if self.0.len() > SHOWN {
            text.push_str(&format!("and {} more findings\n", self.0.len() - SHOWN));
        }
        text
    }

    /// All findings as a JSON list.
    pub fn to_json(&self) -> serde_json::Value {
        self.0.iter().map(Diagnostic::to_json).collect()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Where the checks of one file put what they find.
#[derive(Debug)]
pub(crate) struct Sink {
    /// The file being checked.
    pub(crate) source: Arc<Source>,
    found: Vec<Diagnostic>,
}

/// A file with more findings than this is not a file of ours.
const KEPT: usize = 2_000;

impl Sink {
    pub(crate) fn new(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            found: Vec::new(),
        }
    }

    /// An error at these bytes, to be refined.
    pub(crate) fn error(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        if self.found.len() > KEPT {
            self.found.pop();
        }
        self.found
            .push(Diagnostic::error(code, &self.source, span, message));
        self.found.last_mut().expect("one was just pushed")
    }

    /// Takes over findings of other files.
    pub(crate) fn adopt(&mut self, found: &[Diagnostic]) {
        self.found.extend_from_slice(found);
    }

    /// How many errors there are; the same number later means that nothing was found in between.
    pub(crate) fn errors(&self) -> usize {
        self.found
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .count()
    }

    pub(crate) fn into_found(self) -> Vec<Diagnostic> {
        self.found
    }
}

impl Diagnostic {
    /// Sets the words at the underline.
    pub(crate) fn with_label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    /// Sets what to do.
    pub(crate) fn with_hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Makes it a warning.
    pub(crate) fn as_warning(&mut self) -> &mut Self {
        self.severity = Severity::Warning;
        self
    }
}
