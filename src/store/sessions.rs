//! Who is logged in. A session is known by the SHA-256 of its token; the token itself is only in the browser.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::Result;
use super::accounts::read_grants;
use super::columns::{instant, read_instant};
use super::database::Database;
use crate::model::access::Grant;

/// How long a session lasts.
const LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long it lasts unused.
const IDLE: SignedDuration = SignedDuration::from_hours(24);

/// How exactly it is kept when it was last used.
const SEEN: SignedDuration = SignedDuration::from_mins(5);

/// Whose session a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The session.
    pub session: i64,
    /// The account's number, which stays when the name changes.
    pub user: i64,
    /// The account's name.
    pub name: String,
    /// What it may do now.
    pub grants: Vec<Grant>,
}

/// A session as its owner and administrators are shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Session {
    /// Its number: it can be revoked by it, and says nothing about its token.
    pub id: i64,
    /// Whose.
    pub user: String,
    /// Since when.
    pub created: Timestamp,
    /// When it was last used, within a few minutes.
    pub seen: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// From where it was begun.
    pub address: String,
    /// With which browser, as that says.
    pub agent: String,
}

/// A session that begins.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    /// The SHA-256 of its token, in hex.
    pub token_sha256: &'a str,
    /// The account.
    pub user: i64,
    /// From where.
    pub address: &'a str,
    /// With which browser.
    pub agent: &'a str,
    /// When.
    pub now: Timestamp,
}

#[derive(FromRow)]
struct RawHolder {
    id: i64,
    user: i64,
    name: String,
    seen: String,
    expires: String,
}

#[derive(FromRow)]
struct RawSession {
    id: i64,
    name: String,
    created: String,
    seen: String,
    expires: String,
    address: String,
    agent: String,
}

fn is_over(seen: Timestamp, expires: Timestamp, now: Timestamp) -> bool {
    now >= expires || now.duration_since(seen) >= IDLE
}

