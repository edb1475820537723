//! Messages to channels: what was to be said where, what became of it, and what has to be said yet.
//!
//! A message is asked for by an event, so that the log has it before it leaves, and its key is that event's sequence.
//! It leaves at least once while its process lives. Nothing sends it again: not a repeat of its outcome, not a
//! correction, not the recovery of a dead process, which can't know whether it arrived and says so. On each channel one
//! message is under way at a time, in the order of the log.
//!
//! When a run is over, so is what it said: every channel that was told of an incident and not of its end is told that
//! the drill is over.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Draft;
use super::event::{Event, Fact, Source, StopCause, Update};
use super::state::State;
use crate::model::channel::{Channel, PREFIX};
use crate::model::ids::{ChannelName, RunId};
use crate::model::message::Stage;
use crate::model::plan::Plan;
use crate::model::time::{Epoch, Stamp};

/// How long a message may be under way. Longer than any notifier tries.
const PATIENCE: Duration = Duration::from_secs(40);

/// One message to one channel, as it is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Where.
    pub channel: ChannelName,
    /// What point of the incident it speaks of.
    pub stage: Stage,
    /// In a few words. It begins with `[DRILL]`.
    pub title: String,
    /// What it says. It begins with `[DRILL]`.
    pub text: String,
    /// The event of the update that it carries; absent where firedrill itself speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<u64>,
}

/// A message with everything its sending needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Of which run.
    pub run: RunId,
    /// The event that asked for it: the same whenever it is sent.
    pub key: u64,
    /// Where to.
    pub channel: Channel,
    /// What.
    pub message: Message,
    /// What the channel called the thread that an earlier message opened there.
    pub thread: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is to be sent, or under way.
    Pending,
    /// The channel took it; what it called it.
    Delivered(Option<String>),
    /// It did not get there, as far as can be told.
    Failed,
}

/// A message and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The event that asked for it.
    pub seq: u64,
    /// When.
    pub at: Stamp,
    /// What.
    pub message: Message,
    /// What became of it.
    pub standing: Standing,
    settled: Option<Stamp>,
}

/// All messages of a run, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Posts(Vec<Sent>);

impl Posts {
    /// Folds one event in.
    pub(super) fn apply(&mut self, event: &Event) {
        match &event.fact {
            Fact::MessageDue { message } => self.0.push(Sent {
                seq: event.seq,
                at: event.at,
                message: message.clone(),
                standing: Standing::Pending,
                settled: None,
            }),
            Fact::MessageDelivered {
                message, reference, ..
            } => self.settle(*message, Standing::Delivered(reference.clone()), event.at),
            Fact::MessageFailed { message, .. } => {
                self.settle(*message, Standing::Failed, event.at);
            }
            _ => {}
        }
    }

    fn settle(&mut self, seq: u64, standing: Standing, at: Stamp) {
        let mut waiting = self.0.iter_mut();
        let waiting = waiting.find(|sent| sent.seq == seq && sent.standing == Standing::Pending);
        if let Some(sent) = waiting {
            sent.standing = standing;
            sent.settled = Some(at);
        }
    }

    /// Every message.
    pub fn all(&self) -> &[Sent] {
        &self.0
    }

    /// Those of one channel.
    pub fn on<'a>(&'a self, channel: &ChannelName) -> impl Iterator<Item = &'a Sent> + use<'a> {
        let channel = channel.clone();
        self.0
            .iter()
            .filter(move |sent| sent.message.channel == channel)
    }

    /// Those that nobody knows the end of yet.
    pub fn pending(&self) -> impl Iterator<Item = &Sent> {
        self.0
            .iter()
            .filter(|sent| sent.standing == Standing::Pending)
    }

    /// Those that may be under way now: on each channel the oldest that is pending.
    pub(super) fn under_way(&self) -> impl Iterator<Item = &Sent> {
        let mut busy = BTreeSet::new();
        self.pending()
            .filter(move |sent| busy.insert(&sent.message.channel))
    }

    /// Whether this key's outcome is still waited for.
    pub(super) fn awaits(&self, key: u64) -> bool {
        self.pending().any(|sent| sent.seq == key)
    }

    /// The message that a key asks for, and the thread it belongs to.
    pub fn sending(&self, key: u64) -> Option<(&Message, Option<&str>)> {
        let sent = self.0.iter().find(|sent| sent.seq == key)?;
        let earlier = self.0.iter().take_while(|one| one.seq < key);
        let thread = earlier
            .filter(|one| one.message.channel == sent.message.channel)
            .find_map(|one| match &one.standing {
                Standing::Delivered(reference) => reference.as_deref(),
                _ => None,
            });
        Some((&sent.message, thread))
    }

    /// When a message that is under way is given up.
    fn given_up_at(&self, sent: &Sent) -> Stamp {
        let before = self.0.iter().take_while(|one| one.seq < sent.seq);
        let before = before.filter(|one| one.message.channel == sent.message.channel);
        let began = before.filter_map(|one| one.settled).last();
        let began = began.filter(|at| sent.at.is_before(at)).unwrap_or(sent.at);
        began.after(PATIENCE)
    }

    /// The next time at which a message is given up.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Stamp> {
        self.under_way().map(|sent| self.given_up_at(sent))
    }

    /// The messages that are given up now.
    pub(super) fn overdue(&self, now: Stamp) -> Vec<Draft> {
        self.under_way()
            .filter(|sent| now.reached(&self.given_up_at(sent)))
            .map(|sent| {
                failed(
                    sent,
                    now,
                    format!("no answer within {} s", PATIENCE.as_secs()),
                )
            })
            .collect()
    }

    /// What a dead process was sending: whether it arrived can't be known, and it is not sent again.
    pub(super) fn lost(&self, now: Stamp) -> Vec<Draft> {
        self.pending()
            .map(|sent| {
                failed(
                    sent,
                    now,
                    "the process that was sending it died: it may have arrived, and is not sent again".to_owned(),
                )
            })
            .collect()
    }

    /// Whether a channel was told of an incident and not of its end, and is not being told either.
    fn is_open(&self, channel: &Channel, epoch: Epoch, real: bool) -> bool {
        let mut open = false;
        for sent in self.on(&channel.name) {
            let stage = sent.message.stage;
            if stage == Stage::DrillOver {
                // What stays is worth another try by whoever takes the run up; what was only said is not.
                if sent.at.epoch == epoch || !channel.way.stays() {
                    return false;
                }
                open &= sent.standing == Standing::Failed;
            } else {
                // A failed end may not have arrived, and a failed beginning may have.
                open = !stage.closes() || sent.standing == Standing::Failed || real;
            }
        }
        open
    }

    /// Whether a text is one of ours, as a channel's own tool may send it back.
    pub(super) fn holds(&self, text: &str) -> bool {
        let text = text.trim();
        self.0.iter().any(|sent| sent.message.text.trim() == text)
    }
}

