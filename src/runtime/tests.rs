//! The runtime under paused time: whole runs against a made-up world, with a journal that lags, fails and dies, and
//! processes that are killed at every point of it.

mod acts;
mod course;
mod crash;
mod disk;
mod durable;
mod fakes;
mod lever;
mod posts;
mod scale;
mod stage;
mod undoing;
