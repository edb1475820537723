//! One proxy: where it listens, what it forwards to, whether it is enabled, and its toxics.
//!
//! All state is behind one mutex that is held only for work which cannot block: names are resolved before it is taken,
//! and connections learn of changes by themselves. So the API answers at once, whatever clients and upstreams do.

mod config;
mod listening;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore, watch},
    time::{Duration, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::config::Change;
pub use self::config::ProxyConfig;
use self::listening::Listening;
use super::{
    body::Fields,
    chain::Effect,
    connection::Admission,
    error::Error,
    lease::{Lease, Ttl},
    listen::{self, Address},
    pipe::Pipes,
    random::Draws,
    toxic::Stream,
    toxics::{Toxic, Toxics},
    traffic::Traffic,
};

/// What the tasks of one server share.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    pub(crate) tracker: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    /// Told whenever a time to live was set.
    pub(crate) deadlines: Arc<Notify>,
    pub(crate) timers: Arc<Semaphore>,
    pub(crate) pipes: Arc<Pipes>,
}

/// A proxy as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) listen: String,
    pub(crate) upstream: String,
    pub(crate) enabled: bool,
    pub(crate) toxics: Vec<Toxic>,
    #[serde(flatten)]
    pub(crate) lease: Lease,
}

pub(crate) struct Proxy {
    name: String,
    tasks: Tasks,
    draws: Draws,
    to_upstream: watch::Sender<Arc<[Effect]>>,
    to_client: watch::Sender<Arc<[Effect]>>,
    traffic: Arc<Traffic>,
    state: Mutex<State>,
}

struct State {
    /// The bound address while enabled and after, the spelling given before.
    listen: String,
    upstream: Arc<str>,
    /// Some while the proxy is enabled.
    listening: Option<Listening>,
    /// Cancelled to close the connections of now; replaced for those to come.
    connections: CancellationToken,
    accepted: u64,
    toxics: Toxics,
    /// Of the disabled state.
    lease: Lease,
    /// A change that arrives after the deletion must not open the port again.
    deleted: bool,
    shutdown: CancellationToken,
}

impl Proxy {
    /// A disabled proxy with its toxics; `draws` are the server's.
    pub(crate) fn new(config: &ProxyConfig, tasks: Tasks, draws: Draws) -> Arc<Self> {
        let mut toxics = Toxics::default();
        toxics.become_these(&config.toxics, Instant::now());
        let (to_upstream, to_client) = (
            watch::Sender::new(toxics.effects(Stream::Upstream)),
            watch::Sender::new(toxics.effects(Stream::Downstream)),
        );
        let state = State {
            listen: config.listen.clone(),
            upstream: config.upstream.as_str().into(),
            listening: None,
            connections: tasks.shutdown.child_token(),
            accepted: 0,
            toxics,
            lease: config.lease(),
            deleted: false,
            shutdown: tasks.shutdown.clone(),
        };
        Arc::new(Self {
            draws: draws.of(&config.name),
            name: config.name.clone(),
            tasks,
            traffic: Arc::default(),
            to_upstream,
            to_client,
            state: Mutex::new(state),
        })
    }

    pub(crate) fn view(&self) -> View {
        let state = self.lock();
        View {
            name: self.name.clone(),
            listen: state.listen.clone(),
            upstream: state.upstream.to_string(),
            enabled: state.listening.is_some(),
            toxics: state.toxics.listed(),
            lease: state.lease.clone(),
        }
    }

    /// Starts listening on `address`, which the configured listen address resolved to.
    pub(crate) fn open(self: &Arc<Self>, address: &Address) -> Result<(), Error> {
        let mut state = self.lock();
        self.open_locked(&mut state, address)
    }

    pub(crate) async fn update(self: &Arc<Self>, change: &Change) -> Result<(), Error> {
        loop {
            let (listen, enabled) = {
                let state = self.lock();
                let listen = change
                    .listen
                    .clone()
                    .unwrap_or_else(|| state.listen.clone());
                (listen, change.enabled.unwrap_or(state.listening.is_some()))
            };
            let needed = enabled || change.listen.is_some();
            let address = if needed {
                Some(listen::resolve(&listen).await?)
            } else {
                None
            };
            // The state may have changed while the name was resolved: then resolve the new one.
            if self.apply(change, address.as_ref())? {
                return Ok(());
            }
        }
    }

