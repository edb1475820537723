//! Probe watching: from samples to standings. Samples are not events; what they add up to is.
//!
//! A watch is live-only: it is not rebuilt from a log, because an interrupted run is never resumed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Fact, Standing, StopCause};
use super::state::Disturbance;
use crate::model::experiment::Patience;
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
    /// How long it may fail until that stops the run.
    stops: Vec<Patience>,
    standing: Option<Standing>,
    streak: Option<Streak>,
    last_pass: Option<Stamp>,
    last_fail: Option<Stamp>,
    unknowns: u32,
    confirming: Option<Confirming>,
    /// The last stretch in which faults were on, and the one before it: an answer may come after its question's time.
    disturbed: [Option<Disturbance>; 2],
    row: Option<Row>,
    observed: bool,
    summary: Option<Summary>,
}

/// Samples in a row, each sent while a fault was on.
#[derive(Debug, Clone, Copy)]
struct Row {
    first: Stamp,
    count: u32,
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
            stops: Vec::new(),
            standing: None,
            streak: None,
            last_pass: None,
            last_fail: None,
            unknowns: 0,
            confirming: None,
            disturbed: [None, None],
            row: None,
            observed: false,
            summary: None,
        }
    }

    /// Stops the run, too, where the probe fails for longer than any of these. That is said with the sample that shows it
    /// and with every failing one after it: the engine knows when it counts.
    #[must_use]
    pub fn stopping(mut self, stops: Vec<Patience>) -> Self {
        self.stops = stops;
        self
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

    /// Hears of the stretch in which faults are on, when it begins and when it is over. Answers with the summary so far, so
    /// that none mixes samples from before, while and after.
    pub fn disturb(&mut self, stretch: Disturbance) -> Option<Fact> {
        let [latest, earlier] = &mut self.disturbed;
        if latest.is_some_and(|known| known.from != stretch.from) {
            *earlier = *latest;
        }
        *latest = Some(stretch);
        self.flush()
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
        if let Some(reason) = reason {
            facts.extend(self.stop(&streak, sample, reason));
        }
        self.streak = Some(streak);
        self.count_confirmation(sample, passing, facts);
        self.count_observation(sample, passing, facts);
    }

    /// The stop that a failing streak demands, if it has lasted too long.
    fn stop(&self, streak: &Streak, sample: &Sample, reason: &str) -> Option<Fact> {
        let failed = self.stops.iter().find_map(|patience| match *patience {
            Patience::Fails(limit) if streak.count >= limit => Some(format!(
                "it has failed {}, and the limit is {limit}",
                times(streak.count)
            )),
            Patience::FailsFor(limit) => {
                let lasted = sample.sent.since(&streak.first)?.unsigned_abs();
                (lasted >= limit.duration())
                    .then(|| format!("it has failed for {limit}, which is the limit"))
            }
            Patience::Fails(_) => None,
        })?;
        Some(Fact::StopRequested {
            cause: StopCause::Condition {
                probe: self.probe().clone(),
                reason: Some(format!("{failed}: {reason}")),
            },
        })
    }

    /// A failing streak that only the end of the fault cuts short proves nothing, so it is a passing sample that decides.
    fn count_observation(&mut self, sample: &Sample, passing: bool, facts: &mut Vec<Fact>) {
        let mut disturbed = self.disturbed.iter().flatten();
        if !disturbed.any(|one| one.holds(&sample.sent)) {
            self.row = None;
            return;
        }
        let row = self.row.get_or_insert(Row {
            first: sample.sent,
            count: 0,
        });
        row.count = row.count.saturating_add(1);
        if passing && !self.observed && row.count >= self.tolerance.fail_after {
            self.observed = true;
            facts.push(Fact::ProbeObserved {
                probe: self.tolerance.probe.clone(),
                first: row.first,
                samples: row.count,
            });
        }
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

    /// What has not been summed up yet.
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

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        more => format!("{more} times in a row"),
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

    /// How many samples are said to have observed a stretch of four seconds with a fault on.
    fn observed(results: impl IntoIterator<Item = SampleResult>) -> Option<u32> {
        let mut watch = watch();
        let mut facts = Vec::new();
        for (second, result) in (0..).zip(results) {
            if second == 2 {
                facts.extend(watch.disturb(Disturbance {
                    from: at(2),
                    to: None,
                }));
            }
            if second == 7 {
                facts.extend(watch.disturb(Disturbance {
                    from: at(2),
                    to: Some(at(6)),
                }));
            }
            facts.extend(watch.observe(&sample(second, result)));
        }
        let seen: Vec<_> = facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::ProbeObserved { first, samples, .. } => Some((*first, *samples)),
                _ => None,
            })
            .collect();
        assert!(seen.len() <= 1, "said once: {seen:?}");
        seen.first().map(|(first, samples)| {
            assert_eq!(
                *first,
                at(2),
                "samples from before the fault count for nothing"
            );
            *samples
        })
    }

    #[test]
    fn a_probe_is_observed_once_it_could_have_failed_while_a_fault_was_on_and_did_not() {
        let passed = || SampleResult::Passed;
        assert_eq!(observed((0..9).map(|_| passed())), Some(3));
        let flapping = [passed(), passed(), failed(), failed(), passed()];
        assert_eq!(observed(flapping), Some(3));
        let blinking = [passed(), passed(), passed(), failed(), failed(), passed()];
        assert_eq!(observed(blinking), Some(4));
    }

    #[test]
    fn a_probe_that_was_hardly_asked_or_failed_until_the_fault_went_is_not_observed() {
        let passed = || SampleResult::Passed;
        let early = [passed(), passed(), passed(), passed()];
        assert_eq!(observed(early), None, "two samples are fewer than three");
        // Samples at 2 to 5 s were sent with the fault on; the one at 7 s was not.
        let cut = [
            passed(),
            passed(),
            SampleResult::Unknown("no answer".into()),
            SampleResult::Unknown("no answer".into()),
            failed(),
            failed(),
        ];
        let after = (0..9).map(|_| passed());
        let mut watch = watch();
        watch.disturb(Disturbance {
            from: at(2),
            to: Some(at(6)),
        });
        let facts: Vec<_> = (0..)
            .zip(cut.into_iter().chain(after))
            .flat_map(|(second, result)| watch.observe(&sample(second, result)))
            .collect();
        let said = facts
            .iter()
            .any(|fact| matches!(fact, Fact::ProbeObserved { .. }));
        assert!(!said, "{facts:?}");
    }

    #[test]
    fn a_late_answer_counts_for_the_time_its_question_was_sent() {
        let mut watch = watch();
        let stretch = |from, to| Disturbance {
            from: at(from),
            to: Some(at(to)),
        };
        watch.disturb(stretch(0, 10));
        watch.observe(&sample(7, SampleResult::Passed));
        watch.observe(&sample(8, SampleResult::Passed));
        watch.disturb(stretch(12, 14));
        let facts = watch.observe(&sample(9, SampleResult::Passed));
        assert!(
            facts
                .iter()
                .any(|fact| matches!(fact, Fact::ProbeObserved { samples: 3, .. })),
            "{facts:?}"
        );
    }

    #[test]
    fn no_summary_mixes_samples_from_with_and_without_a_fault() {
        let mut watch = watch();
        watch.observe(&sample(0, SampleResult::Passed));
        let before = watch.disturb(Disturbance {
            from: at(1),
            to: None,
        });
        watch.observe(&sample(1, failed()));
        let meanwhile = watch.disturb(Disturbance {
            from: at(1),
            to: Some(at(2)),
        });
        assert!(matches!(
            before,
            Some(Fact::ProbeSummary {
                passed: 1,
                failed: 0,
                ..
            })
        ));
        assert!(matches!(
            meanwhile,
            Some(Fact::ProbeSummary {
                passed: 0,
                failed: 1,
                ..
            })
        ));
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
