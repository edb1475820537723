//! Scores: a log judged against its expectations.
//!
//! Pure functions of the log: no I/O, no clock, no randomness, no maps whose order changes. The same log gives the
//! same report byte for byte. Times are measured between stamps of one clock; what can't be known is said to be
//! unknown (censored, not observed), and what there was no occasion for is not held against anybody.

pub mod communication;
pub mod composing;
mod corrections;
pub mod detection;
pub mod expectations;
pub mod lacking;
pub mod measures;
pub mod people;
pub mod phrases;
pub mod recovery;
pub mod report;
pub mod rubric;
pub mod summary;
pub mod timeline;
mod wording;

#[cfg(test)]
mod tests;

pub use corrections::{Attached, Attributed, Change, Judged};
pub use report::{Report, Scorecard};
pub use rubric::{RUBRIC, Rating, TeamVerdict};
pub(crate) use wording::span;

use crate::engine::event::Event;
use timeline::Timeline;

/// Judges a log, of a run that is over or one that goes on. Nothing when it does not begin with a run's creation.
pub fn judge(events: &[Event]) -> Option<Report> {
    let Some(corrected) = corrections::Corrected::read(events) else {
        return Some(Report::new(&Timeline::read(events)?));
    };
    let before = Report::new(&Timeline::read(&corrected.before)?);
    let timeline = Timeline::read(&corrected.after)?;
    let timeline = timeline.with(&corrected.judged, corrected.attributed.last());
    let mut after = Report::new(&timeline);
    // What was said afterwards was read, too.
    after.chain.seq = events.last()?.seq;
    after.corrected = Some(report::Corrected::new(corrected, &before));
    Some(after)
}
