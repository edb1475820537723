//! A shop with a firedrill server before it, whose library holds what is written for it; and a relay that cuts.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::firedrill::{Firedrill, Started};
use crate::ground::until;
use crate::http;
use crate::shop::{Experiment, Shop};

/// A shop and its server.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) shop: Shop,
    pub(crate) server: Started,
    pub(crate) address: SocketAddr,
    /// The server's own data folder.
    pub(crate) owner: Firedrill,
}

impl Served {
    pub(crate) fn open() -> Self {
        let shop = Shop::open();
        let address = SocketAddr::new(shop.host, 8700);
        let owner = shop.firedrill.with_data(shop.folder.path().join("server"));
        // A library is read from the folders that are there.
        shop.folder.write("experiments/.keep", "");
        let server = serve(&owner, address);
        let served = Self {
            shop,
            server,
            address,
            owner,
        };
        served.wait_until_ready();
        served
    }

    /// The same on the same data folder, after the former server is gone.
    pub(crate) fn serve_again(&mut self) {
        self.server = serve(&self.owner, self.address);
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        until("the server is ready", Duration::from_secs(30), || {
            http::send(self.address, "GET", "/readyz", "")
                .ok()
                .filter(|answer| answer.status() == 200)
        });
    }

    /// Writes an experiment into the library, and answers with its file.
    pub(crate) fn experiment(&self, experiment: &Experiment) -> String {
        let file = format!("experiments/{}.yaml", experiment.name);
        self.shop.folder.write(&file, &experiment.yaml());
        file
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn runs(&self) -> Vec<Value> {
        let answer = http::send(self.address, "GET", "/api/v1/runs", "").expect("an answer");
        answer.json()["runs"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// Starts an experiment of the library from here, by way of `url`, and waits until its fault is on.
    pub(crate) fn start(&self, experiment: &Experiment, url: &str, more: &[&str]) -> Started {
        let file = self.experiment(experiment);
        let line = ["run", &file, "--server", url];
        let mut started = self.shop.firedrill.start(line.iter().chain(more));
        started.wait_for(crate::shop::IS_ON);
        started
    }
}

fn serve(owner: &Firedrill, address: SocketAddr) -> Started {
    let mut server = owner.start(["serve", "--listen", &address.to_string()]);
    server.wait_for("firedrill serves");
    server
}

/// Carries connections, until it is told to cut them.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    refuses: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    pub(crate) fn before(host: IpAddr, to: SocketAddr) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(to);
                if own.refuses.load(Ordering::SeqCst) {
                    continue;
                }
                if let Ok(server) = server {
                    let _ = own.carry(client, server);
                }
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection, and lets none through until it is mended.
    pub(crate) fn cut(&self) {
        self.shared.refuses.store(true, Ordering::SeqCst);
        let mut open = self.shared.lock();
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        self.shared.refuses.store(false, Ordering::SeqCst);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry(&self, client: TcpStream, server: TcpStream) -> io::Result<()> {
        self.lock()
            .extend([client.try_clone()?, server.try_clone()?]);
        for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
            thread::spawn(move || copy(from, to));
        }
        Ok(())
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
