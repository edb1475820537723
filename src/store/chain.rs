//! The hash chain of a run's log: how events are sealed into it, and how it is checked.
//!
//! Each event has a header, canonical JSON (keys sorted, no spaces, numbers as `serde_json` writes them) of where and
//! when the fact came from, the digest of its payload, and the hash of the header before it. A header's hash is the
//! SHA-256 of its bytes as stored. The chain covers headers only, so a payload can be erased without breaking it.
//!
//! Hashes are always taken over stored bytes, never over something serialised again: how a later version writes JSON
//! can't break old logs.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, Result};
use crate::engine::event::{Event, Fact, Origin};
use crate::model::ids::RunId;
use crate::model::time::Stamp;
use crate::ports::JournalError;

/// The version of events as written now. Readers know every earlier one.
pub(super) const VERSION: u32 = 1;

/// What the first header carries as `prev`.
pub(super) const BEGINNING: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

/// What the chain covers of an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Header {
    /// The shape of this header and of the payload.
    pub(super) v: u32,
    pub(super) run: RunId,
    pub(super) seq: u64,
    /// The fact's tag.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) at: Stamp,
    pub(super) origin: Origin,
    pub(super) payload_sha256: String,
    pub(super) prev: String,
}

/// An event whose payload is written and digested: all that can be done before its place in the chain is known.
#[derive(Debug)]
pub(super) struct Prepared {
    header: Header,
    payload: String,
}

/// An event as it is stored.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) seq: u64,
    pub(super) header: String,
    pub(super) payload: String,
    pub(super) hash: String,
}

/// SHA-256 in lower-case hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string can't fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// JSON with sorted keys, whatever features `serde_json` was built with elsewhere in the program.
pub(super) fn canonical(value: &impl Serialize) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(value)?;
    value.sort_all_objects();
    Ok(value.to_string())
}

/// Whether `events` can follow event `expected` of `run`, by themselves.
pub(super) fn fit(run: &RunId, expected: u64, events: &[Event]) -> Result<()> {
    let unfit = |why| {
        Err(Error::Unfit {
            run: run.clone(),
            why,
        })
    };
    if events
        .iter()
        .zip(expected..)
        .any(|(event, before)| event.seq != before + 1)
    {
        return unfit("their sequence has a gap");
    }
    for event in events {
        if matches!(event.fact, Fact::RunCreated { .. }) != (event.seq == 1) {
            return unfit("a run's first event, and only that, creates it");
        }
    }
    Ok(())
}

impl Prepared {
    /// Writes and digests the payload.
    pub(super) fn of(run: &RunId, event: &Event) -> Result<Self> {
        let unfit = |why| Error::Unfit {
            run: run.clone(),
            why,
        };
        let payload = canonical(&event.fact).map_err(|_| unfit("one can't be written as JSON"))?;
        // JSON has no word for some values (an endless number), and a log that can't be read can't be undone from:
        // what does not read back is refused before anything is done on its strength.
        let read: Fact = serde_json::from_str(&payload)
            .map_err(|_| unfit("one does not read back from its JSON"))?;
        drop(read);
        let kind = serde_json::from_str::<Tag>(&payload)
            .map_err(|_| unfit("one has no type"))?
            .kind;
        Ok(Self {
            header: Header {
                v: VERSION,
                run: run.clone(),
                seq: event.seq,
                kind,
                at: event.at,
                origin: event.origin.clone(),
                payload_sha256: digest(payload.as_bytes()),
                prev: String::new(),
            },
            payload,
        })
    }

    /// Gives it its place behind the header whose hash is `prev`.
    pub(super) fn seal(&self, prev: &str) -> Result<Sealed> {
        let header = Header {
            prev: prev.to_owned(),
            ..self.header.clone()
        };
        let header = canonical(&header).map_err(|_| Error::Unfit {
            run: self.header.run.clone(),
            why: "a header can't be written as JSON",
        })?;
        Ok(Sealed {
            seq: self.header.seq,
            hash: digest(header.as_bytes()),
            header,
            payload: self.payload.clone(),
        })
    }
}

#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "type")]
    kind: String,
}

/// An event's row.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) header: String,
    pub(super) payload: Option<String>,
    pub(super) erased: Option<String>,
    pub(super) hash: String,
}

/// What a row holds, checked.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) header: Header,
    /// The fact, else why it was erased.
    pub(super) fact: std::result::Result<Fact, String>,
}

/// Walks a run's rows in order and checks each against the one before.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    run: &'a RunId,
    seq: u64,
    prev: Option<String>,
}

impl<'a> Walk<'a> {
    /// From the first event.
    pub(super) fn from_the_beginning(run: &'a RunId) -> Self {
        Self {
            run,
            seq: 0,
            prev: Some(BEGINNING.to_owned()),
        }
    }

