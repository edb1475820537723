//! Checked maps as readers see them: values by key, defaults from the form's own table, no findings.

use std::str::FromStr;

use crate::spec::check::scalar::number;
use crate::spec::check::shape::place;
use crate::spec::diagnostic::Span;
use crate::spec::form::{Need, Object};
use crate::spec::tree::{Kind, Node};

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

    /// A text that is sent, with the references to secrets in it; or its default.
    pub(crate) fn template(self, name: &str) -> Option<String> {
        match self.value(name) {
            Some(node) => node.template(),
            None => self.default(name).map(str::to_owned),
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
