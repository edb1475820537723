//! `signals`: a flood of alerts while a run has a fault on: how soon each message is answered, whether all of them are on
//! disk when the server is killed, and whether the run's probes are still asked on time.
//!
//! The load is open, as that of `reads`: a time counts from when its message was due.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use firedrill::store::database::Database;
use firedrill::store::signals::Which;
use serde_json::{Value, json};

use crate::samples::{Samples, count, figure};
use crate::site::{PROBED_EVERY, Site};
use crate::stopwatch::Stopwatch;
use crate::table::Table;
use crate::web::{self, answered};

/// Signals due each second, so many in a message, over so many connections, for so long.
const RATE: u32 = 5_000;
const TOGETHER: u32 = 10;
const CONNECTIONS: u32 = 20;
const LASTS: Duration = Duration::from_secs(20);

/// One message in so many is sent a second time, as senders do that saw no answer.
const REPEATED: u32 = 10;

const TOKEN: &str = "measured-0123456789";

/// What one connection sent and saw.
#[derive(Debug, Default)]
struct Sent {
    times: Vec<f64>,
    signals: u32,
    repeats: u32,
    told_repeated: u64,
}

pub(crate) fn measure() -> anyhow::Result<()> {
    let site = Site::open(&format!("tokens: {{alertmanager: {TOKEN}}}\n"))?;
    let address = site.address;
    let watch = Stopwatch::start();
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|index| thread::spawn(move || flood(address, index)))
        .collect();
    let (mut times, mut sent) = (Samples::default(), Sent::default());
    for thread in threads {
        let one = thread.join().ok().context("a client died")??;
        times.extend(one.times);
        sent.signals += one.signals;
        sent.repeats += one.repeats;
        sent.told_repeated += one.told_repeated;
    }
    let seconds = watch.seconds();
    // The summary of the last ten seconds is written within the next ten.
    thread::sleep(Duration::from_secs(11));
    site.still_lives()?;
    let asked = asked(address, &site.live)?;
    let (_folder, data) = site.crash()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let kept = runtime.block_on(async {
        let database = Database::open(&data).await?;
        let kept = database.signals(Which::All, None, u32::MAX).await?;
        anyhow::Ok(kept.len())
    })?;
    ensure!(
        u32::try_from(kept)? == sent.signals,
        "{} were answered, and {kept} are on disk",
        sent.signals
    );
    ensure!(
        sent.told_repeated == u64::from(sent.repeats),
        "{} were sent again, and {} known again",
        sent.repeats,
        sent.told_repeated
    );
    print(&times, &sent, seconds, &asked);
    Ok(())
}

fn print(times: &Samples, sent: &Sent, seconds: f64, asked: &[u64]) {
    let mut table = Table::new(
        "signals: a flood of alerts while a fault is on",
        ["", "median, ms", "p99, ms", "greatest, ms"],
    );
    let at = |share| figure(times.quantile(share));
    let name = format!("a message of {TOGETHER} alerts");
    table.row([name, at(0.5), at(0.99), at(1.0)]);
    let all = sent.signals + sent.repeats;
    table.note(format!(
        "{all} signals in {} s, {} a second, {} of them sent again and known again; after SIGKILL all {} are on disk; the \
         bar is {RATE} a second for {} s with p99 under 50 ms",
        figure(seconds),
        figure(f64::from(all) / seconds),
        sent.repeats,
        sent.signals,
        LASTS.as_secs(),
    ));
    let due = Duration::from_secs(10).as_secs_f64() / PROBED_EVERY.as_secs_f64();
    let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
    table.note(format!(
        "the run's impact probe was asked {} times in ten seconds each, {} are due; the bar is one less at the most",
        asked.join(", "),
        figure(due),
    ));
    table.print();
}

/// How often the impact probe was asked in each whole ten seconds of its log.
fn asked(address: SocketAddr, run: &str) -> anyhow::Result<Vec<u64>> {
    let reply = web::get(address, &format!("/api/v1/runs/{run}/events?limit=1000"))?;
    let log: Value = serde_json::from_str(&reply.body)?;
    let events = log["events"].as_array().context("no events")?;
    let samples: Vec<u64> = events
        .iter()
        .filter(|event| event["type"] == "probe_summary" && event["fact"]["probe"] == "shop")
        .map(|event| {
            ["passed", "failed", "unknown"]
                .iter()
                .filter_map(|key| event["fact"][key].as_u64())
                .sum()
        })
        // The first ends where the fault came on.
        .skip(1)
        .collect();
    ensure!(!samples.is_empty(), "the log sums up no samples");
    Ok(samples)
}

/// One connection's share of the load.
fn flood(address: SocketAddr, index: u32) -> anyhow::Result<Sent> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut sent = Sent::default();
    let every = Duration::from_secs(1) * CONNECTIONS * TOGETHER / RATE;
    // Connections take turns on the grid.
    let first = every * index / CONNECTIONS;
    let watch = Stopwatch::start();
    for turn in 0_u32.. {
        let due = first + every * turn;
        if due >= LASTS {
            break;
        }
        let is_repeat = turn % REPEATED == REPEATED - 1;
        let body = message(index, if is_repeat { turn - 1 } else { turn });
        thread::sleep(due.saturating_sub(watch.elapsed()));
        write!(
            writer,
            "POST /hooks/alertmanager HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let answer: Value = serde_json::from_str(&answered(&mut reader)?)?;
        sent.times
            .push(watch.elapsed().saturating_sub(due).as_secs_f64() * 1e3);
        if is_repeat {
            sent.repeats += TOGETHER;
        } else {
            sent.signals += TOGETHER;
        }
        sent.told_repeated += answer["repeated"].as_u64().context("no count")?;
    }
    ensure!(count(sent.times.len()) > 0.0, "nothing was sent");
    Ok(sent)
}

/// A group of alerts as Alertmanager sends it, none of them another message's.
fn message(index: u32, turn: u32) -> String {
    let alerts: Vec<Value> = (0..TOGETHER)
        .map(|alert| {
            json!({
                "status": "firing",
                "labels": {"alertname": "Flood", "severity": "page", "instance": format!("{index}-{turn}-{alert}")},
                "annotations": {"summary": "Transfers fail for every user of this instance."},
                "startsAt": "2026-01-02T03:04:05Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://127.0.0.1:9090/graph",
                "fingerprint": format!("{index:04x}{turn:08x}{alert:04x}"),
            })
        })
        .collect();
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{alertname=\"Flood\", turn=\"{index}-{turn}\"}}"),
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "firedrill",
        "groupLabels": {"alertname": "Flood"},
        "commonLabels": {"alertname": "Flood"},
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
        "alerts": alerts,
    })
    .to_string()
}
