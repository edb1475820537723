//! `journal`: events taken in durably, against the disk itself: the same bytes written and synced in the same folder.
//!
//! The disk's own file is written over, as the database writes over its log: a file that grows has its length to sync,
//! too, and would be no limit.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;

use anyhow::ensure;
use firedrill::clock::SystemClock;
use firedrill::engine::event::{Event, Fact, Origin, Trigger};
use firedrill::model::ids::RunId;
use firedrill::model::plan::Plan;
use firedrill::ports::{Clock as _, Durability, Journal as _};
use firedrill::store::database::Database;
use futures_util::future::try_join_all;

use crate::fixture::{Folder, plan, shortest};
use crate::samples::{Samples, count, figure, ratio};
use crate::stopwatch::Stopwatch;
use crate::table::Table;

const TURNS: usize = 7;
/// Events of one turn that are waited for one by one.
const SINGLE: usize = 300;
/// Runs that append at once, and the events of each in a turn.
const RUNS: usize = 64;
const EACH: usize = 40;
/// Events of one append, and appends of a turn.
const BATCH: usize = 64;
const BATCHES: usize = 40;
/// More than any turn writes.
const RAW_LENGTH: usize = 8 << 20;

#[derive(Default)]
struct Figures {
    raw_single: Samples,
    single: Samples,
    latency: Samples,
    together: Samples,
    raw_batch: Samples,
    batch: Samples,
    grouped: Samples,
}

pub(crate) fn measure() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(Box::pin(turns()))
}

async fn turns() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let file = shortest(&folder)?;
    let plan = plan(&folder, &file)?;
    let database = Database::open(&folder.path().join("data")).await?;
    let mut raw = File::create(folder.path().join("raw"))?;
    raw.write_all(&vec![0; RAW_LENGTH])?;
    raw.sync_all()?;
    let mut log = Log::new("measure-0", &plan, &database).await?;
    let mut logs = Vec::new();
    for run in 1..=RUNS {
        logs.push(Log::new(&format!("measure-{run}"), &plan, &database).await?);
    }
    let mut figures = Figures::default();
    let mut bytes = 0;
    for _ in 0..TURNS {
        raw.rewind()?;
        let (mut disk, mut ours) = (0.0, 0.0);
        for _ in 0..SINGLE {
            let one = log.next(1);
            bytes = written(&one)?.len();
            disk += raw_seconds(&mut raw, &one)?;
            let single = Stopwatch::start();
            log.append(&one, Durability::Durable).await?;
            let taken = single.seconds();
            ours += taken;
            figures.latency.push(taken * 1e3);
        }
        figures.raw_single.push(count(SINGLE) / disk);
        figures.single.push(count(SINGLE) / ours);

        let watch = Stopwatch::start();
        logs = try_join_all(logs.into_iter().map(|mut log| async {
            for _ in 0..EACH {
                let one = log.next(1);
                log.append(&one, Durability::Durable).await?;
            }
            anyhow::Ok(log)
        }))
        .await?;
        figures.together.push(count(RUNS * EACH) / watch.seconds());

        raw.rewind()?;
        let (mut disk, mut ours) = (0.0, 0.0);
        for _ in 0..BATCHES {
            let batch = log.next(BATCH);
            disk += raw_seconds(&mut raw, &batch)?;
            let watch = Stopwatch::start();
            log.append(&batch, Durability::Durable).await?;
            ours += watch.seconds();
        }
        figures.raw_batch.push(count(BATCHES * BATCH) / disk);
        figures.batch.push(count(BATCHES * BATCH) / ours);

        let mut events: Vec<Vec<Event>> = (0..BATCHES * BATCH).map(|_| log.next(1)).collect();
        let last = events.pop().unwrap_or_default();
        let watch = Stopwatch::start();
        for one in &events {
            log.append(one, Durability::Grouped).await?;
        }
        // Appends are stored in order: the last one's answer says that all are on disk.
        log.append(&last, Durability::Durable).await?;
        figures
            .grouped
            .push(count(BATCHES * BATCH) / watch.seconds());
    }
    drop((log, logs));
    database.close().await?;
    report(&figures, bytes);
    Ok(())
}

