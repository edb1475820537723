//! Probe watching: from samples to standings. Samples are not events; what they add up to is.
//!
//! A watch is live-only: it is not rebuilt from a log, because an interrupted run is never resumed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Fact, Standing};
use crate::model::ids::ProbeName;
use crate::model::probe::Tolerance;
use crate::model::time::Stamp;

/// How often what a probe answered is summed up.
pub const SUMMARY_EVERY: Duration = Duration::from_secs(10);

/// Samples in a row that could not be asked until a probe is unusable.
pub const UNKNOWN_LIMIT: u32 = 3;

/// One answer to one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When it was sent.
    pub sent: Stamp,
    /// How long the answer took; up to the expectation's `within` when none came.
    pub took: Duration,
    /// What it came to.
    pub result: SampleResult,
}

/// What a question came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleResult {
    /// As expected.
    Passed,
    /// Wrong, refused, reset or late: the target's fault. Why.
    Failed(String),
    /// It could not be asked: the asker's fault. Why.
    Unknown(String),
}

/// One probe's streaks.
#[derive(Debug)]
pub struct Watch {
    tolerance: Tolerance,
    standing: Option<Standing>,
    streak: Option<Streak>,
    last_pass: Option<Stamp>,
    last_fail: Option<Stamp>,
    unknowns: u32,
    confirming: Option<Confirming>,
    summary: Option<Summary>,
}

#[derive(Debug)]
struct Streak {
    passing: bool,
    first: Stamp,
    count: u32,
}

#[derive(Debug)]
struct Confirming {
    since: Stamp,
    first: Option<Stamp>,
    count: u32,
}

#[derive(Debug)]
struct Summary {
    from: Stamp,
    passed: u32,
    failed: u32,
    unknown: u32,
    slowest: Duration,
}

impl Watch {
    /// Watches one probe.
    pub fn new(tolerance: Tolerance) -> Self {
        Self {
            tolerance,
            standing: None,
            streak: None,
            last_pass: None,
            last_fail: None,
            unknowns: 0,
            confirming: None,
            summary: None,
        }
    }

    /// Whose samples these are.
    pub fn probe(&self) -> &ProbeName {
        &self.tolerance.probe
    }

    /// Asks for `pass_after` fresh passes, sent at or after `since`.
    pub fn confirm(&mut self, since: Stamp) {
        self.confirming = Some(Confirming {
            since,
            first: None,
            count: 0,
        });
    }

    /// Takes one sample and says what it adds up to, in order.
    pub fn observe(&mut self, sample: &Sample) -> Vec<Fact> {
        let mut facts = Vec::new();
        match &sample.result {
            SampleResult::Passed => self.count(sample, true, None, &mut facts),
            SampleResult::Failed(reason) => self.count(sample, false, Some(reason), &mut facts),
            SampleResult::Unknown(reason) => {
                self.unknowns += 1;
                if self.unknowns == UNKNOWN_LIMIT {
                    facts.push(Fact::ProbeUnusable {
                        probe: self.probe().clone(),
                        reason: reason.clone(),
                    });
                }
            }
        }
        self.sum_up(sample, &mut facts);
        facts
    }

    fn count(
        &mut self,
        sample: &Sample,
        passing: bool,
        reason: Option<&String>,
        facts: &mut Vec<Fact>,
    ) {
        self.unknowns = 0;
        let (same, other) = if passing {
            (&mut self.last_pass, self.last_fail)
        } else {
            (&mut self.last_fail, self.last_pass)
        };
        *same = Some(sample.sent);
        let streak = match self.streak.take() {
            Some(streak) if streak.passing == passing => Streak {
                count: streak.count.saturating_add(1),
                ..streak
            },
            _ => Streak {
                passing,
                first: sample.sent,
                count: 1,
            },
        };
        let (needed, standing) = if passing {
            (self.tolerance.pass_after, Standing::Passing)
        } else {
            (self.tolerance.fail_after, Standing::Failing)
        };
        if streak.count >= needed && self.standing != Some(standing) {
            self.standing = Some(standing);
            facts.push(Fact::ProbeChanged {
                probe: self.tolerance.probe.clone(),
                standing,
                first: streak.first,
                previous: other,
                reason: reason.cloned(),
            });
        }
        self.streak = Some(streak);
        self.count_confirmation(sample, passing, facts);
    }

    fn count_confirmation(&mut self, sample: &Sample, passing: bool, facts: &mut Vec<Fact>) {
        let Some(confirming) = &mut self.confirming else {
            return;
        };
        if sample.sent.is_before(&confirming.since) {
            return;
        }
        if !passing {
            confirming.first = None;
            confirming.count = 0;
            return;
        }
        let first = *confirming.first.get_or_insert(sample.sent);
        confirming.count += 1;
        if confirming.count >= self.tolerance.pass_after {
            self.confirming = None;
            facts.push(Fact::ProbeConfirmed {
                probe: self.tolerance.probe.clone(),
                first,
            });
        }
    }

