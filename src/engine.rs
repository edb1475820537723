//! The engine: pure decisions from a log. No I/O, no clock, no randomness of its own.

pub mod event;
pub mod undo;
pub mod watch;
