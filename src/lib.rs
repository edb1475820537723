//! firedrill: drills and experiments on staging wallet stacks, timed, scored and undone.

pub mod clock;
pub mod engine;
pub mod faults;
pub mod model;
pub mod narrative;
pub mod outbound;
pub mod ports;
pub mod probes;
pub mod runtime;
pub mod telemetry;
//! firedrill runs incident drills against staging crypto-wallet stacks.

pub mod toxiproxy;
//! firedrill runs incident drills against staging crypto-wallet stacks.

pub mod wallet;
pub mod store;
pub mod score;
pub mod spec;
