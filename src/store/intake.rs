//! The intake of signals: one task that commits all that waits in one transaction, so that a flood of alerts costs few
//! commits, and a run's own events wait for none of them for long.
//!
//! Invariants:
//! - What is asked for is answered after the commit that holds it.
//! - Signals are numbered in the order in which they were queued.
//! - One signal's failure is not another's: where a commit fails, what it held is tried one by one.

use sqlx::{SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::columns::instant;
use super::signals::{Kept, NewSignal};
use super::{Error, Result};
use crate::model::ids::RunId;
use crate::model::time::Stamp;

/// How many may wait before senders do.
const WAITING: usize = 1_024;

/// How many one transaction takes at most: a few milliseconds' worth, since runs share the connection.
const TOGETHER: usize = 128;

/// What is to be written.
#[derive(Debug)]
enum Task {
    Keep(Box<Arrived>),
    /// A signal's run.
    Match(i64, RunId),
}

/// A signal, and its own words.
#[derive(Debug)]
struct Arrived {
    source: String,
    dedupe_key: Option<String>,
    thread: Option<String>,
    received: Stamp,
    body: Vec<u8>,
    reading: Option<String>,
    run: Option<RunId>,
    person: Option<String>,
}

impl From<NewSignal<'_>> for Arrived {
    fn from(signal: NewSignal<'_>) -> Self {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Self {
            source: signal.source.to_owned(),
            dedupe_key: own(signal.dedupe_key),
            thread: own(signal.thread),
            received: signal.received,
            body: signal.body.to_owned(),
            reading: own(signal.reading),
            run: signal.run.cloned(),
            person: own(signal.person),
        }
    }
}

type Reply = oneshot::Sender<Result<Kept>>;

enum Request {
    Write(Task, Reply),
    /// Nothing is taken any more.
    Close,
}

/// The way to the intake.
#[derive(Debug)]
pub(super) struct Intake(mpsc::Sender<Request>);

impl Intake {
    /// The way, and the work at its end: to be spawned, it ends after `close` or when the way is dropped, with everything
    /// committed that was queued.
    pub(super) fn new(writer: SqlitePool) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), work(writer, receiver))
    }

    /// Keeps a signal. Dropping the future does not withdraw what was queued.
    pub(super) async fn keep(&self, signal: NewSignal<'_>) -> Result<Kept> {
        self.write(Task::Keep(Box::new(signal.into()))).await
    }

    /// Says which run a signal belongs to.
    pub(super) async fn assign(&self, id: i64, run: &RunId) -> Result<()> {
        self.write(Task::Match(id, run.clone())).await.map(|_| ())
    }

    /// Takes nothing more; the work ends when it has committed what is queued.
    pub(super) async fn close(&self) {
        // An intake that has ended already is closed, too.
        let _ = self.0.send(Request::Close).await;
    }

    async fn write(&self, task: Task) -> Result<Kept> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Write(task, reply);
        self.0.send(request).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

async fn work(writer: SqlitePool, mut receiver: mpsc::Receiver<Request>) {
    let mut requests = Vec::with_capacity(TOGETHER);
    while receiver.recv_many(&mut requests, TOGETHER).await > 0 {
        let (mut tasks, mut replies) = (Vec::new(), Vec::new());
        for request in requests.drain(..) {
            match request {
                Request::Write(task, reply) => {
                    tasks.push(task);
                    replies.push(reply);
                }
                Request::Close => receiver.close(),
            }
        }
        if !tasks.is_empty() {
            write_all(&writer, &tasks, replies).await;
        }
    }
}

async fn write_all(writer: &SqlitePool, tasks: &[Task], replies: Vec<Reply>) {
    // Whoever asked may have gone: then nobody is told.
    let tell = |reply: Reply, answer: Result<Kept>| drop(reply.send(answer));
    let error = match commit(writer, tasks).await {
        Ok(all) => {
            for (reply, kept) in replies.into_iter().zip(all) {
                tell(reply, Ok(kept));
            }
            return;
        }
        Err(error) => error,
    };
    let mut replies = replies.into_iter();
    if tasks.len() == 1 {
        if let Some(reply) = replies.next() {
            tell(reply, Err(error.into()));
        }
        return;
    }
    tracing::debug!(%error, signals = tasks.len(), "a commit failed; its signals are tried one by one");
    for (task, reply) in tasks.iter().zip(replies) {
        let kept = commit(writer, std::slice::from_ref(task)).await;
        let kept = kept.map_err(Error::from);
        tell(
            reply,
            kept.and_then(|all| all.into_iter().next().ok_or(Error::Closed)),
        );
    }
}

async fn commit(writer: &SqlitePool, tasks: &[Task]) -> sqlx::Result<Vec<Kept>> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let mut all = Vec::with_capacity(tasks.len());
    for task in tasks {
        all.push(match task {
            Task::Keep(signal) => insert(&mut transaction, signal).await?,
            Task::Match(id, run) => {
                sqlx::query("UPDATE signals SET run = ?2 WHERE id = ?1")
                    .bind(id)
                    .bind(run.as_str())
                    .execute(&mut *transaction)
                    .await?;
                Kept {
                    id: *id,
                    duplicate: true,
                }
            }
        });
    }
    transaction.commit().await?;
    Ok(all)
}

async fn insert(connection: &mut SqliteConnection, signal: &Arrived) -> sqlx::Result<Kept> {
    let (id, repeats): (i64, i64) = sqlx::query_as(
        "INSERT INTO signals (source, dedupe_key, received, body, run, reading, thread, stamp, last, person)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?3, ?9)
         ON CONFLICT (source, dedupe_key) DO UPDATE SET repeats = repeats + 1, last = excluded.last
         RETURNING id, repeats",
    )
    .bind(&signal.source)
    .bind(&signal.dedupe_key)
    .bind(instant(signal.received.wall))
    .bind(&signal.body)
    .bind(signal.run.as_ref().map(RunId::as_str))
    .bind(&signal.reading)
    .bind(&signal.thread)
    .bind(serde_json::to_string(&signal.received).ok())
    .bind(&signal.person)
    .fetch_one(connection)
    .await?;
    Ok(Kept {
        id,
        duplicate: repeats > 0,
    })
}
