//! firedrill's own Toxiproxy: the HTTP API of Toxiproxy 2.12 over a proxy that survives what it is made to do.
//!
//! Clients written for Toxiproxy work unchanged. Beyond it: `ttl` (milliseconds) on a toxic and on a disabled proxy, after
//! which the server itself undoes them, so that a fault does not outlive the one who set it; `owner` beside it; attributes
//! that make no sense are refused; half-closed connections stay half-closed; with a seed every draw repeats; proxies may
//! begin with toxics; and a state file lets them outlive the process. `docs/toxiproxy.md` tells clients of all of it.
//!
//! Invariants: the API answers without waiting for any connection; toxics come, change and go on live connections without
//! losing or reordering a byte that they don't themselves eat; every task ends with the server.
//!
//! The data path: `proxy::listening` accepts, `connection` dials and runs one `link` a direction. A link without toxics
//! passes bytes from socket to socket, messages by reading and writing, bulk through a `pipe` in the kernel; one with
//! toxics relays them through its `chain` of stages, with a `queue` before each, woken by an `alarm`. `traffic` counts.
//!
//! Uses nothing of the rest of the crate, and must not.

mod alarm;
mod api;
mod body;
mod chain;
mod configuration;
mod connection;
mod error;
mod lease;
mod link;
mod listen;
mod metrics;
mod pipe;
mod proxy;
mod queue;
mod random;
mod registry;
mod state;
mod toxic;
mod toxics;
mod traffic;

use std::{
    future::IntoFuture,
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use self::{alarm::KERNEL_TIMERS, proxy::Tasks, random::Draws, registry::Registry, state::Keeper};
pub use self::{
    api::VERSION,
    configuration::{ConfigurationError, read_configuration},
    error::Error,
    proxy::ProxyConfig,
    state::{StateError, StateFile},
};

/// How long requests under way may take when the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct Options {
    /// Where the API listens: a name or an address.
    pub host: String,
    /// 0 for any.
    pub port: u16,
    /// Makes toxicity, jitter and every other draw repeatable; a fresh one is taken where there is none.
    pub seed: Option<u64>,
    /// Whether `/metrics` answers.
    pub metrics: bool,
}

/// Which of several proxies could not be created, and why.
#[derive(Debug, thiserror::Error)]
#[error("proxy {proxy}: {source}")]
pub struct Refused {
    pub proxy: String,
    pub source: Error,
}

impl Default for Options {
    /// Toxiproxy's own port, on loopback only.
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8474,
            seed: None,
            metrics: false,
        }
    }
}

/// A bound server. Its proxies work from the moment they are populated; the API answers while [`run`](Self::run) runs.
/// Dropping it closes everything.
pub struct Server {
    listener: TcpListener,
    local: SocketAddr,
    seed: u64,
    metrics: bool,
    keeper: Arc<OnceLock<Arc<Keeper>>>,
    registry: Arc<Registry>,
    tasks: Tasks,
    /// Ends the tasks where the server is dropped without having run.
    guard: DropGuard,
}

impl Server {
    /// Must be called within a tokio runtime, which the server's tasks then live in.
    pub async fn bind(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((options.host.as_str(), options.port)).await?;
        let local = listener.local_addr()?;
        let seed = options.seed.map_or_else(random::fresh_seed, Ok)?;
        let tasks = Tasks {
            tracker: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            deadlines: Arc::new(Notify::new()),
            timers: Arc::new(Semaphore::new(KERNEL_TIMERS)),
            pipes: Arc::default(),
        };
        let registry = Arc::new(Registry::new(tasks.clone(), Draws::seeded(seed)));
        let keeper: Arc<OnceLock<Arc<Keeper>>> = Arc::default();
        let told = Arc::clone(&keeper);
        let ended = move || {
            if let Some(keeper) = told.get() {
                keeper.changed();
            }
        };
        tasks
            .tracker
            .spawn(Arc::clone(&registry).keep_deadlines(ended));
        let guard = tasks.shutdown.clone().drop_guard();
        Ok(Self {
            listener,
            local,
            seed,
            metrics: options.metrics,
            keeper,
            registry,
            tasks,
            guard,
        })
    }

    /// Brings back what the file holds, and keeps it in step from now on.
    pub async fn keep(&self, mut file: StateFile) -> Result<(), Error> {
        self.registry.restore(file.restored()).await?;
        self.keeper
            .get_or_init(|| Keeper::start(file, Arc::clone(&self.registry), &self.tasks));
        Ok(())
    }

    /// Where the API listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The seed in use, to repeat what happened.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The API as [`run`](Self::run) serves it, for who calls it without a socket.
    pub fn api(&self) -> axum::Router {
        api::router(
            Arc::clone(&self.registry),
            Draws::seeded(self.seed),
            self.keeper.get().cloned(),
            self.metrics,
        )
    }

    /// Creates these proxies, in order, up to the first that fails; those before it stay.
    pub async fn populate(&self, proxies: Vec<ProxyConfig>) -> Result<(), Refused> {
        let populated = self.registry.populate(&proxies).await;
        if let Some(keeper) = self.keeper.get() {
            keeper.changed();
        }
        let failed = proxies.get(populated.done.len());
        populated.outcome.map_err(|source| Refused {
            proxy: failed.map(|proxy| proxy.name.clone()).unwrap_or_default(),
            source,
        })
    }

    /// Serves the API until `shutdown`; then closes every listener and connection, and returns when all tasks have ended.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        let router = self.api();
        let Self {
            listener,
            keeper,
            registry,
            tasks,
            guard,
            ..
        } = self;
        let keeper = keeper.get().cloned();
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let outcome = tokio::select! {
            outcome = serving.into_future() => outcome,
            // A client that never finishes its request must not keep the server from stopping.
            () = async {
                shutdown.cancelled().await;
                // What follows empties the proxies, and must not be kept.
                if let Some(keeper) = &keeper {
                    keeper.settle().await;
                }
                tasks.shutdown.cancel();
                registry.close();
                tokio::time::sleep(LAST_REQUESTS).await;
            } => Ok(()),
        };
        drop(guard);
        registry.close();
        tasks.tracker.close();
        tasks.tracker.wait().await;
        outcome
    }
}

#[cfg(test)]
mod tests;
