//! `firedrill toxiproxy serve` from outside: the same API as Toxiproxy's own server, what is right where that one is
//! wrong, what survives a crash, and what no client can break.

mod cases;
mod conformance;
mod differences;
mod docs;
mod files;
mod noise;

mod server;
mod soak;
