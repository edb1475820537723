//! `recover`: how soon undoing begins, and everything reads back clean, in a journal with ten thousand past runs.

use std::net::TcpListener;

use anyhow::ensure;
use firedrill::clock::SystemClock;
use firedrill::engine::event::{Event, Fact, Origin, Trigger, Verdict};
use firedrill::ports::{Clock as _, Durability, Journal as _};
use firedrill::store::database::Database;

use crate::child::Background;
use crate::fixture::{Folder, plan, written};
use crate::halt::{TOXICS, firedrill, links, serve_proxies, start};
use crate::samples::Samples;
use crate::stopwatch::Stopwatch;
use crate::table::Table;
use crate::web;

const TURNS: usize = 5;

/// Runs that are over, and events of each.
const PAST: usize = 10_000;
const EVENTS: u64 = 10;

/// What is said when undoing begins.
const BEGINS: &str = "undoing what run";

pub(crate) fn measure() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let upstream = TcpListener::bind("127.0.0.1:0")?;
    let (server, api) = serve_proxies()?;
    let (stack, experiment) = links(1, api, upstream.local_addr()?)?;
    let file = written(&folder, &stack, &experiment)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(Box::pin(past(&folder, &file)))?;
    let mut begins = Samples::default();
    let mut clean = Samples::default();
    for _ in 0..TURNS {
        let on = TOXICS.len() * 2;
        start(&folder, on)?.crash()?;
        let left = || anyhow::Ok(web::get(api, "/proxies")?.body.contains("\"firedrill-"));
        ensure!(left()?, "nothing was on");
        let watch = Stopwatch::start();
        let mut recover = firedrill(folder.path());
        recover.arg("recover");
        let (recovery, ()) =
            Background::start_until(&mut recover, |line| line.contains(BEGINS).then_some(()))?;
        begins.push(watch.milliseconds());
        while left()? {
            ensure!(watch.seconds() < 60.0, "it is not undone");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        clean.push(watch.milliseconds());
        recovery.end()?;
    }
    drop(server);
    let mut table = Table::new(
        format!(
            "recover: {} toxics of a dead process, {PAST} past runs",
            TOXICS.len() * 2
        ),
        ["", "from the command's start, ms", "bar, ms"],
    );
    table.row([
        "undoing begins".to_owned(),
        begins.spread(),
        "1000".to_owned(),
    ]);
    table.row(["nothing is left".to_owned(), clean.spread(), "–".to_owned()]);
    table.note(format!(
        "median (least–greatest) of {TURNS} turns, each of a new process; a past run has {EVENTS} events"
    ));
    table.print();
    Ok(())
}

/// Writes runs that are over.
async fn past(folder: &Folder, file: &std::path::Path) -> anyhow::Result<()> {
    let plan = plan(folder, file)?;
    let database = Database::open(&folder.path().join("data")).await?;
    let clock = SystemClock::start();
    for nth in 0..PAST {
        let run = format!("past-{nth}")
            .parse()
            .map_err(|_| anyhow::anyhow!("no id"))?;
        let created = Fact::RunCreated {
            plan: Box::new(plan.clone()),
            seed: 1,
            trigger: Trigger::Schedule,
        };
        let noted = (2..EVENTS).map(|_| Fact::Noted {
            text: "it goes on".to_owned(),
        });
        let ended = Fact::RunEnded {
            verdict: Verdict::Passed,
            reasons: Vec::new(),
        };
        let facts = [created].into_iter().chain(noted).chain([ended]);
        let events: Vec<Event> = (1..)
            .zip(facts)
            .map(|(seq, fact)| Event {
                seq,
                at: clock.now(),
                origin: Origin::engine(),
                fact,
            })
            .collect();
        let last = nth + 1 == PAST;
        let durability = if last {
            Durability::Durable
        } else {
            Durability::Grouped
        };
        database.append(&run, 0, &events, durability).await?;
    }
    database.close().await?;
    Ok(())
}
