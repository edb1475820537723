//! firedrill: drills and experiments on staging wallet stacks, timed, scored and undone.

pub(crate) mod address;
pub mod app;
pub mod cli;
pub mod clock;
pub mod compose;
pub mod engine;
pub mod faults;
pub mod http;
pub mod layout;
pub mod lifecycle;
pub mod model;
pub mod narrative;
pub mod outbound;
pub mod ports;
pub mod probes;
pub(crate) mod program;
pub mod runtime;
pub mod score;
pub mod secret;
pub mod shipped;
pub mod signals;
pub mod spec;
pub mod store;
pub mod telemetry;
pub mod toxiproxy;
pub mod wallet;
