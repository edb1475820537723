//! `firedrill toxiproxy serve`: the Toxiproxy-compatible server alone.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::terminal::Terminal;
use crate::lifecycle::{Signals, raise_open_files};
use crate::toxiproxy::{Options, ProxyConfig, Server, StateFile, read_configuration};

/// Fewer open files than this carry fewer than a thousand connections: worth a word.
const FEW_FILES: u64 = 4096;

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
  firedrill toxiproxy serve --port 18474 --config proxies.json --seed 7
  firedrill toxiproxy serve --state /var/lib/toxiproxy.json --metrics

A configuration, in Toxiproxy's own JSON:
  [{\"name\": \"redis\",
    \"listen\": \"127.0.0.1:26379\", \"upstream\": \"127.0.0.1:6379\"}]

Exit status:
  0  ended by a signal
  2  the command line, the configuration or the state file is wrong;
     nothing was served
  4  an address could not be listened on")]
    Serve(ServeArgs),
}

#[derive(Debug, clap::Args)]
struct ServeArgs {
    /// Where the API listens
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The API's port; 0 for any
    #[arg(long, default_value_t = 8474)]
    port: u16,
    /// Proxies to begin with: Toxiproxy's own JSON, a list of {name, listen, upstream, enabled, toxics}
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep proxies and toxics in this file, so that they outlive the process
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Answer /metrics, in Prometheus' text format
    #[arg(long)]
    metrics: bool,
    /// Make toxicity and jitter repeatable
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

pub(super) async fn run(args: Args, terminal: Terminal) -> anyhow::Result<Exit> {
    let Command::Serve(args) = args.command;
    let mut signals = Signals::catch()?;
    if let Some(files) = raise_open_files().filter(|files| *files < FEW_FILES) {
        terminal.note(&format!(
            "only {files} files may be open, which carries about {} connections; hint: raise the hard limit (ulimit -Hn)",
            files / 2
        ));
    }
    // Both files are read before anything is bound: what is wrong with them touches nothing.
    let (proxies, state) = match files(&args) {
        Ok(files) => files,
        Err(error) => {
            terminal.error(&format!("{error:#}"));
            return Ok(Exit::Usage);
        }
    };
    let (host, port) = (args.host, args.port);
    let server = Server::bind(Options {
        host: host.clone(),
        port,
        seed: args.seed,
        metrics: args.metrics,
    })
    .await
    .map_err(|error| {
        anyhow::anyhow!(
            "{host}:{port} can't be listened on: {error}; hint: give another address with `--host` and `--port`"
        )
    })?;
    if let Some(state) = state {
        let count = state.proxies();
        server.keep(state).await?;
        terminal.note(&format!("{count} proxies were restored"));
    }
    server.populate(proxies).await.with_context(|| {
        let file = args.config.unwrap_or_default();
        format!("{}: the proxies can't all be created", file.display())
    })?;
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

fn files(args: &ServeArgs) -> anyhow::Result<(Vec<ProxyConfig>, Option<StateFile>)> {
    let proxies = args.config.as_deref().map(configured).transpose()?;
    let state = args.state.as_deref().map(StateFile::open).transpose()?;
    Ok((proxies.unwrap_or_default(), state))
}

fn configured(path: &Path) -> anyhow::Result<Vec<ProxyConfig>> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("{shown} can't be read"))?;
    read_configuration(&bytes).map_err(|error| {
        anyhow::anyhow!("{shown}: {error}; hint: docs/toxiproxy.md has an example")
    })
}
