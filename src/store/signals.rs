//! Signals that came in through hooks, as they came: kept whether or not they match a run, and once where the sender
//! repeats itself.

use jiff::Timestamp;

use super::Result;
use super::columns::{instant, read_count, read_instant};
use super::database::Database;
use crate::model::ids::RunId;

/// A signal as it came in.
#[derive(Debug, Clone, Copy)]
pub struct NewSignal<'a> {
    /// Through which hook, such as `alertmanager`.
    pub source: &'a str,
    /// What the source's repeats of it have in common; none where it can't be told.
    pub dedupe_key: Option<&'a str>,
    /// When.
    pub received: Timestamp,
    /// Its body, byte for byte.
    pub body: &'a [u8],
    /// The run it belongs to, where it is known.
    pub run: Option<&'a RunId>,
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its id, that of the first where it is a repeat.
    pub id: i64,
    /// Whether it had come before. Then the first is what is kept.
    pub duplicate: bool,
}

/// A signal that was kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Signal {
    /// Its id.
    pub id: i64,
    /// Through which hook.
    pub source: String,
    /// When it first came.
    pub received: Timestamp,
    /// Its body, with what is not UTF-8 replaced.
    pub body: String,
    /// How often it came again.
    pub repeats: u64,
}

impl Database {
    /// Keeps a signal.
    pub async fn keep_signal(&self, signal: NewSignal<'_>) -> Result<Kept> {
        let (id, repeats): (i64, i64) = sqlx::query_as(
            "INSERT INTO signals (source, dedupe_key, received, body, run) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (source, dedupe_key) DO UPDATE SET repeats = repeats + 1
             RETURNING id, repeats",
        )
        .bind(signal.source)
        .bind(signal.dedupe_key)
        .bind(instant(signal.received))
        .bind(signal.body)
        .bind(signal.run.map(RunId::as_str))
        .fetch_one(self.writer())
        .await?;
        Ok(Kept {
            id,
            duplicate: repeats > 0,
        })
    }

    /// Says which run a signal belongs to.
    pub async fn match_signal(&self, id: i64, run: &RunId) -> Result<()> {
        sqlx::query("UPDATE signals SET run = ?2 WHERE id = ?1")
            .bind(id)
            .bind(run.as_str())
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// The latest signals that match no run, latest first.
    pub async fn unmatched_signals(&self, limit: u32) -> Result<Vec<Signal>> {
        let rows: Vec<(i64, String, String, Vec<u8>, i64)> = sqlx::query_as(
            "SELECT id, source, received, body, repeats FROM signals
             WHERE run IS NULL ORDER BY id DESC LIMIT ?1",
        )
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .map(|(id, source, received, body, repeats)| {
                Ok(Signal {
                    id,
                    source,
                    received: read_instant(&received)?,
                    body: String::from_utf8_lossy(&body).into_owned(),
                    repeats: read_count("a count of repeats", repeats)?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    #[tokio::test]
    async fn a_repeated_signal_is_kept_once_and_counted() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let run = sample::run("r1");
        let signal = NewSignal {
            source: "alertmanager",
            dedupe_key: Some("f1"),
            received: sample::at(1).wall,
            body: b"{\"alerts\":[]}",
            run: None,
        };
        let first = database.keep_signal(signal).await.expect("kept");
        assert!(!first.duplicate);
        let again = database.keep_signal(signal).await.expect("kept");
        assert_eq!((again.id, again.duplicate), (first.id, true));

        let elsewhere = NewSignal {
            source: "grafana",
            ..signal
        };
        let elsewhere = database.keep_signal(elsewhere).await.expect("kept");
        assert!(!elsewhere.duplicate, "keys of two sources are not compared");
        let keyless = NewSignal {
            dedupe_key: None,
            body: b"\xff",
            ..signal
        };
        for _ in 0..2 {
            let kept = database.keep_signal(keyless).await.expect("kept");
            assert!(!kept.duplicate, "without a key nothing is a repeat");
        }
        let matched = NewSignal {
            dedupe_key: Some("f2"),
            run: Some(&run),
            ..signal
        };
        database.keep_signal(matched).await.expect("kept");

        database
            .match_signal(elsewhere.id, &run)
            .await
            .expect("matched");
        let unmatched = database.unmatched_signals(10).await.expect("asked");
        let bodies: Vec<_> = unmatched.iter().map(|s| s.body.as_str()).collect();
        assert_eq!(bodies, ["\u{fffd}", "\u{fffd}", "{\"alerts\":[]}"]);
        assert_eq!(unmatched[2].repeats, 1);
        assert_eq!(database.unmatched_signals(1).await.expect("asked").len(), 1);
    }
}
