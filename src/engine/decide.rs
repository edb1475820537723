//! What an input says at once. What follows from it is for `advance`.

use std::time::Duration;

use super::effect::{EffectKey, undo_view};
use super::event::{
    ActorKind, Alert, Fact, Origin, Phase, Source, StopCause, UndoCause, UndoneBy, Update,
};
use super::input::{
    AppliedProof, Attachment, Correction, Corrects, DeliveredProof, Input, Outcome, Proof,
    Rejection, RemovedProof, Said, TeamAct,
};
use super::posts;
use super::state::{RemedyProgress, State};
use super::undo::{Entry, Obligation};
use super::{Draft, LOOK_AGAIN_AFTER, STUCK_AFTER, backoff};
use crate::model::channel::PREFIX;
use crate::model::fault::Cause;
use crate::model::ids::{ExpectationId, InjectionId, RemedyId, StepId};
use crate::model::message::Stage;
use crate::model::plan::Plan;
use crate::model::runbook::{Expectation, Expected, Runbook};
use crate::model::team::Seat;
use crate::model::time::Stamp;

/// The facts an input amounts to, or why it is turned away.
pub(super) fn decide(state: &State, input: Input, now: Stamp) -> Result<Vec<Draft>, Rejection> {
    let engine = |fact| Draft::engine(now, fact);
    match input {
        Input::Create {
            plan,
            seed,
            trigger,
        } => {
            if state.plan().is_some() {
                return Err(Rejection::Exists);
            }
            Ok(vec![engine(Fact::RunCreated {
                plan,
                seed,
                trigger,
            })])
        }
        Input::TakeOver => Ok(take_over(state, now)),
        Input::Tick => Ok(Vec::new()),
        Input::Attach { attachment, origin } => attach(state, *attachment, origin, now),
        Input::Correct { correction, origin } => correct(state, correction, origin, now),
        Input::Team {
            act: TeamAct::Knew { when, at },
            origin,
        } => knew(state, Fact::Knew { when, at }, origin, now),
        _ if state.is_ended() => Err(Rejection::Ended),
        Input::Watched(Fact::StopRequested { cause }) => Ok(condition_met(state, cause, now)),
        Input::Watched(fact) => Ok(watched(state, fact, now)),
        Input::Outcome { key, outcome } => Ok(outcome_facts(state, key, outcome, now)),
        Input::Lost {
            injection,
            evidence,
        } => {
            let active = state
                .ledger()
                .get(&injection)
                .is_some_and(|o| matches!(o.entry, Entry::Active { .. }));
            let lost = Draft {
                at: now,
                origin: Origin::machine(Source::Fault),
                fact: Fact::Lost {
                    injection: injection.clone(),
                    evidence,
                },
            };
            let clear = engine(Fact::UndoBegan {
                injection,
                cause: UndoCause::Lost,
            });
            Ok(if active {
                vec![lost, clear]
            } else {
                Vec::new()
            })
        }
        Input::Source { sender, heard } => {
            let (took_ms, heard_at, reason) = match heard {
                Ok(Proof::Tested(took)) => (Some(took.get()), None, None),
                Ok(Proof::Heard(at)) => (None, Some(at), None),
                Err(reason) => (None, None, Some(reason)),
            };
            Ok(vec![engine(Fact::SourceTested {
                sender,
                took_ms,
                heard_at,
                reason,
            })])
        }
        Input::Stop { cause, origin } => Ok(stop(state, cause, origin, now)),
        Input::Alert { alert, origin } => Ok(alert_facts(state, alert, origin, now)),
        Input::Team { act, origin } => team(state, act, origin, now),
    }
}

fn stop(state: &State, cause: StopCause, origin: Origin, now: Stamp) -> Vec<Draft> {
    if state.stop().is_some() {
        return Vec::new();
    }
    vec![Draft {
        at: now,
        origin,
        fact: Fact::StopRequested { cause },
    }]
}

/// A watch says that a probe has failed for too long. Before the method nothing is on that this could end: there it is
/// the steady state that decides, and the watch says it again as long as it is so.
fn condition_met(state: &State, cause: StopCause, now: Stamp) -> Vec<Draft> {
    if state.phase() == Some(Phase::Running) && state.observation().is_none() {
        stop(state, cause, Origin::machine(Source::Probe), now)
    } else {
        Vec::new()
    }
}

