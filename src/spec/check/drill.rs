//! Drills: what breaks, who is drilled, what responders can do, and what passes.

use std::collections::BTreeSet;

use crate::model::drill::{
    self, Autopilot, Detection, Drill, Inject, Pass, Remedy, Severity, When,
};
use crate::model::experiment::Experiment;
use crate::model::fault::{Call, Lasts};
use crate::model::ids::{RemedyId, RunbookName, StepId};
use crate::model::signal::Sender;
use crate::model::stack::Stack;
use crate::model::team::{Role, Team};
use crate::spec::check::alert::{self, ALERT};
use crate::spec::check::call::{self, CALL, CALL_KEYS, CAPTURE, COMMAND};
use crate::spec::check::ground;
use crate::spec::check::refer;
use crate::spec::check::schedule::{self, SCHEDULE};
use crate::spec::check::shape::head;
use crate::spec::check::stack::HEAD;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{
    DURATION, Form, Object, PERCENT, Rule, SOME_DURATION, defaulted, optional, required, variant,
};
use crate::spec::tree::Node;

/// A responder's role.
pub(crate) const ROLE: Form = Form::Word(&[
    ("incident_commander", "Leads; does not fix."),
    ("deputy", "Stands in for the commander."),
    ("scribe", "Writes down what happens."),
    ("communications", "Speaks to customers and colleagues."),
    ("operations", "Acts on the stack."),
    ("subject_expert", "Knows one part deeply."),
]);

pub(crate) static DRILL: Object = Object {
    what: "a drill",
    about: "An experiment, a team, a runbook, and what responders can do.",
    groups: &[
        HEAD,
        &[
            required("name", Form::Name, "Its name."),
            required(
                "experiment",
                Form::Name,
                "What breaks: an experiment's name.",
            ),
            required(
                "runbook",
                Form::Text,
                "What the team should do: a runbook's name, or its path.",
            ),
            required("team", Form::Name, "Who is drilled: a team's name."),
            required(
                "severity",
                Form::Word(&[
                    ("SEV1", "All users, or money at risk."),
                    ("SEV2", "Many users."),
                    ("SEV3", "Some users."),
                    ("SEV4", "Few users."),
                    ("SEV5", "Nobody yet."),
                ]),
                "The severity the scenario deserves.",
            ),
            defaulted(
                "brief",
                Form::Free,
                "",
                "The narrative that exercise staff read.",
            ),
            optional(
                "schedule",
                Form::Object(&SCHEDULE),
                "When it starts by itself.",
            ),
            optional(
                "detection",
                Form::List(&DETECTION, 1, 100),
                "What counts as a detection; a person's report when absent.",
            ),
            optional(
                "injects",
                Form::List(&Form::Object(&INJECT), 0, 1_000),
                "Timed messages to the team.",
            ),
            optional(
                "remedies",
                Form::List(&Form::Object(&REMEDY), 0, 1_000),
                "What responders can do to the stack.",
            ),
            optional(
                "channels",
                Form::List(&Form::Name, 1, 100),
                "Where its messages may go: names of channels. Updates on other channels are posted by hand.",
            ),
            optional(
                "automation",
                Form::List(&Form::Object(&RULE), 0, 100),
                "What machines do by themselves. It is credited to automation, and earns the team nothing.",
            ),
            optional(
                "autopilot",
                Form::Object(&AUTOPILOT),
                "A scripted team that responds in place of people. Its runs are rehearsals, and count in no trend.",
            ),
            optional(
                "decoy",
                SOME_DURATION,
                "How long a drill without any fault lasts: what is measured is who raises the alarm all the same.",
            ),
            optional(
                "pass",
                Form::Object(&PASS),
                "What a passing scorecard needs.",
            ),
        ],
    ],
    rules: &[],
};

