//! What came of each time a drill or a game day was due, so that a scheduled start happens once, whatever restarts in between and
//! however many processes keep the schedule.

use jiff::Timestamp;

use super::Result;
use super::columns::{instant, read_instant};
use super::database::Database;
use crate::model::schedule::Scheduled;

const BETWEEN: &str = "SELECT drill, due, outcome FROM scheduled WHERE due >= ?1 AND due < ?2 ORDER BY due, drill LIMIT 2000";

impl Database {
    /// Claims the start of `drill` that was due at `due`, with what comes of it in a few words. `false` where it was
    /// claimed before: then it must not be started. Claim first, start then.
    pub async fn record_start(
        &self,
        drill: &Scheduled,
        due: Timestamp,
        outcome: &str,
    ) -> Result<bool> {
        let new = sqlx::query(
            "INSERT INTO scheduled (drill, due, outcome) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )
        .bind(drill.to_string())
        .bind(instant(due))
        .bind(outcome)
        .execute(self.writer())
        .await?;
        Ok(new.rows_affected() > 0)
    }

    /// Says what came of a start that was claimed.
    pub async fn record_outcome(
        &self,
        drill: &Scheduled,
        due: Timestamp,
        outcome: &str,
    ) -> Result<()> {
        sqlx::query("UPDATE scheduled SET outcome = ?3 WHERE drill = ?1 AND due = ?2")
            .bind(drill.to_string())
            .bind(instant(due))
            .bind(outcome)
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// When `drill` was last due and claimed.
    pub async fn last_due(&self, drill: &Scheduled) -> Result<Option<Timestamp>> {
        let due: Option<String> =
            sqlx::query_scalar("SELECT max(due) FROM scheduled WHERE drill = ?1")
                .bind(drill.to_string())
                .fetch_one(self.readers())
                .await?;
        due.map(|due| read_instant(&due)).transpose()
    }

    /// What came of all starts that were due from then until then, in order.
    pub async fn starts_between(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(String, ScheduledStart)>> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(BETWEEN)
            .bind(instant(from))
            .bind(instant(to))
            .fetch_all(self.readers())
            .await?;
        rows.into_iter()
            .map(|(drill, due, outcome)| {
                let due = read_instant(&due)?;
                Ok((drill, ScheduledStart { due, outcome }))
            })
            .collect()
    }

    /// What came of the latest starts of `drill`, latest first.
    pub async fn starts_of(&self, drill: &Scheduled, limit: u32) -> Result<Vec<ScheduledStart>> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT due, outcome FROM scheduled WHERE drill = ?1 ORDER BY due DESC LIMIT ?2",
        )
        .bind(drill.to_string())
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .map(|(due, outcome)| {
                Ok(ScheduledStart {
                    due: read_instant(&due)?,
                    outcome,
                })
            })
            .collect()
    }
}

/// One time a drill was due.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ScheduledStart {
    /// When.
    pub due: Timestamp,
    /// What came of it.
    pub outcome: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    #[tokio::test]
    async fn a_start_is_claimed_once_even_over_restarts() {
        let folder = sample::Folder::new();
        let drill: Scheduled = "bad-token".parse().expect("a name");
        let other: Scheduled = "slow-signer".parse().expect("a name");
        let (first, second) = (sample::at(1).wall, sample::at(2).wall);
        let database = Database::open(&folder.path).await.expect("opened");
        assert_eq!(database.last_due(&drill).await.expect("asked"), None);
        assert!(
            database
                .record_start(&drill, second, "starting")
                .await
                .expect("recorded")
        );
        assert!(
            database
                .record_start(&drill, first, "missed")
                .await
                .expect("recorded")
        );
        database
            .record_outcome(&drill, second, "run r1")
            .await
            .expect("recorded");
        database.close().await.expect("closed");

        let database = Database::open(&folder.path).await.expect("opened");
        assert!(
            !database
                .record_start(&drill, second, "starting")
                .await
                .expect("asked"),
            "it was started twice"
        );
        assert_eq!(
            database.last_due(&drill).await.expect("asked"),
            Some(second)
        );
        assert_eq!(database.last_due(&other).await.expect("asked"), None);
        let starts = database.starts_of(&drill, 10).await.expect("asked");
        let outcomes: Vec<_> = starts.iter().map(|start| start.outcome.as_str()).collect();
        assert_eq!(outcomes, ["run r1", "missed"]);
    }
}
