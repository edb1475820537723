//! The server-wide halt: while it is on, nothing starts. It outlives restarts.

use jiff::Timestamp;

use super::Result;
use super::columns::{instant, read_instant};
use super::database::Database;

/// Who halted everything, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Halt {
    /// As a pseudonym or the name of a token.
    pub by: String,
    /// In their words.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

impl Database {
    /// The halt, while it is on.
    pub async fn halt_state(&self) -> Result<Option<Halt>> {
        let row: Option<(String, String, String)> =
            sqlx::query_as("SELECT by, reason, at FROM halt")
                .fetch_optional(self.readers())
                .await?;
        row.map(|(by, reason, at)| {
            Ok(Halt {
                by,
                reason,
                at: read_instant(&at)?,
            })
        })
        .transpose()
    }

    /// Puts the halt on, or off with `None`. Where it is on already, who did so first stays.
    pub async fn set_halt(&self, halt: Option<&Halt>) -> Result<()> {
        let query = match halt {
            Some(halt) => sqlx::query(
                "INSERT INTO halt (id, by, reason, at) VALUES (1, ?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )
            .bind(&halt.by)
            .bind(&halt.reason)
            .bind(instant(halt.at)),
            None => sqlx::query("DELETE FROM halt"),
        };
        query.execute(self.writer()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    #[tokio::test]
    async fn a_halt_stays_over_restarts_until_it_is_lifted() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        assert_eq!(database.halt_state().await.expect("asked"), None);
        let halt = Halt {
            by: "p-7f3a9c".into(),
            reason: "the exchange is down".into(),
            at: sample::at(1).wall,
        };
        database.set_halt(Some(&halt)).await.expect("set");
        let second = Halt {
            by: "p-other".into(),
            ..halt.clone()
        };
        database.set_halt(Some(&second)).await.expect("set");
        database.close().await.expect("closed");

        let database = Database::open(&folder.path).await.expect("opened");
        assert_eq!(database.halt_state().await.expect("asked"), Some(halt));
        database.set_halt(None).await.expect("lifted");
        assert_eq!(database.halt_state().await.expect("asked"), None);
    }
}