/// A probe that can't be asked leaves the run blind: it ends as errored.
fn watched(state: &State, fact: Fact, now: Stamp) -> Vec<Draft> {
    let blind = match &fact {
        Fact::ProbeUnusable { probe, reason } => {
            Some(format!("probe `{probe}` could not be asked: {reason}"))
        }
        _ => None,
    };
    let mut facts = vec![Draft {
        at: now,
        origin: Origin::machine(Source::Probe),
        fact,
    }];
    if let Some(reason) = blind {
        facts.extend(stop(
            state,
            StopCause::Error { reason },
            Origin::engine(),
            now,
        ));
    }
    facts
}

/// A dead process's run: nothing is resumed. What may be on is undone under this process's clock.
fn take_over(state: &State, now: Stamp) -> Vec<Draft> {
    let Some(epoch) = state.epoch().filter(|_| !state.is_ended()) else {
        return Vec::new();
    };
    let mut facts = vec![Draft::engine(now, Fact::Interrupted { epoch })];
    facts.extend(state.posts().lost(now));
    for obligation in state.ledger().open() {
        let injection = obligation.injection.id.clone();
        facts.push(Draft::engine(
            now,
            match obligation.entry {
                Entry::Planned { .. } => Fact::Cancelled { injection },
                _ => Fact::UndoBegan {
                    injection,
                    cause: UndoCause::Interrupted,
                },
            },
        ));
    }
    facts
}

fn outcome_facts(state: &State, key: EffectKey, outcome: Outcome, now: Stamp) -> Vec<Draft> {
    if let Outcome::Inspected(result) = outcome {
        let awaited = state.phase() == Some(Phase::Preflight)
            && state.preflight().is_none()
            && key.0 == state.phase_seq();
        return match result {
            _ if !awaited => Vec::new(),
            Ok(proof) => vec![Draft::engine(now, Fact::PreflightPassed { proof })],
            Err(findings) => vec![Draft::engine(now, Fact::PreflightFailed { findings })],
        };
    }
    if let Outcome::Sent(result) = outcome {
        return sent(state, key.0, result, now);
    }
    let Some(obligation) = state.ledger().awaiting(key.0) else {
        return Vec::new();
    };
    match (undo_view(&obligation.entry), outcome) {
        (Entry::Planned { .. }, Outcome::Captured(result)) => {
            captured(state, obligation, result.map(|token| token.0), now)
        }
        (Entry::Arming { .. }, Outcome::Applied(result)) => {
            let injection = obligation.injection.id.clone();
            let fault = |at, fact| Draft {
                at,
                origin: Origin::machine(Source::Fault),
                fact,
            };
            match result {
                Ok(proof) => {
                    let (sent, evidence) = (proof.sent, proof.evidence);
                    let mut facts = vec![fault(
                        proof.effective,
                        Fact::Active {
                            injection: injection.clone(),
                            sent,
                            evidence,
                        },
                    )];
                    if let Cause::Remedy(_) = obligation.injection.cause {
                        facts.push(fault(proof.effective, Fact::RemedyDone { uses: injection }));
                    }
                    facts
                }
                Err(error) => refused(state, obligation, &error, now),
            }
        }
        (
            Entry::Active {
                adjusting: Some(adjusting),
                ..
            },
            Outcome::Adjusted(result),
        ) => adjusted(obligation, adjusting.level, result, now),
        (Entry::Undoing { .. }, Outcome::Removed(Ok(proof))) => removed(obligation, proof, now),
        (Entry::Undoing { .. }, Outcome::Removed(Err(error))) => {
            undo_failed(obligation, error, now)
        }
        _ => Vec::new(),
    }
}

/// What became of a message. One that nobody waits for any more was settled before.
fn sent(
    state: &State,
    message: u64,
    result: Result<DeliveredProof, String>,
    now: Stamp,
) -> Vec<Draft> {
    if !state.posts().awaits(message) {
        return Vec::new();
    }
    vec![match result {
        Ok(proof) => Draft::engine(
            proof.at,
            Fact::MessageDelivered {
                message,
                sent: proof.sent,
                reference: proof.reference,
                evidence: proof.evidence,
            },
        ),
        Err(error) => Draft::engine(now, Fact::MessageFailed { message, error }),
    }]
}

/// How long what lasts no time may take to be done: a restart is undone once it has happened, and no sooner.
const ONCE: Duration = Duration::from_secs(30);

