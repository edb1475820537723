//! What the store's tests write: small plans and events, and folders that are gone afterwards.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::engine::event::{Event, Fact, Origin, Phase, Source, Trigger, UndoneBy, Verdict};
use crate::model::drill::{Drill, Pass, Severity};
use crate::model::experiment::{Experiment, Limits, Recovery};
use crate::model::gameday::{GoesOn, Turn};
use crate::model::ids::RunId;
use crate::model::plan::{Exercise, Plan};
use crate::model::runbook::{Class, Runbook};
use crate::model::stack::Stack;
use crate::model::team::Team;
use crate::model::time::{Epoch, Millis, Stamp};

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a name")
}

/// A folder of one test, removed when it is dropped.
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = std::env::temp_dir().join(format!(
            "firedrill-store-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        // A process that was killed may have left one of the same name.
        let _ = std::fs::remove_dir_all(&path);
        Self { path }
    }

    /// Whether any file right inside holds these bytes.
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        let files = std::fs::read_dir(&self.path).expect("a folder");
        files
            .map(|file| file.expect("an entry").path())
            .filter(|path| path.is_file())
            .any(|path| {
                let content = std::fs::read(path).expect("readable");
                content.windows(bytes.len()).any(|part| part == bytes)
            })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

pub(super) fn run(text: &str) -> RunId {
    name(text)
}

/// The instant of event `seq` of any sample run.
pub(super) fn at(seq: u64) -> Stamp {
    let start: Timestamp = "2026-03-01T10:00:00Z".parse().expect("an instant");
    Stamp {
        epoch: Epoch(7),
        mono_ns: seq * 1_000_000_001,
        wall: start + SignedDuration::from_secs(i64::try_from(seq).expect("small")),
    }
}

pub(super) fn event(seq: u64, fact: Fact) -> Event {
    Event {
        seq,
        at: at(seq),
        origin: Origin::engine(),
        fact,
    }
}

pub(super) fn noted(seq: u64, text: &str) -> Event {
    Event {
        origin: Origin::person(Source::Room, "p-7f3a9c"),
        ..event(seq, Fact::Noted { text: text.into() })
    }
}

fn experiment_plan(title: &str) -> Plan {
    Plan {
        stack: Stack {
            name: name("wallet-staging"),
            environment: "staging".into(),
            identity: vec![],
            toxiproxy: None,
            docker: None,
            services: [].into(),
            links: vec![],
            probes: [].into(),
        },
        experiment: Experiment {
            name: name(title),
            stack: name("wallet-staging"),
            hypothesis: "A slow signer delays transfers.".into(),
            steady_state: vec![],
            during: vec![],
            method: vec![],
            stop_when: vec![],
            limits: Limits {
                services: None,
                duration: Millis::seconds(60),
                links: None,
                containers: None,
                tiers: std::collections::BTreeMap::default(),
            },
            recovery: Recovery {
                within: Millis::seconds(60),
                stable_for: Millis::seconds(10),
            },
        },
        injections: vec![],
        drill: None,
        files: vec![],
    }
}

fn creation(plan: Plan) -> Event {
    event(
        1,
        Fact::RunCreated {
            plan: Box::new(plan),
            seed: u64::MAX,
            trigger: Trigger::CommandLine,
        },
    )
}

/// The first event of a run of the experiment `title`.
pub(super) fn created(title: &str) -> Event {
    creation(experiment_plan(title))
}

/// The first event of a run of the drill `title`, `later` seconds after the others.
pub(super) fn created_drill(title: &str, later: u64) -> Event {
    let mut plan = experiment_plan("token-rollout");
    plan.drill = Some(Exercise {
        drill: Drill {
            name: name(title),
            experiment: name("token-rollout"),
            runbook: name("authentication"),
            team: name("wallet-oncall"),
            severity: Severity::Sev1,
            brief: String::new(),
            schedule: None,
            detection: vec![],
            injects: vec![],
            remedies: vec![],
            automation: Vec::new(),
            decoy: None,
            autopilot: None,
            pass: Pass {
                outcome: 80.0,
                observed: 66.7,
            },
        },
        runbook: Runbook {
            name: name("authentication"),
            class: Class::Availability,
            failure: None,
            clocks: Vec::new(),
            expect: vec![],
            body: "## 1. Confirm\n".into(),
        },
        team: Team {
            name: name("wallet-oncall"),
            members: vec![],
            on_call: Vec::new(),
            escalation: Vec::new(),
        },
        channels: Vec::new(),
    });
    Event {
        at: at(1 + later),
        ..creation(plan)
    }
}

/// A drill of a game day of two.
pub(super) fn turn(id: &str, position: u32) -> Turn {
    Turn {
        id: name(id),
        name: name("lost-keys"),
        position,
        of: 2,
        drills: vec![name("outage"), name("outage")],
        goes_on: GoesOn::PassedOrFailed,
    }
}

/// The first event of a run of the drill `title` in a game day, `later` seconds after the others.
pub(super) fn created_in_game_day(title: &str, later: u64, turn: Turn) -> Event {
    let mut event = created_drill(title, later);
    if let Fact::RunCreated { trigger, .. } = &mut event.fact {
        *trigger = Trigger::GameDay(turn);
    }
    event
}

pub(super) fn phase(seq: u64, phase: Phase) -> Event {
    event(seq, Fact::PhaseBegan { phase })
}

pub(super) fn stuck(seq: u64, injection: &str) -> Event {
    event(
        seq,
        Fact::Stuck {
            injection: name(injection),
            error: format!("{injection} would not go"),
        },
    )
}

pub(super) fn undone(seq: u64, injection: &str) -> Event {
    event(
        seq,
        Fact::Undone {
            injection: name(injection),
            by: UndoneBy::Us,
            evidence: "no such toxic".into(),
        },
    )
}

pub(super) fn ended(seq: u64) -> Event {
    event(
        seq,
        Fact::RunEnded {
            verdict: Verdict::Passed,
            reasons: vec!["all held".into()],
        },
    )
}
