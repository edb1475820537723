//! Events as sentences, for the terminal and the pages. Pure; says nothing that the log doesn't.

use crate::engine::event::{
    ActorKind, Alert, Event, Fact, Origin, Phase, Standing, StopCause, UndoCause, UndoneBy, Verdict,
};
use crate::model::cut::Cut;
use crate::model::fault::{Act, Cause, Fault, Injection, Occurrence, Stream, Toxic};
use crate::model::ids::{InjectionId, ServiceName};
use crate::model::plan::Plan;
use crate::model::stack::ContainerSelector;
use crate::model::time::wall_clock;

/// What kind of thing a sentence tells, so that a reader can tell them apart without reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// The run itself.
    Run,
    /// A fault comes or goes.
    Fault,
    /// The stack is measured well.
    Well,
    /// The stack is measured unwell.
    Unwell,
    /// People, and what they were sent.
    People,
    /// firedrill can't do its work.
    Alarm,
}

impl Tone {
    /// A mark of one character, so that nothing is told by colour alone.
    pub fn mark(self) -> char {
        match self {
            Self::Run => '·',
            Self::Fault => '⚡',
            Self::Well => '✓',
            Self::Unwell => '✗',
            Self::People => '●',
            Self::Alarm => '!',
        }
    }
}

/// An event as a sentence; `None` for events that are only bookkeeping. `name` turns a pseudonym into a name.
pub fn sentence(
    event: &Event,
    plan: &Plan,
    name: impl Fn(&str) -> String,
) -> Option<(Tone, String)> {
    let who = || match (&event.origin.actor, event.origin.kind) {
        (Some(actor), _) => name(actor),
        (None, ActorKind::Automation) => "automation".to_owned(),
        (None, _) => "somebody".to_owned(),
    };
    Some(match &event.fact {
        Fact::RunCreated { plan, seed, .. } => {
            let what = if plan.drill.is_some() {
                "drill"
            } else {
                "experiment"
            };
            (
                Tone::Run,
                format!(
                    "{what} {} on {}, begun {} (seed {seed})",
                    plan.name(),
                    plan.stack.name,
                    wall_clock(event.at.wall)
                ),
            )
        }
        Fact::PhaseBegan { phase } => (Tone::Run, phase_sentence(*phase)?.to_owned()),
        Fact::PreflightPassed { proof } => (
            Tone::Well,
            format!("staging is proven: {}", shortened(proof)),
        ),
        Fact::PreflightFailed { findings } => {
            (Tone::Alarm, format!("preflight: {}", findings.join("; ")))
        }
        Fact::ProbeChanged {
            probe,
            standing: Standing::Passing,
            ..
        } => (Tone::Well, format!("{probe} passes")),
        Fact::ProbeChanged { probe, reason, .. } => {
            let reason = reason
                .as_ref()
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            (Tone::Unwell, format!("{probe} fails{reason}"))
        }
        Fact::ProbeUnusable { probe, reason } => {
            (Tone::Alarm, format!("{probe} could not be asked: {reason}"))
        }
        // What a remedy did is told by `RemedyDone`.
        Fact::Active { injection, .. } if plan.remedy_label(injection).is_some() => {
            return None;
        }
        Fact::Active { injection, .. } => (Tone::Fault, is_on(plan, injection)),
        Fact::Refused { injection, error } => (
            Tone::Alarm,
            format!("{} was refused: {error}", plan.called(injection)),
        ),
        Fact::AdjustBegan { .. } => return None,
        Fact::MessageFailed { error, .. } => {
            (Tone::Alarm, format!("a message was not delivered: {error}"))
        }
        Fact::Adjusted {
            injection, level, ..
        } => {
            let planned = planned(plan, injection)?;
            let steps = planned.act.ramp()?.steps;
            (
                Tone::Fault,
                format!(
                    "{} grows to {} (level {level} of {steps}, read back)",
                    plan.called(injection),
                    strength(planned, *level)?
                ),
            )
        }
        Fact::Cancelled { injection }
            if planned(plan, injection).is_some_and(|one| one.occurrence.is_some()) =>
        {
            (
                Tone::Fault,
                format!("{} will not happen", plan.called(injection)),
            )
        }
        Fact::PauseBegan { step, .. } => {
            let asked = plan.experiment.method.iter().find(|one| one.id == *step)?;
            let Fault::Confirm(confirm) = &asked.fault else {
                return None;
            };
            (
                Tone::People,
                format!(
                    "{step} waits for a person, at most {}, then {}: {}",
                    asked.lasts.deadline(),
                    confirm.then.as_str(),
                    confirm.text
                ),
            )
        }
        Fact::PauseEnded {
            step,
            continued: false,
        } => (Tone::People, format!("nobody continued {step}")),
        Fact::PauseEnded { step, .. } => (Tone::People, format!("{} continues {step}", who())),
        Fact::Lost {
            injection,
            evidence,
        } => (
            Tone::Fault,
            format!(
                "{} was removed by somebody else ({evidence})",
                plan.called(injection)
            ),
        ),
        Fact::UndoBegan { injection, cause } => {
            let (what, verb) = match plan.remedy_label(injection) {
                Some(label) => (label.to_owned(), "put back"),
                None => (plan.called(injection), "undone"),
            };
            (
                Tone::Fault,
                format!("{what} is being {verb}: {}", undo_reason(cause)),
            )
        }
        Fact::LookAgain { injection, .. } => (
            Tone::Fault,
            format!(
                "{} reads as absent; looking once more",
                plan.called(injection)
            ),
        ),
        Fact::UndoFailed {
            injection,
            error,
            attempt,
            ..
        } => (
            Tone::Alarm,
            format!(
                "undoing {} failed (try {attempt}): {error}",
                plan.called(injection)
            ),
        ),
        Fact::Stuck { injection, error } => (
            Tone::Alarm,
            format!("STUCK: {} can't be undone: {error}", plan.called(injection)),
        ),
        Fact::Undone {
            injection,
            by,
            evidence,
        } => {
            let called = plan.called(injection);
            let told = match (plan.remedy_label(injection), by) {
                (Some(label), _) => format!("{label}: put back (read back)"),
                (None, UndoneBy::Us) => format!("{called} is off (read back)"),
                (None, UndoneBy::Other) => format!("{called} was gone already ({evidence})"),
            };
            (Tone::Fault, told)
        }
        Fact::StopRequested { cause } => (Tone::Run, format!("stopping: {}", stop_reason(cause))),
        Fact::Interrupted { .. } => (
            Tone::Alarm,
            "the process that ran this died; undoing what it left".to_owned(),
        ),
        Fact::ObservationEnded { held: true } => {
            (Tone::Well, "steady state has held long enough".to_owned())
        }
        Fact::ObservationEnded { held: false } => (
            Tone::Unwell,
            "steady state did not come back in time".to_owned(),
        ),
        Fact::RunEnded { verdict, .. } => (Tone::Run, format!("ended: {}", verdict_word(*verdict))),
        Fact::SourceTested {
            sender,
            took_ms: Some(took),
            ..
        } => (
            Tone::Well,
            format!(
                "a test signal came through {} after {took} ms",
                sender.title()
            ),
        ),
        Fact::SourceTested {
            sender,
            heard_at: Some(at),
            ..
        } => (
            Tone::Well,
            format!(
                "{} was last heard at {}: nothing is sent for a surprise",
                sender.title(),
                wall_clock(*at)
            ),
        ),
        Fact::SourceTested { sender, reason, .. } => (
            Tone::Alarm,
            format!(
                "no test signal came through {}: {}",
                sender.title(),
                reason.as_deref().unwrap_or("nobody knows why")
            ),
        ),
        Fact::InjectDelivered { index } => {
            let inject = plan
                .drill
                .as_ref()
                .and_then(|exercise| exercise.drill.injects.get(*index))?;
            let to = inject.to.map_or_else(
                || "everybody".to_owned(),
                |role| format!("the {}", role.title()),
            );
            (Tone::People, format!("to {to}: {}", inject.text))
        }
        _ => (Tone::People, people(event, plan, &who(), &name)?),
    })
}

