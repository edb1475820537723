//! `timing`: how far from their time questions are sent, when many probes run on two cores.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use firedrill::clock::{SystemClock, SystemIds};
use firedrill::engine::event::{Origin, Source, Trigger, Verdict};
use firedrill::engine::posts::Post;
use firedrill::engine::watch::Sample;
use firedrill::faults::fake::{FakeDriver, World};
use firedrill::model::fault::Injection;
use firedrill::model::ids::{ProbeName, RunId};
use firedrill::model::plan::Plan;
use firedrill::model::probe::Probe;
use firedrill::model::stack::Stack;
use firedrill::outbound::Outbound;
use firedrill::ports::{
    Answer, Claim, Claims, Delivered, Halted, Inspector, Lever, Notifier, Prober,
};
use firedrill::probes::Probes;
use firedrill::runtime::{Ports, RunStatus, Supervisor};
use firedrill::store::database::Database;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::fixture::{Folder, plan, written};
use crate::samples::{Samples, figure};
use crate::table::Table;

const PROBES: usize = 50;
const EVERY: Duration = Duration::from_millis(200);
const LENGTH: Duration = Duration::from_secs(20);
const CORES: usize = 2;

pub(crate) fn measure() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CORES)
        .enable_all()
        .build()?;
    let sent = runtime.block_on(Box::pin(watched()))?;
    let mut late = Samples::default();
    let mut drift = Samples::default();
    let mut skipped = 0;
    for times in sent.values() {
        let judged = judge(times)?;
        late.extend(judged.late.iter().copied());
        drift.extend(judged.late.last().copied());
        skipped += judged.skipped;
    }
    let mut table = Table::new(
        format!(
            "timing: {PROBES} probes every {} ms for {} s",
            EVERY.as_millis(),
            LENGTH.as_secs()
        ),
        [
            "sent minus scheduled, ms",
            "p50",
            "p99",
            "least",
            "greatest",
        ],
    );
    for (name, samples) in [
        ("every question", &late),
        ("the last question of each probe", &drift),
    ] {
        table.row([
            name.to_owned(),
            figure(samples.median()),
            figure(samples.quantile(0.99)),
            figure(samples.least()),
            figure(samples.greatest()),
        ]);
    }
    table.note(format!(
        "{} questions (TCP, loopback), {skipped} skipped; scheduled is a probe's first question of the phase plus whole \
         intervals, so that the first one's own lateness shows as a negative figure; {CORES} worker threads, with the \
         journal on disk as in any run",
        late.len()
    ));
    table.print();
    Ok(())
}

struct Judged {
    late: Vec<f64>,
    skipped: u64,
}

/// Holds the times of one probe, in ascending nanoseconds, against its schedule.
fn judge(times: &[u64]) -> anyhow::Result<Judged> {
    let every = u64::try_from(EVERY.as_nanos())?;
    // Each phase begins with a question of its own; the last phase is the one that lasts.
    let began = (1..times.len())
        .rev()
        .find(|&index| times[index] - times[index - 1] < every / 2)
        .unwrap_or(0);
    let mut judged = Judged {
        late: Vec::new(),
        skipped: 0,
    };
    let mut scheduled = times[began];
    for &time in &times[began + 1..] {
        scheduled += every;
        while time > scheduled + every / 2 {
            scheduled += every;
            judged.skipped += 1;
        }
        let early = time < scheduled;
        let off = Duration::from_nanos(time.abs_diff(scheduled)).as_secs_f64() * 1e3;
        judged.late.push(if early { -off } else { off });
    }
    let least = LENGTH.as_nanos() / EVERY.as_nanos() / 2;
    ensure!(
        judged.late.len() as u128 >= least,
        "a probe was asked only {} times",
        judged.late.len()
    );
    Ok(judged)
}

