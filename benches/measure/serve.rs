//! `serve`: how soon a server answers, what it takes to be there, and what is shipped.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::child::{Background, FIREDRILL};
use crate::fixture::Folder;
use crate::samples::{Samples, count, figure};
use crate::stopwatch::Stopwatch;
use crate::table::Table;
use crate::web;

const TURNS: usize = 7;

/// The turns whose memory is read, after this long without a request.
const IDLE_TURNS: usize = 3;
const IDLE: Duration = Duration::from_secs(5);

/// Addresses whose first answer is timed, each by a server of its own.
const ADDRESSES: [&str; 3] = ["/healthz", "/", "/api/v1/runs"];

pub(crate) fn measure() -> anyhow::Result<()> {
    let mut answers: Vec<(&str, Samples)> = ADDRESSES
        .iter()
        .map(|path| (*path, Samples::default()))
        .collect();
    let mut resident = Samples::default();
    let mut missing = Vec::new();
    for turn in 0..TURNS {
        for (index, (path, samples)) in answers.iter_mut().enumerate() {
            let folder = Folder::new()?;
            let watch = Stopwatch::start();
            let (server, address) = start(&folder)?;
            let reply = web::get(address, path)?;
            let taken = watch.milliseconds();
            match reply.status {
                200 => samples.push(taken),
                404 => missing.push(*path),
                other => anyhow::bail!("{path} was answered with {other}"),
            }
            if index == 0 && turn < IDLE_TURNS {
                std::thread::sleep(IDLE);
                resident.extend(server.resident());
            }
        }
    }
    let mut table = Table::new("serve: with the shipped library", ["", "measured", "bar"]);
    for (path, samples) in &answers {
        if missing.contains(path) {
            table.note(format!("there is nothing at {path} in this build"));
        } else {
            table.row([
                format!("start to first answer of {path}, ms"),
                samples.spread(),
                "300".to_owned(),
            ]);
        }
    }
    if resident.is_empty() {
        table.note("there is no /proc: resident memory was not measured");
    } else {
        let row = format!("resident memory after {} s idle, MiB", IDLE.as_secs());
        table.row([row, resident.spread(), "40".to_owned()]);
    }
    table.row([
        "the binary with its line tables, MiB".to_owned(),
        figure(size(FIREDRILL)?),
        "–".to_owned(),
    ]);
    table.note(format!(
        "median (least–greatest) of {TURNS} turns ({IDLE_TURNS} for memory), each with a new process and a new data folder"
    ));
    table.print();
    Ok(())
}

/// Starts a server on a port of its own; it is asked as soon as it says where it is.
fn start(folder: &Folder) -> anyhow::Result<(Background, SocketAddr)> {
    let mut command = Command::new(FIREDRILL);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        // The shipped library is found in the working folder.
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    Background::start_until(&mut command, |line| {
        let (_, rest) = line.split_once("http://")?;
        rest.split([';', ' ', '/']).next()?.parse().ok()
    })
}

/// A file's size in MiB.
fn size(path: &str) -> anyhow::Result<f64> {
    let length = std::fs::metadata(path)
        .context("the binary is not there")?
        .len();
    ensure!(length > 0, "the binary is empty");
    Ok(count(usize::try_from(length)?) / f64::from(1 << 20))
}
