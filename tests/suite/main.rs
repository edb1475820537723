//! Tests of the whole, through public doors only: one binary, so that it links once.

mod architecture;
mod browser;
mod containers;
mod crashes;
mod demo;
mod docs;
mod faults;
mod firedrill;
mod ground;
mod http;
mod idle_team;
mod interruptions;
mod journals;
mod outputs;
mod proxies;
mod refusals;
mod serving;
mod shipped;
mod shop;
mod stand_in;
mod stuck;
mod toxiproxy;
mod verdicts;
mod wallet;
mod wallet_containers;
mod xml;
