//! The room of a drill, or of an experiment that stops on alerts, that a command runs: the pages, API and hooks that `serve` has, for as long as the command lasts.
//!
//! Nothing can be started from it and no schedule is kept: its library is empty.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use tokio::net::TcpListener;

use crate::app::App;
use crate::cli::site::{Site, listen_nearby};
use crate::cli::terminal::Terminal;
use crate::http::Gate;
use crate::http::shelf::Shelf;
use crate::model::plan::Plan;
use crate::model::signal::Sender;
use crate::runtime::RunHandle;
use crate::spec::{Config, Options, read_config};

#[derive(Debug, clap::Args)]
pub(super) struct Wish {
    /// Where a drill's room listens; only loopback [default: 127.0.0.1:8700, or the next free port]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_room")]
    listen: Option<SocketAddr>,
    /// Serve no room: only for drills that rate nobody
    #[arg(long)]
    no_room: bool,
    /// The file that `serve --config` takes: environments, and the tokens of hooks
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What the command line says about rooms, checked.
pub(super) struct Arrangement {
    listen: Option<SocketAddr>,
    wanted: bool,
    /// What may be disturbed, and who may send alerts.
    pub(super) config: Config,
}

impl Wish {
    /// Whether it fits the files. What is wrong is answered as a wrong command line.
    pub(super) fn arrange<'a>(
        &self,
        plans: impl IntoIterator<Item = &'a Plan>,
        options: &Options,
        terminal: Terminal,
    ) -> anyhow::Result<Arrangement> {
        if let Some(listen) = self.listen.filter(|listen| !listen.ip().is_loopback()) {
            bail!(
                "{listen} is not loopback, and a run's room is for this machine; hint: `firedrill serve` has accounts, and \
                 can be listened for elsewhere"
            );
        }
        let mut wanted = false;
        let mut stops_on_alerts = None;
        for plan in plans {
            if plan.stops_on_alerts() {
                if self.no_room {
                    bail!(
                        "`{}` stops on an alert, and without a room none is taken in; hint: leave out `--no-room`",
                        plan.name()
                    );
                }
                stops_on_alerts = Some(plan.name().to_owned());
                wanted = true;
            }
            if plan.drill.is_none() {
                continue;
            }
            // A decoy has no fault, and so nobody to rate.
            if self.no_room && !plan.injections.is_empty() {
                bail!(
                    "nobody can act in drill `{}` without a room; hint: leave out `--no-room`, or run its experiment \
                     `{}` for the stack's side alone",
                    plan.name(),
                    plan.experiment.name
                );
            }
            wanted |= !self.no_room;
        }
        let config = match &self.config {
            Some(path) => read_config(path, options).map_err(|findings| {
                terminal.block(
                    &findings.render_within(terminal.has_colour(), terminal.findings_width()),
                );
                anyhow!("{} has mistakes", path.display())
            })?,
            None => Config::default(),
        };
        if let Some(name) = stops_on_alerts
            && !config.senders.knows(Sender::Alertmanager)
        {
            bail!(
                "`{name}` stops on an alert, and no hook token is configured, so none would be taken in; hint: list one \
                 under `tokens` in the file of `--config`"
            );
        }
        Ok(Arrangement {
            listen: self.listen,
            wanted,
            config,
        })
    }
}

/// A room that is open.
pub(super) struct Room {
    address: SocketAddr,
}

impl Arrangement {
    /// Opens the room, where one is wanted, until the app is closed.
    pub(super) async fn open(self, app: &App, terminal: Terminal) -> anyhow::Result<Option<Room>> {
        if !self.wanted {
            return Ok(None);
        }
        let listener = match self.listen {
            Some(listen) => TcpListener::bind(listen).await.map_err(|error| {
                anyhow!(
                    "{listen} can't be listened on: {error}; hint: give another address with `--listen`"
                )
            })?,
            None => listen_nearby(terminal).await?,
        };
        let takes_alerts = self.config.senders.knows(Sender::Alertmanager);
        let site = Site {
            app: app.clone(),
            listener,
            library: Arc::new(Shelf::new(Vec::new(), Options::default())),
            senders: self.config.senders,
            gate: Gate::loopback(),
            hosts: Vec::new(),
            tls: None,
            local_operator: "local operator".to_owned(),
            publishes: false,
            published: None,
        };
        let (address, ready, _) = site.answer()?;
        // What dead processes left was undone before.
        ready.set();
        terminal.note(&if takes_alerts {
            format!("alerts are taken at http://{address}/hooks/alertmanager")
        } else {
            format!(
                "alerts are refused at http://{address}/hooks/alertmanager; hint: list a token in the file of `--config`"
            )
        });
        Ok(Some(Room { address }))
    }
}

impl Room {
    /// Where a run's people find it.
    pub(super) fn link(&self, handle: &RunHandle) -> String {
        let run = handle.run();
        format!("the run room: http://{}/runs/{run}", self.address)
    }
}
