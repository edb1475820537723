//! Who acts: the account, the token or the local operator that the gate recognised, and the pseudonym that stands for
//! it in logs.
//!
//! Where there are no accounts, a name is a claim, given with the request or kept in a cookie.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};

use super::catalogue::{Contents, DayEntry, Entry, Kind};
use super::gate::cookie as kept;
use super::keeper::{of_plan, of_run};
use super::problem::Problem;
use super::{Planned, Services};
use crate::engine::event::{ActorKind, Event, Fact, Origin, Source};
use crate::engine::input::TeamAct;
use crate::model::access::{Permission, Place, Principal, Subject, may};
use crate::model::schedule::Scheduled;
use crate::store::keyed::Caller;
use crate::store::runs::RunRow;

/// The cookie that keeps a name.
const COOKIE: &str = "name";

/// How long a halt waits for the pseudonym of who halts.
const NAME_PATIENCE: Duration = Duration::from_millis(200);

/// The longest name, in characters.
const LONGEST: usize = 80;

/// By what somebody is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Means {
    /// By nothing.
    Stranger,
    /// By sitting at this machine.
    Local,
    /// By a token that is none, or is none any more.
    BadToken {
        /// Whether the database could not be asked.
        unread: bool,
    },
    /// By an API token.
    Token {
        /// Its number.
        id: i64,
    },
    /// By a session.
    Session {
        /// Which.
        id: i64,
        /// Of which account: its number.
        user: i64,
        /// Whether the database could not be asked, so that this is what was known last.
        unsure: bool,
    },
}

impl Means {
    /// Whose keys those of a request are: a name may be another's tomorrow, and is a mere claim on loopback.
    pub(super) fn caller(&self) -> Caller {
        match self {
            Self::Token { id } => Caller::Token(*id),
            Self::Session { user, .. } => Caller::Account(*user),
            Self::Local | Self::Stranger | Self::BadToken { .. } => Caller::Local,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// Under which name they act.
    pub(super) name: String,
    /// What they may do.
    pub(super) principal: Principal,
    /// By what they are known.
    pub(super) means: Means,
    /// What their forms carry.
    pub(super) form_token: String,
    /// The visit that a form shall be bound to, where none was begun before.
    pub(super) fresh_visit: Option<String>,
    /// From where.
    pub(super) address: IpAddr,
    /// Whether their connection is encrypted.
    pub(super) secure: bool,
}

impl Visitor {
    /// Whether they may do it.
    pub(super) fn may(&self, permission: Permission, subject: &Subject<'_>) -> bool {
        may(&self.principal, permission, subject)
    }

    /// That they may, else why not.
    pub(super) fn must(
        &self,
        permission: Permission,
        subject: &Subject<'_>,
    ) -> Result<(), Problem> {
        if self.may(permission, subject) {
            return Ok(());
        }
        let role = permission.role().as_str();
        let held = matches!(&self.principal, Principal::Holder(grants)
            if grants.iter().any(|grant| grant.role.allows(permission)));
        let lower = self.may(Permission::See, subject);
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not-allowed",
            match (permission, lower, held) {
                (Permission::SeeAnswers, true, _) => format!(
                    "what a drill hides is for the role {role} until it is over; hint: look at its room"
                ),
                (_, _, true) => format!("your role {role} does not hold here"),
                _ => format!("this takes the role {role}; hint: ask an administrator for it"),
            },
        ))
    }

    /// Whether a list shows them this run.
    pub(super) fn sees(&self, run: &RunRow) -> bool {
        self.may(Permission::See, &Subject::At(of_run(run)))
    }

    /// Whether a list shows them this stack.
    pub(super) fn sees_stack(&self, name: &str) -> bool {
        let stack = name.parse().ok();
        let place = Place {
            stack: stack.as_ref(),
            ..Place::default()
        };
        self.may(Permission::See, &Subject::At(place))
    }

    /// Whether a list shows them this experiment or drill. Where one that does not read would be, nobody knows.
    pub(super) fn sees_entry(&self, entry: &Entry) -> bool {
        let place = match &entry.plan {
            Ok(plan) => of_plan(plan),
            Err(_) => Place::default(),
        };
        let secret = entry.secret;
        self.may(Permission::See, &Subject::At(Place { secret, ..place }))
    }

    /// Whether a list shows them this game day: all its drills. What is wrong with one may tell of a drill that they are
    /// not to know of, so that only who operates everywhere is told.
    pub(super) fn sees_day(&self, entry: &DayEntry) -> bool {
        self.holds_throughout(entry, Permission::See)
    }

    /// Whether they may do this to every drill of a game day.
    pub(super) fn holds_throughout(&self, entry: &DayEntry, permission: Permission) -> bool {
        match &entry.programme {
            Ok(programme) => programme
                .plans
                .iter()
                .all(|plan| self.may(permission, &Subject::At(of_plan(plan)))),
            Err(_) => self.may(Permission::Operate, &Subject::Everywhere),
        }
    }

