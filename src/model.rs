//! The words of firedrill as types: what users write, checked and with its units, and nothing that acts.
//!
//! Everything here serialises, because a run's first event carries its whole plan: a log can be read and scored
//! without the files it came from. Values are made by `spec`, which has already refused what makes no sense; the
//! constructors here hold the invariants that the rest relies on.

pub mod access;
pub mod channel;
pub mod container;
pub mod cut;
pub mod draw;
pub mod drill;
pub mod expect;
pub mod experiment;
pub mod failure;
pub mod fault;
pub mod gameday;
pub mod ground;
pub mod ids;
pub mod message;
pub mod messages;
pub mod network;
pub mod plan;
pub mod probe;
pub mod reach;
pub mod review;
pub mod runbook;
pub mod schedule;
pub mod signal;
pub mod stack;
pub mod summary;
pub mod team;
pub mod time;
