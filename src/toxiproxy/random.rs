//! Repeatable draws: every random choice is a pure function of (seed, labels, index).
//!
//! No generator carries state between connections, so the order in which tasks happen to run cannot change a draw: the
//! same seed, proxy name, connection number and purpose always give the same value. Not for secrets.

use std::io;

/// A point in the tree of draws; narrowing it by a label or a number gives an independent one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(mix(seed))
    }

    #[must_use]
    pub(crate) fn of(self, label: &str) -> Self {
        // FNV-1a over the label; the length goes in too, so that ("ab", "c") and ("a", "bc") differ.
        let hash = label.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(mix(self.0 ^ mix(hash ^ ((label.len() as u64) << 56))))
    }

    #[must_use]
    pub(crate) fn numbered(self, index: u64) -> Self {
        Self(mix(self.0 ^ mix(index.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// Uniform over all 64-bit words.
    pub(crate) fn word(self, index: u64) -> u64 {
        self.numbered(index).0
    }

    /// Uniform in `[0, 1)`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub(crate) fn unit(self, index: u64) -> f64 {
        (self.word(index) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `0..bound`, 0 for a bound of 0. The multiply-shift bias is below 2⁻³⁰ for bounds up to 2³⁴.
    pub(crate) fn below(self, index: u64, bound: u64) -> u64 {
        ((u128::from(self.word(index)) * u128::from(bound)) >> 64) as u64
    }
}

/// A seed for a server that was given none. The only place of this module that asks the system for randomness.
#[expect(
    clippy::disallowed_methods,
    reason = "the server imports nothing of the crate, ports::Ids included; without a seed it must take one somewhere"
)]
pub(crate) fn fresh_seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(bytes))
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014).
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_path_gives_the_same_draw_and_another_path_another() {
        let draw = |seed, proxy: &str, connection, purpose: &str| {
            Draws::seeded(seed)
                .of(proxy)
                .numbered(connection)
                .of(purpose)
                .word(0)
        };
        assert_eq!(draw(1, "redis", 4, "jitter"), draw(1, "redis", 4, "jitter"));
        for other in [
            draw(2, "redis", 4, "jitter"),
            draw(1, "rediss", 4, "jitter"),
            draw(1, "redis", 5, "jitter"),
            draw(1, "redis", 4, "toxicity"),
        ] {
            assert_ne!(draw(1, "redis", 4, "jitter"), other);
        }
    }

    #[test]
    fn units_fill_their_interval_evenly() {
        let draws = Draws::seeded(7);
        let mut buckets = [0_u32; 10];
        for index in 0..10_000 {
            let bucket = draws.below(index, 10);
            buckets[usize::try_from(bucket).unwrap()] += 1;
            let unit = draws.unit(index);
            assert!((0.0..1.0).contains(&unit));
        }
        assert!(
            buckets.iter().all(|count| (850..1150).contains(count)),
            "{buckets:?}"
        );
    }

    #[test]
    fn a_bound_of_zero_draws_zero() {
        assert_eq!(Draws::seeded(1).below(3, 0), 0);
    }
}
