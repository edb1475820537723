//! The writer: one task that takes appends in order from a bounded queue and commits all that wait in one transaction.
//!
//! Invariants:
//! - Appends are stored in the order in which they were queued, each whole or not at all.
//! - A durable append is answered after the commit that holds it (`synchronous = FULL`: it is on disk by then). A grouped
//!   one is answered when it is queued.
//! - One run's failure is not another's: an append that can't follow its run's head is refused on its own, and where a
//!   commit fails, its appends are tried one by one.
//! - A grouped append that fails is told at the next append of its run, which fails with the same error. What was queued
//!   in between could only leave a gap, and is dropped: when a writer learns of the failure, its run is at the event
//!   before the first one lost, with nothing of the run left in the queue.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::{Connection, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::chain::{BEGINNING, Prepared};
use super::columns::{instant, read_count, read_word, word};
use super::projection::Change;
use super::{Error, Result};
use crate::model::ids::RunId;
use crate::ports::{Durability, JournalError};

/// How many appends may wait before writers do.
const WAITING: usize = 1_024;

/// How many appends one transaction takes at most, so that the first of them need not wait for too many others.
const TOGETHER: usize = 256;

type Reply = oneshot::Sender<Result<(), JournalError>>;

/// One append.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) run: RunId,
    pub(super) expected: u64,
    pub(super) events: Vec<(Prepared, Option<Change>)>,
}

enum Request {
    Append(Append, Option<Reply>),
    /// Answered when everything before it is committed.
    Settle(oneshot::Sender<()>),
    /// Nothing is taken any more.
    Close,
}

/// Errors of grouped appends that nobody was told of yet.
type Failures = Arc<Mutex<HashMap<RunId, JournalError>>>;

fn held(failures: &Failures) -> std::sync::MutexGuard<'_, HashMap<RunId, JournalError>> {
    // A map of errors is whole whatever its holder was doing.
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way to the writer.
#[derive(Debug)]
pub(super) struct Queue {
    sender: mpsc::Sender<Request>,
    failures: Failures,
}

