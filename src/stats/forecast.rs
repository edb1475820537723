//! What may come: how long users may be hurt in the time ahead, from how often real incidents came and from how long
//! drills of the same scenario took.
//!
//! A simulation, since a sum of a random number of random times has no simple form. In each trial each scenario has a rate
//! of incidents, drawn from what its count leaves open (a gamma distribution with shape count + ½: Jeffreys' prior for a
//! Poisson rate, H. Jeffreys, *Theory of Probability*, 3rd ed., 1961), then a Poisson number of incidents, and for each a
//! time drawn from the Kaplan–Meier curve of the scenario's drills. Scenarios are added up, never pooled. The same
//! question with the same seed has the same answer.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::random::Stream;
use super::survival::Survival;
use super::{FEWEST, Time, float, measured};
use crate::model::time::Millis;

/// How often the time ahead is played through.
pub const TRIALS: usize = 10_000;

/// The most incidents of one scenario that may be entered.
pub const MOST_INCIDENTS: u32 = 10_000;

/// The most incidents of one scenario in one trial: more make no forecast.
const MOST_EXPECTED: f64 = 10_000.0;

/// A scenario: what real incidents were like it, and what drills of it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// As people call it.
    pub name: String,
    /// How many real incidents there were.
    pub incidents: u32,
    /// The times to recover of its drills, or how long each took at least.
    pub times: Vec<Time>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question {
    /// In how many months the real incidents were counted, above 0.
    pub counted_months: f64,
    /// How many months ahead are asked about, above 0.
    pub ahead_months: f64,
    /// How long users may be hurt in all of them, where that is bounded.
    pub budget_ms: Option<u64>,
    /// What random draws are made from.
    pub seed: u64,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Nothing was asked about.
    #[error(
        "no scenario has an incident count; hint: say how many real incidents there were of at least one"
    )]
    Nothing,
    /// A scenario has too few drills.
    #[error(
        "`{name}` was drilled {drills} times, and fewer than {FEWEST} say too little; hint: leave it out, or drill it more"
    )]
    TooFew {
        /// Which.
        name: String,
        /// How often it was drilled.
        drills: usize,
    },
    /// A number is out of range.
    #[error("{what} must be above 0 and at most {most}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// The most it may be.
        most: u32,
    },
    /// Incidents come too often.
    #[error(
        "more than {MOST_EXPECTED} incidents of `{name}` would be expected; hint: ask about a shorter time"
    )]
    TooMany {
        /// Of which scenario.
        name: String,
    },
}

/// Marks of a distribution: what 5, 50, 90 and 95 of 100 trials stay at or below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ForecastMarks")]
pub struct Marks {
    /// Of 5 in 100.
    pub p5: u64,
    /// Of half.
    pub p50: u64,
    /// Of 90 in 100.
    pub p90: u64,
    /// Of 95 in 100.
    pub p95: u64,
}

/// What may come of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ForecastPart")]
pub struct Part {
    /// Which.
    pub name: String,
    /// Incidents in the time ahead.
    pub incidents: Marks,
    /// How long users are hurt, in milliseconds.
    pub hurt_ms: Marks,
}

/// What may come.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ForecastAnswer")]
pub struct Forecast {
    /// Incidents of all scenarios in the time ahead.
    pub incidents: Marks,
    /// How long users are hurt by all of them, in milliseconds.
    pub hurt_ms: Marks,
    /// The share of trials that go beyond the budget, from 0 to 1; none where there is no budget.
    pub beyond_budget: Option<f64>,
    /// The share of incidents whose time is only known to be at least as long as was drilled, from 0 to 1.
    pub at_least: f64,
    /// Each scenario.
    pub parts: Vec<Part>,
    /// How many times the time ahead was played through.
    pub trials: usize,
    /// What random draws were made from.
    pub seed: u64,
    /// What all this takes for granted, a sentence each.
    pub assumptions: Vec<String>,
}