static DETECTION: Form = Form::Either(&[
    Form::Word(&[(
        "human",
        "A person's report that names a service and a symptom.",
    )]),
    Form::Choice(
        "a detection",
        &[
            variant(
                "alertmanager",
                ALERT,
                "An Alertmanager alert that carries these labels.",
            ),
            variant(
                "grafana",
                ALERT,
                "A Grafana alert that carries these labels.",
            ),
            variant(
                "pagerduty",
                Form::Object(&INCIDENT),
                "A PagerDuty incident of a service: somebody is paged.",
            ),
            variant(
                "cloudevents",
                Form::Object(&EVENT),
                "An event of anything that speaks CloudEvents.",
            ),
        ],
    ),
]);

static INCIDENT: Object = Object {
    what: "a PagerDuty incident",
    about: "What an incident is known by.",
    groups: &[&[
        required(
            "service",
            Form::Text,
            "The id of its service, such as `PF9KMXH`.",
        ),
        optional(
            "urgency",
            Form::Word(&[("high", "Somebody is woken up."), ("low", "Nobody is.")]),
            "Its urgency; any when absent.",
        ),
        optional(
            "priority",
            Form::Text,
            "Its priority's name; any when absent.",
        ),
    ]],
    rules: &[],
};

static EVENT: Object = Object {
    what: "a CloudEvent",
    about: "What an event is known by.",
    groups: &[&[
        required("type", Form::Text, "Its `type`."),
        optional("source", Form::Text, "Its `source`; any when absent."),
        optional("subject", Form::Text, "Its `subject`; any when absent."),
    ]],
    rules: &[],
};

static INJECT: Object = Object {
    what: "an inject",
    about: "A timed message to the team.",
    groups: &[&[
        required("at", DURATION, "After the method began."),
        optional(
            "to",
            ROLE,
            "The role it is addressed to; everybody when absent.",
        ),
        required("text", Form::Text, "What it says."),
        optional(
            "expect_reply_within",
            SOME_DURATION,
            "How soon a reply is expected.",
        ),
    ]],
    rules: &[],
};

static REMEDY: Object = Object {
    what: "a remedy",
    about: "Something responders can really do to the stack.",
    groups: &[
        CALL_KEYS,
        &[
            required("id", Form::Name, "Its id."),
            optional(
                "label",
                Form::Text,
                "What the button says; the id when absent.",
            ),
            optional(
                "ends",
                Form::List(&Form::Name, 1, 1_000),
                "The steps it ends.",
            ),
            defaulted("takes", DURATION, "0s", "From the choice to the act."),
            optional(
                "capture",
                Form::Object(&CAPTURE),
                "What is read before it acts, for `restore` to put back as `${captured}`.",
            ),
            optional(
                "restore",
                Form::Either(&[Form::Object(&CALL), COMMAND]),
                "What puts the stack back after the run: a call, or a program and its arguments.",
            ),
            optional(
                "approvals",
                Form::Integer(1, 100),
                "How many others must agree before it acts.",
            ),
            optional(
                "starts",
                Form::List(&Form::Name, 1, 1_000),
                "The steps that begin once it is done: what it breaks. They begin in no other way; their own `at`, or the \
                 `wait` of their `after`, counts from then.",
            ),
        ],
    ],
    rules: &[
        Rule::AtMostOne(&["http", "run"]),
        Rule::AtLeastOne(&["ends", "http", "run"]),
        Rule::Needs("capture", "restore"),
    ],
};

static AUTOPILOT: Object = Object {
    what: "an autopilot",
    about: "A scripted team.",
    groups: &[&[
        required(
            "profile",
            Form::Word(&[
                ("seasoned", "Knows the runbook, and follows it."),
                (
                    "new",
                    "Is slow, names a wrong cause first, tries a wrong remedy, and promises no next update.",
                ),
                ("absent", "Does nothing at all."),
            ]),
            "How well it does.",
        ),
        defaulted(
            "seed",
            Form::Integer(0, i64::MAX),
            "1",
            "What its pace is drawn from.",
        ),
    ]],
    rules: &[],
};

