//! firedrill runs incident drills against staging crypto-wallet stacks.

pub mod wallet;
