//! The demo wallet as containers: an image made from the running program, a network, and a container a service, with
//! the server that carries the links between them.
//!
//! Invariants: everything made here carries the labels of `label` from the instant it exists, so that whatever ends
//! this process, another one finds it and knows whose it was. Only what carries them is ever removed. Ports are published
//! on loopback alone.
//!
//! Must not: pull or build anything, start another program, or know of runs and faults.

mod archive;
mod elf;
mod engine;
mod estate;
mod image;
mod label;
mod owner;
mod stack;

pub use engine::Engine;
pub use estate::{Estate, Left, estates};
pub use owner::Standing;
pub use stack::{Stack, free_host};

/// Why the containers could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error(
        "no Docker daemon answers at {host}: {why}; hint: start Docker, name another socket in DOCKER_HOST, or leave out \
         `--docker`: the demo needs no containers"
    )]
    Unreachable { host: String, why: String },
    /// The daemon's ports are not this machine's.
    #[error(
        "DOCKER_HOST is {0}, and the demo's containers must be on this machine: only `unix://` is taken; hint: unset it"
    )]
    Elsewhere(String),
    /// Ports of the stack can't be had on loopback.
    #[error("no address for the stack: {0}")]
    NoHost(String),
    /// The running program can't be made an image.
    #[error("the image can't be made from the running program: {0}")]
    Image(String),
    /// The daemon would not, or could not.
    #[error("{what}: Docker answers: {why}")]
    Refused { what: String, why: String },
    /// Whoever asked for the stack does not want it any more.
    #[error("interrupted before the stack stood")]
    Interrupted,
}
