//! `docs/access.md`: what each address takes, made from the table that the gate holds it to.

use std::fmt::Write as _;

use super::router::table;
use super::routes::{About, Needs, Row};
use crate::model::access::{Grant, Principal, Role, Scope, Subject, may};

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
| operator | start runs, lift the halt, see what a drill hides until it is over, and read the inbox of signals |
| administrator | make accounts and tokens, give and take roles, end sessions, read the audit, forget people |

What is taken is gone with the next request: a session that is ended, a token that is revoked, a role that is taken. Live
streams that were let in by it end within seconds. A session ends after a week, and after a day without use; a live stream
that is followed is use.

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
read it on the page of settings and under `/api/v1/audit`. When a person is forgotten (settings, *People*, or
`DELETE /api/v1/people/{name}?forget=true`), who is behind their pseudonym is deleted and what the audit has of them beyond
it erased; every chain stays whole. Bodies of signals that they sent are erased, and in all others their name, and what
senders call them, is taken out.

## Encrypted, or behind a proxy

`firedrill serve --tls-cert FILE --tls-key FILE` encrypts. A proxy in front is believed (`X-Forwarded-For`,
`X-Forwarded-Proto`) only where `trusted_proxies` of the server's configuration names its network; it must pass `Host`
on, and names that browsers ask for stand under `hosts`. Whatever comes through such a proxy needs an account.

## Addresses

*Anybody* needs nothing. *Hook token* is one that the server's configuration lists under `tokens`. *Account* is any.
A role is the least that is enough, and where it must hold: *somewhere*, *everywhere*, or for what the address names.
Where the server's configuration says `status_pages: public`, what is *published* takes nothing: the status pages of
drills, with what a team told customers and nothing else of a run.

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

fn words(needs: Needs) -> (String, &'static str) {
    let about = match needs {
        Needs::Nothing | Needs::Door => return ("anybody".to_owned(), ""),
        Needs::HookToken => return ("hook token".to_owned(), ""),
        Needs::Published => {
            return (
                "viewer".to_owned(),
                "the run's stack and team; *published*: nowhere",
            );
        }
        Needs::Somebody => return ("account".to_owned(), ""),
        Needs::To(_, about) => about,
    };
    // Asked as the matrix asks: the words can't say anything else than it does.
    let least = |drill_goes_on| {
        let mut roles = Role::ALL.into_iter();
        let least = roles.find(|role| is_answered(needs, Some(*role), drill_goes_on));
        least.map_or("nobody", Role::as_str)
    };
    let takes = match (least(false), least(true)) {
        (always, live) if always == live => always.to_owned(),
        (over, live) => format!("{over}; while a drill goes on {live}"),
    };
    let place = match about {
        About::Anywhere => "somewhere",
        About::Everywhere => "everywhere",
        About::Run | About::AnyRun => "the run's stack and team",
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
        Needs::Somebody | Needs::Published => role.is_some(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table below a heading, each as its cells.
    fn cells<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
        let (_, rest) = text.split_once(heading).expect("the heading");
        let rest = rest.split("\n## ").next().expect("a section");
        let rows = rest.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
            .collect()
    }

    #[test]
    fn the_words_and_the_matrix_say_the_same_of_every_address() {
        let text = access_reference();
        let (words, matrix) = (
            cells(&text, "\n## Addresses\n"),
            cells(&text, "\n## Every address by role\n"),
        );
        assert_eq!(words.len(), table().len());
        assert_eq!(matrix.len(), words.len());
        let rank = |name: &str| NAMES.iter().position(|one| *one == name).expect("a role");
        for (words, marks) in words.iter().zip(&matrix) {
            assert_eq!(words[0], marks[0]);
            let (over, live) = match words[1].split_once("; while a drill goes on ") {
                Some((over, live)) => (rank(over), rank(live)),
                None if words[1] == "anybody" => (0, 0),
                None if words[1] == "account" => (1, 1),
                None if words[1] == "hook token" => {
                    assert!(marks[1..].iter().all(|mark| *mark == "token"), "{marks:?}");
                    continue;
                }
                None => (rank(words[1]), rank(words[1])),
            };
            for (role, mark) in marks[1..].iter().enumerate() {
                let expected = match role {
                    _ if role >= live => "✓",
                    _ if role >= over => "live",
                    _ => "–",
                };
                assert_eq!(*mark, expected, "{} says {}", words[0], words[1]);
            }
        }
    }
}