fn failed(sent: &Sent, now: Stamp, error: String) -> Draft {
    Draft::engine(
        now,
        Fact::MessageFailed {
            message: sent.seq,
            error,
        },
    )
}

/// A text as it may be sent: it begins with the prefix, once.
pub fn marked(text: &str) -> String {
    let text = text.trim();
    if text.starts_with(PREFIX) {
        text.to_owned()
    } else {
        format!("{PREFIX} {text}")
    }
}

/// What messages of a run are headed: never what is behind the incident, which the drill's name may give away.
fn title(plan: &Plan) -> String {
    marked(&format!("Incident on {}", plan.stack.name))
}

/// Whether an update that came this way is sent by firedrill. What a tool tells of was posted by that tool; a slash command
/// asks for it.
pub(super) fn is_ours_to_send(source: Source) -> bool {
    source == Source::Slack || source.sender().is_none()
}

/// The channels of an update that firedrill sends to; the others were posted on by hand.
pub(super) fn addressed<'a>(plan: &'a Plan, update: &Update) -> Vec<&'a Channel> {
    let mut seen = BTreeSet::new();
    let names = update.channels.iter();
    names
        .filter_map(|name| plan.channel(name))
        .filter(|channel| seen.insert(&channel.name))
        .collect()
}

/// The messages of an update that is about to become event `seq`.
pub(super) fn of_update(state: &State, update: &Update, seq: u64, now: Stamp) -> Vec<Draft> {
    let Some(plan) = state.plan() else {
        return Vec::new();
    };
    let posts = state.posts();
    addressed(plan, update)
        .into_iter()
        .filter(|channel| {
            let mut earlier = posts.on(&channel.name);
            !earlier.any(|sent| sent.message.stage == Stage::DrillOver)
        })
        .map(|channel| {
            let stage = update.stage.unwrap_or_else(|| {
                if posts.on(&channel.name).next().is_some() {
                    Stage::Update
                } else {
                    Stage::FirstNotice
                }
            });
            let message = Message {
                channel: channel.name.clone(),
                stage,
                title: title(plan),
                text: marked(&update.text),
                update: Some(seq),
            };
            Draft::engine(now, Fact::MessageDue { message })
        })
        .collect()
}

/// The last word on every channel that would otherwise go on speaking of an incident, once the run closes.
pub(super) fn farewell(state: &State, now: Stamp) -> Vec<Draft> {
    let Some(exercise) = state.plan().and_then(|plan| plan.drill.as_ref()) else {
        return Vec::new();
    };
    let real = state.stop() == Some(&StopCause::Real);
    let text = marked(match state.stop() {
        Some(StopCause::Real) => {
            "The drill is over: a real incident was reported. What you see from now on is not the drill."
        }
        Some(_) => "The drill was broken off. There was no incident.",
        None => "The drill is over. There was no incident.",
    });
    let open = exercise
        .channels
        .iter()
        .filter(|channel| state.posts().is_open(channel, now.epoch, real));
    open.map(|channel| {
        let message = Message {
            channel: channel.name.clone(),
            stage: Stage::DrillOver,
            title: state.plan().map(title).unwrap_or_default(),
            text: text.clone(),
            update: None,
        };
        Draft::engine(now, Fact::MessageDue { message })
    })
    .collect()
}