    /// What populating does to a proxy that differs: its addresses, its state and its toxics are those of `config`.
    pub(crate) fn replace(
        self: &Arc<Self>,
        config: &ProxyConfig,
        address: &Address,
    ) -> Result<(), Error> {
        let mut state = self.lock();
        if config.enabled {
            self.move_to(&mut state, address)?;
        } else {
            state.close();
            state.listen.clone_from(&config.listen);
        }
        state.lease = config.lease();
        state.cut_connections();
        state.upstream = config.upstream.as_str().into();
        state.accepted = 0;
        state.toxics.become_these(&config.toxics, Instant::now());
        self.publish(&state, Stream::Upstream);
        self.publish(&state, Stream::Downstream);
        self.tasks.deadlines.notify_one();
        Ok(())
    }

    /// Whether populating would replace it.
    pub(crate) fn differs(&self, config: &ProxyConfig, address: &Address) -> bool {
        let state = self.lock();
        state.listen != address.socket.to_string() || *state.upstream != *config.upstream
    }

    /// What has gone through it so far.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Closes the listener and all connections, for good.
    pub(crate) fn delete(&self) {
        self.log_traffic();
        let mut state = self.lock();
        state.deleted = true;
        state.close();
    }

    pub(crate) fn toxics(&self) -> Vec<Toxic> {
        self.lock().toxics.listed()
    }

    pub(crate) fn toxic(&self, name: &str) -> Result<Toxic, Error> {
        self.lock().toxics.find(name).cloned()
    }

    pub(crate) fn add_toxic(&self, body: &Fields) -> Result<Toxic, Error> {
        let mut state = self.lock();
        let (toxic, stream) = state.toxics.add(body, Instant::now())?;
        self.publish(&state, stream);
        self.tasks.deadlines.notify_one();
        Ok(toxic)
    }

    pub(crate) fn update_toxic(&self, name: &str, body: &Fields) -> Result<Toxic, Error> {
        let mut state = self.lock();
        let (toxic, changed) = state.toxics.update(name, body, Instant::now())?;
        if let Some(stream) = changed {
            self.publish(&state, stream);
        }
        self.tasks.deadlines.notify_one();
        Ok(toxic)
    }

    pub(crate) fn remove_toxic(&self, name: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let stream = state.toxics.remove(name)?;
        self.publish(&state, stream);
        Ok(())
    }

    pub(crate) fn clear_toxics(&self) {
        let mut state = self.lock();
        state.toxics.clear();
        self.publish(&state, Stream::Upstream);
        self.publish(&state, Stream::Downstream);
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let state = self.lock();
        let enabling = state.lease.ttl.map(Ttl::deadline);
        state
            .toxics
            .next_deadline()
            .into_iter()
            .chain(enabling)
            .min()
    }

    /// Does what times to live have run out for: deletes toxics, enables the proxy.
    pub(crate) async fn expire(self: &Arc<Self>, now: Instant) {
        let is_due = |state: &State| state.lease.ttl.is_some_and(|ttl| ttl.deadline() <= now);
        let listen = {
            let mut state = self.lock();
            if state.toxics.expire(now) {
                self.publish(&state, Stream::Upstream);
                self.publish(&state, Stream::Downstream);
            }
            if !is_due(&state) {
                return;
            }
            state.listen.clone()
        };
        let address = listen::resolve(&listen).await;
        let mut state = self.lock();
        // Somebody may have renewed it or changed the address meanwhile; the next round sees to that.
        if !is_due(&state) || state.listen != listen {
            return;
        }
        if let Err(error) = address.and_then(|address| self.open_locked(&mut state, &address)) {
            tracing::warn!(proxy = self.name, %error, "could not enable the proxy when its time was up; trying again");
            if let Some(ttl) = &mut state.lease.ttl {
                ttl.postpone(Duration::from_secs(1), Instant::now());
            }
        }
    }

    fn log_traffic(&self) {
        let traffic = self.traffic();
        let (up, down) = (traffic.of(Stream::Upstream), traffic.of(Stream::Downstream));
        tracing::debug!(
            proxy = self.name,
            connections_opened = traffic.connections_opened(),
            connections_open = traffic.connections_open(),
            upstream_received = up.received(),
            upstream_sent = up.sent(),
            downstream_received = down.received(),
            downstream_sent = down.sent(),
            "proxy deleted"
        );
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding it; if something ever does, the state is still whole between two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, state: &State, stream: Stream) {
        let sender = match stream {
            Stream::Upstream => &self.to_upstream,
            Stream::Downstream => &self.to_client,
        };
        let effects = state.toxics.effects(stream);
        sender.send_if_modified(|current| {
            let modified = **current != *effects;
            *current = effects;
            modified
        });
    }