/// Answers a question about scenarios.
pub fn forecast(scenarios: &[Scenario], question: &Question) -> Result<Forecast, Refused> {
    check(scenarios, question)?;
    let curves: Vec<Survival> = scenarios
        .iter()
        .map(|scenario| Survival::of(&scenario.times))
        .collect();
    let mut all = Tally::default();
    let mut parts: Vec<Tally> = scenarios.iter().map(|_| Tally::default()).collect();
    let (mut drawn, mut unended) = (0, 0);
    for trial in 0..TRIALS {
        let (mut incidents, mut hurt) = (0_u64, 0_u64);
        for ((scenario, curve), part) in scenarios.iter().zip(&curves).zip(&mut parts) {
            let mut stream = Stream::new(
                question.seed,
                &["forecast", &scenario.name, &trial.to_string()],
            );
            let rate = stream.gamma(f64::from(scenario.incidents) + 0.5) / question.counted_months;
            let count = stream.poisson((rate * question.ahead_months).min(MOST_EXPECTED));
            let mut sum = 0_u64;
            for _ in 0..count {
                let time = curve.quantile(stream.share());
                drawn += 1;
                unended += usize::from(time.is_none());
                sum = sum.saturating_add(time.unwrap_or(curve.longest_ms));
            }
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            part.push(count, sum);
            incidents += count;
            hurt = hurt.saturating_add(sum);
        }
        all.push(incidents, hurt);
    }
    let beyond_budget = question.budget_ms.map(|budget| {
        let beyond = all.hurt.iter().filter(|hurt| **hurt > budget).count();
        float(beyond) / float(TRIALS)
    });
    let (incidents, hurt_ms) = all.marks();
    Ok(Forecast {
        incidents,
        hurt_ms,
        beyond_budget,
        at_least: if drawn == 0 {
            0.0
        } else {
            float(unended) / float(drawn)
        },
        parts: scenarios
            .iter()
            .zip(parts)
            .map(|(scenario, tally)| {
                let (incidents, hurt_ms) = tally.marks();
                Part {
                    name: scenario.name.clone(),
                    incidents,
                    hurt_ms,
                }
            })
            .collect(),
        trials: TRIALS,
        seed: question.seed,
        assumptions: assumptions(scenarios, question),
    })
}

fn check(scenarios: &[Scenario], question: &Question) -> Result<(), Refused> {
    if scenarios.is_empty() {
        return Err(Refused::Nothing);
    }
    for (what, number, most) in [
        ("the months counted", question.counted_months, 600),
        ("the months ahead", question.ahead_months, 120),
    ] {
        if !(number > 0.0 && number <= f64::from(most)) {
            return Err(Refused::OutOfRange { what, most });
        }
    }
    for scenario in scenarios {
        if scenario.incidents > MOST_INCIDENTS {
            return Err(Refused::OutOfRange {
                what: "a count of incidents",
                most: MOST_INCIDENTS,
            });
        }
        if scenario.times.len() < FEWEST {
            return Err(Refused::TooFew {
                name: scenario.name.clone(),
                drills: scenario.times.len(),
            });
        }
        let expected =
            (f64::from(scenario.incidents) + 0.5) / question.counted_months * question.ahead_months;
        // Half of the bound: the rate is drawn, and may be greater.
        if expected > MOST_EXPECTED / 2.0 {
            return Err(Refused::TooMany {
                name: scenario.name.clone(),
            });
        }
    }
    Ok(())
}

fn assumptions(scenarios: &[Scenario], question: &Question) -> Vec<String> {
    let mut said: Vec<String> = scenarios
        .iter()
        .map(|scenario| {
            let (all, seen) = (scenario.times.len(), measured(&scenario.times));
            let mut sentence = format!(
                "{}: {} real incidents in {} months, as entered; times to recover from {all} drills, of which {seen} recovered",
                scenario.name, scenario.incidents, question.counted_months
            );
            if seen < all {
                let longest = Survival::of(&scenario.times).longest_ms;
                // Writing to a string can't fail.
                let _ = write!(
                    sentence,
                    "; draws beyond what drills measured count as {} and are really longer",
                    Millis::new(longest)
                );
            }
            sentence + "."
        })
        .collect();
    said.push(
        "Incidents come independently of each other, and as often ahead as before; how often is not known exactly, and \
         the less the fewer were counted."
            .to_owned(),
    );
    said.push(
        "A real incident takes as long as drills of its scenario did, on staging, with a team that knew of drills."
            .to_owned(),
    );
    said.push("Scenarios that are not listed never happen, and no two overlap.".to_owned());
    said.push(format!(
        "{TRIALS} trials from seed {}: the same question has the same answer.",
        question.seed
    ));
    said
}

/// What each trial came to.
#[derive(Debug, Default)]
struct Tally {
    incidents: Vec<u64>,
    hurt: Vec<u64>,
}

impl Tally {
    fn push(&mut self, incidents: u64, hurt: u64) {
        self.incidents.push(incidents);
        self.hurt.push(hurt);
    }