static RULE: Object = Object {
    what: "a rule",
    about: "A remedy that a machine chooses by itself, once.",
    groups: &[&[
        required(
            "when",
            Form::Choice(
                "a rule's signal",
                &[
                    variant(
                        "probe",
                        Form::Name,
                        "A probe of the stack fails, `fail_after` times in a row.",
                    ),
                    variant(
                        "alertmanager",
                        ALERT,
                        "An Alertmanager alert fires that carries these labels.",
                    ),
                    variant(
                        "grafana",
                        ALERT,
                        "A Grafana alert fires that carries these labels.",
                    ),
                    variant(
                        "pagerduty",
                        Form::Object(&INCIDENT),
                        "A PagerDuty incident of a service begins.",
                    ),
                    variant(
                        "cloudevents",
                        Form::Object(&EVENT),
                        "An event of anything that speaks CloudEvents comes.",
                    ),
                ],
            ),
            "On what.",
        ),
        required("remedy", Form::Name, "Which remedy: its id."),
    ]],
    rules: &[],
};

static PASS: Object = Object {
    what: "a pass",
    about: "What a passing scorecard needs, in percent.",
    groups: &[&[
        defaulted("outcome", PERCENT, "80", "At least this outcome."),
        defaulted(
            "observed",
            PERCENT,
            "75",
            "At least this share of the weight observed.",
        ),
    ]],
    rules: &[],
};

/// Reads a tree of the right shape. The runbook's name is known once its file is found.
pub(crate) fn read(root: &Node, runbook: Option<&RunbookName>, sink: &mut Sink) -> Option<Drill> {
    let view = View::new(root, &DRILL);
    let remedies = remedies(view.items("remedies"), sink);
    for item in view.items("detection") {
        alert::some_label(item, sink);
    }
    let detection: Option<Vec<_>> = view.items("detection").iter().map(detection).collect();
    let mut channels = BTreeSet::new();
    for item in view.items("channels") {
        if let Some(name) = item.text()
            && !channels.insert(name)
        {
            refer::twice("channel", name, Some(item.span), sink);
        }
    }
    let rules = view.items("automation").iter();
    let automation: Option<Vec<drill::Rule>> = rules.map(|item| rule(item, sink)).collect();
    let injects: Option<Vec<_>> = view.items("injects").iter().map(inject).collect();
    let empty = Node::empty();
    let pass = View::new(view.value("pass").unwrap_or(&empty), &PASS);
    let severity = view.text("severity")?;
    Some(Drill {
        name: view.read("name")?,
        experiment: view.read("experiment")?,
        runbook: runbook?.clone(),
        team: view.read("team")?,
        severity: Severity::ALL
            .into_iter()
            .find(|one| one.as_str() == severity)?,
        brief: view.text("brief")?.to_owned(),
        schedule: match view.value("schedule") {
            Some(node) => Some(schedule::of_drill(node, sink)?),
            None => None,
        },
        detection: match view.value("detection") {
            Some(_) => detection?,
            None => vec![Detection::Human],
        },
        injects: injects?,
        remedies: remedies?,
        automation: automation?,
        decoy: view.read("decoy"),
        autopilot: match view.value("autopilot") {
            Some(node) => {
                let autopilot = View::new(node, &AUTOPILOT);
                Some(Autopilot {
                    profile: autopilot.read("profile")?,
                    seed: autopilot.integer("seed")?,
                })
            }
            None => None,
        },
        pass: Pass {
            outcome: pass.number("outcome")?,
            observed: pass.number("observed")?,
        },
    })
}

fn detection(node: &Node) -> Option<Detection> {
    if node.text() == Some("human") {
        return Some(Detection::Human);
    }
    let entry = node.entries().first()?;
    let sender = Sender::ALL
        .into_iter()
        .find(|sender| *sender.as_str() == *entry.key)?;
    Detection::of(sender, alert::labels(node, sender)?)
}

fn rule(item: &Node, sink: &mut Sink) -> Option<drill::Rule> {
    let view = View::new(item, &RULE);
    let when = view.value("when")?;
    alert::some_label(when, sink);
    let entry = when.entries().first()?;
    let when = if *entry.key == *"probe" {
        When::Probe(entry.value.text()?.parse().ok()?)
    } else {
        let sender = Sender::ALL
            .into_iter()
            .find(|sender| *sender.as_str() == *entry.key)?;
        When::Signal {
            sender,
            labels: alert::labels(when, sender)?,
        }
    };
    Some(drill::Rule {
        when,
        remedy: view.read("remedy")?,
    })
}

