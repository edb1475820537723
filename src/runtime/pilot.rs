//! The scripted team: responds in place of people, for rehearsals, for teaching and for tests.
//!
//! It hears what responders hear (alerts, messages, how impact probes stand) and acts through the run's handle, as every
//! door does. Whatever it does is in the log under the names of its members; its runs are rehearsals.

pub mod script;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{sleep, timeout};

use super::handle::RunHandle;
use crate::engine::event::{Event, Fact, Origin, Source, Standing};
use crate::engine::input::TeamAct;
use crate::model::drill::Autopilot;
use crate::model::ids::{ProbeName, RunId};
use crate::ports::Clock;
use script::{Beat, Member, Pace, Script};

/// Responds to one run, until it is over. Cancel safe: what was not done is not done.
pub(super) async fn fly(
    run: RunHandle,
    autopilot: Autopilot,
    events: broadcast::Receiver<(RunId, Arc<Event>)>,
    clock: Arc<dyn Clock>,
) {
    let Some(script) = Script::of(run.plan(), autopilot.profile) else {
        return;
    };
    let mut over = run.clone();
    let ended = over.ended();
    let pilot = Pilot {
        run,
        clock,
        pace: Pace::of(autopilot),
        ears: Ears {
            events,
            failing: BTreeSet::new(),
        },
    };
    tokio::select! {
        _ = ended => {}
        () = pilot.respond(script) => {}
    }
}

struct Pilot {
    run: RunHandle,
    clock: Arc<dyn Clock>,
    pace: Pace,
    ears: Ears,
}

/// What is heard of a run.
struct Ears {
    events: broadcast::Receiver<(RunId, Arc<Event>)>,
    /// The impact probes that fail.
    failing: BTreeSet<ProbeName>,
}

/// What a team notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// A page, or a user who complains.
    Page,
    Complaint,
    /// A message.
    Message(usize),
    /// Users are well again.
    Well,
}

impl Pilot {
    async fn respond(mut self, script: Script) {
        // Where nothing breaks, it is a message that makes a team look.
        let decoy = self.run.plan().decoy().is_some();
        let alarms = |heard| {
            matches!(heard, Heard::Page | Heard::Complaint)
                || (decoy && matches!(heard, Heard::Message(_)))
        };
        let Some(first) = self.wait(alarms).await else {
            return;
        };
        if first == Heard::Complaint {
            // Nobody is paged yet: users have to complain for a while until somebody looks.
            let patience = self.pace.complaint();
            tokio::select! {
                () = sleep(patience) => {}
                paged = self.ears.next(&self.run) => if paged.is_none() { return },
            }
        }
        for beat in script.response {
            self.play(beat).await;
        }
        // What came while the team was busy. Cancel safe: what is not there yet stays in the channel.
        while let Ok(Some(heard)) = timeout(Duration::ZERO, self.ears.next(&self.run)).await {
            self.answer(heard).await;
        }
        if !self.ears.failing.is_empty() {
            let cadence = script.cadence;
            loop {
                let beat = cadence.clone();
                let every = beat.as_ref().map(|(every, _)| *every);
                let pause = async {
                    match every {
                        Some(every) => sleep(every).await,
                        None => std::future::pending().await,
                    }
                };
                // Cancel safe: what is heard is taken from a channel, and a pause begins anew.
                tokio::select! {
                    heard = self.ears.next(&self.run) => match heard {
                        None => return,
                        Some(Heard::Well) => break,
                        Some(heard) => self.answer(heard).await,
                    },
                    () = pause => {
                        if let Some((_, beat)) = beat {
                            self.play(beat).await;
                        }
                    }
                }
            }
        }
        for beat in script.all_clear {
            self.play(beat).await;
        }
        while let Some(heard) = self.ears.next(&self.run).await {
            self.answer(heard).await;
        }
    }

    /// Waits for something, answering messages meanwhile.
    async fn wait(&mut self, wanted: impl Fn(Heard) -> bool) -> Option<Heard> {
        loop {
            let heard = self.ears.next(&self.run).await?;
            if wanted(heard) {
                return Some(heard);
            }
            self.answer(heard).await;
        }
    }

    async fn answer(&mut self, heard: Heard) {
        let Heard::Message(inject) = heard else {
            return;
        };
        sleep(self.pace.pause()).await;
        self.act(Member::Commander, script::reply(inject)).await;
    }

    async fn play(&mut self, beat: Beat) {
        sleep(self.pace.pause()).await;
        let who = beat.who;
        let mut act = beat.at(self.clock.now().wall);
        // What fails is what users meet.
        if let (TeamAct::Detected { symptom, .. }, Some(probe)) =
            (&mut act, self.ears.failing.first())
        {
            *symptom = format!("{probe} fails");
        }
        self.act(who, act).await;
    }

    async fn act(&self, who: Member, act: TeamAct) {
        let pseudonym = format!("autopilot-{}", who.as_str());
        let origin = Origin::person(Source::Autopilot, pseudonym);
        // What comes too late, or is refused, is a team's lot.
        if let Err(error) = self.run.act(act, origin).await {
            tracing::debug!(run = %self.run.run(), %error, "an act of the scripted team was not taken");
        }
    }
}

impl Ears {
    /// The next that a team notices; nothing once the run can be heard no more. Cancel safe.
    async fn next(&mut self, run: &RunHandle) -> Option<Heard> {
        loop {
            let event = match self.events.recv().await {
                Ok((known, event)) if known == *run.run() => event,
                Ok(_) | Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return None,
            };
            match &event.fact {
                Fact::AlertReceived { alert } if alert.firing && alert.qualifies => {
                    return Some(Heard::Page);
                }
                Fact::InjectDelivered { index } => return Some(Heard::Message(*index)),
                Fact::ProbeChanged {
                    probe, standing, ..
                } if run.plan().stack.probes.get(probe).is_some_and(|p| p.impact) => {
                    let hurt = !self.failing.is_empty();
                    match standing {
                        Standing::Failing => {
                            self.failing.insert(probe.clone());
                            if !hurt {
                                return Some(Heard::Complaint);
                            }
                        }
                        Standing::Passing => {
                            self.failing.remove(probe);
                            if hurt && self.failing.is_empty() {
                                return Some(Heard::Well);
                            }
                        }
                    }
                }
                Fact::RunEnded { .. } => return None,
                _ => {}
            }
        }
    }
}
