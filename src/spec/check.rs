//! From trees to the model: every finding of a file, each at its exact token.
//!
//! Each file holds one kind's form and its reader. [`shape`] reports what doesn't fit a form; readers add what a
//! form can't say and never fail silently: a reader that has nothing to hand back has left a finding.

pub(crate) mod call;
pub(crate) mod experiment;
pub(crate) mod fault;
pub(crate) mod probe;
pub(crate) mod refer;
pub(crate) mod shape;
pub(crate) mod stack;
pub(crate) mod window;

use crate::spec::diagnostic::Sink;
use crate::spec::document::{Document, Kind};

/// Everything that can be found in a document without other files.
pub(crate) fn read_alone(document: &Document, sink: &mut Sink) {
    match document.kind {
        Kind::Stack => drop(stack::read(&document.root, sink)),
        Kind::Experiment => drop(experiment::read(&document.root, None, sink)),
    }
}
