//! firedrill: drills and experiments on staging wallet stacks, timed, scored and undone.

pub mod model;
pub mod spec;
