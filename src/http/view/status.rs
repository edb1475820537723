//! The sandbox status page of a run: what its team told customers, and nothing else of the run. Neither the drill's name
//! nor its faults are on it, so that whoever is given its address learns what customers would.

use jiff::Timestamp;
use serde::Serialize;

use super::time::Moment;
use crate::engine::posts::{Sent, Standing};
use crate::engine::state::State;
use crate::http::assets;
use crate::http::templates::Page;
use crate::model::channel::{PREFIX, Way};
use crate::model::message::Stage;

/// The page.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Status {
    pub(in crate::http) css: String,
    pub(in crate::http) icon: String,
    pub(in crate::http) script: String,
    pub(in crate::http) now: Moment,
    pub(in crate::http) stack: String,
    /// What is told about how things stand, in a word.
    pub(in crate::http) standing: &'static str,
    /// Whether an incident is open.
    pub(in crate::http) open: bool,
    pub(in crate::http) banner: Option<String>,
    /// Latest first.
    pub(in crate::http) posts: Vec<Line>,
    /// Whether more may come.
    pub(in crate::http) live: bool,
}

impl Page for Status {
    const TEMPLATE: &'static str = "status.html";
}

/// One message.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Line {
    pub(in crate::http) at: Moment,
    pub(in crate::http) stage: &'static str,
    pub(in crate::http) text: String,
}

/// The banner, as a product would ask for it.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Banner {
    /// Always so: nothing real is ever here.
    pub(in crate::http) drill: bool,
    pub(in crate::http) visible: bool,
    pub(in crate::http) text: String,
}

/// Messages that were delivered to channels of this way.
fn delivered(state: &State, way: fn(&Way) -> bool) -> impl DoubleEndedIterator<Item = &Sent> {
    state.posts().all().iter().filter(move |sent| {
        let channel = state
            .plan()
            .and_then(|plan| plan.channel(sent.message.channel.as_str()));
        matches!(sent.standing, Standing::Delivered(_))
            && channel.is_some_and(|channel| way(&channel.way))
    })
}

impl Status {
    /// The page of a run.
    pub(in crate::http) fn new(state: &State, now: Timestamp) -> Self {
        let stack = state.plan().map(|plan| plan.stack.name.to_string());
        let posts: Vec<Line> = delivered(state, |way| *way == Way::OwnPage)
            .rev()
            .map(|sent| Line {
                at: sent.at.into(),
                stage: sent.message.stage.title(),
                text: sent.message.text.clone(),
            })
            .collect();
        let last = delivered(state, |way| *way == Way::OwnPage).next_back();
        let stage = last.map(|sent| sent.message.stage);
        let banner = Banner::of(state);
        Self {
            css: assets::link("app.css"),
            icon: assets::link("icon.svg"),
            script: assets::link("app.js"),
            now: now.into(),
            stack: stack.unwrap_or_default(),
            standing: match stage {
                None => "No incident has been reported.",
                Some(Stage::FirstNotice) => "An incident is being looked into.",
                Some(Stage::Update) => "An incident goes on.",
                Some(Stage::Resolved) => "The incident is over.",
                Some(Stage::DrillOver) => "The drill is over.",
            },
            open: stage.is_some_and(|stage| !stage.closes()),
            banner: banner.visible.then_some(banner.text),
            posts,
            live: !state.is_ended(),
        }
    }
}

impl Banner {
    /// The banner of a run, as it stands.
    pub(in crate::http) fn of(state: &State) -> Self {
        let last = delivered(state, |way| *way == Way::OwnBanner).next_back();
        let visible = last.is_some_and(|sent| !sent.message.stage.closes());
        Self {
            drill: true,
            visible,
            text: last.map_or_else(|| PREFIX.to_owned(), |sent| sent.message.text.clone()),
        }
    }
}
