//! Nothing left behind: a process killed around every append and every effect, for every kind of fault, on real proxies
//! and containers; then recovered; then everything is compared with what was there before, foreign things included.
//!
//! The whole of it takes minutes: `make test-crash`. Without `FIREDRILL_CRASH=all`, each kind dies around its effects
//! only, and one of each target at every point.

mod carrier;
mod kinds;
mod lane;
mod life;
mod scenarios;
mod stock;

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use self::carrier::{Killer, Moment};
use self::kinds::{KINDS, Kind, Target};
use self::lane::{Lane, reaches_docker};
use self::life::{Point, Work, live, live_beside};
use crate::ground::not_run;

/// Stacks side by side, so that waiting costs less.
const LANES: usize = 6;

/// How long faults are on that nobody ends early: long enough to have taken effect before.
fn lasts(kind: &Kind) -> &'static str {
    if kind.target == Target::Container {
        "2500ms"
    } else {
        "1500ms"
    }
}

/// The kinds that stand for their targets.
const ONE_LINK: &str = "latency";
const ONE_CONTAINER: &str = "pause";

/// Undos that are timed, of each kind.
const PACED: u32 = 100;

/// What was proven, for whoever reads the tests' output.
#[derive(Debug, Default, Clone, Copy)]
struct Coverage {
    kinds: usize,
    lives: usize,
    /// Points at which a process died, of runs and of recoveries.
    points: usize,
    recoveries: usize,
    /// Points at which something was on when it died: the others prove less.
    on: usize,
    missed: usize,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kinds,
            lives,
            points,
            recoveries,
            on,
            missed,
        } = self;
        write!(
            f,
            "{kinds} kinds of fault, {points} points of death ({recoveries} of them in a recovery), at {on} of which something \
             was on; {missed} not reached; {lives} processes; residue 0"
        )
    }
}

impl Coverage {
    fn add(&mut self, other: Self) {
        self.kinds += other.kinds;
        self.lives += other.lives;
        self.points += other.points;
        self.recoveries += other.recoveries;
        self.on += other.on;
        self.missed += other.missed;
    }
}

fn is_whole() -> bool {
    std::env::var("FIREDRILL_CRASH").is_ok_and(|asked| asked == "all")
}

