//! Teams: who is drilled.

use std::collections::BTreeSet;

use crate::model::team::Team;
use crate::spec::check::refer;
use crate::spec::check::stack::HEAD;
use crate::spec::check::view::View;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Object, required};
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
        ],
    ],
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
    Some(Team {
        name: view.read("name")?,
        members: view.all("members")?,
    })
}
