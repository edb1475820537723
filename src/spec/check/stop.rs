//! Stop conditions: what ends a run as aborted, each one question that fails or one alert that fires.

use std::collections::BTreeSet;

use crate::model::experiment::{Patience, StopCondition};
use crate::model::ids::ProbeName;
use crate::model::signal::Sender;
use crate::model::stack::Stack;
use crate::spec::check::alert::{self, ALERT};
use crate::spec::check::call::{EXPECT, HTTP};
use crate::spec::check::probe::{self, PROMETHEUS};
use crate::spec::check::refer;
use crate::spec::check::shape::head;
use crate::spec::check::stack::unproven;
use crate::spec::check::view::View;
use crate::spec::findings::Sink;
use crate::spec::form::{DURATION, Form, LONGEST, Object, Rule, STREAK, optional};
use crate::spec::tree::Node;

pub(crate) static STOP: Object = Object {
    what: "a stop condition",
    about: "A question that fails for too long, or an alert that fires, ends the run as aborted.",
    groups: &[&[
        optional("probe", Form::Name, "A probe of the stack."),
        optional(
            "prometheus",
            Form::Object(&PROMETHEUS),
            "A question to a Prometheus server; every sample it returns must be as expected.",
        ),
        optional(
            "http",
            HTTP,
            "A question over HTTP, such as one to a service that may say stop: a URL, or a request.",
        ),
        optional(
            "alertmanager",
            ALERT,
            "An Alertmanager alert that carries these labels: once it fires, every live run that names it stops.",
        ),
        optional(
            "expect",
            Form::Object(&EXPECT),
            "With `prometheus` or `http`: what a passing answer looks like.",
        ),
        optional(
            "every",
            Form::Duration(10, LONGEST),
            "With `prometheus` or `http`: from one question to the next; 1s when absent.",
        ),
        optional(
            "fails_for",
            DURATION,
            "How long it fails, counted from the first failing sample.",
        ),
        optional("fails", STREAK, "How many samples in a row fail."),
    ]],
    rules: &[
        Rule::ExactlyOne(&["probe", "prometheus", "http", "alertmanager"]),
        Rule::ExactlyOne(&["fails_for", "fails", "alertmanager"]),
        Rule::AtMostOne(&["probe", "expect"]),
        Rule::AtMostOne(&["probe", "every"]),
        Rule::AtMostOne(&["alertmanager", "expect"]),
        Rule::AtMostOne(&["alertmanager", "every"]),
    ],
};

/// The stop conditions. `None` where one could not be read: why is among the findings.
pub(crate) fn read(
    items: &[Node],
    stack: Option<&Stack>,
    sink: &mut Sink,
) -> Option<Vec<StopCondition>> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    names.extend(
        stack
            .iter()
            .flat_map(|stack| stack.probes.keys().map(ProbeName::as_str)),
    );
    let mut all = Vec::new();
    let mut whole = true;
    for (index, item) in items.iter().enumerate() {
        match condition(item, index, &names, stack, sink) {
            Some(condition) => all.push(condition),
            None => whole = false,
        }
    }
    whole.then_some(all)
}

fn condition(
    item: &Node,
    index: usize,
    names: &BTreeSet<&str>,
    stack: Option<&Stack>,
    sink: &mut Sink,
) -> Option<StopCondition> {
    let view = View::new(item, &STOP);
    alert::some_label(item, sink);
    if view.value("alertmanager").is_some() {
        let alertmanager = alert::labels(item, Sender::Alertmanager)?;
        return Some(StopCondition::Alert { alertmanager });
    }
    if view.value("probe").is_some() {
        if let Some(stack) = stack {
            refer::probe(view, "probe", stack, sink);
        }
        return Some(StopCondition::Probe {
            probe: view.read("probe")?,
            patience: patience(view)?,
        });
    }
    if stack.is_some_and(|stack| stack.identity.is_empty()) {
        for span in probe::far_places(item) {
            unproven(span, sink);
        }
    }
    let own = probe::question(name(index, names)?, item, head(item), sink)?;
    Some(StopCondition::Own {
        own: Box::new(own),
        patience: patience(view)?,
    })
}

fn patience(view: View<'_>) -> Option<Patience> {
    match view.value("fails") {
        Some(_) => view.integer("fails").map(Patience::Fails),
        None => view.read("fails_for").map(Patience::FailsFor),
    }
}

/// What a question of a condition's own is called: its place in the list, and never what a probe of the stack is called.
fn name(index: usize, names: &BTreeSet<&str>) -> Option<ProbeName> {
    let mut name = format!("stop_when#{}", index + 1);
    while names.contains(name.as_str()) {
        name.push('#');
    }
    name.parse().ok()
}
