//! `pages`: what each page takes with 100,000 runs and 5 million events stored.
//!
//! One real drill is played (`demo --exit`); its log is stored again and again under other ids, names and times, through
//! the journal itself, so that every chain is whole, and each run gets the summary that the score makes of it. Then a
//! server is asked for each page, one request at a time on one connection, so that a time is the server's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use firedrill::engine::event::{Event, Fact};
use firedrill::model::ids::RunId;
use firedrill::ports::{Durability, Journal as _};
use firedrill::score;
use firedrill::store::database::Database;
use jiff::{SignedDuration, Timestamp};

use crate::child::{Background, FIREDRILL};
use crate::fixture::Folder;
use crate::samples::{Samples, count, figure};
use crate::stopwatch::Stopwatch;
use crate::table::Table;
use crate::web;

const RUNS: usize = 100_000;
const EVENTS: usize = 50;

/// Drills and teams that the runs are spread over.
const DRILLS: usize = 20;
const TEAMS: usize = 2;

/// From one run to the next: two years in all.
const EVERY: SignedDuration = SignedDuration::from_mins(10);

/// Summaries saved together.
const TOGETHER: usize = 1_000;

/// How often each page is asked for, after a few times that don't count.
const ASKED: usize = 300;
const BEFORE: usize = 5;

/// What comes along with the first page.
const ALONG: [&str; 2] = ["/static/app.css", "/static/app.js"];

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn measure() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Runtime::new()?;
    let watch = Stopwatch::start();
    let (some, name) = runtime.block_on(Box::pin(fill(&folder, &data)))?;
    let filled = watch.seconds();
    let (server, address) = start(&data)?;
    until_ready(address)?;
    // What the server does once after its start is not what a page takes.
    std::thread::sleep(Duration::from_secs(5));
    let mut table = Table::new(
        "pages: with 100,000 runs and 5 million events",
        ["", "median, ms", "p99, ms", "greatest, ms", "KB"],
    );
    let mut connection = Connection::open(address)?;
    let mut missing = Vec::new();
    let mut worst = Samples::default();
    let mut heaviest = 0;
    for path in paths(&some, &name) {
        match connection.get(&path)? {
            (200, _) => {}
            (404, _) => {
                missing.push(path);
                continue;
            }
            (status, _) => anyhow::bail!("{path} was answered with {status}"),
        }
        for _ in 0..BEFORE {
            connection.get(&path)?;
        }
        let (mut samples, mut bytes) = (Samples::default(), 0);
        for _ in 0..ASKED {
            let watch = Stopwatch::start();
            let (_, length) = connection.get(&path)?;
            samples.push(watch.milliseconds());
            bytes = length;
        }
        heaviest = heaviest.max(bytes);
        let at = |share| figure(samples.quantile(share));
        worst.push(samples.quantile(0.99));
        table.row([
            path.replace(some.as_str(), "{run}"),
            at(0.5),
            at(0.99),
            at(1.0),
            figure(count(bytes) / 1000.0),
        ]);
    }
    let mut along = 0;
    for path in ALONG {
        along += connection.get(path)?.1;
    }
    table.note(format!(
        "the heaviest page takes {} KB with its sheet and script; the bar is under 100",
        figure(count(heaviest + along) / 1000.0)
    ));
    let resident = server.resident();
    table.note(format!(
        "the greatest p99 is {} ms; the bar is under 50 ms",
        figure(worst.greatest())
    ));
    table.note(resident.map_or_else(
        || "there is no /proc: resident memory was not measured".to_owned(),
        |mebibytes| {
            format!(
                "resident memory afterwards: {} MiB; the bar is under 150",
                figure(mebibytes)
            )
        },
    ));
    if !missing.is_empty() {
        table.note(format!("not there in this build: {}", missing.join(", ")));
    }
    table.note(format!(
        "{ASKED} requests a page, one at a time; the database took {} s to fill and is {} MB",
        figure(filled),
        figure(size(&data)? / 1e6)
    ));
    table.print();
    Ok(())
}

/// Every page that shows runs, or a list.
fn paths(run: &RunId, name: &str) -> Vec<String> {
    [
        "/".to_owned(),
        "/runs".to_owned(),
        format!("/runs?before={run}"),
        format!("/runs/{run}"),
        format!("/runs/{run}?staff=1"),
        format!("/runs/{run}/scorecard"),
        format!("/runs/{run}/report"),
        "/trends".to_owned(),
        "/trends?kind=drills&failure=cut_off".to_owned(),
        format!("/trends/{name}"),
        "/forecast".to_owned(),
        "/forecast?s1=3&s2=1&counted=12&ahead=12&budget=4h&seed=1".to_owned(),
        "/coverage".to_owned(),
        "/calendar".to_owned(),
        "/library".to_owned(),
        "/library/file?path=drills%2Fsigner-outage.yaml".to_owned(),
        "/signals".to_owned(),
        "/signals?all=1".to_owned(),
        "/transparency".to_owned(),
        "/settings".to_owned(),
        "/settings/people".to_owned(),
        "/settings/tokens".to_owned(),
        "/settings/audit".to_owned(),
    ]
    .into()
}