/// An alert, and nothing of whether it counts.
pub fn alert(alert: &Alert) -> String {
    let label = alert.name().unwrap_or("an alert");
    let state = if alert.firing { "fires" } else { "is resolved" };
    format!("alert {label} {state}")
}

/// What a responder, or a tool in their place, did.
fn people(event: &Event, plan: &Plan, who: &str, name: &dyn Fn(&str) -> String) -> Option<String> {
    Some(match &event.fact {
        Fact::AlertReceived { alert: received } => {
            let sender = event.origin.source.sender();
            let stops = sender.is_some_and(|sender| plan.is_stopped_by(sender, &received.labels));
            let counts = if stops {
                " (a stop condition)"
            } else if received.qualifies {
                ""
            } else {
                " (not one of this drill's)"
            };
            format!("{}{counts}", alert(received))
        }
        Fact::Detected { service, symptom } => format!("{who} reports {service}: {symptom}"),
        Fact::Acknowledged => format!("{who} acknowledges"),
        Fact::Declared { severity } => format!("{who} declares {}", severity.as_str()),
        Fact::RoleTaken { role, to } => match to {
            None => format!("{who} is {}", role.title()),
            Some(to) => format!("{who} hands over: {} is {}", name(to), role.title()),
        },
        Fact::Joined { seat } => format!("{who} is here as {}", seat.as_str()),
        Fact::Escalated { to, reason, rung } => {
            let to = to.join(", ");
            match (rung, reason) {
                (Some(rung), _) => {
                    let steps = plan
                        .drill
                        .as_ref()
                        .map_or(0, |exercise| exercise.team.escalation.len());
                    format!(
                        "nobody has answered: {to} is called (step {} of {steps})",
                        rung + 1
                    )
                }
                (None, Some(reason)) => format!("{who} calls {to}: {reason}"),
                (None, None) => format!("{who} calls {to}"),
            }
        }
        Fact::Replied { inject, text } => {
            format!("{who} replies to message {}: {text}", inject + 1)
        }
        Fact::Dismissed { reason } => format!("{who} says that nothing is wrong: {reason}"),
        Fact::Knew { when, at } => {
            let at = at.map_or(String::new(), |at| format!(", at {}", wall_clock(at)));
            format!("{who} knew that it was a drill {}{at}", when.words())
        }
        Fact::Revealed => format!("{who} tells the team that it is a drill"),
        Fact::RemedyApproved { uses, acts_at } => {
            let label = plan.remedy_label(uses)?;
            let enough = if acts_at.is_some() {
                ""
            } else {
                ", which is not enough yet"
            };
            format!("{who} agrees: {label}{enough}")
        }
        Fact::CauseNamed { cause } => format!("{who} names the cause: {cause}"),
        Fact::UpdatePosted { update } => {
            format!(
                "{who} tells {} on {}: {}",
                update.audience.title(),
                update.channels.join(", "),
                update.text
            )
        }
        Fact::MessageDue { message } => match message.update {
            // What the update says is told with it.
            Some(_) => return None,
            None => format!("told on {}: {}", message.channel, message.text),
        },
        Fact::MessageDelivered { sent, evidence, .. } => {
            let took = event.at.since(sent).map_or(0, |took| took.as_millis());
            format!("a message was delivered after {took} ms: {evidence}")
        }
        Fact::RemedyChosen {
            remedy, approvals, ..
        } => {
            let remedies = plan
                .drill
                .as_ref()
                .map(|exercise| exercise.drill.remedies.as_slice())
                .unwrap_or_default();
            let label = remedies
                .iter()
                .find(|known| known.id == *remedy)
                .map_or(remedy.as_str(), |known| &known.label);
            let waits = approvals.map_or(String::new(), |needed| {
                format!(
                    ", which {needed} other{} must agree to",
                    if needed == 1 { "" } else { "s" }
                )
            });
            format!("{who} chooses a remedy: {label}{waits}")
        }
        Fact::RemedyDone { uses } => format!("{}: done", plan.remedy_label(uses)?),
        Fact::RemedyFailed { uses, error } => {
            format!("{} failed: {error}", plan.remedy_label(uses)?)
        }
        Fact::ActionAttested { text } => format!("{who} did: {text}"),
        Fact::Noted { text } => format!("{who} notes: {text}"),
        Fact::StepTicked { step, done } => {
            let steps = plan.drill.as_ref()?.runbook.steps();
            let step = steps.iter().find(|known| known.number == *step)?;
            let verb = if *done { "ticks off" } else { "reopens" };
            format!("{who} {verb} “{}”", step.title)
        }
        Fact::Resolved => format!("{who} says that it is over"),
        Fact::Corrected {
            seq,
            at,
            text,
            reason,
        } => {
            let at = at.map(|at| format!("it was at {}", wall_clock(at)));
            let text = text.as_ref().map(|text| format!("it said: {text}"));
            let what: Vec<String> = at.into_iter().chain(text).collect();
            format!(
                "{who} corrects event {seq}: {}. Why: {reason}",
                what.join("; ")
            )
        }
        Fact::LineJudged {
            line,
            verdict,
            reason,
        } => format!("{who} judges `{line}` {}. Why: {reason}", verdict.as_str()),
        Fact::EndAttributed { by, reason } => {
            format!("{who} says who ended it: {}. Why: {reason}", by.as_str())
        }
        Fact::SignalAttached {
            received,
            told,
            fact,
            reason,
            ..
        } => {
            let attached = Event {
                seq: event.seq,
                at: *received,
                origin: Origin::clone(told),
                fact: Fact::clone(fact),
            };
            let whom = match told.kind {
                ActorKind::Automation => "automation",
                _ => "somebody",
            };
            let what = people(&attached, plan, whom, name)?;
            let when = wall_clock(received.wall);
            format!("{who} attaches a signal of {when}: {what}. Why: {reason}")
        }
        _ => return None,
    })
}

