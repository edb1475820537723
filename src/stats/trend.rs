//! Whether times of successive runs grow or shrink: the rank correlation of the times with the order of the runs.
//!
//! H. B. Mann, "Nonparametric tests against trend", Econometrica 13 (1945), 245–259. Of times of which none equals another
//! and none was cut short, the probability is exact, from the number of permutations with so many inversions (M. G.
//! Kendall, *Rank Correlation Methods*, 4th ed., 1970, chapter 5). Else it is the normal one, with the variance under
//! permutation for any scores (H. E. Daniels, Biometrika 33 (1944), 129–135), and only of [`ENOUGH`] runs or more: two
//! times that can't be compared, because one was cut short too early, count as neither less nor greater.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::Serialize;

use super::{FEWEST, Time, float};

/// An arrow is shown only for what comes about by chance less often than this.
pub const LEVEL: f64 = 0.05;

/// So many runs the normal approximation takes.
pub const ENOUGH: usize = 10;

/// The most runs whose probability is reckoned exactly.
const EXACTLY: usize = 60;

/// Which way times go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TrendWay")]
pub enum Way {
    /// Later runs took less time.
    Shorter,
    /// Later runs took more time.
    Longer,
    /// Neither can be told from chance.
    NotTold,
}

/// A trend.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "MannTrend")]
pub struct Trend {
    /// Which way.
    pub way: Way,
    /// How often chance alone would give so much, from 0 to 1.
    pub by_chance: f64,
}

/// The trend of times in the order of their runs. Nothing where they are too few to tell.
pub fn trend(times: &[Time]) -> Option<Trend> {
    let n = times.len();
    if n < FEWEST {
        return None;
    }
    let signs: Vec<Vec<f64>> = times
        .iter()
        .map(|one| times.iter().map(|other| sign(*one, *other)).collect())
        .collect();
    let mut sum = 0.0;
    for (i, row) in signs.iter().enumerate() {
        sum += row[i + 1..].iter().sum::<f64>();
    }
    let told = signs.iter().enumerate().all(|(i, row)| {
        let others = row.iter().enumerate().filter(|(j, _)| *j != i);
        others.into_iter().all(|(_, sign)| *sign != 0.0)
    });
    let by_chance = if told && n <= EXACTLY {
        exact(n, sum)
    } else if n >= ENOUGH {
        approximate(&signs, sum)?
    } else {
        return None;
    };
    let way = match sum.partial_cmp(&0.0) {
        Some(Ordering::Less) if by_chance < LEVEL => Way::Shorter,
        Some(Ordering::Greater) if by_chance < LEVEL => Way::Longer,
        _ => Way::NotTold,
    };
    Some(Trend { way, by_chance })
}

/// 1 where the second surely took longer, −1 where it surely took less, 0 where that can't be said.
fn sign(one: Time, other: Time) -> f64 {
    match (one, other) {
        (Time::Measured(one), Time::Measured(other)) => match other.cmp(&one) {
            Ordering::Greater => 1.0,
            Ordering::Less => -1.0,
            Ordering::Equal => 0.0,
        },
        // What was cut short at the very moment took longer.
        (Time::Measured(one), Time::AtLeast(other)) if other >= one => 1.0,
        (Time::AtLeast(one), Time::Measured(other)) if one >= other => -1.0,
        _ => 0.0,
    }
}

/// The share of all orders of `n` times that are at least so far from chance, by the number of their inversions.
fn exact(n: usize, sum: f64) -> f64 {
    let pairs = n * (n - 1) / 2;
    // The share of orders with so many inversions, for one time more at each turn.
    let mut shares = vec![0.0; pairs + 1];
    shares[0] = 1.0;
    for size in 2..=n {
        let mut next = vec![0.0; pairs + 1];
        let most = size * (size - 1) / 2;
        for (inversions, slot) in next.iter_mut().enumerate().take(most + 1) {
            let from = inversions.saturating_sub(size - 1);
            *slot = shares[from..=inversions].iter().sum::<f64>() / float(size);
        }
        shares = next;
    }
    let far = shares.iter().enumerate().filter(|(inversions, _)| {
        let other = float(pairs) - 2.0 * float(*inversions);
        other.abs() >= sum.abs() - 0.5
    });
    far.map(|(_, share)| share).sum::<f64>().min(1.0)
}

/// The normal approximation, with the correction for continuity. Nothing where no two times can be compared.
fn approximate(signs: &[Vec<f64>], sum: f64) -> Option<f64> {
    let n = float(signs.len());
    let rows =
        |row_sum: &dyn Fn(usize) -> f64| (0..signs.len()).map(|i| row_sum(i).powi(2)).sum::<f64>();
    let of_times = rows(&|i| signs[i].iter().sum());
    let squares: f64 = signs.iter().flatten().map(|sign| sign * sign).sum();
    let of_order = rows(&|i| n - 1.0 - 2.0 * float(i));
    let all = n * (n - 1.0);
    let variance = (4.0 / (all * (n - 2.0)) * (of_order - all) * (of_times - squares)
        + 2.0 / all * all * squares)
        / 4.0;
    if variance <= 0.0 {
        return None;
    }
    let z = (sum.abs() - 1.0).max(0.0) / variance.sqrt();
    Some(beyond(z))
}

