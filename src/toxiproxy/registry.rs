//! All proxies of one server, by name, and the task that ends what was set for a time only.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::{Instant, sleep_until};

use super::{
    error::Error,
    lease::Term,
    listen,
    proxy::{Change, Proxy, ProxyConfig, Tasks, View},
    random::Draws,
};

/// How soon a restored proxy whose port was taken is tried again, in milliseconds.
const RETRY_MS: u64 = 1000;

pub(crate) struct Registry {
    proxies: Mutex<BTreeMap<String, Arc<Proxy>>>,
    tasks: Tasks,
    draws: Draws,
}

/// How far populating came. The proxies done stay, whatever failed after them: the one after the last of them.
pub(crate) struct Populated {
    pub(crate) done: Vec<View>,
    pub(crate) outcome: Result<(), Error>,
}

impl Registry {
    pub(crate) fn new(tasks: Tasks, draws: Draws) -> Self {
        Self {
            proxies: Mutex::default(),
            tasks,
            draws,
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Proxy>> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn views(&self) -> BTreeMap<String, View> {
        let proxies = self.lock();
        proxies
            .iter()
            .map(|(name, proxy)| (name.clone(), proxy.view()))
            .collect()
    }

    /// In the order of their names.
    pub(crate) fn listed(&self) -> Vec<View> {
        self.views().into_values().collect()
    }

    /// Tasks of the server: those that keep it, one for each open port, one for each connection.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.tracker.len()
    }

    pub(crate) fn find(&self, name: &str) -> Result<Arc<Proxy>, Error> {
        self.lock().get(name).cloned().ok_or(Error::ProxyNotFound)
    }

    pub(crate) async fn create(&self, config: &ProxyConfig) -> Result<Arc<Proxy>, Error> {
        if self.find(&config.name).is_ok() {
            return Err(Error::ProxyExists);
        }
        let address = if config.enabled {
            Some(self.resolve(config).await?)
        } else {
            None
        };
        let mut proxies = self.lock();
        if proxies.contains_key(&config.name) {
            return Err(Error::ProxyExists);
        }
        let proxy = Proxy::new(config, self.tasks.clone(), self.draws);
        if let Some(address) = &address {
            proxy.open(address)?;
        }
        proxies.insert(config.name.clone(), Arc::clone(&proxy));
        self.tasks.deadlines.notify_one();
        Ok(proxy)
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        let proxy = self.lock().remove(name).ok_or(Error::ProxyNotFound)?;
        proxy.delete();
        Ok(())
    }

    /// Creates what is missing and replaces what differs, in order, up to the first failure. A proxy that has these
    /// addresses already is left alone, its toxics and whether it is enabled included.
    pub(crate) async fn populate(&self, configs: &[ProxyConfig]) -> Populated {
        let mut done = Vec::new();
        for config in configs {
            match self.ensure(config).await {
                Ok(proxy) => done.push(proxy.view()),
                Err(error) => {
                    return Populated {
                        done,
                        outcome: Err(error),
                    };
                }
            }
        }
        Populated {
            done,
            outcome: Ok(()),
        }
    }

    /// Brings back what a state file held. A proxy whose port is taken now begins disabled and listens when it can.
    pub(crate) async fn restore(&self, configs: Vec<ProxyConfig>) -> Result<(), Error> {
        for mut config in configs {
            match self.create(&config).await {
                Err(error @ Error::Listen(_)) if config.enabled => {
                    tracing::warn!(proxy = config.name, %error, "could not listen where it did; disabled until it can");
                    config.enabled = false;
                    config.term = Term::brief(RETRY_MS);
                    self.create(&config).await?;
                }
                created => {
                    created?;
                }
            }
        }
        Ok(())
    }

    /// Enables every proxy and deletes all toxics. One that cannot be enabled doesn't keep the others from it; the first
    /// such failure is returned.
    pub(crate) async fn reset(&self) -> Result<(), Error> {
        let mut outcome = Ok(());
        for proxy in self.all() {
            proxy.clear_toxics();
            let enabled = match proxy.update(&Change::enable()).await {
                // Deleted meanwhile.
                Err(Error::ProxyNotFound) => Ok(()),
                enabled => enabled,
            };
            outcome = outcome.and(enabled);
        }
        outcome
    }

    pub(crate) fn close(&self) {
        for proxy in self.all() {
            proxy.delete();
        }
    }

    /// Runs until the shutdown: ends whatever has outlived its time, which nobody needs to be there for. `ended` hears
    /// of it.
    pub(crate) async fn keep_deadlines(self: Arc<Self>, ended: impl Fn() + Send) {
        loop {
            let next = self
                .all()
                .iter()
                .filter_map(|proxy| proxy.next_deadline())
                .min();
            // Cancel safe: a notification that comes while we look is kept by `Notify`.
            tokio::select! {
                () = self.tasks.shutdown.cancelled() => return,
                () = self.tasks.deadlines.notified() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    for proxy in self.all() {
                        proxy.expire(Instant::now()).await;
                    }
                    ended();
                }
            }
        }
    }

    async fn ensure(&self, config: &ProxyConfig) -> Result<Arc<Proxy>, Error> {
        let Ok(existing) = self.find(&config.name) else {
            return self.create(config).await;
        };
        let address = self.resolve(config).await?;
        if existing.differs(config, &address) {
            existing.replace(config, &address)?;
        }
        Ok(existing)
    }

    async fn resolve(&self, config: &ProxyConfig) -> Result<listen::Address, Error> {
        listen::resolve(&config.listen)
            .await
            .map_err(|error| Error::Listen(format!("listen tcp: {error}")))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Proxy>>> {
        // Every change to the map is a single call, so it is whole even after a panic.
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
