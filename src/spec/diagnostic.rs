//! Findings about users' files: each with a stable code, the exact bytes it is about, and what to do.
//!
//! A finding never holds the value of a secret: it shows the file's own text, where `${env:NAME}` stands unresolved.

use std::path::Path;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet, renderer::DecorStyle};
use serde_json::json;

use super::code::Code;
use crate::layout::{LongWords, paragraph};

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// As given or found.
    pub path: String,
    /// Its whole text.
    pub text: String,
    /// The folder it is in; programs named in it run there.
    pub folder: String,
}

impl Source {
    /// A file's path and text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let path = path.into();
        let folder = Path::new(&path).parent().unwrap_or(Path::new(""));
        let folder = if folder.as_os_str().is_empty() {
            ".".to_owned()
        } else {
            folder.to_string_lossy().into_owned()
        };
        Arc::new(Self {
            path,
            text: text.into(),
            folder,
        })
    }

    /// The same file with its folder spelled so that it means the same from everywhere: a plan outlives its process,
    /// and what undoes a fault must be found again from wherever recovery runs.
    pub(crate) fn in_folder(self: Arc<Self>, folder: String) -> Arc<Self> {
        let mut source = Arc::unwrap_or_clone(self);
        source.folder = folder;
        Arc::new(source)
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        let line = before.split(|b| *b == b'\n').count();
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
        self.render_within(color, None)
    }

    /// The same, with message and hint wrapped where a width is given.
    pub fn render_within(&self, color: bool, width: Option<usize>) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        }
        .decor_style(DecorStyle::Ascii)
        .term_width(width.unwrap_or(WIDEST).min(WIDEST));
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let message = wrapped(&self.message, width, self.code.as_str().len() + 11);
        let hint = self.hint.as_ref().map(|hint| wrapped(hint, width, 14));
        let title = level.primary_title(message.as_str()).id(self.code.as_str());
        let mut group = match self.span {
            Some(span) => {
                let (window, start) = self.window(span);
                let inside = self.inside(span, start, window.len());
                let mut annotation = AnnotationKind::Primary.span(inside.start..inside.end);
                if !self.label.is_empty() {
                    annotation = annotation.label(self.label.as_str());
                }
                let (line, column) = self.file.position(span.start);
                let snippet = Snippet::source(window)
                    .line_start(line)
                    .annotation(annotation);
                let path = self.file.path.as_str();
                if start == self.line_start(span) {
                    title.element(snippet.path(path))
                } else {
                    // Only a part of the line is shown, so the renderer can't count the column.
                    let origin = Origin::path(path).line(line).char_column(column);
                    title.element(origin).element(snippet)
                }
            }
            None => title.element(Origin::path(self.file.path.as_str())),
        };
        if let Some(hint) = &hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        renderer.render(&[group])
    }

    /// The first byte of the line in which the span begins.
    fn line_start(&self, span: Span) -> usize {
        let at = floor(&self.file.text, span.start);
        self.file.text[..at]
            .rfind('\n')
            .map_or(0, |newline| newline + 1)
    }

    /// The first line of the span and its first byte, or the part around the span where the line is very long: only
    /// what is shown is handed to the renderer, so that a finding in a large file costs no more than one in a small.
    fn window(&self, span: Span) -> (&str, usize) {
        let text = &self.file.text;
        let at = floor(text, span.start);
        let line = self.line_start(span);
        let end = text[at..]
            .find('\n')
            .map_or(text.len(), |newline| at + newline);
        let start = if at - line > LONG {
            floor(text, at - LONG / 4)
        } else {
            line
        };
        let end = if end - at > LONG {
            floor(text, at + LONG)
        } else {
            end
        };
        (text[start..end].trim_end_matches('\r'), start)
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

/// A line is cut when it goes on for more than this many bytes before or after a span.
const LONG: usize = 400;

/// The widest line of a file that is shown.
const WIDEST: usize = 120;

/// Lines that fit beside a margin of this many columns; the text as it is where no width is given.
fn wrapped(text: &str, width: Option<usize>, margin: usize) -> String {
    match width {
        Some(width) => {
            let room = width.saturating_sub(margin).max(20);
            let lines = paragraph("", 0, text, room, LongWords::Whole);
            lines.trim_end_matches('\n').to_owned()
        }
        None => text.to_owned(),
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
