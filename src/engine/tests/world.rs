//! A made-up world: what is really on, a clock, and an engine that can be killed and taken over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::engine::effect::{Effect, EffectKind};
use crate::engine::event::{Event, Fact, Origin, Source, StopCause, Token, Trigger, UndoneBy};
use crate::engine::input::{
    AppliedProof, CapturedToken, DeliveredProof, Input, Outcome, RemovedProof, TeamAct,
};
use crate::engine::posts::Message;
use crate::engine::state::{Disturbance, State};
use crate::engine::watch::{Sample, SampleResult, Watch};
use crate::engine::{Course, next_deadline, outstanding, phase};
use crate::model::fault::Act;
use crate::model::ids::{InjectionId, RunId};
use crate::model::plan::Plan;
use crate::model::time::{Epoch, Stamp};

/// How the world answers one effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It does as asked and says so.
    Does,
    /// It does nothing and says so.
    Refuses,
    /// It does as asked, and the answer is an error: a time-out.
    DoesAndFails,
}

pub(super) struct World {
    pub(super) course: Course,
    pub(super) log: Vec<Event>,
    pub(super) now: Stamp,
    pub(super) on: BTreeSet<InjectionId>,
    /// Requests of a dead process that will still be carried out.
    pub(super) landing: Vec<(Stamp, InjectionId)>,
    pub(super) touched_without_record: Vec<InjectionId>,
    /// How strong what has a ramp is.
    pub(super) levels: BTreeMap<InjectionId, u32>,
    pub(super) adjusted_while_off: Vec<InjectionId>,
    /// What channels were sent, and into which thread.
    pub(super) sent: Vec<(Message, Option<String>)>,
    watches: Vec<Watch>,
    confirming: Option<Stamp>,
    disturbed: Option<Disturbance>,
    /// What can't be undone for now.
    pub(super) broken: BTreeSet<InjectionId>,
    pub(super) healthy: BTreeMap<&'static str, bool>,
    last: Option<Input>,
}

