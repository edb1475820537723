//! The demo staging wallet: seven small services that talk HTTP over links which can be broken one by one.
//!
//! Purpose: give drills something real to hurt. Transfers are really signed, ordered by nonce, broadcast to a chain that
//! produces blocks, and booked in a double-entry ledger, so that a cut link, a frozen node or a bad rollout has the
//! consequences it would have in production, and a good remedy really ends them.
//!
//! Invariants: services share no memory (each also runs as a container of its own); every call has a deadline; every
//! history is bounded; every task runs on the caller's tracker until the caller's token is cancelled.
//!
//! Must not: import anything else of this crate, or be used for real funds.

mod address;
mod api;
mod chain;
mod client;
mod clock;
mod hex;
mod ledger;
mod node;
mod prices;
mod server;
mod service;
mod shared;
mod signer;
mod transaction;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use address::{Addresses, Link, LinkName, UnknownLink, links};
pub use service::{Service, UnknownService};
pub use transaction::CHAIN_ID;

/// Why the stack, or one of its services, did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or cannot be had; nothing was started.
    #[error(
        "{service} cannot listen on {address}: {source}; hint: end what holds the port, or choose another host"
    )]
    Listen {
        service: Service,
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}

/// Starts all services; returns once every port is held and answers. A port that is taken means that none is started.
pub async fn start(
    addresses: Addresses,
    seed: u64,
    tracker: &TaskTracker,
    cancel: CancellationToken,
) -> Result<(), StartError> {
    let mut bound = Vec::new();
    for service in Service::ALL {
        bound.push((service, bind(service, addresses.listen(service)).await?));
    }
    for (service, listener) in bound {
        run(service, listener, &addresses, seed, tracker, &cancel);
    }
    Ok(())
}

/// Starts one service alone, as a container of its own does.
pub async fn start_one(
    service: Service,
    addresses: &Addresses,
    seed: u64,
    tracker: &TaskTracker,
    cancel: CancellationToken,
) -> Result<(), StartError> {
    let listener = bind(service, addresses.listen(service)).await?;
    run(service, listener, addresses, seed, tracker, &cancel);
    Ok(())
}

async fn bind(service: Service, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen {
            service,
            address,
            source,
        })
}

fn run(
    service: Service,
    listener: TcpListener,
    addresses: &Addresses,
    seed: u64,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) {
    let (own, tasks, stop) = (addresses.clone(), tracker.clone(), cancel.clone());
    let router = async move {
        match service {
            Service::WalletApi => api::service(&own, seed, &tasks, &stop),
            Service::SignerA | Service::SignerB => signer::service(service, seed),
            Service::NodeA => node::validating(&own, seed, &tasks, &stop).await,
            Service::NodeB => node::following(&own, seed, &tasks, &stop),
            Service::Prices => prices::service(seed, &tasks, &stop),
            Service::Ledger => ledger::service(),
        }
    };
    server::serve(service, listener, router, tracker, cancel);
}
