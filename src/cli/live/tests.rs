//! The live line, drawn at fixed instants.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::engine::event::{Alert, Origin, Source, Token, Trigger, UndoCause, UndoneBy};
use crate::engine::tests::plans;
use crate::model::time::Epoch;

fn stamp(milliseconds: u64) -> Stamp {
    Stamp {
        epoch: Epoch(1),
        mono_ns: 0,
        wall: Timestamp::UNIX_EPOCH,
    }
    .after(Duration::from_millis(milliseconds))
}

struct Told {
    board: Board,
    plan: Plan,
    seq: u64,
}

impl Told {
    fn of(plan: Plan) -> Self {
        let created = Fact::RunCreated {
            plan: Box::new(plan.clone()),
            seed: 1,
            trigger: Trigger::CommandLine,
        };
        let board = Board::default();
        let told = Self {
            board,
            plan,
            seq: 0,
        };
        told.at(0, created)
    }

    fn at(mut self, milliseconds: u64, fact: Fact) -> Self {
        self.seq += 1;
        let event = Event {
            seq: self.seq,
            at: stamp(milliseconds),
            origin: Origin::machine(Source::Engine),
            fact,
        };
        self.board.take(&event, &self.plan);
        self
    }

    fn arming(self, milliseconds: u64, id: &str, deadline: u64) -> Self {
        let fact = Fact::Arming {
            injection: plans::name(id),
            token: Token(serde_json::Value::Null),
            deadline: stamp(deadline),
        };
        self.at(milliseconds, fact)
    }

    fn active(self, milliseconds: u64, id: &str) -> Self {
        let fact = Fact::Active {
            injection: plans::name(id),
            sent: stamp(milliseconds),
            evidence: String::new(),
        };
        self.at(milliseconds, fact)
    }

    fn probe(self, milliseconds: u64, id: &str, standing: Standing) -> Self {
        let fact = Fact::ProbeChanged {
            probe: plans::name(id),
            standing,
            first: stamp(milliseconds - 500),
            previous: None,
            reason: None,
        };
        self.at(milliseconds, fact)
    }

    fn line(&self, milliseconds: u64, columns: usize) -> String {
        self.board.line(&stamp(milliseconds), columns, false)
    }
}

/// An experiment whose one fault came at 4 s, for ten seconds.
fn broken() -> Told {
    Told::of(plans::experiment())
        .at(
            100,
            Fact::PhaseBegan {
                phase: Phase::Before,
            },
        )
        .probe(1_000, "canary", Standing::Passing)
        .probe(1_000, "gap", Standing::Passing)
        .at(
            3_000,
            Fact::PhaseBegan {
                phase: Phase::Running,
            },
        )
        .arming(4_000, "slow", 14_000)
        .active(4_100, "slow")
        .probe(6_000, "canary", Standing::Failing)
}

#[test]
fn it_shows_the_phase_what_is_on_with_its_time_left_and_how_probes_stand() {
    let told = broken();
    insta::assert_snapshot!(told.line(8_200, 79), @"+00:08   … running 5s | 1 pass, 1 FAIL | slow ▓▓▓░░ 6s left");
    insta::assert_snapshot!(told.line(13_900, 79), @"+00:13   … running 10s | 1 pass, 1 FAIL | slow ▓░░░░ 1s left");
}

#[test]
fn what_is_undone_leaves_the_line_and_what_is_being_undone_says_so() {
    let undoing = broken().at(
        14_000,
        Fact::UndoBegan {
            injection: plans::name("slow"),
            cause: UndoCause::Timer,
        },
    );
    assert!(undoing.line(14_100, 79).ends_with("| slow is being undone"));
    let undone = undoing.at(
        14_500,
        Fact::Undone {
            injection: plans::name("slow"),
            by: UndoneBy::Us,
            evidence: String::new(),
        },
    );
    assert!(!undone.line(14_600, 79).contains("slow"));
}

#[test]
fn a_narrow_terminal_cuts_it_and_never_wraps_it() {
    let told = broken();
    for columns in 0..80 {
        let line = told.line(8_200, columns);
        assert!(width(&line) <= columns, "{columns}: {line:?}");
    }
    assert_eq!(told.line(8_200, 30), "+00:08   … running 5s | 1 pas…");
}

#[test]
fn colour_is_only_added_and_tells_nothing_by_itself() {
    let told = broken();
    let coloured = told.board.line(&stamp(8_200), 79, true);
    assert!(
        coloured.contains("\x1b[31m1 pass, 1 FAIL\x1b[0m"),
        "{coloured:?}"
    );
    let bare = ["\x1b[33m", "\x1b[31m", "\x1b[0m"]
        .iter()
        .fold(coloured, |line, code| line.replace(code, ""));
    assert_eq!(bare, told.line(8_200, 79));
}

#[test]
fn a_drill_shows_its_timers_running_and_then_what_they_came_to() {
    let hurt = Told::of(plans::drill())
        .at(
            100,
            Fact::PhaseBegan {
                phase: Phase::Running,
            },
        )
        .arming(1_000, "bad-token", 61_000)
        .active(1_100, "bad-token")
        .probe(4_500, "canary", Standing::Failing);
    insta::assert_snapshot!(hurt.line(9_100, 79), @"+00:09   … running 9s | 0 pass, 1 FAIL | TTD 5s… | bad-token ▓▓▓▓▓ ≤52s left");
    let tight = hurt.line(9_100, 72);
    assert!(tight.ends_with("| bad-token ≤52s left"), "{tight}");
    let alert = Alert {
        firing: true,
        labels: [("alertname".to_owned(), "LoginFailures".to_owned())].into(),
        fingerprint: "f".into(),
        starts_at: stamp(10_000).wall,
        qualifies: true,
    };
    let paged = hurt.at(10_000, Fact::AlertReceived { alert });
    assert!(
        paged.line(12_000, 100).contains("| TTD 6s | TTA 2s… |"),
        "{}",
        paged.line(12_000, 100)
    );
    let mut missed = paged;
    missed.board.missed();
    assert!(!missed.line(12_000, 100).contains("TT"));
}
