//! `firedrill demo`: a whole drill on a wallet stack of its own, with nothing installed.

mod desk;
mod monitor;
mod team;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::exit::Exit;
use super::follow::{Follower, conclude};
use super::serve::end;
use super::site::{Site, listen_nearby};
use super::terminal::Terminal;
use super::{Common, wallet};
use crate::app::{App, Settings, default_data};
use crate::clock::random;
use crate::http::Gate;
use crate::http::shelf::Shelf;
use crate::lifecycle::{Signals, raise_open_files};
use crate::score::report::text;
use crate::shipped;
use crate::spec::Options;
use desk::Desk;

/// How long the wallet may take until it knows a price.
const WALLET_PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill demo             watch a scripted team, then look around
  firedrill demo --manual    you are on call: everything is in the browser
  firedrill demo --exit      end with the drill's exit status")]
pub(super) struct Args {
    /// Which shipped drill
    #[arg(long, default_value = "signer-outage", value_parser = ["signer-outage", "bad-token"])]
    drill: String,
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

pub(super) async fn run(args: Args, common: Common, terminal: Terminal) -> anyhow::Result<Exit> {
    let mut signals = Signals::catch()?;
    raise_open_files();
    let (stack_tasks, stack_end) = (TaskTracker::new(), CancellationToken::new());
    let host = start_wallet(&args, &stack_tasks, &stack_end, terminal).await?;
    let data = common
        .data
        .clone()
        .unwrap_or_else(|| default_data().join("demo").join(host.to_string()));
    let app = App::open(Settings {
        data: data.clone(),
        environments: vec!["staging".to_owned()],
        programs: None,
        protected: BTreeSet::new(),
        runs: None,
    })
    .await?;
    let exit = play(&args, &app, host, data, &mut signals, terminal).await;
    let exit = match exit {
        Ok(exit) => {
            let ended = end(app, signals, terminal).await;
            exit.worst(if ended == Exit::Stuck {
                Exit::Stuck
            } else {
                Exit::Passed
            })
        }
        Err(error) => {
            if end(app, signals, terminal).await == Exit::Stuck {
                terminal.error(&format!("{error:#}"));
                Exit::Stuck
            } else {
                return Err(error);
            }
        }
    };
    stack_end.cancel();
    stack_tasks.close();
    stack_tasks.wait().await;
    Ok(exit)
}

/// The wallet and the server that carries its links, on the first loopback address where every port is free.
async fn start_wallet(
    args: &Args,
    tasks: &TaskTracker,
    end: &CancellationToken,
    terminal: Terminal,
) -> anyhow::Result<IpAddr> {
    let fixed = args.host.map(|host| vec![host]);
    let hosts = fixed.unwrap_or_else(|| {
        (1..=9)
            .map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
            .collect()
    });
    let mut refused = None;
    for host in &hosts {
        match wallet::start(*host, args.seed, tasks, end).await {
            Ok(()) => {
                terminal.note(&format!(
                    "wallet stack on {host}: API on port 7000, Toxiproxy's API on port 8474"
                ));
                return Ok(*host);
            }
            Err(error) => {
                terminal.note(&format!("{host} can't hold the wallet stack: {error:#}"));
                refused = Some(error);
            }
        }
    }
    Err(refused
        .unwrap_or_else(|| anyhow::anyhow!("there is no address to try"))
        .context("the wallet stack did not start"))
}

async fn play(
    args: &Args,
    app: &App,
    host: IpAddr,
    data: PathBuf,
    signals: &mut Signals,
    terminal: Terminal,
) -> anyhow::Result<Exit> {
    let library = data.join("library");
    shipped::write(&library).with_context(|| format!("{} can't be written", library.display()))?;
    let options = Options {
        stacks_dir: Some(library.join("stacks")),
        library_dir: Some(library.clone()),
        vars: [("host".to_owned(), host.to_string())].into(),
        ..Options::default()
    };
    let listener = listen_nearby(terminal).await?;
    let token = format!("{:016x}", random());
    let site = Site {
        app: app.clone(),
        listener,
        library: Arc::new(Shelf::new(vec![library], options)),
        hook_tokens: vec![token.clone()],
        gate: Gate::loopback(),
        hosts: Vec::new(),
        local_operator: "you".to_owned(),
    };
    let (address, ready) = site.serve()?;
    terminal.note(&format!("firedrill on http://{address}"));
    let desk = Desk::new(app.outbound.clone(), address, host, token);
    wait_for_wallet(&desk).await?;
    let recovered = async {
        while !ready.is_set() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WALLET_PATIENCE, recovered)
        .await
        .context("what earlier demos left could not be read; hint: give another folder with `--data DIR`")?;
    let exit = drill(args, app, &desk, address, signals, terminal).await?;
    if !args.exit && exit != Exit::Stuck {
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
    app: &App,
    desk: &Desk,
    address: SocketAddr,
    signals: &mut Signals,
    terminal: Terminal,
) -> anyhow::Result<Exit> {
    let mut follower = Follower::new(app);
    let run = desk
        .start(&json!({"drill": args.drill, "seed": args.seed}))
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
    if !args.manual {
        people.spawn(team::respond(
            desk.clone(),
            args.drill.clone(),
            args.seed,
            log.clone(),
            over.clone(),
        ));
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