/// Plays a drill and stores its log as `RUNS` runs. Answers with one of them, and the name of its drill.
async fn fill(folder: &Folder, data: &Path) -> anyhow::Result<(RunId, String)> {
    let played = folder.path().join("played");
    eprintln!("pages: playing a drill");
    let status = Command::new(FIREDRILL)
        .args(["demo", "--exit", "--data"])
        .arg(&played)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()?;
    ensure!(status.success(), "the demo ended with {status}");
    let demo = Database::open(&played).await?;
    let row = demo.recent_runs(1, None).await?.pop();
    let row = row.context("the demo left no run")?;
    let events = shaped(demo.load(&row.id).await?)?;
    demo.close().await?;

    let database = Database::open(data).await?;
    let first = events[0].at.wall;
    let newest = first + EVERY * i32::try_from(RUNS)?;
    // The last of them are recent, as pages of the last months want it.
    let began = first.checked_sub(newest.duration_since(first))?;
    let mut summaries = Vec::with_capacity(TOGETHER);
    let mut some = None;
    for index in 0..RUNS {
        let run: RunId = format!("measure-{index:06}").parse()?;
        let events = renamed(&events, index, began)?;
        database
            .append(&run, 0, &events, Durability::Grouped)
            .await?;
        let report = score::judge(&events).context("a log that can be judged")?;
        let summary = score::summary::summary(&report, &events).context("a run that is over")?;
        if index == RUNS / 2 {
            some = Some((run.clone(), summary.scenario.name.clone()));
        }
        summaries.push((run, summary));
        if summaries.len() == TOGETHER || index + 1 == RUNS {
            // Runs are there before their summaries: a durable read waits for what is queued.
            let (last, _) = summaries.last().context("some")?;
            database.events_after(last, 0, 1).await?;
            database.save_summaries(&summaries).await?;
            summaries.clear();
            if (index + 1) % (10 * TOGETHER) == 0 {
                eprintln!("pages: {} runs stored", index + 1);
            }
        }
    }
    database.close().await?;
    some.context("a run in the middle")
}

/// A log of exactly `EVENTS` events: summaries of samples are left out, or repeated before the end.
fn shaped(events: Vec<Event>) -> anyhow::Result<Vec<Event>> {
    let (summaries, mut kept): (Vec<Event>, Vec<Event>) = events
        .into_iter()
        .partition(|event| matches!(event.fact, Fact::ProbeSummary { .. }));
    let spare = summaries
        .first()
        .context("a log without summaries of samples")?;
    if kept.len() > EVENTS {
        // Notes and messages make no difference to what a page reads; the beginning and the end do.
        let over = kept.len() - EVENTS;
        let middle = kept.len() / 2;
        kept.drain(middle..middle + over);
    }
    while kept.len() < EVENTS {
        let mut copy = spare.clone();
        let before = kept.len() - 1;
        copy.at = kept[before].at;
        kept.insert(before, copy);
    }
    for (seq, event) in (1..).zip(&mut kept) {
        event.seq = seq;
    }
    Ok(kept)
}

/// The log of another run: later, of another drill and team.
fn renamed(events: &[Event], index: usize, began: Timestamp) -> anyhow::Result<Vec<Event>> {
    let mut events = events.to_vec();
    let first = events[0].at.wall;
    let begins = began + EVERY * i32::try_from(index)?;
    for event in &mut events {
        event.at.wall = begins + event.at.wall.duration_since(first);
    }
    if let Fact::RunCreated { plan, .. } = &mut events[0].fact {
        let exercise = plan.drill.as_mut().context("the demo is a drill")?;
        let drill = format!("{}-{}", exercise.drill.name, index % DRILLS);
        let team = format!("{}-{}", exercise.team.name, index / DRILLS % TEAMS);
        exercise.drill.name = drill.parse()?;
        exercise.team.name = team.parse()?;
        exercise.drill.team = team.parse()?;
    }
    Ok(events)
}

fn start(data: &Path) -> anyhow::Result<(Background, SocketAddr)> {
    let config = data.with_file_name("server.yaml");
    std::fs::write(&config, "transparency: {platform: Measured}\n")?;
    let mut command = Command::new(FIREDRILL);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .arg("--config")
        .arg(config)
        // The shipped library is found in the working folder.
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    Background::start_until(&mut command, |line| {
        let (_, rest) = line.split_once("http://")?;
        rest.split([';', ' ', '/']).next()?.parse().ok()
    })
}

fn until_ready(address: SocketAddr) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    while web::get(address, "/readyz")?.status != 200 {
        ensure!(watch.seconds() < 60.0, "it is never ready");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The bytes of the files right in a folder.
fn size(folder: &Path) -> anyhow::Result<f64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(count(usize::try_from(bytes)?))
}

/// A connection that is kept.
struct Connection {
    address: SocketAddr,
    writer: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let writer = TcpStream::connect(address)?;
        writer.set_nodelay(true)?;
        writer.set_read_timeout(Some(PATIENCE))?;
        let reader = BufReader::new(writer.try_clone()?);
        Ok(Self {
            address,
            writer,
            reader,
        })
    }

    /// Asks for a page and reads it whole: its status and how long it is.
    fn get(&mut self, path: &str) -> anyhow::Result<(u16, usize)> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n\r\n",
            self.address
        );
        self.writer.write_all(request.as_bytes())?;
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .with_context(|| format!("{path} was answered with {line:?}"))?;
        let mut length = 0;
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            let lower = line.trim().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            }
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        Ok((status, length))
    }
}
