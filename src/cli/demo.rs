//! `firedrill demo`: a whole drill on a wallet stack of its own, with nothing installed.

mod desk;
mod monitor;
mod stage;
mod team;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Common;
use super::exit::Exit;
use super::follow::{Follower, conclude};
use super::serve::end;
use super::site::{Site, listen_nearby};
use super::terminal::Terminal;
use crate::app::{App, Settings};
use crate::clock::random;
use crate::http::shelf::Shelf;
use crate::http::{Gate, Readiness};
use crate::lifecycle::{Signals, raise_open_files};
use crate::model::signal::{Secret, Senders};
use crate::score::report::text;
use crate::shipped;
use crate::spec::Options;
use crate::store::database::READERS;
use desk::Desk;
use stage::{Set, Stage};
use team::Team;

/// How long the wallet may take until it knows a price.
const WALLET_PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill demo             watch a scripted team, then look around
  firedrill demo --manual    you are on call: everything is in the browser
  firedrill demo --exit      end with the drill's exit status
  firedrill demo --docker    the wallet as containers; the signer's is killed

With --docker an image is made from this program and the libraries it is linked
to: nothing is pulled or built. Everything is labelled firedrill.demo and goes
at the end. What a demo that was killed has left there is removed by the next
one, or by `firedrill recover`. DOCKER_HOST may name another local socket.")]
pub(super) struct Args {
    /// Which shipped drill
    #[arg(long, default_value = "signer-outage", value_parser = ["signer-outage", "bad-token"], conflicts_with = "docker")]
    drill: String,
    /// Play lost-signer instead, on a wallet of Docker containers
    #[arg(long)]
    docker: bool,
    /// End when the drill ends, with its exit status
    #[arg(long)]
    exit: bool,
    /// Leave out the scripted team: you are on call, in the browser
    #[arg(long)]
    manual: bool,
    /// What the team's timing and the wallet's keys are made from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The loopback address of the wallet stack [default: the first free one from 127.0.0.1]
    #[arg(long)]
    host: Option<IpAddr>,
    /// Write what the scripted team and its monitoring did, and when, as JSON
    #[arg(long, value_name = "FILE", hide = true)]
    script: Option<PathBuf>,
}

impl Args {
    fn drill(&self) -> &str {
        if self.docker {
            "lost-signer"
        } else {
            &self.drill
        }
    }
}

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let mut signals = Signals::catch()?;
    raise_open_files();
    let stage = match Box::pin(stage::set(&args, &common, &mut signals, terminal)).await? {
        Set::Stands(stage) => stage,
        Set::Ended(exit) => return Ok(exit),
    };
    let exit = Box::pin(perform(&args, &stage, signals, terminal)).await;
    let struck = stage.strike(terminal).await;
    match exit {
        Ok(exit) => Ok(exit.worst(struck)),
        Err(error) if struck == Exit::Stuck => {
            terminal.error(&format!("{error:#}"));
            Ok(struck)
        }
        Err(error) => Err(error),
    }
}

/// Everything between a stack that stands and one that is taken down.
async fn perform(
    args: &Args,
    stage: &Stage,
    mut signals: Signals,
    terminal: Terminal,
) -> anyhow::Result<Exit> {
    let app = App::open(settings(stage.data.clone())).await?;
    let exit = play(args, &app, stage, &mut signals, terminal).await;
    match exit {
        Ok(exit) => {
            let ended = end(app, signals, terminal).await;
            Ok(exit.worst(if ended == Exit::Stuck {
                Exit::Stuck
            } else {
                Exit::Passed
            }))
        }
        Err(error) => {
            let error = match stage.fallen().await {
                Some(why) => error.context(why),
                None => error,
            };
            if end(app, signals, terminal).await == Exit::Stuck {
                terminal.error(&format!("{error:#}"));
                Ok(Exit::Stuck)
            } else {
                Err(error)
            }
        }
    }
}

/// What a demo may do with its data folder.
pub(super) fn settings(data: PathBuf) -> Settings {
    Settings {
        data,
        environments: vec!["staging".to_owned()],
        programs: None,
        protected: BTreeSet::new(),
        runs: None,
        channels: BTreeSet::new(),
        readers: READERS,
    }
}

