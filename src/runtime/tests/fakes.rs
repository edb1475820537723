//! The world outside a run: clocks, claims, probes, identity, and a driver that is watched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::engine::event::{Event, Fact, Origin, Token};
use crate::engine::posts::Post;
use crate::engine::undo::Armed;
use crate::engine::watch::{Sample, SampleResult};
use crate::faults::fake::{FakeDriver, Verb};
use crate::model::fault::Injection;
use crate::model::ids::{InjectionId, RunId};
use crate::model::plan::Plan;
use crate::model::probe::Probe;
use crate::model::stack::Stack;
use crate::model::time::{Epoch, Stamp};
use crate::ports::{
    Answer, Applied, Claim, Claims, Clock, Delivered, FaultDriver, FaultError, Halted, Ids,
    Inspector, Lever, Notifier, Presence, Prober, Removed,
};

pub(super) fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One process's clocks, on tokio's paused time.
pub(super) struct TestClock {
    epoch: Epoch,
    began: Instant,
    /// How far somebody has set the wall clock forward, or back, in seconds.
    stepped: AtomicI64,
}

impl TestClock {
    /// The clock of the `nth` process.
    pub(super) fn start(nth: u64) -> Self {
        Self {
            epoch: Epoch(nth),
            began: Instant::now(),
            stepped: AtomicI64::new(0),
        }
    }

    /// Somebody sets the wall clock.
    pub(super) fn step(&self, seconds: i64) {
        self.stepped.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Stamp {
        // Each process begins an hour after the one before it.
        let origin = Stamp {
            epoch: self.epoch,
            mono_ns: 0,
            wall: Timestamp::UNIX_EPOCH,
        };
        let wall = origin
            .after(Duration::from_hours(self.epoch.0) + self.elapsed())
            .wall;
        let stepped = SignedDuration::from_secs(self.stepped.load(Ordering::SeqCst));
        Stamp {
            wall: wall.saturating_add(stepped).expect("a step is small"),
            ..origin.after(self.elapsed())
        }
    }
}

/// Ids that count. Clones count on together.
#[derive(Clone, Default)]
pub(super) struct Counted(Arc<AtomicU64>);

impl Ids for Counted {
    fn run(&self) -> RunId {
        let nth = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        format!("run-{nth}").parse().expect("a name")
    }

    fn sealed_seed(&self, _: &RunId) -> u64 {
        11
    }

    fn seed(&self) -> u64 {
        7
    }
}

/// Claims as the kernel keeps them: gone with their holder. Clones are the same machine.
#[derive(Clone, Default)]
pub(super) struct Locks(Arc<Mutex<BTreeSet<RunId>>>);

struct Held {
    locks: Locks,
    run: RunId,
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.locks.0).remove(&self.run);
    }
}

impl Claims for Locks {
    fn claim(&self, run: &RunId) -> std::io::Result<Option<Claim>> {
        let taken = lock(&self.0).insert(run.clone());
        Ok(taken.then(|| {
            let held = Held {
                locks: self.clone(),
                run: run.clone(),
            };
            Box::new(held) as Claim
        }))
    }
}

/// A lever that a test pulls, and every process sees.
#[derive(Clone, Default)]
pub(super) struct FakeLever(Arc<Mutex<Option<Halted>>>);

impl FakeLever {
    pub(super) fn set(&self, halted: Option<Halted>) {
        *lock(&self.0) = halted;
    }
}

impl Lever for FakeLever {
    fn halted(&self) -> Answer<'_, Option<Halted>> {
        Box::pin(async { lock(&self.0).clone() })
    }

    fn origin<'a>(&'a self, halted: &'a Halted) -> Answer<'a, Origin> {
        Box::pin(async { Origin::person(halted.source, "p-1") })
    }
}

/// Channels that keep what they are sent.
#[derive(Clone, Default)]
pub(super) struct FakeNotifier {
    taken: Arc<Mutex<Vec<Post>>>,
    /// While it is on, no message is answered.
    silent: Arc<AtomicBool>,
    clock: Option<Arc<TestClock>>,
}

impl FakeNotifier {
    /// The same channels, as a process with this clock sends to them.
    pub(super) fn by(&self, clock: Arc<TestClock>) -> Self {
        Self {
            clock: Some(clock),
            ..self.clone()
        }
    }

