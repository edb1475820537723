//! How often somebody may try: a bucket of tries for each key, refilled as time passes. Memory is bounded: however many
//! keys come, only so many are remembered, and those that tried most stay longest.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::time::Stamp;

/// Keys remembered at once.
const KEYS: usize = 4096;

/// Tries by key.
#[derive(Debug)]
pub(super) struct Limit<K> {
    /// Tries at once.
    burst: u32,
    /// How long one more takes to come back.
    refill: Duration,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// What is left of the burst, in nanoseconds of refilling.
    left: u64,
    at: u64,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    pub(super) fn new(burst: u32, refill: Duration) -> Self {
        Self {
            burst,
            refill,
            buckets: Mutex::default(),
        }
    }

    fn cost(&self) -> u64 {
        u64::try_from(self.refill.as_nanos()).unwrap_or(u64::MAX)
    }

    fn full(&self) -> u64 {
        self.cost().saturating_mul(u64::from(self.burst))
    }

    fn now(&self, bucket: Bucket, at: u64) -> u64 {
        bucket
            .left
            .saturating_add(at.saturating_sub(bucket.at))
            .min(self.full())
    }

    /// Whether `key` may try; else after how long. Nothing is counted.
    pub(super) fn ask(&self, key: &K, now: &Stamp) -> Result<(), Duration> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = buckets.get(key) else {
            return Ok(());
        };
        let left = self.now(*bucket, now.mono_ns);
        if left >= self.cost() {
            Ok(())
        } else {
            Err(Duration::from_nanos(self.cost() - left))
        }
    }

    /// Takes one try back.
    pub(super) fn give_back(&self, key: &K, now: &Stamp) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = buckets.get_mut(key) else {
            return;
        };
        let left = self.now(*bucket, now.mono_ns).saturating_add(self.cost());
        *bucket = Bucket {
            left: left.min(self.full()),
            at: now.mono_ns,
        };
    }

    /// Counts a try.
    pub(super) fn count(&self, key: &K, now: &Stamp) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let at = now.mono_ns;
        if !buckets.contains_key(key) && buckets.len() >= KEYS {
            let full = self.full();
            buckets.retain(|_, bucket| self.now(*bucket, at) < full);
            if buckets.len() >= KEYS {
                let least = buckets
                    .iter()
                    .max_by_key(|(_, bucket)| self.now(**bucket, at))
                    .map(|(key, _)| key.clone());
                if let Some(least) = least {
                    buckets.remove(&least);
                }
            }
        }
        let left = buckets
            .get(key)
            .map_or(self.full(), |bucket| self.now(*bucket, at));
        buckets.insert(
            key.clone(),
            Bucket {
                left: left.saturating_sub(self.cost()),
                at,
            },
        );
    }
}

/// What one client has of addresses: of IPv6 a whole /64 is usually one's own.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> 64 << 64;
            IpAddr::V6(bits.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Epoch;

    fn at(seconds: u64) -> Stamp {
        Stamp {
            epoch: Epoch(1),
            mono_ns: seconds * 1_000_000_000,
            wall: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn tries_run_out_and_come_back_with_time() {
        let limit = Limit::new(3, Duration::from_secs(10));
        for _ in 0..3 {
            assert_eq!(limit.ask(&"a", &at(0)), Ok(()));
            limit.count(&"a", &at(0));
        }
        assert_eq!(limit.ask(&"a", &at(4)), Err(Duration::from_secs(6)));
        assert_eq!(limit.ask(&"b", &at(4)), Ok(()));
        assert_eq!(limit.ask(&"a", &at(10)), Ok(()));
        limit.count(&"a", &at(10));
        assert!(limit.ask(&"a", &at(10)).is_err());
        limit.give_back(&"a", &at(10));
        assert_eq!(limit.ask(&"a", &at(10)), Ok(()));
        // However long ago, no more than the burst comes back.
        for _ in 0..3 {
            limit.count(&"a", &at(10_000));
        }
        assert!(limit.ask(&"a", &at(10_000)).is_err());
    }

    #[test]
    fn any_number_of_keys_takes_bounded_memory_and_frees_nobody_who_ran_out() {
        let limit = Limit::new(2, Duration::from_secs(10));
        limit.count(&u32::MAX, &at(0));
        limit.count(&u32::MAX, &at(0));
        for key in 0..20_000 {
            limit.count(&key, &at(0));
        }
        assert_eq!(limit.buckets.lock().expect("whole").len(), KEYS);
        assert!(limit.ask(&u32::MAX, &at(0)).is_err());
    }

    #[test]
    fn a_client_is_known_by_its_network() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
