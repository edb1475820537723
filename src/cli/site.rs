//! A running server. As `serve` and `demo` share it: pages and API at once, then recovery, then the schedule. As `run`
//! has it, only to be a drill's room: pages and API alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use tokio::net::TcpListener;

use super::terminal::Terminal;
use crate::app::App;
use crate::clock::SystemClock;
use crate::engine::event::Trigger;
use crate::http::catalogue::{Catalogue, Kind};
use crate::http::{
    self, Courier, Echoes, Gate, Planned, Published, Readiness, Readings, Services, Timetable, Tls,
};
use crate::model::schedule::{Schedule, Scheduled};
use crate::model::signal::Senders;
use crate::ports::{Answer, Clock as _};
use crate::runtime::gameday::GameDays;
use crate::runtime::{recovery, scheduler};
use crate::store::database::Database;

/// The first port that is tried where none is asked for, and how many follow.
const WEB_PORT: u16 = 8700;
const WEB_PORTS: u16 = 100;

/// How long a tool may take to take a test signal.
const COURIER_PATIENCE: Duration = Duration::from_secs(10);

/// How often runs of processes that died are looked for.
const RECOVER_EVERY: Duration = Duration::from_secs(30);

/// Listens on the usual port of loopback, or the next one that is free.
pub(super) async fn listen_nearby(terminal: Terminal) -> anyhow::Result<TcpListener> {
    for port in WEB_PORT..WEB_PORT + WEB_PORTS {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                terminal.note(&format!("port {port} is taken: trying the next"));
            }
            Err(error) => return Err(error).context("the web server can't listen on loopback"),
        }
    }
    bail!(
        "ports {WEB_PORT} to {} are all taken",
        WEB_PORT + WEB_PORTS - 1
    )
}

/// What a server is made from.
pub(super) struct Site {
    pub(super) app: App,
    pub(super) listener: TcpListener,
    pub(super) library: Arc<dyn Catalogue>,
    pub(super) senders: Senders,
    /// How it is reached.
    pub(super) gate: Gate,
    /// Names it answers to, beside addresses.
    pub(super) hosts: Vec<String>,
    /// What encrypts it, if anything here does.
    pub(super) tls: Option<Tls>,
    pub(super) local_operator: String,
    /// Whether status pages of drills need no account.
    pub(super) publishes: bool,
    /// What is published of its drills, if anything.
    pub(super) published: Option<Published>,
}

impl Site {
    /// Serves from now on, until the app is closed, and starts what is scheduled. Answers with the address.
    pub(super) fn serve(self) -> anyhow::Result<(SocketAddr, Readiness)> {
        let (app, library) = (self.app.clone(), self.library.clone());
        let (address, ready, services) = self.answer()?;
        app.keep_scores();
        let readiness = ready.clone();
        app.tracker.clone().spawn(async move {
            begin(app, library, services, readiness).await;
        });
        Ok((address, ready))
    }

    /// Serves pages, API and hooks from now on, until the app is closed. What was left by dead processes, scores and
    /// the schedule are the caller's, and so is readiness.
    pub(super) fn answer(self) -> anyhow::Result<(SocketAddr, Readiness, Services)> {
        let Self {
            app,
            listener,
            library,
            senders,
            gate,
            hosts,
            tls,
            local_operator,
            publishes,
            published,
        } = self;
        let address = listener.local_addr()?;
        let ready = Readiness::default();
        let secret: Arc<OnceLock<String>> = Arc::default();
        let services = Services {
            supervisor: app.supervisor.clone(),
            game_days: GameDays::default(),
            database: app.database.clone(),
            lever: app.lever.clone(),
            library: library.clone(),
            readings: Readings::default(),
            senders: Arc::new(senders),
            gate,
            local_operator: local_operator.into(),
            hosts: hosts.into(),
            courier: courier(&app),
            echoes: Echoes::default(),
            upcoming: Arc::new(Table {
                clock: app.clock,
                library,
                secret: secret.clone(),
            }),
            published,
            ready: ready.clone(),
            started: app.clock.now(),
            version: env!("CARGO_PKG_VERSION"),
            publishes,
            shutdown: app.shutdown.clone(),
        };
        let database = app.database.clone();
        app.tracker.spawn(async move {
            match drawn_from(&database).await {
                Ok(known) => drop(secret.set(known)),
                Err(error) => tracing::error!(%error, "surprises can't be told"),
            }
        });
        let shutdown = app.shutdown.clone();
        let router = http::router(services.clone());
        app.tracker.spawn(async move {
            if let Err(error) = http::serve(listener, router, shutdown, tls).await {
                tracing::error!(%error, "the server failed");
            }
        });
        Ok((address, ready, services))
    }
}

