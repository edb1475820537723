//! `followers`: many browsers on one live drill. How long it takes from an act being sent until each of them has been told
//! that something happened; and, beside it, what their pages cost: the room is fetched again by whoever was told.
//!
//! Every follower is a connection of its own on this machine, so what is measured includes their reading it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::fixture::Folder;
use crate::samples::{Samples, figure};
use crate::site::{STACK, begin, experiment, start, until};
use crate::stopwatch::Stopwatch;
use crate::table::Table;
use crate::web;

const FOLLOWERS: usize = 500;

/// Acts that are told, and the pause between two.
const ACTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// How long one may take to reach everybody.
const BAR_MS: f64 = 250.0;

/// Rooms fetched one after the other.
const PAGES: usize = 100;

const DRILL: &str = "kind: Drill\nname: long-drill\nexperiment: long\nrunbook: slow\nteam: crew\nseverity: SEV3\n\
    brief: Nothing much.\ndetection: [human]\npass: {outcome: 80, observed: 75}\n";
const TEAM: &str = "kind: Team\nname: crew\nmembers: [ada]\n";
const RUNBOOK: &str = "---\nkind: Runbook\nname: slow\nclass: availability\nexpect:\n\
    \x20 - {id: ack, event: acknowledged, by: human, within: 1m, from: paged}\n---\n## Look\n\nAround.\n";

/// Told to a follower: which event, and when, by the follower's clock.
type News = (u64, f64);

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
        ("long.yaml", experiment("long", "5m")),
        ("drill.yaml", DRILL.to_owned()),
        ("team.yaml", TEAM.to_owned()),
        ("slow.md", RUNBOOK.to_owned()),
    ] {
        std::fs::write(library.join(name), text)?;
    }
    let (_server, address) = start(&folder)?;
    until(address, "/readyz", |_| true)?;
    let run = begin(address, "drill", "long-drill")?;
    let log = format!("/api/v1/runs/{run}/events");
    until(address, &log, |log| {
        let events = log["events"].as_array();
        events.is_some_and(|events| events.iter().any(|event| event["type"] == "active"))
    })?;

    let watch = Stopwatch::start();
    let (told, news) = channel();
    let seen = web::get(address, &log)?;
    let seen: Value = serde_json::from_str(&seen.body)?;
    let after = seen["events"]
        .as_array()
        .and_then(|events| events.last()?["seq"].as_u64())
        .context("a log")?;
    let path = format!("/runs/{run}/changes?after={after}");
    for _ in 0..FOLLOWERS {
        follow(address, &path, watch, told.clone())?;
    }
    drop(told);
    thread::sleep(Duration::from_secs(2));
    let mut reached = Samples::default();
    let mut answered = Samples::default();
    for _ in 0..ACTS {
        let sent = watch.milliseconds();
        let body = json!({"type": "noted", "text": "Look here.", "actor": "ada"}).to_string();
        let reply = web::send(address, "POST", &log, &body)?;
        ensure!(reply.status == 201, "{}: {}", reply.status, reply.body);
        answered.push(watch.milliseconds() - sent);
        let taken: Value = serde_json::from_str(&reply.body)?;
        let seq = taken["seq"].as_u64().context("a sequence")?;
        reached.push(last(&news, seq)? - sent);
        thread::sleep(PAUSE);
    }
    let mut pages = Samples::default();
    for _ in 0..PAGES {
        let asked = watch.milliseconds();
        let page = web::get(address, &format!("/runs/{run}"))?;
        ensure!(
            page.status == 200,
            "the room was answered with {}",
            page.status
        );
        pages.push(watch.milliseconds() - asked);
    }
    let mut table = Table::new(
        format!("followers: {FOLLOWERS} of one live drill"),
        ["", "median, ms", "greatest, ms", "bar, ms"],
    );
    let row = |what: &str, samples: &Samples, bar: String| {
        let at = |share| figure(samples.quantile(share));
        [what.to_owned(), at(0.5), at(1.0), bar]
    };
    table.row(row(
        "an act is on disk and answered",
        &answered,
        "–".to_owned(),
    ));
    table.row(row(
        "it has reached every follower",
        &reached,
        figure(BAR_MS),
    ));
    table.row(row("one room page, asked alone", &pages, "50".to_owned()));
    table.note(format!(
        "{ACTS} acts, {} ms apart; each follower is a connection of its own, read on this machine",
        PAUSE.as_millis()
    ));
    table.print();
    Ok(())
}

/// When the last follower was told of this event.
fn last(news: &Receiver<News>, seq: u64) -> anyhow::Result<f64> {
    let mut latest = 0.0_f64;
    let mut reached = 0;
    while reached < FOLLOWERS {
        let (which, at) = news
            .recv_timeout(Duration::from_secs(10))
            .with_context(|| format!("{reached} of {FOLLOWERS} were told of event {seq}"))?;
        // What the run itself does meanwhile is told, too.
        if which == seq {
            reached += 1;
            latest = latest.max(at);
        }
    }
    Ok(latest)
}

/// Follows on a connection and a thread of its own.
fn follow(
    address: SocketAddr,
    path: &str,
    watch: Stopwatch,
    told: Sender<News>,
) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n"
    )?;
    thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let id = line
                    .strip_prefix("id:")
                    .or_else(|| line.strip_prefix("id: "));
                if let Some(seq) = id.and_then(|id| id.trim().parse().ok())
                    && told.send((seq, watch.milliseconds())).is_err()
                {
                    return;
                }
            }
        })?;
    Ok(())
}
