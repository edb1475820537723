//! Secrets: references to environment variables, `${env:NAME}`, which stay references until the moment of use.
//!
//! A plan, its log, the tokens of its undos, pages and errors hold only references. A value is looked up where a request
//! leaves or a program starts, and is kept nowhere. `${env:}`, a reference to nothing, stands for the text `${env:`
//! itself, so that a text which merely looks like a reference, such as a variable somebody gave, never becomes one.

use std::borrow::Cow;
use std::sync::Arc;

/// How environment variables are looked up.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How a reference begins.
const OPENING: &str = "${env:";
/// What stands for [`OPENING`] itself.
const LITERAL: &str = "${env:}";

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
    if text.contains(OPENING) {
        Cow::Owned(text.replace(OPENING, LITERAL))
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether something of the text is looked up when it is used.
pub(crate) fn is_in(text: &str) -> bool {
    text.contains(OPENING)
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
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPENING) {
        out.push_str(before);
        // What is never closed is no reference.
        let Some((name, after)) = after.split_once('}') else {
            out.push_str(OPENING);
            rest = after;
            break;
        };
        if name.is_empty() {
            out.push_str(OPENING);
        } else {
            out.push_str(&environment(name).ok_or_else(|| Unset(name.to_owned()))?);
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
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
    pub(crate) fn finish(mut self) -> Option<String> {
        self.done.push_str(&literal(&self.plain));
        self.has_reference.then_some(self.done)
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
    fn what_merely_looks_like_a_reference_is_never_looked_up() {
        for text in [
            "${env:A}",
            "$${env:A}",
            "${env:${env:A}}",
            "${env:",
            "${env:}",
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