/// Sends test signals as any request goes out.
fn courier(app: &App) -> Courier {
    let outbound = app.outbound.clone();
    Arc::new(move |request| {
        let outbound = outbound.clone();
        Box::pin(async move {
            match outbound.send(&request, COURIER_PATIENCE).await {
                Ok(reply) if reply.status.is_success() => Ok(()),
                Ok(reply) => Err(format!("it answered {}", reply.status)),
                Err(error) => Err(error.to_string()),
            }
        })
    })
}

/// What the times of surprises are drawn from.
async fn drawn_from(database: &Database) -> Result<String, String> {
    let fresh = || {
        crate::clock::secret()
            .iter()
            .fold(String::new(), |mut text, byte| {
                // Writing to a string can't fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    };
    let known = database.server_secret(fresh).await;
    known.map_err(|error| error.to_string())
}

/// What must happen before anything may start, then the schedule.
async fn begin(app: App, library: Arc<dyn Catalogue>, services: Services, ready: Readiness) {
    match recovery::recover(&app.supervisor).await {
        Ok(recovered) => {
            for handle in &recovered.taken {
                tracing::warn!(run = %handle.run(), "undoing what a dead process left");
            }
        }
        Err(error) => {
            tracing::error!(%error, "what dead processes left can't be read: nothing will start");
            return;
        }
    }
    ready.set();
    app.tracker.clone().spawn(recover_again(app.clone()));
    app.tracker.spawn(http::test_rounds(services.clone()));
    let summarising = app.clone();
    app.tracker
        .clone()
        .spawn(async move { summarising.summarise().await });
    let calendar = Calendar {
        app: app.clone(),
        library,
        services,
    };
    scheduler::keep(&calendar, &app.clock, &app.shutdown).await;
}

/// A run whose end could not be recorded keeps its stack until it is taken up again, as do runs of servers that died.
async fn recover_again(app: App) {
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(RECOVER_EVERY) => {}
        }
        if let Err(error) = recovery::recover(&app.supervisor).await {
            tracing::error!(%error, "what dead processes left can't be read");
        }
    }
}

/// The most starts of one drill that a calendar lists.
const MOST_STARTS: usize = 500;

/// The schedule as pages ask it. Surprises are told once what they are drawn from is known.
struct Table {
    clock: SystemClock,
    library: Arc<dyn Catalogue>,
    secret: Arc<OnceLock<String>>,
}

impl Table {
    fn planned(
        &self,
        starts: impl Fn(&Scheduled, &Schedule, &str) -> Vec<scheduler::Start>,
    ) -> Vec<Planned> {
        let mut planned: Vec<Planned> = Vec::new();
        for (drill, schedule) in scheduled(self.library.as_ref()) {
            let secret = match self.secret.get() {
                Some(secret) => secret.as_str(),
                None if schedule.surprise => continue,
                None => "",
            };
            planned.extend(
                starts(&drill, &schedule, secret)
                    .into_iter()
                    .map(|start| Planned {
                        what: drill.clone(),
                        at: start.at,
                        range: start.range,
                        barred: start.barred.map(|days| days.to_string()),
                    }),
            );
        }
        planned.sort_by(|one, other| {
            one.at
                .cmp(&other.at)
                .then_with(|| one.what.cmp(&other.what))
        });
        planned
    }
}

impl Timetable for Table {
    fn next(&self) -> Vec<Planned> {
        let now = self.clock.now().wall;
        self.planned(|drill, schedule, secret| {
            let next = scheduler::next_start(schedule, drill, secret, now);
            next.into_iter().collect()
        })
    }

    fn between(&self, from: Timestamp, to: Timestamp) -> Vec<Planned> {
        self.planned(|drill, schedule, secret| {
            scheduler::starts(schedule, drill, secret, (from, to), MOST_STARTS)
        })
    }
}

fn scheduled(library: &dyn Catalogue) -> Vec<(Scheduled, Schedule)> {
    let contents = library.contents();
    let plans = contents
        .entries
        .iter()
        .filter_map(|entry| entry.plan.as_ref().ok());
    let drills = plans.filter_map(|plan| {
        let drill = &plan.drill.as_ref()?.drill;
        let what = Scheduled::Drill(drill.name.clone());
        Some((what, drill.schedule.clone()?))
    });
    let days = contents.days.iter().filter_map(|entry| {
        let day = &entry.programme.as_ref().ok()?.day;
        let what = Scheduled::GameDay(day.name.clone());
        Some((what, day.schedule.clone()?))
    });
    drills.chain(days).collect()
}

/// The schedule's side of the server.
struct Calendar {
    app: App,
    library: Arc<dyn Catalogue>,
    services: Services,
}

impl scheduler::Agenda for Calendar {
    fn scheduled(&self) -> Answer<'_, Vec<(Scheduled, Schedule)>> {
        Box::pin(async {
            let library = self.library.clone();
            let read = tokio::task::spawn_blocking(move || scheduled(library.as_ref())).await;
            read.unwrap_or_default()
        })
    }

    fn secret(&self) -> Answer<'_, Result<String, String>> {
        Box::pin(drawn_from(&self.app.database))
    }

    fn last_due<'a>(
        &'a self,
        drill: &'a Scheduled,
    ) -> Answer<'a, Result<Option<Timestamp>, String>> {
        Box::pin(async {
            self.app
                .database
                .last_due(drill)
                .await
                .map_err(|error| error.to_string())
        })
    }

    fn claim<'a>(
        &'a self,
        drill: &'a Scheduled,
        due: Timestamp,
    ) -> Answer<'a, Result<bool, String>> {
        Box::pin(async move {
            self.app
                .database
                .record_start(drill, due, "claimed")
                .await
                .map_err(|error| error.to_string())
        })
    }

    fn note<'a>(&'a self, drill: &'a Scheduled, due: Timestamp, outcome: String) -> Answer<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.app.database.record_outcome(drill, due, &outcome).await {
                tracing::error!(%drill, %error, "what came of a scheduled start could not be kept");
            }
        })
    }

    fn start<'a>(&'a self, what: &'a Scheduled) -> Answer<'a, Result<String, String>> {
        Box::pin(async move {
            let name = match what {
                Scheduled::Drill(name) => name.to_string(),
                Scheduled::GameDay(name) => {
                    let begun = http::start_game_day(&self.services, name).await;
                    return begun.map(|id| format!("game day {id}"));
                }
            };
            let library = self.library.clone();
            let plan = tokio::task::spawn_blocking(move || {
                library.plan(Kind::Drill, &name, &BTreeMap::new())
            })
            .await
            .map_err(|error| error.to_string())?
            .map_err(|_| {
                "its files have findings; hint: `firedrill validate` shows them".to_owned()
            })?;
            let started = self
                .app
                .supervisor
                .start(plan, None, Trigger::Schedule)
                .await;
            started
                .inspect(|handle| http::test_sources(&self.services, handle))
                .map(|handle| format!("run {}", handle.run()))
                .map_err(|error| error.to_string())
        })
    }
}