fn captured(
    state: &State,
    obligation: &Obligation,
    result: Result<super::event::Token, String>,
    now: Stamp,
) -> Vec<Draft> {
    let injection = obligation.injection.id.clone();
    match result {
        Ok(token) => {
            let lasts = obligation.injection.lasts.deadline().duration();
            let deadline = now.after(if lasts.is_zero() { ONCE } else { lasts });
            vec![Draft::engine(
                now,
                Fact::Arming {
                    injection,
                    token,
                    deadline,
                },
            )]
        }
        Err(error) => {
            let mut facts = failure(state, obligation, &error, now);
            facts.insert(0, Draft::engine(now, Fact::Cancelled { injection }));
            facts
        }
    }
}

/// A change that can't be done leaves a fault that nobody knows the strength of: the run ends as errored.
fn adjusted(
    obligation: &Obligation,
    level: u32,
    result: Result<AppliedProof, String>,
    now: Stamp,
) -> Vec<Draft> {
    let injection = obligation.injection.id.clone();
    match result {
        Ok(proof) => vec![Draft {
            at: proof.effective,
            origin: Origin::machine(Source::Fault),
            fact: Fact::Adjusted {
                injection,
                level,
                sent: proof.sent,
                evidence: proof.evidence,
            },
        }],
        Err(error) => Draft::error(
            now,
            format!("`{injection}` could not be changed to its level {level}: {error}"),
        ),
    }
}

fn refused(state: &State, obligation: &Obligation, error: &str, now: Stamp) -> Vec<Draft> {
    let injection = obligation.injection.id.clone();
    let mut facts = vec![
        Draft {
            at: now,
            origin: Origin::machine(Source::Fault),
            fact: Fact::Refused {
                injection: injection.clone(),
                error: error.to_owned(),
            },
        },
        Draft::engine(
            now,
            Fact::UndoBegan {
                injection,
                cause: UndoCause::Refused,
            },
        ),
    ];
    facts.extend(failure(state, obligation, error, now));
    facts
}

/// What people call an entry of the ledger.
pub(super) fn called(state: &State, id: &InjectionId) -> String {
    state
        .plan()
        .map_or_else(|| id.to_string(), |plan| plan.called(id))
}

/// A fault that can't be done ends the run as errored; a remedy that can't is the team's to see.
fn failure(state: &State, obligation: &Obligation, error: &str, now: Stamp) -> Vec<Draft> {
    let id = &obligation.injection.id;
    let fact = match &obligation.injection.cause {
        Cause::Step(_) => Fact::StopRequested {
            cause: StopCause::Error {
                reason: format!("`{}` could not be done: {error}", called(state, id)),
            },
        },
        Cause::Remedy(_) => Fact::RemedyFailed {
            uses: id.clone(),
            error: error.to_owned(),
        },
    };
    vec![Draft::engine(now, fact)]
}

fn removed(obligation: &Obligation, proof: RemovedProof, now: Stamp) -> Vec<Draft> {
    let injection = obligation.injection.id.clone();
    if let Entry::Undoing {
        uncertain: true,
        looked: false,
        ..
    } = undo_view(&obligation.entry)
        && (proof.by == UndoneBy::Other || obligation.injection.act.is_blind())
    {
        let at = now.after(LOOK_AGAIN_AFTER);
        return vec![Draft::engine(now, Fact::LookAgain { injection, at })];
    }
    let fact = Fact::Undone {
        injection,
        by: proof.by,
        evidence: proof.evidence,
    };
    vec![Draft {
        at: proof.at,
        origin: Origin::machine(Source::Fault),
        fact,
    }]
}

fn undo_failed(obligation: &Obligation, error: String, now: Stamp) -> Vec<Draft> {
    let injection = obligation.injection.id.clone();
    let Entry::Undoing {
        attempts, since, ..
    } = undo_view(&obligation.entry)
    else {
        return Vec::new();
    };
    let attempt = attempts.saturating_add(1);
    let stuck = obligation.entry.is_stuck();
    let late = now
        .since(since)
        .is_none_or(|d| d.unsigned_abs() >= STUCK_AFTER);
    let again = now.after(backoff(attempt, stuck || late));
    let failed = Fact::UndoFailed {
        injection: injection.clone(),
        error: error.clone(),
        attempt,
        again,
    };
    let mut facts = vec![Draft::engine(now, failed)];
    if late && !stuck {
        facts.push(Draft::engine(now, Fact::Stuck { injection, error }));
    }
    facts
}

