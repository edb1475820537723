//! Experiments: steady state, method, stop conditions, limits.

use std::collections::BTreeMap;

use crate::model::experiment::{Experiment, Limits, Recovery};
use crate::model::fault::{Start, Step};
use crate::model::ids::StepId;
use crate::model::stack::Stack;
use crate::spec::check::during::refutable;
use crate::spec::check::fault::{self, Placed};
use crate::spec::check::ground;
use crate::spec::check::probe::{self, TOLERANCE};
use crate::spec::check::refer;
use crate::spec::check::stack::HEAD;
use crate::spec::check::step::STEP;
use crate::spec::check::stop::{self, STOP};
use crate::spec::check::view::View;
use crate::spec::check::window::{Window, windows};
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{
    DURATION, Form, Keys, Object, SOME_DURATION, defaulted, optional, required,
};
use crate::spec::tree::{Kind, Node};

pub(crate) static EXPERIMENT: Object = Object {
    what: "an experiment",
    about: "A steady state, a timeline of faults, what stops it, and how far it may go. Needs no people.",
    groups: &[
        HEAD,
        &[
            required("name", Form::Name, "As drills name it."),
            required("stack", Form::Name, "The stack it runs on."),
            required(
                "hypothesis",
                Form::Text,
                "What is believed to hold, in a sentence.",
            ),
            required(
                "steady_state",
                Form::List(&Form::Object(&TOLERANCE), 1, 1_000),
                "What says that the stack is well: it gates before and after.",
            ),
            optional(
                "during",
                Form::List(&Form::Object(&TOLERANCE), 0, 1_000),
                "What must hold while faults are on: at a stretch at least `fail_after` times the probe's `every`.",
            ),
            required(
                "method",
                // Empty, it must still be written: a forgotten timeline is no experiment without faults.
                Form::List(&STEP, 0, 1_000),
                "The timeline: one key a step, the fault's name. Empty where nothing is to break, as in a decoy.",
            ),
            optional(
                "stop_when",
                Form::List(&Form::Object(&STOP), 0, 1_000),
                "What ends the run at once. Probes and questions count from the beginning of the method to the end of \
                 observation, alerts from the run's beginning on.",
            ),
            optional("limits", Form::Object(&LIMITS), "How far it may go."),
            optional(
                "recovery",
                Form::Object(&RECOVERY),
                "How the stack must come back.",
            ),
        ],
    ],
    rules: &[],
};

static LIMITS: Object = Object {
    what: "limits",
    about: "How far an experiment may go.",
    groups: &[&[
        optional(
            "services",
            Form::Integer(1, 10_000),
            "Services hit at once; a link counts the one it leads to.",
        ),
        optional("links", Form::Integer(1, 10_000), "Links hit at once."),
        optional(
            "containers",
            Form::Integer(1, 10_000),
            "Containers hit at once.",
        ),
        optional(
            "tiers",
            Form::Map(Keys::Name, &Form::Integer(0, 100)),
            "For tiers of the stack, the percentage of their services hit at once: `{chain: 50}`.",
        ),
        defaulted(
            "duration",
            SOME_DURATION,
            "1h",
            "From the first step to the end of observation; past it the run is aborted.",
        ),
    ]],
    rules: &[],
};

static RECOVERY: Object = Object {
    what: "a recovery",
    about: "How the stack must come back.",
    groups: &[&[
        defaulted(
            "within",
            SOME_DURATION,
            "60s",
            "At the latest this long after the last undo.",
        ),
        defaulted("stable_for", DURATION, "10s", "How long it must hold."),
    ]],
    rules: &[],
};

/// What stands for an absent `limits` or `recovery`: a map without keys, so that the defaults have one place.
fn or_empty<'a>(node: Option<&'a Node>, empty: &'a Node) -> &'a Node {
    node.unwrap_or(empty)
}

