//! Secrets: references to environment variables, `${env:NAME}`, which stay references until the moment of use.
//!
//! A plan, its log, the tokens of its undos, pages and errors hold only references. A value is looked up where a request
//! leaves or a program starts, and is kept nowhere. `${env:}`, a reference to nothing, stands for the text `${env:`
//! itself, so that a text which merely looks like a reference, such as a variable somebody gave, never becomes one.
//!
//! `${captured}`, what was there before a hook was done, is a reference of another kind in the same templates: it is
//! filled in once, before anything is looked up.

use std::borrow::Cow;
use std::sync::Arc;

/// How environment variables are looked up.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How a reference begins.
const OPENING: &str = "${env:";
/// What stands for [`OPENING`] itself.
const LITERAL: &str = "${env:}";
/// What stands for what a hook or a remedy captured before it acted.
pub(crate) const CAPTURED: &str = "${captured}";
/// How that begins.
const CAPTURED_OPENING: &str = "${captured";
/// What stands for [`CAPTURED_OPENING`] itself.
const CAPTURED_LITERAL: &str = "${captured:}";

/// A reference to a variable that this process doesn't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable `{0}` is not set")]
pub struct Unset(pub String);

/// This process's own environment. A variable that isn't UTF-8 counts as not set.
pub fn environment() -> Environment {
    Arc::new(|name| std::env::var(name).ok())
}

/// The reference to a variable.
pub(crate) fn reference(name: &str) -> String {
    format!("{OPENING}{name}}}")
}

/// A text in which nothing is a reference, whatever it looks like.
pub(crate) fn literal(text: &str) -> Cow<'_, str> {
    if is_in(text) {
        let text = text.replace(OPENING, LITERAL);
        Cow::Owned(text.replace(CAPTURED_OPENING, CAPTURED_LITERAL))
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether something of the text is looked up or filled in before it is used.
pub(crate) fn is_in(text: &str) -> bool {
    text.contains(OPENING) || text.contains(CAPTURED_OPENING)
}

/// One piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text as it is.
    Plain(&'a str),
    /// An environment variable's value.
    Variable(&'a str),
    /// What was captured.
    Captured,
}

/// A template, piece by piece. What is never closed is no reference.
pub(crate) fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut all = Vec::new();
    let mut rest = template;
    loop {
        let next = [OPENING, CAPTURED_OPENING];
        let next = next
            .into_iter()
            .filter_map(|opening| Some((rest.find(opening)?, opening)));
        let Some((at, opening)) = next.min() else {
            break;
        };
        let (before, after) = (&rest[..at], &rest[at + opening.len()..]);
        if !before.is_empty() {
            all.push(Piece::Plain(before));
        }
        let (piece, left) = match after.split_once('}') {
            Some(("", left)) if opening == OPENING => (Piece::Plain(opening), left),
            Some((name, left)) if opening == OPENING => (Piece::Variable(name), left),
            Some(("", left)) => (Piece::Captured, left),
            Some((":", left)) => (Piece::Plain(opening), left),
            _ => (Piece::Plain(opening), after),
        };
        all.push(piece);
        rest = left;
    }
    if !rest.is_empty() {
        all.push(Piece::Plain(rest));
    }
    all
}

/// The text with the values of its references. Values are not looked into again.
pub(crate) fn revealed<'a>(
    text: &'a str,
    environment: &Environment,
) -> Result<Cow<'a, str>, Unset> {
    if !is_in(text) {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Plain(plain) => out.push_str(plain),
            Piece::Variable(name) => {
                out.push_str(&environment(name).ok_or_else(|| Unset(name.to_owned()))?);
            }
            // Files hold it only where something is captured, which is filled in first.
            Piece::Captured => out.push_str(CAPTURED),
        }
    }
    Ok(Cow::Owned(out))
}

/// The template with what was captured as plain text in it. `written` says how, given all plain text before.
pub(crate) fn filled(template: &str, written: impl Fn(&str) -> String) -> String {
    let mut out = Template::default();
    let mut before = String::new();
    for piece in pieces(template) {
        let plain = match piece {
            Piece::Plain(plain) => Cow::Borrowed(plain),
            Piece::Captured => Cow::Owned(written(&before)),
            Piece::Variable(name) => {
                out.whole(&reference(name));
                continue;
            }
        };
        out.plain(&plain);
        before.push_str(&plain);
    }
    out.into_text()
}

/// A text being put together out of plain pieces and references.
#[derive(Debug, Default)]
pub(crate) struct Template {
    done: String,
    /// Plain text since the last reference: two pieces together may look like a reference that neither of them does.
    plain: String,
    has_reference: bool,
}

impl Template {
    /// Adds plain text.
    pub(crate) fn plain(&mut self, text: &str) {
        self.plain.push_str(text);
    }

    /// Adds what another template came to.
    pub(crate) fn whole(&mut self, template: &str) {
        self.done
            .push_str(&literal(&std::mem::take(&mut self.plain)));
        self.done.push_str(template);
        self.has_reference = true;
    }

    /// The text; nothing where it holds no reference.
    pub(crate) fn finish(self) -> Option<String> {
        self.has_reference.then(|| self.into_text())
    }

    fn into_text(mut self) -> String {
        self.done.push_str(&literal(&self.plain));
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> Environment {
        Arc::new(|name| match name {
            "A" => Some("one".to_owned()),
            "NESTED" => Some("${env:A}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn references_become_their_values_once() {
        for (text, expected) in [
            ("", ""),
            ("plain $ {env:A}", "plain $ {env:A}"),
            ("Bearer ${env:A}", "Bearer one"),
            ("${env:A}${env:A}/$${env:A}", "oneone/$one"),
            ("${env:NESTED}", "${env:A}"),
            ("<${env:EMPTY}>", "<>"),
            ("${env:}A}", "${env:A}"),
            ("${env:A} ${env:A", "one ${env:A"),
        ] {
            assert_eq!(revealed(text, &given()).as_deref(), Ok(expected), "{text}");
        }
        let unset = revealed("${env:A}${env:B}", &given()).expect_err("B is not set");
        assert_eq!(unset.to_string(), "the environment variable `B` is not set");
    }

    #[test]
    fn a_template_is_its_pieces() {
        assert_eq!(
            pieces("a${captured}b${env:A}${env:}${captured:}}${captured"),
            [
                Piece::Plain("a"),
                Piece::Captured,
                Piece::Plain("b"),
                Piece::Variable("A"),
                Piece::Plain("${env:"),
                Piece::Plain("${captured"),
                Piece::Plain("}"),
                Piece::Plain("${captured"),
            ]
        );
        assert_eq!(
            filled("${env:A}-${captured}", |before| format!("({before})")),
            "${env:A}-(-)"
        );
    }

    #[test]
    fn what_merely_looks_like_a_reference_is_never_looked_up() {
        for text in [
            "${env:A}",
            "$${env:A}",
            "${env:${env:A}}",
            "${env:",
            "${env:}",
            "${captured}",
            "${captured:}",
            "${captured",
            "$${captured}${env:A}",
        ] {
            assert_eq!(revealed(&literal(text), &given()).as_deref(), Ok(text));
        }
        let mut template = Template::default();
        for piece in ["$", "{env:A} "] {
            template.plain(piece);
        }
        template.whole(&reference("A"));
        template.plain(" $");
        template.whole(&reference("A"));
        let template = template.finish().expect("it holds references");
        assert_eq!(
            revealed(&template, &given()).as_deref(),
            Ok("${env:A} one $one")
        );
        let mut plain = Template::default();
        plain.plain("${env:A}");
        assert_eq!(plain.finish(), None);
    }
}
