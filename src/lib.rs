//! firedrill: drills and experiments on staging wallet stacks, timed, scored and undone.

pub mod engine;
pub mod faults;
pub mod model;
pub mod outbound;
pub mod ports;
//! firedrill runs incident drills against staging crypto-wallet stacks.

pub mod toxiproxy;
