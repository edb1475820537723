//! Verdicts: how a run ended, the stack's side.
//!
//! Nothing passes by omission: a run whose faults were on too briefly for a probe of `during` to say anything is errored.

use std::collections::BTreeMap;

use super::Draft;
use super::event::{Fact, StopCause, Verdict};
use super::phase;
use super::state::State;
use crate::model::time::Stamp;

/// The end of a run whose ledger is closed; nothing while messages are under way, whose outcomes belong into its log.
/// `fell_short` is what the end itself found.
pub(super) fn end(state: &State, now: Stamp, fell_short: Option<String>) -> Vec<Draft> {
    if state.posts().pending().next().is_some() {
        return Vec::new();
    }
    let (verdict, mut reasons) = match state.stop() {
        Some(cause) => stopped(cause),
        None => (Verdict::Passed, Vec::new()),
    };
    reasons.extend(state.deviations().iter().cloned());
    if verdict == Verdict::Passed && state.observation() == Some(false) {
        let within = state
            .plan()
            .map(|plan| plan.experiment.recovery.within.to_string())
            .unwrap_or_default();
        reasons.push(match state.last_undone() {
            Some(_) => format!("steady state did not hold again within {within} of the last undo"),
            None => format!("steady state did not hold within {within}, though nothing was broken"),
        });
    }
    reasons.extend(fell_short);
    let unobserved = match state.stop() {
        None => unobserved(state),
        Some(_) => Vec::new(),
    };
    let verdict = match verdict {
        Verdict::Passed if !reasons.is_empty() => Verdict::Failed,
        Verdict::Passed if !unobserved.is_empty() => Verdict::Errored,
        other => other,
    };
    reasons.extend(unobserved);
    vec![Draft::engine(now, Fact::RunEnded { verdict, reasons })]
}

/// What the hypothesis says that nobody could see, a line each.
fn unobserved(state: &State) -> Vec<String> {
    let tolerances = phase::tolerances(state);
    state
        .unobserved()
        .filter_map(|probe| tolerances.iter().find(|one| one.probe == *probe))
        .map(|one| {
            format!(
                "`{}` was not observed: {}",
                one.probe,
                phase::undecided(one)
            )
        })
        .collect()
}

/// An alert's name, else its labels.
fn shown(labels: &BTreeMap<String, String>) -> String {
    labels.get("alertname").map_or_else(
        || {
            let labels = labels.iter();
            let all: Vec<String> = labels
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            all.join(", ")
        },
        |name| format!("`{name}`"),
    )
}

fn stopped(cause: &StopCause) -> (Verdict, Vec<String>) {
    let (verdict, reason) = match cause {
        StopCause::Halt { reason } => (Verdict::Aborted, format!("halted: {reason}")),
        StopCause::Real => (
            Verdict::Aborted,
            "a responder said that this is real".to_owned(),
        ),
        StopCause::Condition { probe, reason } => (
            Verdict::Aborted,
            match reason {
                Some(reason) => format!("stop condition `{probe}`: {reason}"),
                None => format!("stop condition: `{probe}` failed for too long"),
            },
        ),
        StopCause::Alert { labels } => (
            Verdict::Aborted,
            format!("stop condition: the alert {} fires", shown(labels)),
        ),
        StopCause::Unconfirmed { step } => (
            Verdict::Aborted,
            format!("nobody continued `{step}` in time"),
        ),
        StopCause::Limit => (Verdict::Aborted, "`limits.duration` is over".to_owned()),
        StopCause::Signal => (Verdict::Aborted, "interrupted by a signal".to_owned()),
        StopCause::Error { reason } => (Verdict::Errored, reason.clone()),
        StopCause::Interrupted => (
            Verdict::Errored,
            "interrupted: the process that ran it died; what it had done was undone".to_owned(),
        ),
    };
    (verdict, vec![reason])
}
