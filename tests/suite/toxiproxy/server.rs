//! A server to talk to: `firedrill toxiproxy serve` in a process of its own, or whatever `TOXIPROXY_URL` names.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use crate::firedrill::{Firedrill, Started};
use crate::ground::Folder;
use crate::http::{self, Message};

/// `firedrill toxiproxy serve`, ended when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) api: SocketAddr,
    pub(super) process: Started,
    pub(super) folder: Folder,
}

impl Server {
    /// On a port of its own.
    pub(super) fn start<const N: usize>(options: [&str; N]) -> Self {
        Self::within(Folder::new(), options)
    }

    /// In a folder, to which paths among the options are relative.
    pub(super) fn within<const N: usize>(folder: Folder, options: [&str; N]) -> Self {
        let firedrill = Firedrill::within(folder.path());
        let process = firedrill.start(
            ["toxiproxy", "serve", "--port", "0"]
                .into_iter()
                .chain(options),
        );
        Self::serving(folder, process)
    }

    /// A process that has just been started.
    pub(super) fn serving(folder: Folder, mut process: Started) -> Self {
        process.wait_for("API on http://");
        let told = process.told();
        let (_, after) = told.split_once("API on http://").expect("it was told");
        let api = after.split_whitespace().next().expect("an address");
        Self {
            api: api.parse().expect("an address"),
            process,
            folder,
        }
    }

    pub(super) fn call(&self, method: &str, path: &str, body: &str) -> Message {
        http::send(self.api, method, path, body).expect("the server answers")
    }

    /// As `call`, for what the test takes for granted.
    pub(super) fn ok(&self, method: &str, path: &str, body: &str) -> Message {
        let answer = self.call(method, path, body);
        assert!(
            (200..300).contains(&answer.status()),
            "{method} {path} {body}: {answer:?}"
        );
        answer
    }

    /// Kills it as a crash would; answers with its folder.
    pub(super) fn crash(self) -> Folder {
        self.process.crash();
        self.folder
    }

    /// What the kernel says of it under `/proc`.
    pub(super) fn kernel(&self, file: &str) -> std::path::PathBuf {
        Path::new("/proc")
            .join(self.process.id().to_string())
            .join(file)
    }
}

/// The server at `TOXIPROXY_URL`, if any.
pub(super) fn other() -> Option<SocketAddr> {
    let url = std::env::var("TOXIPROXY_URL").ok()?;
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let api = address
        .to_socket_addrs()
        .expect("TOXIPROXY_URL is http://host:port")
        .next()
        .expect("TOXIPROXY_URL leads somewhere");
    TcpStream::connect_timeout(&api, Duration::from_secs(5))
        .expect("a server answers at TOXIPROXY_URL");
    Some(api)
}
