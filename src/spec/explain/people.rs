//! The people's side of a drill in words: detection, messages, remedies, expectations.

use std::collections::BTreeMap;

use super::{Page, call, captured};
use crate::model::drill::{Remedy, When};
use crate::model::plan::Exercise;
use crate::model::runbook::{
    Anchor, Audience, By, Expectation, Expected, Milestone, PhraseSet, Target, UpdatePart,
};
use crate::model::signal::Sender;

pub(super) fn people(page: &mut Page, exercise: &Exercise) {
    let drill = &exercise.drill;
    page.section("What counts as a detection");
    for detection in &drill.detection {
        let Some((sender, labels)) = detection.signal() else {
            page.line(2, "a person's report that names a service and a symptom");
            continue;
        };
        page.line(2, &signal(sender, labels));
    }
    if !drill.injects.is_empty() {
        page.section("Messages to the team");
        let rows: Vec<_> = drill
            .injects
            .iter()
            .map(|inject| {
                let to = inject
                    .to
                    .map_or("everybody", crate::model::team::Role::as_str);
                let reply = inject.expect_reply_within.map_or(String::new(), |within| {
                    format!(" (a reply within {within})")
                });
                (
                    inject.at.to_string(),
                    format!("to {to}: {}{reply}", inject.text),
                )
            })
            .collect();
        page.table(&rows);
    }
    if !drill.remedies.is_empty() {
        page.section("What responders can do");
        let rows: Vec<_> = drill
            .remedies
            .iter()
            .map(|one| (one.id.to_string(), remedy(one)))
            .collect();
        page.table(&rows);
    }
    if !exercise.channels.is_empty() {
        page.section("Where its messages may go");
        let rows: Vec<_> = exercise
            .channels
            .iter()
            .map(|one| {
                let sandbox = if one.sandbox { ", a sandbox" } else { "" };
                let readers = one.audience.title();
                let told = format!("{}, read by {readers}{sandbox}", one.way.title());
                (one.name.to_string(), told)
            })
            .collect();
        page.table(&rows);
    }
    if !exercise.drill.automation.is_empty() {
        page.section("What machines do by themselves");
        for rule in &exercise.drill.automation {
            let when = match &rule.when {
                When::Probe(probe) => format!("{probe} fails"),
                When::Signal { sender, labels } => format!("{} fires", signal(*sender, labels)),
            };
            page.line(2, &format!("when {when}: {}", rule.remedy));
        }
    }
}

/// A tool's signal, by what it carries.
fn signal(sender: Sender, labels: &BTreeMap<String, String>) -> String {
    let what = match sender {
        Sender::Alertmanager => "an Alertmanager alert",
        Sender::Grafana => "a Grafana alert",
        Sender::Pagerduty => "a PagerDuty incident",
        Sender::Cloudevents => "a CloudEvent",
        Sender::Slack => "a command in Slack",
        Sender::Statuspage => "a post on a status page",
    };
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{what} with {}", labels.join(", "))
}

fn remedy(remedy: &Remedy) -> String {
    let mut parts = Vec::new();
    if let Some(capture) = &remedy.capture {
        parts.push(format!("first reads {}", captured(capture)));
    }
    if let Some(act) = &remedy.act {
        parts.push(call(act));
    }
    if !remedy.ends.is_empty() {
        let ends: Vec<&str> = remedy
            .ends
            .iter()
            .map(crate::model::ids::StepId::as_str)
            .collect();
        parts.push(format!("ends {}", ends.join(", ")));
    }
    if !remedy.starts.is_empty() {
        let starts: Vec<&str> = remedy
            .starts
            .iter()
            .map(crate::model::ids::StepId::as_str)
            .collect();
        parts.push(format!("begins {}", starts.join(", ")));
    }
    if remedy.approvals > 0 {
        parts.push(format!("waits until {} more agree", remedy.approvals));
    }
    if remedy.takes.get() > 0 {
        parts.push(format!("takes {}", remedy.takes));
    }
    if let Some(restore) = &remedy.restore {
        parts.push(format!("put back after the run by {}", call(restore)));
    }
    format!("{}: {}", remedy.label, parts.join("; "))
}

pub(super) fn expectations(page: &mut Page, exercise: &Exercise) {
    page.section(&format!(
        "What the team is judged by (runbook {})",
        exercise.runbook.name
    ));
    let rows: Vec<_> = exercise
        .runbook
        .expect
        .iter()
        .map(|line| (line.id.to_string(), expectation(line)))
        .collect();
    page.table(&rows);
    let pass = exercise.drill.pass;
    page.line(
        2,
        &format!(
            "It passes with {}% of the points and {}% of the weight observed.",
            pass.outcome, pass.observed
        ),
    );
}

