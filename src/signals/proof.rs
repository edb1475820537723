//! Proof of who sends: signatures and tokens, compared in a time that says nothing about them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{Arrival, Refusal};
use crate::model::signal::Secret;

/// How far a signed time may be from the time of arrival.
pub(super) const WINDOW: SignedDuration = SignedDuration::from_secs(300);

/// The token of a bearer, or of the address where the sender can give it nowhere else.
pub(super) fn token(known: &[Secret], arrival: &Arrival<'_>) -> Result<(), Refusal> {
    let header = arrival.headers.get("authorization");
    let given = header
        .and_then(|value| value.strip_prefix("Bearer "))
        .or(arrival.token)
        .unwrap_or_default();
    // Every token is compared, in full: how long it takes says nothing about any of them.
    let is_known = known.iter().fold(false, |is_known, secret| {
        is_known | same(secret.expose(), given.as_bytes())
    });
    if is_known {
        Ok(())
    } else {
        Err(Refusal::Unproven("the bearer token is missing or wrong"))
    }
}

/// Whether two secrets are one, in a time that depends on neither: digests have one length, and all of it is compared.
fn same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    let difference = one
        .iter()
        .zip(other.iter())
        .fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// Whether one of the signatures, in hex, is what one of the secrets makes of these pieces in a row.
pub(super) fn is_signed<'a>(
    secrets: &[Secret],
    pieces: &[&[u8]],
    signatures: impl Iterator<Item = &'a str>,
) -> bool {
    // A header may hold any number of them; a rotation needs two or three.
    const MOST: usize = 8;
    let signatures: Vec<Vec<u8>> = signatures.take(MOST).filter_map(bytes).collect();
    let mut signed = false;
    for secret in secrets {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose()) else {
            continue;
        };
        for piece in pieces {
            mac.update(piece);
        }
        for signature in &signatures {
            signed |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    signed
}

/// The bytes of a text in hex.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect())
}

/// Whether a time in seconds since 1970, as signed along, is near enough to the time of arrival: an older message is
/// somebody's copy.
pub(super) fn is_fresh(seconds: &str, received: Timestamp) -> bool {
    let signed = seconds
        .parse::<i64>()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    signed.is_some_and(|signed| received.duration_since(signed).abs() <= WINDOW)
}

/// The SHA-256 of something, in hex.
pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same(b"s3cret", b"s3cret"));
        for wrong in [&b"s3cre"[..], b"s3crets", b"", b"S3cret"] {
            assert!(!same(b"s3cret", wrong));
        }
    }

    #[test]
    fn hex_is_read_whole_or_not_at_all() {
        assert_eq!(bytes("00ffA0"), Some(vec![0, 255, 160]));
        assert_eq!(bytes(""), Some(Vec::new()));
        for bad in ["0", "0g", "ä0", " 00"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
