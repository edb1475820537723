//! `firedrill toxiproxy serve`: the Toxiproxy-compatible server alone.

use std::path::PathBuf;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::terminal::Terminal;
use crate::lifecycle::Signals;
use crate::toxiproxy::{Options, ProxyConfig, Server};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve Toxiproxy's HTTP API and its proxies until a signal
    #[command(after_help = "\
Examples:
  firedrill toxiproxy serve
  firedrill toxiproxy serve --port 18474 --config proxies.json --seed 7")]
    Serve {
        /// Where the API listens
        #[arg(long, default_value = "127.0.0.1")]
        host: String,
        /// The API's port
        #[arg(long, default_value_t = 8474)]
        port: u16,
        /// Proxies to begin with: Toxiproxy's own JSON, a list of {name, listen, upstream, enabled}
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Make toxicity and jitter repeatable
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
    },
}

pub(super) async fn run(args: Args, terminal: Terminal) -> anyhow::Result<Exit> {
    let Command::Serve {
        host,
        port,
        config,
        seed,
    } = args.command;
    let mut signals = Signals::catch()?;
    let proxies = match config.as_ref().map(read).transpose() {
        Ok(proxies) => proxies.unwrap_or_default(),
        Err(error) => {
            terminal.error(&format!("{error:#}"));
            return Ok(Exit::Usage);
        }
    };
    let server = Server::bind(Options {
        host: host.clone(),
        port,
        seed,
    })
    .await
    .with_context(|| format!("{host}:{port} can't be listened on"))?;
    server.populate(proxies).await?;
    terminal.note(&format!(
        "Toxiproxy-compatible API on http://{} (seed {})",
        server.local_addr(),
        server.seed()
    ));
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let (served, ()) = tokio::join!(server.run(shutdown), async move {
        signals.next().await;
        stop.cancel();
    });
    served?;
    Ok(Exit::Passed)
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<ProxyConfig>> {
    let bytes = std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    ProxyConfig::parse_list(&bytes)
        .with_context(|| format!("{} is not a list of proxies", path.display()))
}
