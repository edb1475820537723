//! Starts that were asked for under a key, so that one start stays one, however often it is asked for: after a dropped
//! connection, by an impatient retry, or once the server is back.
//!
//! The run's id is kept before the run is started. Whether it began is then told by the run itself, not by this table.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use super::Result;
use super::columns::{instant, read_word};
use super::database::Database;
use crate::model::ids::RunId;

/// How long a key is remembered.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is known under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedStart {
    /// The SHA-256, in hex, of what was first asked for.
    pub wanted: String,
    /// The id that its run has, or will have.
    pub run: RunId,
}

/// Whose a key is. Numbers, since a name may be given to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Whoever sits at the machine, where there are no accounts.
    Local,
    /// An account, by its number.
    Account(i64),
    /// A token, by its number.
    Token(i64),
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Token(id) => write!(f, "token:{id}"),
        }
    }
}

/// Forgets all keys of somebody who is no more: the number may be given again.
pub(super) async fn forget_caller(connection: &mut SqliteConnection, caller: Caller) -> Result<()> {
    sqlx::query("DELETE FROM keyed_starts WHERE caller = ?1")
        .bind(caller.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

impl Database {
    /// Keeps `start` under a caller's key, unless something is kept there already. Answers with what is kept then.
    /// Keys that are too old are forgotten.
    pub async fn keep_start(
        &self,
        caller: Caller,
        key: &str,
        start: &KeyedStart,
        now: Timestamp,
    ) -> Result<KeyedStart> {
        let oldest = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
        sqlx::query("DELETE FROM keyed_starts WHERE asked < ?1")
            .bind(instant(oldest))
            .execute(self.writer())
            .await?;
        sqlx::query(
            "INSERT INTO keyed_starts (caller, key, wanted, run, asked) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )
        .bind(caller.to_string())
        .bind(key)
        .bind(&start.wanted)
        .bind(start.run.as_str())
        .bind(instant(now))
        .execute(self.writer())
        .await?;
        let (wanted, run): (String, String) =
            sqlx::query_as("SELECT wanted, run FROM keyed_starts WHERE caller = ?1 AND key = ?2")
                .bind(caller.to_string())
                .bind(key)
                .fetch_one(self.writer())
                .await?;
        Ok(KeyedStart {
            wanted,
            run: read_word("a run's id", &run)?,
        })
    }

    /// Forgets a start that was refused: nothing began, and the same key may be tried again, with whatever body.
    pub async fn forget_start(&self, caller: Caller, key: &str, run: &RunId) -> Result<()> {
        sqlx::query("DELETE FROM keyed_starts WHERE caller = ?1 AND key = ?2 AND run = ?3")
            .bind(caller.to_string())
            .bind(key)
            .bind(run.as_str())
            .execute(self.writer())
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    fn start(wanted: &str, run: &str) -> KeyedStart {
        KeyedStart {
            wanted: wanted.to_owned(),
            run: run.parse().expect("an id"),
        }
    }

    #[tokio::test]
    async fn the_first_start_under_a_key_is_the_one_that_counts_until_it_is_forgotten() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let now = Timestamp::UNIX_EPOCH;
        let (first, second) = (start("a", "r1"), start("b", "r2"));
        // Of one number, and not the same.
        let (ann, bob) = (Caller::Account(1), Caller::Token(1));
        let keep = async |caller: Caller, start: &KeyedStart, now: Timestamp| {
            database
                .keep_start(caller, "k", start, now)
                .await
                .expect("kept")
        };
        assert_eq!(keep(ann, &first, now).await, first);
        assert_eq!(keep(ann, &second, now).await, first);
        assert_eq!(
            keep(bob, &second, now).await,
            second,
            "keys are each caller's own"
        );

        // Only who kept it forgets it.
        database
            .forget_start(ann, "k", &second.run)
            .await
            .expect("nothing");
        assert_eq!(keep(ann, &second, now).await, first);
        database
            .forget_start(ann, "k", &first.run)
            .await
            .expect("forgotten");
        assert_eq!(keep(ann, &second, now).await, second);

        let later = now + SignedDuration::from_hours(7 * 24 + 1);
        assert_eq!(
            keep(ann, &first, later).await,
            first,
            "an old key is new again"
        );
    }
}
