//! Draws that are the same for the same seed: streams of numbers named by what they are for.
//!
//! A stream begins at a hash of the seed and its name, and goes on as `SplitMix64` (G. L. Steele, D. Lea and C. H. Flood,
//! "Fast splittable pseudorandom number generators", OOPSLA 2014). Gamma numbers are by G. Marsaglia and W. W. Tsang,
//! ACM Transactions on Mathematical Software 26 (2000), 363–372; normal ones by G. E. P. Box and M. E. Muller (1958).

use sha2::{Digest as _, Sha256};

use super::float;

/// The step of `SplitMix64`: the golden ratio's fraction in 64 bits.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The greatest mean that one draw of a Poisson number is made with; greater ones are sums.
const AT_ONCE: f64 = 30.0;

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Stream(u64);

impl Stream {
    /// The stream of this seed and name.
    pub fn new(seed: u64, name: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        for part in name {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let first = digest.iter().take(8);
        Self(first.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to below 1.
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are what such a number holds"
    )]
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number above 0 and up to 1.
    fn positive(&mut self) -> f64 {
        1.0 - self.share()
    }

    /// A normal number: mean 0, standard deviation 1.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.positive().ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.share()).cos()
    }

    /// A gamma number with this shape, above 0, and scale 1.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let above = self.gamma(shape + 1.0);
            return above * self.positive().powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.positive().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// A Poisson number with this mean: of many, the sum of several.
    pub fn poisson(&mut self, mean: f64) -> usize {
        let mut parts = 1;
        while mean / float(parts) > AT_ONCE {
            parts += 1;
        }
        let floor = (-mean / float(parts)).exp();
        let mut count = 0;
        for _ in 0..parts {
            let mut product = self.positive();
            while product > floor {
                count += 1;
                product *= self.positive();
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_its_seed_and_its_name_and_nothing_else() {
        let first = |seed, name: &[&str]| Stream::new(seed, name).next();
        assert_eq!(first(1, &["a", "b"]), first(1, &["a", "b"]));
        let others = [first(2, &["a", "b"]), first(1, &["ab"]), first(1, &["a"])];
        assert!(!others.contains(&first(1, &["a", "b"])));
    }

    /// The first numbers of `SplitMix64` from state 1234567, as its authors' reference prints them.
    #[test]
    fn numbers_are_those_of_the_reference() {
        let mut stream = Stream(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| stream.next()).collect();
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn means_and_variances_are_what_they_should_be() {
        let mut stream = Stream::new(7, &["moments"]);
        let count = 20_000;
        let mut check =
            |what: &str, mean: f64, variance: f64, draw: &mut dyn FnMut(&mut Stream) -> f64| {
                let all: Vec<f64> = (0..count).map(|_| draw(&mut stream)).collect();
                let found = all.iter().sum::<f64>() / float(count);
                let spread = all.iter().map(|x| (x - found).powi(2)).sum::<f64>() / float(count);
                let error = (variance / float(count)).sqrt();
                assert!((found - mean).abs() < 4.0 * error, "{what}: mean {found}");
                assert!(
                    (spread / variance - 1.0).abs() < 0.06,
                    "{what}: variance {spread}"
                );
            };
        check("share", 0.5, 1.0 / 12.0, &mut Stream::share);
        check("normal", 0.0, 1.0, &mut Stream::normal);
        check("gamma 0.5", 0.5, 0.5, &mut |s| s.gamma(0.5));
        check("gamma 4.5", 4.5, 4.5, &mut |s| s.gamma(4.5));
        check("poisson 0.7", 0.7, 0.7, &mut |s| float(s.poisson(0.7)));
        check("poisson 80", 80.0, 80.0, &mut |s| float(s.poisson(80.0)));
    }
}