/// The share of a normal distribution that is at least `z` standard deviations from its middle, either way: M. Abramowitz
/// and I. A. Stegun, *Handbook of Mathematical Functions*, 7.1.26, good to 1.5·10⁻⁷.
fn beyond(z: f64) -> f64 {
    let x = z / f64::sqrt(2.0);
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = [
        0.254_829_592,
        -0.284_496_736,
        1.421_413_741,
        -1.453_152_027,
        1.061_405_429,
    ];
    let polynomial = series
        .iter()
        .rev()
        .fold(0.0, |sum, factor| (sum + factor) * t);
    (polynomial * (-x * x).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::survival::tests::times;

    fn measured(seconds: &[u64]) -> Vec<Time> {
        seconds.iter().map(|s| Time::Measured(*s)).collect()
    }

    /// Kendall 1970, appendix table 1: probabilities that S is at least so great, doubled.
    #[test]
    fn exact_probabilities_are_those_of_the_tables() {
        for (n, sum, one_sided) in [
            (6, 15.0, 0.001_4),
            (6, 11.0, 0.028),
            (6, 13.0, 0.008_3),
            (7, 13.0, 0.035),
            (8, 16.0, 0.031),
            (9, 18.0, 0.038),
            (10, 21.0, 0.036),
        ] {
            let found = exact(n, sum);
            assert!(
                (found - 2.0 * one_sided).abs() < 0.001_1,
                "S = {sum} of {n}: {found}"
            );
        }
        assert!((exact(6, 15.0) - 2.0 / 720.0).abs() < 1e-12);
    }

    #[test]
    fn the_general_variance_is_the_plain_one_where_nothing_is_equal() {
        // n(n − 1)(2n + 5)/18 for n = 12 is 12·11·29/18 = 212.67; S = 30 gives z = 29/14.583 = 1.9886.
        let order = measured(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let signs: Vec<Vec<f64>> = order
            .iter()
            .map(|one| order.iter().map(|other| sign(*one, *other)).collect())
            .collect();
        let found = approximate(&signs, 30.0).expect("comparable");
        assert!((found - 0.046_74).abs() < 1e-4, "{found}");
    }

    #[test]
    fn six_runs_each_faster_than_the_last_are_a_trend_and_five_are_none() {
        let trend_of = |seconds: &[u64]| trend(&measured(seconds)).map(|trend| trend.way);
        assert_eq!(trend_of(&[60, 50, 40, 30, 20, 10]), Some(Way::Shorter));
        assert_eq!(trend_of(&[10, 20, 30, 40, 50, 60]), Some(Way::Longer));
        assert_eq!(trend_of(&[30, 10, 60, 20, 50, 40]), Some(Way::NotTold));
        assert_eq!(trend_of(&[50, 40, 30, 20, 10]), None);
    }

    #[test]
    fn few_runs_that_cannot_all_be_compared_tell_no_trend() {
        assert_eq!(trend(&measured(&[5, 5, 4, 3, 2, 1])), None);
        let mut cut = measured(&[60, 50, 40, 30, 20]);
        cut.push(Time::AtLeast(1));
        assert_eq!(trend(&cut), None);
        assert_eq!(
            trend(&[Time::AtLeast(9); 12]),
            None,
            "nothing can be compared"
        );
    }

    proptest! {
        #[test]
        fn the_other_way_round_the_trend_is_the_other_way(times in times(FEWEST..40)) {
            let mut back = times.clone();
            back.reverse();
            match (trend(&times), trend(&back)) {
                (None, None) => {}
                (Some(one), Some(other)) => {
                    prop_assert!((one.by_chance - other.by_chance).abs() < 1e-9);
                    prop_assert!((0.0..=1.0).contains(&one.by_chance));
                    let turned = match one.way {
                        Way::Shorter => Way::Longer,
                        Way::Longer => Way::Shorter,
                        Way::NotTold => Way::NotTold,
                    };
                    prop_assert_eq!(turned, other.way);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn chance_gives_an_arrow_as_seldom_as_it_says(seed in 0_u64..50) {
            // Of 200 orders drawn blindly, about 10 have one; 30 would be far out.
            let mut arrows = 0;
            for round in 0..200 {
                let mut stream =
                    crate::stats::random::Stream::new(seed, &["orders", &round.to_string()]);
                let mut drawn: Vec<(u64, f64)> = (0..12).map(|n| (n, stream.share())).collect();
                drawn.sort_by(|one, other| one.1.total_cmp(&other.1));
                let times: Vec<Time> = drawn.iter().map(|(n, _)| Time::Measured(*n)).collect();
                let found = trend(&times).expect("enough");
                arrows += usize::from(found.way != Way::NotTold);
            }
            prop_assert!(arrows < 30, "{} arrows", arrows);
        }
    }
}