    /// Every message, in the order in which they came.
    pub(super) fn taken(&self) -> Vec<Post> {
        lock(&self.taken).clone()
    }

    pub(super) fn hush(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }
}

impl Notifier for FakeNotifier {
    fn send<'a>(&'a self, post: &'a Post) -> Answer<'a, Result<Delivered, String>> {
        Box::pin(async move {
            lock(&self.taken).push(post.clone());
            if self.silent.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let clock = self.clock.as_ref().expect("a process sends");
            Ok(Delivered {
                sent: clock.now(),
                at: clock.now(),
                reference: Some(format!("thread of {}", post.key)),
                evidence: "taken".into(),
            })
        })
    }

    fn refused(&self, _: &Plan) -> Vec<String> {
        Vec::new()
    }
}

/// A question and its answer, in time since the process began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) probe: String,
    pub(super) sent: Duration,
    /// `None` while it is under way, or where it was abandoned.
    pub(super) answered: Option<Duration>,
}

/// Probes whose health and latency a test sets.
pub(super) struct FakeProber {
    clock: Arc<TestClock>,
    results: Mutex<BTreeMap<String, SampleResult>>,
    latencies: Mutex<BTreeMap<String, Duration>>,
    broken: Mutex<BTreeSet<String>>,
    asked: Mutex<Vec<Asked>>,
}

impl FakeProber {
    pub(super) fn new(clock: Arc<TestClock>) -> Self {
        Self {
            clock,
            results: Mutex::default(),
            latencies: Mutex::default(),
            broken: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    pub(super) fn answers(&self, probe: &str, result: SampleResult) {
        lock(&self.results).insert(probe.to_owned(), result);
    }

    pub(super) fn takes(&self, probe: &str, latency: Duration) {
        lock(&self.latencies).insert(probe.to_owned(), latency);
    }

    /// From now on asking it panics.
    pub(super) fn breaks(&self, probe: &str) {
        lock(&self.broken).insert(probe.to_owned());
    }

    /// Every question to one probe so far.
    pub(super) fn asked(&self, probe: &str) -> Vec<Asked> {
        let mut asked = lock(&self.asked).clone();
        asked.retain(|asked| asked.probe == probe);
        asked
    }

    async fn sample(&self, probe: &Probe) -> Sample {
        let name = probe.name.as_str();
        let sent = self.clock.now();
        let place = {
            let mut asked = lock(&self.asked);
            asked.push(Asked {
                probe: name.to_owned(),
                sent: self.clock.elapsed(),
                answered: None,
            });
            asked.len() - 1
        };
        let broken = lock(&self.broken).contains(name);
        assert!(!broken, "a mistake in a prober");
        let latency = lock(&self.latencies).get(name).copied();
        if let Some(latency) = latency {
            tokio::time::sleep(latency).await;
        }
        lock(&self.asked)[place].answered = Some(self.clock.elapsed());
        let result = lock(&self.results).get(name).cloned();
        Sample {
            sent,
            took: latency.unwrap_or_default(),
            result: result.unwrap_or(SampleResult::Passed),
        }
    }
}

impl Prober for FakeProber {
    fn ask<'a>(&'a self, probe: &'a Probe) -> Answer<'a, Sample> {
        Box::pin(self.sample(probe))
    }
}

/// An inspector that finds what a test tells it to.
#[derive(Default)]
pub(super) struct FakeInspector {
    pub(super) findings: Mutex<Vec<String>>,
}

impl FakeInspector {
    fn answer(&self) -> Result<Vec<String>, Vec<String>> {
        let findings = lock(&self.findings).clone();
        if findings.is_empty() {
            Ok(vec!["chain id 0x7a69".to_owned()])
        } else {
            Err(findings)
        }
    }
}

impl Inspector for FakeInspector {
    fn inspect<'a>(&'a self, _plan: &'a Plan) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(async move { self.answer() })
    }

    fn prove<'a>(
        &'a self,
        _stack: &'a Stack,
        _: &'a Injection,
    ) -> Answer<'a, Result<Vec<String>, Vec<String>>> {
        Box::pin(async move { self.answer() })
    }
}

/// A call of the driver, in time since its process began.
pub(super) type Call = (Verb, String, Duration);

