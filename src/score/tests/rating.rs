//! From lines to an outcome, a rating and an exit code.

use super::script::{
    Script, any_update, before, critical, drill, experiment, forbid, line, name, timed, update,
    weighing,
};
use crate::engine::event::{Fact, StopCause, UndoCause, UndoneBy, Verdict};
use crate::model::runbook::{
    Anchor, By, Expectation, Expected, Milestone, PhraseSet, Target, UpdatePart,
};
use crate::model::time::Millis;
use crate::score::report::Report;
use crate::score::rubric::{Rating, Score, TeamVerdict};

/// A fault at 10 s hurts users from 15 s on; the alert comes at 30 s.
fn hurt(lines: impl IntoIterator<Item = Expectation>) -> Script {
    Script::new(drill(lines))
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
        .at(30.0)
        .alert()
}

fn end(script: Script) -> Report {
    script
        .at(1000.0)
        .remedies("rollback", "slow-signer")
        .at(1001.0)
        .passes("send")
        .at(1020.0)
        .observed()
        .ends(Verdict::Passed)
        .judge()
}

fn score(report: &Report) -> &Score {
    &report.scorecard.as_ref().expect("a drill").score
}

fn acknowledge(weight: f64, within: u64) -> Expectation {
    let id = format!("ack-{within}");
    let limit = Some(within * 2);
    let by = Some(By::Human);
    weighing(
        weight,
        timed(
            &id,
            Milestone::Acknowledged,
            by,
            within,
            limit,
            Anchor::Paged,
        ),
    )
}

/// Met by nobody: a line that is missed whatever else happens here.
fn declare(weight: f64) -> Expectation {
    let line = timed(
        "declare",
        Milestone::Declared,
        None,
        60,
        None,
        Anchor::ImpactObserved,
    );
    weighing(weight, line)
}

#[test]
fn the_outcome_is_the_share_of_points_of_met_late_and_missed_weight() {
    // Acknowledged 90 s after the page: met by 120 s, half late by 60 s to 120 s, and one line missed.
    let report = end(
        hurt([acknowledge(3.0, 120), acknowledge(2.0, 60), declare(1.0)])
            .at(120.0)
            .acknowledges(),
    );
    let score = score(&report);
    assert!((score.points - 4.0).abs() < 1e-9);
    assert!((score.of - 6.0).abs() < 1e-9);
    assert_eq!(score.outcome, Some(66.6));
    assert_eq!(score.rating, Some(Rating::S));
    assert_eq!(score.observed, Some(100.0));
}

#[test]
fn ratings_begin_at_80_66_and_50() {
    for (weight, rating) in [
        (4.0, Rating::P),
        (3.99, Rating::S),
        (1.95, Rating::S),
        (1.93, Rating::M),
        (1.0, Rating::M),
        (0.99, Rating::U),
    ] {
        let report = end(hurt([acknowledge(weight, 120), declare(1.0)])
            .at(60.0)
            .acknowledges());
        assert_eq!(score(&report).rating, Some(rating), "weight {weight}");
    }
}

#[test]
fn what_is_forbidden_costs_its_weight_and_never_more_than_all() {
    let violated = |weight| {
        end(hurt([
            acknowledge(4.0, 120),
            weighing(weight, forbid("never", "restart-api")),
        ])
        .at(60.0)
        .acknowledges()
        .chooses("restart-api"))
    };
    assert_eq!(score(&violated(1.0)).outcome, Some(75.0));
    assert_eq!(score(&violated(9.0)).outcome, Some(0.0));
}

#[test]
fn keeping_clear_of_what_is_forbidden_earns_nothing() {
    let report = end(hurt([
        acknowledge(1.0, 120),
        declare(1.0),
        weighing(8.0, forbid("never", "restart-api")),
    ])
    .at(60.0)
    .acknowledges());
    assert_eq!(score(&report).outcome, Some(50.0));
}

