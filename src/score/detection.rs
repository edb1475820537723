//! Which signals count as detections: qualifying alerts since the first fault, and people's reports that name a
//! service the faults can have reached. The rest are said to be what they are: pre-existing, or a false alarm.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::timeline::{Moment, Timeline};
use crate::engine::event::{ActorKind, Alert, Event, Fact};
use crate::model::drill::Detection;
use crate::model::ids::ServiceName;
use crate::model::signal::Sender;

/// What a signal came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A detection.
    Qualified,
    /// From before the first fault.
    PreExisting,
    /// It names a service that the faults can't have reached.
    FalseAlarm,
    /// Not what the drill counts as a detection.
    NotListed,
}

/// An alert or a report, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Signal {
    /// When it came in.
    #[serde(flatten)]
    pub moment: Moment,
    /// From a person or a machine.
    pub by: ActorKind,
    /// Whether it is an alert, else a report.
    pub alert: bool,
    /// The tool it came from, where one sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// When the tool's rule fired, by the tool's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fired: Option<Timestamp>,
    /// What it came to.
    pub class: Class,
    /// What it says.
    pub text: String,
}

impl Signal {
    /// Whether it counts as a detection.
    pub fn qualifies(&self) -> bool {
        self.class == Class::Qualified
    }
}

/// All alerts that fired and all reports, in the order of time.
pub(super) fn signals(timeline: &Timeline<'_>) -> Vec<Signal> {
    timeline
        .acts()
        .filter_map(|event| {
            let (class, text) = match &event.fact {
                Fact::AlertReceived { alert } if alert.firing => {
                    (alert_class(timeline, event, alert), alert_text(alert))
                }
                Fact::Detected { service, symptom } => (
                    report_class(timeline, event, service),
                    format!("{service}: {symptom}"),
                ),
                _ => return None,
            };
            Some(Signal {
                moment: event.into(),
                by: event.origin.kind,
                alert: matches!(event.fact, Fact::AlertReceived { .. }),
                sender: event.origin.source.sender(),
                fired: match &event.fact {
                    Fact::AlertReceived { alert } => Some(alert.starts_at),
                    _ => None,
                },
                class,
                text,
            })
        })
        .collect()
}

fn alert_text(alert: &Alert) -> String {
    format!("alert {}", alert.name().unwrap_or(&alert.fingerprint))
}

fn alert_class(timeline: &Timeline<'_>, event: &Event, alert: &Alert) -> Class {
    let before = timeline
        .first_sent()
        .is_none_or(|sent| event.at.is_before(&sent.at) || alert.starts_at < sent.at.wall);
    match (alert.qualifies, before) {
        (false, _) => Class::NotListed,
        (true, true) => Class::PreExisting,
        (true, false) => Class::Qualified,
    }
}

fn report_class(timeline: &Timeline<'_>, event: &Event, service: &ServiceName) -> Class {
    let before = timeline
        .first_sent()
        .is_none_or(|sent| event.at.is_before(&sent.at));
    if before {
        Class::PreExisting
    } else if !affected(timeline, event, service) {
        Class::FalseAlarm
    } else if !counts_people(timeline) {
        Class::NotListed
    } else {
        Class::Qualified
    }
}

/// Whether the drill counts people's reports; a drill that lists nothing counts all.
pub(super) fn counts_people(timeline: &Timeline<'_>) -> bool {
    timeline.plan.drill.as_ref().is_some_and(|exercise| {
        let listed = &exercise.drill.detection;
        listed.is_empty() || listed.contains(&Detection::Human)
    })
}

/// Whether the drill counts machines' alerts; a drill that lists nothing counts all.
pub(super) fn counts_machines(timeline: &Timeline<'_>) -> bool {
    timeline.plan.drill.as_ref().is_some_and(|exercise| {
        let listed = &exercise.drill.detection;
        listed.is_empty() || listed.iter().any(|d| *d != Detection::Human)
    })
}

/// Whether the faults sent so far can have reached this service: one that is hit, one that calls it through links,
/// or one that can't be ruled out, because a hook says nothing of what it hits or no link names the service.
fn affected(timeline: &Timeline<'_>, event: &Event, service: &ServiceName) -> bool {
    let stack = &timeline.plan.stack;
    if !stack.services.contains_key(service) {
        return false;
    }
    let sent: Vec<_> = timeline
        .faults
        .iter()
        .filter(|fault| !event.at.is_before(&fault.sent.at))
        .map(|fault| fault.injection.act.service())
        .collect();
    if sent.contains(&None) {
        return true;
    }
    let mut reached: BTreeSet<&ServiceName> = sent.into_iter().flatten().collect();
    loop {
        let before = reached.len();
        for link in &stack.links {
            if reached.contains(&link.to) {
                reached.insert(&link.from);
            }
        }
        if reached.len() == before {
            break;
        }
    }
    let linked = stack
        .links
        .iter()
        .any(|link| link.from == *service || link.to == *service);
    reached.contains(service) || !linked
}