    /// From the event after `seq`, on whose hash the walk relies unseen.
    pub(super) fn after(run: &'a RunId, seq: u64) -> Self {
        Self {
            run,
            seq,
            prev: (seq == 0).then(|| BEGINNING.to_owned()),
        }
    }

    /// The sequence and hash of the last row that was checked.
    pub(super) fn head(&self) -> (u64, &str) {
        (self.seq, self.prev.as_deref().unwrap_or(BEGINNING))
    }

    /// That the log is damaged at `seq`.
    pub(super) fn damaged(&self, seq: u64, what: impl Into<String>) -> Error {
        JournalError::Damaged {
            run: self.run.clone(),
            seq,
            what: what.into(),
        }
        .into()
    }

    /// Checks the next row and its payload.
    pub(super) fn check(&mut self, row: &Row) -> Result<Header> {
        let seq = self.seq + 1;
        if u64::try_from(row.seq) != Ok(seq) {
            return Err(self.damaged(seq, "it is missing"));
        }
        if digest(row.header.as_bytes()) != row.hash {
            return Err(self.damaged(seq, "its header does not match its hash"));
        }
        let header: Header = serde_json::from_str(&row.header)
            .map_err(|e| self.damaged(seq, format!("its header can't be read: {e}")))?;
        if header.v > VERSION {
            return Err(Error::Newer {
                run: self.run.clone(),
                seq,
                version: header.v,
            });
        }
        if header.run != *self.run || header.seq != seq {
            return Err(self.damaged(seq, "its header belongs to another event"));
        }
        if self.prev.as_ref().is_some_and(|prev| *prev != header.prev) {
            return Err(self.damaged(seq, "it does not follow the event before it"));
        }
        match (&row.payload, &row.erased) {
            (Some(payload), _) if digest(payload.as_bytes()) != header.payload_sha256 => {
                return Err(self.damaged(seq, "its payload does not match its digest"));
            }
            (None, None) => return Err(self.damaged(seq, "its payload is missing")),
            _ => {}
        }
        self.seq = seq;
        self.prev = Some(row.hash.clone());
        Ok(header)
    }

    /// Checks the next row and reads its fact.
    pub(super) fn open(&mut self, row: &Row) -> Result<Opened> {
        let header = self.check(row)?;
        let fact = match (&row.payload, &row.erased) {
            (Some(payload), _) => Ok(serde_json::from_str(payload).map_err(|e| {
                self.damaged(header.seq, format!("its payload can't be read: {e}"))
            })?),
            (None, reason) => Err(reason.clone().unwrap_or_default()),
        };
        Ok(Opened { header, fact })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    fn sealed() -> Sealed {
        let run = sample::run("r1");
        Prepared::of(&run, &sample::noted(2, "zebra"))
            .and_then(|prepared| prepared.seal(BEGINNING))
            .expect("sealed")
    }

    #[test]
    fn headers_are_canonical_json() {
        let sealed = sealed();
        assert_eq!(sealed.payload, r#"{"text":"zebra","type":"noted"}"#);
        insta::assert_snapshot!(sealed.header, @r#"{"at":{"epoch":7,"mono_ns":2000000002,"wall":"2026-03-01T10:00:02Z"},"origin":{"actor":"p-7f3a9c","kind":"human","source":"room"},"payload_sha256":"cb04786b80f29a1d667d58344be4074a40fb751572066a4ee70a205d0abc067d","prev":"0000000000000000000000000000000000000000000000000000000000000000","run":"r1","seq":2,"type":"noted","v":1}"#);
        assert_eq!(sealed.hash, digest(sealed.header.as_bytes()));
    }

    #[test]
    fn a_digest_is_sha256_in_hex() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            digest(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_later_version_is_named_as_such_and_not_as_damage() {
        let run = sample::run("r1");
        let header = sealed().header.replace(r#""v":1}"#, r#""v":2}"#);
        let row = Row {
            seq: 2,
            hash: digest(header.as_bytes()),
            header,
            payload: None,
            erased: Some("test".to_owned()),
        };
        let error = Walk::after(&run, 1).open(&row).expect_err("newer");
        assert!(matches!(error, Error::Newer { version: 2, .. }), "{error}");
    }

    #[test]
    fn a_gap_and_a_second_beginning_are_unfit() {
        let run = sample::run("r1");
        assert!(fit(&run, 1, &[sample::noted(2, "a"), sample::noted(3, "b")]).is_ok());
        for (expected, events) in [
            (1, vec![sample::noted(3, "a")]),
            (1, vec![sample::noted(2, "a"), sample::noted(4, "b")]),
            (0, vec![sample::noted(1, "a")]),
            (
                1,
                vec![Event {
                    seq: 2,
                    ..sample::created("a")
                }],
            ),
        ] {
            assert!(fit(&run, expected, &events).is_err(), "{events:?}");
        }
    }
}