#[test]
fn a_critical_line_caps_late_at_s_missed_at_m_and_violated_at_u() {
    let heavy = || acknowledge(100.0, 120);
    let rated = |line: Expectation| {
        let report = end(hurt([heavy(), critical(line)])
            .at(120.0)
            .acknowledges()
            .chooses("restart-api"));
        let score = score(&report);
        assert!(score.outcome >= Some(90.0), "{:?}", score.outcome);
        (score.rating, score.verdict)
    };
    assert_eq!(
        rated(acknowledge(1.0, 60)),
        (Some(Rating::S), TeamVerdict::Passed)
    );
    assert_eq!(rated(declare(1.0)), (Some(Rating::M), TeamVerdict::Failed));
    assert_eq!(
        rated(forbid("never", "restart-api")),
        (Some(Rating::U), TeamVerdict::Failed)
    );
}

#[test]
fn a_cap_never_raises_a_rating() {
    let report = end(hurt([critical(acknowledge(1.0, 60)), declare(9.0)])
        .at(120.0)
        .acknowledges());
    assert_eq!(score(&report).rating, Some(Rating::U));
}

#[test]
fn a_critical_line_that_nobody_could_see_withholds_the_rating_and_exits_4() {
    let manual = line(
        "judged",
        Expected::Manual {
            text: "The handover was good.".into(),
        },
    );
    let report = end(hurt([acknowledge(9.0, 120), critical(manual)])
        .at(60.0)
        .acknowledges());
    assert_eq!(score(&report).rating, None);
    assert_eq!(score(&report).verdict, TeamVerdict::Withheld);
    assert_eq!(score(&report).outcome, Some(100.0));
    assert_eq!(score(&report).observed, Some(90.0));
    assert_eq!(report.exit_code(), Some(4));
}

#[test]
fn too_little_observed_fails_a_team_that_did_all_that_was_seen() {
    let manual = line(
        "judged",
        Expected::Manual {
            text: "The handover was good.".into(),
        },
    );
    let report = end(hurt([acknowledge(1.0, 120), manual])
        .at(60.0)
        .acknowledges());
    let score = score(&report);
    assert_eq!(score.observed, Some(50.0));
    assert_eq!(score.rating, Some(Rating::P));
    assert_eq!(score.verdict, TeamVerdict::Failed);
    assert_eq!(score.verdict_reason, "observed 50 below 75");
    assert_eq!(report.exit_code(), Some(1));
}

#[test]
fn a_drill_without_impact_leaves_the_team_unrated_and_does_not_pass() {
    let report = Script::new(drill([acknowledge(1.0, 120)]))
        .at(10.0)
        .fault("slow-signer")
        .at(30.0)
        .alert()
        .at(60.0)
        .acknowledges()
        .at(300.0)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    assert_eq!(score(&report).rating, None);
    assert_eq!(score(&report).verdict, TeamVerdict::Unrated);
    assert_eq!(report.exit_code(), Some(4));
}

#[test]
fn a_decoy_rates_nobody_and_passes_by_its_stack() {
    let mut plan = drill([acknowledge(1.0, 120)]);
    plan.injections.clear();
    let report = Script::new(plan)
        .at(300.0)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    assert_eq!(score(&report).verdict, TeamVerdict::Unrated);
    assert_eq!(report.exit_code(), Some(0));
}

/// Every kind of line a runbook can hold.
fn every_kind() -> Vec<Expectation> {
    let from = Anchor::ImpactObserved;
    let event = |id, event, by| timed(id, event, by, 60, Some(300), from);
    vec![
        event("detect-any", Milestone::Detected, None),
        event("detect-auto", Milestone::Detected, Some(By::Automation)),
        critical(event("detect", Milestone::Detected, Some(By::Human))),
        acknowledge(1.0, 60),
        event("declare", Milestone::Declared, None),
        event("public", any_update(), None),
        event("mitigate-any", Milestone::Mitigated, None),
        event("recover-auto", Milestone::Recovered, Some(By::Automation)),
        event("recover", Milestone::Recovered, Some(By::Team)),
        timed(
            "clear",
            Milestone::Resolved,
            None,
            5,
            None,
            Anchor::Recovered,
        ),
        before(
            "cause",
            Milestone::CauseNamed("slow-signer".into()),
            Target::Remedy(name("rollback")),
        ),
        before(
            "early",
            Milestone::RemedyChosen(name("rollback")),
            Target::Anchor(Anchor::Declared),
        ),
        forbid("never", "restart-api"),
        line(
            "cadence",
            Expected::Cadence {
                every: Millis::seconds(60),
                until: Anchor::Recovered,
                audience: None,
                must_have: vec![UpdatePart::NextUpdateAt],
            },
        ),
        line(
            "advice",
            Expected::MessageContains {
                phrases: vec![PhraseSet::DoNotRetry],
            },
        ),
        line(
            "probe",
            Expected::Probe {
                probe: name("send"),
                within: Millis::seconds(100),
                limit: None,
                from,
            },
        ),
        line(
            "judged",
            Expected::Manual {
                text: "The handover was good.".into(),
            },
        ),
    ]
}

