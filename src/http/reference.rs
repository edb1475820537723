//! `docs/access.md`: what each address takes, made from the table that the gate holds it to.

use std::fmt::Write as _;

use super::router::table;
use super::routes::{About, Needs, Row};
use crate::model::access::{Grant, Permission, Principal, Role, Scope, Subject, may};

const HEAD: &str = "\
<!-- Made from the table of addresses by `http::reference`. Rewrite it as CONTRIBUTING.md says. -->

# Who may do what

On loopback, without accounts, whoever can use the machine is its *local operator* and may do everything. Every page says
so. `firedrill serve --listen` with another address serves nothing before there is an account: it prints a link with
which the first administrator is made, once. From the first account on everybody logs in, on loopback too.

## Roles

An account has any number of roles, each everywhere, for one team, on one stack, or for one team on one stack. Each role
may do all that those before it may.

| role | may |
|---|---|
| viewer | see runs, rooms, scorecards and the library |
| responder | act in a run's room, halt a run or everything, say that it is real |
| operator | start runs, lift the halt, and see what a drill hides until it is over |
| administrator | make accounts and tokens, give and take roles, end sessions, read the audit, forget people |

A role that has bounds holds for a run by the stack it is on and the team it drills. Lists show what it reaches. What
reaches every stack, as lifting the halt does, takes a role without bounds; halting everything takes none.

What a drill hides is its faults, its answers and its scorecard: while it goes on, they are for operators. When it is
over, whoever sees the run sees them.

## Tokens

A machine sends `Authorization: Bearer TOKEN`. A token has one role, with the bounds that a role can have, and an end. It
is made by `firedrill token create`, on the page of settings or by `POST /api/v1/tokens`, is shown then and never again,
and is kept as a hash. In an address it is refused. It acts under its name, as a machine; where it names a person as
`actor`, it speaks for them. Hooks take other tokens, those that the server's configuration lists.

## The audit

Every change is written down before it is done, and is not done where that fails: who, by pseudonym, when, what, from
where. Halts and acts in a room don't wait for it and are written down after. Whoever may do nothing changes nothing, and
is not in it. The list is hash-chained as the logs of runs are; `firedrill report --verify` checks both. Administrators
read it on the page of settings and under `/api/v1/audit`. When a person is forgotten (settings, *People*), who is behind
their pseudonym is deleted and what the audit has of them beyond it erased; every chain stays whole.

## Encrypted, or behind a proxy

`firedrill serve --tls-cert FILE --tls-key FILE` encrypts. A proxy in front is believed (`X-Forwarded-For`,
`X-Forwarded-Proto`) only where `trusted_proxies` of the server's configuration names its network; it must pass `Host`
on, and names that browsers ask for stand under `hosts`. Whatever comes through such a proxy needs an account.

## Addresses

*Anybody* needs nothing. *Hook token* is one that the server's configuration lists under `tokens`. *Account* is any.
A role is the least that is enough, and where it must hold: *somewhere*, *everywhere*, or for what the address names.

| address | takes | where |
|---|---|---|
";

const NAMES: [&str; 5] = [
    "logged out",
    "viewer",
    "responder",
    "operator",
    "administrator",
];

const MATRIX: &str = "
## Every address by role

For a role without bounds: ✓ is answered, – is refused. *live* is refused only while a drill goes on.

";

/// The reference of access, as Markdown.
pub fn access_reference() -> String {
    let mut text = HEAD.to_owned();
    let rows = table();
    for row in &rows {
        let (takes, place) = words(row.needs);
        let _ = writeln!(
            text,
            "| `{} {}` | {takes} | {place} |",
            row.method, row.path
        );
    }
    text.push_str(MATRIX);
    let _ = writeln!(
        text,
        "| address | {} |\n|---|:-:|:-:|:-:|:-:|:-:|",
        NAMES.join(" | ")
    );
    for row in &rows {
        let cells = [None]
            .into_iter()
            .chain(Role::ALL.map(Some))
            .map(|role| mark(row, role));
        let cells: Vec<&str> = cells.collect();
        let _ = writeln!(
            text,
            "| `{} {}` | {} |",
            row.method,
            row.path,
            cells.join(" | ")
        );
    }
    text
}

fn words(needs: Needs) -> (&'static str, &'static str) {
    let (permission, about) = match needs {
        Needs::Nothing | Needs::Door => return ("anybody", ""),
        Needs::HookToken => return ("hook token", ""),
        Needs::Somebody => return ("account", ""),
        Needs::To(permission, about) => (permission, about),
    };
    let takes = match permission {
        Permission::SeeAnswers if about == About::Run => "viewer; while a drill goes on operator",
        _ => permission.role().as_str(),
    };
    let place = match about {
        About::Anywhere => "somewhere",
        About::Everywhere => "everywhere",
        About::Run => "the run's stack and team",
        About::Stack => "the stack",
        About::Experiment => "the experiment's stack",
        About::Drill => "the drill's stack and team",
        About::Named => "the stack and team of what is started",
    };
    (takes, place)
}

/// Whether a role without bounds, or nobody, is answered.
pub(super) fn is_answered(needs: Needs, role: Option<Role>, drill_goes_on: bool) -> bool {
    let principal = role.map_or(Principal::Nobody, |role| {
        Principal::Holder(vec![Grant {
            role,
            scope: Scope::default(),
        }])
    });
    match needs {
        Needs::Nothing | Needs::Door => true,
        Needs::HookToken => false,
        Needs::Somebody => role.is_some(),
        Needs::To(permission, about) => {
            let hides = about == About::Drill || (about == About::Run && drill_goes_on);
            let place = crate::model::access::Place {
                hides,
                ..Default::default()
            };
            may(&principal, permission, &Subject::At(place))
        }
    }
}

fn mark(row: &Row, role: Option<Role>) -> &'static str {
    match (
        is_answered(row.needs, role, true),
        is_answered(row.needs, role, false),
    ) {
        (true, _) => "✓",
        (false, true) => "live",
        (false, false) if row.needs == Needs::HookToken => "token",
        (false, false) => "–",
    }
}
