//! Real sockets on loopback. Bounds on time are wide where a busy machine could only be late, and tight where being early
//! would be wrong.

pub(super) mod fixture;
mod lifecycle;
mod live;
mod streams;
mod toxics;
mod traffic;
