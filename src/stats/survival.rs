//! Survival: which share of runs had not got there yet after so long, with those that were cut short counted for as long
//! as they were watched.
//!
//! E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", JASA 53 (1958), 457–481; the
//! standard error is M. Greenwood's (*The errors of sampling of the survivorship tables*, 1926). A run that was cut short
//! at the moment at which another ended was still watched then.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Time, float};

/// How near two shares are the same.
const SAME: f64 = 1e-12;

/// A step of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "SurvivalStep")]
pub struct Step {
    /// After so long, in milliseconds.
    pub ms: u64,
    /// How many were watched until then.
    pub at_risk: usize,
    /// How many ended just then.
    pub ended: usize,
    /// The share that had not ended, from 0 to 1.
    pub left: f64,
    /// The standard error of that share (Greenwood).
    pub error: f64,
}

/// A curve that falls from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Survival {
    /// Its steps, in the order of time.
    pub steps: Vec<Step>,
    /// The longest time of all, in milliseconds: beyond it nothing is known.
    pub longest_ms: u64,
}

impl Survival {
    /// The curve of these times.
    pub fn of(times: &[Time]) -> Self {
        // Of equal times, those that ended come first.
        let mut sorted = times.to_vec();
        sorted.sort_unstable_by_key(|time| (time.ms(), !time.is_measured()));
        let mut steps: Vec<Step> = Vec::new();
        let (mut left, mut variance) = (1.0, 0.0);
        let mut index = 0;
        while index < sorted.len() {
            let ms = sorted[index].ms();
            let same = sorted[index..].iter().take_while(|time| time.ms() == ms);
            let ended = same.filter(|time| time.is_measured()).count();
            let at_risk = sorted.len() - index;
            if ended > 0 {
                left *= 1.0 - float(ended) / float(at_risk);
                if ended < at_risk {
                    variance += float(ended) / (float(at_risk) * float(at_risk - ended));
                }
                steps.push(Step {
                    ms,
                    at_risk,
                    ended,
                    left,
                    error: left * f64::sqrt(variance),
                });
            }
            index += sorted[index..]
                .iter()
                .take_while(|time| time.ms() == ms)
                .count();
        }
        Self {
            steps,
            longest_ms: sorted.last().map_or(0, |time| time.ms()),
        }
    }

    /// The share that had not ended after `ms` milliseconds.
    pub fn left_after(&self, ms: u64) -> f64 {
        let before = self.steps.partition_point(|step| step.ms <= ms);
        before
            .checked_sub(1)
            .map_or(1.0, |index| self.steps[index].left)
    }

    /// The least time, in milliseconds, after which at most `1 − share` had not ended; none where the runs were not
    /// watched for so long.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let step = self
            .steps
            .iter()
            .find(|step| step.left <= 1.0 - share + SAME)?;
        Some(step.ms)
    }

    /// The time after which half had ended, in milliseconds; where the curve lies at one half for a while, its middle, as
    /// for times of which none was cut short.
    pub fn median(&self) -> Option<u64> {
        let index = self.steps.iter().position(|step| step.left <= 0.5 + SAME)?;
        let here = self.steps[index];
        let flat = (here.left - 0.5).abs() <= SAME;
        Some(match self.steps.get(index + 1) {
            Some(next) if flat => here.ms.midpoint(next.ms),
            _ => here.ms,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;

    /// Times of which some were cut short, many of them equal.
    pub(in crate::stats) fn times(count: Range<usize>) -> impl Strategy<Value = Vec<Time>> {
        let time = (0_u64..60, prop::bool::weighted(0.7)).prop_map(|(seconds, measured)| {
            if measured {
                Time::Measured(seconds * 1000)
            } else {
                Time::AtLeast(seconds * 1000)
            }
        });
        prop::collection::vec(time, count)
    }

    /// Weeks of remission of 21 patients under 6-mercaptopurine: E. J. Freireich and others, Blood 21 (1963), 699–716, as
    /// every textbook on survival works it out (D. Collett, *Modelling Survival Data in Medical Research*; R's
    /// `survival::survfit`).
    #[test]
    fn the_textbook_example_comes_out_as_in_the_textbooks() {
        let ended = [6, 6, 6, 7, 10, 13, 16, 22, 23].map(Time::Measured);
        let cut = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35].map(Time::AtLeast);
        let times: Vec<Time> = ended.into_iter().chain(cut).collect();
        let curve = Survival::of(&times);
        let wanted = [
            (6, 21, 3, 0.857_143, 0.076_36),
            (7, 17, 1, 0.806_723, 0.086_93),
            (10, 15, 1, 0.752_941, 0.096_35),
            (13, 12, 1, 0.690_196, 0.106_81),
            (16, 11, 1, 0.627_451, 0.114_05),
            (22, 7, 1, 0.537_815, 0.128_23),
            (23, 6, 1, 0.448_179, 0.134_59),
        ];
        assert_eq!(curve.steps.len(), wanted.len());
        for (step, (ms, at_risk, ended, left, error)) in curve.steps.iter().zip(wanted) {
            assert_eq!(
                (step.ms, step.at_risk, step.ended),
                (ms, at_risk, ended),
                "{step:?}"
            );
            assert!((step.left - left).abs() < 1e-5, "{step:?}");
            assert!((step.error - error).abs() < 1e-4, "{step:?}");
        }
        assert_eq!(curve.median(), Some(23));
        assert_eq!(curve.longest_ms, 35);
        assert_eq!(curve.quantile(0.75), None, "nobody was watched for so long");
    }

    #[test]
    fn without_a_run_there_is_no_curve() {
        let curve = Survival::of(&[]);
        assert!(curve.steps.is_empty() && curve.median().is_none());
        assert!((curve.left_after(9) - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_curve_only_falls_and_stays_a_share(times in times(1..60)) {
            let curve = Survival::of(&times);
            let mut before = 1.0;
            for step in &curve.steps {
                prop_assert!(step.left < before && step.left >= -1e-12, "{step:?}");
                prop_assert!(step.error.is_finite() && step.error >= 0.0);
                prop_assert!(step.ended <= step.at_risk);
                before = step.left;
            }
        }

        #[test]
        fn where_none_was_cut_short_it_is_the_plain_share(seconds in prop::collection::vec(0_u64..60, 1..60), at in 0_u64..70) {
            let times: Vec<Time> = seconds.iter().map(|s| Time::Measured(*s)).collect();
            let later = seconds.iter().filter(|s| **s > at).count();
            let curve = Survival::of(&times);
            prop_assert!((curve.left_after(at) - float(later) / float(seconds.len())).abs() < 1e-9);
            let mut sorted = seconds.clone();
            sorted.sort_unstable();
            let half = sorted.len() / 2;
            let plain = if sorted.len() % 2 == 1 { sorted[half] } else { sorted[half - 1].midpoint(sorted[half]) };
            prop_assert_eq!(curve.median(), Some(plain));
        }

        #[test]
        fn cutting_a_run_short_never_lowers_the_curve(times in times(1..40), which in 0_usize..40, at in 0_u64..60_000) {
            let mut cut = times.clone();
            let which = which % cut.len();
            cut[which] = Time::AtLeast(cut[which].ms());
            prop_assert!(Survival::of(&cut).left_after(at) >= Survival::of(&times).left_after(at) - 1e-12);
        }
    }
}