    fn marks(mut self) -> (Marks, Marks) {
        (marks(&mut self.incidents), marks(&mut self.hurt))
    }
}

fn marks(values: &mut [u64]) -> Marks {
    values.sort_unstable();
    let at = |percent: usize| {
        let rank = (values.len() * percent).div_ceil(100).max(1);
        values.get(rank - 1).copied().unwrap_or(0)
    };
    Marks {
        p5: at(5),
        p50: at(50),
        p90: at(90),
        p95: at(95),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scenario(incidents: u32, times: &[Time]) -> Scenario {
        Scenario {
            name: "outage".into(),
            incidents,
            times: times.to_vec(),
        }
    }

    fn question(seed: u64) -> Question {
        Question {
            counted_months: 12.0,
            ahead_months: 12.0,
            budget_ms: Some(120_000),
            seed,
        }
    }

    /// A Poisson number with a gamma rate is negative binomial: with 4 incidents and as long before as ahead, shape 4.5
    /// and probability ½. R's `qnbinom(c(.05, .5, .95), 4.5, .5)` is 1, 4, 10, and `1 - pnbinom(2, 4.5, .5)` is 0.7196.
    #[test]
    fn incidents_are_negative_binomial() {
        let found = forecast(&[scenario(4, &[Time::Measured(60_000); 6])], &question(1))
            .expect("an answer");
        let Marks { p5, p50, p95, .. } = found.incidents;
        assert_eq!((p5, p50, p95), (1, 4, 10));
        // Each takes a minute, so that the time is the count.
        assert_eq!(found.hurt_ms.p95, 10 * 60_000);
        let beyond = found.beyond_budget.expect("a budget");
        assert!((beyond - 0.7196).abs() < 0.02, "{beyond}");
        assert!(found.at_least.abs() < 1e-12);
    }

    #[test]
    fn the_same_question_has_the_same_answer() {
        let scenarios = [scenario(2, &[10, 20, 30, 40, 50, 60].map(Time::Measured))];
        let ask = |seed| forecast(&scenarios, &question(seed)).expect("an answer");
        assert_eq!(ask(7), ask(7));
        assert_ne!(ask(7).hurt_ms, ask(8).hurt_ms);
    }

    #[test]
    fn what_drills_never_ended_is_said_to_be_a_lower_bound() {
        let mut times = vec![Time::Measured(60_000); 5];
        times.extend([Time::AtLeast(600_000); 5]);
        let found = forecast(&[scenario(4, &times)], &question(1)).expect("an answer");
        assert!((found.at_least - 0.5).abs() < 0.02, "{}", found.at_least);
        assert!(
            found.assumptions[0].contains("of which 5 recovered")
                && found.assumptions[0].contains("count as 10m and are really longer"),
            "{}",
            found.assumptions[0]
        );
    }

    #[test]
    fn questions_without_an_answer_are_refused_with_the_reason() {
        let refused = |scenarios: &[Scenario], question: &Question| {
            forecast(scenarios, question)
                .expect_err("no answer")
                .to_string()
        };
        let good = scenario(1, &[Time::Measured(1); 6]);
        assert!(refused(&[], &question(1)).contains("no scenario"));
        assert!(
            refused(&[scenario(1, &[Time::Measured(1); 5])], &question(1))
                .contains("drilled 5 times")
        );
        for months in [0.0, -1.0, f64::NAN, 1e9] {
            let odd = Question {
                counted_months: months,
                ..question(1)
            };
            assert!(refused(std::slice::from_ref(&good), &odd).contains("the months counted"));
        }
        let often = Question {
            counted_months: 0.001,
            ..question(1)
        };
        assert!(refused(&[good], &often).contains("would be expected"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn marks_are_in_order_and_more_incidents_are_never_better(count in 0_u32..20, more in 1_u32..20, seed: u64) {
            let times = [10_000, 20_000, 30_000, 40_000, 50_000, 60_000].map(Time::Measured);
            let few = forecast(&[scenario(count, &times)], &question(seed)).expect("an answer");
            let many = forecast(&[scenario(count + 2 * more + 4, &times)], &question(seed)).expect("an answer");
            for marks in [few.incidents, few.hurt_ms, many.incidents, many.hurt_ms] {
                prop_assert!(marks.p5 <= marks.p50 && marks.p50 <= marks.p90 && marks.p90 <= marks.p95);
            }
            prop_assert!(few.hurt_ms.p50 <= many.hurt_ms.p50 && few.incidents.p95 <= many.incidents.p95);
        }
    }
}
