//! `firedrill wallet`: the demo wallet stack with its proxies, or one of its services.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::exit::Exit;
use super::terminal::Terminal;
use crate::lifecycle::{Signals, raise_open_files};
use crate::toxiproxy::{Options, ProxyConfig, Server};
use crate::wallet::{self, Addresses, LinkName, Service};

/// Where Toxiproxy's API listens on the stack's host.
const TOXIPROXY_PORT: u16 = 8474;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  firedrill wallet                      the whole stack and its proxies
  firedrill wallet --host 127.0.0.2     a second one beside it
  firedrill wallet signer-a             one service; others through the proxies")]
pub(super) struct Args {
    /// Only this service: wallet-api, signer-a, signer-b, node-a, node-b, prices or ledger
    service: Option<Service>,
    /// The address that everything listens on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Dial the services themselves, not the proxies before them (with a service)
    #[arg(long, requires = "service")]
    direct: bool,
    /// The host of the proxies, where it is another one (with a service)
    #[arg(
        long,
        value_name = "HOST",
        requires = "service",
        conflicts_with = "direct"
    )]
    proxies: Option<IpAddr>,
    /// Where a starting node-a asks node-b for the chain it may have lost, as ADDRESS:PORT (with a service)
    #[arg(long, value_name = "ADDRESS", requires = "service")]
    peer: Option<SocketAddr>,
    /// What keys and prices are made from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) async fn run(args: Args, terminal: Terminal) -> anyhow::Result<Exit> {
    let mut signals = Signals::catch()?;
    raise_open_files();
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    if let Some(service) = args.service {
        let addresses = addresses(&args);
        wallet::start_one(service, &addresses, args.seed, &tracker, shutdown.clone()).await?;
        terminal.note(&format!("{service} on {}", addresses.listen(service)));
    } else {
        start(args.host, args.seed, &tracker, &shutdown).await?;
        terminal.note(&format!(
            "wallet API on http://{}:7000, Toxiproxy's API on http://{}:{TOXIPROXY_PORT}; Ctrl-C ends both",
            args.host, args.host
        ));
    }
    signals.next().await;
    shutdown.cancel();
    tracker.close();
    tracker.wait().await;
    Ok(Exit::Passed)
}

/// Where one service listens, and what it dials.
fn addresses(args: &Args) -> Addresses {
    let mut addresses = if args.direct {
        Addresses::direct(args.host)
    } else {
        Addresses::on(args.host)
    };
    if let Some(proxies) = args.proxies {
        for link in LinkName::ALL {
            let proxy = SocketAddr::new(proxies, link.port());
            addresses = addresses.with_dial(link, proxy.to_string());
        }
    }
    match args.peer {
        Some(peer) => addresses.with_bootstrap(peer.to_string()),
        None => addresses,
    }
}

/// Starts every service, and the server that carries the links between them.
pub(super) async fn start(
    host: IpAddr,
    seed: u64,
    tracker: &TaskTracker,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let server = Server::bind(Options {
        host: host.to_string(),
        port: TOXIPROXY_PORT,
        seed: Some(seed),
        metrics: false,
    })
    .await
    .with_context(|| format!("Toxiproxy's API can't listen on {host}:{TOXIPROXY_PORT}"))?;
    let links = wallet::links(host).into_iter().map(|link| {
        ProxyConfig::new(
            link.name.to_string(),
            link.listen.to_string(),
            link.upstream.to_string(),
        )
    });
    server.populate(links.collect()).await?;
    wallet::start(Addresses::on(host), seed, tracker, shutdown.clone()).await?;
    let stop = shutdown.clone();
    tracker.spawn(async move {
        if let Err(error) = server.run(stop).await {
            tracing::error!(%error, "the wallet's Toxiproxy failed");
        }
    });
    Ok(())
}
