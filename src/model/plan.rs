//! Plans: everything one run needs, resolved, as its first event carries it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::drill::{Autopilot, Detection, Drill, Remedy, Rule};
use super::experiment::{Experiment, StopCondition, carries};
use super::fault::{Act, Cause, Injection, Stream};
use super::ids::{InjectionId, ProbeName, StepId};
use super::probe::Probe;
use super::runbook::Runbook;
use super::signal::Sender;
use super::stack::{ContainerSelector, Stack};
use super::team::Team;
use super::time::Millis;

/// What a run does, complete: nothing else is read while it runs or when it is scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The system under test.
    pub stack: Stack,
    /// What is tried.
    pub experiment: Experiment,
    /// Each step's injections, in the order of the method.
    pub injections: Vec<Injection>,
    /// Who is drilled and how, for a drill.
    pub drill: Option<Exercise>,
    /// The files it was made from.
    pub files: Vec<SourceFile>,
}

impl Plan {
    /// A probe of the stack, or the question of a stop condition.
    pub fn probe(&self, name: &ProbeName) -> Option<&Probe> {
        let own = self.experiment.stop_when.iter();
        let own = own.filter_map(StopCondition::own);
        let stack = self.stack.probes.get(name);
        stack.or_else(|| own.into_iter().find(|probe| probe.name == *name))
    }

    /// Whether an alert with these labels concerns it: it is a detection, it stops the run, or a rule waits for it.
    pub fn awaits(&self, sender: Sender, labels: &BTreeMap<String, String>) -> bool {
        self.detects(sender, labels)
            || self.is_stopped_by(sender, labels)
            || self
                .rules()
                .iter()
                .any(|rule| rule.when.is_met_by(sender, labels))
    }

    /// What machines do by themselves.
    pub fn rules(&self) -> &[Rule] {
        self.drill
            .as_ref()
            .map_or(&[], |exercise| &exercise.drill.automation)
    }

    /// Whether its responders are not told that it runs.
    pub fn is_surprise(&self) -> bool {
        let schedule = self
            .drill
            .as_ref()
            .and_then(|exercise| exercise.drill.schedule.as_ref());
        schedule.is_some_and(|schedule| schedule.surprise)
    }

    /// The scripted team that responds, which makes it a rehearsal.
    pub fn autopilot(&self) -> Option<Autopilot> {
        self.drill.as_ref()?.drill.autopilot
    }

    /// How long it lasts as a drill without any fault.
    pub fn decoy(&self) -> Option<Millis> {
        self.drill.as_ref()?.drill.decoy
    }

    /// The longest it can last, from the first step to the end of observation. Looking at the stack before and undoing
    /// have no limit of their own.
    pub fn longest(&self) -> Millis {
        let recovery = self.experiment.recovery;
        let method = self.decoy().unwrap_or(self.experiment.limits.duration);
        let all = [method, recovery.within, recovery.stable_for];
        Millis::new(
            all.iter()
                .map(|part| part.get())
                .fold(0, u64::saturating_add),
        )
    }

    /// The remedies by which a step begins, where it does not begin by itself.
    pub fn starters<'a>(&'a self, step: &'a StepId) -> impl Iterator<Item = &'a Remedy> {
        self.drill
            .iter()
            .flat_map(|exercise| &exercise.drill.remedies)
            .filter(move |remedy| remedy.starts.contains(step))
    }

    /// Whether an alert with these labels is a detection of the drill.
    pub fn detects(&self, sender: Sender, labels: &BTreeMap<String, String>) -> bool {
        self.detections().any(|detection| {
            detection
                .signal()
                .is_some_and(|(from, wanted)| from == sender && carries(labels, wanted))
        })
    }

    /// Whose signals the drill counts as detections.
    pub fn monitors(&self) -> BTreeSet<Sender> {
        self.detections()
            .filter_map(Detection::signal)
            .map(|(sender, _)| sender)
            .collect()
    }

    fn detections(&self) -> impl Iterator<Item = &Detection> {
        self.drill
            .iter()
            .flat_map(|exercise| &exercise.drill.detection)
    }

    /// Whether an alert with these labels stops the run.
    pub fn is_stopped_by(&self, sender: Sender, labels: &BTreeMap<String, String>) -> bool {
        let mut conditions = self.experiment.stop_when.iter();
        sender == Sender::Alertmanager && conditions.any(|condition| condition.is_met_by(labels))
    }

    /// Whether it must hear alerts, because one of them stops it.
    pub fn stops_on_alerts(&self) -> bool {
        let mut conditions = self.experiment.stop_when.iter();
        conditions.any(|condition| matches!(condition, StopCondition::Alert { .. }))
    }

