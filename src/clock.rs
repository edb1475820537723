//! The real clocks, and what must be new or random: the only readers of either.

use std::time::Instant;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use sha2::Sha256;

use crate::model::ids::RunId;
use crate::model::time::{Epoch, Stamp};
use crate::ports::{Clock, Ids};

/// This process's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    epoch: Epoch,
    began: Instant,
}

impl SystemClock {
    /// A clock with an epoch of its own. Make one a process: stamps of different clocks are never subtracted.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the adapter that reads the monotonic clock"
    )]
    pub fn start() -> Self {
        // 53 bits, so that the epoch survives readers of JSON that know only doubles.
        Self {
            epoch: Epoch(random() >> 11),
            began: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the adapter that reads the wall clock"
    )]
    fn now(&self) -> Stamp {
        let mono_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Stamp {
            epoch: self.epoch,
            mono_ns,
            wall: Timestamp::now(),
        }
    }
}

/// Ids and seeds from the system's randomness.
#[derive(Debug, Clone, Copy)]
pub struct SystemIds {
    clock: SystemClock,
    key: [u8; 32],
}

impl SystemIds {
    /// Ids dated by this clock.
    pub fn new(clock: SystemClock) -> Self {
        Self::sealed_by(clock, secret())
    }

    /// The same, with the seeds of surprise drills made from a secret that is kept: whoever knows it can show afterwards
    /// that none was chosen.
    pub fn sealed_by(clock: SystemClock, key: [u8; 32]) -> Self {
        Self { clock, key }
    }
}

impl Ids for SystemIds {
    fn run(&self) -> RunId {
        let wall = self.clock.now().wall.to_zoned(TimeZone::UTC);
        let text = format!("{}-{:06x}", wall.strftime("%Y%m%d-%H%M%S"), random() >> 40);
        text.parse()
            .expect("digits, letters and dashes make a name")
    }

    fn sealed_seed(&self, run: &RunId) -> u64 {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any key is long enough");
        mac.update(b"the seed of the surprise drill ");
        mac.update(run.as_str().as_bytes());
        let code = mac.finalize().into_bytes();
        let (first, _) = code.split_at(8);
        let bits = first
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        // 53 bits, as any seed.
        bits >> 11
    }

    fn seed(&self) -> u64 {
        // 53 bits: a seed is copied out of JSON reports into `--seed`.
        random() >> 11
    }
}

/// Random bits from the system.
///
/// # Panics
/// Where the system has no randomness, as only before it has booted.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the adapter that draws randomness"
)]
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system's randomness answers once it has booted");
    u64::from_le_bytes(bytes)
}

/// A secret of 256 bits from the system's randomness: a session's or an API token, a salt.
///
/// # Panics
/// As [`random`].
#[expect(
    clippy::disallowed_methods,
    reason = "this is the adapter that draws randomness"
)]
pub fn secret() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system's randomness answers once it has booted");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_forward_on_its_own_epoch() {
        let clock = SystemClock::start();
        let (one, two) = (clock.now(), clock.now());
        assert!(two.since(&one).is_some_and(|d| !d.is_negative()));
        assert_eq!(SystemClock::start().now().since(&one), None);
    }

    #[test]
    fn run_ids_are_new_each_time() {
        let ids = SystemIds::new(SystemClock::start());
        assert_ne!(ids.run(), ids.run());
    }

    #[test]
    fn a_surprise_drills_seed_is_made_from_the_secret_and_the_run_alone() {
        let clock = SystemClock::start();
        let run = |text: &str| text.parse().expect("a run");
        let ids = SystemIds::sealed_by(clock, [7; 32]);
        let again = SystemIds::sealed_by(SystemClock::start(), [7; 32]);
        assert_eq!(ids.sealed_seed(&run("r1")), again.sealed_seed(&run("r1")));
        assert_ne!(ids.sealed_seed(&run("r1")), ids.sealed_seed(&run("r2")));
        let other = SystemIds::sealed_by(clock, [8; 32]);
        assert_ne!(ids.sealed_seed(&run("r1")), other.sealed_seed(&run("r1")));
        assert!(ids.sealed_seed(&run("r1")) < 1 << 53);
    }
}