    fn sum_up(&mut self, sample: &Sample, facts: &mut Vec<Fact>) {
        let full = self.summary.as_ref().is_some_and(|s| {
            sample
                .sent
                .since(&s.from)
                .is_none_or(|d| d.unsigned_abs() >= SUMMARY_EVERY)
        });
        if full {
            facts.extend(self.flush());
        }
        let summary = self.summary.get_or_insert(Summary {
            from: sample.sent,
            passed: 0,
            failed: 0,
            unknown: 0,
            slowest: Duration::ZERO,
        });
        match sample.result {
            SampleResult::Passed => summary.passed += 1,
            SampleResult::Failed(_) => summary.failed += 1,
            SampleResult::Unknown(_) => summary.unknown += 1,
        }
        summary.slowest = summary.slowest.max(sample.took);
    }

    /// What has not been summed up yet, as when the run ends.
    fn flush(&mut self) -> Option<Fact> {
        let summary = self.summary.take()?;
        Some(Fact::ProbeSummary {
            probe: self.tolerance.probe.clone(),
            from: summary.from,
            passed: summary.passed,
            failed: summary.failed,
            unknown: summary.unknown,
            slowest_ms: u64::try_from(summary.slowest.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Epoch;
    use jiff::Timestamp;

    fn at(second: u64) -> Stamp {
        Stamp {
            epoch: Epoch(1),
            mono_ns: 0,
            wall: Timestamp::UNIX_EPOCH,
        }
        .after(Duration::from_secs(second))
    }

    fn watch() -> Watch {
        let probe: ProbeName = "canary".parse().expect("a name");
        Watch::new(Tolerance {
            probe,
            fail_after: 3,
            pass_after: 2,
        })
    }

    fn sample(second: u64, result: SampleResult) -> Sample {
        Sample {
            sent: at(second),
            took: Duration::from_millis(5),
            result,
        }
    }

    fn failed() -> SampleResult {
        SampleResult::Failed("refused".into())
    }

    #[test]
    fn a_standing_changes_only_after_the_whole_streak_and_is_dated_to_its_first_sample() {
        let mut watch = watch();
        let mut facts = Vec::new();
        let results = [
            SampleResult::Passed,
            SampleResult::Passed,
            failed(),
            SampleResult::Passed,
            failed(),
            failed(),
            failed(),
        ];
        for (second, result) in (0..).zip(results) {
            facts.extend(watch.observe(&sample(second, result)));
        }
        let changes: Vec<_> = facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::ProbeChanged {
                    standing,
                    first,
                    previous,
                    ..
                } => Some((*standing, *first, *previous)),
                _ => None,
            })
            .collect();
        assert_eq!(
            changes,
            [
                (Standing::Passing, at(0), None),
                (Standing::Failing, at(4), Some(at(3)))
            ]
        );
    }

    #[test]
    fn three_questions_that_could_not_be_asked_make_a_probe_unusable_once() {
        let mut watch = watch();
        let facts: Vec<_> = (0..5)
            .flat_map(|s| watch.observe(&sample(s, SampleResult::Unknown("no such file".into()))))
            .collect();
        assert_eq!(
            facts
                .iter()
                .filter(|f| matches!(f, Fact::ProbeUnusable { .. }))
                .count(),
            1
        );
    }

    #[test]
    fn a_confirmation_counts_only_samples_sent_since_it_was_asked_for() {
        let mut watch = watch();
        watch.observe(&sample(0, SampleResult::Passed));
        watch.confirm(at(2));
        assert!(
            !watch
                .observe(&sample(1, SampleResult::Passed))
                .iter()
                .any(|f| matches!(f, Fact::ProbeConfirmed { .. }))
        );
        watch.observe(&sample(2, SampleResult::Passed));
        watch.observe(&sample(3, failed()));
        watch.observe(&sample(4, SampleResult::Passed));
        let facts = watch.observe(&sample(5, SampleResult::Passed));
        assert!(
            facts.contains(&Fact::ProbeConfirmed {
                probe: watch.probe().clone(),
                first: at(4)
            }),
            "{facts:?}"
        );
    }

    #[test]
    fn answers_are_summed_up_every_ten_seconds() {
        let mut watch = watch();
        let facts: Vec<_> = (0..=10)
            .flat_map(|s| watch.observe(&sample(s, SampleResult::Passed)))
            .collect();
        assert!(
            facts.iter().any(|f| matches!(
                f,
                Fact::ProbeSummary {
                    passed: 10,
                    failed: 0,
                    ..
                }
            )),
            "{facts:?}"
        );
        assert!(matches!(
            watch.flush(),
            Some(Fact::ProbeSummary { passed: 1, .. })
        ));
    }
}