impl Queue {
    /// The queue, and the work of its writer: to be spawned, it ends after `close` or when the queue is dropped, with
    /// everything committed that was queued.
    pub(super) fn new(writer: SqlitePool) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let failures = Failures::default();
        let queue = Self {
            sender,
            failures: Arc::clone(&failures),
        };
        (queue, work(writer, receiver, failures))
    }

    /// Queues an append, and waits for its commit where `durability` says so. Dropping the future does not withdraw
    /// what was queued.
    pub(super) async fn append(&self, append: Append, durability: Durability) -> Result<()> {
        // A run with an untold failure is answered in turn, behind what of it is still queued.
        let answered =
            durability == Durability::Durable || held(&self.failures).contains_key(&append.run);
        if !answered {
            return self.send(Request::Append(append, None)).await;
        }
        let (reply, answer) = oneshot::channel();
        self.send(Request::Append(append, Some(reply))).await?;
        Ok(answer.await.map_err(|_| Error::Closed)??)
    }

    /// Waits until everything queued before is committed or has failed.
    pub(super) async fn settle(&self) {
        let (reply, answer) = oneshot::channel();
        if self.send(Request::Settle(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// Takes nothing more; the writer ends when it has committed what is queued.
    pub(super) async fn close(&self) {
        // A writer that has ended already is closed, too.
        let _ = self.send(Request::Close).await;
    }

    /// An error that nobody was told of, if there is one.
    pub(super) fn untold(&self) -> Option<JournalError> {
        let mut failures = held(&self.failures);
        let run = failures.keys().min()?.clone();
        failures.remove(&run)
    }

    async fn send(&self, request: Request) -> Result<()> {
        self.sender.send(request).await.map_err(|_| Error::Closed)
    }
}

async fn work(writer: SqlitePool, mut receiver: mpsc::Receiver<Request>, failures: Failures) {
    let mut requests = Vec::with_capacity(TOGETHER);
    while receiver.recv_many(&mut requests, TOGETHER).await > 0 {
        let mut appends = Vec::with_capacity(requests.len());
        let mut replies = Vec::with_capacity(requests.len());
        let mut settled = Vec::new();
        for request in requests.drain(..) {
            match request {
                Request::Append(append, reply) => {
                    appends.push(append);
                    replies.push(reply);
                }
                Request::Settle(reply) => settled.push(reply),
                Request::Close => receiver.close(),
            }
        }
        store(&writer, &appends, replies, &failures).await;
        for reply in settled {
            // Whoever asked may have gone.
            let _ = reply.send(());
        }
    }
}

/// What became of an append.
enum Fate {
    Stored,
    Refused(JournalError),
    /// An earlier one of its run failed, and nobody was told yet.
    Dropped,
}

async fn store(
    writer: &SqlitePool,
    appends: &[Append],
    mut replies: Vec<Option<Reply>>,
    failures: &Failures,
) {
    if appends.is_empty() {
        return;
    }
    match commit(writer, appends, &replies, failures).await {
        Ok(fates) => {
            for ((append, reply), fate) in appends.iter().zip(replies).zip(fates) {
                tell(&append.run, reply, fate, failures);
            }
        }
        Err(error) if appends.len() == 1 => {
            let reply = replies.pop().flatten();
            tell(
                &appends[0].run,
                reply,
                Fate::Refused(error.into()),
                failures,
            );
        }
        Err(error) => {
            tracing::debug!(%error, appends = appends.len(), "a commit failed; its appends are tried one by one");
            for (append, reply) in appends.iter().zip(replies) {
                let one = std::slice::from_ref(append);
                let reply = [reply];
                let fate = match commit(writer, one, &reply, failures).await {
                    Ok(mut fates) => fates.pop().unwrap_or(Fate::Dropped),
                    Err(error) => Fate::Refused(error.into()),
                };
                let [reply] = reply;
                tell(&append.run, reply, fate, failures);
            }
        }
    }
}

fn tell(run: &RunId, reply: Option<Reply>, fate: Fate, failures: &Failures) {
    let mut failures = held(failures);
    let (reply, answer) = match (reply, fate) {
        (Some(reply), Fate::Stored) => (reply, Ok(())),
        (Some(reply), Fate::Refused(error)) => (reply, Err(error)),
        (Some(reply), Fate::Dropped) => {
            let error = failures.remove(run).unwrap_or_else(|| {
                Error::Unfit {
                    run: run.clone(),
                    why: "an earlier append failed",
                }
                .into()
            });
            (reply, Err(error))
        }
        (None, Fate::Refused(error)) => {
            failures.insert(run.clone(), error);
            return;
        }
        (None, Fate::Stored | Fate::Dropped) => return,
    };
    if let Err(Err(error)) = reply.send(answer) {
        // Whoever waited has gone without knowing.
        failures.insert(run.clone(), error);
    }
}

struct Head {
    seq: u64,
    hash: String,
}

/// Stores in one transaction what of `appends` can follow. An error leaves nothing stored.
async fn commit(
    writer: &SqlitePool,
    appends: &[Append],
    replies: &[Option<Reply>],
    failures: &Failures,
) -> Result<Vec<Fate>> {
    let mut connection = writer.acquire().await?;
    let fates = commit_on(&mut connection, appends, replies, failures).await;
    if fates.is_err() {
        // SQLite ends a transaction by itself after some errors (a full disk), and then the connection's own count of
        // open transactions is wrong: a new connection is cheap and sure.
        connection.close_on_drop();
    }
    fates
}

async fn commit_on(
    connection: &mut SqliteConnection,
    appends: &[Append],
    replies: &[Option<Reply>],
    failures: &Failures,
) -> Result<Vec<Fate>> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut heads = heads(&mut transaction, appends).await?;
    let mut failed: HashSet<RunId> = held(failures).keys().cloned().collect();
    let mut fates = Vec::with_capacity(appends.len());
    let mut batch = Batch::default();
    for (append, reply) in appends.iter().zip(replies) {
        let fate = if failed.contains(&append.run) {
            Fate::Dropped
        } else {
            match follows(append, heads.get(&append.run)) {
                Ok(()) => {
                    let head = heads.entry(append.run.clone()).or_insert_with(|| Head {
                        seq: 0,
                        hash: BEGINNING.to_owned(),
                    });
                    batch.take(append, head)?;
                    Fate::Stored
                }
                Err(error) => Fate::Refused(error),
            }
        };
        // As `tell` will have it: an answer settles the failure, no answer leaves it open.
        match (&fate, reply) {
            (Fate::Dropped, Some(_)) => {
                failed.remove(&append.run);
            }
            (Fate::Refused(_), None) => {
                failed.insert(append.run.clone());
            }
            _ => {}
        }
        fates.push(fate);
    }
    if batch.is_empty() {
        transaction.rollback().await?;
    } else {
        batch.write(&mut transaction).await?;
        transaction.commit().await?;
    }
    Ok(fates)
}

fn follows(append: &Append, head: Option<&Head>) -> Result<(), JournalError> {
    match head {
        Some(head) if head.seq != append.expected => Err(JournalError::OutOfSequence {
            run: append.run.clone(),
            expected: append.expected,
            actual: head.seq,
        }),
        None if append.expected > 0 => Err(JournalError::NoSuchRun(append.run.clone())),
        _ => Ok(()),
    }
}

async fn heads(
    transaction: &mut SqliteConnection,
    appends: &[Append],
) -> Result<HashMap<RunId, Head>> {
    let runs: HashSet<&str> = appends.iter().map(|append| append.run.as_str()).collect();
    let rows: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT id, head_seq, head_hash FROM runs WHERE id IN (SELECT value FROM json_each(?1))",
    )
    .bind(serde_json::json!(runs).to_string())
    .fetch_all(transaction)
    .await?;
    let mut heads = HashMap::with_capacity(rows.len());
    for (run, seq, hash) in rows {
        let seq = read_count("a run's head", seq)?;
        heads.insert(read_word("a run's id", &run)?, Head { seq, hash });
    }
    Ok(heads)
}