fn run() -> RunId {
    "run-1".parse().expect("a name")
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let now = Stamp {
            epoch: Epoch(1),
            mono_ns: 0,
            wall: Timestamp::UNIX_EPOCH,
        };
        let mut world = Self {
            course: Course::new(run()),
            log: Vec::new(),
            now,
            on: BTreeSet::new(),
            landing: Vec::new(),
            touched_without_record: Vec::new(),
            levels: BTreeMap::new(),
            adjusted_while_off: Vec::new(),
            sent: Vec::new(),
            watches: Vec::new(),
            confirming: None,
            disturbed: None,
            broken: BTreeSet::new(),
            healthy: [("canary", true), ("gap", true)].into(),
            last: None,
        };
        world.take(Input::Create {
            plan: Box::new(plan),
            seed: 7,
            trigger: Trigger::CommandLine,
        });
        world.watches = phase::tolerances(world.state())
            .into_iter()
            .map(|tolerance| {
                let plan = world.state().plan().expect("it is created");
                let stops = phase::patience_of(plan, &tolerance.probe);
                Watch::new(tolerance).stopping(stops)
            })
            .collect();
        world
    }

    pub(super) fn state(&self) -> &State {
        self.course.state()
    }

    pub(super) fn take(&mut self, input: Input) -> bool {
        self.last = Some(input.clone());
        let Ok(events) = self.course.take(input, self.now) else {
            return false;
        };
        self.log.extend(events);
        true
    }

    pub(super) fn repeat_last_outcome(&mut self) {
        if let Some(input @ Input::Outcome { .. }) = self.last.clone() {
            self.take(input);
        }
    }

    pub(super) fn effects(&self) -> Vec<Effect> {
        outstanding(self.state(), &self.now)
    }

    pub(super) fn perform(&mut self, effect: &Effect, answer: Answer) {
        let answer = match &effect.kind {
            EffectKind::Undo(id) if self.broken.contains(id) => Answer::Refuses,
            _ => answer,
        };
        let outcome = match &effect.kind {
            EffectKind::Inspect => Outcome::Inspected(match answer {
                Answer::Does => Ok(vec!["chain id 0x7a69".into()]),
                _ => Err(vec!["no such proxy".into()]),
            }),
            EffectKind::Capture(id) => Outcome::Captured(match answer {
                Answer::Does => Ok(CapturedToken(Token(json!({"undo": id.as_str()})))),
                _ => Err("not there".into()),
            }),
            EffectKind::Apply(id) => {
                let recorded = self
                    .log
                    .iter()
                    .any(|event| matches!(&event.fact, Fact::Arming { injection, .. } if injection == id));
                if !recorded {
                    self.touched_without_record.push(id.clone());
                }
                if answer != Answer::Refuses {
                    self.on.insert(id.clone());
                }
                let proof = AppliedProof {
                    sent: self.now,
                    effective: self.now,
                    evidence: "read back".into(),
                };
                Outcome::Applied(if answer == Answer::Does {
                    Ok(proof)
                } else {
                    Err("500".into())
                })
            }
            EffectKind::Adjust(id) => {
                let armed = self
                    .state()
                    .ledger()
                    .armed(id)
                    .expect("what is on is armed");
                let level = armed.asked();
                if !self.on.contains(id) {
                    self.adjusted_while_off.push(id.clone());
                }
                if answer != Answer::Refuses {
                    self.levels.insert(id.clone(), level);
                }
                let proof = AppliedProof {
                    sent: self.now,
                    effective: self.now,
                    evidence: format!("level {level}"),
                };
                Outcome::Adjusted(if answer == Answer::Does {
                    Ok(proof)
                } else {
                    Err("500".into())
                })
            }
            EffectKind::Send => {
                let posts = self.state().posts();
                let (message, thread) = posts.sending(effect.key.0).expect("it is in the log");
                self.sent.push((message.clone(), thread.map(str::to_owned)));
                Outcome::Sent(if answer == Answer::Does {
                    Ok(DeliveredProof {
                        sent: self.now,
                        at: self.now,
                        reference: Some(format!("thread-{}", effect.key.0)),
                        evidence: "taken".into(),
                    })
                } else {
                    Err("no such channel".into())
                })
            }
            EffectKind::Undo(id) => {
                let was_on = answer != Answer::Refuses && self.on.remove(id);
                // A hook can't tell whether its own call did it, and says that it did.
                let is_hook = self
                    .state()
                    .ledger()
                    .get(id)
                    .is_some_and(|o| matches!(o.injection.act, Act::Hook(_)));
                let by = if was_on || is_hook {
                    UndoneBy::Us
                } else {
                    UndoneBy::Other
                };
                let proof = RemovedProof {
                    at: self.now,
                    by,
                    evidence: "gone".into(),
                };
                Outcome::Removed(if answer == Answer::Does {
                    Ok(proof)
                } else {
                    Err("unreachable".into())
                })
            }
        };
        self.take(Input::Outcome {
            key: effect.key,
            outcome,
        });
    }

    /// Lets time pass, with one sample of each probe at the end of it.
    pub(super) fn pass(&mut self, length: Duration) {
        self.now = self.now.after(length);
        let (landed, later): (Vec<_>, Vec<_>) = self
            .landing
            .drain(..)
            .partition(|(at, _)| self.now.reached(at));
        self.landing = later;
        self.on.extend(landed.into_iter().map(|(_, id)| id));
        self.sample();
        self.take(Input::Tick);
    }

    fn sample(&mut self) {
        if self.state().confirm_since() != self.confirming {
            self.confirming = self.state().confirm_since();
            for watch in &mut self.watches {
                watch.confirm(self.confirming.unwrap_or(self.now));
            }
        }
        let mut facts = Vec::new();
        if self.state().disturbance() != self.disturbed {
            self.disturbed = self.state().disturbance();
            let stretch = self.disturbed;
            let watches = self.watches.iter_mut();
            facts.extend(watches.filter_map(|watch| watch.disturb(stretch?)));
        }
        for watch in &mut self.watches {
            let well = self
                .healthy
                .get(watch.probe().as_str())
                .copied()
                .unwrap_or(true);
            let result = if well {
                SampleResult::Passed
            } else {
                SampleResult::Failed("status 503".into())
            };
            facts.extend(watch.observe(&Sample {
                sent: self.now,
                took: Duration::from_millis(3),
                result,
            }));
        }
        for fact in facts {
            self.take(Input::Watched(fact));
        }
    }

    /// The process dies. The last `lost` events never reached the disk, as long as nothing durable is among them; a
    /// request under way may still be carried out a second later.
    pub(super) fn crash(&mut self, request_lands: bool) {
        if request_lands {
            for effect in self.effects() {
                if let EffectKind::Apply(id) = effect.kind {
                    self.landing
                        .push((self.now.after(Duration::from_secs(1)), id));
                }
            }
        }
        let epoch = Epoch(self.now.epoch.0 + 1);
        self.now = Stamp {
            epoch,
            mono_ns: 1_000,
            wall: self.now.wall,
        };
        self.course = Course::resume(run(), &self.log);
        self.take(Input::TakeOver);
    }

    pub(super) fn team(&mut self, act: TeamAct) -> bool {
        self.take(Input::Team {
            act,
            origin: Origin::person(Source::Room, "p-1"),
        })
    }

    pub(super) fn halt(&mut self) {
        self.take(Input::Stop {
            cause: StopCause::Halt {
                reason: "enough".into(),
            },
            origin: Origin::person(Source::CommandLine, "p-2"),
        });
    }

    /// A well-behaved world until the run is over, or `limit` has passed.
    pub(super) fn settle(&mut self, limit: Duration) {
        let end = self.now.after(limit);
        while !self.state().is_ended() && !self.now.reached(&end) {
            self.perform_all();
            self.pass(Duration::from_millis(500));
            if let Some(deadline) = next_deadline(self.state(), &self.now) {
                assert!(
                    !self.now.reached(&deadline),
                    "a deadline that has come changes nothing: the timer would spin"
                );
            }
        }
    }

    pub(super) fn perform_all(&mut self) {
        for _ in 0..50 {
            let effects = self.effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.perform(&effect, Answer::Does);
            }
        }
        panic!("effects never end: {:?}", self.effects());
    }

    pub(super) fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.log.iter().map(|event| &event.fact)
    }
}