fn phase_sentence(phase: Phase) -> Option<&'static str> {
    Some(match phase {
        Phase::Preflight => "looking at every target",
        Phase::Before => "waiting for steady state",
        Phase::Running => "steady state holds: beginning",
        Phase::Closing => "closing: whatever is still on is undone",
        Phase::After => "everything is undone; waiting for steady state again",
        Phase::Ended => return None,
    })
}

/// The first lines, and how many more there are.
fn shortened(lines: &[String]) -> String {
    const SHOWN: usize = 2;
    let shown = lines
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    match lines.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// An injection of a step, as planned.
fn planned<'a>(plan: &'a Plan, id: &InjectionId) -> Option<&'a Injection> {
    plan.injections.iter().find(|one| one.id == *id)
}

/// A fault that is on: the step's id, and what it does to which target.
fn is_on(plan: &Plan, id: &InjectionId) -> String {
    let Some(injection) = planned(plan, id) else {
        return format!("{id} is on (read back)");
    };
    let step = match &injection.cause {
        Cause::Step(step) => step.as_str(),
        Cause::Remedy(remedy) => remedy.as_str(),
    };
    let which = injection
        .occurrence
        .map(|Occurrence { nth, of }| format!("{nth} of {of}"));
    let growth = injection.act.ramp().and_then(|_| strength(injection, 0));
    let growth = growth.map(|first| format!("growing from {first}"));
    let parts: Vec<String> = [Some(disturbance(injection)), which, growth]
        .into_iter()
        .flatten()
        .collect();
    format!("{step} is on (read back): {}", parts.join(", "))
}

