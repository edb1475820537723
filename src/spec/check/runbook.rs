//! Runbooks: what responders should do, and by when.

use std::collections::BTreeSet;

use crate::model::drill::Drill;
use crate::model::experiment::Experiment;
use crate::model::fault::Lasts;
use crate::model::ids::{ProbeName, RemedyId};
use crate::model::message::Failure;
use crate::model::runbook::{Class, Expectation, Regulation, Runbook};
use crate::model::stack::Stack;
use crate::model::time::Millis;
use crate::spec::check::expectation::{self, EXPECTATION};
use crate::spec::check::refer;
use crate::spec::check::stack::HEAD;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Object, defaulted, optional, required};
use crate::spec::tree::Node;

pub(crate) static RUNBOOK: Object = Object {
    what: "a runbook",
    about: "Markdown with machine-scorable expectations in front.",
    groups: &[
        HEAD,
        &[
            required("name", Form::Name, "As drills name it."),
            defaulted(
                "class",
                Form::Word(&[
                    ("availability", "Users can't do something."),
                    (
                        "security",
                        "Keys, money or data may be in wrong hands: a different communication clock.",
                    ),
                ]),
                "availability",
                "The kind of incident.",
            ),
            optional(
                "failure",
                Form::Word(&[
                    (
                        "key_management",
                        "Nothing can be signed, or keys may be in danger.",
                    ),
                    ("api_outage", "The app or the API does not answer."),
                    ("transaction_delays", "Transfers are slow, or wait."),
                    ("authentication", "Log-ins fail."),
                ]),
                "What users are told has failed: messages are made from its templates.",
            ),
            optional(
                "clocks",
                Form::List(&REGULATION, 1, 3),
                "Laws whose dates the scorecard shows, as a simulation that sends nothing.",
            ),
            required(
                "expect",
                Form::List(&Form::Object(&EXPECTATION), 1, 1_000),
                "The lines a run is judged against.",
            ),
        ],
    ],
    rules: &[],
};

static REGULATION: Form = Form::Word(&[
    (
        "dora",
        "The EU's Digital Operational Resilience Act: initial, intermediate and final report.",
    ),
    (
        "nydfs",
        "New York's 23 NYCRR 500.17(a): notice within 72 hours.",
    ),
    (
        "gdpr",
        "The EU's General Data Protection Regulation, Article 33: within 72 hours.",
    ),
]);

pub(crate) fn read(root: &Node, body: &str, sink: &mut Sink) -> Option<Runbook> {
    let view = View::new(root, &RUNBOOK);
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut expect: Vec<Expectation> = Vec::new();
    let mut whole = true;
    for item in view.items("expect") {
        let line = View::new(item, &EXPECTATION);
        if let Some(id) = line.text("id")
            && !seen.insert(id)
        {
            refer::twice("expectation", id, line.span("id"), sink);
        }
        match expectation::read(line, sink) {
            Some(line) => expect.push(line),
            None => whole = false,
        }
    }
    let class = match view.text("class")? {
        "availability" => Class::Availability,
        "security" => Class::Security,
        _ => return None,
    };
    Some(Runbook {
        name: view.read("name")?,
        class,
        failure: view.text("failure").and_then(Failure::named),
        clocks: view
            .items("clocks")
            .iter()
            .filter_map(|node| regulation(node.text()?))
            .collect(),
        expect: whole.then_some(expect)?,
        body: body.to_owned(),
    })
}

fn regulation(name: &str) -> Option<Regulation> {
    Some(match name {
        "dora" => Regulation::Dora,
        "nydfs" => Regulation::Nydfs,
        "gdpr" => Regulation::Gdpr,
        _ => return None,
    })
}

/// What a runbook says about the drill it serves.
pub(crate) fn against(
    root: &Node,
    stack: &Stack,
    experiment: &Experiment,
    drill: &Drill,
    sink: &mut Sink,
) {
    let horizon = horizon(experiment);
    for item in View::new(root, &RUNBOOK).items("expect") {
        let line = View::new(item, &EXPECTATION);
        let remedies = [
            line.value("remedy"),
            line.value("before").and_then(|node| node.get("remedy")),
            line.value("forbid").and_then(|node| node.get("remedy")),
        ];
        for node in remedies.into_iter().flatten() {
            let known = || {
                drill
                    .remedies
                    .iter()
                    .map(|remedy| RemedyId::as_str(&remedy.id))
            };
            known_in(node, Code::UnknownRemedy, "remedy", known, drill, sink);
        }
        if let Some(node) = line.value("is") {
            let known = || {
                let faults = experiment.method.iter().filter(|step| !step.is_pause());
                faults.map(|step| step.id.as_str())
            };
            known_in(node, Code::UnknownStep, "step", known, drill, sink);
        }
        if let Some(node) = line.value("probe") {
            let known = || stack.probes.keys().map(ProbeName::as_str);
            known_in(node, Code::UnknownProbe, "probe", known, drill, sink);
        }
        // The last moment at which the line can still be met must lie within the run.
        let Some(key) = ["limit", "within", "every"]
            .into_iter()
            .find(|key| line.value(key).is_some())
        else {
            continue;
        };
        let last: Option<Millis> = line.read(key);
        if let (Some(last), Some(span)) = (last, line.span(key))
            && last > horizon
        {
            sink.error(
                Code::LateLimit,
                span,
                format!(
                    "`{key}` is {last}, and a run of the drill `{}` lasts {horizon} at most",
                    drill.name
                ),
            )
            .with_hint(
                "shorten it, or raise the experiment's `at_most` and `limits: {duration: …}`",
            );
        }
    }
}

/// How long a run can give its team: the earlier of `at_most` and `limits.duration`.
fn horizon(experiment: &Experiment) -> Millis {
    let longest = experiment
        .method
        .iter()
        .filter_map(|step| match step.lasts {
            Lasts::UntilRemedied { at_most } => Some(at_most),
            Lasts::For(_) => None,
        });
    let duration = experiment.limits.duration;
    longest
        .max()
        .map_or(duration, |at_most| at_most.min(duration))
}

fn known_in<'a, I: Iterator<Item = &'a str>>(
    node: &Node,
    code: Code,
    what: &str,
    known: impl Fn() -> I,
    drill: &Drill,
    sink: &mut Sink,
) {
    if let Some(name) = node.text()
        && !known().any(|one| one == name)
    {
        let finding = refer::unknown(code, what, name, node.span, known(), sink);
        finding.message = format!("{} in the drill `{}`", finding.message, drill.name);
    }
}
