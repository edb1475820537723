//! The scheduler: starts drills and game days when they are due, once, and says why when it does not.
//!
//! A surprise comes at a time of its window that is drawn from a secret of the server: whoever knows the files does not
//! know it, and every process of the server draws the same.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::time::Duration;

use croner::Cron;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use crate::model::schedule::{Days, Schedule, Scheduled};
use crate::model::time::Millis;
use crate::ports::{Answer, Clock};

/// How often the calendar is read anew: files change while the server runs.
const READ_EVERY: Duration = Duration::from_secs(20);

/// From one failed claim to the next try.
const CLAIM_AGAIN: Duration = Duration::from_secs(5);

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The most starts that are looked at for the next one: behind as many barred ones there is none.
const MOST_BARRED: usize = 20_000;

/// What the scheduler needs: what there is to start, a memory that outlives the process, and a way to start.
pub trait Agenda: Send + Sync {
    /// What starts by itself, as its files say now.
    fn scheduled(&self) -> Answer<'_, Vec<(Scheduled, Schedule)>>;
    /// What the times of surprises are drawn from: the same in every process of a server, and known to nobody else.
    fn secret(&self) -> Answer<'_, Result<String, String>>;
    /// When one was last due and claimed.
    fn last_due<'a>(
        &'a self,
        drill: &'a Scheduled,
    ) -> Answer<'a, Result<Option<Timestamp>, String>>;
    /// Claims a start; `false` where it was claimed before, by whichever process.
    fn claim<'a>(
        &'a self,
        drill: &'a Scheduled,
        due: Timestamp,
    ) -> Answer<'a, Result<bool, String>>;
    /// Says what came of a claimed start.
    fn note<'a>(&'a self, drill: &'a Scheduled, due: Timestamp, outcome: String) -> Answer<'a, ()>;
    /// Starts it; answers with what has begun, such as `run r1`.
    fn start<'a>(&'a self, drill: &'a Scheduled) -> Answer<'a, Result<String, String>>;
}

/// A time at which a drill starts, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// When.
    pub at: Timestamp,
    /// All that is said of a surprise before it comes: it begins no earlier, and ends no later.
    pub range: Option<(Timestamp, Timestamp)>,
    /// The blackout that keeps it from starting.
    pub barred: Option<Days>,
}

/// One drill's schedule, read, with what its surprises are drawn from.
struct Course<'a> {
    cron: Cron,
    zone: TimeZone,
    schedule: &'a Schedule,
    drill: &'a Scheduled,
    secret: &'a str,
}

impl<'a> Course<'a> {
    /// Nothing of a schedule that can't be read.
    fn read(schedule: &'a Schedule, drill: &'a Scheduled, secret: &'a str) -> Option<Self> {
        Some(Self {
            cron: Cron::from_str(&schedule.cron).ok()?,
            zone: TimeZone::get(&schedule.timezone).ok()?,
            schedule,
            drill,
            secret,
        })
    }

    /// The starts after `after`, in order, those that a blackout bars included.
    fn after(&self, after: Timestamp) -> impl Iterator<Item = Start> + '_ {
        let window = self.schedule.window.filter(|_| self.schedule.surprise);
        // A day's surprise may come later than the time that names the day.
        let mut from = match window {
            Some(_) => after.checked_sub(DAY).unwrap_or(after),
            None => after,
        };
        let mut day = None;
        let named = std::iter::from_fn(move || {
            let next = self
                .cron
                .find_next_occurrence(&from.to_zoned(self.zone.clone()), false)
                .ok()?;
            from = next.timestamp();
            Some(next)
        });
        named
            .filter(move |next| window.is_none() || day.replace(next.date()) != Some(next.date()))
            .filter_map(move |next| {
                let date = next.date();
                let days = self.schedule.blackout.iter();
                let barred = days.copied().find(|days| days.hold(date));
                let range = match (self.schedule.surprise, window) {
                    (false, _) => None,
                    (true, Some(hours)) => {
                        Some((self.at(date, hours.from())?, self.at(date, hours.to())?))
                    }
                    (true, None) => {
                        let begin = self.at(date, Time::midnight())?;
                        Some((begin, begin.checked_add(DAY).ok()?))
                    }
                };
                let at = match (window, range) {
                    (Some(_), Some((from, to))) => self.drawn(date, from, to),
                    _ => next.timestamp(),
                };
                Some(Start { at, range, barred })
            })
            .skip_while(move |start| start.at <= after)
    }

    fn at(&self, date: Date, time: Time) -> Option<Timestamp> {
        let zoned = date.to_datetime(time).to_zoned(self.zone.clone());
        Some(zoned.ok()?.timestamp())
    }

    /// A time of the window, to the second, drawn from the server's secret.
    fn drawn(&self, date: Date, from: Timestamp, to: Timestamp) -> Timestamp {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())
            .expect("a key of any length is one");
        mac.update(b"surprise start\0");
        mac.update(self.drill.to_string().as_bytes());
        mac.update(format!("\0{date}").as_bytes());
        let digest = mac.finalize().into_bytes();
        let number = digest
            .iter()
            .take(8)
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let seconds = u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0);
        let after = i64::try_from(number % seconds.max(1)).unwrap_or(0);
        from.checked_add(SignedDuration::from_secs(after))
            .unwrap_or(from)
    }
}

