//! What outlives a process, and the processes that come and go on it.

use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::disk::Disk;
use super::fakes::{
    Call, Counted, FakeInspector, FakeLever, FakeNotifier, FakeProber, Locks, TestClock, Trace,
    Witness, lock,
};
use crate::engine::event::{Event, Fact, Origin, Phase, Source, StopCause, Trigger, Verdict};
use crate::engine::state::State;
use crate::faults::fake::{FakeDriver, Verb, World};
use crate::model::ids::RunId;
use crate::model::plan::Plan;
use crate::ports::{FaultError, Journal as _};
use crate::runtime::{Ports, RunHandle, RunStatus, Supervisor};
use crate::store::memory::MemoryJournal;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// The world, the disk and the machine's locks.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) journal: Arc<MemoryJournal>,
    pub(super) locks: Locks,
    pub(super) lever: FakeLever,
    pub(super) notifier: FakeNotifier,
    pub(super) trace: Trace,
    ids: Counted,
    processes: Arc<Mutex<u64>>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            world: World::new(),
            journal: Arc::new(MemoryJournal::new()),
            locks: Locks::default(),
            lever: FakeLever::default(),
            notifier: FakeNotifier::default(),
            trace: Trace::default(),
            ids: Counted::default(),
            processes: Arc::default(),
        }
    }

    /// Starts a process; inside a runtime only.
    pub(super) fn process(&self) -> Process {
        let nth = {
            let mut processes = lock(&self.processes);
            *processes += 1;
            *processes
        };
        lock(&self.trace.calls).clear();
        let clock = Arc::new(TestClock::start(nth));
        let tracker = TaskTracker::new();
        let disk = Arc::new(Disk::new(self.journal.clone(), self.trace.clone()));
        let prober = Arc::new(FakeProber::new(clock.clone()));
        let inspector = Arc::new(FakeInspector::default());
        let driver = Arc::new(Witness {
            driver: Arc::new(FakeDriver::new(clock.clone(), self.world.clone())),
            clock: clock.clone(),
            trace: self.trace.clone(),
            tracker: tracker.clone(),
            landing: Mutex::default(),
            panics: Mutex::default(),
            twice: AtomicBool::default(),
        });
        let ports = Ports {
            clock: clock.clone(),
            ids: Arc::new(self.ids.clone()),
            journal: disk.clone(),
            driver: driver.clone(),
            prober: prober.clone(),
            inspector: inspector.clone(),
            claims: Arc::new(self.locks.clone()),
            lever: Arc::new(self.lever.clone()),
            notifier: Arc::new(self.notifier.by(clock.clone())),
        };
        Process {
            stage: self.clone(),
            supervisor: Supervisor::new(ports, tracker),
            clock,
            disk,
            prober,
            inspector,
            driver,
        }
    }

    /// The same stage with its disk whole again, as a process finds it that starts after a crash.
    pub(super) fn reopened(&self) -> Self {
        Self {
            journal: Arc::new(self.journal.reopened()),
            ..self.clone()
        }
    }

    /// Nothing is on, nothing was touched before it was recorded, and every log is whole and at its end.
    pub(super) async fn is_clean(&self, at: &str) {
        let on = self.world.on();
        assert!(on.is_empty(), "{at}: left on: {on:?}");
        let unrecorded = lock(&self.trace.unrecorded).clone();
        assert!(
            unrecorded.is_empty(),
            "{at}: before it was on disk: {unrecorded:?}"
        );
        let unfinished = self.journal.unfinished().await.expect("it is in memory");
        assert!(unfinished.is_empty(), "{at}: unfinished: {unfinished:?}");
    }
}

/// One process: a supervisor and what it works through.
pub(super) struct Process {
    pub(super) stage: Stage,
    pub(super) supervisor: Supervisor,
    pub(super) clock: Arc<TestClock>,
    pub(super) disk: Arc<Disk>,
    pub(super) prober: Arc<FakeProber>,
    pub(super) inspector: Arc<FakeInspector>,
    pub(super) driver: Arc<Witness>,
}

impl Process {
    pub(super) async fn start(&self, plan: Plan) -> RunHandle {
        self.supervisor
            .start(plan, None, Trigger::CommandLine)
            .await
            .expect("it starts")
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    pub(super) fn log(&self, run: &RunId) -> Vec<Event> {
        self.stage.journal.events(run)
    }

    /// Waits until time `at` of this process.
    pub(super) async fn until(&self, at: Duration) {
        tokio::time::sleep(at.saturating_sub(self.elapsed())).await;
    }

    /// When the driver was called so on this injection.
    pub(super) fn calls(&self, verb: Verb, id: &str) -> Vec<Duration> {
        let calls = lock(&self.stage.trace.calls);
        let of = |(called, on, _): &&Call| *called == verb && on == id;
        calls.iter().filter(of).map(|(_, _, at)| *at).collect()
    }

    /// When, in this process's time, events of a kind say that it was so.
    pub(super) fn times(&self, run: &RunId, kind: impl Fn(&Fact) -> bool) -> Vec<Duration> {
        let log = self.log(run);
        let of_kind = log.iter().filter(|event| kind(&event.fact));
        of_kind
            .map(|event| Duration::from_nanos(event.at.mono_ns))
            .collect()
    }
}

/// Runs one process to its death: what it had spawned goes with it, wherever it stands.
pub(super) fn live<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(life)
}

pub(super) fn person() -> Origin {
    Origin::person(Source::Room, "p-1")
}

pub(super) async fn halt(handle: &RunHandle) {
    let cause = StopCause::Halt {
        reason: "enough".to_owned(),
    };
    handle.stop(cause, person()).await;
}

pub(super) fn unreachable() -> FaultError {
    FaultError::Unreachable {
        what: "the target".to_owned(),
        why: "silence".to_owned(),
    }
}

/// The verdict and whether all of it is recorded.
pub(super) fn ended(status: &RunStatus) -> (Verdict, String, Option<String>) {
    match status {
        RunStatus::Ended {
            verdict,
            reasons,
            unrecorded,
        } => (*verdict, reasons.join("; "), unrecorded.clone()),
        other => panic!("it has not ended: {other:?}"),
    }
}

/// Waits until a run's log on disk, and so its world, is in the method.
pub(super) async fn running(process: &Process, handle: &RunHandle) {
    for _ in 0..1_000 {
        let log = process.log(handle.run());
        if State::replay(handle.run().clone(), &log).phase() == Some(Phase::Running) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it never runs: {:?}", handle.status());
}
