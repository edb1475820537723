//! The journal in the database: appends through the writer, and reads that check the chain.

use jiff::Timestamp;
use sqlx::Connection;

use super::chain::{self, Prepared, Row, Walk};
use super::columns::{count, instant, read_count, read_word, word};
use super::database::Database;
use super::projection::Change;
use super::writer::Append;
use super::{Error, Result};
use crate::engine::event::{Event, Verdict};
use crate::model::ids::RunId;
use crate::ports::{Answer, Durability, Journal, JournalError, Unfinished};

/// Where a run's chain ends: what a scorecard names, and what the log can be held against later.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct ChainHead {
    /// The last event's sequence.
    pub seq: u64,
    /// The hash of its header, SHA-256 in hex.
    pub hash: String,
}

/// Answered from an index of the unfinished alone, however many runs are past.
const UNFINISHED: &str = "SELECT id, stack FROM runs WHERE ended IS NULL ORDER BY created, id";

impl Journal for Database {
    /// A grouped append is answered when it is queued; its failure is told at the run's next append, else by
    /// [`Database::close`]. Dropping the future does not withdraw what was queued.
    fn append<'a>(
        &'a self,
        run: &'a RunId,
        expected: u64,
        events: &'a [Event],
        durability: Durability,
    ) -> Answer<'a, Result<(), JournalError>> {
        Box::pin(async move {
            if events.is_empty() {
                return Ok(());
            }
            chain::fit(run, expected, events)?;
            let events = events
                .iter()
                .map(|event| Ok((Prepared::of(run, event)?, Change::of(event))))
                .collect::<Result<_>>()?;
            let append = Append {
                run: run.clone(),
                expected,
                events,
            };
            Ok(self.queue().append(append, durability).await?)
        })
    }

    /// Refuses a run of which a payload was erased: it can be shown, but not replayed.
    fn load<'a>(&'a self, run: &'a RunId) -> Answer<'a, Result<Vec<Event>, JournalError>> {
        Box::pin(async move {
            let (rows, head) = self.log(run).await?;
            let mut walk = Walk::from_the_beginning(run);
            let mut events = Vec::with_capacity(rows.len());
            for row in &rows {
                let opened = walk.open(row)?;
                let seq = opened.header.seq;
                events.push(Event {
                    seq,
                    at: opened.header.at,
                    origin: opened.header.origin,
                    fact: opened.fact.map_err(|reason| Error::Erased {
                        run: run.clone(),
                        seq,
                        reason,
                    })?,
                });
            }
            ends_at(&walk, &head)?;
            Ok(events)
        })
    }

    fn unfinished(&self) -> Answer<'_, Result<Vec<Unfinished>, JournalError>> {
        Box::pin(async move {
            self.queue().settle().await;
            let rows: Vec<(String, String)> = sqlx::query_as(UNFINISHED)
                .fetch_all(self.readers())
                .await
                .map_err(Error::from)?;
            let runs: Result<_> = rows
                .iter()
                .map(|(run, stack)| {
                    Ok(Unfinished {
                        run: read_word("a run's id", run)?,
                        stack: read_word("a stack's name", stack)?,
                    })
                })
                .collect();
            Ok(runs?)
        })
    }
}

impl Database {
    /// Checks a run's whole chain and every payload that is left, and says where it ends.
    pub async fn verify(&self, run: &RunId) -> Result<ChainHead, JournalError> {
        let (rows, head) = self.log(run).await?;
        let mut walk = Walk::from_the_beginning(run);
        for row in &rows {
            walk.check(row)?;
        }
        ends_at(&walk, &head)?;
        Ok(head)
    }

    /// Ends the row of a run whose log can't be read, so that nothing waits for it any more. The log stays as it is.
    /// Whoever does this has seen to it that nothing of the run is left on its stack.
    pub async fn give_up(&self, run: &RunId, at: Timestamp) -> Result<()> {
        self.queue().settle().await;
        let mut connection = self.writer().acquire().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let given_up =
            sqlx::query("UPDATE runs SET ended = ?2, verdict = ?3 WHERE id = ?1 AND ended IS NULL")
                .bind(run.as_str())
                .bind(instant(at))
                .bind(word(&Verdict::Errored))
                .execute(&mut *transaction)
                .await?;
        if given_up.rows_affected() == 0 {
            return Err(Error::NoSuchRun(run.clone()));
        }
        sqlx::query("DELETE FROM stuck WHERE run = ?1")
            .bind(run.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Erases the payload of one event of a run that has ended: text that shall not be kept, or was kept long enough.
    /// The header stays, with who, when and what kind. Erasing again changes nothing, not even the reason.
    pub async fn erase_payload(&self, run: &RunId, seq: u64, reason: &str) -> Result<()> {
        self.queue().settle().await;
        let mut connection = self.writer().acquire().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let ended: Option<bool> =
            sqlx::query_scalar("SELECT ended IS NOT NULL FROM runs WHERE id = ?1")
                .bind(run.as_str())
                .fetch_optional(&mut *transaction)
                .await?;
        match ended {
            None => return Err(Error::NoSuchRun(run.clone())),
            Some(false) => return Err(Error::Unfinished(run.clone())),
            Some(true) => {}
        }
        let found = sqlx::query(
            "UPDATE events SET payload = NULL, erased = coalesce(erased, ?3) WHERE run = ?1 AND seq = ?2",
        )
        .bind(run.as_str())
        .bind(count(seq))
        .bind(reason)
        .execute(&mut *transaction)
        .await?;
        if found.rows_affected() == 0 {
            return Err(Error::NoSuchEvent {
                run: run.clone(),
                seq,
            });
        }
        transaction.commit().await?;
        drop(connection);
        self.flush_erased().await
    }

    /// A run's rows and the head its row names, as of one instant.
    pub(super) async fn log(&self, run: &RunId) -> Result<(Vec<Row>, ChainHead)> {
        self.queue().settle().await;
        let mut snapshot = self.readers().begin().await?;
        let (seq, hash): (i64, String) =
            sqlx::query_as("SELECT head_seq, head_hash FROM runs WHERE id = ?1")
                .bind(run.as_str())
                .fetch_optional(&mut *snapshot)
                .await?
                .ok_or_else(|| Error::NoSuchRun(run.clone()))?;
        let rows = sqlx::query_as(
            "SELECT seq, header, payload, erased, hash FROM events WHERE run = ?1 ORDER BY seq",
        )
        .bind(run.as_str())
        .fetch_all(&mut *snapshot)
        .await?;
        snapshot.commit().await?;
        let seq = read_count("a run's head", seq)?;
        Ok((rows, ChainHead { seq, hash }))
    }
}

/// A chain can be cut short without a broken link: the run's row knows where it must end.
pub(super) fn ends_at(walk: &Walk<'_>, head: &ChainHead) -> Result<()> {
    let (seq, hash) = walk.head();
    if seq < head.seq {
        return Err(walk.damaged(seq + 1, "it is missing"));
    }
    if seq > head.seq || hash != head.hash {
        return Err(walk.damaged(seq, "the run's head is another event"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
