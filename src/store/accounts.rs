//! Who may log in, and what they may do. Passwords come in as hashes: nothing here knows one.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{FromRow, SqliteConnection};

use super::columns::{instant, read_instant, read_word, word};
use super::database::Database;
use super::keyed::{self, Caller};
use super::{Error, Result};
use crate::model::access::{Grant, Role, Scope};
use crate::model::ids::{StackName, TeamName};

/// An account as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its number, which stays when the name changes.
    #[serde(skip)]
    pub id: i64,
    /// Its name, which is also the name under which the person acts.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// What it may do.
    pub grants: Vec<Grant>,
}

/// What came of a change that must leave an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is done.
    Done,
    /// There is no such account.
    Unknown,
    /// Nobody would be left who can administer everything, so nothing was changed.
    LastAdministrator,
    /// Somebody else changed it since it was looked at, so nothing was changed.
    Overtaken,
}

#[derive(FromRow)]
struct RawUser {
    id: i64,
    name: String,
    created: String,
}

#[derive(FromRow)]
struct RawGrant {
    user: i64,
    role: String,
    team: Option<String>,
    stack: Option<String>,
}

impl RawGrant {
    fn read(self) -> Result<(i64, Grant)> {
        let scope = Scope {
            team: self
                .team
                .map(|team| read_word("a team's name", &team))
                .transpose()?,
            stack: self
                .stack
                .map(|stack| read_word("a stack's name", &stack))
                .transpose()?,
        };
        let role: Role = read_word("a role", &self.role)?;
        Ok((self.user, Grant { role, scope }))
    }
}

