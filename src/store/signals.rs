//! Signals that came in through hooks, as they came: kept whether or not they match a run, and once where the sender
//! repeats itself.

use jiff::Timestamp;

use super::Result;
use super::columns::{read_count, read_instant};
use super::database::Database;
use crate::model::ids::RunId;
use crate::model::time::Stamp;

/// A signal as it came in.
#[derive(Debug, Clone, Copy)]
pub struct NewSignal<'a> {
    /// Through which hook, such as `alertmanager`.
    pub source: &'a str,
    /// What the source's repeats of it have in common; none where it can't be told.
    pub dedupe_key: Option<&'a str>,
    /// What other signals are about as well.
    pub thread: Option<&'a str>,
    /// When.
    pub received: Stamp,
    /// Its body, byte for byte.
    pub body: &'a [u8],
    /// What it says, as JSON of the caller's; none where it makes no sense.
    pub reading: Option<&'a str>,
    /// The run it belongs to, where it is known.
    pub run: Option<&'a RunId>,
    /// Who is behind it, where a person is: a pseudonym.
    pub person: Option<&'a str>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Its id.
    pub id: i64,
    /// Through which hook.
    pub source: String,
    /// When it first came.
    pub received: Timestamp,
    /// The same, by the clock of the process that took it; none of those that an earlier version kept.
    pub stamp: Option<Stamp>,
    /// Its body, with what is not UTF-8 replaced.
    pub body: String,
    /// Why its body was erased, if it was.
    pub erased: Option<String>,
    /// What it says, as whoever kept it wrote it.
    pub reading: Option<String>,
    /// How often it came again.
    pub repeats: u64,
    /// The run that it reached when it came.
    pub run: Option<String>,
    /// The run that it was attached to later.
    pub attached: Option<String>,
}

/// Which signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those that reached no run, and were attached to none.
    Unmatched,
    /// Those, and what reached a run that its responders are not told of.
    UnmatchedOrSecret,
}

/// When a source was last heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Which.
    pub source: String,
    /// When its last signal came, a repeat included.
    pub last: Timestamp,
    /// How many different ones it sent.
    pub signals: u64,
}

type Row = (
    i64,
    String,
    String,
    Option<String>,
    Vec<u8>,
    Option<String>,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// A query for rows of signals.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, source, received, stamp, body, reading, repeats, run, attached, erased FROM signals ",
            $rest
        )
    };
}

fn signal(row: Row) -> Result<Signal> {
    let (id, source, received, stamp, body, reading, repeats, run, attached, erased) = row;
    Ok(Signal {
        id,
        source,
        received: read_instant(&received)?,
        stamp: stamp.and_then(|stamp| serde_json::from_str(&stamp).ok()),
        body: String::from_utf8_lossy(&body).into_owned(),
        erased,
        reading,
        repeats: read_count("a count of repeats", repeats)?,
        run,
        attached,
    })
}

impl Database {
    /// Keeps a signal, together with others that wait. It is on disk when this answers.
    pub async fn keep_signal(&self, signal: NewSignal<'_>) -> Result<Kept> {
        self.intake().keep(signal).await
    }

    /// Says which run a signal belongs to.
    pub async fn match_signal(&self, id: i64, run: &RunId) -> Result<()> {
        self.intake().assign(id, run).await
    }

    /// Says which run a signal was attached to.
    pub async fn attach_signal(&self, id: i64, run: &RunId) -> Result<()> {
        sqlx::query("UPDATE signals SET attached = ?2 WHERE id = ?1")
            .bind(id)
            .bind(run.as_str())
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// The run that the latest matched signal about the same thing reached.
    pub async fn run_of_thread(&self, source: &str, thread: &str) -> Result<Option<RunId>> {
        let run: Option<String> = sqlx::query_scalar(
            "SELECT run FROM signals WHERE source = ?1 AND thread = ?2 AND run IS NOT NULL
             ORDER BY id DESC LIMIT 1",
        )
        .bind(source)
        .bind(thread)
        .fetch_optional(self.readers())
        .await?;
        Ok(run.and_then(|run| run.parse().ok()))
    }

    /// One signal.
    pub async fn signal(&self, id: i64) -> Result<Option<Signal>> {
        let row: Option<Row> = sqlx::query_as(select!("WHERE id = ?1"))
            .bind(id)
            .fetch_optional(self.readers())
            .await?;
        row.map(signal).transpose()
    }

    /// Signals before `before`, latest first.
    pub async fn signals(
        &self,
        which: Which,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Signal>> {
        let query = match which {
            Which::All => select!("WHERE id < ?1 ORDER BY id DESC LIMIT ?2"),
            Which::Unmatched => select!(
                "WHERE run IS NULL AND attached IS NULL AND id < ?1 ORDER BY id DESC LIMIT ?2"
            ),
            Which::UnmatchedOrSecret => select!(
                "WHERE (run IS NULL OR run IN (SELECT id FROM runs WHERE ended IS NULL AND secret = 1))
                   AND attached IS NULL AND id < ?1 ORDER BY id DESC LIMIT ?2"
            ),
        };
        let rows: Vec<Row> = sqlx::query_as(query)
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        rows.into_iter().map(signal).collect()
    }

    /// The latest signals that match no run, latest first.
    pub async fn unmatched_signals(&self, limit: u32) -> Result<Vec<Signal>> {
        self.signals(Which::Unmatched, None, limit).await
    }

    /// When each source was last heard.
    pub async fn heard(&self) -> Result<Vec<Heard>> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT source, MAX(COALESCE(last, received)), COUNT(*) FROM signals GROUP BY source",
        )
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .map(|(source, last, signals)| {
                Ok(Heard {
                    source,
                    last: read_instant(&last)?,
                    signals: read_count("a count of signals", signals)?,
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
            received: sample::at(1),
            thread: Some("t1"),
            reading: Some("{}"),
            body: b"{\"alerts\":[]}",
            run: None,
            person: None,
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

    #[tokio::test]
    async fn a_flood_is_kept_whole_and_each_signal_answered_for_itself() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let keys: Vec<String> = (0..3_000).map(|n| format!("k{}", n % 2_500)).collect();
        let kept = keys.iter().map(|key| {
            database.keep_signal(NewSignal {
                source: "alertmanager",
                dedupe_key: Some(key),
                received: sample::at(1),
                thread: None,
                reading: None,
                body: b"{}",
                run: None,
                person: None,
            })
        });
        let kept = futures_util::future::join_all(kept).await;
        let kept: Vec<Kept> = kept.into_iter().collect::<Result<_>>().expect("kept");
        assert!(kept[..2_500].iter().all(|one| !one.duplicate));
        for (again, first) in kept[2_500..].iter().zip(&kept) {
            assert_eq!((again.id, again.duplicate), (first.id, true));
        }
        let known = database.signals(Which::All, None, 10_000).await;
        assert_eq!(known.expect("asked").len(), 2_500);
        database.close().await.expect("closed");
        let late = database.match_signal(1, &sample::run("r1")).await;
        assert!(matches!(late, Err(crate::store::Error::Closed)));
    }
}
