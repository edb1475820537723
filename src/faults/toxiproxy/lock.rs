//! Locks on links: of a kind, one fault at a time on one stream of one proxy, whoever started it.
//!
//! Servers of firedrill need not know each other: what they share is the target. A lock is a `noop` toxic on the proxy,
//! named by what is disturbed, so that Toxiproxy itself refuses the second one. Whose it is, a server of firedrill's keeps
//! in `owner`; a stock one keeps no such thing, but it keeps `toxicity`, which means nothing to a `noop`: so that carries
//! 24 bits of the owner tag's digest, exact in the single precision that servers keep. A mark that is not ours is never
//! touched.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::client::{Client, Outcome};
use super::wire::Toxic;
use super::{ToxiproxyDriver, deadline, refuses, time_to_live};
use crate::address::shown;
use crate::engine::undo::Armed;
use crate::faults::{lock_name, owner};
use crate::model::fault::{Act, Injection, Stream};
use crate::model::ids::RunId;
use crate::model::stack::Stack;
use crate::ports::FaultError;

/// How much longer than its fault a mark lives by itself, where the server offers that: it goes last.
const LONGER: Duration = Duration::from_secs(5);

/// The values that 24 bits of a digest have as a share above 0 and below 1.
const SHARES: u32 = 1 << 24;

/// One lock on a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::faults) struct LinkLock {
    /// The server.
    url: String,
    /// The proxy.
    proxy: String,
    /// The mark's name, the same for whoever disturbs the same thing.
    name: String,
    /// What is disturbed, in words.
    what: String,
    /// The owner tag.
    owner: String,
    /// Whether a firedrill process carried the server.
    embedded: bool,
}

impl LinkLock {
    /// The lock of an injection; none where it does nothing to a link, or the stack has no server.
    pub(in crate::faults) fn of(run: &RunId, stack: &Stack, injection: &Injection) -> Option<Self> {
        let server = stack.toxiproxy.as_ref()?;
        let (proxy, what) = match &injection.act {
            Act::AddToxic {
                link,
                stream,
                toxic,
                ..
            } => (&link.proxy, format!("{} {}", toxic.kind(), stream.as_str())),
            Act::DisableProxy { link } => (&link.proxy, "down".to_owned()),
            _ => return None,
        };
        Some(Self {
            url: server.url.clone(),
            name: lock_name(&format!("{proxy} {what}")),
            proxy: proxy.to_string(),
            what,
            owner: owner::tag_of(run, injection),
            embedded: server.embedded,
        })
    }

    /// What two injections of one lock have in common.
    pub(in crate::faults) fn place(&self) -> (&str, &str) {
        (&self.url, &self.name)
    }

    /// Never 0: a server may take that for absent.
    fn share(&self) -> u32 {
        let digest = Sha256::digest(&self.owner);
        let bits = u32::from_be_bytes([0, digest[0], digest[1], digest[2]]);
        bits.clamp(1, SHARES - 1)
    }

    fn is_ours(&self, seen: &Toxic) -> bool {
        // An owner that is shown decides; a share can be another's by chance.
        if let Some(owner) = &seen.owner {
            return *owner == self.owner;
        }
        let share = (seen.toxicity * f64::from(SHARES)).round();
        (share - f64::from(self.share())).abs() < 0.5
    }

    fn held(&self, seen: &Toxic) -> FaultError {
        let holder = match &seen.owner {
            Some(owner) => format!("{owner} holds it"),
            None => "another firedrill holds it, whose run this server does not keep".to_owned(),
        };
        FaultError::Foreign {
            what: format!(
                "the lock on `{}` of proxy {} at {}",
                self.what,
                self.proxy,
                shown(&self.url)
            ),
            why: format!(
                "{holder}; hint: wait for its run; where that is dead, `firedrill recover` on its machine, or \
                 DELETE {}/proxies/{}/toxics/{}",
                shown(&self.url).trim_end_matches('/'),
                self.proxy,
                self.name
            ),
        }
    }

    fn unread(&self, why: &str) -> FaultError {
        FaultError::ReadBack {
            what: format!("the lock {} on proxy {}", self.name, self.proxy),
            why: why.to_owned(),
        }
    }
}

