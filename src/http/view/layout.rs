//! What every page has around it: where one is, who one acts as, and, loudly, what could not be undone.

use serde::Serialize;

use super::time::Moment;
use crate::http::Services;
use crate::http::actor::{Means, Visitor};
use crate::http::assets;
use crate::http::keeper::of_live;
use crate::http::problem::Problem;
use crate::model::access::{Permission, Principal, Subject};
use crate::model::ids::InjectionId;
use crate::runtime::{RunHandle, RunStatus};
use crate::store::halt::Halt;
use crate::store::runs::StuckRun;

/// The frame of a page.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Layout {
    pub(in crate::http) title: String,
    /// The place in the navigation that is current.
    pub(in crate::http) here: &'static str,
    /// Who looks.
    pub(in crate::http) who: Who,
    pub(in crate::http) version: &'static str,
    pub(in crate::http) css: String,
    pub(in crate::http) script: String,
    pub(in crate::http) icon: String,
    /// The server's clock, so that a browser's clock that is wrong does no harm.
    pub(in crate::http) now: Moment,
    pub(in crate::http) ready: bool,
    pub(in crate::http) stuck: Vec<StuckLine>,
    pub(in crate::http) halted: Option<Halted>,
}

/// Who looks, what their forms carry, and what they are offered.
#[derive(Debug, Clone, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether one thing is offered, and templates ask for one at a time"
)]
pub(in crate::http) struct Who {
    /// `local`, `account` or `stranger`.
    pub(in crate::http) kind: &'static str,
    pub(in crate::http) name: String,
    pub(in crate::http) form_token: String,
    pub(in crate::http) may_respond: bool,
    pub(in crate::http) may_operate: bool,
    pub(in crate::http) may_lift: bool,
    pub(in crate::http) may_administer: bool,
}

impl From<&Visitor> for Who {
    fn from(visitor: &Visitor) -> Self {
        Self {
            kind: match visitor.means {
                Means::Stranger | Means::BadToken { .. } => "stranger",
                Means::Local => "local",
                Means::Session { .. } | Means::Token { .. } => "account",
            },
            name: visitor.name.clone(),
            form_token: visitor.form_token.clone(),
            may_respond: visitor.may(Permission::Respond, &Subject::Anywhere),
            may_operate: visitor.may(Permission::Operate, &Subject::Anywhere),
            may_lift: visitor.may(Permission::Operate, &Subject::Everywhere),
            may_administer: visitor.may(Permission::Administer, &Subject::Everywhere),
        }
    }
}

/// Something that could not be undone.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct StuckLine {
    pub(in crate::http) run: String,
    pub(in crate::http) name: String,
    pub(in crate::http) injection: String,
    pub(in crate::http) error: String,
    pub(in crate::http) since: Moment,
}

/// That nothing starts, and why.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Halted {
    pub(in crate::http) by: String,
    pub(in crate::http) reason: String,
    pub(in crate::http) at: Moment,
}

impl Layout {
    /// The frame of a page as things stand now.
    pub(in crate::http) async fn new(
        services: &Services,
        title: impl Into<String>,
        here: &'static str,
        visitor: &Visitor,
    ) -> Result<Self, Problem> {
        // A stranger is told nothing of what goes on.
        let known = if visitor.principal == Principal::Nobody {
            Vec::new()
        } else {
            services.database.stuck_runs().await?
        };
        let seen = known.iter().filter(|stuck| visitor.sees(&stuck.run));
        let mut layout = Self::bare(services, title, here, visitor);
        for line in seen.flat_map(lines) {
            let same = |told: &StuckLine| told.run == line.run && told.injection == line.injection;
            if !layout.stuck.iter().any(same) {
                layout.stuck.push(line);
            }
        }
        Ok(layout)
    }

    /// The frame where the database can't be asked.
    pub(in crate::http) fn bare(
        services: &Services,
        title: impl Into<String>,
        here: &'static str,
        visitor: &Visitor,
    ) -> Self {
        let stranger = visitor.principal == Principal::Nobody;
        Self {
            title: title.into(),
            here,
            who: visitor.into(),
            version: services.version,
            css: assets::link("app.css"),
            script: assets::link("app.js"),
            icon: assets::link("icon.svg"),
            now: services.now().into(),
            ready: stranger || services.ready.is_set(),
            stuck: services
                .supervisor
                .live()
                .iter()
                .filter(|handle| {
                    let place = Subject::At(of_live(handle));
                    visitor.may(Permission::See, &place)
                })
                .flat_map(stuck_here)
                .collect(),
            // A file of a few bytes, and never the database: it is shown where that is what fails.
            halted: services.lever.state().filter(|_| !stranger).map(halt),
        }
    }
}

/// What a run that is driven here can't undo, which no database is needed for.
fn stuck_here(run: &RunHandle) -> Vec<StuckLine> {
    let RunStatus::Stuck { what } = run.status() else {
        return Vec::new();
    };
    let undoing = run.undoing();
    let line = |(injection, error): (InjectionId, String)| {
        let since = undoing.iter().find(|one| one.injection == injection)?.since;
        Some(StuckLine {
            run: run.run().to_string(),
            name: run.plan().name().to_string(),
            injection: injection.to_string(),
            error,
            since: since.into(),
        })
    };
    what.into_iter().filter_map(line).collect()
}

fn lines(stuck: &StuckRun) -> impl Iterator<Item = StuckLine> {
    stuck.injections.iter().map(|injection| StuckLine {
        run: stuck.run.id.to_string(),
        name: stuck.run.name.clone(),
        injection: injection.injection.to_string(),
        error: injection.error.clone(),
        since: injection.since.into(),
    })
}

fn halt(halt: Halt) -> Halted {
    Halted {
        by: halt.by,
        reason: halt.reason,
        at: halt.at.into(),
    }
}