fn alert_facts(state: &State, mut alert: Alert, origin: Origin, now: Stamp) -> Vec<Draft> {
    let repeated = origin
        .source_id
        .as_ref()
        .is_some_and(|id| state.has_seen(origin.source, id));
    let Some(plan) = state
        .plan()
        .filter(|plan| plan.drill.is_some() || plan.stops_on_alerts())
    else {
        return Vec::new();
    };
    if repeated {
        return Vec::new();
    }
    let Some(sender) = origin.source.sender() else {
        return Vec::new();
    };
    // What firedrill itself told a pager is nobody's detection.
    let own = alert.labels.get("title");
    let own = own.is_some_and(|title| title.starts_with(PREFIX));
    alert.qualifies = !own && plan.detects(sender, &alert.labels);
    let labels = alert.labels.clone();
    let stops =
        alert.firing && state.phase() < Some(Phase::Closing) && plan.is_stopped_by(sender, &labels);
    let mut facts = vec![Draft {
        at: now,
        origin,
        fact: Fact::AlertReceived { alert },
    }];
    if stops {
        let origin = Origin::machine(Source::Alertmanager);
        facts.extend(stop(state, StopCause::Alert { labels }, origin, now));
    }
    facts
}

fn team(state: &State, act: TeamAct, origin: Origin, now: Stamp) -> Result<Vec<Draft>, Rejection> {
    if act == TeamAct::Real {
        return Ok(stop(state, StopCause::Real, origin, now));
    }
    if origin
        .source_id
        .as_ref()
        .is_some_and(|id| state.has_seen(origin.source, id))
    {
        return Ok(Vec::new());
    }
    keep_apart(state, &act, &origin)?;
    if let TeamAct::Continued { step } = act {
        let fact = continued(state, step)?;
        return Ok(vec![Draft {
            at: now,
            origin,
            fact,
        }]);
    }
    let plan = state.plan().ok_or(Rejection::NotBegun)?;
    plan.drill.as_ref().ok_or(Rejection::NoTeam)?;
    let early = state.phase() < Some(Phase::Running);
    let fact = match act {
        // Whoever is there already is there: saying so again changes nothing.
        TeamAct::Joined { .. } if is_seated(state, &origin) => return Ok(Vec::new()),
        TeamAct::Joined { seat } => Fact::Joined { seat },
        TeamAct::Revealed if state.is_secret() => Fact::Revealed,
        TeamAct::Revealed => return Err(Rejection::NothingToReveal),
        _ if early => return Err(Rejection::NotBegun),
        TeamAct::RemedyChosen { remedy } => choose(state, remedy, None, now)?,
        TeamAct::RemedyApproved { remedy } => approve(state, remedy, &origin, now)?,
        TeamAct::Replied { inject, text } => reply(state, inject, text)?,
        TeamAct::Continued { .. } | TeamAct::Real | TeamAct::Knew { .. } => return Ok(Vec::new()),
        act => said(plan, act)?,
    };
    let sends = posts::is_ours_to_send(origin.source);
    let messages = match &fact {
        // A status page tells of what was sent to it by us.
        Fact::UpdatePosted { update } if !sends && state.posts().holds(&update.text) => {
            return Ok(Vec::new());
        }
        Fact::UpdatePosted { update } if sends => {
            refuse_strangers(plan, update)?;
            posts::of_update(state, update, state.seq() + 1, now)
        }
        _ => Vec::new(),
    };
    let mut facts = vec![Draft {
        at: now,
        origin,
        fact,
    }];
    facts.extend(messages);
    Ok(facts)
}

/// What colleagues are told is not for customers' eyes, nor for the regulator's.
fn refuse_strangers(plan: &Plan, update: &Update) -> Result<(), Rejection> {
    let mut addressed = posts::addressed(plan, update).into_iter();
    match addressed.find(|channel| channel.audience != update.audience) {
        None => Ok(()),
        Some(channel) => Err(Rejection::WrongReaders {
            channel: channel.name.to_string(),
            readers: channel.audience.title(),
            meant: update.audience.title(),
        }),
    }
}

