//! The drill guard: no message leaves without it.
//!
//! A way to send takes a [`Cleared`], and only this file makes one. So a message that is not marked as a drill's, one to
//! a channel off the allow-list, and one to customers or a regulator who would take it for real can't be sent by
//! mistake: the code that would do so does not compile.

use std::collections::BTreeSet;

use crate::engine::posts::Post;
use crate::model::channel::{Channel, PREFIX, Way};
use crate::model::message::Stage;
use crate::model::runbook::Audience;

/// Which channels may be sent to.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    allowed: BTreeSet<String>,
}

/// Why a message may not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// It is on no list.
    #[error("it is not among the server's `channels`; hint: add it to the file of `--config`")]
    NotListed,
    /// Who reads it would take it for real.
    #[error("{0} read it, and it is no sandbox: a drill never reaches them")]
    NoSandbox(&'static str),
    /// It does not say that it is a drill's.
    #[error("its {0} does not begin with `{PREFIX}`")]
    Unmarked(&'static str),
}

/// A message that may be sent where it goes.
#[derive(Debug)]
pub(super) struct Cleared<'a> {
    post: &'a Post,
}

impl Guard {
    pub(super) fn new(allowed: BTreeSet<String>) -> Self {
        Self { allowed }
    }

    /// Whether messages of drills may go to a channel. What firedrill itself serves leaves it only as a page that says
    /// so, and needs no list.
    pub(super) fn admits(&self, channel: &Channel) -> Result<(), Refusal> {
        if channel.way.is_own() {
            return Ok(());
        }
        if !self.allowed.contains(channel.name.as_str()) {
            return Err(Refusal::NotListed);
        }
        match channel.audience {
            Audience::Customers | Audience::Regulator if !channel.sandbox => {
                Err(Refusal::NoSandbox(channel.audience.title()))
            }
            _ => Ok(()),
        }
    }

    /// Lets a message through, or says why not.
    pub(super) fn clear<'a>(&self, post: &'a Post) -> Result<Cleared<'a>, Refusal> {
        self.admits(&post.channel)?;
        for (what, text) in [("title", &post.message.title), ("text", &post.message.text)] {
            if !text.starts_with(PREFIX) {
                return Err(Refusal::Unmarked(what));
            }
        }
        Ok(Cleared { post })
    }
}

impl<'a> Cleared<'a> {
    /// How it is sent.
    pub(super) fn way(&self) -> &'a Way {
        &self.post.channel.way
    }

    /// Where to.
    pub(super) fn channel(&self) -> &'a Channel {
        &self.post.channel
    }

    /// In a few words, marked.
    pub(super) fn title(&self) -> &'a str {
        &self.post.message.title
    }

    /// What it says, marked.
    pub(super) fn text(&self) -> &'a str {
        &self.post.message.text
    }

    /// What it says, in at most so many UTF-16 units, which is how channels count. The mark is at its beginning, and so
    /// stays.
    pub(super) fn text_within(&self, most: usize) -> String {
        cut(self.text(), most)
    }

    /// What point of the incident it speaks of.
    pub(super) fn stage(&self) -> Stage {
        self.post.message.stage
    }

    /// Whose run it is of.
    pub(super) fn run(&self) -> &'a str {
        self.post.run.as_str()
    }

    /// What is the same whenever this message is sent, and for no other.
    pub(super) fn key(&self) -> String {
        format!("{}.{}", self.post.run, self.post.key)
    }

    /// What the channel called the first message of the run.
    pub(super) fn thread(&self) -> Option<&'a str> {
        self.post.thread.as_deref()
    }
}

/// A text in at most so many UTF-16 units, with a mark where it was cut.
fn cut(text: &str, most: usize) -> String {
    if text.encode_utf16().count() <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(2);
    let mut short: String = text
        .chars()
        .take_while(|character| {
            let fits = character.len_utf16() <= left;
            left = left.saturating_sub(character.len_utf16());
            fits
        })
        .collect();
    short.push_str(" …");
    short
}
