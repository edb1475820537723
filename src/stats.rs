//! Figures over several runs: medians with their intervals, survival, trends, and what may come.
//!
//! Pure functions of the times of runs of one scenario: no I/O, no clock, no randomness of their own. Small samples are
//! said to be small ([`FEWEST`]), and a time that was cut short is kept as "at least so long", never dropped and never
//! counted as if it had ended.

pub mod forecast;
pub mod median;
pub mod random;
pub mod survival;
pub mod trend;
pub mod weakness;

pub use crate::model::summary::Time;

/// Fewer runs than this are shown one by one, without a median, an interval or an arrow. Of six, the least and the
/// greatest enclose the median with 1 − 2·½⁶ = 96.9 % confidence; of five, no two of them do so with 95 %.
pub const FEWEST: usize = 6;

/// How many of these were seen to end.
pub fn measured(times: &[Time]) -> usize {
    times.iter().filter(|time| time.is_measured()).count()
}

/// A count as a number to reckon with.
fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