    /// The name of the drill, else of the experiment.
    pub fn name(&self) -> &str {
        self.drill
            .as_ref()
            .map_or(self.experiment.name.as_str(), |exercise| {
                exercise.drill.name.as_str()
            })
    }

    /// What people call an entry of the undo ledger: the step's id, with the link or service where that step has
    /// several targets, and which time it is of several; of a remedy, its label. What the plan doesn't know is called by
    /// its id.
    pub fn called(&self, id: &InjectionId) -> String {
        if let Some(label) = self.remedy_label(id) {
            return label.to_owned();
        }
        let Some(injection) = self.injections.iter().find(|one| one.id == *id) else {
            return id.to_string();
        };
        let Cause::Step(step) = &injection.cause else {
            return id.to_string();
        };
        let others = || {
            let others = self.injections.iter();
            others.filter(|one| {
                one.id != *id && one.cause == injection.cause && one.nth() == injection.nth()
            })
        };
        let nth = injection.occurrence.map_or_else(String::new, |which| {
            format!(", {} of {}", which.nth, which.of)
        });
        let Some(place) = place(injection).filter(|_| others().next().is_some()) else {
            return format!("{step}{nth}");
        };
        let way = match injection.act {
            Act::AddToxic { stream, .. }
                if others().any(|one| Self::same_place(one, injection)) =>
            {
                way(stream)
            }
            _ => "",
        };
        format!("{step} on {place}{way}{nth}")
    }

    /// A channel of the drill.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        let mut channels = self.drill.as_ref()?.channels.iter();
        channels.find(|channel| channel.name.as_str() == name)
    }

    /// The label of the remedy that an entry of the ledger is a use of.
    pub fn remedy_label(&self, id: &InjectionId) -> Option<&str> {
        let remedy = id.as_str().strip_prefix("remedy:")?.rsplit_once('#')?.0;
        let remedies = &self.drill.as_ref()?.drill.remedies;
        remedies
            .iter()
            .find(|known| known.id.as_str() == remedy)
            .map(|known| known.label.as_str())
    }

    fn same_place(one: &Injection, other: &Injection) -> bool {
        place(one) == place(other)
    }
}

/// Where an injection acts.
fn place(injection: &Injection) -> Option<String> {
    match &injection.act {
        Act::AddToxic { link, .. } | Act::DisableProxy { link } => {
            Some(format!("{} → {}", link.from, link.to))
        }
        Act::Container {
            service,
            selector: ContainerSelector::Drawn { name, .. },
            ..
        } => Some(format!("{name} of {service}")),
        Act::Container { service, .. } | Act::Cut { service, .. } => Some(service.to_string()),
        Act::Hook(_) => None,
    }
}

/// Which way the disturbed bytes flow, where both ways are disturbed.
fn way(stream: Stream) -> &'static str {
    match stream {
        Stream::Upstream => ", requests",
        Stream::Downstream => ", answers",
    }
}

/// The people's side of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exercise {
    /// The drill.
    pub drill: Drill,
    /// What the team is judged against.
    pub runbook: Runbook,
    /// Who is drilled.
    pub team: Team,
    /// Where its messages may go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
}

/// A file as it was when the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceFile {
    /// As given.
    pub path: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use crate::engine::tests::plans::{drill, experiment, name};
    use crate::model::fault::{Act, Stream};

    #[test]
    fn a_step_with_one_target_is_called_by_its_id() {
        let plan = experiment();
        assert_eq!(plan.called(&name("slow")), "slow");
        assert_eq!(plan.called(&name("stranger")), "stranger");
    }

    #[test]
    fn targets_of_one_step_are_told_apart_by_link_and_by_direction() {
        let mut plan = experiment();
        let mut second = plan.injections[0].clone();
        second.id = name("slow#2");
        if let Act::AddToxic { stream, .. } = &mut second.act {
            *stream = Stream::Upstream;
        }
        let mut third = plan.injections[0].clone();
        third.id = name("slow#3");
        if let Act::AddToxic { link, .. } = &mut third.act {
            link.to = name("node");
        }
        plan.injections.extend([second, third]);
        assert_eq!(plan.called(&name("slow")), "slow on api → signer, answers");
        assert_eq!(
            plan.called(&name("slow#2")),
            "slow on api → signer, requests"
        );
        assert_eq!(plan.called(&name("slow#3")), "slow on api → node");
    }

    #[test]
    fn a_use_of_a_remedy_is_called_by_its_label() {
        assert_eq!(drill().called(&name("remedy:rollback#1")), "Roll back");
    }
}