    /// Whether they are told when a drill starts by itself: of a surprise only staff are.
    pub(super) fn is_told_of(&self, planned: &Planned, contents: &Contents) -> bool {
        match &planned.what {
            Scheduled::Drill(name) => {
                let entry = contents.get(Kind::Drill, name.as_str());
                entry.is_none_or(|entry| self.sees_entry(entry))
            }
            Scheduled::GameDay(name) => {
                let day = contents.day(name.as_str());
                day.is_none_or(|day| self.sees_day(day))
            }
        }
    }

    /// The name under which they act where a request names somebody: only where nobody is known may it be any.
    pub(super) fn acting_as(&self, claimed: Option<&str>) -> Result<String, Problem> {
        let Some(claimed) = claimed else {
            return Ok(self.name.clone());
        };
        let claimed = checked(claimed)?;
        match &self.means {
            Means::Session { .. } if !claimed.eq_ignore_ascii_case(&self.name) => {
                Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "not-you",
                    format!("you act as `{}`, and for nobody else", self.name),
                ))
            }
            Means::Session { .. } => Ok(self.name.clone()),
            _ => Ok(claimed),
        }
    }
}

/// Who acts, as handlers are given it.
#[derive(Debug, Clone)]
pub(super) struct Actor(pub(super) Arc<Visitor>);

impl std::ops::Deref for Actor {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let visitor = parts.extensions.get::<Arc<Visitor>>();
        visitor
            .map(|visitor| Self(visitor.clone()))
            .ok_or_else(|| Problem::internal(&"a request was not looked at"))
    }
}

/// The name that this browser keeps.
pub(super) fn claimed(headers: &HeaderMap) -> Option<String> {
    kept(headers, COOKIE).and_then(|value| checked(&decoded(value)).ok())
}

/// A name as it is kept: trimmed, short, in one line.
pub(super) fn checked(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
        return Err(Problem::unprocessable(
            "bad-name",
            format!("a name has 1 to {LONGEST} characters in one line"),
        ));
    }
    Ok(name.to_owned())
}

/// The header that makes a browser keep a name for a year.
pub(super) fn cookie(name: &str) -> String {
    format!(
        "{COOKIE}={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax",
        encoded(name)
    )
}

/// A person's origin: their name becomes a pseudonym before anything is recorded.
pub(super) async fn person(
    services: &Services,
    source: Source,
    name: &str,
) -> Result<Origin, Problem> {
    let pseudonym = services
        .database
        .pseudonym_of(name, || draw(services.ids().seed()))
        .await?;
    Ok(Origin::person(source, pseudonym))
}

/// A person whose act must not wait for the database: without a name where that takes too long or fails.
pub(super) async fn person_at_once(services: &Services, source: Source, name: &str) -> Origin {
    match tokio::time::timeout(NAME_PATIENCE, person(services, source, name)).await {
        Ok(Ok(origin)) => origin,
        _ => Origin {
            kind: ActorKind::Human,
            ..Origin::machine(source)
        },
    }
}

fn draw(seed: u64) -> [u8; 6] {
    let mut bytes = [0; 6];
    bytes.copy_from_slice(&seed.to_be_bytes()[2..]);
    bytes
}

/// An act without the name of whom it is about: a pseudonym stands for it, as for whoever acts.
pub(super) async fn pseudonymous(services: &Services, act: TeamAct) -> Result<TeamAct, Problem> {
    let TeamAct::RoleTaken { role, to: Some(to) } = act else {
        return Ok(act);
    };
    let to = match to.trim() {
        "" => None,
        name => person(services, Source::Room, &checked(name)?).await?.actor,
    };
    Ok(TeamAct::RoleTaken { role, to })
}

/// The names behind the pseudonyms in these events.
pub(super) async fn names(
    services: &Services,
    events: &[Event],
) -> Result<BTreeMap<String, String>, Problem> {
    let about = |event: &'_ Event| match &event.fact {
        Fact::RoleTaken { to, .. } => to.clone(),
        _ => None,
    };
    let told: Vec<String> = events.iter().filter_map(about).collect();
    let acting = events
        .iter()
        .filter_map(|event| event.origin.actor.as_deref());
    let mut pseudonyms: Vec<&str> = acting.chain(told.iter().map(String::as_str)).collect();
    pseudonyms.sort_unstable();
    pseudonyms.dedup();
    Ok(services.database.names(&pseudonyms).await?)
}

/// A text as it can stand in a query or a cookie.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// A text as it was before it stood in a query or a cookie.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%')
            .then(|| tail.get(..2).and_then(|two| std::str::from_utf8(two).ok()))
            .flatten()
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_cookie() {
        for name in ["Ada", "Grace Hopper; Path=/", "Zoë 100%", "%41"] {
            assert_eq!(decoded(&encoded(name)), name);
        }
        assert_eq!(decoded("100%"), "100%");
    }

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(checked("  Ada ").expect("a name"), "Ada");
        for bad in ["", "  ", "a\nb", &"x".repeat(81)] {
            assert!(checked(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
