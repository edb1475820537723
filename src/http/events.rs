//! Following a run: its stored events, then each as soon as it is on disk, as server-sent events.
//!
//! Everything sent is read from the store, in the order of sequences; the feed only wakes the reader. So whatever a
//! follower missed, it gets once and in its place, and a run that another process drives can be followed too. Who is only
//! told that there is news is told by the feed itself, where it has what comes next: many browsers cost no reading.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::stream::unfold;
use futures_util::{FutureExt as _, Stream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::Services;
use super::keeper::Pass;
use crate::engine::event::{Event, Fact};
use crate::model::ids::RunId;
use crate::store::runs::ShownEvent;

/// Events read at once.
const BATCH: u32 = 500;

/// How often a run that another process drives is looked at.
const POLL: Duration = Duration::from_secs(1);

/// How often it is asked whether a follower may still follow. Asking is use of their session, which so does not lapse under
/// somebody who only watches; the store keeps that every five minutes at most.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What one page costs a server that makes it, by and large: browsers that are told of news at the same moment ask for
/// their pages over so long for each that follows.
const PAGE: Duration = Duration::from_millis(3);

/// However many follow, no browser waits longer.
const LATEST_PAGE: Duration = Duration::from_secs(3);

/// How often a silent stream shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a follower is sent of an event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// All of it.
    Whole,
    /// Only that there is one, and within how many milliseconds to look: what it says may not be for this follower yet.
    Change,
}

/// What comes next.
#[derive(Debug)]
enum News {
    /// As it was read from the store.
    Stored(ShownEvent),
    /// As the feed has it, for those who are not told more.
    Fed(Arc<Event>),
}

impl News {
    fn seq(&self) -> u64 {
        match self {
            Self::Stored(event) => event.seq,
            Self::Fed(event) => event.seq,
        }
    }

    fn ends(&self) -> bool {
        match self {
            Self::Stored(event) => event.kind == "run_ended",
            Self::Fed(event) => matches!(event.fact, Fact::RunEnded { .. }),
        }
    }
}

/// Where a follower wants to go on: after the last event it had, else after what it asks for.
pub(super) fn resume_after(headers: &HeaderMap, after: Option<u64>) -> u64 {
    headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse().ok())
        .or(after)
        .unwrap_or(0)
}

/// A run's events after `after`, until it has ended, the server goes, the follower does, or may not follow any more: its
/// session is ended, its token revoked, its role taken.
pub(super) fn follow(
    services: Services,
    pass: Pass,
    run: RunId,
    after: u64,
    shape: Shape,
) -> impl IntoResponse {
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("heartbeat");
    Sse::new(stream(Follower::new(services, pass, run, after, shape))).keep_alive(keep_alive)
}

fn stream(follower: Follower) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    unfold(follower, |mut follower| async move {
        let news = follower.next().await?;
        Some((Ok(follower.message(&news)), follower))
    })
}

#[derive(Debug)]
struct Follower {
    services: Services,
    pass: Pass,
    /// When the pass is looked at.
    looks: Interval,
    run: RunId,
    last: u64,
    read: VecDeque<ShownEvent>,
    feed: broadcast::Receiver<(RunId, Arc<Event>)>,
    shape: Shape,
    /// Whether what the feed brings is all that it does not have yet.
    has_all: bool,
    over: bool,
}

impl Follower {
    fn new(services: Services, pass: Pass, run: RunId, after: u64, shape: Shape) -> Self {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Followed before the first read: nothing can fall in between.
        let feed = services.supervisor.feed().follow();
        Self {
            services,
            pass,
            looks,
            run,
            last: after,
            read: VecDeque::new(),
            feed,
            shape,
            has_all: false,
            over: false,
        }
    }

    fn message(&self, news: &News) -> sse::Event {
        let message = sse::Event::default().id(news.seq().to_string());
        if let (Shape::Whole, News::Stored(event)) = (self.shape, news) {
            // A stored event was read from JSON, so it can be written as such.
            return message
                .event(&event.kind)
                .data(serde_json::to_string(event).unwrap_or_default());
        }
        let followers = self.services.supervisor.feed().followers();
        let followers = u32::try_from(followers).unwrap_or(u32::MAX);
        let within = PAGE.saturating_mul(followers).min(LATEST_PAGE);
        message.data(within.as_millis().to_string())
    }

    async fn next(&mut self) -> Option<News> {
        let news = self.look().await?;
        self.last = news.seq();
        self.over = news.ends();
        Some(news)
    }

    async fn look(&mut self) -> Option<News> {
        loop {
            // At least every `POLL` it is here again.
            if self.looks.tick().now_or_never().is_some() && !self.pass.holds().await {
                tracing::debug!(run = %self.run, "a follower may not follow any more");
                return None;
            }
            if let Some(event) = self.read.pop_front() {
                return Some(News::Stored(event));
            }
            if self.over {
                return None;
            }
            if self.has_all {
                let event = self.wake().await?;
                let next = event.filter(|event| event.seq == self.last + 1);
                match (self.shape, next) {
                    (Shape::Change, Some(event)) => return Some(News::Fed(event)),
                    _ => self.has_all = false,
                }
            }
            // Whether it is over is asked first: what was appended until then is in what is read next. A server that
            // goes has ended its runs before, and a follower is owed their ends.
            let ended = self.services.shutdown.is_cancelled() || self.has_ended().await?;
            match self
                .services
                .database
                .events_after(&self.run, self.last, BATCH)
                .await
            {
                Ok(events) if events.is_empty() && ended => return None,
                Ok(events) if events.is_empty() => self.has_all = true,
                Ok(events) => self.read.extend(events),
                Err(error) => {
                    tracing::warn!(run = %self.run, %error, "a follower's events can't be read");
                    return None;
                }
            }
        }
    }

    async fn has_ended(&self) -> Option<bool> {
        if self.services.supervisor.get(&self.run).is_some() {
            return Some(false);
        }
        let row = self.services.database.run(&self.run).await.ok()?;
        Some(row.ended.is_some())
    }

    /// Waits until there may be more: the event that woke it, where that is known. Cancel safe: a missed wake-up only means
    /// a read that finds nothing.
    async fn wake(&mut self) -> Option<Option<Arc<Event>>> {
        let poll = sleep(POLL);
        tokio::pin!(poll);
        loop {
            tokio::select! {
                () = self.services.shutdown.cancelled() => return Some(None),
                () = &mut poll => return Some(None),
                news = self.feed.recv() => match news {
                    Ok((run, event)) if run == self.run && event.seq > self.last => {
                        return Some(Some(event));
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Some(None),
                    Err(RecvError::Closed) => {
                        poll.as_mut().await;
                        return Some(None);
                    }
                },
            }
        }
    }
}
