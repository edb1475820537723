//! What of a run is shown to whom, while a drill goes on.
//!
//! Responders see what they would see of a real incident: their own acts, alerts and messages. Probes are shown once
//! somebody has detected something; faults, the cause and the right remedies when the run has ended. Exercise staff
//! see it all, and an experiment hides nothing.

use serde::Serialize;

use crate::engine::event::{Event, Fact, Phase};
use crate::http::reading::Reading;
use crate::model::plan::Plan;
use crate::model::runbook::{Anchor, Expected, Milestone, Target};
use crate::narrative::{self, Tone};

/// What may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(in crate::http) struct Shown {
    /// What broke, and when.
    pub(in crate::http) faults: bool,
    /// How the stack did.
    pub(in crate::http) probes: bool,
}

/// What of a run is shown to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Sight {
    pub(in crate::http) shown: Shown,
    /// Everything, answers included.
    pub(in crate::http) all: bool,
}

impl Sight {
    /// What this reader may see of the run.
    pub(in crate::http) fn of(reading: &Reading, staff: bool) -> Self {
        let drill = reading
            .state
            .plan()
            .is_some_and(|plan| plan.drill.is_some());
        let all = staff || !drill || !reading.is_live();
        let detected = reading.events.iter().any(|event| match &event.fact {
            Fact::Detected { .. } => true,
            Fact::AlertReceived { alert } => alert.firing && alert.qualifies,
            _ => false,
        });
        Self {
            shown: Shown {
                faults: all,
                probes: all || detected,
            },
            all,
        }
    }

    /// What is kept back, in a sentence.
    pub(in crate::http) fn hidden(self) -> Option<&'static str> {
        match (self.shown.faults, self.shown.probes) {
            (true, _) => None,
            (false, true) => Some("Faults are hidden until the end."),
            (false, false) => {
                Some("Faults are hidden until the end, probes until somebody detects something.")
            }
        }
    }
}

/// What an event says to this reader; nothing where all of it is kept back.
pub(in crate::http) fn told(
    event: &Event,
    plan: &Plan,
    name: &dyn Fn(&str) -> String,
    shown: Shown,
) -> Option<(Tone, String)> {
    let (tone, text) = narrative::sentence(event, plan, name)?;
    if !is_told(event, tone, shown) {
        return None;
    }
    // Which alerts the drill waits for is a part of its answer.
    let text = match &event.fact {
        Fact::AlertReceived { alert } if !shown.faults => narrative::alert(alert),
        _ => text,
    };
    Some((tone, text))
}

/// The phase as this reader may know it: that faults are being undone would tell that they are.
pub(in crate::http) fn phase(phase: Option<Phase>, faults: bool) -> Option<Phase> {
    match phase {
        Some(Phase::Closing | Phase::After) if !faults => Some(Phase::Running),
        known => known,
    }
}

/// Whether a fault, a probe or nothing but people is told by an event: what a hidden room leaves out.
fn is_told(event: &Event, tone: Tone, shown: Shown) -> bool {
    // What staff are asked is told to staff, who see the faults.
    match event.fact {
        Fact::PauseBegan { .. } | Fact::PauseEnded { .. } | Fact::Refused { .. } => {
            return shown.faults;
        }
        Fact::ProbeUnusable { .. } => return shown.probes,
        _ => {}
    }
    match tone {
        Tone::People | Tone::Alarm => true,
        Tone::Run => {
            !matches!(
                event.fact,
                Fact::PhaseBegan {
                    phase: Phase::Closing | Phase::After
                }
            ) || shown.faults
        }
        Tone::Fault => shown.faults,
        Tone::Well | Tone::Unwell => {
            shown.probes || matches!(event.fact, Fact::PreflightPassed { .. })
        }
    }
}

/// Whether a line names the cause or a remedy, or stands differently where nothing is broken.
pub(in crate::http) fn tells_the_answer(what: &Expected) -> bool {
    match what {
        Expected::Event { event, before, .. } => {
            matches!(
                event,
                Milestone::CauseNamed(_) | Milestone::RemedyChosen(_) | Milestone::Dismissed
            ) || matches!(before, Some(Target::Remedy(_)))
        }
        Expected::Forbid { target } => matches!(
            target,
            Target::Remedy(_) | Target::Anchor(Anchor::Dismissed)
        ),
        Expected::Probe { .. } => true,
        Expected::Cadence { .. }
        | Expected::MessageContains { .. }
        | Expected::Estimates { .. }
        | Expected::Manual { .. } => false,
    }
}

/// Whether a line's clock would tell when the fault began.
pub(in crate::http) fn counts_from_the_fault(what: &Expected) -> bool {
    match what {
        Expected::Event { event, from, .. } => {
            matches!(event, Milestone::Mitigated | Milestone::Recovered)
                || matches!(
                    from,
                    None | Some(Anchor::FaultEffective | Anchor::ImpactObserved)
                )
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_something_is_undone_is_told_to_those_who_see_the_faults() {
        for under_way in [Phase::Closing, Phase::After] {
            assert_eq!(phase(Some(under_way), false), Some(Phase::Running));
            assert_eq!(phase(Some(under_way), true), Some(under_way));
        }
        for known in [None, Some(Phase::Before), Some(Phase::Ended)] {
            assert_eq!(phase(known, false), known);
        }
    }
}
