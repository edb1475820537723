//! The HTTP edge: the JSON API, inbound hooks, and the pages.
//!
//! Handlers extract, call a run's handle or a store query, and render. They decide nothing about a run: what an act
//! amounts to is the engine's to say, and what a log is worth is the score's. No SQL, no fault driver, no outgoing
//! message is reached from here. A person's name never enters a log: it becomes a pseudonym on the way in, and pages
//! turn it back.

pub mod catalogue;
pub mod desk;
pub mod shelf;

mod acting;
mod actor;
mod api;
mod assets;
mod auditing;
mod calendar;
mod coverage;
mod cursor;
mod events;
mod files;
mod gamedays;
mod gate;
mod guard;
mod hook;
mod keeper;
mod limit;
mod openapi;
mod page;
mod password;
mod people;
mod problem;
mod published;
mod reading;
mod reference;
mod router;
mod routes;
mod series;
mod server;
mod sources;
mod tagged;
mod templates;
#[cfg(test)]
mod tests;
mod tls;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::model::schedule::Scheduled;
use crate::model::signal::Senders;
use crate::model::time::Stamp;
use crate::ports::{Clock, Ids};
use crate::runtime::Supervisor;
use crate::runtime::gameday::GameDays;
use crate::store::database::Database;
use crate::store::halt::Lever;

pub use catalogue::Catalogue;
pub use gamedays::start_due as start_game_day;
pub use gate::{Gate, digest as token_digest, new_token};
pub use openapi::text as openapi;
pub use published::Published;
pub use reading::Readings;
pub use reference::access_reference;
pub use router::router;
pub use server::serve;
pub use sources::{Courier, Echoes, rounds as test_rounds, test as test_sources};
pub use tls::Tls;

/// What the edge calls. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Starts runs and knows those that live here.
    pub supervisor: Supervisor,
    /// The game days that this process holds.
    pub game_days: GameDays,
    /// Logs, lists, signals, and who is behind a pseudonym.
    pub database: Database,
    /// What halts everything.
    pub lever: Lever,
    /// What can be started.
    pub library: Arc<dyn Catalogue>,
    /// Logs that were read of late.
    pub readings: Readings,
    /// Who may send signals. Without any, hooks refuse everything.
    pub senders: Arc<Senders>,
    /// How the server is reached, and how whoever reaches it is known.
    pub gate: Gate,
    /// Who acts where there are no accounts and nobody gave a name.
    pub local_operator: Arc<str>,
    /// Host names the server answers to, beside IP addresses and `localhost`: any other is somebody's rebinding.
    pub hosts: Arc<[String]>,
    /// Sends test signals.
    pub courier: Courier,
    /// Test signals that are waited for.
    pub echoes: Echoes,
    /// What starts by itself, soonest first.
    pub upcoming: Arc<dyn Timetable>,
    /// What the platform publishes of its drills, if anything.
    pub published: Option<Published>,
    /// Whether the first recovery pass is done.
    pub ready: Readiness,
    /// When this process began.
    pub started: Stamp,
    /// Its version.
    pub version: &'static str,
    /// Whether status pages of drills need no account.
    pub publishes: bool,
    /// Ends every stream when the server goes; the same token that [`serve`] gets.
    pub shutdown: CancellationToken,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("senders", &self.senders)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Services {
    fn now(&self) -> Stamp {
        self.clock().now()
    }

    fn clock(&self) -> &dyn Clock {
        self.supervisor.ports().clock.as_ref()
    }

    fn ids(&self) -> &dyn Ids {
        self.supervisor.ports().ids.as_ref()
    }
}

/// Markdown as a whole page of HTML that stands alone, with nothing of it taken as markup that is not Markdown's.
pub fn document(markdown: &str) -> String {
    view::markdown::document(markdown)
}

/// Whether the first recovery pass is done. Clones share one answer.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says that it is.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A drill or a game day that will start by itself, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Which.
    pub what: Scheduled,
    /// When.
    pub at: Timestamp,
    /// All that its responders are told of a surprise: not before, and not after.
    pub range: Option<(Timestamp, Timestamp)>,
    /// The blackout that keeps it from starting, in words.
    pub barred: Option<String>,
}

/// The schedule. It may read files: it is asked on a blocking thread.
pub trait Timetable: Send + Sync {
    /// The next start of each, soonest first.
    fn next(&self) -> Vec<Planned>;

    /// Everything from then until then, those that a blackout bars included, in order.
    fn between(&self, from: Timestamp, to: Timestamp) -> Vec<Planned>;
}
