//! What people write down after runs: remarks, corrective actions, and participants' answers.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::FromRow;

use super::columns::{instant, read_instant, read_word, unreadable, word};
use super::database::Database;
use super::forgetting::without;
use super::{Error, Result};
use crate::model::ids::RunId;
use crate::model::review::{Action, Answer, Closed, Kind, Remark, Survey, Written};

/// Something to be done because of a run.
#[derive(Debug, Clone, Copy)]
pub struct NewAction<'a> {
    /// The run that showed it.
    pub run: &'a RunId,
    /// What.
    pub text: &'a str,
    /// Who does it: a pseudonym.
    pub owner: &'a str,
    /// By when.
    pub due: Date,
    /// Who writes it down: a pseudonym.
    pub by: &'a str,
    /// When.
    pub at: Timestamp,
}

#[derive(FromRow)]
struct RawAction {
    id: i64,
    run: String,
    text: String,
    owner: String,
    due: String,
    by: String,
    at: String,
    outcome: Option<String>,
    closed_by: Option<String>,
    closed: Option<String>,
}

impl RawAction {
    fn read(self) -> Result<Action> {
        let closed = match (self.outcome, self.closed_by, self.closed) {
            (Some(outcome), Some(by), Some(at)) => Some(Closed {
                outcome,
                by,
                at: read_instant(&at)?,
            }),
            _ => None,
        };
        Ok(Action {
            id: self.id,
            run: read_word("a run's id", &self.run)?,
            text: self.text,
            owner: self.owner,
            due: self
                .due
                .parse()
                .map_err(|_| unreadable("a day", &self.due))?,
            by: self.by,
            at: read_instant(&self.at)?,
            closed,
        })
    }
}

macro_rules! actions {
    ($rest:literal) => {
        sqlx::query_as::<_, RawAction>(concat!(
            "SELECT id, run, text, owner, due, by, at, outcome, closed_by, closed FROM actions ",
            $rest
        ))
    };
}

fn read_all(rows: Vec<RawAction>) -> Result<Vec<Action>> {
    rows.into_iter().map(RawAction::read).collect()
}

/// A run that is not there can't be written about.
fn of_a_run(error: sqlx::Error, run: &RunId) -> Error {
    let foreign = error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation);
    if foreign {
        Error::NoSuchRun(run.clone())
    } else {
        error.into()
    }
}

