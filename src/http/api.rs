//! The JSON API: one file a group of endpoints.

pub(super) mod accounts;
pub(super) mod calendar;
pub(super) mod compose;
pub(super) mod corrections;
pub(super) mod coverage;
pub(super) mod files;
pub(super) mod findings;
pub(super) mod forecast;
pub(super) mod halt;
pub(super) mod health;
pub(super) mod keyed;
pub(super) mod library;
pub(super) mod log;
pub(super) mod metrics;
pub(super) mod names;
pub(super) mod people;
pub(super) mod place;
pub(super) mod review;
pub(super) mod runs;
pub(super) mod scorecard;
pub(super) mod sessions;
pub(super) mod signals;
pub(super) mod start;
pub(super) mod transparency;
pub(super) mod trends;
pub(super) mod upcoming;
