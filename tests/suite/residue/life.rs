//! One life of a process that dies where it is told to: at a point of its log, or around a call of a driver.
//!
//! The process is this very test binary, started again. It puts the real app together with a journal and a driver in
//! between that count, note every point they pass, and end the process with SIGKILL at the one they are told: no
//! release code knows of it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use firedrill::app::{App, Settings};
use firedrill::engine::event::{Event, Fact, Origin, StopCause, Token, Trigger};
use firedrill::engine::undo::{Armed, Ledger};
use firedrill::model::fault::Injection;
use firedrill::model::ids::RunId;
use firedrill::model::stack::Stack;
use firedrill::model::time::Stamp;
use firedrill::ports::{
    Answer, Applied, Clock, Durability, FaultDriver, FaultError, Journal, JournalError, Presence,
    Removed, Unfinished,
};
use firedrill::runtime::{Ports, RunHandle, RunStatus, recovery};
use firedrill::spec::{Options, load_plan};
use jiff::SignedDuration;
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// What a life is told, as JSON.
const ORDER: &str = "FIREDRILL_LIFE";

/// No life takes longer.
const LONGEST: Duration = Duration::from_mins(5);

/// What a life does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Runs an experiment.
    Run,
    /// Runs it, with every call of a driver made twice.
    RunTwice,
    /// Runs it, with a wall clock that is set by so many hours as soon as its fault is on.
    RunStepped(i64),
    /// Recovers what is in the data folder.
    Recover,
    /// Does and undoes the experiment's first fault again and again, and times the undos.
    Pace(u32),
}

/// A place in a life: before or after the `nth` call of a kind; of an append, `nth` is the log's length then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) call: String,
    pub(crate) after: bool,
    pub(crate) nth: u64,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let moment = if self.after { "after" } else { "before" };
        write!(f, "{moment} {} {}", self.call, self.nth)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    work: Work,
    data: PathBuf,
    file: String,
    trace: PathBuf,
    dies: Option<Point>,
}

/// What came of a life.
#[derive(Debug)]
pub(crate) struct Life {
    /// Whether it died where it was told to.
    pub(crate) died: bool,
    /// Every point it passed, in order.
    pub(crate) points: Vec<Point>,
    /// How long each undo took.
    pub(crate) undos: Vec<Duration>,
    /// How its run ended.
    pub(crate) verdict: Option<String>,
}

/// Lets a process live in `folder`, which may die at a point that it passes.
pub(crate) fn live(folder: &Path, work: Work, file: &str, dies: Option<Point>) -> Life {
    let may_die = dies.is_some();
    live_beside(folder, work, file, dies, may_die, |_| {})
}

/// The same where somebody else, who is told of its birth, may end it.
pub(crate) fn live_beside(
    folder: &Path,
    work: Work,
    file: &str,
    dies: Option<Point>,
    may_die: bool,
    is_born: impl FnOnce(u32),
) -> Life {
    let trace = folder.join("trace.txt");
    let _ = fs::remove_file(&trace);
    let told_to_die = dies.clone();
    let order = Order {
        work,
        data: folder.join("data"),
        file: file.to_owned(),
        trace: trace.clone(),
        dies,
    };
    let myself = std::env::current_exe().expect("a test is a program");
    let name = "residue::life::a_life_that_another_test_started";
    let started = Command::new(myself)
        .args([name, "--exact", "--ignored", "--nocapture"])
        .env(ORDER, serde_json::to_string(&order).expect("it is plain"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program can be started");
    is_born(started.id());
    let output = started
        .wait_with_output()
        .expect("it is this process's to wait for");
    let killed = output.status.signal() == Some(Signal::KILL.as_raw());
    assert!(
        output.status.success() || (killed && may_die),
        "a life ended as {:?} ({told_to_die:?}):\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let text = fs::read_to_string(&trace).unwrap_or_default();
    let notes = text
        .lines()
        .map(|line| serde_json::from_str::<Note>(line).expect("whole lines"));
    let mut life = Life {
        died: killed,
        points: Vec::new(),
        undos: Vec::new(),
        verdict: None,
    };
    for note in notes {
        match note {
            Note::Passed(point) => life.points.push(point),
            Note::Undid(us) => life.undos.push(Duration::from_micros(us)),
            Note::Ended(verdict) => life.verdict = Some(verdict),
        }
    }
    life
}

/// A line of a life's trace.
#[derive(Debug, Serialize, Deserialize)]
enum Note {
    Passed(Point),
    Undid(u64),
    Ended(String),
}

#[test]
#[ignore = "a process of its own, which the other tests start"]
fn a_life_that_another_test_started() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    let order: Order = serde_json::from_str(&order).expect("it is an order");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(LONGEST, order.obey())
            .await
            .expect("a life ends");
    });
}

