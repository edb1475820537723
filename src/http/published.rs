//! What a platform publishes of its drills: only where the configuration says so. It is reckoned at most once a minute,
//! however many ask, and names nothing that helps an attacker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::Services;
use super::problem::Problem;
use super::series::latest_runs;
use crate::store::summaries::{Counted, Series, Summarised};

/// How old figures may be.
const FRESH: Duration = Duration::from_mins(1);

/// A quarter of a year.
const QUARTER: SignedDuration = SignedDuration::from_hours(24 * 365 / 4);

/// How many of them are told.
pub(super) const QUARTERS: usize = 4;

/// The most corrective actions that are counted.
const MOST_ACTIONS: u32 = 1_000;

/// Scenarios that are listed.
const MOST: usize = 26;

/// What a platform publishes, and what was last said.
#[derive(Debug, Clone)]
pub struct Published {
    platform: Arc<str>,
    last: Arc<Mutex<Option<Last>>>,
}

/// What was said, and when.
type Last = (Instant, Arc<Gathered>);

/// All that is published.
#[derive(Debug)]
pub(super) struct Gathered {
    /// When it was gathered; no more than its month is told.
    pub(super) at: Timestamp,
    /// What drills came to in each of four times three months, the latest first.
    pub(super) quarters: Vec<Counted>,
    /// Corrective actions that are open.
    pub(super) actions: usize,
    /// How many of them are late.
    pub(super) late: usize,
    /// Each scenario with its latest runs, in the order in which they were first drilled.
    pub(super) scenarios: Vec<(Series, Vec<Summarised>)>,
}

impl Published {
    /// Publishes under the name by which the platform calls itself.
    pub fn of(platform: &str) -> Self {
        Self {
            platform: platform.into(),
            last: Arc::default(),
        }
    }

    /// The platform, as it calls itself.
    pub(super) fn platform(&self) -> &str {
        &self.platform
    }

    fn fresh(&self) -> Option<Arc<Gathered>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, gathered) = last.as_ref()?;
        (at.elapsed() < FRESH).then(|| gathered.clone())
    }

    /// What is published now.
    pub(super) async fn gathered(&self, services: &Services) -> Result<Arc<Gathered>, Problem> {
        if let Some(gathered) = self.fresh() {
            return Ok(gathered);
        }
        let gathered = Arc::new(gather(services).await?);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), gathered.clone()));
        Ok(gathered)
    }
}

/// What is published here; a problem where nothing is.
pub(super) fn published(services: &Services) -> Result<Published, Problem> {
    services
        .published
        .clone()
        .ok_or_else(|| Problem::missing("no-such-address", "nothing is published here; hint: `transparency: {platform: NAME}` in the configuration of `firedrill serve` publishes this page"))
}

async fn gather(services: &Services) -> Result<Gathered, Problem> {
    let now = services.now().wall;
    let mut quarters = Vec::new();
    let mut to = now;
    for _ in 0..QUARTERS {
        let from = to.checked_sub(QUARTER).unwrap_or(Timestamp::MIN);
        quarters.push(services.database.counted_between(from, to).await?);
        to = from;
    }
    let mut series = services.database.series().await?;
    series.retain(|one| one.scenario.drill && !one.scenario.rehearsal);
    // In the order in which they were first drilled: it says nothing about when they were last.
    series.sort_by_key(|one| one.id);
    let mut scenarios = Vec::new();
    for one in series.into_iter().take(MOST) {
        let runs = latest_runs(services, &one).await?;
        scenarios.push((one, runs));
    }
    let open = services.database.open_actions(MOST_ACTIONS).await?;
    let today = now.to_zoned(TimeZone::UTC).date();
    Ok(Gathered {
        at: now,
        quarters,
        actions: open.len(),
        late: open.iter().filter(|action| action.due < today).count(),
        scenarios,
    })
}

/// What all quarters come to.
pub(super) fn sum(quarters: &[Counted], count: fn(&Counted) -> u64) -> u64 {
    quarters.iter().map(count).sum()
}

/// For how much of the time that faults were on and the stack was watched it was well, in tenths of a percent, rounded
/// down: no better than it is. Nothing where it was not watched.
pub(super) fn uptime(quarters: &[Counted]) -> Option<u64> {
    let watched = sum(quarters, |one| one.watched_ms);
    let hurt = sum(quarters, |one| one.hurt_ms);
    (watched > 0).then(|| thousandths(watched - hurt.min(watched), watched))
}

fn thousandths(part: u64, all: u64) -> u64 {
    let share = u128::from(part) * 1000 / u128::from(all.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// What a scenario is called where it has no name: `A` to `Z`, then `AA`.
pub(super) fn letter(index: usize) -> String {
    let of =
        |index: usize| u8::try_from(index % 26).map_or('Z', |offset| char::from(b'A' + offset));
    match index / 26 {
        0 => of(index).to_string(),
        round => format!("{}{}", of(round - 1), of(index)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_never_rounded_up() {
        assert_eq!(thousandths(9_999, 10_000), 999);
        assert_eq!(thousandths(1, 1), 1000);
        assert_eq!(thousandths(0, 7), 0);
    }

    #[test]
    fn scenarios_have_letters_that_say_nothing() {
        let letters: Vec<String> = [0, 1, 25, 26, 27].into_iter().map(letter).collect();
        assert_eq!(letters, ["A", "B", "Z", "AA", "AB"]);
    }
}