/// A log that is over is corrected by one more event, which acts on nothing.
fn correct(
    state: &State,
    correction: Correction,
    origin: Origin,
    now: Stamp,
) -> Result<Vec<Draft>, Rejection> {
    let plan = state.plan().ok_or(Rejection::NotBegun)?;
    let exercise = plan.drill.as_ref().ok_or(Rejection::NoTeam)?;
    let ended = state.ended_at().ok_or(Rejection::Running)?;
    let reason = filled("the reason", correction.reason)?;
    let fact = match correction.what {
        Corrects::Event { seq, at, text } => {
            if at.is_none() && text.is_none() {
                return Err(Rejection::NothingCorrected);
            }
            let Some(has_words) = state.told(seq) else {
                return Err(Rejection::NotCorrectable(seq));
            };
            if text.is_some() && !has_words {
                return Err(Rejection::NotCorrectable(seq));
            }
            let began = state.running_since().ok_or(Rejection::NotBegun)?;
            let (from, to) = (began.wall, ended.wall);
            if at.is_some_and(|at| at < from || at > to) {
                return Err(Rejection::OutsideTheRun { from, to });
            }
            let text = text.map(|text| filled("the text", text)).transpose()?;
            Fact::Corrected {
                seq,
                at,
                text,
                reason,
            }
        }
        Corrects::Line { line, verdict } => {
            keep_judges_apart(state, &origin)?;
            judgeable(&exercise.runbook, &line)?;
            Fact::LineJudged {
                line,
                verdict,
                reason,
            }
        }
        Corrects::End { by } => {
            keep_judges_apart(state, &origin)?;
            Fact::EndAttributed { by, reason }
        }
    };
    Ok(vec![Draft {
        at: now,
        origin,
        fact,
    }])
}

/// Whoever responded does not judge the response.
fn keep_judges_apart(state: &State, origin: &Origin) -> Result<(), Rejection> {
    let seat = origin.actor.as_deref().and_then(|actor| state.seat(actor));
    match seat {
        Some(seat) if !seat.is_staff() => Err(Rejection::IsResponder(Seat::Observer)),
        _ => Ok(()),
    }
}

/// That a line is people's to judge.
fn judgeable(runbook: &Runbook, line: &ExpectationId) -> Result<(), Rejection> {
    let manual = |one: &&Expectation| matches!(one.what, Expected::Manual { .. });
    let known = || match listed(runbook.expect.iter().filter(manual).map(|one| &one.id)) {
        none if none.is_empty() => "none".to_owned(),
        known => known,
    };
    match runbook.expect.iter().find(|one| one.id == *line) {
        None => Err(Rejection::NoSuchLine {
            name: line.to_string(),
            known: known(),
        }),
        Some(found) if !manual(&found) => Err(Rejection::NotManual {
            name: line.to_string(),
            known: known(),
        }),
        Some(_) => Ok(()),
    }
}

/// Somebody says when they knew that it was a drill. Who says it again means that.
fn knew(state: &State, fact: Fact, origin: Origin, now: Stamp) -> Result<Vec<Draft>, Rejection> {
    if !state.plan().is_some_and(Plan::is_surprise) {
        return Err(Rejection::NoSurprise);
    }
    if state.is_secret() {
        return Err(Rejection::StillSecret);
    }
    Ok(vec![Draft {
        at: now,
        origin,
        fact,
    }])
}

fn is_seated(state: &State, origin: &Origin) -> bool {
    let actor = origin.actor.as_deref();
    actor.is_some_and(|actor| state.seat(actor).is_some())
}

/// Nobody responds and sees the answers in one run. Whoever has no name can't be told from another.
fn keep_apart(state: &State, act: &TeamAct, origin: &Origin) -> Result<(), Rejection> {
    let is_drill = state.plan().is_some_and(|plan| plan.drill.is_some());
    let seat = origin.actor.as_deref().and_then(|actor| state.seat(actor));
    let Some(seat) = seat.filter(|_| is_drill && origin.kind == ActorKind::Human) else {
        return Ok(());
    };
    match (seat.is_staff(), act.is_for_staff()) {
        (true, false) => Err(Rejection::IsStaff(seat)),
        (false, true) => Err(Rejection::IsResponder(match act {
            TeamAct::Joined { seat } => *seat,
            _ => Seat::Coordinator,
        })),
        _ => Ok(()),
    }
}

