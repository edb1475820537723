//! A run's events from a server, each once and in order, over connections that break: a stream goes on after the last
//! event that came, and a server that does not answer is asked again until patience is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::client::{Client, Pauses, Trouble};
use super::sse::Parser;
use crate::engine::event::{Event, Fact, Origin};
use crate::model::ids::RunId;
use crate::model::time::Stamp;
use crate::outbound::Streamed;

/// A stream shows every 15 seconds that it lives: one that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(45);

/// How much may be told and not yet read.
const WAITING: usize = 256;

/// What a follower hears.
#[derive(Debug)]
pub(super) enum News {
    /// What happened, and the hash of the log's chain at it.
    Event(Box<Event>, String),
    /// The facts of an event were erased: a report can't be made from them.
    Erased,
    /// Who is behind pseudonyms.
    People(BTreeMap<String, String>),
    /// The connection broke.
    Lost(String),
    /// It is back.
    Back,
    /// It stays away.
    Gone(String),
    /// The server says no.
    Refused(Trouble),
}

/// An event as the API sends it.
#[derive(Debug, Deserialize)]
struct Told {
    seq: u64,
    at: Stamp,
    origin: Origin,
    fact: Option<Fact>,
    hash: String,
}

/// Who acted in a run.
#[derive(Debug, Deserialize)]
struct People {
    people: BTreeMap<String, String>,
}

/// Why a follower stops.
enum Over {
    /// Nobody listens.
    Unheard,
    /// The stream can't be used.
    Refused(Trouble),
}

/// Follows one run.
#[derive(Debug)]
pub(super) struct Feed {
    client: Arc<Client>,
    run: RunId,
    /// The last event that came.
    last: u64,
    people: BTreeMap<String, String>,
    news: mpsc::Sender<News>,
    lost: Option<Instant>,
    pauses: Pauses,
}

impl Feed {
    /// A feed of a run from its first event, and who hears it. It has to be [kept](Self::keep).
    pub(super) fn new(client: Arc<Client>, run: RunId) -> (Self, mpsc::Receiver<News>) {
        let (news, heard) = mpsc::channel(WAITING);
        let feed = Self {
            client,
            run,
            last: 0,
            people: BTreeMap::new(),
            news,
            lost: None,
            pauses: Pauses::default(),
        };
        (feed, heard)
    }

    /// Follows for as long as it is polled, until nobody listens, the server says no, or it stays away.
    pub(super) async fn keep(mut self) {
        loop {
            let why = match self.client.follow(&self.run, self.last).await {
                Ok(stream) => match self.read(stream).await {
                    Ok(why) => why,
                    Err(Over::Unheard) => return,
                    Err(Over::Refused(trouble)) => {
                        let _ = self.news.send(News::Refused(trouble)).await;
                        return;
                    }
                },
                Err(Trouble::Away(why)) => why,
                Err(trouble) => {
                    let _ = self.news.send(News::Refused(trouble)).await;
                    return;
                }
            };
            if self.lost.is_none() && self.news.send(News::Lost(why.clone())).await.is_err() {
                return;
            }
            let since = *self.lost.get_or_insert_with(Instant::now);
            if since.elapsed() >= self.client.patience() {
                let _ = self.news.send(News::Gone(why)).await;
                return;
            }
            self.pauses.wait().await;
        }
    }

    /// Reads a stream to its end, and says why it ended.
    async fn read(&mut self, mut stream: Streamed) -> Result<String, Over> {
        let mut parser = Parser::default();
        loop {
            let piece = match stream.next(SILENCE).await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok("the server ended the stream".to_owned()),
                Err(error) => return Ok(error.to_string()),
            };
            if self.lost.take().is_some() {
                self.send(News::Back).await?;
            }
            self.pauses.reset();
            let Ok(messages) = parser.take(&piece) else {
                return Ok("the server sends something else than events".to_owned());
            };
            for data in messages {
                match serde_json::from_str(&data) {
                    Ok(told) => {
                        if !self.take(told).await? {
                            return Ok("the server left out an event".to_owned());
                        }
                    }
                    Err(error) => return Err(Over::Refused(not_understood(&error))),
                }
            }
        }
    }

    /// Passes an event on. `false` where one before it is missing.
    async fn take(&mut self, told: Told) -> Result<bool, Over> {
        if told.seq <= self.last {
            return Ok(true);
        }
        if told.seq != self.last + 1 {
            return Ok(false);
        }
        if let Some(actor) = &told.origin.actor
            && !self.people.contains_key(actor)
        {
            self.meet(actor.clone()).await?;
        }
        self.last = told.seq;
        let news = match told.fact {
            Some(fact) => {
                let event = Event {
                    seq: told.seq,
                    at: told.at,
                    origin: told.origin,
                    fact,
                };
                News::Event(Box::new(event), told.hash)
            }
            None => News::Erased,
        };
        self.send(news).await?;
        Ok(true)
    }

    /// Looks up who somebody is. A name is a nicety: without one the pseudonym is told.
    async fn meet(&mut self, actor: String) -> Result<(), Over> {
        let path = format!("/runs/{}/people", self.run);
        let known: Result<People, Trouble> = self.client.get(&path).await;
        if let Ok(known) = known {
            self.people.extend(known.people);
        }
        self.people.entry(actor).or_insert_with_key(Clone::clone);
        self.send(News::People(self.people.clone())).await
    }

    async fn send(&self, news: News) -> Result<(), Over> {
        self.news.send(news).await.map_err(|_| Over::Unheard)
    }
}

fn not_understood(error: &serde_json::Error) -> Trouble {
    Trouble::Away(format!(
        "an event of the server's is not understood: {error}; hint: use the same version of firedrill here and there"
    ))
}