fn inject(node: &Node) -> Option<Inject> {
    let view = View::new(node, &INJECT);
    Some(Inject {
        at: view.read("at")?,
        to: match view.text("to") {
            Some(name) => Some(role(name)?),
            None => None,
        },
        text: view.text("text")?.to_owned(),
        expect_reply_within: view.read("expect_reply_within"),
    })
}

/// A role by its word.
pub(crate) fn role(name: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.as_str() == name)
}

fn remedies(items: &[Node], sink: &mut Sink) -> Option<Vec<Remedy>> {
    let mut all: Vec<Remedy> = Vec::new();
    let mut whole = true;
    for item in items {
        let Some(remedy) = remedy(item, sink) else {
            whole = false;
            continue;
        };
        if all.iter().any(|other| other.id == remedy.id) {
            refer::twice(
                "remedy",
                remedy.id.as_str(),
                View::new(item, &REMEDY).span("id"),
                sink,
            );
        }
        all.push(remedy);
    }
    whole.then_some(all)
}

fn remedy(item: &Node, sink: &mut Sink) -> Option<Remedy> {
    let view = View::new(item, &REMEDY);
    let acts = view.value("http").is_some() || view.value("run").is_some();
    let act = if acts { call::call(item, sink) } else { None };
    let capture = view.value("capture").map(|node| call::capture(node, sink));
    let restore = match view.value("restore") {
        Some(node) if !node.items().is_empty() => call::program(node, sink).map(Call::Run),
        Some(node) => call::call(node, sink),
        None => None,
    };
    if (acts && act.is_none()) || (view.value("restore").is_some() && restore.is_none()) {
        return None;
    }
    let id: RemedyId = view.read("id")?;
    Some(Remedy {
        label: view.text("label").unwrap_or(id.as_str()).to_owned(),
        capture: match capture {
            Some(capture) => Some(capture?),
            None => None,
        },
        act,
        restore,
        ends: view.all("ends")?,
        takes: view.read("takes")?,
        approvals: view.integer("approvals").unwrap_or(0),
        starts: view.all("starts").unwrap_or_default(),
        id,
    })
}

/// What a drill says about its experiment and its stack.
pub(crate) fn against(root: &Node, stack: &Stack, experiment: &Experiment, sink: &mut Sink) {
    let view = View::new(root, &DRILL);
    let known = || {
        let faults = experiment.method.iter().filter(|step| !step.is_pause());
        faults.map(|step| step.id.as_str())
    };
    let mut ended: BTreeSet<&str> = BTreeSet::new();
    for remedy in view.items("remedies") {
        for node in View::new(remedy, &REMEDY).items("ends") {
            let Some(name) = node.text() else { continue };
            if known().any(|step| step == name) {
                ended.insert(name);
            } else {
                refer::unknown(Code::UnknownStep, "step", name, node.span, known(), sink);
            }
        }
        ground::calls(remedy, stack, sink);
    }
    for remedy in view.items("remedies") {
        for node in View::new(remedy, &REMEDY).items("starts") {
            let Some(name) = node.text() else { continue };
            if !known().any(|step| step == name) {
                refer::unknown(Code::UnknownStep, "step", name, node.span, known(), sink);
            }
        }
    }
    rules(view, stack, experiment, sink);
    decoy(view, experiment, sink);
    unremedied(view, experiment, &ended, sink);
    for inject in view.items("injects") {
        let inject = View::new(inject, &INJECT);
        let at: Option<crate::model::time::Millis> = inject.read("at");
        if let (Some(at), Some(span)) = (at, inject.span("at"))
            && at > experiment.limits.duration
        {
            sink.error(
                Code::LateLimit,
                span,
                format!(
                    "the run has ended by then: the experiment's limit is {}",
                    experiment.limits.duration
                ),
            );
        }
    }
}