/// All the ways a run can go on without anybody: nobody acts, and the story ends in one of these ways.
fn idle_ends(script: impl Fn() -> Script) -> Vec<(&'static str, Script)> {
    let over = |script: Script| script.at(900.0).observed().ends(Verdict::Passed);
    vec![
        (
            "timer late",
            over(
                script()
                    .at(700.0)
                    .undo("slow-signer", UndoCause::Timer)
                    .at(702.0)
                    .passes("send"),
            ),
        ),
        (
            "timer early",
            script()
                .at(50.0)
                .undo("slow-signer", UndoCause::Timer)
                .at(51.0)
                .passes("send")
                .at(70.0)
                .observed()
                .ends(Verdict::Passed),
        ),
        ("by itself", over(script().at(50.0).passes("send"))),
        (
            "automation",
            over(
                script()
                    .at(40.0)
                    .remedies_itself("rollback", "slow-signer")
                    .at(41.0)
                    .passes("send"),
            ),
        ),
        (
            "outside",
            over(
                script()
                    .at(40.0)
                    .engine(Fact::Lost {
                        injection: name("slow-signer"),
                        evidence: "gone".into(),
                    })
                    .at(41.0)
                    .passes("send"),
            ),
        ),
        ("never", over(script())),
    ]
}

#[test]
fn a_team_that_does_nothing_scores_0_and_rates_u_however_it_ends() {
    for (how, script) in idle_ends(|| hurt(without_manual())) {
        let report = script.judge();
        let score = score(&report);
        assert_eq!(score.outcome, Some(0.0), "{how}: {}", score.outcome_reason);
        assert_eq!(score.rating, Some(Rating::U), "{how}");
        assert_eq!(report.exit_code(), Some(1), "{how}");
    }
}

fn without_manual() -> Vec<Expectation> {
    let mut lines = every_kind();
    lines.retain(|line| !matches!(line.what, Expected::Manual { .. }));
    lines
}

#[test]
fn no_single_line_earns_anything_for_a_team_that_does_nothing() {
    for line in every_kind() {
        let id = line.id.clone();
        for (how, script) in idle_ends(|| hurt([line.clone()])) {
            let report = script.judge();
            let score = score(&report);
            assert!(score.points.abs() < f64::EPSILON, "{id} when {how}");
            assert_eq!(score.outcome, Some(0.0), "{id} when {how}");
            assert_eq!(score.rating, Some(Rating::U), "{id} when {how}");
        }
    }
}

#[test]
fn an_aborted_run_exits_3_and_an_errored_one_4_whatever_the_team_did() {
    for (verdict, code) in [(Verdict::Aborted, 3), (Verdict::Errored, 4)] {
        let report = hurt([acknowledge(1.0, 120)])
            .at(60.0)
            .acknowledges()
            .stop(StopCause::Signal)
            .ends(verdict)
            .judge();
        assert_eq!(report.exit_code(), Some(code));
        assert_eq!(score(&report).verdict, TeamVerdict::Unrated);
        assert_eq!(score(&report).rating, None);
        assert_eq!(score(&report).outcome, Some(100.0));
    }
}

#[test]
fn a_drill_passes_only_when_stack_and_team_do() {
    let acted = || hurt([acknowledge(1.0, 120)]).at(60.0).acknowledges();
    assert_eq!(end(acted()).exit_code(), Some(0));
    let report = acted().at(90.0).observed().ends(Verdict::Failed).judge();
    assert_eq!(score(&report).verdict, TeamVerdict::Passed);
    assert_eq!(report.exit_code(), Some(1));
    assert_eq!(end(hurt([acknowledge(1.0, 120)])).exit_code(), Some(1));
}