impl ToxiproxyDriver {
    /// Refuses where somebody else holds it. Touches nothing.
    pub(in crate::faults) async fn see_lock(&self, lock: &LinkLock) -> Result<(), FaultError> {
        let client = Client::new(&self.outbound, &lock.url);
        match client.toxic(&lock.proxy, &lock.name).await? {
            Outcome::Done(seen) if !lock.is_ours(&seen) => Err(lock.held(&seen)),
            // A proxy that is missing is the fault's own affair.
            _ => Ok(()),
        }
    }

    /// Takes it, or says who holds it.
    pub(in crate::faults) async fn take_lock(
        &self,
        armed: &Armed,
        lock: &LinkLock,
    ) -> Result<(), FaultError> {
        let now = self.clock.now();
        deadline::left(armed, &now)?;
        let longer = u64::try_from(LONGER.as_millis()).unwrap_or_default();
        let body = json!({
            "name": lock.name,
            "type": "noop",
            "stream": Stream::Downstream.as_str(),
            "toxicity": f64::from(lock.share()) / f64::from(SHARES),
            "attributes": {},
            "owner": lock.owner,
            "ttl": time_to_live(armed, &now)?.saturating_add(longer),
        });
        let client = Client::new(&self.outbound, &lock.url);
        match client
            .add_toxic(&lock.proxy, Stream::Downstream, &body)
            .await?
        {
            Outcome::Done(()) => return Ok(()),
            Outcome::Taken(_) => {}
            Outcome::NoToxic | Outcome::NoProxy => {
                return Err(FaultError::Missing {
                    what: format!("proxy {} at {}", lock.proxy, shown(&lock.url)),
                    hint: Some("it was there when the run looked".to_owned()),
                });
            }
        }
        match client.toxic(&lock.proxy, &lock.name).await? {
            // An earlier request of ours whose answer got lost.
            Outcome::Done(seen) if lock.is_ours(&seen) => Ok(()),
            Outcome::Done(seen) => Err(lock.held(&seen)),
            _ => Err(lock.unread("somebody held it a moment ago; hint: run it again")),
        }
    }

    /// Lets it go and reads that back. One that is somebody else's by now is left alone.
    pub(in crate::faults) async fn release_lock(&self, lock: &LinkLock) -> Result<(), FaultError> {
        if lock.embedded && refuses(&lock.url).await {
            return Ok(());
        }
        let client = Client::new(&self.outbound, &lock.url);
        // Always looked at first: a server may have ended ours by itself, and given it to somebody else since.
        match client.toxic(&lock.proxy, &lock.name).await? {
            Outcome::Done(seen) if lock.is_ours(&seen) => {}
            _ => return Ok(()),
        }
        if let Outcome::Taken(why) = client.delete_toxic(&lock.proxy, &lock.name).await? {
            return Err(lock.unread(&why));
        }
        match client.toxic(&lock.proxy, &lock.name).await? {
            Outcome::Done(seen) if lock.is_ours(&seen) => {
                Err(lock.unread("it is still there after it was deleted"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(owner: &str) -> LinkLock {
        LinkLock {
            url: "http://127.0.0.1:8474".to_owned(),
            proxy: "api-signer".to_owned(),
            name: lock_name("api-signer latency downstream"),
            what: "latency downstream".to_owned(),
            owner: owner.to_owned(),
            embedded: false,
        }
    }

    fn seen(share: f64, owner: Option<&str>) -> Toxic {
        let owner = owner.map(|owner| json!(owner)).unwrap_or_default();
        let toxic = json!({"type": "noop", "stream": "downstream", "toxicity": share, "attributes": {}, "owner": owner});
        serde_json::from_value(toxic).expect("a toxic")
    }

    #[test]
    fn an_owner_survives_the_single_precision_of_a_server_that_keeps_no_owners() {
        for nth in 0..2_000 {
            let (ours, theirs) = (
                lock(&format!("firedrill-r{nth}-a")),
                lock("firedrill-other-a"),
            );
            #[expect(clippy::cast_possible_truncation, reason = "that is what servers do")]
            let kept = (f64::from(ours.share()) / f64::from(SHARES)) as f32;
            // As the server prints it, and as it is read.
            let read: f64 = kept.to_string().parse().expect("a number");
            assert!(ours.is_ours(&seen(read, None)), "{}", ours.owner);
            assert!(!theirs.is_ours(&seen(read, None)), "{}", ours.owner);
            assert!(!ours.is_ours(&seen(read, Some("firedrill-other-a"))));
        }
    }
}