/// Rules name remedies of the drill and probes that the run asks.
fn rules(view: View<'_>, stack: &Stack, experiment: &Experiment, sink: &mut Sink) {
    let remedies = || {
        let items = view.items("remedies").iter();
        items.filter_map(|item| View::new(item, &REMEDY).text("id"))
    };
    for item in view.items("automation") {
        let rule = View::new(item, &RULE);
        if let (Some(name), Some(span)) = (rule.text("remedy"), rule.span("remedy"))
            && !remedies().any(|id| id == name)
        {
            refer::unknown(Code::UnknownRemedy, "remedy", name, span, remedies(), sink);
        }
        let Some(node) = rule.value("when").and_then(|when| when.get("probe")) else {
            continue;
        };
        let asked: BTreeSet<&str> = {
            let listed = experiment.steady_state.iter().chain(&experiment.during);
            let listed = listed.map(|tolerance| tolerance.probe.as_str());
            let impact = stack.probes.values().filter(|probe| probe.impact);
            let impact = impact.map(|probe| probe.name.as_str());
            listed.chain(impact).collect()
        };
        if let Some(name) = node.text()
            && !asked.contains(name)
        {
            let (what, known) = ("probe that the run asks,", asked.into_iter());
            refer::unknown(Code::UnknownProbe, what, name, node.span, known, sink);
        }
    }
}

/// What has no fault must have none.
fn decoy(view: View<'_>, experiment: &Experiment, sink: &mut Sink) {
    let Some(span) = view.span("decoy") else {
        return;
    };
    let lasts: Option<crate::model::time::Millis> = view.read("decoy");
    let faults = experiment.method.iter().filter(|step| !step.is_pause());
    if let Some(fault) = faults.map(|step| &step.id).next() {
        sink.error(
            Code::ConflictingKeys,
            span,
            format!(
                "a decoy breaks nothing, and the experiment `{}` has the step `{fault}`",
                experiment.name
            ),
        )
        .with_hint("name an experiment with `method: []`, or leave `decoy` out");
    } else if lasts.is_some_and(|lasts| lasts > experiment.limits.duration) {
        sink.error(
            Code::LateLimit,
            span,
            format!(
                "the run has ended by then: the experiment's limit is {}",
                experiment.limits.duration
            ),
        );
    }
}

/// What a drill says about its team: whoever must agree has to be there beside whoever chooses.
pub(crate) fn against_team(root: &Node, team: &Team, sink: &mut Sink) {
    for item in View::new(root, &DRILL).items("remedies") {
        let remedy = View::new(item, &REMEDY);
        let approvals: Option<u32> = remedy.integer("approvals");
        let others = team.members.len().saturating_sub(1);
        if let (Some(approvals), Some(span)) = (approvals, remedy.span("approvals"))
            && usize::try_from(approvals).is_ok_and(|needed| needed > others)
        {
            sink.error(
                Code::OutOfRange,
                span,
                format!(
                    "{approvals} others must agree, and the team `{}` has {others} beside whoever chooses",
                    team.name
                ),
            );
        }
    }
}

/// A step that lasts `until: remedied` can only time out where no remedy ends it, and none acts on the stack: one that
/// does may lead round the fault, as a failover does.
fn unremedied(view: View<'_>, experiment: &Experiment, ended: &BTreeSet<&str>, sink: &mut Sink) {
    let waits = |id: &StepId| !ended.contains(id.as_str());
    let acts = |remedy: &Node| remedy.get("http").or(remedy.get("run")).is_some();
    if view.items("remedies").iter().any(acts) {
        return;
    }
    let mut left = experiment
        .method
        .iter()
        .filter(|step| matches!(step.lasts, Lasts::UntilRemedied { .. }) && waits(&step.id));
    if let Some(step) = left.next() {
        let span = view.key_span("remedies").or(view.key_span("experiment"));
        let span = span.unwrap_or_else(|| head(view.node));
        sink.error(
            Code::Unremedied,
            span,
            format!(
                "no remedy can end the step `{}`, which lasts until it is remedied",
                step.id
            ),
        )
        .as_warning()
        .with_hint(format!("add a remedy with `ends: [{}]`", step.id));
    }
}
