//! The edge as its clients meet it: a real server on loopback, a real database and library in a temporary folder, the
//! real runtime; only the stack under test is made up.

mod access;
mod accounts;
mod api;
mod attacks;
mod calendar;
mod doors;
mod files;
mod gamedays;
mod hook;
mod hostile;
pub(super) mod html;
mod many;
mod messages;
mod openapi;
mod pages;
mod people;
mod reviews;
mod samples;
mod schema;
mod senders;
mod sheet;
mod shelves;
mod stream;
mod surprise;
mod tls;
mod tokens;
mod world;