fn expectation(line: &Expectation) -> String {
    let what = match &line.what {
        Expected::Event {
            event,
            by,
            within,
            limit,
            from,
            before,
        } => {
            let by = match by {
                Some(By::Human) => " by a person",
                Some(By::Automation) => " by a machine",
                Some(By::Team) => " by the team",
                None => "",
            };
            let within = within.map_or(String::new(), |within| format!(" within {within}"));
            let limit = limit.map_or(String::new(), |limit| format!(", in part up to {limit},"));
            let from = from.map_or(String::new(), |from| format!(" of {}", anchor(from)));
            let before = before.as_ref().map_or(String::new(), |before| {
                format!(" before {}", moment(before))
            });
            format!("{}{by}{within}{limit}{from}{before}", milestone(event))
        }
        Expected::Cadence {
            every,
            until,
            audience,
            must_have,
        } => {
            format!(
                "an update{}{} at least every {every} until {}",
                readers(*audience),
                parts(must_have),
                anchor(*until)
            )
        }
        Expected::MessageContains { phrases } => {
            let phrases: Vec<&str> = phrases.iter().map(|one| phrase(*one)).collect();
            format!("updates say: {}", phrases.join("; "))
        }
        Expected::Estimates {
            hold,
            widest,
            audience,
        } => {
            let widest = widest.map_or(String::new(), |widest| {
                format!(" and spanned at most {widest}")
            });
            format!(
                "at least {hold}% of the estimated recoveries{} held the measured one{widest}",
                readers(*audience)
            )
        }
        Expected::Forbid { target } => format!("never: {}", moment(target)),
        Expected::Probe {
            probe,
            within,
            limit,
            from,
        } => {
            let limit = limit.map_or(String::new(), |limit| format!(", in part up to {limit},"));
            format!(
                "{probe} holds again within {within}{limit} of {}",
                anchor(*from)
            )
        }
        Expected::Manual { text } => format!("staff judge: {text}"),
    };
    let weight = format!("weight {}", line.weight);
    let critical = if line.critical { ", critical" } else { "" };
    format!("{what} ({weight}{critical})")
}

fn milestone(event: &Milestone) -> String {
    match event {
        Milestone::Detected => "detected".to_owned(),
        Milestone::Acknowledged => "acknowledged".to_owned(),
        Milestone::Declared => "an incident declared".to_owned(),
        Milestone::Escalated { to } => match to {
            Some(to) => format!("{to} called"),
            None => "somebody else called".to_owned(),
        },
        Milestone::Dismissed => "the alarm dismissed".to_owned(),
        Milestone::RoleAssigned(role) => format!("{} taken", role.as_str()),
        Milestone::CauseNamed(cause) => format!("the cause named: {cause},"),
        Milestone::RemedyChosen(remedy) => format!("the remedy {remedy} chosen"),
        Milestone::Update {
            audience,
            channels,
            must_have,
        } => {
            let on = if channels.is_empty() {
                String::new()
            } else {
                format!(" on {}", channels.join(" or "))
            };
            format!("an update{}{}{on}", readers(*audience), parts(must_have))
        }
        Milestone::Mitigated => "mitigated".to_owned(),
        Milestone::Recovered => "recovered".to_owned(),
        Milestone::Resolved => "resolved".to_owned(),
    }
}

fn readers(audience: Option<Audience>) -> &'static str {
    match audience {
        Some(Audience::Customers) => " for customers",
        Some(Audience::Internal) => " for colleagues",
        Some(Audience::Regulator) => " for the regulator",
        None => "",
    }
}

fn parts(parts: &[UpdatePart]) -> String {
    let words: Vec<&str> = parts
        .iter()
        .map(|part| match part {
            UpdatePart::NextUpdateAt => "the next update's time",
            UpdatePart::EstimatedRecovery => "an estimate of recovery",
        })
        .collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(" with {}", words.join(" and "))
    }
}

fn phrase(set: PhraseSet) -> &'static str {
    match set {
        PhraseSet::DoNotRetry => "do not send again",
        PhraseSet::NeverShareKeys => "never share your keys",
        PhraseSet::FundsAreSafe => "funds are safe",
    }
}

fn moment(target: &Target) -> String {
    match target {
        Target::Remedy(remedy) => format!("the remedy {remedy}"),
        Target::Anchor(moment) => anchor(*moment).to_owned(),
    }
}

fn anchor(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::FaultEffective => "the fault",
        Anchor::ImpactObserved => "the impact",
        Anchor::Detected => "the detection",
        Anchor::Alerted => "the first alert or message",
        Anchor::Paged => "the page",
        Anchor::Acknowledged => "the acknowledgement",
        Anchor::Declared => "the declaration",
        Anchor::Escalated => "a call for somebody else",
        Anchor::Dismissed => "the dismissal",
        Anchor::Mitigated => "the mitigation",
        Anchor::Recovered => "the recovery",
        Anchor::Resolved => "the resolution",
    }
}
