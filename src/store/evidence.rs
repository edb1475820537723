//! A run's log as it is stored, to be handed on: the bytes that the chain covers, and a check of them without a database.

use serde::{Deserialize, Serialize};

use super::chain::{Row, Walk};
use super::columns::count;
use super::database::Database;
use super::journal::{ChainHead, ends_at};
use super::{Error, Result};
use crate::engine::event::Event;
use crate::model::ids::RunId;

/// One event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedEvent {
    /// Canonical JSON, whose SHA-256 the next header carries.
    pub header: String,
    /// Canonical JSON, whose SHA-256 the header carries; nothing once it was erased.
    pub payload: Option<String>,
    /// Why it was erased.
    pub erased: Option<String>,
}

/// What a log that was handed on holds.
#[derive(Debug)]
pub struct Unsealed {
    /// Where it ends.
    pub head: ChainHead,
    /// Its events, those that were erased left out.
    pub events: Vec<Event>,
    /// How many were erased.
    pub erased: usize,
}

impl Database {
    /// A run's whole log as it is stored, checked.
    pub async fn sealed(&self, run: &RunId) -> Result<Vec<SealedEvent>> {
        let (rows, head) = self.log(run).await?;
        let mut walk = Walk::from_the_beginning(run);
        for row in &rows {
            walk.check(row)?;
        }
        ends_at(&walk, &head)?;
        Ok(rows
            .into_iter()
            .map(|row| SealedEvent {
                header: row.header,
                payload: row.payload,
                erased: row.erased,
            })
            .collect())
    }
}

/// Checks a log that was handed on, event by event, and reads it. Where it should end is for whoever was handed it to
/// compare: a log whose tail was cut off is whole up to there.
pub fn unseal(run: &RunId, log: &[SealedEvent]) -> Result<Unsealed> {
    let mut walk = Walk::from_the_beginning(run);
    let mut events = Vec::with_capacity(log.len());
    let mut erased = 0;
    for (seq, sealed) in (1_u64..).zip(log) {
        let row = Row {
            seq: count(seq),
            hash: super::chain::digest(sealed.header.as_bytes()),
            header: sealed.header.clone(),
            payload: sealed.payload.clone(),
            erased: sealed.erased.clone(),
        };
        let opened = walk.open(&row)?;
        match opened.fact {
            Ok(fact) => events.push(Event {
                seq: opened.header.seq,
                at: opened.header.at,
                origin: opened.header.origin,
                fact,
            }),
            Err(_) => erased += 1,
        }
    }
    let (seq, hash) = walk.head();
    if seq == 0 {
        return Err(Error::NoSuchRun(run.clone()));
    }
    Ok(Unsealed {
        head: ChainHead {
            seq,
            hash: hash.to_owned(),
        },
        events,
        erased,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Durability, Journal};
    use crate::store::sample;

    #[tokio::test]
    async fn a_log_that_is_handed_on_is_whole_and_any_change_is_seen() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let run = sample::run("r1");
        let events = [
            sample::created("x"),
            sample::noted(2, "one"),
            sample::ended(3),
        ];
        database
            .append(&run, 0, &events, Durability::Durable)
            .await
            .expect("appended");
        let log = database.sealed(&run).await.expect("there");
        let whole = unseal(&run, &log).expect("whole");
        assert_eq!(whole.events, events);
        assert_eq!(
            (whole.head.seq, whole.erased),
            (3, 0),
            "it ends where the log does"
        );
        assert_eq!(whole.head, database.verify(&run).await.expect("whole"));

        let mut changed = log.clone();
        changed[1].payload = changed[1]
            .payload
            .as_ref()
            .map(|text| text.replace("one", "two"));
        let mut reordered = log.clone();
        reordered.swap(1, 2);
        let mut without = log.clone();
        without.remove(1);
        let mut dated = log.clone();
        dated[1].header = dated[1].header.replace("2026-03-01", "2026-03-02");
        for (what, log) in [
            ("a payload", changed),
            ("the order", reordered),
            ("one event less", without),
            ("a date", dated),
        ] {
            assert!(unseal(&run, &log).is_err(), "{what} was changed unseen");
        }
        let other = sample::run("r2");
        assert!(unseal(&other, &log).is_err(), "it is another run's");
        assert!(unseal(&run, &[]).is_err());
    }
}
