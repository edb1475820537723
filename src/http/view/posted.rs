//! What was posted so far, where it arrived, and what it lacks.

use serde::Serialize;

use super::Badge;
use super::time::Moment;
use crate::engine::event::Fact;
use crate::engine::posts::Standing;
use crate::http::reading::Reading;
use crate::score::lacking::{Lack, lacking};

/// One update.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Posted {
    pub(in crate::http) seq: u64,
    pub(in crate::http) at: Moment,
    pub(in crate::http) readers: &'static str,
    pub(in crate::http) text: String,
    /// Where it was posted by hand.
    pub(in crate::http) by_hand: Vec<String>,
    pub(in crate::http) messages: Vec<MessageLine>,
    pub(in crate::http) lacks: Vec<Lack>,
}

/// A message that firedrill sends.
#[derive(Debug, Serialize)]
pub(in crate::http) struct MessageLine {
    pub(in crate::http) channel: String,
    pub(in crate::http) standing: Badge,
}

impl Posted {
    /// Every update of a run, latest first.
    pub(in crate::http) fn all(reading: &Reading) -> Vec<Self> {
        let posts = reading.state.posts().all();
        let plan = reading.state.plan();
        let exercise = plan.and_then(|plan| plan.drill.as_ref());
        let updates = reading.events.iter().rev().filter_map(|event| {
            let Fact::UpdatePosted { update } = &event.fact else {
                return None;
            };
            let own = posts
                .iter()
                .filter(|sent| sent.message.update == Some(event.seq));
            let messages = own.map(|sent| MessageLine {
                channel: sent.message.channel.to_string(),
                standing: match sent.standing {
                    Standing::Pending => Badge::new("under way", '…', "plain"),
                    Standing::Delivered(_) => Badge::new("delivered", '✓', "good"),
                    Standing::Failed => Badge::new("not delivered", '✗', "bad"),
                },
            });
            let by_hand = update
                .channels
                .iter()
                .filter(|name| plan.is_none_or(|plan| plan.channel(name).is_none()));
            Some(Self {
                seq: event.seq,
                at: event.at.into(),
                readers: update.audience.title(),
                text: update.text.clone(),
                by_hand: by_hand.cloned().collect(),
                messages: messages.collect(),
                lacks: exercise.map_or_else(Vec::new, |one| lacking(update, &one.runbook)),
            })
        });
        updates.collect()
    }
}
