//! A service that stands in for a real one: it is well or not as told, holds a version that hooks change, and remembers
//! every request.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use crate::http::{self, Message};

/// The version it begins with.
pub(crate) const FIRST_VERSION: u64 = 41;

#[derive(Debug)]
pub(crate) struct StandIn {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    gone: AtomicBool,
    well: AtomicBool,
    version: Mutex<u64>,
    requests: Mutex<Vec<String>>,
}

impl StandIn {
    pub(crate) fn listen(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("the address is this test's own");
        let state = Arc::new(State {
            gone: AtomicBool::new(false),
            well: AtomicBool::new(true),
            version: Mutex::new(FIRST_VERSION),
            requests: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.gone.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // A client that goes away is its own affair.
                thread::spawn(move || stream.and_then(|stream| shared.serve(stream)));
            }
        });
        Self { address, state }
    }

    /// Whether `/health` says that all is well.
    pub(crate) fn be_well(&self, well: bool) {
        self.state.well.store(well, Ordering::SeqCst);
    }

    pub(crate) fn version(&self) -> u64 {
        *lock(&self.state.version)
    }

    /// Every request so far, as `METHOD /path`.
    pub(crate) fn requests(&self) -> Vec<String> {
        lock(&self.state.requests).clone()
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let request = Message::read(&stream)?;
        let line = request.first.trim_end_matches(" HTTP/1.1").to_owned();
        if line.is_empty() {
            return Ok(());
        }
        lock(&self.requests).push(line.clone());
        let (status, body) = match line.as_str() {
            "GET /health" if self.well.load(Ordering::SeqCst) => (200, r#"{"well": true}"#.into()),
            "GET /health" => (503, r#"{"well": false}"#.into()),
            "GET /version" => (200, format!(r#"{{"version": {}}}"#, lock(&self.version))),
            "POST /version" => match request.json()["version"].as_u64() {
                Some(version) => {
                    *lock(&self.version) = version;
                    (200, Value::from(version).to_string())
                }
                None => (400, "{}".into()),
            },
            _ => (404, "{}".into()),
        };
        http::answer(&mut stream, status, &body)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.state.gone.store(true, Ordering::SeqCst);
        // Wakes the listener, so that its thread and port go.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