impl Database {
    /// Whether there is an account.
    pub async fn has_users(&self) -> Result<bool> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)")
            .fetch_one(self.readers())
            .await?)
    }

    /// Makes the first account, an administrator of everything; `false` where there is one already.
    pub async fn add_first_user(&self, name: &str, password: &str, now: Timestamp) -> Result<bool> {
        let mut transaction = self.writer().begin_with("BEGIN IMMEDIATE").await?;
        let made = sqlx::query(
            "INSERT INTO users (name, password, created) SELECT ?1, ?2, ?3
             WHERE NOT EXISTS (SELECT 1 FROM users)",
        )
        .bind(name)
        .bind(password)
        .bind(instant(now))
        .execute(&mut *transaction)
        .await?;
        if made.rows_affected() == 0 {
            return Ok(false);
        }
        let everything = Grant {
            role: Role::Administrator,
            scope: Scope::default(),
        };
        write_grants(&mut transaction, made.last_insert_rowid(), &[everything]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Makes an account; `false` where its name is taken.
    pub async fn add_user(
        &self,
        name: &str,
        password: &str,
        grants: &[Grant],
        now: Timestamp,
    ) -> Result<bool> {
        let mut transaction = self.writer().begin_with("BEGIN IMMEDIATE").await?;
        let made = sqlx::query(
            "INSERT INTO users (name, password, created) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(password)
        .bind(instant(now))
        .execute(&mut *transaction)
        .await?;
        if made.rows_affected() == 0 {
            return Ok(false);
        }
        write_grants(&mut transaction, made.last_insert_rowid(), grants).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// All accounts, by name.
    pub async fn users(&self) -> Result<Vec<User>> {
        let mut snapshot = self.readers().begin().await?;
        let rows: Vec<RawUser> =
            sqlx::query_as("SELECT id, name, created FROM users ORDER BY name")
                .fetch_all(&mut *snapshot)
                .await?;
        let grants: Vec<RawGrant> =
            sqlx::query_as("SELECT user, role, team, stack FROM grants ORDER BY rowid")
                .fetch_all(&mut *snapshot)
                .await?;
        snapshot.commit().await?;
        let grants = grants
            .into_iter()
            .map(RawGrant::read)
            .collect::<Result<Vec<_>>>()?;
        rows.into_iter()
            .map(|row| {
                Ok(User {
                    id: row.id,
                    name: row.name,
                    created: read_instant(&row.created)?,
                    grants: grants
                        .iter()
                        .filter(|(user, _)| *user == row.id)
                        .map(|(_, grant)| grant.clone())
                        .collect(),
                })
            })
            .collect()
    }

    /// One account.
    pub async fn user(&self, name: &str) -> Result<Option<User>> {
        let mut snapshot = self.readers().begin().await?;
        let row: Option<RawUser> =
            sqlx::query_as("SELECT id, name, created FROM users WHERE name = ?1")
                .bind(name)
                .fetch_optional(&mut *snapshot)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let grants = read_grants(&mut snapshot, row.id).await?;
        snapshot.commit().await?;
        Ok(Some(User {
            id: row.id,
            name: row.name,
            created: read_instant(&row.created)?,
            grants,
        }))
    }

    /// The number, the name as it is kept and the password's hash of an account.
    pub async fn password_of(&self, name: &str) -> Result<Option<(i64, String, String)>> {
        Ok(
            sqlx::query_as("SELECT id, name, password FROM users WHERE name = ?1")
                .bind(name)
                .fetch_optional(self.readers())
                .await?,
        )
    }

    /// Gives an account another password, and ends all its sessions but `kept`.
    pub async fn set_password(
        &self,
        name: &str,
        password: &str,
        kept: Option<i64>,
    ) -> Result<bool> {
        let mut transaction = self.writer().begin_with("BEGIN IMMEDIATE").await?;
        let user: Option<i64> =
            sqlx::query_scalar("UPDATE users SET password = ?2 WHERE name = ?1 RETURNING id")
                .bind(name)
                .bind(password)
                .fetch_optional(&mut *transaction)
                .await?;
        let Some(user) = user else { return Ok(false) };
        sqlx::query("DELETE FROM sessions WHERE user = ?1 AND id IS NOT ?2")
            .bind(user)
            .bind(kept)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Gives an account other roles; with `seen`, only where it still has those.
    pub async fn set_grants(
        &self,
        name: &str,
        grants: &[Grant],
        seen: Option<&[Grant]>,
    ) -> Result<Change> {
        let mut transaction = self.writer().begin_with("BEGIN IMMEDIATE").await?;
        let Some(user) = number(&mut transaction, name).await? else {
            return Ok(Change::Unknown);
        };
        if let Some(seen) = seen
            && read_grants(&mut transaction, user).await? != seen
        {
            return Ok(Change::Overtaken);
        }
        sqlx::query("DELETE FROM grants WHERE user = ?1")
            .bind(user)
            .execute(&mut *transaction)
            .await?;
        write_grants(&mut transaction, user, grants).await?;
        if !has_administrator(&mut transaction).await? {
            return Ok(Change::LastAdministrator);
        }
        transaction.commit().await?;
        Ok(Change::Done)
    }

    /// Removes an account with its roles and sessions. What the person did stays, under their name, until that is
    /// forgotten.
    pub async fn remove_user(&self, name: &str) -> Result<Change> {
        let mut transaction = self.writer().begin_with("BEGIN IMMEDIATE").await?;
        let gone: Option<i64> =
            sqlx::query_scalar("DELETE FROM users WHERE name = ?1 RETURNING id")
                .bind(name)
                .fetch_optional(&mut *transaction)
                .await?;
        let Some(user) = gone else {
            return Ok(Change::Unknown);
        };
        keyed::forget_caller(&mut transaction, Caller::Account(user)).await?;
        if !has_administrator(&mut transaction).await? {
            return Ok(Change::LastAdministrator);
        }
        transaction.commit().await?;
        Ok(Change::Done)
    }

    /// What forms' tokens are made from where nobody is logged in: `draw` gives it the first time, and it stays.
    pub async fn server_secret(&self, draw: impl FnOnce() -> String + Send) -> Result<String> {
        const KNOWN: &str = "SELECT value FROM server_secret";
        let known: Option<String> = sqlx::query_scalar(KNOWN)
            .fetch_optional(self.readers())
            .await?;
        if let Some(known) = known {
            return Ok(known);
        }
        sqlx::query("INSERT INTO server_secret (id, value) VALUES (1, ?1) ON CONFLICT DO NOTHING")
            .bind(draw())
            .execute(self.writer())
            .await?;
        Ok(sqlx::query_scalar(KNOWN).fetch_one(self.writer()).await?)
    }
}

async fn number(connection: &mut SqliteConnection, name: &str) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar("SELECT id FROM users WHERE name = ?1")
        .bind(name)
        .fetch_optional(connection)
        .await?)
}

/// What an account may do.
pub(super) async fn read_grants(
    connection: &mut SqliteConnection,
    user: i64,
) -> Result<Vec<Grant>> {
    let grants: Vec<RawGrant> =
        sqlx::query_as("SELECT user, role, team, stack FROM grants WHERE user = ?1 ORDER BY rowid")
            .bind(user)
            .fetch_all(connection)
            .await?;
    let grants = grants.into_iter();
    grants
        .map(|grant| grant.read().map(|(_, grant)| grant))
        .collect()
}

async fn has_administrator(connection: &mut SqliteConnection) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM grants WHERE role = 'administrator' AND team IS NULL AND stack IS NULL)",
    )
    .fetch_one(connection)
    .await?)
}

