//! The scheduler: starts drills when they are due, once, and says why when it does not.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::model::ids::{DrillName, RunId};
use crate::model::schedule::Schedule;
use crate::ports::{Answer, Clock};

/// How often the calendar is read anew: files change while the server runs.
const READ_EVERY: Duration = Duration::from_secs(20);

/// From one failed claim to the next try.
const CLAIM_AGAIN: Duration = Duration::from_secs(5);

/// What the scheduler needs: the drills there are, a memory that outlives the process, and a way to start.
pub trait Agenda: Send + Sync {
    /// The drills that start by themselves, as their files say now.
    fn drills(&self) -> Answer<'_, Vec<(DrillName, Schedule)>>;
    /// When a drill was last due and claimed.
    fn last_due<'a>(
        &'a self,
        drill: &'a DrillName,
    ) -> Answer<'a, Result<Option<Timestamp>, String>>;
    /// Claims a start; `false` where it was claimed before, by whichever process.
    fn claim<'a>(
        &'a self,
        drill: &'a DrillName,
        due: Timestamp,
    ) -> Answer<'a, Result<bool, String>>;
    /// Says what came of a claimed start.
    fn note<'a>(&'a self, drill: &'a DrillName, due: Timestamp, outcome: String) -> Answer<'a, ()>;
    /// Starts a drill.
    fn start<'a>(&'a self, drill: &'a DrillName) -> Answer<'a, Result<RunId, String>>;
}

/// The first time after `after` that a schedule names. `None` for a schedule that never comes, or that can't be read.
pub fn next_due(schedule: &Schedule, after: Timestamp) -> Option<Timestamp> {
    let cron = Cron::from_str(&schedule.cron).ok()?;
    let zone = TimeZone::get(&schedule.timezone).ok()?;
    let next = cron
        .find_next_occurrence(&after.to_zoned(zone), false)
        .ok()?;
    Some(next.timestamp())
}

/// What is to be done about a drill at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time, if ever.
    Waits(Option<Timestamp>),
    /// It was due at this time and may still start.
    Starts(Timestamp),
    /// It was due at this time and is too late; by how much.
    TooLate(Timestamp, SignedDuration),
}

/// Judges a drill: `since` is the last time that was settled. Of several missed times only the last one counts.
pub fn due(schedule: &Schedule, since: Timestamp, now: Timestamp) -> Due {
    let mut missed = None;
    let mut next = next_due(schedule, since);
    // A week of a minutely schedule is some ten thousand steps; beyond it the rest is only ever skipped.
    for _ in 0..20_000 {
        match next {
            Some(at) if at <= now => {
                missed = Some(at);
                next = next_due(schedule, at);
            }
            _ => break,
        }
    }
    let Some(at) = missed else {
        return Due::Waits(next);
    };
    let late = now.duration_since(at);
    let tolerance =
        SignedDuration::try_from(schedule.tolerance.duration()).unwrap_or(SignedDuration::MAX);
    if late <= tolerance {
        Due::Starts(at)
    } else {
        Due::TooLate(at, late)
    }
}

/// Keeps the calendar until it is cancelled. Cancel safe: a start that was claimed and not made is noted as such by
/// its absence, and never made later.
pub async fn keep(agenda: &dyn Agenda, clock: &dyn Clock, cancel: &CancellationToken) {
    let began = clock.now().wall;
    let mut settled: BTreeMap<DrillName, Timestamp> = BTreeMap::new();
    while !cancel.is_cancelled() {
        let mut wait = READ_EVERY;
        for (drill, schedule) in agenda.drills().await {
            let since = match settled.get(&drill) {
                Some(since) => *since,
                None => match agenda.last_due(&drill).await {
                    // Times before a drill was first seen are nobody's.
                    Ok(last) => last.unwrap_or(began),
                    Err(error) => {
                        tracing::error!(%drill, %error, "the schedule's memory can't be read");
                        continue;
                    }
                },
            };
            let now = clock.now().wall;
            let at = match due(&schedule, since, now) {
                Due::Waits(next) => {
                    let left =
                        next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
                    wait = wait.min(left.unwrap_or(READ_EVERY));
                    continue;
                }
                Due::Starts(at) => {
                    // One that can't be claimed is tried again, for as long as its tolerance lasts.
                    if !start(agenda, &drill, at).await {
                        wait = wait.min(CLAIM_AGAIN);
                        continue;
                    }
                    at
                }
                Due::TooLate(at, late) => {
                    skip(agenda, &drill, at, late).await;
                    at
                }
            };
            settled.insert(drill, at);
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(wait.max(Duration::from_millis(200))) => {}
        }
    }
}

