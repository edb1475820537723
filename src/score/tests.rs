//! Every rule of scoring as a sentence, on logs written by hand.

mod communication;
mod lines;
mod measures;
mod people;
mod rating;
mod reports;
mod script;