impl Order {
    async fn obey(self) {
        let watch = Arc::new(Watch {
            trace: self.trace,
            dies: self.dies,
            twice: self.work == Work::RunTwice,
            steps: match self.work {
                Work::RunStepped(hours) => SignedDuration::from_hours(hours),
                _ => SignedDuration::ZERO,
            },
            is_stepped: AtomicBool::new(false),
            calls: [const { AtomicU64::new(0) }; 3],
        });
        let settings = Settings {
            data: self.data,
            environments: vec!["staging".to_owned()],
            programs: None,
            protected: std::collections::BTreeSet::new(),
            runs: None,
            channels: std::collections::BTreeSet::new(),
            readers: 1,
        };
        let app = App::open_through(settings, |ports| Ports {
            journal: Arc::new(WatchedJournal {
                journal: ports.journal.clone(),
                watch: watch.clone(),
            }),
            driver: Arc::new(WatchedDriver {
                driver: ports.driver.clone(),
                watch: watch.clone(),
            }),
            clock: Arc::new(SteppedClock {
                clock: ports.clock.clone(),
                watch: watch.clone(),
            }),
            ..ports
        })
        .await
        .expect("the data folder opens");
        let plan = || {
            load_plan(Path::new(&self.file), &Options::default())
                .unwrap_or_else(|findings| panic!("{}", findings.render(false)))
        };
        match self.work {
            Work::Run | Work::RunTwice | Work::RunStepped(_) => {
                let started = app.supervisor.start(plan(), None, Trigger::CommandLine);
                finish(started.await.expect("it starts"), &watch).await;
            }
            Work::Recover => {
                let recovered = recovery::recover(&app.supervisor).await;
                for handle in recovered.expect("the journal is read").taken {
                    finish(handle, &watch).await;
                }
            }
            Work::Pace(times) => {
                let plan = plan();
                app.rehearse(&plan).await.expect("the targets are there");
                let driver = app.supervisor.ports().driver.clone();
                for nth in 0..times {
                    let run: RunId = format!("pace-{nth}").parse().expect("a name");
                    pace(&app, &*driver, &run, &plan.stack, &plan.injections[0]).await;
                }
            }
        }
        app.close(StopCause::Signal).await;
    }
}

async fn finish(mut handle: RunHandle, watch: &Watch) {
    let status = handle.ended().await;
    let RunStatus::Ended {
        verdict,
        reasons,
        unrecorded: None,
    } = status
    else {
        panic!("it has no end on disk: {status:?}");
    };
    watch.note(&Note::Ended(format!("{verdict:?} {}", reasons.join("; "))));
}

/// One fault there and back, without a run around it.
async fn pace(
    app: &App,
    driver: &dyn FaultDriver,
    run: &RunId,
    stack: &Stack,
    injection: &Injection,
) {
    let token = driver
        .capture(run, stack, injection)
        .await
        .expect("it is captured");
    let at = app.supervisor.ports().clock.now();
    let facts = [
        Fact::Due {
            injection: Box::new(injection.clone()),
        },
        Fact::Arming {
            injection: injection.id.clone(),
            token,
            deadline: at.after(Duration::from_mins(1)),
        },
    ];
    let mut ledger = Ledger::new(run.clone());
    for (seq, fact) in (1..).zip(facts) {
        let origin = Origin::engine();
        ledger.apply(&Event {
            seq,
            at,
            origin,
            fact,
        });
    }
    let armed = ledger.armed(&injection.id).expect("it is armed").clone();
    driver.apply(&armed).await.expect("it is applied");
    driver.undo(&armed).await.expect("it is undone");
}

