//! Findings together: those of one check as they come, those of a report in order and once each.

use std::collections::HashSet;
use std::sync::Arc;

use super::code::Code;
use super::diagnostic::{Diagnostic, Severity, Source, Span};

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
        self.render_within(color, None)
    }

    /// The same, wrapped where a width is given.
    pub fn render_within(&self, color: bool, width: Option<usize>) -> String {
        let mut text = String::new();
        for one in self.0.iter().take(SHOWN) {
            text.push_str(&one.render_within(color, width));
            text.push_str("\n\n");
        }
        if self.0.len() > SHOWN {
            let rest = self.0.len() - SHOWN;
            text += "and ";
            text += &rest.to_string();
            text += " more findings\n";
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