/// An answer to a message that was shown.
fn reply(state: &State, inject: Option<usize>, text: String) -> Result<Fact, Rejection> {
    let inject = match inject {
        Some(inject) if state.is_delivered(inject) => inject,
        Some(_) => {
            return Err(Rejection::NoSuchMessage(
                "; hint: they are counted from 0, in the drill's order",
            ));
        }
        None => state
            .message_to_answer()
            .ok_or(Rejection::NoSuchMessage(" yet"))?,
    };
    Ok(Fact::Replied {
        inject,
        text: filled("the reply", text)?,
    })
}

/// Somebody else agrees to a remedy; it acts once there are enough of them.
fn approve(
    state: &State,
    remedy: RemedyId,
    origin: &Origin,
    now: Stamp,
) -> Result<Fact, Rejection> {
    let mut waiting = state.remedies().iter().rev();
    let used = waiting.find(|used| {
        used.remedy == remedy && used.progress == RemedyProgress::Waiting && may_act(state)
    });
    let Some(used) = used else {
        return Err(Rejection::NotWaitingForApproval(remedy));
    };
    // A machine, or whoever can't be told from the first, is nobody else.
    let actor = origin
        .actor
        .as_ref()
        .filter(|actor| {
            origin.kind == ActorKind::Human
                && used.chooser.as_ref() != Some(actor)
                && !used.agreed.contains(*actor)
        })
        .ok_or_else(|| Rejection::OwnApproval(remedy.clone()))?;
    let agreed = used.agreed.len() + usize::from(!used.agreed.contains(actor));
    let enough = agreed >= usize::try_from(used.approvals).unwrap_or(usize::MAX);
    let takes = state.remedy(&remedy).map(|remedy| remedy.takes.duration());
    Ok(Fact::RemedyApproved {
        uses: used.uses.clone(),
        acts_at: enough.then(|| now.after(takes.unwrap_or_default())),
    })
}

/// Whether anything may still be done to the stack.
fn may_act(state: &State) -> bool {
    state.phase() == Some(Phase::Running) && state.stop().is_none() && state.observation().is_none()
}

/// A signal that belongs to a run that is over: what it says is recorded beside who says that it does, and why. Nothing
/// acts on it; scores put it where it belongs.
fn attach(
    state: &State,
    attachment: Attachment,
    origin: Origin,
    now: Stamp,
) -> Result<Vec<Draft>, Rejection> {
    let plan = state.plan().ok_or(Rejection::NotBegun)?;
    plan.drill.as_ref().ok_or(Rejection::NoTeam)?;
    if !state.is_ended() {
        return Err(Rejection::Running);
    }
    if state.has_attached(attachment.signal) {
        return Ok(Vec::new());
    }
    let fact = match attachment.said {
        // Whoever attaches it says that it was the detection: that is what the reason is for.
        Said::Alert(alert) => Fact::AlertReceived {
            alert: Alert {
                qualifies: true,
                ..alert
            },
        },
        Said::Act(act) => said(plan, act)?,
    };
    Ok(vec![Draft {
        at: now,
        origin,
        fact: Fact::SignalAttached {
            signal: attachment.signal,
            received: attachment.received,
            told: Box::new(attachment.told),
            fact: Box::new(fact),
            reason: filled("the reason", attachment.reason)?,
        },
    }])
}