/// Claims and makes a start. Answers whether it is settled.
async fn start(agenda: &dyn Agenda, drill: &DrillName, at: Timestamp) -> bool {
    match agenda.claim(drill, at).await {
        Ok(true) => {}
        Ok(false) => return true,
        Err(error) => {
            tracing::error!(%drill, %error, "a scheduled start could not be claimed, and is not made yet");
            return false;
        }
    }
    let outcome = match agenda.start(drill).await {
        Ok(run) => format!("started run {run}"),
        Err(why) => {
            tracing::warn!(%drill, %why, "a scheduled drill did not start");
            format!("not started: {why}")
        }
    };
    agenda.note(drill, at, outcome).await;
    true
}

async fn skip(agenda: &dyn Agenda, drill: &DrillName, at: Timestamp, late: SignedDuration) {
    if matches!(agenda.claim(drill, at).await, Ok(true)) {
        let outcome = format!(
            "skipped: firedrill came {}s late, which is beyond its tolerance",
            late.as_secs()
        );
        tracing::warn!(%drill, due = %at, %outcome, "a scheduled drill was skipped");
        agenda.note(drill, at, outcome).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Millis;

    fn schedule(cron: &str, zone: &str) -> Schedule {
        Schedule {
            cron: cron.into(),
            timezone: zone.into(),
            tolerance: Millis::seconds(600),
            surprise: false,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_schedule_keeps_its_local_hour_across_clock_changes() {
        let schedule = schedule("0 10 * * *", "Europe/Berlin");
        assert_eq!(
            next_due(&schedule, at("2026-10-24T00:00:00Z")),
            Some(at("2026-10-24T08:00:00Z"))
        );
        assert_eq!(
            next_due(&schedule, at("2026-10-24T12:00:00Z")),
            Some(at("2026-10-25T09:00:00Z"))
        );
    }

    #[test]
    fn a_hour_that_a_clock_change_skips_is_not_lost_for_good() {
        let schedule = schedule("30 2 * * *", "Europe/Berlin");
        let next = next_due(&schedule, at("2026-03-28T12:00:00Z")).expect("a time");
        assert!(next <= at("2026-03-30T00:30:00Z"), "{next}");
    }

    #[test]
    fn a_late_start_is_made_within_its_tolerance_and_skipped_beyond() {
        let schedule = schedule("0 10 * * TUE", "UTC");
        let since = at("2026-11-23T00:00:00Z");
        assert_eq!(
            due(&schedule, since, at("2026-11-24T09:59:59Z")),
            Due::Waits(Some(at("2026-11-24T10:00:00Z")))
        );
        assert_eq!(
            due(&schedule, since, at("2026-11-24T10:05:00Z")),
            Due::Starts(at("2026-11-24T10:00:00Z"))
        );
        assert!(
            matches!(due(&schedule, since, at("2026-11-24T11:00:00Z")), Due::TooLate(at_, _) if at_ == at("2026-11-24T10:00:00Z"))
        );
    }

    #[test]
    fn of_several_missed_times_only_the_last_one_counts() {
        let schedule = schedule("* * * * *", "UTC");
        let judged = due(
            &schedule,
            at("2026-11-23T00:00:00Z"),
            at("2026-11-23T05:00:30Z"),
        );
        assert_eq!(judged, Due::Starts(at("2026-11-23T05:00:00Z")));
    }
}
