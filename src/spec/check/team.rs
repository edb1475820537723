//! Teams: who is drilled.

use std::collections::BTreeSet;

use crate::model::team::{Rung, Team};
use crate::spec::check::refer;
use crate::spec::check::stack::HEAD;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Object, SOME_DURATION, optional, required};
use crate::spec::tree::Node;

pub(crate) static TEAM: Object = Object {
    what: "a team",
    about: "A team that drills name. Handles only: a person's name never enters a run's log.",
    groups: &[
        HEAD,
        &[
            required("name", Form::Name, "As drills name it."),
            required(
                "members",
                Form::List(&Form::Name, 1, 1_000),
                "Its members' handles.",
            ),
            optional(
                "on_call",
                Form::List(&Form::Name, 1, 1_000),
                "The members who are on call, in the order in which they are asked. The room shows them.",
            ),
            optional(
                "escalation",
                Form::List(&Form::Object(&RUNG), 1, 100),
                "Who is called next while nobody acknowledges, step by step from the page on.",
            ),
        ],
    ],
    rules: &[],
};

static RUNG: Object = Object {
    what: "a step of an escalation chain",
    about: "Who is called next, and when.",
    groups: &[&[
        required(
            "after",
            SOME_DURATION,
            "How long nobody has acknowledged since the page, or since the step before.",
        ),
        required(
            "to",
            Form::List(&Form::Name, 1, 100),
            "Who is called: members, or whoever else the team calls.",
        ),
    ]],
    rules: &[],
};

pub(crate) fn read(root: &Node, sink: &mut Sink) -> Option<Team> {
    let view = View::new(root, &TEAM);
    let mut seen = BTreeSet::new();
    for node in view.items("members") {
        if let Some(name) = node.text()
            && !seen.insert(name)
        {
            refer::twice("member", name, Some(node.span), sink);
        }
    }
    let mut asked = BTreeSet::new();
    for node in view.items("on_call") {
        let Some(name) = node.text() else { continue };
        if !seen.contains(name) {
            let known = seen.iter().copied();
            refer::unknown(Code::UnknownMember, "member", name, node.span, known, sink);
        }
        if !asked.insert(name) {
            refer::twice("member on call", name, Some(node.span), sink);
        }
    }
    Some(Team {
        name: view.read("name")?,
        members: view.all("members")?,
        on_call: view.all("on_call").unwrap_or_default(),
        escalation: view
            .items("escalation")
            .iter()
            .map(|item| {
                let rung = View::new(item, &RUNG);
                Some(Rung {
                    after: rung.read("after")?,
                    to: rung.all("to")?,
                })
            })
            .collect::<Option<_>>()?,
    })
}