/// What an act says that changes nothing by itself.
fn said(plan: &Plan, act: TeamAct) -> Result<Fact, Rejection> {
    Ok(match act {
        TeamAct::Detected { service, symptom } => {
            if !plan.stack.services.contains_key(&service) {
                return Err(Rejection::NoSuchService {
                    name: service.to_string(),
                    known: listed(plan.stack.services.keys()),
                });
            }
            Fact::Detected {
                service,
                symptom: filled("the symptom", symptom)?,
            }
        }
        TeamAct::Acknowledged => Fact::Acknowledged,
        TeamAct::Declared { severity } => Fact::Declared { severity },
        TeamAct::RoleTaken { role, to } => Fact::RoleTaken { role, to },
        TeamAct::Escalated { to, reason } => Fact::Escalated {
            to: vec![filled("whom to call", to)?],
            reason: reason.filter(|reason| !reason.trim().is_empty()),
            rung: None,
        },
        TeamAct::Dismissed { reason } => Fact::Dismissed {
            reason: filled("the reason", reason)?,
        },
        TeamAct::Joined { .. } => return Err(Rejection::NotAttachable("who was there")),
        TeamAct::Replied { .. } => return Err(Rejection::NotAttachable("a reply")),
        TeamAct::RemedyApproved { .. } => return Err(Rejection::NotAttachable("an approval")),
        TeamAct::Revealed => return Err(Rejection::NotAttachable("a reveal")),
        TeamAct::Knew { .. } => return Err(Rejection::NotAttachable("what somebody knew")),
        TeamAct::CauseNamed { cause } => Fact::CauseNamed {
            cause: filled("the cause", cause)?,
        },
        TeamAct::UpdatePosted(mut update) => {
            update.text = filled("the update", update.text)?;
            // That the drill is over is firedrill's own to say.
            if update.stage == Some(Stage::DrillOver) {
                update.stage = Some(Stage::Resolved);
            }
            Fact::UpdatePosted { update }
        }
        TeamAct::RemedyChosen { .. } => return Err(Rejection::NotAttachable("a remedy")),
        TeamAct::ActionAttested { text } => Fact::ActionAttested {
            text: filled("the action", text)?,
        },
        TeamAct::Noted { text } => Fact::Noted {
            text: filled("the note", text)?,
        },
        TeamAct::StepTicked { step, done } => {
            let exercise = plan.drill.as_ref().ok_or(Rejection::NoTeam)?;
            let steps = exercise.runbook.steps();
            if !steps.iter().any(|known| known.number == step) {
                return Err(Rejection::NoSuchRunbookStep {
                    number: step,
                    steps: steps.len(),
                });
            }
            Fact::StepTicked { step, done }
        }
        TeamAct::Resolved => Fact::Resolved,
        TeamAct::Continued { .. } => return Err(Rejection::NotAttachable("a continued step")),
        TeamAct::Real => return Err(Rejection::NotAttachable("a halt")),
    })
}

/// A person lets the method go on.
fn continued(state: &State, step: StepId) -> Result<Fact, Rejection> {
    if state.phase() != Some(Phase::Running) || state.stop().is_some() {
        return Err(if state.phase() < Some(Phase::Running) {
            Rejection::NotBegun
        } else {
            Rejection::Ended
        });
    }
    if state.pauses().any(|(waiting, _)| *waiting == step) {
        return Ok(Fact::PauseEnded {
            step,
            continued: true,
        });
    }
    let waiting = listed(state.pauses().map(|(step, _)| step));
    Err(Rejection::NotWaiting {
        name: step.to_string(),
        waiting: match waiting.as_str() {
            "" => "nothing waits for a person now".to_owned(),
            steps => format!("{steps} does"),
        },
    })
}

/// A remedy that somebody chooses, or a rule in their place.
pub(super) fn choose(
    state: &State,
    remedy: RemedyId,
    rule: Option<usize>,
    now: Stamp,
) -> Result<Fact, Rejection> {
    if !may_act(state) {
        return Err(Rejection::Ended);
    }
    let Some(chosen) = state.remedy(&remedy) else {
        let remedies = state
            .plan()
            .and_then(|plan| plan.drill.as_ref())
            .map(|exercise| &exercise.drill.remedies);
        return Err(Rejection::NoSuchRemedy {
            name: remedy.to_string(),
            known: listed(remedies.into_iter().flatten().map(|remedy| &remedy.id)),
        });
    };
    let count = state
        .remedies()
        .iter()
        .filter(|used| used.remedy == remedy)
        .count();
    let acts_at = now.after(chosen.takes.duration());
    Ok(Fact::RemedyChosen {
        uses: use_id(&remedy, count + 1),
        approvals: (chosen.approvals > 0).then_some(chosen.approvals),
        remedy,
        acts_at,
        rule,
    })
}

/// The ledger's id of a remedy's `nth` use.
fn use_id(remedy: &RemedyId, nth: usize) -> InjectionId {
    let mut text = format!("remedy:{remedy}");
    text.truncate(crate::model::ids::LONGEST_NAME - 8);
    format!("{text}#{nth}")
        .parse()
        .expect("a remedy's id is a name, and so is this")
}

fn filled(what: &'static str, text: String) -> Result<String, Rejection> {
    if text.trim().is_empty() {
        Err(Rejection::Empty(what))
    } else {
        Ok(text)
    }
}

fn listed<T: std::fmt::Display>(names: impl Iterator<Item = T>) -> String {
    names
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