/// What one transaction writes. Rows go over as one JSON text a table: a statement a row costs ten times as much.
#[derive(Default)]
struct Batch<'a> {
    events: Vec<serde_json::Value>,
    heads: HashMap<&'a str, (u64, String)>,
    changes: Vec<(&'a str, &'a Change)>,
}

impl<'a> Batch<'a> {
    fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn take(&mut self, append: &'a Append, head: &mut Head) -> Result<()> {
        let run = append.run.as_str();
        for (prepared, change) in &append.events {
            let sealed = prepared.seal(&head.hash)?;
            self.events.push(serde_json::json!([
                run,
                sealed.seq,
                sealed.header,
                sealed.payload,
                sealed.hash
            ]));
            *head = Head {
                seq: sealed.seq,
                hash: sealed.hash,
            };
            self.changes
                .extend(change.iter().map(|change| (run, change)));
        }
        self.heads.insert(run, (head.seq, head.hash.clone()));
        Ok(())
    }

    async fn write(self, transaction: &mut SqliteConnection) -> Result<()> {
        // A run's row is there before its events, which refer to it.
        for (run, change) in &self.changes {
            write_change(transaction, run, change).await?;
        }
        sqlx::query(
            "INSERT INTO events (run, seq, header, payload, hash)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1)",
        )
        .bind(serde_json::Value::from(self.events).to_string())
        .execute(&mut *transaction)
        .await?;
        let heads: Vec<_> = self
            .heads
            .iter()
            .map(|(run, (seq, hash))| serde_json::json!([run, seq, hash]))
            .collect();
        sqlx::query(
            "UPDATE runs SET head_seq = head.value ->> 1, head_hash = head.value ->> 2
             FROM json_each(?1) AS head WHERE runs.id = head.value ->> 0",
        )
        .bind(serde_json::Value::from(heads).to_string())
        .execute(transaction)
        .await?;
        Ok(())
    }
}

async fn write_change(
    transaction: &mut SqliteConnection,
    run: &str,
    change: &Change,
) -> Result<()> {
    let query = match change {
        Change::Created(row) => sqlx::query(
            "INSERT INTO runs (id, name, kind, stack, team, started_by, seed, created, head_seq, head_hash, secret, rehearsal,
                               game_day_id, game_day)
             VALUES (?1, ?2, ?3, ?4, ?8, ?5, ?6, ?7, 0, '', ?9, ?10, ?11, ?12)",
        )
        .bind(run)
        .bind(&row.name)
        .bind(row.kind)
        .bind(&row.stack)
        .bind(row.started_by)
        .bind(&row.seed)
        .bind(instant(row.at))
        .bind(&row.team)
        .bind(row.secret)
        .bind(row.rehearsal)
        .bind(row.game_day.as_ref().map(|(id, _)| id))
        .bind(row.game_day.as_ref().map(|(_, turn)| turn)),
        Change::Revealed => {
            sqlx::query("UPDATE runs SET secret = 0 WHERE id = ?1").bind(run)
        }
        Change::Phase(phase) => sqlx::query("UPDATE runs SET phase = ?2 WHERE id = ?1")
            .bind(run)
            .bind(word(phase)),
        Change::Stuck {
            injection,
            error,
            since,
        } => sqlx::query(
            "INSERT INTO stuck (run, injection, error, since) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (run, injection) DO UPDATE SET error = excluded.error",
        )
        .bind(run)
        .bind(injection.as_str())
        .bind(error)
        .bind(instant(*since)),
        Change::Undone(injection) => {
            sqlx::query("DELETE FROM stuck WHERE run = ?1 AND injection = ?2")
                .bind(run)
                .bind(injection.as_str())
        }
        Change::Ended { verdict, at } => {
            sqlx::query("UPDATE runs SET verdict = ?2, ended = ?3, secret = 0 WHERE id = ?1")
                .bind(run)
                .bind(word(verdict))
                .bind(instant(*at))
        }
    };
    query.execute(transaction).await?;
    Ok(())
}
