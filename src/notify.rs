//! Messages to channels: one file a way to send, and the guard that each of them asks for its leave.
//!
//! Nothing here decides what is said. A message is tried again where it surely did not arrive, or where the channel
//! takes the same one twice as one; else it is tried once. Errors never show a secret, so no address of a webhook either.

mod banner;
mod deliver;
mod discord;
mod email;
mod guard;
mod pagerduty;
mod slack;
mod statuspage;
mod telegram;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::posts::Post;
use crate::model::channel::{Hidden, Way};
use crate::model::plan::Plan;
use crate::outbound::Outbound;
use crate::ports::{Answer, Clock, Delivered, Notifier};
use crate::secret;

use guard::{Cleared, Guard};

/// How long a message may take, tries included.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest file that is taken for a secret.
const LARGEST_SECRET: u64 = 64 << 10;

/// What a channel answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Taken {
    /// What it calls the message, by which later ones follow it.
    reference: Option<String>,
    /// In a line.
    evidence: String,
}

/// Sends messages to channels, each with the guard's leave.
pub struct Notifiers {
    clock: Arc<dyn Clock>,
    outbound: Arc<Outbound>,
    guard: Guard,
}

impl std::fmt::Debug for Notifiers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifiers")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

impl Notifiers {
    /// Sends to the channels named, and to those that firedrill serves itself.
    pub fn new(clock: Arc<dyn Clock>, outbound: Arc<Outbound>, allowed: BTreeSet<String>) -> Self {
        Self {
            clock,
            outbound,
            guard: Guard::new(allowed),
        }
    }

    async fn hand_over(&self, cleared: &Cleared<'_>) -> Result<Taken, String> {
        match cleared.way() {
            // The page is made from the log, which has it.
            Way::OwnPage | Way::OwnBanner => Ok(Taken {
                reference: None,
                evidence: format!("{} shows it", cleared.way().title()),
            }),
            Way::Statuspage { url, page, key } => {
                let page = statuspage::Page { url, id: page };
                statuspage::send(self, cleared, page, &self.value(key)?).await
            }
            Way::Slack { webhook } => slack::send(self, cleared, &self.value(webhook)?).await,
            Way::Discord { webhook } => discord::send(self, cleared, &self.value(webhook)?).await,
            Way::Telegram { url, token, chat } => {
                telegram::send(self, cleared, url, &self.value(token)?, chat).await
            }
            Way::Email(email) => {
                let password = match &email.account {
                    Some(account) => Some(self.value(&account.password)?),
                    None => None,
                };
                email::send(cleared, email, password).await
            }
            Way::Webhook { url, headers } => webhook::send(self, cleared, url, headers).await,
            Way::Pagerduty { url, routing_key } => {
                pagerduty::send(self, cleared, url, &self.value(routing_key)?).await
            }
            Way::Banner { url, headers } => banner::send(self, cleared, url, headers).await,
        }
    }

    /// A secret's value.
    fn value(&self, hidden: &Hidden) -> Result<String, String> {
        let value = match hidden {
            Hidden::Environment(template) => {
                secret::revealed(template, self.outbound.environment())
                    .map_err(|unset| unset.to_string())?
                    .into_owned()
            }
            Hidden::File(path) => {
                let unreadable = |why: &dyn std::fmt::Display| {
                    format!("the file of a secret, {path}, can't be read: {why}")
                };
                let size = fs::metadata(path)
                    .map_err(|error| unreadable(&error))?
                    .len();
                if size > LARGEST_SECRET {
                    return Err(unreadable(&"it is too large"));
                }
                fs::read_to_string(path)
                    .map_err(|error| unreadable(&error))?
                    .trim_end_matches(['\r', '\n'])
                    .to_owned()
            }
        };
        if value.trim().is_empty() {
            return Err("a secret is empty".to_owned());
        }
        Ok(value)
    }

    /// The secrets of a way, to see whether they are there.
    fn secrets(way: &Way) -> Vec<&Hidden> {
        match way {
            Way::Statuspage { key, .. } => vec![key],
            Way::Slack { webhook } | Way::Discord { webhook } => vec![webhook],
            Way::Telegram { token, .. } => vec![token],
            Way::Pagerduty { routing_key, .. } => vec![routing_key],
            Way::Email(email) => email.account.iter().map(|one| &one.password).collect(),
            Way::OwnPage | Way::OwnBanner | Way::Webhook { .. } | Way::Banner { .. } => Vec::new(),
        }
    }
}

impl Notifier for Notifiers {
    fn send<'a>(&'a self, post: &'a Post) -> Answer<'a, Result<Delivered, String>> {
        Box::pin(async move {
            let cleared = self
                .guard
                .clear(post)
                .map_err(|refusal| refusal.to_string())?;
            let sent = self.clock.now();
            let taken = tokio::time::timeout(PATIENCE, Box::pin(self.hand_over(&cleared)))
                .await
                .unwrap_or_else(|_| {
                    Err(format!(
                        "{} did not answer within {} s",
                        cleared.way().title(),
                        PATIENCE.as_secs()
                    ))
                })?;
            Ok(Delivered {
                sent,
                at: self.clock.now(),
                reference: taken.reference,
                evidence: taken.evidence,
            })
        })
    }

    fn refused(&self, plan: &Plan) -> Vec<String> {
        let channels = plan.drill.iter().flat_map(|exercise| &exercise.channels);
        channels
            .filter_map(|channel| {
                let why = match self.guard.admits(channel) {
                    Err(refusal) => refusal.to_string(),
                    Ok(()) => Self::secrets(&channel.way)
                        .into_iter()
                        .find_map(|hidden| self.value(hidden).err())?,
                };
                Some(format!("channel `{}`: {why}", channel.name))
            })
            .collect()
    }
}
