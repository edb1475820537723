//! The page on which a message is made from a template, looked over, and sent.

use serde::Serialize;

use super::layout::Layout;
use crate::http::templates::Page;
use crate::score::lacking::Lack;

/// The page.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Compose {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) id: String,
    pub(in crate::http) name: String,
    /// What was chosen so far.
    pub(in crate::http) chosen: Chosen,
    pub(in crate::http) stages: Vec<Choice>,
    pub(in crate::http) failures: Vec<Choice>,
    pub(in crate::http) audiences: Vec<Choice>,
    pub(in crate::http) languages: Vec<Choice>,
    pub(in crate::http) phrases: Vec<Choice>,
    pub(in crate::http) channels: Vec<ChannelLine>,
    /// The message, once enough was chosen.
    pub(in crate::http) message: Option<Message>,
    /// Why there is none, although enough was chosen.
    pub(in crate::http) trouble: Option<String>,
}

impl Page for Compose {
    const TEMPLATE: &'static str = "compose.html";
}

/// What stays as it was typed.
#[derive(Debug, Default, Serialize)]
pub(in crate::http) struct Chosen {
    pub(in crate::http) stage: String,
    pub(in crate::http) audience: String,
    pub(in crate::http) detail: String,
    pub(in crate::http) next_in: String,
    pub(in crate::http) recovery_from: String,
    pub(in crate::http) recovery_to: String,
}

/// One of several.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Choice {
    pub(in crate::http) value: String,
    pub(in crate::http) label: String,
    pub(in crate::http) chosen: bool,
}

/// A channel that the message can go to.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ChannelLine {
    pub(in crate::http) name: String,
    pub(in crate::http) readers: &'static str,
    pub(in crate::http) way: &'static str,
}

/// A message that is not sent yet.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Message {
    pub(in crate::http) text: String,
    pub(in crate::http) lacks: Vec<Lack>,
}
