//! The token service: issues and checks log-in tokens.
//!
//! A token is `hex(claims) . hex(signature)`, the claims being JSON signed with ed25519. The deployed *version* is the
//! issuing side only; the checking side is every other service's library and does not change with it. Version 42 is the bad
//! rollout: it writes the expiry under a new name and in a new form, which checkers in the field refuse, so that every
//! log-in made with it fails while older tokens go on working. It is modelled on a public outage of October 2021.

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use serde_json::{Value, json};

use super::super::clock::rfc3339;
use super::super::hex;
use super::super::transaction::{derived_key, sign};

/// The versions that can be deployed.
pub(super) const VERSIONS: [u32; 3] = [40, 41, 42];
const FIRST_DEPLOYED: u32 = 41;
const BAD: u32 = 42;
const LIFETIME_S: u64 = 3600;
const KEY_ID: &str = "login-1";

pub(super) struct TokenService {
    key: SigningKey,
    verifier: VerifyingKey,
    version: u32,
    deployed_at_ms: u64,
}

impl TokenService {
    pub(super) fn new(seed: u64, now_ms: u64) -> Self {
        let key = derived_key(seed, "login key");
        Self {
            verifier: key.verifying_key(),
            key,
            version: FIRST_DEPLOYED,
            deployed_at_ms: now_ms,
        }
    }

    pub(super) fn version(&self) -> u32 {
        self.version
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"version": self.version, "deployed_at": rfc3339(self.deployed_at_ms)})
    }

    /// Deploys a version; `false` when there is none of that number.
    pub(super) fn deploy(&mut self, version: u32, now_ms: u64) -> bool {
        let known = VERSIONS.contains(&version);
        if known && version != self.version {
            self.version = version;
            self.deployed_at_ms = now_ms;
        }
        known
    }

    pub(super) fn issue(&self, user: &str, now_ms: u64) -> String {
        let expiry_s = now_ms / 1000 + LIFETIME_S;
        let claims = if self.version == BAD {
            json!({"kid": KEY_ID, "sub": user, "ver": self.version, "expires_at": rfc3339(expiry_s * 1000)})
        } else {
            json!({"kid": KEY_ID, "sub": user, "ver": self.version, "exp": expiry_s})
        };
        let claims = claims.to_string();
        let signature = sign(&self.key, claims.as_bytes());
        format!(
            "{}.{}",
            hex::encode(claims.as_bytes()),
            hex::encode(&signature)
        )
    }

    /// The user that the token belongs to, or why it is refused.
    pub(super) fn check(&self, token: &str, now_ms: u64) -> Result<String, &'static str> {
        let (claims, signature) = token.split_once('.').ok_or("the token is malformed")?;
        let claims = hex::decode(claims).ok_or("the token is malformed")?;
        let signature = hex::decode(signature).ok_or("the token is malformed")?;
        let signature = Signature::from_slice(&signature).map_err(|_| "the token is malformed")?;
        self.verifier
            .verify_strict(&claims, &signature)
            .map_err(|_| "the signature does not verify")?;
        let claims: Value =
            serde_json::from_slice(&claims).map_err(|_| "the token is malformed")?;
        if claims["kid"] != KEY_ID {
            return Err("the key is unknown");
        }
        let expiry_s = claims["exp"].as_u64().ok_or("the claim `exp` is missing")?;
        if expiry_s * 1000 <= now_ms {
            return Err("the token has expired");
        }
        let user = claims["sub"].as_str().ok_or("the claim `sub` is missing")?;
        Ok(user.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_the_bad_version_are_refused_and_older_ones_stay_valid() {
        let mut service = TokenService::new(1, 0);
        let before = service.issue("ann", 0);
        assert!(service.deploy(42, 5));
        let during = service.issue("ann", 0);
        assert_eq!(service.check(&during, 1), Err("the claim `exp` is missing"));
        assert_eq!(service.check(&before, 1), Ok("ann".into()));
        assert!(service.deploy(41, 9));
        assert_eq!(service.check(&service.issue("ann", 0), 1), Ok("ann".into()));
        assert!(!service.deploy(43, 9));
    }

    #[test]
    fn expired_and_forged_tokens_are_refused() {
        let service = TokenService::new(1, 0);
        let token = service.issue("ann", 0);
        assert_eq!(
            service.check(&token, LIFETIME_S * 1000),
            Err("the token has expired")
        );
        let forged = TokenService::new(2, 0).issue("ann", 0);
        assert_eq!(
            service.check(&forged, 1),
            Err("the signature does not verify")
        );
        assert!(service.check("nonsense", 1).is_err());
    }
}
