//! Who changed what, when and from where: an append-only list in a hash chain of its own.
//!
//! It is sealed as the logs of runs are: a header, canonical JSON, holds who (a pseudonym), when and what, the digest of
//! a payload, and the hash of the header before it. The payload holds what may have to be erased: from where, and about
//! what in particular. Whoever is forgotten leaves pseudonyms that mean nobody, and the chain stays whole.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, SqliteConnection};

use super::chain::{BEGINNING, canonical, digest};
use super::columns::{count, read_count, unreadable};
use super::database::Database;
use super::{Error, Result};

/// The version of entries as written now.
const VERSION: u32 = 1;

/// How somebody was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// A session.
    Session,
    /// An API token.
    Token,
    /// The machine itself, where there are no accounts.
    LocalOperator,
    /// A command on the data folder.
    CommandLine,
    /// Nothing yet: setting up and logging in.
    Door,
}

/// Something that was done, or was asked for and refused.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// Who: a pseudonym, where anybody is known.
    pub actor: Option<String>,
    /// By what they were known.
    pub through: Through,
    /// What: a method and a path of the table of addresses, or a command.
    pub act: String,
    /// From where and about what.
    pub about: Value,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    v: u32,
    log: String,
    seq: u64,
    at: Timestamp,
    actor: Option<String>,
    through: Through,
    act: String,
    payload_sha256: String,
    prev: String,
}

/// An entry as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub struct Entry {
    /// Its place.
    pub seq: u64,
    /// What was done; `about` is null once it was erased.
    #[serde(flatten)]
    pub deed: Deed,
    /// Why that was erased, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased: Option<String>,
    /// The hash of its header.
    pub hash: String,
}

#[derive(FromRow)]
struct Row {
    seq: i64,
    header: String,
    payload: Option<String>,
    erased: Option<String>,
    hash: String,
}

impl Row {
    /// What it holds, checked against itself and, where that is known, the hash before it.
    fn open(&self, prev: Option<&str>) -> Result<Entry> {
        let seq = read_count("an entry's place", self.seq)?;
        let damaged = |what: &'static str| Error::AuditDamaged { seq, what };
        if digest(self.header.as_bytes()) != self.hash {
            return Err(damaged("its header does not match its hash"));
        }
        let header: Header =
            serde_json::from_str(&self.header).map_err(|_| damaged("its header can't be read"))?;
        if header.seq != seq || header.log != "audit" {
            return Err(damaged("its header belongs to another entry"));
        }
        if prev.is_some_and(|prev| prev != header.prev) {
            return Err(damaged("it does not follow the entry before it"));
        }
        let about = match (&self.payload, &self.erased) {
            (Some(payload), _) if digest(payload.as_bytes()) != header.payload_sha256 => {
                return Err(damaged("its payload does not match its digest"));
            }
            (Some(payload), _) => {
                serde_json::from_str(payload).map_err(|_| damaged("its payload can't be read"))?
            }
            (None, Some(_)) => Value::Null,
            (None, None) => return Err(damaged("its payload is missing")),
        };
        Ok(Entry {
            seq,
            deed: Deed {
                at: header.at,
                actor: header.actor,
                through: header.through,
                act: header.act,
                about,
            },
            erased: self.erased.clone(),
            hash: self.hash.clone(),
        })
    }
}

impl Database {
    /// Adds an entry; answers with its place once it is on disk.
    pub async fn audit(&self, deed: &Deed) -> Result<u64> {
        let payload = deed.about.to_string();
        let mut transaction = self.writer().begin_with("BEGIN IMMEDIATE").await?;
        let (seq, prev) = head(&mut transaction).await?;
        let header = canonical(&Header {
            v: VERSION,
            log: "audit".to_owned(),
            seq: seq + 1,
            at: deed.at,
            actor: deed.actor.clone(),
            through: deed.through,
            act: deed.act.clone(),
            payload_sha256: digest(payload.as_bytes()),
            prev,
        })
        .map_err(|_| unreadable("an entry of the audit", &deed.act))?;
        let hash = digest(header.as_bytes());
        sqlx::query(
            "INSERT INTO audit (seq, actor, header, payload, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(count(seq + 1))
        .bind(&deed.actor)
        .bind(&header)
        .bind(&payload)
        .bind(&hash)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO audit_head (id, seq, hash) VALUES (1, ?1, ?2)
             ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
        )
        .bind(count(seq + 1))
        .bind(&hash)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(seq + 1)
    }

