//! `reads`: the API under a steady load of reads while a drill-like run has a fault on, its clients on the same machine.
//!
//! The load is open: requests are due on a grid, whatever the server takes, and a time counts from when its request was
//! due. So a server that stalls is not asked less, and its stall is in the figures of all that had to wait.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::child::{Background, FIREDRILL};
use crate::fixture::Folder;
use crate::samples::{Samples, count, figure};
use crate::stopwatch::Stopwatch;
use crate::table::Table;
use crate::web;

/// Reads due each second, over so many connections, for so long.
const RATE: u32 = 1000;
const CONNECTIONS: u32 = 20;
const LASTS: Duration = Duration::from_secs(20);

/// Runs that are over before the load begins, so that lists have rows and reports something to tell.
const FINISHED: usize = 3;

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

pub(crate) fn measure() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let upstream = TcpListener::bind("127.0.0.1:0")?;
    let to = upstream.local_addr()?;
    thread::spawn(move || upstream.incoming().flatten().for_each(drop));
    // Taken and let go: the embedded proxy listens there.
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let library = folder.path().join("library");
    std::fs::create_dir_all(&library)?;
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
    let (_server, address) = start(&folder)?;
    until(address, "/readyz", |_| true)?;
    let mut finished = String::new();
    for _ in 0..FINISHED {
        finished = begin(address, "experiment", "short")?;
        until(address, &format!("/api/v1/runs/{finished}"), |run| {
            run["live"] == json!(false) && run["status"].is_null()
        })?;
    }
    let live = begin(address, "experiment", "long")?;
    until(address, &format!("/api/v1/runs/{live}/events"), |log| {
        let events = log["events"].as_array();
        events.is_some_and(|events| events.iter().any(|event| event["type"] == "active"))
    })?;
    let reads = [
        "/api/v1/runs".to_owned(),
        format!("/api/v1/runs/{live}"),
        format!("/api/v1/runs/{live}/events?limit=50"),
        format!("/api/v1/runs/{finished}"),
        format!("/api/v1/runs/{finished}/scorecard"),
        "/api/v1/experiments".to_owned(),
        "/api/v1/halt".to_owned(),
    ];
    let watch = Stopwatch::start();
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|index| {
            let reads = reads.clone();
            thread::spawn(move || load(address, index, &reads))
        })
        .collect();
    let mut all: Vec<Samples> = reads.iter().map(|_| Samples::default()).collect();
    for thread in threads {
        let times = thread.join().ok().context("a client died")??;
        for (samples, times) in all.iter_mut().zip(times) {
            samples.extend(times);
        }
    }
    let seconds = watch.seconds();
    let still = web::get(address, &format!("/api/v1/runs/{live}"))?;
    let still: Value = serde_json::from_str(&still.body)?;
    ensure!(still["live"] == json!(true), "the run ended meanwhile");
    print(&reads, &all, seconds);
    Ok(())
}

fn print(reads: &[String], all: &[Samples], seconds: f64) {
    let mut table = Table::new(
        "reads: the API while a fault is on",
        ["", "median, ms", "p99, ms", "greatest, ms"],
    );
    let mut together = Samples::default();
    for (path, samples) in reads.iter().zip(all) {
        let shown: Vec<&str> = path
            .split('/')
            .map(|part| {
                if part.starts_with("20") {
                    "{run}"
                } else {
                    part
                }
            })
            .collect();
        table.row(row(&shown.join("/"), samples));
        together.extend(samples.iter());
    }
    table.row(row("all", &together));
    table.note(format!(
        "{} reads in {} s, {} a second, over {CONNECTIONS} connections; the bar is {RATE} a second with p99 under 20 ms",
        together.len(),
        figure(seconds),
        figure(count(together.len()) / seconds),
    ));
    table.print();
}

fn row(name: &str, samples: &Samples) -> [String; 4] {
    let at = |share| figure(samples.quantile(share));
    [name.to_owned(), at(0.5), at(0.99), at(1.0)]
}

/// One connection's share of the load. Answers with the times of each read.
fn load(address: SocketAddr, index: u32, reads: &[String]) -> anyhow::Result<Vec<Vec<f64>>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut times = vec![Vec::new(); reads.len()];
    let every = Duration::from_secs(1) * CONNECTIONS / RATE;
    // Connections take turns on the grid.
    let first = Duration::from_secs(1) * index / RATE;
    let watch = Stopwatch::start();
    for turn in 0_u32.. {
        let due = first + every * turn;
        if due >= LASTS {
            break;
        }
        thread::sleep(due.saturating_sub(watch.elapsed()));
        let which = (turn + index) as usize % reads.len();
        write!(
            writer,
            "GET {} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\n\r\n",
            reads[which]
        )?;
        answered(&mut reader).with_context(|| reads[which].clone())?;
        times[which].push(watch.elapsed().saturating_sub(due).as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// Reads one whole answer, which must be a good one.
fn answered(reader: &mut BufReader<TcpStream>) -> anyhow::Result<()> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200"), "answered with {line:?}");
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let lower = line.trim().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(())
}

pub(crate) fn start(folder: &Folder) -> anyhow::Result<(Background, SocketAddr)> {
    let mut command = Command::new(FIREDRILL);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--library", "library"])
        .arg("--data")
        .arg(folder.path().join("data"))
        .current_dir(folder.path());
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