/// What the drivers of all processes did, and what is still on its way when one of them dies.
#[derive(Clone, Default)]
pub(super) struct Trace {
    /// Calls of the latest process.
    pub(super) calls: Arc<Mutex<Vec<Call>>>,
    /// Captures and applies that the logs on disk allow.
    allowed: Arc<Mutex<BTreeSet<(Verb, RunId, InjectionId)>>>,
    /// Those that were not allowed yet when they were done.
    pub(super) unrecorded: Arc<Mutex<Vec<String>>>,
    /// Applies that began and did not end.
    pub(super) under_way: Arc<Mutex<Vec<Armed>>>,
}

impl Trace {
    /// These events are on disk.
    pub(super) fn stored(&self, run: &RunId, events: &[Event]) {
        for event in events {
            let (verb, id) = match &event.fact {
                Fact::Due { injection } => (Verb::Capture, &injection.id),
                Fact::Arming { injection, .. } => (Verb::Apply, injection),
                _ => continue,
            };
            lock(&self.allowed).insert((verb, run.clone(), id.clone()));
        }
    }
}

/// The fake driver, with a witness: nothing is captured or applied before the log on disk says so.
pub(super) struct Witness {
    pub(super) driver: Arc<FakeDriver>,
    pub(super) clock: Arc<TestClock>,
    pub(super) trace: Trace,
    pub(super) tracker: TaskTracker,
    /// Applies that never answer, and carry out what they were asked so much later.
    pub(super) landing: Mutex<BTreeMap<InjectionId, Duration>>,
    /// Undos that panic next, so many times.
    pub(super) panics: Mutex<u32>,
    /// Whether every effect is delivered twice, the second answer lost.
    pub(super) twice: AtomicBool,
}

impl Witness {
    fn called(&self, verb: Verb, id: &InjectionId) {
        let call = (verb, id.to_string(), self.clock.elapsed());
        lock(&self.trace.calls).push(call);
    }

    fn recorded(&self, verb: Verb, run: &RunId, id: &InjectionId) {
        let allowed = lock(&self.trace.allowed).contains(&(verb, run.clone(), id.clone()));
        if !allowed {
            lock(&self.trace.unrecorded).push(format!("{verb:?} {id} of {run}"));
        }
    }

    async fn applied(&self, armed: &Armed) -> Result<Applied, FaultError> {
        let id = &armed.injection().id;
        self.called(Verb::Apply, id);
        self.recorded(Verb::Apply, armed.run(), id);
        let landing = lock(&self.landing).get(id).copied();
        if let Some(after) = landing {
            self.lands(armed.clone(), after);
            return std::future::pending().await;
        }
        lock(&self.trace.under_way).push(armed.clone());
        let applied = self.driver.apply(armed).await;
        if self.twice.load(Ordering::SeqCst) {
            let _ = self.driver.apply(armed).await;
        }
        lock(&self.trace.under_way).retain(|other| other.injection().id != *id);
        applied
    }

    /// A request on its way is carried out, whoever still waits for it.
    pub(super) fn lands(&self, armed: Armed, after: Duration) {
        let driver = self.driver.clone();
        self.tracker.spawn(async move {
            tokio::time::sleep(after).await;
            driver.apply(&armed).await.expect("it lands");
        });
    }
}

impl FaultDriver for Witness {
    fn capture<'a>(
        &'a self,
        run: &'a RunId,
        stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Token, FaultError>> {
        let id = &injection.id;
        self.called(Verb::Capture, id);
        self.recorded(Verb::Capture, run, id);
        self.driver.capture(run, stack, injection)
    }

    fn apply<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        Box::pin(self.applied(armed))
    }

    fn undo<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Removed, FaultError>> {
        self.called(Verb::Undo, &armed.injection().id);
        let panics = std::mem::replace(&mut *lock(&self.panics), 0);
        if panics > 0 {
            *lock(&self.panics) = panics - 1;
            return Box::pin(async { panic!("a mistake in a driver") });
        }
        Box::pin(async move {
            let removed = self.driver.undo(armed).await;
            if self.twice.load(Ordering::SeqCst) {
                let _ = self.driver.undo(armed).await;
            }
            removed
        })
    }

    fn look<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Presence, FaultError>> {
        self.called(Verb::Look, &armed.injection().id);
        self.driver.look(armed)
    }
}