impl Database {
    /// Begins a session in place of `former`, so that whoever knew that one has nothing; forgets those that are over.
    pub async fn begin_session(&self, new: &NewSession<'_>, former: Option<&str>) -> Result<()> {
        let expires = new.now.checked_add(LASTS).unwrap_or(Timestamp::MAX);
        let unused = new.now.checked_sub(IDLE).unwrap_or(Timestamp::MIN);
        let mut transaction = self.writer().begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM sessions WHERE token_sha256 = ?1 OR expires <= ?2 OR seen <= ?3")
            .bind(former)
            .bind(instant(new.now))
            .bind(instant(unused))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO sessions (token_sha256, user, created, seen, expires, address, agent)
             VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6)",
        )
        .bind(new.token_sha256)
        .bind(new.user)
        .bind(instant(new.now))
        .bind(instant(expires))
        .bind(new.address)
        .bind(new.agent)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whose session this is, if it is one and is not over. Asking is use of it, and kept at most every five minutes: a
    /// stream that asks again and again for as long as somebody watches keeps its session from lapsing.
    pub async fn session(&self, token_sha256: &str, now: Timestamp) -> Result<Option<Holder>> {
        let row: Option<RawHolder> = sqlx::query_as(
            "SELECT sessions.id, sessions.user, users.name, sessions.seen, sessions.expires
             FROM sessions JOIN users ON users.id = sessions.user WHERE token_sha256 = ?1",
        )
        .bind(token_sha256)
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let seen = read_instant(&row.seen)?;
        if is_over(seen, read_instant(&row.expires)?, now) {
            return Ok(None);
        }
        if now.duration_since(seen) >= SEEN {
            // Only so that people see which of their sessions are in use: a database that can't be written locks
            // nobody out.
            let kept = sqlx::query("UPDATE sessions SET seen = ?2 WHERE id = ?1")
                .bind(row.id)
                .bind(instant(now))
                .execute(self.writer())
                .await;
            if let Err(error) = kept {
                tracing::warn!(%error, "when a session was last used could not be kept");
            }
        }
        let mut connection = self.readers().acquire().await?;
        let grants = read_grants(&mut connection, row.user).await?;
        Ok(Some(Holder {
            session: row.id,
            user: row.user,
            name: row.name,
            grants,
        }))
    }

    /// The sessions that are not over, of one account or of all, last used first.
    pub async fn sessions(&self, user: Option<&str>, now: Timestamp) -> Result<Vec<Session>> {
        let rows: Vec<RawSession> = sqlx::query_as(
            "SELECT sessions.id, users.name, sessions.created, seen, expires, address, agent
             FROM sessions JOIN users ON users.id = sessions.user
             WHERE ?1 IS NULL OR users.name = ?1 ORDER BY seen DESC, sessions.id DESC",
        )
        .bind(user)
        .fetch_all(self.readers())
        .await?;
        let mut sessions = Vec::with_capacity(rows.len());
        for row in rows {
            let session = Session {
                id: row.id,
                user: row.name,
                created: read_instant(&row.created)?,
                seen: read_instant(&row.seen)?,
                expires: read_instant(&row.expires)?,
                address: row.address,
                agent: row.agent,
            };
            if !is_over(session.seen, session.expires, now) {
                sessions.push(session);
            }
        }
        Ok(sessions)
    }

    /// Ends a session; with `user`, only one of that account. `false` where there is none.
    pub async fn end_session(&self, id: i64, user: Option<&str>) -> Result<bool> {
        let gone = sqlx::query(
            "DELETE FROM sessions WHERE id = ?1
             AND (?2 IS NULL OR user = (SELECT id FROM users WHERE name = ?2))",
        )
        .bind(id)
        .bind(user)
        .execute(self.writer())
        .await?;
        Ok(gone.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    fn at(hours: i64) -> Timestamp {
        let start: Timestamp = "2026-03-01T10:00:00Z".parse().expect("an instant");
        start
            .checked_add(SignedDuration::from_hours(hours))
            .expect("an instant")
    }

    fn new(token_sha256: &str, now: Timestamp) -> NewSession<'_> {
        NewSession {
            token_sha256,
            user: 1,
            address: "127.0.0.1",
            agent: "a browser",
            now,
        }
    }

    async fn database(folder: &sample::Folder) -> Database {
        let database = Database::open(&folder.path).await.expect("opened");
        database
            .add_first_user("Ada", "hash", at(0))
            .await
            .expect("made");
        database
    }

    #[tokio::test]
    async fn a_session_begins_in_place_of_the_former_and_can_be_revoked() {
        let folder = sample::Folder::new();
        let database = database(&folder).await;
        database
            .begin_session(&new("one", at(0)), None)
            .await
            .expect("begun");
        database
            .begin_session(&new("two", at(1)), Some("one"))
            .await
            .expect("begun");
        assert_eq!(database.session("one", at(1)).await.expect("asked"), None);
        let holder = database
            .session("two", at(1))
            .await
            .expect("asked")
            .expect("a session");
        assert_eq!(holder.name, "Ada");
        assert_eq!(holder.grants.len(), 1);
        assert!(
            !database
                .end_session(holder.session, Some("Eve"))
                .await
                .expect("asked")
        );
        assert!(
            database
                .end_session(holder.session, Some("ada"))
                .await
                .expect("asked")
        );
        assert_eq!(database.session("two", at(1)).await.expect("asked"), None);
    }

    #[tokio::test]
    async fn a_session_ends_unused_after_a_day_and_used_after_a_week() {
        let folder = sample::Folder::new();
        let database = database(&folder).await;
        database
            .begin_session(&new("used", at(0)), None)
            .await
            .expect("begun");
        database
            .begin_session(&new("left", at(0)), None)
            .await
            .expect("begun");
        for hours in (20..168).step_by(20) {
            let used = database.session("used", at(hours)).await.expect("asked");
            assert!(used.is_some(), "after {hours} hours");
        }
        assert_eq!(database.session("left", at(24)).await.expect("asked"), None);
        let listed = database
            .sessions(Some("Ada"), at(160))
            .await
            .expect("asked");
        assert_eq!(listed.len(), 1, "one that is over is not listed");
        assert_eq!(
            database.session("used", at(168)).await.expect("asked"),
            None
        );
    }

    #[tokio::test]
    async fn use_is_kept_at_most_every_five_minutes() {
        let folder = sample::Folder::new();
        let database = database(&folder).await;
        database
            .begin_session(&new("one", at(0)), None)
            .await
            .expect("begun");
        let mut kept = Vec::new();
        for seconds in (0..=600).step_by(2) {
            let now = at(0) + SignedDuration::from_secs(seconds);
            assert!(database.session("one", now).await.expect("asked").is_some());
            let listed = database.sessions(None, now).await.expect("asked");
            let seen = listed[0].seen.duration_since(at(0)).as_mins();
            if kept.last() != Some(&seen) {
                kept.push(seen);
            }
        }
        assert_eq!(kept, [0, 5, 10]);
    }

    #[tokio::test]
    async fn another_password_ends_every_other_session_and_a_removed_account_all() {
        let folder = sample::Folder::new();
        let database = database(&folder).await;
        for token in ["here", "elsewhere"] {
            database
                .begin_session(&new(token, at(0)), None)
                .await
                .expect("begun");
        }
        let here = database
            .session("here", at(0))
            .await
            .expect("asked")
            .expect("a session");
        assert!(
            database
                .set_password("Ada", "other", Some(here.session))
                .await
                .expect("set")
        );
        assert_eq!(
            database.session("elsewhere", at(0)).await.expect("asked"),
            None
        );
        assert!(
            database
                .session("here", at(0))
                .await
                .expect("asked")
                .is_some()
        );
        assert_eq!(
            database.sessions(None, at(0)).await.expect("asked").len(),
            1
        );
    }
}