/// How strong an injection is at a level of its ramp, in a few words: what does not grow is left out.
fn strength(injection: &Injection, level: u32) -> Option<String> {
    let ramp = injection.act.ramp()?;
    let (now, full) = (
        injection.act.strength(level)?,
        injection.act.strength(ramp.steps)?,
    );
    let percent = |share: f64| {
        let text = format!("{:.3}", share * 100.0);
        format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
    };
    let mut parts = Vec::new();
    match (now.toxic, ramp.from.toxic, full.toxic) {
        (
            Toxic::Latency { latency, jitter },
            Toxic::Latency {
                latency: from,
                jitter: narrow,
            },
            Toxic::Latency {
                latency: to,
                jitter: wide,
            },
        ) => {
            if from != to {
                parts.push(latency.to_string());
            }
            if narrow != wide {
                parts.push(format!("± {jitter}"));
            }
        }
        (
            Toxic::Bandwidth { rate },
            Toxic::Bandwidth { rate: from },
            Toxic::Bandwidth { rate: to },
        ) if from != to => {
            parts.push(format!("{rate} KB/s"));
        }
        (Toxic::PacketLoss { loss_rate, .. }, Toxic::PacketLoss { .. }, _) => {
            parts.push(format!("{} lost", percent(loss_rate)));
        }
        _ => {}
    }
    if ramp.from.toxicity.to_bits() != full.toxicity.to_bits() {
        parts.push(format!("{} of connections", percent(now.toxicity)));
    }
    Some(parts.join(", "))
}