fn report(figures: &Figures, bytes: usize) {
    let mut table = Table::new(
        "journal: events a second, on disk when answered",
        ["", "events/s", "of the disk's own"],
    );
    let limit = |name: &str, samples: &Samples| [name.to_owned(), samples.spread(), "1".to_owned()];
    table.row(limit("write and fdatasync, 1 event", &figures.raw_single));
    let against =
        |name: String, ours: &Samples, disk: &Samples| [name, ours.spread(), ratio(ours, disk)];
    table.row(against(
        "journal, 1 event at a time".to_owned(),
        &figures.single,
        &figures.raw_single,
    ));
    table.row(against(
        format!("journal, {RUNS} runs at once, 1 event at a time each"),
        &figures.together,
        &figures.raw_single,
    ));
    table.row(limit(
        &format!("write and fdatasync, {BATCH} events"),
        &figures.raw_batch,
    ));
    table.row(against(
        format!("journal, {BATCH} events an append"),
        &figures.batch,
        &figures.raw_batch,
    ));
    table.row(against(
        "journal, grouped appends of 1 event".to_owned(),
        &figures.grouped,
        &figures.raw_batch,
    ));
    table.note(format!(
        "median (least–greatest) of {TURNS} turns, in which the disk and the journal alternate; an event is {bytes} bytes as JSON; grouped appends are timed until the \
         last is on disk"
    ));
    table.note(format!(
        "one durable append takes {} ms (p50), {} ms (p99), {} ms at most, of {}",
        figure(figures.latency.median()),
        figure(figures.latency.quantile(0.99)),
        figure(figures.latency.greatest()),
        figures.latency.len(),
    ));
    table.print();
}

/// What of these events the disk must hold.
fn written(events: &[Event]) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for event in events {
        serde_json::to_writer(&mut bytes, event)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// The seconds that the disk itself takes for these events.
fn raw_seconds(file: &mut File, events: &[Event]) -> anyhow::Result<f64> {
    let text = written(events)?;
    let after = usize::try_from(file.stream_position()?)? + text.len();
    ensure!(after <= RAW_LENGTH, "the disk's own file would grow");
    let watch = Stopwatch::start();
    file.write_all(&text)?;
    file.sync_data()?;
    Ok(watch.seconds())
}

/// One run's log, and what comes next in it.
struct Log {
    run: RunId,
    database: Database,
    clock: Arc<SystemClock>,
    made: u64,
    stored: u64,
}

impl Log {
    async fn new(run: &str, plan: &Plan, database: &Database) -> anyhow::Result<Self> {
        let mut log = Self {
            run: run.parse().map_err(|_| anyhow::anyhow!("{run} is no id"))?,
            database: database.clone(),
            clock: Arc::new(SystemClock::start()),
            made: 0,
            stored: 0,
        };
        let created = log.event(Fact::RunCreated {
            plan: Box::new(plan.clone()),
            seed: 1,
            trigger: Trigger::CommandLine,
        });
        log.append(&[created], Durability::Durable).await?;
        Ok(log)
    }

    fn event(&mut self, fact: Fact) -> Event {
        self.made += 1;
        Event {
            seq: self.made,
            at: self.clock.now(),
            origin: Origin::engine(),
            fact,
        }
    }

    fn next(&mut self, length: usize) -> Vec<Event> {
        let text =
            "The signer answers again; transfers are still held back until the queue is empty.";
        (0..length)
            .map(|_| self.event(Fact::Noted { text: text.into() }))
            .collect()
    }

    async fn append(&mut self, events: &[Event], durability: Durability) -> anyhow::Result<()> {
        self.database
            .append(&self.run, self.stored, events, durability)
            .await?;
        self.stored += u64::try_from(events.len())?;
        Ok(())
    }
}
