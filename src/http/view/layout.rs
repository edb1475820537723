//! What every page has around it: where one is, who one acts as, and, loudly, what could not be undone.

use serde::Serialize;

use super::time::Moment;
use crate::http::Services;
use crate::http::assets;
use crate::http::problem::Problem;
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
    /// Under which name one acts.
    pub(in crate::http) name: String,
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
        name: &str,
    ) -> Result<Self, Problem> {
        let known = services.database.stuck_runs().await?;
        let mut layout = Self::bare(services, title, here, name);
        for line in known.iter().flat_map(lines) {
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
        name: &str,
    ) -> Self {
        Self {
            title: title.into(),
            here,
            name: name.to_owned(),
            version: services.version,
            css: assets::link("app.css"),
            script: assets::link("app.js"),
            icon: assets::link("icon.svg"),
            now: services.now().into(),
            ready: services.ready.is_set(),
            stuck: services
                .supervisor
                .live()
                .iter()
                .flat_map(stuck_here)
                .collect(),
            // A file of a few bytes, and never the database: it is shown where that is what fails.
            halted: services.lever.state().map(halt),
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
