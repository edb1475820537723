//! What responders can do in the room, and what each form offers them. The right cause and the right remedy never
//! stand out.

use serde::Serialize;

use super::Badge;
use super::composer::{Composer, Drafted};
use super::sight::Sight;
use super::time::Moment;
use crate::engine::event::{Fact, Phase};
use crate::engine::state::{RemedyProgress, State};
use crate::http::catalogue::Contents;
use crate::http::reading::Reading;
use crate::messages::Texts;
use crate::model::drill::Severity;
use crate::model::fault::{Fault, Unconfirmed};
use crate::model::plan::Exercise;
use crate::model::team::Seat;

/// What responders can do.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own that the template asks"
)]
#[derive(Debug, Serialize)]
pub(in crate::http) struct Acts {
    /// Why nothing is taken yet.
    pub(in crate::http) waits: Option<&'static str>,
    /// Whether there is a team to do it; otherwise only a halt and "this is real".
    pub(in crate::http) team: bool,
    pub(in crate::http) services: Vec<String>,
    pub(in crate::http) severities: Vec<&'static str>,
    pub(in crate::http) causes: Vec<String>,
    /// Where there is a team: what it tells others.
    pub(in crate::http) composer: Option<Composer>,
    pub(in crate::http) remedies: Vec<RemedyLine>,
    /// The steps that wait for exercise staff; in a drill nobody else is shown them.
    pub(in crate::http) pauses: Vec<PauseLine>,
    /// On which side whoever looks is, once they are there.
    pub(in crate::http) seat: Option<&'static str>,
    /// To whom a role can be handed over, or who can be called.
    pub(in crate::http) members: Vec<String>,
    /// The messages that can be answered, latest first.
    pub(in crate::http) messages: Vec<MessageLine>,
    /// Whether there is something to tell the team, and whoever looks may.
    pub(in crate::http) may_reveal: bool,
    pub(in crate::http) acknowledged: bool,
    pub(in crate::http) resolved: bool,
}

/// A message that can be answered.
#[derive(Debug, Serialize)]
pub(in crate::http) struct MessageLine {
    /// Its place in the drill's list, from 0.
    pub(in crate::http) index: usize,
    pub(in crate::http) text: String,
}

/// A remedy and what became of it.
#[derive(Debug, Serialize)]
pub(in crate::http) struct RemedyLine {
    pub(in crate::http) id: String,
    pub(in crate::http) label: String,
    pub(in crate::http) takes: String,
    /// How many others must agree.
    pub(in crate::http) approvals: u32,
    pub(in crate::http) progress: Option<Badge>,
    /// Whether somebody has to agree to it now.
    pub(in crate::http) waits: bool,
}

/// A step that waits for a person.
#[derive(Debug, Serialize)]
pub(in crate::http) struct PauseLine {
    pub(in crate::http) step: String,
    pub(in crate::http) text: String,
    /// What happens by itself, and when.
    pub(in crate::http) otherwise: &'static str,
    pub(in crate::http) until: Moment,
}

impl Acts {
    /// What can be done about a run now. Who sees it all is asked what responders must not know.
    pub(in crate::http) fn new(
        reading: &Reading,
        contents: &Contents,
        sight: Sight,
        seat: Option<Seat>,
        texts: &Texts,
        drafted: Option<&Drafted>,
    ) -> Self {
        let state = &reading.state;
        let plan = state.plan();
        let exercise = plan.and_then(|plan| plan.drill.as_ref());
        let here = reading.status.is_some();
        let has =
            |wanted: fn(&Fact) -> bool| reading.events.iter().any(|event| wanted(&event.fact));
        let mut causes = contents.causes();
        let faults = state.steps().iter().filter(|step| !step.is_pause());
        causes.extend(faults.map(|step| step.id.to_string()));
        causes.sort();
        causes.dedup();
        Self {
            waits: if !here {
                Some("Another process drives this run: act where it was started.")
            } else if state.phase() < Some(Phase::Running) {
                Some("The drill begins once steady state holds.")
            } else {
                None
            },
            team: exercise.is_some(),
            services: plan
                .map(|plan| {
                    plan.stack
                        .services
                        .keys()
                        .map(ToString::to_string)
                        .collect()
                })
                .unwrap_or_default(),
            severities: Severity::ALL
                .iter()
                .map(|severity| severity.as_str())
                .collect(),
            causes,
            composer: exercise.map(|exercise| {
                Composer::new(reading, exercise, texts, sight.shown.probes, drafted)
            }),
            remedies: exercise
                .map(|exercise| remedies(reading, exercise))
                .unwrap_or_default(),
            pauses: if sight.all || exercise.is_none() {
                pauses(state)
            } else {
                Vec::new()
            },
            seat: seat.map(Seat::as_str),
            members: exercise
                .map(|exercise| exercise.team.members.clone())
                .unwrap_or_default(),
            messages: exercise
                .map(|exercise| messages(reading, exercise))
                .unwrap_or_default(),
            may_reveal: sight.all && state.is_secret(),
            acknowledged: has(|fact| matches!(fact, Fact::Acknowledged)),
            resolved: has(|fact| matches!(fact, Fact::Resolved)),
        }
    }
}

/// The messages that were shown, latest first.
fn messages(reading: &Reading, exercise: &Exercise) -> Vec<MessageLine> {
    let shown = reading.events.iter().rev().filter_map(|event| {
        let Fact::InjectDelivered { index } = event.fact else {
            return None;
        };
        let text = exercise.drill.injects.get(index)?.text.clone();
        Some(MessageLine { index, text })
    });
    shown.collect()
}

fn pauses(state: &State) -> Vec<PauseLine> {
    let lines = state.pauses().filter_map(|(id, until)| {
        let step = state.steps().iter().find(|step| step.id == *id)?;
        let Fault::Confirm(confirm) = &step.fault else {
            return None;
        };
        Some(PauseLine {
            step: id.to_string(),
            text: confirm.text.clone(),
            otherwise: match confirm.then {
                Unconfirmed::Abort => "the run is aborted",
                Unconfirmed::Continue => "it goes on",
            },
            until: until.into(),
        })
    });
    lines.collect()
}

fn remedies(reading: &Reading, exercise: &Exercise) -> Vec<RemedyLine> {
    exercise
        .drill
        .remedies
        .iter()
        .map(|remedy| {
            let used = reading
                .state
                .remedies()
                .iter()
                .rev()
                .find(|used| used.remedy == remedy.id);
            RemedyLine {
                id: remedy.id.to_string(),
                label: remedy.label.clone(),
                takes: remedy.takes.to_string(),
                approvals: remedy.approvals,
                waits: used.is_some_and(|used| used.progress == RemedyProgress::Waiting),
                progress: used.map(|used| match used.progress {
                    RemedyProgress::Waiting => Badge::new("waits for approval", '…', "plain"),
                    RemedyProgress::Chosen => Badge::new("chosen", '…', "plain"),
                    RemedyProgress::Acting => Badge::new("at work", '…', "plain"),
                    RemedyProgress::Done => Badge::new("done", '✓', "good"),
                    RemedyProgress::Failed => Badge::new("failed", '✗', "bad"),
                }),
            }
        })
        .collect()
}