async fn write_grants(
    connection: &mut SqliteConnection,
    user: i64,
    grants: &[Grant],
) -> Result<(), Error> {
    for grant in grants {
        sqlx::query("INSERT INTO grants (user, role, team, stack) VALUES (?1, ?2, ?3, ?4)")
            .bind(user)
            .bind(word(&grant.role))
            .bind(grant.scope.team.as_ref().map(TeamName::as_str))
            .bind(grant.scope.stack.as_ref().map(StackName::as_str))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    fn grant(role: Role, stack: Option<&str>) -> Grant {
        Grant {
            role,
            scope: Scope {
                team: None,
                stack: stack.map(|name| name.parse().expect("a name")),
            },
        }
    }

    fn now() -> Timestamp {
        "2026-03-01T10:00:00Z".parse().expect("an instant")
    }

    #[tokio::test]
    async fn the_first_account_is_an_administrator_and_there_is_one_first() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        assert!(!database.has_users().await.expect("asked"));
        let two = (
            database.add_first_user("Ada", "hash", now()),
            database.add_first_user("Eve", "hash", now()),
        );
        let (ada, eve) = tokio::join!(two.0, two.1);
        assert!(ada.expect("asked") != eve.expect("asked"), "one of both");
        let users = database.users().await.expect("asked");
        assert_eq!(users.len(), 1);
        assert_eq!(users[0].grants, [grant(Role::Administrator, None)]);
        assert!(database.has_users().await.expect("asked"));
    }

    #[tokio::test]
    async fn an_administrator_always_stays() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        database
            .add_first_user("Ada", "hash", now())
            .await
            .expect("made");
        let bounded = [grant(Role::Administrator, Some("tiny"))];
        assert!(
            database
                .add_user("Bob", "hash", &bounded, now())
                .await
                .expect("made")
        );
        assert!(
            !database
                .add_user("bob", "hash", &[], now())
                .await
                .expect("asked"),
            "names differ by more than case"
        );
        for refused in [
            database
                .set_grants("Ada", &bounded, None)
                .await
                .expect("asked"),
            database.remove_user("Ada").await.expect("asked"),
        ] {
            assert_eq!(refused, Change::LastAdministrator);
        }
        assert_eq!(database.users().await.expect("asked")[0].grants.len(), 1);
        let everything = [grant(Role::Administrator, None)];
        assert_eq!(
            database
                .set_grants("Bob", &everything, Some(&[]))
                .await
                .expect("asked"),
            Change::Overtaken
        );
        assert_eq!(
            database
                .set_grants("Bob", &everything, Some(&bounded))
                .await
                .expect("asked"),
            Change::Done
        );
        assert_eq!(
            database.remove_user("Ada").await.expect("asked"),
            Change::Done
        );
        assert_eq!(
            database.remove_user("Ada").await.expect("asked"),
            Change::Unknown
        );
        let users = database.users().await.expect("asked");
        assert_eq!(
            users.iter().map(|user| &user.name).collect::<Vec<_>>(),
            ["Bob"]
        );
    }

    #[tokio::test]
    async fn a_servers_secret_is_drawn_once() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let first = database
            .server_secret(|| "one".to_owned())
            .await
            .expect("made");
        let second = database
            .server_secret(|| "two".to_owned())
            .await
            .expect("known");
        assert_eq!((first.as_str(), second.as_str()), ("one", "one"));
    }
}