/// Past what the test runner keeps to itself: coverage is a result.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Does `work` for each kind, on lanes side by side.
fn for_each<L>(
    kinds: impl IntoIterator<Item = Kind>,
    open: impl Fn() -> L + Sync,
    work: impl Fn(&L, &Kind) -> Coverage + Sync,
) -> Coverage {
    let queue: Mutex<VecDeque<Kind>> = Mutex::new(kinds.into_iter().collect());
    let total = Mutex::new(Coverage::default());
    thread::scope(|scope| {
        let lane = || {
            let next = || {
                queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front()
            };
            let mut kind = next();
            if kind.is_none() {
                return;
            }
            let lane = open();
            while let Some(one) = kind {
                let covered = work(&lane, &one);
                total
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .add(covered);
                kind = next();
            }
        };
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        for lane in lanes {
            if let Err(panic) = lane.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Kills processes of one kind of fault at its points, and holds what is left to what was there before.
fn dies_everywhere(lane: &Lane, kind: &Kind, whole: bool) -> Coverage {
    let folder = lane.shop.folder.path();
    let file = lane.experiment(kind, lasts(kind));
    let before = lane.snapshot();
    let mut coverage = Coverage {
        kinds: 1,
        ..Coverage::default()
    };
    let intact = |story: &dyn fmt::Display| {
        assert_eq!(lane.snapshot(), before, "{}: {story}", kind.name);
        let asked = lane.shop.firedrill.run(["recover", "--dry-run"]);
        asked.exits(0).results("nothing is open");
    };
    let once = live(folder, Work::Run, &file, None);
    intact(&"nobody died");
    let twice = live(folder, Work::RunTwice, &file, None);
    intact(&"every effect was delivered twice");
    for life in [&once, &twice] {
        let verdict = life.verdict.as_deref();
        assert_eq!(verdict, Some("Passed "), "{}", kind.name);
        let took_effect = |point: &Point| point.call == "apply" && point.after;
        assert!(life.points.iter().any(took_effect), "{}", kind.name);
    }
    coverage.lives += 2;

    for point in chosen(&once.points, whole) {
        let life = live(folder, Work::Run, &file, Some(point.clone()));
        coverage.lives += 1;
        if !life.died {
            coverage.missed += 1;
            intact(&format!("{point} was not reached"));
            continue;
        }
        coverage.points += 1;
        coverage.on += usize::from(lane.snapshot() != before);
        let recovered = lane.shop.firedrill.run(["recover"]).exits(0);
        coverage.lives += 1;
        intact(&format!("died {point}; {}", recovered.stderr));
    }
    // Recoveries die too, of a run that left its fault on.
    let for_long = lane.experiment(kind, "60s");
    let fault_is_on = || {
        let dies = Point {
            call: "apply".to_owned(),
            after: true,
            nth: 1,
        };
        let life = live(folder, Work::Run, &for_long, Some(dies));
        assert!(life.died, "{}: {life:?}", kind.name);
    };
    fault_is_on();
    let recovery = live(folder, Work::Recover, &file, None);
    intact(&"recovered");
    coverage.lives += 2;
    for point in chosen(&recovery.points, whole) {
        fault_is_on();
        let life = live(folder, Work::Recover, &file, Some(point.clone()));
        coverage.lives += 2;
        if life.died {
            coverage.points += 1;
            coverage.recoveries += 1;
            coverage.on += usize::from(lane.snapshot() != before);
        } else {
            coverage.missed += 1;
        }
        let recovered = lane.shop.firedrill.run(["recover"]).exits(0);
        coverage.lives += 1;
        intact(&format!("died {point} of a recovery; {}", recovered.stderr));
    }
    assert!(coverage.points > 0, "{}: nobody died", kind.name);
    assert!(
        coverage.on > 0 || !kind.shows,
        "{}: nothing was ever on when a process died: that proves nothing",
        kind.name
    );
    coverage
}

/// Kills processes at every request by which they change something on a target: before it arrives, and once it was carried
/// out but not answered. Between the two of a lock and the two of its fault lie the instants that no call of a driver
/// shows: a lock that is taken for a fault that is not there yet, and one that outlives its fault for a moment.
fn dies_at_every_request((lane, killer): &(Lane, Arc<Killer>), kind: &Kind) -> Coverage {
    let folder = lane.shop.folder.path();
    let (file, for_long) = (lane.experiment(kind, "500ms"), lane.experiment(kind, "60s"));
    let before = lane.snapshot();
    let mut coverage = Coverage {
        kinds: 1,
        ..Coverage::default()
    };
    let intact = |story: &dyn fmt::Display| {
        assert_eq!(lane.snapshot(), before, "{}: {story}", kind.name);
        let asked = lane.shop.firedrill.run(["recover", "--dry-run"]);
        asked.exits(0).results("nothing is open");
    };
    let processes = Cell::new(0);
    let lives = |work: Work, file: &str, dies: Option<(usize, Moment)>| {
        killer.expects(dies);
        let life = live_beside(folder, work, file, None, dies.is_some(), |process| {
            killer.is_born(process);
        });
        processes.set(processes.get() + 1);
        (life, killer.rests())
    };
    let (_, of_a_run) = lives(Work::Run, &file, None);
    intact(&"nobody died");
    // A lock, its fault, and both undone.
    assert!(of_a_run.len() >= 4, "{}: {of_a_run:?}", kind.name);
    let fault_is_on = 2;
    let last_thing = Some((fault_is_on, Moment::After));
    let (life, _) = lives(Work::Run, &for_long, last_thing);
    assert!(life.died, "{}", kind.name);
    let (_, of_a_recovery) = lives(Work::Recover, &file, None);
    intact(&"recovered");
    let both = [(Work::Run, &of_a_run), (Work::Recover, &of_a_recovery)];
    for (work, requests) in both {
        for (nth, request) in (1..).zip(requests) {
            for moment in [Moment::Before, Moment::After] {
                if work == Work::Recover {
                    let (life, _) = lives(Work::Run, &for_long, last_thing);
                    assert!(life.died, "{}", kind.name);
                }
                let (life, _) = lives(work, &file, Some((nth, moment)));
                let story = format!("{moment} request {nth}, {request}, of {work:?}");
                assert!(life.died, "{}: not {story}", kind.name);
                coverage.points += 1;
                coverage.recoveries += usize::from(work == Work::Recover);
                coverage.on += usize::from(lane.snapshot() != before);
                lane.shop.firedrill.run(["recover"]).exits(0);
                processes.set(processes.get() + 1);
                intact(&format!("died {story}"));
            }
        }
    }
    coverage.lives = processes.get();
    coverage
}

/// All points, or those right around what touches the world.
fn chosen(points: &[Point], whole: bool) -> Vec<Point> {
    let touches = |point: &&Point| whole || point.call == "apply" || point.call == "undo";
    points.iter().filter(touches).cloned().collect()
}

/// One of each target dies everywhere in any case.
fn is_thorough(kind: &Kind) -> bool {
    is_whole() || matches!(kind.name, ONE_LINK | ONE_CONTAINER)
}

fn prove(what: &str, coverage: Coverage) {
    assert!(
        coverage.kinds > 0 && coverage.points > 0,
        "{what}: {coverage}"
    );
    say(&format!("CRASH COVERAGE {what}: {coverage}"));
}

#[test]
fn faults_on_links_leave_nothing_wherever_the_process_died() {
    let kinds = KINDS
        .into_iter()
        .filter(|kind| matches!(kind.target, Target::Link | Target::OwnLink | Target::Hook));
    let coverage = for_each(
        kinds,
        || Lane::open(false),
        |lane, kind| dies_everywhere(lane, kind, is_thorough(kind)),
    );
    prove("on firedrill's own proxies, and by hooks", coverage);
}

#[test]
fn faults_on_containers_leave_nothing_wherever_the_process_died() {
    if let Err(why) = reaches_docker() {
        not_run(&format!(
            "this test needs a Docker daemon and a static busybox: {why}"
        ));
        return;
    }
    let kinds = KINDS
        .into_iter()
        .filter(|kind| kind.target == Target::Container);
    let coverage = for_each(
        kinds,
        || Lane::open(true),
        |lane, kind| dies_everywhere(lane, kind, is_thorough(kind)),
    );
    prove("on containers", coverage);
}

#[test]
fn faults_on_another_toxiproxy_leave_nothing_wherever_the_process_died() {
    let Ok(url) = std::env::var("TOXIPROXY_URL") else {
        not_run_anywhere("against another Toxiproxy: TOXIPROXY_URL is not set");
        return;
    };
    let kinds = KINDS.into_iter().filter(|kind| kind.target == Target::Link);
    let coverage = for_each(
        kinds,
        || Lane::on_server(&url),
        |lane, kind| dies_everywhere(lane, kind, is_thorough(kind)),
    );
    prove("on another Toxiproxy", coverage);
}

/// Says that a test did not run which CI can't run either.
fn not_run_anywhere(why: &str) {
    say(&format!("NOT RUN: {why}"));
}

/// A lane with a killer before its targets.
fn watched(with_docker: bool) -> (Lane, Arc<Killer>) {
    let (lane, killer) = (Lane::open(with_docker), Arc::<Killer>::default());
    lane.watched_by(&killer.watch(), None);
    (lane, killer)
}

/// The kinds that die at every request: one of each target. What it proves is the lock's, which is the same for all
/// kinds; and of other kinds not every effect is a request, nor are they in the same order each time.
fn at_requests(target: Target) -> impl Iterator<Item = Kind> {
    KINDS
        .into_iter()
        .filter(move |kind| kind.target == target && matches!(kind.name, ONE_LINK | ONE_CONTAINER))
}

#[test]
fn a_lock_on_a_link_goes_with_its_fault_at_whichever_request_the_process_died() {
    let coverage = for_each(
        at_requests(Target::Link),
        || watched(false),
        dies_at_every_request,
    );
    prove("at the requests to a proxy server", coverage);
}

#[test]
fn a_lock_on_a_container_goes_with_its_fault_at_whichever_request_the_process_died() {
    if let Err(why) = reaches_docker() {
        not_run(&format!(
            "this test needs a Docker daemon and a static busybox: {why}"
        ));
        return;
    }
    let coverage = for_each(
        at_requests(Target::Container),
        || watched(true),
        dies_at_every_request,
    );
    prove("at the requests to a Docker daemon", coverage);
}

#[test]
fn an_undo_keeps_its_bar() {
    if std::env::var_os("FIREDRILL_BARS").is_none() {
        not_run_anywhere(
            "the bars of undoing are held by `make test-crash`, with nothing else beside it",
        );
        return;
    }
    let docker = reaches_docker().is_ok();
    let lane = Lane::open(docker);
    let mut over = Vec::new();
    for kind in KINDS {
        let Some(bar) = kind.bar else { continue };
        if kind.target == Target::Container && !docker {
            continue;
        }
        let file = lane.experiment(&kind, "60s");
        let before = lane.snapshot();
        let life = live(lane.shop.folder.path(), Work::Pace(PACED), &file, None);
        assert_eq!(lane.snapshot(), before, "{}", kind.name);
        let mut undos = life.undos;
        undos.sort_unstable();
        assert_eq!(undos.len(), PACED as usize);
        let of = |hundredth: usize| undos[(undos.len() * hundredth).div_ceil(100) - 1];
        let (median, p99) = (of(50), of(99));
        say(&format!(
            "UNDO {}: median {median:.1?}, p99 {p99:.1?} of {PACED}; bar {bar:?}",
            kind.name
        ));
        if p99 > bar {
            over.push(format!("{}: {p99:?} is over {bar:?}", kind.name));
        }
    }
    assert!(over.is_empty(), "{over:?}");
}