#[test]
fn what_could_not_be_undone_exits_5_whatever_else_is_so() {
    let stuck = Fact::Stuck {
        injection: name("slow-signer"),
        error: "refused".into(),
    };
    let report = end(hurt([acknowledge(1.0, 120)])
        .at(60.0)
        .acknowledges()
        .engine(stuck.clone()));
    assert_eq!(report.exit_code(), Some(0), "it was undone after all");
    let report = hurt([acknowledge(1.0, 120)])
        .at(60.0)
        .engine(stuck)
        .ends(Verdict::Errored)
        .judge();
    assert_eq!(report.exit_code(), Some(5));
}

#[test]
fn an_experiment_has_no_scorecard_and_exits_by_its_stack() {
    for (verdict, code) in [
        (Verdict::Passed, 0),
        (Verdict::Failed, 1),
        (Verdict::Aborted, 3),
        (Verdict::Errored, 4),
    ] {
        let report = Script::new(experiment())
            .at(60.0)
            .observed()
            .ends(verdict)
            .judge();
        assert_eq!(report.scorecard, None);
        assert_eq!(report.exit_code(), Some(code));
    }
}

#[test]
fn while_a_run_goes_on_there_is_no_rating_and_no_exit_code() {
    let report = hurt([acknowledge(1.0, 120)])
        .at(60.0)
        .acknowledges()
        .judge();
    assert_eq!(score(&report).rating, None);
    assert_eq!(score(&report).verdict, TeamVerdict::Pending);
    assert_eq!(report.exit_code(), None);
}

/// One of the things that can happen, by a number; those from 10 on are people's doing.
fn happens(script: Script, which: u8) -> Script {
    let fault = "slow-signer";
    match which {
        0 => script.fault(fault),
        1 => script.fails("send"),
        2 => script.passes("send"),
        3 => script.fails("nonce"),
        4 => script.passes("nonce"),
        5 => script.alert(),
        6 => script.remedies_itself("rollback", fault),
        7 => script.undo(fault, UndoCause::Timer),
        8 => script.undone(fault, UndoneBy::Other),
        9 => script.machine(update("do not retry", true)),
        10 => script.detects("signer"),
        11 => script.acknowledges(),
        12 => script.declares(),
        13 => script.says("Please do not retry."),
        14 => script.remedies("rollback", fault),
        15 => script.chooses("restart-api"),
        16 => script.person(Fact::Resolved),
        _ => script.person(Fact::CauseNamed {
            cause: fault.into(),
        }),
    }
}

/// How a run goes on after anything has happened, by a number.
fn closes(script: Script, which: u8) -> Script {
    match which {
        0 => script.observed().ends(Verdict::Passed),
        1 => script.stop(StopCause::Signal).ends(Verdict::Aborted),
        2 => script.interrupted().ends(Verdict::Errored),
        3 => script.ends(Verdict::Errored),
        _ => script,
    }
}

proptest::proptest! {
    #[test]
    fn whatever_happens_the_numbers_stay_in_their_bounds_and_idleness_earns_nothing(
        story in proptest::collection::vec((0_u16..1000, 0_u8..18), 0..40),
        end in 0_u8..5,
        idle: bool,
    ) {
        let mut script = Script::new(drill(every_kind()));
        for (second, which) in story {
            let which = if idle { which % 10 } else { which };
            script = happens(script.at(f64::from(second)), which);
        }
        let report = closes(script.at(1000.0), end).judge();
        let score = score(&report);
        proptest::prop_assert!(score.points >= 0.0 && score.points <= score.of);
        if idle {
            proptest::prop_assert!(score.points.abs() < f64::EPSILON);
            proptest::prop_assert!(score.rating.is_none_or(|rating| rating == Rating::U));
        }
        for number in [score.outcome, score.observed].into_iter().flatten() {
            proptest::prop_assert!((0.0..=100.0).contains(&number), "{number}");
        }
        for line in &report.scorecard.as_ref().expect("a drill").lines {
            proptest::prop_assert!(line.credit >= 0.0 && line.credit <= line.weight, "{line:?}");
            proptest::prop_assert!(!line.reason.is_empty());
        }
        proptest::prop_assert_eq!(report.exit_code().is_none(), end == 4);
    }
}
