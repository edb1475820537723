//! The median and its interval, by order statistics: no assumption about how times are distributed.
//!
//! The number of times below the true median is binomial with one half, so the `d`-th least and the `d`-th greatest
//! enclose it with confidence 1 − 2·P(B < d), B ~ Bin(n, ½) (W. J. Conover, *Practical Nonparametric Statistics*, 3rd ed.,
//! 1999, section 3.2; H. A. David and H. N. Nagaraja, *Order Statistics*, 3rd ed., 2003, section 7.1). A time that was cut
//! short counts as what it was at least for the lower end, and as without end for the upper: so the interval holds
//! whatever cut it short, and is only ever wider than it need be.

use super::survival::Survival;
use schemars::JsonSchema;
use serde::Serialize;

use super::{FEWEST, Time, float};

/// The least confidence of an interval.
pub const CONFIDENCE: f64 = 0.95;

/// A median with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "MedianTime")]
pub struct Median {
    /// The median, in milliseconds (Kaplan–Meier where some were cut short); none where half of them never ended.
    pub ms: Option<u64>,
    /// The lower end of the interval, in milliseconds.
    pub low_ms: u64,
    /// The upper end, in milliseconds; none where the runs do not bound it.
    pub high_ms: Option<u64>,
    /// How sure the interval is, from 0 to 1: at least [`CONFIDENCE`].
    pub confidence: f64,
}

/// The median of these times. Nothing of fewer than [`FEWEST`].
pub fn median(times: &[Time]) -> Option<Median> {
    if times.len() < FEWEST {
        return None;
    }
    let (depth, confidence) = depth(times.len())?;
    let mut low: Vec<u64> = times.iter().map(|time| time.ms()).collect();
    low.sort_unstable();
    let mut high: Vec<Option<u64>> = times
        .iter()
        .map(|time| time.is_measured().then(|| time.ms()))
        .collect();
    // What never ended is the greatest.
    high.sort_unstable_by_key(|ms| (ms.is_none(), *ms));
    Some(Median {
        ms: Survival::of(times).median(),
        low_ms: low[depth - 1],
        high_ms: high[times.len() - depth],
        confidence,
    })
}

/// The greatest rank, counted from either end, whose two order statistics of `n` enclose the median with at least
/// [`CONFIDENCE`], and how surely they do.
pub fn depth(n: usize) -> Option<(usize, f64)> {
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let (mut below, mut found) = (0.0, None);
    // ln of C(n, i) · ½ⁿ, so that no n is too large.
    let mut term = float(n) * 0.5_f64.ln();
    for i in 0..n.div_ceil(2) {
        below += term.exp();
        if below > tail {
            break;
        }
        found = Some((i + 1, 1.0 - 2.0 * below));
        term += (float(n - i) / float(i + 1)).ln();
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::survival::tests::times;

    /// Ranks and confidence of two-sided 95 % intervals for a median, as tables of the sign test give them (Conover 1999,
    /// table A3, p = 0.5; the same as R's `qbinom` and `pbinom`).
    #[test]
    fn ranks_are_those_of_the_tables() {
        for (n, wanted, percent) in [
            (6, 1, 96.875),
            (7, 1, 98.4375),
            (8, 1, 99.21875),
            (9, 2, 96.09375),
            (10, 2, 97.85156),
            (12, 3, 96.14258),
            (15, 4, 96.48438),
            (20, 6, 95.86105),
            (25, 8, 95.67146),
            (30, 10, 95.72261),
        ] {
            let (rank, confidence) = depth(n).expect("enough");
            assert_eq!(rank, wanted, "of {n}");
            assert!(
                (100.0 * confidence - percent).abs() < 1e-4,
                "of {n}: {confidence}"
            );
        }
        for n in 0..6 {
            assert_eq!(depth(n), None, "{n} are too few");
        }
    }

    #[test]
    fn fewer_than_six_have_no_median() {
        let five = [Time::Measured(1); 5];
        assert_eq!(median(&five), None);
    }

    #[test]
    fn six_are_enclosed_by_the_least_and_the_greatest() {
        let six: Vec<Time> = [50, 10, 40, 20, 60, 30]
            .into_iter()
            .map(Time::Measured)
            .collect();
        let median = median(&six).expect("enough");
        assert_eq!(
            (median.ms, median.low_ms, median.high_ms),
            (Some(35), 10, Some(60))
        );
    }

    #[test]
    fn what_was_cut_short_leaves_the_upper_end_open() {
        let mut times: Vec<Time> = [10, 20, 30, 40, 50]
            .into_iter()
            .map(Time::Measured)
            .collect();
        times.push(Time::AtLeast(5));
        let median = median(&times).expect("enough");
        assert_eq!((median.low_ms, median.high_ms), (5, None));
        assert_eq!(
            median.ms,
            Some(30),
            "the five that ended were at risk alone"
        );
    }

    proptest! {
        #[test]
        fn an_interval_encloses_its_median(times in times(FEWEST..80)) {
            let median = median(&times).expect("enough");
            prop_assert!(median.confidence >= CONFIDENCE && median.confidence < 1.0);
            if let Some(ms) = median.ms {
                prop_assert!(median.low_ms <= ms);
                prop_assert!(median.high_ms.is_none_or(|high| ms <= high));
            } else {
                prop_assert_eq!(median.high_ms, None);
            }
        }

        #[test]
        fn the_order_of_runs_does_not_matter(mut times in times(FEWEST..40)) {
            let before = median(&times);
            times.reverse();
            prop_assert_eq!(before, median(&times));
        }

        #[test]
        fn a_time_known_less_well_never_narrows_an_interval(times in times(FEWEST..40), which in 0_usize..40) {
            let before = median(&times).expect("enough");
            let mut cut = times.clone();
            let which = which % cut.len();
            cut[which] = Time::AtLeast(cut[which].ms() / 2);
            let after = median(&cut).expect("enough");
            prop_assert!(after.low_ms <= before.low_ms);
            prop_assert!(after.high_ms.is_none_or(|high| before.high_ms.is_some_and(|was| was <= high)));
        }
    }
}