/// Runs the experiment, and says when each probe was asked.
async fn watched() -> anyhow::Result<BTreeMap<ProbeName, Vec<u64>>> {
    // Connections are opened by the kernel; nobody needs to accept what is closed at once, up to the backlog.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let tracker = TaskTracker::new();
    let accepting = tracker.spawn(async move { while listener.accept().await.is_ok() {} });
    let folder = Folder::new()?;
    let file = written(&folder, &stack(address)?, &experiment()?)?;
    let plan = plan(&folder, &file)?;

    let clock = SystemClock::start();
    let database = Database::open(&folder.path().join("data")).await?;
    let recorder = Arc::new(Recorder {
        probes: Probes::new(Arc::new(clock), Arc::new(Outbound::new())),
        sent: Mutex::default(),
    });
    let ports = Ports {
        clock: Arc::new(clock),
        ids: Arc::new(SystemIds::new(clock)),
        journal: Arc::new(database.clone()),
        driver: Arc::new(FakeDriver::new(Arc::new(clock), World::new())),
        prober: recorder.clone(),
        inspector: Arc::new(Everything),
        claims: Arc::new(Everything),
        lever: Arc::new(Everything),
        notifier: Arc::new(Everything),
    };
    let supervisor = Supervisor::new(ports, tracker.clone());
    let mut handle = supervisor
        .start(plan, Some(1), Trigger::CommandLine)
        .await?;
    let ended = handle.ended().await;
    ensure!(
        matches!(
            &ended,
            RunStatus::Ended {
                verdict: Verdict::Passed,
                ..
            }
        ),
        "the run ended otherwise: {ended:?}"
    );
    accepting.abort();
    tracker.close();
    tracker.wait().await;
    database.close().await?;
    let sent = recorder.sent.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(sent.clone())
}

fn stack(address: std::net::SocketAddr) -> anyhow::Result<String> {
    let mut text = "kind: Stack\nname: measured\nenvironment: staging\nprobes:\n".to_owned();
    let every = EVERY.as_millis();
    for probe in 0..PROBES {
        writeln!(
            text,
            "  p{probe}: {{tcp: {{address: \"{address}\"}}, every: {every}ms}}"
        )?;
    }
    Ok(text)
}

fn experiment() -> anyhow::Result<String> {
    let mut text =
        "kind: Experiment\nname: watched\nstack: measured\nhypothesis: It is there.\n".to_owned();
    text.push_str("steady_state:\n");
    for probe in 0..PROBES {
        writeln!(text, "  - {{probe: p{probe}, pass_after: 1}}")?;
    }
    let length = LENGTH.as_secs();
    writeln!(
        text,
        "method: []\nrecovery: {{within: {length}s, stable_for: {length}s}}"
    )?;
    Ok(text)
}

/// Asks as ever, and notes when.
struct Recorder {
    probes: Probes,
    sent: Mutex<BTreeMap<ProbeName, Vec<u64>>>,
}

impl Prober for Recorder {
    fn ask<'a>(&'a self, probe: &'a Probe) -> Answer<'a, Sample> {
        Box::pin(async move {
            let sample = self.probes.ask(probe).await;
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            let times = sent.entry(probe.name.clone()).or_default();
            times.push(sample.sent.mono_ns);
            drop(sent);
            sample
        })
    }
}

/// Lets everything through: what is measured touches nothing.
struct Everything;

impl Inspector for Everything {
    fn inspect<'a>(&'a self, _: &'a Plan) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn prove<'a>(
        &'a self,
        _: &'a Stack,
        _: &'a Injection,
    ) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

impl Lever for Everything {
    fn halted(&self) -> Answer<'_, Option<Halted>> {
        Box::pin(async { None })
    }

    fn origin<'a>(&'a self, _: &'a Halted) -> Answer<'a, Origin> {
        Box::pin(async { Origin::machine(Source::Engine) })
    }
}

impl Notifier for Everything {
    fn send<'a>(&'a self, _: &'a Post) -> Answer<'a, Result<Delivered, String>> {
        Box::pin(std::future::ready(Err("there are no channels".into())))
    }

    fn refused(&self, _: &Plan) -> Vec<String> {
        Vec::new()
    }
}

impl Claims for Everything {
    fn claim(&self, _: &RunId) -> std::io::Result<Option<Claim>> {
        Ok(Some(Box::new(())))
    }
}
