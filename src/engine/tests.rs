//! The engine on its own: a made-up world that can refuse, lie, answer late or twice, and die at any moment.

mod course;
mod people;
pub(crate) mod plans;
mod posts;
mod random;
mod shapes;
mod world;
