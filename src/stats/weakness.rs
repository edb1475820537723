//! Weaknesses: what failed in a run and, as far as later runs tell, was fixed.

use crate::model::summary::{Point, Side, Standing};

/// Something that failed, until it held again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weakness<R> {
    /// Whose.
    pub side: Side,
    /// The probe, or the line's id.
    pub id: String,
    /// The run that showed it first.
    pub discovered: R,
    /// The last run that showed it.
    pub last: R,
    /// How many runs showed it.
    pub failed: usize,
    /// The run in which it held again.
    pub fixed: Option<R>,
}

/// The weaknesses that runs of one scenario showed, given oldest first; those that are open first, then the latest. What
/// fails again after it held is another weakness.
pub fn weaknesses<'a, R: Clone + Ord>(
    runs: impl IntoIterator<Item = (R, &'a [Point])>,
) -> Vec<Weakness<R>> {
    let mut found: Vec<Weakness<R>> = Vec::new();
    for (run, points) in runs {
        for point in points {
            let open = found.iter_mut().find(|known| {
                known.side == point.side && known.id == point.id && known.fixed.is_none()
            });
            match (point.standing, open) {
                (Standing::Failed, Some(known)) => {
                    known.last = run.clone();
                    known.failed += 1;
                }
                (Standing::Failed, None) => found.push(Weakness {
                    side: point.side,
                    id: point.id.clone(),
                    discovered: run.clone(),
                    last: run.clone(),
                    failed: 1,
                    fixed: None,
                }),
                (Standing::Held, Some(known)) => known.fixed = Some(run.clone()),
                (Standing::Held, None) | (Standing::NotTold, _) => {}
            }
        }
    }
    found.sort_by(|one, other| {
        one.fixed
            .is_some()
            .cmp(&other.fixed.is_some())
            .then_with(|| other.last.cmp(&one.last))
            .then_with(|| one.side.cmp(&other.side))
            .then_with(|| one.id.cmp(&other.id))
    });
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(id: &str, standing: Standing) -> Point {
        Point {
            side: Side::Team,
            id: id.to_owned(),
            standing,
        }
    }

    #[test]
    fn a_weakness_is_open_until_it_held_and_may_come_back() {
        use Standing::{Failed, Held, NotTold};
        let course = [Held, Failed, NotTold, Failed, Held, Failed];
        let runs: Vec<(u32, Vec<Point>)> = (1..)
            .zip(course)
            .map(|(run, standing)| (run, vec![point("detect", standing)]))
            .collect();
        let found = weaknesses(runs.iter().map(|(run, points)| (*run, points.as_slice())));
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.discovered, one.last, one.failed, one.fixed))
            .collect();
        assert_eq!(told, [(6, 6, 1, None), (2, 4, 2, Some(5))]);
    }

    proptest! {
        #[test]
        fn at_most_one_is_open_and_it_is_what_was_last_told(course in prop::collection::vec(0_u32..3, 0..30)) {
            let standing = |which| match which {
                0 => Standing::Held,
                1 => Standing::Failed,
                _ => Standing::NotTold,
            };
            let runs: Vec<(usize, Vec<Point>)> = course
                .iter()
                .enumerate()
                .map(|(run, which)| (run, vec![point("x", standing(*which))]))
                .collect();
            let found = weaknesses(runs.iter().map(|(run, points)| (*run, points.as_slice())));
            let open = found.iter().filter(|one| one.fixed.is_none()).count();
            let last = course.iter().rev().find(|which| **which < 2);
            prop_assert_eq!(open, usize::from(last == Some(&1)));
            let failed: usize = found.iter().map(|one| one.failed).sum();
            prop_assert_eq!(failed, course.iter().filter(|which| **which == 1).count());
            for one in &found {
                prop_assert!(one.discovered <= one.last);
                prop_assert!(one.fixed.is_none_or(|fixed| one.last < fixed));
            }
        }
    }
}
