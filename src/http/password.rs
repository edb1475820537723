//! Passwords: Argon2id with 19 MiB, two passes and one lane, as OWASP's Password Storage Cheat Sheet recommends.
//!
//! Hashing takes a core for tens of milliseconds: it runs off the async threads, and few at once, so that a flood of
//! log-ins takes neither the memory nor the cores that a drill needs.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::http::StatusCode;
use tokio::sync::Semaphore;

use super::problem::Problem;
use crate::clock;

/// Passwords hashed at once.
static PLACES: Semaphore = Semaphore::const_new(2);

/// The fewest characters.
pub(super) const SHORTEST: usize = 12;

/// The most bytes: what is longer only costs time.
const LONGEST: usize = 256;

static NOBODYS: LazyLock<Option<String>> =
    LazyLock::new(|| digest("nobody has this password", &[7; 16]).ok());

fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn digest(password: &str, salt: &[u8]) -> Result<String, argon2::password_hash::Error> {
    let hash: PasswordHash = argon2().hash_password_with_salt(password.as_bytes(), salt)?;
    Ok(hash.to_string())
}

fn matches(password: &str, hash: &str) -> bool {
    // The parameters are those of the hash: one made with weaker ones stays readable.
    PasswordHash::new(hash)
        .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Hashes a new password, after looking whether it will do.
pub(super) async fn hash(password: String) -> Result<String, Problem> {
    if password.chars().count() < SHORTEST || password.len() > LONGEST {
        return Err(Problem::unprocessable(
            "bad-password",
            format!("a password has at least {SHORTEST} characters, and at most {LONGEST} bytes"),
        ));
    }
    off_thread(move || digest(&password, &clock::secret()[..16]))
        .await?
        .map_err(|error| Problem::internal(&error))
}

/// Whether `password` is the one that was hashed; without a hash it takes as long and is not.
pub(super) async fn verify(password: String, hash: Option<String>) -> Result<bool, Problem> {
    if password.len() > LONGEST {
        return Ok(false);
    }
    off_thread(move || {
        let known = hash.is_some();
        let hash = hash.or_else(|| NOBODYS.clone()).unwrap_or_default();
        matches(&password, &hash) && known
    })
    .await
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let _place = PLACES.acquire().await.map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting-down",
            "firedrill is shutting down",
        )
    })?;
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Problem::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_hashed_with_a_salt_of_its_own_and_known_again() {
        let password = "correct horse battery";
        let one = hash(password.to_owned()).await.expect("hashed");
        let two = hash(password.to_owned()).await.expect("hashed");
        assert_ne!(one, two);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert!(
            verify(password.to_owned(), Some(one.clone()))
                .await
                .expect("asked")
        );
        assert!(
            !verify("Correct horse battery".to_owned(), Some(one))
                .await
                .expect("asked")
        );
        assert!(!verify(password.to_owned(), None).await.expect("asked"));
        assert!(
            !verify(password.to_owned(), Some("no hash".to_owned()))
                .await
                .expect("asked")
        );
        let nobodys = "nobody has this password".to_owned();
        assert!(
            !verify(nobodys, None).await.expect("asked"),
            "nobody has it"
        );
    }

    #[tokio::test]
    async fn short_and_endless_passwords_are_refused() {
        for bad in ["", "elevenchars", &"x".repeat(257)] {
            let problem = hash(bad.to_owned()).await.expect_err("refused");
            assert_eq!(problem.code, "bad-password");
        }
    }
}