/// Counts, notes, and kills.
struct Watch {
    trace: PathBuf,
    dies: Option<Point>,
    twice: bool,
    /// By how much the wall clock is set, and whether it was.
    steps: SignedDuration,
    is_stepped: AtomicBool,
    calls: [AtomicU64; 3],
}

const CALLS: [&str; 3] = ["capture", "apply", "undo"];

impl Watch {
    /// A point is passed: the last one, where this life ends here.
    fn passes(&self, call: &str, after: bool, nth: u64) {
        let point = Point {
            call: call.to_owned(),
            after,
            nth,
        };
        let is_here = |dies: &Point| {
            // Batches differ from life to life: of an append, the first that reaches so far.
            let so_far = if call == "append" {
                nth >= dies.nth
            } else {
                nth == dies.nth
            };
            dies.call == call && dies.after == after && so_far
        };
        let ends = self.dies.as_ref().is_some_and(is_here);
        self.note(&Note::Passed(point));
        if ends {
            let _ = kill_process(getpid(), Signal::KILL);
            // Nothing more happens in this thread, even where the signal takes a moment.
            loop {
                std::thread::park();
            }
        }
    }

    fn note(&self, note: &Note) {
        let line = serde_json::to_string(note).expect("it is plain") + "\n";
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.trace)
            .expect("the folder takes a file");
        file.write_all(line.as_bytes()).expect("it takes a line");
    }

    /// Makes a call of a driver, with points before and after it; twice where that is asked. The first answer counts:
    /// it is the second one that may get lost.
    async fn call<'a, T>(
        &self,
        which: usize,
        ask: impl Fn() -> Answer<'a, Result<T, FaultError>>,
    ) -> Result<T, FaultError> {
        let nth = self.calls[which].fetch_add(1, Ordering::SeqCst) + 1;
        self.passes(CALLS[which], false, nth);
        let began = Instant::now();
        let answer = ask().await;
        let took = began.elapsed();
        if self.twice && answer.is_ok() {
            ask().await?;
        }
        if CALLS[which] == "apply" {
            self.is_stepped.store(true, Ordering::SeqCst);
        }
        if CALLS[which] == "undo" {
            let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.note(&Note::Undid(us));
        }
        self.passes(CALLS[which], true, nth);
        answer
    }
}

/// The real clocks, the wall clock of which somebody sets.
struct SteppedClock {
    clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
}

impl Clock for SteppedClock {
    fn now(&self) -> Stamp {
        let now = self.clock.now();
        if !self.watch.is_stepped.load(Ordering::SeqCst) {
            return now;
        }
        let wall = now.wall.saturating_add(self.watch.steps);
        Stamp {
            wall: wall.expect("an hour is a small step"),
            ..now
        }
    }
}

struct WatchedJournal {
    journal: Arc<dyn Journal>,
    watch: Arc<Watch>,
}

impl Journal for WatchedJournal {
    fn append<'a>(
        &'a self,
        run: &'a RunId,
        expected: u64,
        events: &'a [Event],
        durability: Durability,
    ) -> Answer<'a, Result<(), JournalError>> {
        Box::pin(async move {
            let nth = expected + events.len() as u64;
            self.watch.passes("append", false, nth);
            let answer = self.journal.append(run, expected, events, durability).await;
            self.watch.passes("append", true, nth);
            answer
        })
    }

    fn load<'a>(&'a self, run: &'a RunId) -> Answer<'a, Result<Vec<Event>, JournalError>> {
        self.journal.load(run)
    }

    fn unfinished(&self) -> Answer<'_, Result<Vec<Unfinished>, JournalError>> {
        self.journal.unfinished()
    }
}

struct WatchedDriver {
    driver: Arc<dyn FaultDriver>,
    watch: Arc<Watch>,
}

impl FaultDriver for WatchedDriver {
    fn capture<'a>(
        &'a self,
        run: &'a RunId,
        stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Token, FaultError>> {
        let ask = || self.driver.capture(run, stack, injection);
        Box::pin(self.watch.call(0, ask))
    }

    fn apply<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        Box::pin(self.watch.call(1, || self.driver.apply(armed)))
    }

    fn undo<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Removed, FaultError>> {
        Box::pin(self.watch.call(2, || self.driver.undo(armed)))
    }

    fn look<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Presence, FaultError>> {
        self.driver.look(armed)
    }
}
