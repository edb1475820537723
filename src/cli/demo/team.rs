//! The demo's on-call team: plays the autopilot's script over the public API, as people would, once the pager rings.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, Log};
use crate::engine::input::TeamAct;
use crate::model::drill::{Autopilot, Profile};
use crate::model::plan::Plan;
use crate::runtime::pilot::script::{self, Beat, Member, Pace, Script};

/// How often somebody looks whether there is a message to answer.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Those on call, and what they do.
pub(super) struct Team {
    script: Script,
    pace: Pace,
    names: Vec<String>,
    desk: Desk,
    log: Log,
    /// Up to which event they have looked for messages.
    seen: u64,
}

impl Team {
    /// A seasoned team for this drill; nothing where there is nothing to do.
    pub(super) fn new(plan: &Plan, seed: u64, desk: Desk, log: Log) -> Option<Self> {
        let autopilot = Autopilot {
            profile: Profile::Seasoned,
            seed,
        };
        Some(Self {
            script: Script::of(plan, autopilot.profile)?,
            pace: Pace::of(autopilot),
            names: plan.drill.as_ref()?.team.members.clone(),
            desk,
            log,
            seen: 0,
        })
    }

    /// Responds to one incident, until it is resolved or the run is over.
    pub(super) async fn respond(mut self, over: CancellationToken) {
        tokio::select! {
            () = over.cancelled() => {}
            () = self.incident() => {}
        }
    }

    async fn incident(&mut self) {
        let mut pager = self.desk.pager.subscribe();
        // The desk holds the sender, so this ends only with a value.
        let _ = pager.wait_for(Option::is_some).await;
        for beat in std::mem::take(&mut self.script.response) {
            self.play(beat).await;
        }
        self.until_well(&mut pager).await;
        for beat in std::mem::take(&mut self.script.all_clear) {
            self.play(beat).await;
        }
    }

    /// Answers messages, and tells how it stands as often as the script does, until the alert is gone.
    async fn until_well(&mut self, pager: &mut watch::Receiver<Option<String>>) {
        let mut silent = Duration::ZERO;
        while pager.borrow_and_update().is_some() {
            self.answer().await;
            if let Some((every, beat)) = self.script.cadence.clone()
                && silent >= every
            {
                silent = Duration::ZERO;
                self.play(beat).await;
            }
            // Cancel safe: what the pager says is looked at anew.
            tokio::select! {
                _ = pager.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => silent += LOOK_EVERY,
            }
        }
        self.answer().await;
    }

    /// Answers every message that has come.
    async fn answer(&mut self) {
        for message in self.desk.messages(&mut self.seen).await {
            tokio::time::sleep(self.pace.pause()).await;
            self.act(Member::Commander, script::reply(message)).await;
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a person promises the next update by the clock on the wall"
    )]
    async fn play(&mut self, beat: Beat) {
        tokio::time::sleep(self.pace.pause()).await;
        let who = beat.who;
        self.act(who, beat.at(Timestamp::now())).await;
    }

    async fn act(&self, who: Member, act: TeamAct) {
        let act = match serde_json::to_value(act) {
            Ok(act) => act,
            Err(error) => {
                tracing::error!(%error, "an act of the scripted team can't be written");
                return;
            }
        };
        self.log.note(act["type"].as_str().unwrap_or_default());
        let name = self.names.get(who.place());
        self.desk
            .act(name.map_or(who.as_str(), String::as_str), act)
            .await;
    }
}
