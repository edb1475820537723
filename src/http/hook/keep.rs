//! Keeping what came, before anything is made of it.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::deliver::{self, Outcome};
use super::not_recorded;
use crate::http::Services;
use crate::http::problem::Problem;
use crate::model::ids::RunId;
use crate::model::signal::Sender;
use crate::model::time::Stamp;
use crate::signals::proof::digest;
use crate::signals::{Message, Signal, What};
use crate::store::signals::NewSignal;

/// What became of a message's signals.
#[derive(Debug, Default)]
pub(super) struct Taken {
    matched: usize,
    unmatched: usize,
    repeated: usize,
    truncated: u64,
    /// What to tell whoever sent it, where they read it.
    told: Option<String>,
}

impl Taken {
    /// The numbers, for machines.
    pub(super) fn tally(&self, what: &str) -> Value {
        json!({
            what: self.matched + self.unmatched,
            "matched": self.matched,
            "unmatched": self.unmatched,
            "repeated": self.repeated,
            "truncated": self.truncated,
        })
    }

    /// What came of it, for a person.
    pub(super) fn answer(self) -> String {
        self.told.unwrap_or_else(|| "taken".to_owned())
    }

    fn count(&mut self, outcome: &Outcome) {
        match outcome.run {
            Some(_) if !outcome.secret => self.matched += 1,
            _ => self.unmatched += 1,
        }
        if outcome.told.is_some() {
            self.told.clone_from(&outcome.told);
        }
    }
}

/// Keeps each signal of a message, then hands it to the runs it matches.
pub(super) async fn message(
    services: &Services,
    sender: Sender,
    message: &Message,
    body: &[u8],
    received: Stamp,
) -> Result<Taken, Problem> {
    if message.truncated > 0 {
        tracing::warn!(
            %sender,
            left_out = message.truncated,
            "a message is not whole: a detection may be in what was left out; hint: raise `max_alerts` where it is Alertmanager's"
        );
    }
    let mut taken = Taken {
        truncated: message.truncated,
        ..Taken::default()
    };
    // What stops everything waits for no disk.
    let mut halted = Vec::with_capacity(message.signals.len());
    for signal in &message.signals {
        halted.push(deliver::real(services, sender, signal).await);
    }
    let signals = message.signals.iter();
    let all = join_all(signals.map(|signal| keep(services, sender, signal, body, received))).await;
    for ((signal, halted), kept) in message.signals.iter().zip(halted).zip(all) {
        let (id, repeat) = match (kept, &halted) {
            (Ok(kept), _) => kept,
            (Err(error), Some(outcome)) => {
                tracing::error!(detail = %error.detail, "what halted a run could not be kept");
                taken.count(outcome);
                continue;
            }
            (Err(error), None) => return Err(error),
        };
        taken.repeated += usize::from(repeat);
        let outcome = match halted {
            Some(outcome) => outcome,
            None => deliver::signal(services, sender, signal, repeat).await?,
        };
        if let Some(run) = &outcome.run {
            matched(services, id, run).await?;
        }
        taken.count(&outcome);
    }
    Ok(taken)
}

async fn keep(
    services: &Services,
    sender: Sender,
    signal: &Signal,
    body: &[u8],
    received: Stamp,
) -> Result<(i64, bool), Problem> {
    let person = deliver::person(services, sender, signal).await?;
    let reading = serde_json::to_string(signal).map_err(|error| Problem::internal(&error))?;
    let kept = services.database.keep_signal(NewSignal {
        source: sender.as_str(),
        dedupe_key: Some(&signal.identity),
        thread: signal.thread.as_deref(),
        received,
        body: signal.part.as_deref().unwrap_or(body),
        reading: Some(&reading),
        run: None,
        person: person.as_deref(),
    });
    let kept = kept.await.map_err(|error| not_recorded(&error))?;
    Ok((kept.id, kept.duplicate))
}

async fn matched(services: &Services, id: i64, run: &RunId) -> Result<(), Problem> {
    services
        .database
        .match_signal(id, run)
        .await
        .map_err(|error| not_recorded(&error))
}

/// Keeps what proved itself and makes no sense, so that nothing is lost: its sender won't send it again.
pub(super) async fn malformed(
    services: &Services,
    sender: Sender,
    body: &[u8],
    why: &str,
    received: Stamp,
) -> Result<(), Problem> {
    let digest = digest(body);
    let signal = Signal {
        identity: format!("malformed/{digest}"),
        thread: None,
        event_time: None,
        since: None,
        kind: crate::engine::event::ActorKind::Unknown,
        person: None,
        what: What::Other {
            text: format!("not understood: {why}"),
        },
        part: None,
    };
    keep(services, sender, &signal, body, received)
        .await
        .map(|_| ())
}