    /// Up to `limit` entries, latest first; with `before`, those before that place.
    pub async fn audited(&self, limit: u32, before: Option<u64>) -> Result<Vec<Entry>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, header, payload, erased, hash FROM audit
             WHERE ?2 IS NULL OR seq < ?2 ORDER BY seq DESC LIMIT ?1",
        )
        .bind(limit)
        .bind(before.map(count))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(|row| row.open(None)).collect()
    }

    /// Checks the whole chain; answers with how many entries it has.
    pub async fn verify_audit(&self) -> Result<u64> {
        const PART: u64 = 1_000;
        let mut snapshot = self.readers().begin().await?;
        let (last, hash) = head(&mut snapshot).await?;
        let (mut seq, mut prev) = (0, BEGINNING.to_owned());
        while seq < last {
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT seq, header, payload, erased, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            )
            .bind(count(seq))
            .bind(count(PART))
            .fetch_all(&mut *snapshot)
            .await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let entry = row.open(Some(&prev))?;
                if entry.seq != seq + 1 {
                    return Err(Error::AuditDamaged {
                        seq: seq + 1,
                        what: "it is missing",
                    });
                }
                (seq, prev) = (entry.seq, entry.hash);
            }
        }
        snapshot.commit().await?;
        if (seq, &prev) != (last, &hash) {
            return Err(Error::AuditDamaged {
                seq: seq + 1,
                what: "the list ends elsewhere than its head says",
            });
        }
        Ok(seq)
    }

    /// Erases what the audit has of one pseudonym beyond the pseudonym: from where they did things, and to what.
    pub async fn erase_audit_of(&self, pseudonym: &str, reason: &str) -> Result<u64> {
        let erased = sqlx::query(
            "UPDATE audit SET payload = NULL, erased = ?2 WHERE actor = ?1 AND payload IS NOT NULL",
        )
        .bind(pseudonym)
        .bind(reason)
        .execute(self.writer())
        .await?;
        self.flush_erased().await?;
        Ok(erased.rows_affected())
    }
}

async fn head(connection: &mut SqliteConnection) -> Result<(u64, String)> {
    let head: Option<(i64, String)> = sqlx::query_as("SELECT seq, hash FROM audit_head")
        .fetch_optional(connection)
        .await?;
    match head {
        Some((seq, hash)) => Ok((read_count("the audit's head", seq)?, hash)),
        None => Ok((0, BEGINNING.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::sample;

    fn deed(actor: &str, act: &str) -> Deed {
        Deed {
            at: "2026-03-01T10:00:00Z".parse().expect("an instant"),
            actor: Some(actor.to_owned()),
            through: Through::Session,
            act: act.to_owned(),
            about: json!({"from": "192.0.2.7"}),
        }
    }

    async fn filled(folder: &sample::Folder) -> Database {
        let database = Database::open(&folder.path).await.expect("opened");
        for (place, act) in ["one", "two", "three"].into_iter().enumerate() {
            let actor = if place == 1 { "p-bob" } else { "p-ada" };
            let seq = database.audit(&deed(actor, act)).await.expect("kept");
            assert_eq!(seq, place as u64 + 1);
        }
        database
    }

    #[tokio::test]
    async fn entries_are_chained_and_read_latest_first() {
        let folder = sample::Folder::new();
        let database = filled(&folder).await;
        let all = database.audited(10, None).await.expect("asked");
        let acts: Vec<&str> = all.iter().map(|entry| entry.deed.act.as_str()).collect();
        assert_eq!(acts, ["three", "two", "one"]);
        let earlier = database.audited(1, Some(3)).await.expect("asked");
        assert_eq!(earlier[0].deed, deed("p-bob", "two"));
        assert_eq!(database.verify_audit().await.expect("whole"), 3);
    }

    #[tokio::test]
    async fn somebody_forgotten_leaves_the_chain_whole() {
        let folder = sample::Folder::new();
        let database = filled(&folder).await;
        let erased = database
            .erase_audit_of("p-ada", "forgotten")
            .await
            .expect("erased");
        assert_eq!(erased, 2);
        assert_eq!(database.verify_audit().await.expect("whole"), 3);
        let all = database.audited(10, None).await.expect("asked");
        assert_eq!(
            (&all[0].deed.about, all[0].erased.as_deref()),
            (&Value::Null, Some("forgotten"))
        );
        assert_eq!(all[1].deed.about["from"], "192.0.2.7");
        database.close().await.expect("closed");
    }

    #[tokio::test]
    async fn what_was_changed_by_hand_is_found() {
        for (statement, what) in [
            (
                "UPDATE audit SET header = replace(header, 'two', 'tow') WHERE seq = 2",
                "header does not match",
            ),
            (
                "UPDATE audit SET payload = '{}' WHERE seq = 2",
                "payload does not match",
            ),
            ("DELETE FROM audit WHERE seq = 2", "does not follow"),
            ("DELETE FROM audit WHERE seq = 3", "ends elsewhere"),
            ("DELETE FROM audit", "ends elsewhere"),
        ] {
            let folder = sample::Folder::new();
            let database = filled(&folder).await;
            sqlx::query(statement)
                .execute(database.writer())
                .await
                .expect("changed");
            let error = database.verify_audit().await.expect_err("damage");
            assert!(error.to_string().contains(what), "{statement}: {error}");
        }
    }
}
