//! Settings: one's own account, and everybody's.

use serde::Serialize;

use super::layout::Layout;
use super::time::Moment;
use crate::http::Services;
use crate::http::api::library::contents;
use crate::http::problem::Problem;
use crate::http::templates::Page;
use crate::model::access::{Grant, Role};
use crate::store::accounts::User;
use crate::store::sessions::Session;

/// One's own account.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Account {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) held: Vec<Held>,
    pub(in crate::http) sessions: Vec<SessionLine>,
    pub(in crate::http) shortest: usize,
}

impl Page for Account {
    const TEMPLATE: &'static str = "settings.html";
}

/// A role, where it holds, and both as forms write them.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Held {
    pub(in crate::http) role: &'static str,
    pub(in crate::http) place: String,
    pub(in crate::http) team: String,
    pub(in crate::http) stack: String,
}

/// A grant in words.
pub(in crate::http) fn held(grant: &Grant) -> Held {
    let team = grant.scope.team.as_ref().map(ToString::to_string);
    let stack = grant.scope.stack.as_ref().map(ToString::to_string);
    let place = match (&team, &stack) {
        (None, None) => "everywhere".to_owned(),
        (Some(team), None) => format!("for team {team}"),
        (None, Some(stack)) => format!("on stack {stack}"),
        (Some(team), Some(stack)) => format!("for team {team} on stack {stack}"),
    };
    Held {
        role: grant.role.as_str(),
        place,
        team: team.unwrap_or_default(),
        stack: stack.unwrap_or_default(),
    }
}

/// A session.
#[derive(Debug, Serialize)]
pub(in crate::http) struct SessionLine {
    pub(in crate::http) id: i64,
    pub(in crate::http) user: String,
    pub(in crate::http) created: Moment,
    pub(in crate::http) seen: Moment,
    pub(in crate::http) address: String,
    pub(in crate::http) agent: String,
    /// The same in a few words, where it is a known one.
    pub(in crate::http) browser: Option<String>,
    /// Whether it is the one that asks.
    pub(in crate::http) here: bool,
}

impl SessionLine {
    /// A session as it is listed.
    pub(in crate::http) fn new(session: &Session, here: bool) -> Self {
        Self {
            id: session.id,
            user: session.user.clone(),
            created: session.created.into(),
            seen: session.seen.into(),
            address: session.address.clone(),
            agent: session.agent.clone(),
            browser: browser(&session.agent),
            here,
        }
    }
}

/// A browser and its system by what it calls itself. Those that call themselves another one, too, stand before it.
fn browser(agent: &str) -> Option<String> {
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("HeadlessChrome/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Version/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let (name, rest) = BROWSERS.iter().find_map(|(mark, name)| {
        let (_, rest) = agent.split_once(mark)?;
        Some((name, rest))
    })?;
    let version: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let system = SYSTEMS.iter().find(|(mark, _)| agent.contains(mark));
    let on = system.map_or(String::new(), |(_, name)| format!(" on {name}"));
    Some(format!("{name} {version}{on}"))
}

/// Everybody.
#[derive(Debug, Serialize)]
pub(in crate::http) struct People {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) accounts: Vec<PersonLine>,
    pub(in crate::http) sessions: Vec<SessionLine>,
    pub(in crate::http) wheres: Wheres,
    pub(in crate::http) shortest: usize,
}

impl Page for People {
    const TEMPLATE: &'static str = "people.html";
}

/// An account.
#[derive(Debug, Serialize)]
pub(in crate::http) struct PersonLine {
    pub(in crate::http) name: String,
    pub(in crate::http) created: Moment,
    pub(in crate::http) held: Vec<Held>,
}

impl From<&User> for PersonLine {
    fn from(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            created: user.created.into(),
            held: user.grants.iter().map(held).collect(),
        }
    }
}

/// What a role can be bounded by.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Wheres {
    pub(in crate::http) roles: Vec<&'static str>,
    pub(in crate::http) teams: Vec<String>,
    pub(in crate::http) stacks: Vec<String>,
}

impl Wheres {
    /// The teams and stacks of the library.
    pub(in crate::http) async fn of(services: &Services) -> Result<Self, Problem> {
        let contents = contents(services).await?;
        let plans = contents
            .entries
            .iter()
            .filter_map(|entry| entry.plan.as_ref().ok());
        let mut teams: Vec<String> = plans
            .filter_map(|plan| Some(plan.drill.as_ref()?.team.name.to_string()))
            .collect();
        teams.sort_unstable();
        teams.dedup();
        Ok(Self {
            roles: Role::ALL.map(Role::as_str).to_vec(),
            teams,
            stacks: contents
                .stacks
                .iter()
                .map(|stack| stack.name.clone())
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn browsers_are_known_by_what_they_call_themselves() {
        for (agent, known) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36",
                Some("Chrome 156 on Linux"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                Some("Edge 140 on Windows"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                Some("Safari 18 on iPhone"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0",
                Some("Firefox 145 on macOS"),
            ),
            ("curl/8.14.1", None),
            ("", None),
        ] {
            assert_eq!(browser(agent).as_deref(), known, "{agent}");
        }
    }
}