/// What an injection does, in a few words.
pub fn disturbance(injection: &Injection) -> String {
    match &injection.act {
        Act::AddToxic {
            link,
            stream,
            toxic,
            ..
        } => {
            format!(
                "{} on {} → {}, {}",
                toxic.kind(),
                link.from,
                link.to,
                match stream {
                    Stream::Upstream => "requests",
                    Stream::Downstream => "answers",
                }
            )
        }
        Act::DisableProxy { link } => format!("connections {} → {} refused", link.from, link.to),
        Act::Container {
            service,
            selector: ContainerSelector::Drawn { name, .. },
            action,
        } => format!("{} of {service}'s container {name}", action.as_str()),
        Act::Container {
            service, action, ..
        } => format!("{} of {service}'s container", action.as_str()),
        Act::Cut { service, cut, .. } => cut_off(service, cut),
        Act::Hook(_) => "hook".to_owned(),
    }
}

fn cut_off(service: &ServiceName, cut: &Cut) -> String {
    match cut {
        Cut::Disconnect { networks, .. } if networks.is_empty() => {
            format!("{service}'s container off its networks")
        }
        Cut::Disconnect { networks, .. } => {
            format!("{service}'s container off {}", networks.join(", "))
        }
        Cut::Part { from, .. } => {
            let from: Vec<&str> = from.iter().map(|one| one.service.as_str()).collect();
            format!("{service} parted from {}", from.join(", "))
        }
    }
}

/// Why something is undone.
pub fn undo_reason(cause: &UndoCause) -> String {
    match cause {
        UndoCause::Timer => "its time is up".to_owned(),
        UndoCause::Remedied { .. } => "a remedy ended it".to_owned(),
        UndoCause::Closing => "the observation is over".to_owned(),
        UndoCause::Abort => "the run was aborted".to_owned(),
        UndoCause::Error => "the run errored".to_owned(),
        UndoCause::Refused => "it may have been applied".to_owned(),
        UndoCause::Lost => "clearing away what is left of it".to_owned(),
        UndoCause::Interrupted => "its process died".to_owned(),
    }
}

/// Why a run stops.
pub fn stop_reason(cause: &StopCause) -> String {
    match cause {
        StopCause::Halt { reason } => format!("halted: {reason}"),
        StopCause::Real => "this is real, not a drill".to_owned(),
        StopCause::Condition {
            probe,
            reason: Some(reason),
        } => format!("stop condition: {probe}: {reason}"),
        StopCause::Condition { probe, .. } => {
            format!("stop condition: {probe} failed for too long")
        }
        StopCause::Alert { labels } => {
            let name = labels.get("alertname").map_or("an alert", String::as_str);
            format!("stop condition: {name} fires")
        }
        StopCause::Unconfirmed { step } => format!("nobody continued {step} in time"),
        StopCause::Limit => "limits.duration is over".to_owned(),
        StopCause::Signal => "a signal".to_owned(),
        StopCause::Error { reason } => reason.clone(),
        StopCause::Interrupted => "the process that ran it died".to_owned(),
    }
}

/// A verdict as a word.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Aborted => "aborted",
        Verdict::Errored => "errored",
    }
}