async fn play(
    args: &Args,
    app: &App,
    stage: &Stage,
    signals: &mut Signals,
    terminal: Terminal,
) -> anyhow::Result<Exit> {
    let library = stage.data.join("library");
    shipped::write(&library).with_context(|| format!("{} can't be written", library.display()))?;
    let options = Options {
        stacks_dir: Some(library.join("stacks")),
        library_dir: Some(library.clone()),
        vars: stage.variables().into_iter().collect(),
        ..Options::default()
    };
    let listener = listen_nearby(terminal).await?;
    let token = format!("{:016x}", random());
    let site = Site {
        app: app.clone(),
        listener,
        library: Arc::new(Shelf::new(vec![library], options)),
        senders: Senders {
            tokens: vec![Secret::new(token.clone())],
            ..Senders::default()
        },
        gate: Gate::loopback(),
        hosts: Vec::new(),
        tls: None,
        local_operator: "you".to_owned(),
        publishes: false,
        published: None,
    };
    let (address, ready) = site.serve()?;
    terminal.note(&format!("firedrill on http://{address}"));
    let desk = Desk::new(app.outbound.clone(), address, stage.host, token);
    // Cancel safe: nothing has begun yet that would have to be ended.
    tokio::select! {
        ready = wait_until_ready(&desk, &ready) => ready?,
        () = signals.next() => return Ok(Exit::Aborted),
    }
    let mut follower = Follower::new(app);
    let exit = drill(args, &mut follower, app, &desk, address, signals, terminal).await?;
    if !args.exit && exit != Exit::Stuck && !follower.was_signalled() {
        terminal.note(&format!(
            "the scorecard: http://{address}{}",
            desk.page("scorecard")
        ));
        terminal.note("serving until Ctrl-C");
        signals.next().await;
        return Ok(Exit::Passed);
    }
    Ok(exit)
}

async fn drill(
    args: &Args,
    follower: &mut Follower,
    app: &App,
    desk: &Desk,
    address: SocketAddr,
    signals: &mut Signals,
    terminal: Terminal,
) -> anyhow::Result<Exit> {
    let run = desk
        .start(&json!({"drill": args.drill(), "seed": args.seed}))
        .await?;
    let Some(handle) = app.supervisor.get(&run) else {
        bail!("run {run} ended before it could be followed")
    };
    terminal.note(&format!("the run room: http://{address}{}", desk.page("")));
    if args.manual {
        terminal.note("you are on call: watch the room, and act in it");
    }
    let over = CancellationToken::new();
    let people = TaskTracker::new();
    let log = desk::Log::default();
    people.spawn(monitor::watch(desk.clone(), log.clone(), over.clone()));
    if !args.manual
        && let Some(team) = Team::new(handle.plan(), args.seed, desk.clone(), log.clone())
    {
        people.spawn(team.respond(over.clone()));
    }
    let status = follower
        .settled(app, handle.clone(), signals, terminal)
        .await;
    over.cancel();
    people.close();
    people.wait().await;
    if let Some(path) = &args.script {
        std::fs::write(path, log.to_json()?)
            .with_context(|| format!("{} can't be written", path.display()))?;
    }
    let (exit, report) = conclude(app, &handle, &status, terminal).await?;
    if let Some(report) = report {
        terminal.result(&text::render_within(&report, terminal.report_width()));
    }
    Ok(exit)
}

async fn wait_until_ready(desk: &Desk, ready: &Readiness) -> anyhow::Result<()> {
    wait_for_wallet(desk).await?;
    let recovered = async {
        while !ready.is_set() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WALLET_PATIENCE, recovered).await.context(
        "what earlier demos left could not be read; hint: give another folder with `--data DIR`",
    )
}

async fn wait_for_wallet(desk: &Desk) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + WALLET_PATIENCE;
    while !desk.wallet_is_ready().await {
        if tokio::time::Instant::now() >= deadline {
            bail!(
                "the wallet stack did not learn a price within {} s",
                WALLET_PATIENCE.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
