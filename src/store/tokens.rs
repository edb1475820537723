//! API tokens: what each may do, and until when. A token is known by its SHA-256; itself it is shown once and kept
//! nowhere.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::Result;
use super::columns::{instant, read_instant, read_word, word};
use super::database::Database;
use super::keyed::{self, Caller};
use crate::model::access::{Grant, Scope};
use crate::model::ids::{StackName, TeamName};

/// How exactly it is kept when a token was last used.
const USED: SignedDuration = SignedDuration::from_mins(5);

/// A token as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ApiToken")]
pub struct Token {
    /// Its number.
    #[serde(skip)]
    pub id: i64,
    /// Its name, under which it acts where nobody else is named.
    pub name: String,
    /// What it may do, and where.
    #[serde(flatten)]
    pub grant: Grant,
    /// When it was made.
    pub created: Timestamp,
    /// By whom: a pseudonym.
    pub created_by: String,
    /// When it ends.
    pub expires: Timestamp,
    /// When it was last used, within a few minutes.
    pub used: Option<Timestamp>,
}

/// A token that is made.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// Its name.
    pub name: &'a str,
    /// The SHA-256 of what is shown once, in hex.
    pub token_sha256: &'a str,
    /// What it may do, and where.
    pub grant: &'a Grant,
    /// By whom: a pseudonym.
    pub created_by: &'a str,
    /// When.
    pub now: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

#[derive(FromRow)]
struct RawToken {
    id: i64,
    name: String,
    role: String,
    team: Option<String>,
    stack: Option<String>,
    created: String,
    created_by: String,
    expires: String,
    used: Option<String>,
}

impl RawToken {
    fn read(self) -> Result<Token> {
        Ok(Token {
            id: self.id,
            name: self.name,
            grant: Grant {
                role: read_word("a role", &self.role)?,
                scope: Scope {
                    team: self
                        .team
                        .map(|team| read_word("a team's name", &team))
                        .transpose()?,
                    stack: self
                        .stack
                        .map(|stack| read_word("a stack's name", &stack))
                        .transpose()?,
                },
            },
            created: read_instant(&self.created)?,
            created_by: self.created_by,
            expires: read_instant(&self.expires)?,
            used: self.used.map(|used| read_instant(&used)).transpose()?,
        })
    }
}

impl Database {
    /// Keeps a token; `false` where its name is taken, be it by one that has ended.
    pub async fn add_token(&self, new: &NewToken<'_>) -> Result<bool> {
        let made = sqlx::query(
            "INSERT INTO tokens (name, token_sha256, role, team, stack, created, created_by, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )
        .bind(new.name)
        .bind(new.token_sha256)
        .bind(word(&new.grant.role))
        .bind(new.grant.scope.team.as_ref().map(TeamName::as_str))
        .bind(new.grant.scope.stack.as_ref().map(StackName::as_str))
        .bind(instant(new.now))
        .bind(new.created_by)
        .bind(instant(new.expires))
        .execute(self.writer())
        .await?;
        Ok(made.rows_affected() > 0)
    }

    /// All tokens, by name, also those that have ended.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let rows: Vec<RawToken> = sqlx::query_as(
            "SELECT id, name, role, team, stack, created, created_by, expires, used FROM tokens ORDER BY name",
        )
        .fetch_all(self.readers())
        .await?;
        rows.into_iter().map(RawToken::read).collect()
    }

    /// What this token may do, if it is one and has not ended.
    pub async fn token(&self, token_sha256: &str, now: Timestamp) -> Result<Option<Token>> {
        let row: Option<RawToken> = sqlx::query_as(
            "SELECT id, name, role, team, stack, created, created_by, expires, used FROM tokens
             WHERE token_sha256 = ?1",
        )
        .bind(token_sha256)
        .fetch_optional(self.readers())
        .await?;
        let Some(token) = row.map(RawToken::read).transpose()? else {
            return Ok(None);
        };
        if now >= token.expires {
            return Ok(None);
        }
        if token
            .used
            .is_none_or(|used| now.duration_since(used) >= USED)
        {
            let kept = sqlx::query("UPDATE tokens SET used = ?2 WHERE token_sha256 = ?1")
                .bind(token_sha256)
                .bind(instant(now))
                .execute(self.writer())
                .await;
            if let Err(error) = kept {
                tracing::warn!(%error, "when a token was last used could not be kept");
            }
        }
        Ok(Some(token))
    }

    /// Ends a token, and with it the keys of its starts; `false` where there is none of this name.
    pub async fn revoke_token(&self, name: &str) -> Result<bool> {
        let mut transaction = self.writer().begin_with("BEGIN IMMEDIATE").await?;
        let gone: Option<i64> =
            sqlx::query_scalar("DELETE FROM tokens WHERE name = ?1 RETURNING id")
                .bind(name)
                .fetch_optional(&mut *transaction)
                .await?;
        let Some(id) = gone else { return Ok(false) };
        keyed::forget_caller(&mut transaction, Caller::Token(id)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::Role;
    use crate::store::sample;

    fn at(hours: i64) -> Timestamp {
        let start: Timestamp = "2026-03-01T10:00:00Z".parse().expect("an instant");
        start
            .checked_add(SignedDuration::from_hours(hours))
            .expect("an instant")
    }

    #[tokio::test]
    async fn a_token_works_until_it_ends_or_is_revoked() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let grant = Grant {
            role: Role::Operator,
            scope: Scope {
                team: Some("crew".parse().expect("a name")),
                stack: None,
            },
        };
        let new = |name, token_sha256| NewToken {
            name,
            token_sha256,
            grant: &grant,
            created_by: "p-1",
            now: at(0),
            expires: at(24),
        };
        assert!(database.add_token(&new("ci", "aa")).await.expect("made"));
        assert!(
            !database.add_token(&new("CI", "bb")).await.expect("asked"),
            "the name is taken"
        );
        let token = database
            .token("aa", at(1))
            .await
            .expect("asked")
            .expect("a token");
        assert_eq!((token.grant, token.used), (grant.clone(), None));
        let listed = database.tokens().await.expect("asked");
        assert_eq!(listed[0].used, Some(at(1)));
        assert_eq!(database.token("bb", at(1)).await.expect("asked"), None);
        assert_eq!(database.token("aa", at(24)).await.expect("asked"), None);
        assert!(database.revoke_token("ci").await.expect("asked"));
        assert!(!database.revoke_token("ci").await.expect("asked"));
        assert_eq!(database.token("aa", at(1)).await.expect("asked"), None);
    }
}
