//! A server with a library of its own and one run that goes on, a fault on: what loads are measured beside.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::child::{Background, FIREDRILL};
use crate::fixture::Folder;
use crate::stopwatch::Stopwatch;
use crate::web;

/// The server's configuration, where there is one.
const CONFIGURATION: &str = "config.yaml";

/// How often each probe is asked.
pub(crate) const PROBED_EVERY: Duration = Duration::from_millis(200);

pub(crate) const STACK: &str = r#"kind: Stack
name: measured
environment: staging
identity: [{upstreams: {within: ["127.0.0.0/8"]}}]
toxiproxy: {embedded: true}
services: {shop: {tier: customer}, stock: {tier: books}}
links: [{from: shop, to: stock, proxy: shop-stock, listen: "LISTEN", upstream: "UPSTREAM"}]
probes:
  shop: {tcp: {address: "LISTEN"}, expect: {within: 1s}, every: 200ms, impact: true}
  stock: {tcp: {address: "UPSTREAM"}, expect: {within: 1s}, every: 200ms}
"#;

pub(crate) fn experiment(name: &str, lasts: &str) -> String {
    format!(
        "kind: Experiment\nname: {name}\nstack: measured\nhypothesis: It is borne.\nsteady_state: [{{probe: shop}}, {{probe: stock}}]\n\
         method:\n  - latency: {{id: slow, link: shop -> stock, latency: 20ms, for: {lasts}}}\n\
         recovery: {{within: 10s, stable_for: 200ms}}\n"
    )
}

/// The server, and what it serves.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// The run that goes on.
    pub(crate) live: String,
    server: Background,
    folder: Folder,
}

impl Site {
    /// Serves, with this configuration, and starts the run.
    pub(crate) fn open(configuration: &str) -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let upstream = TcpListener::bind("127.0.0.1:0")?;
        let to = upstream.local_addr()?;
        thread::spawn(move || upstream.incoming().flatten().for_each(drop));
        // Taken and let go: the embedded proxy listens there.
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let library = folder.path().join("library");
        std::fs::create_dir_all(&library)?;
        std::fs::write(folder.path().join(CONFIGURATION), configuration)?;
        let stack = STACK
            .replace("LISTEN", &listen.to_string())
            .replace("UPSTREAM", &to.to_string());
        for (name, text) in [
            ("stack.yaml", stack),
            ("short.yaml", experiment("short", "300ms")),
            ("long.yaml", experiment("long", "5m")),
        ] {
            std::fs::write(library.join(name), text)?;
        }
        let (server, address) = start(&folder)?;
        until(address, "/readyz", |_| true)?;
        let mut site = Self {
            address,
            live: String::new(),
            server,
            folder,
        };
        site.live = begin(address, "experiment", "long")?;
        let log = format!("/api/v1/runs/{}/events", site.live);
        until(address, &log, |log| {
            let events = log["events"].as_array();
            events.is_some_and(|events| events.iter().any(|event| event["type"] == "active"))
        })?;
        Ok(site)
    }

    /// Runs an experiment to its end; answers with the run's id.
    pub(crate) fn run(&self, experiment: &str) -> anyhow::Result<String> {
        let run = begin(self.address, "experiment", experiment)?;
        until(self.address, &format!("/api/v1/runs/{run}"), |run| {
            run["live"] == json!(false) && run["status"].is_null()
        })?;
        Ok(run)
    }

    /// The run that goes on has to go on still.
    pub(crate) fn still_lives(&self) -> anyhow::Result<()> {
        let still = web::get(self.address, &format!("/api/v1/runs/{}", self.live))?;
        let still: Value = serde_json::from_str(&still.body)?;
        ensure!(still["live"] == json!(true), "the run ended meanwhile");
        Ok(())
    }

    /// Kills the server; answers with its folder and where its data is.
    pub(crate) fn crash(self) -> anyhow::Result<(Folder, PathBuf)> {
        self.server.crash()?;
        let data = self.folder.path().join("data");
        Ok((self.folder, data))
    }
}

pub(crate) fn start(folder: &Folder) -> anyhow::Result<(Background, SocketAddr)> {
    let mut command = Command::new(FIREDRILL);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--library", "library"])
        .arg("--data")
        .arg(folder.path().join("data"))
        .current_dir(folder.path());
    if folder.path().join(CONFIGURATION).exists() {
        command.args(["--config", CONFIGURATION]);
    }
    Background::start_until(&mut command, |line| {
        let (_, rest) = line.split_once("http://")?;
        rest.split([';', ' ', '/']).next()?.parse().ok()
    })
}

pub(crate) fn begin(address: SocketAddr, kind: &str, name: &str) -> anyhow::Result<String> {
    let body = json!({kind: name}).to_string();
    let reply = web::send(address, "POST", "/api/v1/runs", &body)?;
    ensure!(reply.status == 201, "{}: {}", reply.status, reply.body);
    let started: Value = serde_json::from_str(&reply.body)?;
    let id = started["id"].as_str().context("no id")?;
    Ok(id.to_owned())
}

pub(crate) fn until(
    address: SocketAddr,
    path: &str,
    is: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    loop {
        let reply = web::get(address, path)?;
        let said = serde_json::from_str(&reply.body).unwrap_or_default();
        if reply.status == 200 && is(&said) {
            return Ok(());
        }
        ensure!(watch.seconds() < 60.0, "{path} stays as {}", reply.body);
        thread::sleep(Duration::from_millis(50));
    }
}
