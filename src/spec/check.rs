//! From trees to the model: every finding of a file, each at its exact token.
//!
//! Each file holds one kind's form and its reader. [`shape`] reports what doesn't fit a form; readers add what a
//! form can't say and never fail silently: a reader that has nothing to hand back has left a finding.

pub(crate) mod alert;
pub(crate) mod call;
pub(crate) mod channel;
pub(crate) mod container;
pub(crate) mod cut;
pub(crate) mod drill;
pub(crate) mod during;
pub(crate) mod expectation;
pub(crate) mod experiment;
pub(crate) mod fault;
pub(crate) mod gameday;
pub(crate) mod ground;
pub(crate) mod identity;
pub(crate) mod messages;
pub(crate) mod names;
pub(crate) mod probe;
pub(crate) mod ramp;
pub(crate) mod refer;
pub(crate) mod runbook;
pub(crate) mod scalar;
pub(crate) mod schedule;
pub(crate) mod shape;
pub(crate) mod stack;
pub(crate) mod step;
pub(crate) mod stop;
pub(crate) mod team;
pub(crate) mod view;
pub(crate) mod window;