impl Database {
    /// Keeps a remark about a run. Answers with its number.
    pub async fn add_remark(
        &self,
        run: &RunId,
        kind: Kind,
        text: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<i64> {
        let id = sqlx::query_scalar(
            "INSERT INTO remarks (run, kind, text, by, at) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        )
        .bind(run.as_str())
        .bind(word(&kind))
        .bind(text)
        .bind(by)
        .bind(instant(at))
        .fetch_one(self.writer())
        .await;
        id.map_err(|error| of_a_run(error, run))
    }

    /// Takes a remark about a run away. `false` where there was none.
    pub async fn remove_remark(&self, run: &RunId, id: i64) -> Result<bool> {
        let gone = sqlx::query("DELETE FROM remarks WHERE run = ?1 AND id = ?2")
            .bind(run.as_str())
            .bind(id)
            .execute(self.writer())
            .await?;
        Ok(gone.rows_affected() > 0)
    }

    /// The remarks about a run, in the order in which they were written down.
    pub async fn remarks_of(&self, run: &RunId) -> Result<Vec<Remark>> {
        let rows: Vec<(i64, String, String, String, String)> =
            sqlx::query_as("SELECT id, kind, text, by, at FROM remarks WHERE run = ?1 ORDER BY id")
                .bind(run.as_str())
                .fetch_all(self.readers())
                .await?;
        rows.into_iter()
            .map(|(id, kind, text, by, at)| {
                Ok(Remark {
                    id,
                    kind: read_word("a kind of remark", &kind)?,
                    text,
                    by,
                    at: read_instant(&at)?,
                })
            })
            .collect()
    }

    /// Keeps a corrective action. Answers with its number.
    pub async fn add_action(&self, new: NewAction<'_>) -> Result<i64> {
        let id = sqlx::query_scalar(
            "INSERT INTO actions (run, text, owner, due, by, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        )
        .bind(new.run.as_str())
        .bind(new.text)
        .bind(new.owner)
        .bind(new.due.to_string())
        .bind(new.by)
        .bind(instant(new.at))
        .fetch_one(self.writer())
        .await;
        id.map_err(|error| of_a_run(error, new.run))
    }

    /// One action.
    pub async fn action(&self, id: i64) -> Result<Option<Action>> {
        actions!("WHERE id = ?1")
            .bind(id)
            .fetch_optional(self.readers())
            .await?
            .map(RawAction::read)
            .transpose()
    }

    /// The actions of a run, in the order in which they were written down.
    pub async fn actions_of(&self, run: &RunId) -> Result<Vec<Action>> {
        let rows = actions!("WHERE run = ?1 ORDER BY id")
            .bind(run.as_str())
            .fetch_all(self.readers())
            .await?;
        read_all(rows)
    }

    /// Open actions, those that are due first in front.
    pub async fn open_actions(&self, limit: u32) -> Result<Vec<Action>> {
        let rows = actions!("WHERE closed IS NULL ORDER BY due, id LIMIT ?1")
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        read_all(rows)
    }

    /// Closed actions, the latest first.
    pub async fn closed_actions(&self, limit: u32) -> Result<Vec<Action>> {
        let rows = actions!("WHERE closed IS NOT NULL ORDER BY closed DESC, id DESC LIMIT ?1")
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        read_all(rows)
    }

    /// Closes an action with what came of it. `false` where it is not open.
    pub async fn close_action(
        &self,
        id: i64,
        outcome: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<bool> {
        let closed = sqlx::query(
            "UPDATE actions SET outcome = ?2, closed_by = ?3, closed = ?4 WHERE id = ?1 AND closed IS NULL",
        )
        .bind(id)
        .bind(outcome)
        .bind(by)
        .bind(instant(at))
        .execute(self.writer())
        .await?;
        Ok(closed.rows_affected() > 0)
    }

    /// Opens an action again. `false` where it is open or not there.
    pub async fn reopen_action(&self, id: i64) -> Result<bool> {
        let opened = sqlx::query(
            "UPDATE actions SET outcome = NULL, closed_by = NULL, closed = NULL WHERE id = ?1 AND closed IS NOT NULL",
        )
        .bind(id)
        .execute(self.writer())
        .await?;
        Ok(opened.rows_affected() > 0)
    }

    /// Keeps a participant's answers, in place of earlier ones.
    pub async fn answer(&self, run: &RunId, person: &str, answer: &Answer) -> Result<()> {
        let kept = sqlx::query(
            "INSERT INTO answers (run, person, agreement, comment) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (run, person) DO UPDATE SET agreement = excluded.agreement, comment = excluded.comment",
        )
        .bind(run.as_str())
        .bind(person)
        .bind(serde_json::json!(answer.agreement).to_string())
        .bind(&answer.comment)
        .execute(self.writer())
        .await;
        kept.map(drop).map_err(|error| of_a_run(error, run))
    }

    /// What participants of a run answered, and who has.
    pub async fn answers_of(&self, run: &RunId) -> Result<Vec<(String, Answer)>> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT person, agreement, comment FROM answers WHERE run = ?1 ORDER BY person",
        )
        .bind(run.as_str())
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .map(|(person, agreement, comment)| {
                let agreement = serde_json::from_str(&agreement)
                    .map_err(|_| unreadable("a survey's numbers", &agreement))?;
                Ok((person, Answer { agreement, comment }))
            })
            .collect()
    }

    /// Takes somebody who is forgotten out of what was written down after runs: their answers go, and what they were
    /// called is taken out of everybody's texts. Their remarks and actions stay, as nobody's.
    pub(super) async fn forget_in_reviews(
        &self,
        name: &str,
        pseudonym: Option<&str>,
    ) -> Result<()> {
        sqlx::query("DELETE FROM answers WHERE person = ?1")
            .bind(pseudonym)
            .execute(self.writer())
            .await?;
        // One letter is everywhere, and says nothing about anybody.
        if name.chars().count() < 2 {
            return Ok(());
        }
        let terms = BTreeSet::from([name.to_owned()]);
        for (find, change) in [
            (
                "SELECT id, text FROM remarks WHERE instr(text, ?1) > 0",
                "UPDATE remarks SET text = ?2 WHERE id = ?1",
            ),
            (
                "SELECT id, text FROM actions WHERE instr(text, ?1) > 0",
                "UPDATE actions SET text = ?2 WHERE id = ?1",
            ),
            (
                "SELECT id, outcome FROM actions WHERE instr(outcome, ?1) > 0",
                "UPDATE actions SET outcome = ?2 WHERE id = ?1",
            ),
            (
                "SELECT rowid, comment FROM answers WHERE instr(comment, ?1) > 0",
                "UPDATE answers SET comment = ?2 WHERE rowid = ?1",
            ),
        ] {
            let found: Vec<(i64, String)> = sqlx::query_as(find)
                .bind(name)
                .fetch_all(self.readers())
                .await?;
            for (id, text) in found {
                sqlx::query(change)
                    .bind(id)
                    .bind(without(&text, &terms))
                    .execute(self.writer())
                    .await?;
            }
        }
        Ok(())
    }

    /// All that people wrote down about a run.
    pub async fn written_about(&self, run: &RunId) -> Result<Written> {
        let answers = self.answers_of(run).await?;
        let answers: Vec<Answer> = answers.into_iter().map(|(_, answer)| answer).collect();
        Ok(Written {
            remarks: self.remarks_of(run).await?,
            actions: self.actions_of(run).await?,
            survey: Survey::of(&answers),
        })
    }

    /// Keeps the text of a file that a run was made from, by its digest.
    pub async fn keep_file(&self, sha256: &str, text: &str) -> Result<()> {
        sqlx::query("INSERT INTO files (sha256, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(sha256)
            .bind(text)
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// The text of the file with this digest, if it was kept.
    pub async fn file(&self, sha256: &str) -> Result<Option<String>> {
        Ok(
            sqlx::query_scalar("SELECT text FROM files WHERE sha256 = ?1")
                .bind(sha256)
                .fetch_optional(self.readers())
                .await?,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Durability, Journal};
    use crate::store::sample;

    async fn stored(database: &Database) -> RunId {
        let run = sample::run("r1");
        database
            .append(&run, 0, &[sample::created("x")], Durability::Durable)
            .await
            .expect("appended");
        run
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_359_200 + second).expect("an instant")
    }

    fn new<'a>(run: &'a RunId, text: &'a str, due: &str) -> NewAction<'a> {
        NewAction {
            run,
            text,
            owner: "p-2",
            due: due.parse().expect("a day"),
            by: "p-1",
            at: at(0),
        }
    }

    #[tokio::test]
    async fn an_action_stays_open_until_it_is_closed_and_may_be_opened_again() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let run = stored(&database).await;
        let late = database
            .add_action(new(&run, "write it down", "2026-04-01"))
            .await
            .expect("kept");
        let soon = database
            .add_action(new(&run, "page two people", "2026-03-15"))
            .await
            .expect("kept");
        let open = async || -> Vec<i64> {
            let open = database.open_actions(10).await.expect("readable");
            open.iter().map(|action| action.id).collect()
        };
        assert_eq!(open().await, [soon, late], "what is due first is in front");
        assert!(
            database
                .close_action(soon, "done", "p-3", at(9))
                .await
                .expect("closed")
        );
        assert!(
            !database
                .close_action(soon, "again", "p-4", at(10))
                .await
                .expect("asked"),
            "it is closed once"
        );
        assert_eq!(open().await, [late]);
        let closed = database.closed_actions(10).await.expect("readable");
        let how = closed[0].closed.as_ref().expect("it is closed");
        assert_eq!((how.outcome.as_str(), how.by.as_str()), ("done", "p-3"));
        assert!(database.reopen_action(soon).await.expect("opened"));
        assert!(!database.reopen_action(soon).await.expect("asked"));
        assert_eq!(open().await, [soon, late]);
        let of_run = database.actions_of(&run).await.expect("readable");
        assert_eq!(of_run.len(), 2);
        assert!(database.action(99).await.expect("readable").is_none());
    }

    #[tokio::test]
    async fn remarks_and_answers_belong_to_a_run_that_is_there() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let run = stored(&database).await;
        let nowhere = sample::run("r9");
        for error in [
            database
                .add_remark(&nowhere, Kind::Well, "x", "p-1", at(0))
                .await
                .expect_err("no run"),
            database
                .add_action(new(&nowhere, "x", "2026-03-15"))
                .await
                .expect_err("no run"),
        ] {
            assert!(matches!(error, Error::NoSuchRun(_)), "{error}");
        }
        let id = database
            .add_remark(&run, Kind::Lucky, "it was noon", "p-1", at(0))
            .await
            .expect("kept");
        let remarks = database.remarks_of(&run).await.expect("readable");
        assert_eq!((remarks[0].kind, remarks[0].id), (Kind::Lucky, id));
        assert!(!database.remove_remark(&nowhere, id).await.expect("asked"));
        assert!(database.remove_remark(&run, id).await.expect("removed"));

        let answer = |first| Answer {
            agreement: [first, 2, 3, 4],
            comment: "less noise".into(),
        };
        for first in [1, 5] {
            database
                .answer(&run, "p-1", &answer(first))
                .await
                .expect("kept");
        }
        let answers = database.answers_of(&run).await.expect("readable");
        assert_eq!(answers, [("p-1".to_owned(), answer(5))]);
    }

    #[tokio::test]
    async fn whoever_is_forgotten_is_in_no_remark_action_or_answer() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let run = stored(&database).await;
        let ann = database
            .pseudonym_of("Ann", || [7; 6])
            .await
            .expect("a pseudonym");
        database
            .add_remark(&run, Kind::Badly, "Ann was paged, not Annette", &ann, at(0))
            .await
            .expect("kept");
        let action = database
            .add_action(NewAction {
                owner: &ann,
                ..new(&run, "Page Ann first", "2026-03-15")
            })
            .await
            .expect("kept");
        database
            .close_action(action, "Ann is", &ann, at(1))
            .await
            .expect("closed");
        for (person, comment) in [(ann.as_str(), "mine"), ("p-2", "ask Ann")] {
            let answer = Answer {
                agreement: [3; 4],
                comment: comment.into(),
            };
            database.answer(&run, person, &answer).await.expect("kept");
        }
        assert!(database.forget("Ann").await.expect("forgotten"));
        let remarks = database.remarks_of(&run).await.expect("readable");
        assert_eq!(remarks[0].text, "[forgotten] was paged, not Annette");
        let action = database.action(action).await.expect("readable");
        let action = action.expect("it stays");
        assert_eq!(action.text, "Page [forgotten] first");
        assert_eq!(action.closed.expect("closed").outcome, "[forgotten] is");
        let answers = database.answers_of(&run).await.expect("readable");
        assert_eq!(answers.len(), 1, "their own answer is gone");
        assert_eq!(answers[0].1.comment, "ask [forgotten]");
    }

    #[tokio::test]
    async fn a_file_is_kept_once_by_its_digest() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        for _ in 0..2 {
            database.keep_file("ab", "kind: Stack").await.expect("kept");
        }
        let text = database.file("ab").await.expect("readable");
        assert_eq!(text.as_deref(), Some("kind: Stack"));
        assert_eq!(database.file("cd").await.expect("readable"), None);
    }
}
