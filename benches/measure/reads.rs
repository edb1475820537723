//! `reads`: the API under a steady load of reads while a drill-like run has a fault on, its clients on the same machine.
//!
//! The load is open: requests are due on a grid, whatever the server takes, and a time counts from when its request was
//! due. So a server that stalls is not asked less, and its stall is in the figures of all that had to wait.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use crate::samples::{Samples, count, figure};
use crate::site::Site;
use crate::stopwatch::Stopwatch;
use crate::table::Table;
use crate::web::answered;

/// Reads due each second, over so many connections, for so long.
const RATE: u32 = 1000;
const CONNECTIONS: u32 = 20;
const LASTS: Duration = Duration::from_secs(20);

/// Runs that are over before the load begins, so that lists have rows and reports something to tell.
const FINISHED: usize = 3;

pub(crate) fn measure() -> anyhow::Result<()> {
    let site = Site::open("")?;
    let (address, live) = (site.address, site.live.as_str());
    let mut finished = String::new();
    for _ in 0..FINISHED {
        finished = site.run("short")?;
    }
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
    site.still_lives()?;
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