    /// False where `address` no longer fits the state, because of a change in between.
    fn apply(self: &Arc<Self>, change: &Change, address: Option<&Address>) -> Result<bool, Error> {
        let mut state = self.lock();
        let was_enabled = state.listening.is_some();
        let enabled = change.enabled.unwrap_or(was_enabled);
        let stale = match address {
            None => enabled,
            Some(address) => change.listen.is_none() && address.given != state.listen,
        };
        if stale {
            return Ok(false);
        }
        if state.deleted {
            return Err(Error::ProxyNotFound);
        }
        let upstream: Arc<str> = change
            .upstream
            .as_deref()
            .map_or_else(|| Arc::clone(&state.upstream), Into::into);
        let moves = address.is_some_and(|address| address.socket.to_string() != state.listen);
        if let Some(address) = address.filter(|_| enabled) {
            if moves || !was_enabled {
                self.move_to(&mut state, address)?;
            }
            if was_enabled && (moves || upstream != state.upstream) {
                state.cut_connections();
            }
        } else {
            state.hold(change)?;
            if let Some(address) = address.filter(|_| moves) {
                state.listen.clone_from(&address.given);
            }
            self.tasks.deadlines.notify_one();
        }
        state.upstream = upstream;
        Ok(true)
    }

    fn open_locked(self: &Arc<Self>, state: &mut State, address: &Address) -> Result<(), Error> {
        self.refuse_when_over(state)?;
        let listener = listen::bind(address)?;
        self.listen_on(state, listener, address);
        Ok(())
    }

    /// Listens on `address` instead of where it does now, if it does. A failure leaves everything as it was.
    fn move_to(self: &Arc<Self>, state: &mut State, address: &Address) -> Result<(), Error> {
        self.refuse_when_over(state)?;
        let unmoved = state
            .listening
            .as_ref()
            .is_some_and(|listening| listening.local == address.socket);
        if unmoved {
            return Ok(());
        }
        let refused = match listen::bind(address) {
            Ok(listener) => {
                self.listen_on(state, listener, address);
                return Ok(());
            }
            Err(refused) => refused,
        };
        // What is in the way may be our own listener, as between one interface and all of them.
        let Some(current) = state
            .listening
            .take_if(|current| current.local.port() == address.socket.port())
        else {
            return Err(refused);
        };
        let before = current.address.clone();
        current.close();
        match listen::bind(address) {
            Ok(listener) => {
                self.listen_on(state, listener, address);
                Ok(())
            }
            Err(refused) => {
                match listen::bind(&before) {
                    Ok(restored) => self.listen_on(state, restored, &before),
                    // Somebody took the port in that instant: without it the proxy is disabled, and says so.
                    Err(_) => state.close(),
                }
                Err(refused)
            }
        }
    }

    fn listen_on(self: &Arc<Self>, state: &mut State, listener: TcpListener, address: &Address) {
        if let Some(previous) = state.listening.take() {
            previous.close();
        }
        let listening = Listening::start(listener, address, Arc::clone(self), &self.tasks);
        state.listen = listening.local.to_string();
        state.listening = Some(listening);
        state.lease = Lease::default();
    }

    fn refuse_when_over(&self, state: &State) -> Result<(), Error> {
        if state.deleted {
            Err(Error::ProxyNotFound)
        } else if self.tasks.shutdown.is_cancelled() {
            Err(Error::Listen("the server is shutting down".to_owned()))
        } else {
            Ok(())
        }
    }

    /// What a client accepted on `listening` needs; none if the proxy has stopped listening there since.
    fn admit(&self, listening: &CancellationToken) -> Option<Admission> {
        let mut state = self.lock();
        if listening.is_cancelled() {
            return None;
        }
        let index = state.accepted;
        state.accepted += 1;
        Some(Admission {
            upstream: Arc::clone(&state.upstream),
            closed: state.connections.clone(),
            draws: self.draws.numbered(index),
            to_upstream: self.to_upstream.subscribe(),
            to_client: self.to_client.subscribe(),
            timers: Arc::clone(&self.tasks.timers),
            pipes: Arc::clone(&self.tasks.pipes),
            traffic: self.traffic.open(),
        })
    }
}

impl State {
    /// Stays or becomes disabled, by whoever asks for it.
    fn hold(&mut self, change: &Change) -> Result<(), Error> {
        let asked = change.term.begin(Instant::now());
        if self.listening.is_some() {
            self.close();
            self.lease = asked;
            return Ok(());
        }
        if asked.owner.is_some() && asked.owner != self.lease.owner {
            return Err(Error::DisabledByAnother);
        }
        if asked.ttl.is_some() {
            self.lease.ttl = asked.ttl;
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.close();
        }
        self.cut_connections();
        self.lease = Lease::default();
    }

    fn cut_connections(&mut self) {
        let next = self.shutdown.child_token();
        std::mem::replace(&mut self.connections, next).cancel();
    }
}
