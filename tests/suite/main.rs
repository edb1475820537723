//! Tests of the whole, through public doors only: one binary, so that it links once.

mod docs;
mod faults;