/// The first start after `after` that nothing bars. `None` for a schedule that never comes, or that can't be read.
pub fn next_start(
    schedule: &Schedule,
    drill: &Scheduled,
    secret: &str,
    after: Timestamp,
) -> Option<Start> {
    let course = Course::read(schedule, drill, secret)?;
    let mut next = course.after(after).take(MOST_BARRED);
    next.find(|start| start.barred.is_none())
}

/// The times after `from` and up to `to` at which a schedule starts its drill, or would without a blackout; at most `most`.
pub fn starts(
    schedule: &Schedule,
    drill: &Scheduled,
    secret: &str,
    (from, to): (Timestamp, Timestamp),
    most: usize,
) -> Vec<Start> {
    let Some(course) = Course::read(schedule, drill, secret) else {
        return Vec::new();
    };
    let within = course.after(from).take_while(|start| start.at <= to);
    within.take(most).collect()
}

/// What is to be done about one at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time, if ever.
    Waits(Option<Timestamp>),
    /// It was due at this time and may still start.
    Starts(Timestamp),
    /// It was due at this time and is too late; by how much.
    TooLate(Timestamp, SignedDuration),
}

/// Judges one: `since` is the last time that was settled. Of several missed times only the last one counts.
pub fn due(
    schedule: &Schedule,
    drill: &Scheduled,
    secret: &str,
    since: Timestamp,
    now: Timestamp,
) -> Due {
    let Some(course) = Course::read(schedule, drill, secret) else {
        return Due::Waits(None);
    };
    let (mut missed, mut next) = (None, None);
    // A week of a minutely schedule is some ten thousand steps; beyond it the rest is only ever skipped.
    let starts = course.after(since).take(MOST_BARRED);
    for start in starts.filter(|start| start.barred.is_none()) {
        if start.at > now {
            next = Some(start.at);
            break;
        }
        missed = Some(start.at);
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
    let mut settled: BTreeMap<Scheduled, Timestamp> = BTreeMap::new();
    while !cancel.is_cancelled() {
        let mut wait = READ_EVERY;
        let secret = match agenda.secret().await {
            Ok(secret) => secret,
            Err(error) => {
                tracing::error!(%error, "what surprises are drawn from can't be read: nothing starts by itself");
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(CLAIM_AGAIN) => continue,
                }
            }
        };
        for (drill, schedule) in agenda.scheduled().await {
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
            let at = match due(&schedule, &drill, &secret, since, now) {
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
async fn start(agenda: &dyn Agenda, drill: &Scheduled, at: Timestamp) -> bool {
    match agenda.claim(drill, at).await {
        Ok(true) => {}
        Ok(false) => return true,
        Err(error) => {
            tracing::error!(%drill, %error, "a scheduled start could not be claimed, and is not made yet");
            return false;
        }
    }
    let outcome = match agenda.start(drill).await {
        Ok(begun) => format!("started {begun}"),
        Err(why) => {
            tracing::warn!(%drill, %why, "a scheduled drill did not start");
            format!("not started: {why}")
        }
    };
    agenda.note(drill, at, outcome).await;
    true
}

async fn skip(agenda: &dyn Agenda, drill: &Scheduled, at: Timestamp, late: SignedDuration) {
    if matches!(agenda.claim(drill, at).await, Ok(true)) {
        let outcome = format!(
            "skipped: firedrill came {} late, which is beyond its tolerance",
            Millis::seconds(u64::try_from(late.as_secs()).unwrap_or_default())
        );
        tracing::warn!(%drill, due = %at, %outcome, "a scheduled drill was skipped");
        agenda.note(drill, at, outcome).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Millis;

    const SECRET: &str = "a secret of the tests";

    fn schedule(cron: &str, zone: &str) -> Schedule {
        Schedule {
            cron: cron.into(),
            timezone: zone.into(),
            tolerance: Millis::seconds(600),
            surprise: false,
            window: None,
            blackout: Vec::new(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn drill() -> Scheduled {
        "outage".parse().expect("a name")
    }

    fn next_due(schedule: &Schedule, after: Timestamp) -> Option<Timestamp> {
        super::next_start(schedule, &drill(), SECRET, after).map(|start| start.at)
    }

    fn due(schedule: &Schedule, since: Timestamp, now: Timestamp) -> Due {
        super::due(schedule, &drill(), SECRET, since, now)
    }

    #[test]
    fn a_surprise_comes_within_its_window_once_a_day_and_is_the_same_when_asked_again() {
        let surprise = Schedule {
            surprise: true,
            window: Some("10:00-16:00".parse().expect("hours")),
            ..schedule("0 9,10 * * TUE", "Europe/Berlin")
        };
        let (from, to) = (at("2026-11-01T00:00:00Z"), at("2027-03-01T00:00:00Z"));
        let all = |secret: &str| super::starts(&surprise, &drill(), secret, (from, to), 100);
        let found = all(SECRET);
        assert_eq!(found.len(), 17, "one for each Tuesday: {found:?}");
        for start in &found {
            let (begin, end) = start.range.expect("a range");
            assert!(begin <= start.at && start.at < end, "{start:?}");
            assert_eq!(end.duration_since(begin), SignedDuration::from_hours(6));
            assert_eq!(
                begin.strftime("%H:%M").to_string(),
                "09:00",
                "10:00 in Berlin"
            );
        }
        assert_eq!(found, all(SECRET));
        let differ = found.iter().zip(all("another"));
        let differ = differ.filter(|(one, other)| one.at != other.at).count();
        assert!(differ > 10, "the secret hardly matters");
        let offsets: std::collections::BTreeSet<_> = found
            .iter()
            .filter_map(|start| Some(start.at.duration_since(start.range?.0).as_secs() / 3600))
            .collect();
        assert!(offsets.len() > 2, "they all come at one time: {offsets:?}");
        // Whether asked before or within the window, the next is the same.
        let first = found[0].at;
        assert_eq!(next_due(&surprise, from), Some(first));
        assert_eq!(
            next_due(
                &surprise,
                first
                    .checked_sub(SignedDuration::from_secs(1))
                    .expect("a time")
            ),
            Some(first)
        );
        assert_eq!(next_due(&surprise, first), Some(found[1].at));
    }

    #[test]
    fn a_surprise_without_a_window_is_told_by_its_day() {
        let surprise = Schedule {
            surprise: true,
            ..schedule("30 13 * * *", "UTC")
        };
        let found = super::starts(
            &surprise,
            &drill(),
            SECRET,
            (at("2026-11-23T00:00:00Z"), at("2026-11-23T23:00:00Z")),
            10,
        );
        let range = Some((at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z")));
        assert_eq!(
            (found[0].at, found[0].range),
            (at("2026-11-23T13:30:00Z"), range)
        );
    }

    #[test]
    fn nothing_starts_in_a_blackout_and_the_calendar_says_why() {
        let barred = Schedule {
            blackout: vec!["2026-12-20/2027-01-03".parse().expect("days")],
            ..schedule("0 10 * * TUE", "Europe/Berlin")
        };
        assert_eq!(
            next_due(&barred, at("2026-12-16T00:00:00Z")),
            Some(at("2027-01-05T09:00:00Z"))
        );
        let found = super::starts(
            &barred,
            &drill(),
            SECRET,
            (at("2026-12-16T00:00:00Z"), at("2027-01-06T00:00:00Z")),
            10,
        );
        let told: Vec<_> = found.iter().map(|start| start.barred.is_some()).collect();
        assert_eq!(told, [true, true, false]);
        assert!(matches!(
            due(
                &barred,
                at("2026-12-16T00:00:00Z"),
                at("2026-12-29T10:00:00Z")
            ),
            Due::Waits(Some(_))
        ));
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