/// Reads a tree of the right shape. Names of links, services and probes are looked up where the stack is known.
pub(crate) fn read(root: &Node, stack: Option<&Stack>, sink: &mut Sink) -> Option<Experiment> {
    let view = View::new(root, &EXPERIMENT);
    let empty = Node::empty();
    let limits = View::new(or_empty(view.value("limits"), &empty), &LIMITS);
    let recovery = View::new(or_empty(view.value("recovery"), &empty), &RECOVERY);
    let limits = (|| {
        Some(Limits {
            services: limits.integer("services"),
            links: limits.integer("links"),
            containers: limits.integer("containers"),
            tiers: tiers(limits, stack, sink)?,
            duration: limits.read("duration")?,
        })
    })();
    let recovery = recovered(recovery, sink);
    let steady_state = probe::tolerances(view.items("steady_state"), stack, sink);
    let during = probe::tolerances(view.items("during"), stack, sink);
    let stop_when = stop::read(view.items("stop_when"), stack, sink);
    let steps = fault::steps(view.items("method"), stack, sink);
    if let Some(stack) = stack {
        for hook in view
            .items("method")
            .iter()
            .filter_map(|item| item.get("hook"))
        {
            ground::calls(hook, stack, sink);
        }
    }
    let steps = steps?;
    cycles(&steps, sink);
    if let Some(limits) = &limits {
        within_duration(&steps, limits, view, sink);
    }
    if let (Some(stack), Some(during), Some(steady_state)) = (stack, &during, &steady_state) {
        let items = view.items("during");
        let only: Vec<&Step> = steps.iter().map(|placed| &placed.step).collect();
        refutable(items, during, steady_state, &only, stack, sink);
    }
    Some(Experiment {
        name: view.read("name")?,
        stack: view.read("stack")?,
        hypothesis: view.text("hypothesis")?.to_owned(),
        steady_state: steady_state?,
        during: during?,
        method: steps.into_iter().map(|placed| placed.step).collect(),
        stop_when: stop_when?,
        limits: limits?,
        recovery: recovery?,
    })
}

/// A tier that no service has would limit nothing.
fn tiers(limits: View<'_>, stack: Option<&Stack>, sink: &mut Sink) -> Option<BTreeMap<String, u8>> {
    let entries = limits.value("tiers").map_or(&[][..], Node::entries);
    let mut all = BTreeMap::new();
    for entry in entries {
        if let Some(stack) = stack {
            let known = || stack.services.values().filter_map(|s| s.tier.as_deref());
            if !known().any(|tier| *tier == *entry.key) {
                let code = Code::UnknownTier;
                refer::unknown(code, "tier", &entry.key, entry.span, known(), sink);
            }
        }
        let Kind::Int(percent) = entry.value.kind else {
            return None;
        };
        all.insert(entry.key.to_string(), u8::try_from(percent).ok()?);
    }
    Some(all)
}

fn recovered(view: View<'_>, sink: &mut Sink) -> Option<Recovery> {
    let recovery = Recovery {
        within: view.read("within")?,
        stable_for: view.read("stable_for")?,
    };
    if recovery.stable_for > recovery.within {
        let span = view
            .span("stable_for")
            .or(view.span("within"))
            .unwrap_or_default();
        sink.error(
            Code::OutOfRange,
            span,
            format!(
                "a stack can't hold for {} `within` {}",
                recovery.stable_for, recovery.within
            ),
        )
        .with_hint("`stable_for` is at most `within`");
    }
    Some(recovery)
}

/// Steps that wait for each other never begin. Each is reported at its `after`.
fn cycles(steps: &[Placed<'_>], sink: &mut Sink) {
    let waits: BTreeMap<&StepId, &StepId> = steps
        .iter()
        .filter_map(|placed| match &placed.step.start {
            Start::After { step, .. } => Some((&placed.step.id, step)),
            Start::At(_) => None,
        })
        .collect();
    for placed in steps {
        let id = &placed.step.id;
        let mut next = waits.get(id);
        let mut path = vec![id.as_str()];
        while let Some(step) = next {
            if path.len() > steps.len() {
                break;
            }
            path.push(step.as_str());
            if *step == id {
                let span = placed
                    .body
                    .get("after")
                    .map_or(placed.key, |node| node.span);
                sink.error(
                    Code::Cycle,
                    span,
                    format!("the step `{id}` waits for itself"),
                )
                .with_hint(format!(
                    "{}: let one of them begin `at` a time",
                    path.join(" waits for ")
                ));
                break;
            }
            next = waits.get(step);
        }
    }
}

fn within_duration(steps: &[Placed<'_>], limits: &Limits, view: View<'_>, sink: &mut Sink) {
    let only: Vec<&Step> = steps.iter().map(|placed| &placed.step).collect();
    let written = view
        .value("limits")
        .is_some_and(|node| node.get("duration").is_some());
    for (placed, window) in steps.iter().zip(windows(&only)) {
        let Some(Window { latest_end, .. }) = window else {
            continue;
        };
        if latest_end <= limits.duration {
            continue;
        }
        let body = placed.body;
        let span = ["repeat", "for", "at_most"]
            .iter()
            .find_map(|key| body.get(key))
            .map_or(placed.key, |node| node.span);
        let which = if written { "" } else { ", the default" };
        sink.error(
            Code::LateStep,
            span,
            format!(
                "the step `{}` can last until {latest_end}, past the limit of {}{which}",
                placed.step.id, limits.duration
            ),
        )
        .with_hint("end it earlier, or raise `limits: {duration: …}`");
    }
}
