//! Draws: which of several containers a step hits, from the run's seed alone.
//!
//! Each candidate is ranked by a hash of the seed, the step, the occurrence and its own name; the lowest are hit. So the
//! order in which a daemon lists them does not matter, and one more or less among them changes little.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::fault::{Act, Cause, Injection, Occurrence};
use super::ids::{InjectionId, ServiceName, StepId};
use super::plan::Plan;
use super::stack::{ContainerSelector, Share};

/// The most injections of a plan.
pub const MOST: usize = 10_000;

/// The id of a step's injection: the step's for its first target, then `#2`, `#3`…, each with `:1`, `:2`… where the step
/// repeats. The id of a remedy's use has them the other way round, so that none is another's.
pub fn injection_id(
    step: &StepId,
    target: usize,
    occurrence: Option<Occurrence>,
) -> Option<InjectionId> {
    let mut id = match target {
        0 => step.to_string(),
        _ => format!("{step}#{}", target + 1),
    };
    if let Some(occurrence) = occurrence {
        id = format!("{id}:{}", occurrence.nth);
    }
    id.parse().ok()
}

/// Draws `share` of `names`, in the order of their names. Where there are fewer than wanted, nothing.
fn drawn(
    seed: u64,
    step: &StepId,
    nth: u32,
    names: &[String],
    share: Share,
) -> Option<Vec<String>> {
    let wanted = share.of(names.len());
    if names.is_empty() || wanted > names.len() {
        return None;
    }
    let rank = |name: &String| {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        for part in ["containers", step.as_str(), name.as_str()] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.update(nth.to_be_bytes());
        hash.finalize()
    };
    let mut ranked: Vec<_> = names.iter().map(|name| (rank(name), name)).collect();
    ranked.sort();
    let mut chosen: Vec<String> = ranked
        .into_iter()
        .take(wanted)
        .map(|(_, name)| name.clone())
        .collect();
    chosen.sort();
    Some(chosen)
}

impl Plan {
    /// The services whose containers are to be drawn, and how each finds them.
    pub fn to_draw(&self) -> BTreeMap<&ServiceName, &ContainerSelector> {
        let acts = self.injections.iter().map(|injection| &injection.act);
        acts.filter_map(|act| match act {
            Act::Container {
                service,
                selector: ContainerSelector::Several { of, .. },
                ..
            } => Some((service, &**of)),
            _ => None,
        })
        .collect()
    }

    /// The plan with an injection for each container that is drawn, out of what was found of each service. What can't be
    /// drawn stays as it is, and is refused by whoever looks at targets.
    #[must_use]
    pub fn draw(mut self, seed: u64, found: &BTreeMap<ServiceName, Vec<String>>) -> Self {
        let mut all: Vec<Injection> = Vec::new();
        for injection in &self.injections {
            match drawn_from(injection, seed, found) {
                Some(several) => all.extend(several),
                None => all.push(injection.clone()),
            }
            if all.len() > MOST {
                return self;
            }
        }
        self.injections = all;
        self
    }
}

fn drawn_from(
    injection: &Injection,
    seed: u64,
    found: &BTreeMap<ServiceName, Vec<String>>,
) -> Option<Vec<Injection>> {
    let (
        Act::Container {
            service,
            selector: ContainerSelector::Several { of, share },
            action,
        },
        Cause::Step(step),
    ) = (&injection.act, &injection.cause)
    else {
        return None;
    };
    let names = drawn(seed, step, injection.nth(), found.get(service)?, *share)?;
    let one = |(target, name): (usize, String)| {
        Some(Injection {
            id: injection_id(step, target, injection.occurrence)?,
            act: Act::Container {
                service: service.clone(),
                selector: ContainerSelector::Drawn {
                    name,
                    of: of.clone(),
                },
                action: action.clone(),
            },
            ..injection.clone()
        })
    };
    names.into_iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|nth| format!("node-{nth}")).collect()
    }

    fn step() -> StepId {
        "kill".parse().expect("a name")
    }

    #[test]
    fn a_seed_always_draws_the_same_whatever_order_they_are_listed_in() {
        let mut turned = names(9);
        turned.reverse();
        for seed in 0..50 {
            let one = drawn(seed, &step(), 1, &names(9), Share::Count(3)).expect("enough");
            assert_eq!(
                Some(&one),
                drawn(seed, &step(), 1, &turned, Share::Count(3)).as_ref()
            );
            assert_eq!(one.len(), 3);
        }
    }

    #[test]
    fn every_container_is_drawn_about_as_often_and_each_occurrence_draws_anew() {
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        let mut others = 0;
        for seed in 0..1_000 {
            let first = drawn(seed, &step(), 1, &names(4), Share::Count(1)).expect("enough");
            let second = drawn(seed, &step(), 2, &names(4), Share::Count(1)).expect("enough");
            others += u32::from(first != second);
            for name in first {
                *times.entry(name).or_default() += 1;
            }
        }
        assert!(
            times.values().all(|&times| (180..320).contains(&times)),
            "{times:?}"
        );
        assert!((650..850).contains(&others), "{others}");
    }

    #[test]
    fn shares_are_rounded_down_to_at_least_one_and_more_than_there_are_is_nothing() {
        for (share, of, drawn_of) in [
            (Share::Percent(50), 3, Some(1)),
            (Share::Percent(10), 3, Some(1)),
            (Share::Percent(100), 3, Some(3)),
            (Share::Count(3), 3, Some(3)),
            (Share::Count(4), 3, None),
            (Share::Percent(100), 0, None),
        ] {
            let got = drawn(7, &step(), 1, &names(of), share).map(|names| names.len());
            assert_eq!(got, drawn_of, "{share} of {of}");
        }
    }
}
