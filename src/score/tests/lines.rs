//! Verdicts of the runbook's lines.

use super::script::{
    Script, any_update, before, drill, forbid, judged, line, name, stamp, timed, update,
};
use crate::engine::event::{Fact, StopCause, UndoCause, Verdict as RunVerdict};
use crate::model::drill::Detection;
use crate::model::runbook::{
    Anchor, Audience, By, Expectation, Expected, Milestone, PhraseSet, Target, UpdatePart,
};
use crate::model::team::Role;
use crate::model::time::Millis;
use crate::score::expectations::{Line, Verdict};

/// A fault at 10 s hurts users from 15 s on; the alert comes at 30 s.
fn hurt(line: Expectation) -> Script {
    Script::new(drill([line]))
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
        .at(30.0)
        .alert()
}

/// The fault ends by its timer at this second, users are served two seconds later, and observation ends.
fn timer(script: Script, second: f64) -> Script {
    script
        .at(second)
        .undo("slow-signer", UndoCause::Timer)
        .at(second + 2.0)
        .passes("send")
        .at(second + 20.0)
        .observed()
        .ends(RunVerdict::Passed)
}

/// The team ends the fault at this second, users are served two seconds later, and observation ends.
fn team(script: Script, second: f64) -> Script {
    script
        .at(second)
        .remedies("rollback", "slow-signer")
        .at(second + 2.0)
        .passes("send")
        .at(second + 20.0)
        .observed()
        .ends(RunVerdict::Passed)
}

fn only(script: Script, id: &str) -> Line {
    judged(&script.judge(), id)
}

fn acknowledge() -> Expectation {
    timed(
        "ack",
        Milestone::Acknowledged,
        Some(By::Human),
        300,
        Some(600),
        Anchor::Paged,
    )
}

fn recover(by: Option<By>) -> Expectation {
    timed(
        "recover",
        Milestone::Recovered,
        by,
        120,
        Some(600),
        Anchor::ImpactObserved,
    )
}

#[test]
fn a_line_in_time_is_met_and_says_by_how_much() {
    let script = hurt(acknowledge()).at(102.0).acknowledges();
    let line = only(team(script, 700.0), "ack");
    assert_eq!(line.verdict, Verdict::Met);
    assert_eq!(
        line.reason,
        "acknowledged 1m12s after the page; due within 5m, at the latest 10m"
    );
    assert_eq!(line.took_ms, Some(72_000));
    assert!((line.credit - 1.0).abs() < f64::EPSILON);
    assert_eq!(line.due, Some(stamp(330.0)));
    assert_eq!(line.evidence.len(), 1);
}

#[test]
fn a_late_line_earns_what_is_left_of_the_way_to_its_limit() {
    let script = hurt(acknowledge()).at(30.0 + 375.0).acknowledges();
    let line = only(team(script, 700.0), "ack");
    assert_eq!(line.verdict, Verdict::Late);
    assert!((line.credit - 0.75).abs() < 1e-9, "{}", line.credit);
}

#[test]
fn a_line_past_its_limit_is_missed_and_so_is_one_without_a_limit_past_within() {
    let script = hurt(acknowledge()).at(30.0 + 600.0).acknowledges();
    assert_eq!(only(team(script, 700.0), "ack").verdict, Verdict::Missed);
    let strict = timed(
        "ack",
        Milestone::Acknowledged,
        None,
        300,
        None,
        Anchor::Paged,
    );
    let script = hurt(strict).at(30.0 + 301.0).acknowledges();
    assert_eq!(only(team(script, 700.0), "ack").verdict, Verdict::Missed);
}

#[test]
fn a_line_that_never_happened_is_missed_once_its_limit_has_passed_and_censored_before() {
    assert_eq!(
        only(timer(hurt(acknowledge()), 800.0), "ack").verdict,
        Verdict::Missed
    );
    let line = only(timer(hurt(acknowledge()), 400.0), "ack");
    assert_eq!(line.verdict, Verdict::Censored);
    assert_eq!(
        line.reason,
        "not acknowledged, but observation ended before it was due"
    );
}

#[test]
fn a_line_by_people_is_not_met_by_a_machine() {
    let script = hurt(acknowledge()).at(40.0).machine(Fact::Acknowledged);
    assert_eq!(only(timer(script, 800.0), "ack").verdict, Verdict::Missed);
}

#[test]
fn what_a_machine_did_is_seen_but_earns_nothing() {
    let by_anybody = timed(
        "detect",
        Milestone::Detected,
        None,
        120,
        None,
        Anchor::ImpactObserved,
    );
    let line = only(timer(hurt(by_anybody), 800.0), "detect");
    assert_eq!((line.verdict, line.earns), (Verdict::Met, false));
    assert!(line.credit.abs() < f64::EPSILON);
    assert!(line.reason.contains("earns nothing"), "{}", line.reason);
}

#[test]
fn a_detection_before_users_were_hurt_is_met_at_once() {
    let detect = timed(
        "detect",
        Milestone::Detected,
        Some(By::Human),
        120,
        None,
        Anchor::ImpactObserved,
    );
    let script = Script::new(drill([detect]))
        .at(10.0)
        .fault("slow-signer")
        .at(12.0)
        .detects("signer")
        .at(15.0)
        .fails("send");
    let line = only(timer(script, 800.0), "detect");
    assert_eq!((line.verdict, line.took_ms), (Verdict::Met, Some(0)));
    assert!(line.reason.starts_with("detected before impact"));
}

#[test]
fn a_false_alarm_detects_nothing_and_is_named() {
    let detect = timed(
        "detect",
        Milestone::Detected,
        Some(By::Human),
        120,
        None,
        Anchor::ImpactObserved,
    );
    let line = only(
        timer(hurt(detect).at(40.0).detects("billing"), 800.0),
        "detect",
    );
    assert_eq!(line.verdict, Verdict::Missed);
    assert!(line.reason.contains("false alarm"), "{}", line.reason);
}

#[test]
fn a_detection_of_a_kind_the_drill_does_not_list_is_not_observed() {
    let detect = timed(
        "detect",
        Milestone::Detected,
        Some(By::Human),
        120,
        None,
        Anchor::ImpactObserved,
    );
    let mut plan = drill([detect]);
    let exercise = plan.drill.as_mut().expect("a drill");
    exercise.drill.detection.retain(|d| *d != Detection::Human);
    let script = Script::new(plan)
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send");
    let line = only(timer(script, 800.0), "detect");
    assert_eq!(line.verdict, Verdict::NotObserved);
}

#[test]
fn dependants_of_what_the_team_did_not_do_are_missed() {
    for anchor in [Anchor::Detected, Anchor::Declared, Anchor::Acknowledged] {
        let line = timed("public", any_update(), None, 600, None, anchor);
        let mut script = Script::new(drill([line]))
            .at(10.0)
            .fault("slow-signer")
            .at(15.0)
            .fails("send");
        if anchor == Anchor::Acknowledged {
            script = script.at(30.0).alert();
        }
        assert_eq!(
            only(timer(script, 30.0), "public").verdict,
            Verdict::Missed,
            "{anchor:?}"
        );
    }
}

#[test]
fn dependants_of_what_nature_did_not_bring_are_not_applicable() {
    let unpaged = Script::new(drill([acknowledge()]))
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send");
    assert_eq!(
        only(timer(unpaged, 800.0), "ack").verdict,
        Verdict::NotApplicable
    );
    let unhurt = Script::new(drill([recover(None)]))
        .at(10.0)
        .fault("slow-signer")
        .at(800.0)
        .observed()
        .ends(RunVerdict::Passed);
    assert_eq!(only(unhurt, "recover").verdict, Verdict::NotApplicable);
}

#[test]
fn a_role_taken_before_the_fault_is_taken_all_the_same() {
    let command = timed(
        "command",
        Milestone::RoleAssigned(Role::IncidentCommander),
        None,
        600,
        None,
        Anchor::Declared,
    );
    let script = Script::new(drill([command]))
        .at(5.0)
        .takes(Role::IncidentCommander)
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
        .at(20.0)
        .declares();
    assert_eq!(only(team(script, 100.0), "command").verdict, Verdict::Met);
}

#[test]
fn another_role_does_not_do() {
    let command = timed(
        "command",
        Milestone::RoleAssigned(Role::IncidentCommander),
        None,
        600,
        None,
        Anchor::Declared,
    );
    let script = hurt(command).at(40.0).declares().takes(Role::Scribe);
    assert_eq!(
        only(timer(script, 700.0), "command").verdict,
        Verdict::Missed
    );
}

#[test]
fn a_cause_must_be_the_right_one_and_come_before_its_target() {
    let cause = || {
        before(
            "cause",
            Milestone::CauseNamed("slow-signer".into()),
            Target::Remedy(name("rollback")),
        )
    };
    let named = |cause: &str| Fact::CauseNamed {
        cause: cause.into(),
    };
    let right = hurt(cause()).at(50.0).person(named("slow-signer"));
    assert_eq!(only(team(right, 100.0), "cause").verdict, Verdict::Met);
    let wrong = hurt(cause()).at(50.0).person(named("dead-node"));
    let line = only(team(wrong, 100.0), "cause");
    assert_eq!(line.verdict, Verdict::Missed);
    assert!(line.reason.contains("`dead-node` was named instead"));
    let mut after = hurt(cause()).at(100.0).remedies("rollback", "slow-signer");
    after = after.at(112.0).person(named("slow-signer"));
    let line = only(timer(after, 200.0), "cause");
    assert_eq!(line.verdict, Verdict::Missed);
    assert!(
        line.reason
            .contains("12s after remedy `rollback`, not before"),
        "{}",
        line.reason
    );
}

#[test]
fn a_line_before_something_is_missed_when_nobody_does_anything() {
    let cause = before(
        "cause",
        Milestone::CauseNamed("slow-signer".into()),
        Target::Remedy(name("rollback")),
    );
    let line = only(timer(hurt(cause), 100.0), "cause");
    assert_eq!(line.verdict, Verdict::Missed);
}

#[test]
fn an_update_must_reach_its_audience_on_its_channel_with_its_parts() {
    let wanted = |channel: &str, must_have: Vec<UpdatePart>| {
        timed(
            "public",
            Milestone::Update {
                audience: Some(Audience::Customers),
                channels: vec![channel.into()],
                must_have,
            },
            None,
            600,
            None,
            Anchor::Detected,
        )
    };
    for (channel, must_have, verdict) in [
        ("status_page", Vec::new(), Verdict::Met),
        ("telegram", Vec::new(), Verdict::Missed),
        (
            "status_page",
            vec![UpdatePart::NextUpdateAt],
            Verdict::Missed,
        ),
    ] {
        let script = hurt(wanted(channel, must_have)).at(60.0).says("We know.");
        let line = only(timer(script, 800.0), "public");
        assert_eq!(line.verdict, verdict, "{channel}: {}", line.reason);
    }
}

#[test]
fn an_all_clear_from_before_recovery_is_none() {
    let clear = || {
        timed(
            "clear",
            Milestone::Resolved,
            None,
            15,
            None,
            Anchor::Recovered,
        )
    };
    let early = hurt(clear()).at(60.0).person(Fact::Resolved);
    let line = only(team(early, 100.0), "clear");
    assert_eq!(line.verdict, Verdict::Missed);
    assert!(
        line.reason.contains("only before recovery"),
        "{}",
        line.reason
    );
    let right = hurt(clear())
        .at(100.0)
        .remedies("rollback", "slow-signer")
        .at(102.0)
        .passes("send")
        .at(110.0)
        .person(Fact::Resolved)
        .at(130.0)
        .observed()
        .ends(RunVerdict::Passed);
    assert_eq!(only(right, "clear").verdict, Verdict::Met);
}

#[test]
fn recovery_by_the_team_earns_by_its_time() {
    let line = only(team(hurt(recover(Some(By::Team))), 100.0), "recover");
    assert_eq!((line.verdict, line.earns), (Verdict::Met, true));
    assert_eq!(line.took_ms, Some(87_000));
    let line = only(team(hurt(recover(Some(By::Team))), 373.0), "recover");
    assert_eq!(line.verdict, Verdict::Late);
    assert!((line.credit - 0.5).abs() < 1e-9, "{}", line.credit);
}

#[test]
fn recovery_by_the_timer_is_censored_before_the_limit_and_missed_past_it() {
    for by in [None, Some(By::Team), Some(By::Human)] {
        let line = only(timer(hurt(recover(by)), 400.0), "recover");
        assert_eq!(line.verdict, Verdict::Censored, "{}", line.reason);
        let line = only(timer(hurt(recover(by)), 615.0), "recover");
        assert_eq!(line.verdict, Verdict::Missed, "{}", line.reason);
    }
}

#[test]
fn recovery_by_the_timer_misses_a_line_without_a_time() {
    let open = line(
        "recover",
        Expected::Event {
            event: Milestone::Recovered,
            by: Some(By::Team),
            within: None,
            limit: None,
            from: None,
            before: None,
        },
    );
    assert_eq!(
        only(timer(hurt(open), 100.0), "recover").verdict,
        Verdict::Missed
    );
}

#[test]
fn recovery_that_nobody_can_be_credited_with_misses_a_line_by_the_team_and_earns_nothing_else() {
    let by_itself = |by| {
        hurt(recover(by))
            .at(60.0)
            .passes("send")
            .at(80.0)
            .observed()
            .ends(RunVerdict::Passed)
    };
    assert_eq!(
        only(by_itself(Some(By::Team)), "recover").verdict,
        Verdict::Missed
    );
    let line = only(by_itself(None), "recover");
    assert_eq!((line.verdict, line.earns), (Verdict::Met, false));
}

#[test]
fn recovery_by_a_rule_meets_a_line_by_automation_and_earns_nothing() {
    let by_rule = |by| {
        hurt(recover(by))
            .at(60.0)
            .remedies_itself("rollback", "slow-signer")
            .at(61.0)
            .passes("send")
            .at(80.0)
            .observed()
            .ends(RunVerdict::Passed)
    };
    let line = only(by_rule(Some(By::Automation)), "recover");
    assert_eq!((line.verdict, line.earns), (Verdict::Met, false));
    assert_eq!(
        only(by_rule(Some(By::Team)), "recover").verdict,
        Verdict::Missed
    );
}

#[test]
fn an_abort_before_the_limit_censors_and_after_it_misses() {
    let halted = |second: f64| {
        hurt(recover(Some(By::Team)))
            .at(second)
            .stop(StopCause::Signal)
            .undo("slow-signer", UndoCause::Abort)
            .ends(RunVerdict::Aborted)
    };
    assert_eq!(only(halted(100.0), "recover").verdict, Verdict::Censored);
    assert_eq!(only(halted(700.0), "recover").verdict, Verdict::Missed);
}

#[test]
fn what_people_do_after_a_stop_is_no_part_of_the_drill() {
    let script = hurt(acknowledge())
        .at(60.0)
        .stop(StopCause::Signal)
        .at(61.0)
        .acknowledges()
        .ends(RunVerdict::Aborted);
    assert_eq!(only(script, "ack").verdict, Verdict::Censored);
}

#[test]
fn a_real_incident_leaves_every_line_unscored() {
    let script = hurt(acknowledge())
        .at(40.0)
        .acknowledges()
        .at(60.0)
        .stop(StopCause::Real)
        .ends(RunVerdict::Aborted);
    let report = script.judge();
    assert_eq!(judged(&report, "ack").verdict, Verdict::Censored);
    assert_eq!(report.scorecard.expect("a drill").score.outcome, None);
}

#[test]
fn what_is_forbidden_is_violated_when_it_happens_and_earns_nothing_when_not() {
    let line = only(team(hurt(forbid("never", "restart-api")), 100.0), "never");
    assert_eq!((line.verdict, line.earns), (Verdict::Met, false));
    let script = hurt(forbid("never", "restart-api"))
        .at(60.0)
        .chooses("restart-api");
    let line = only(team(script, 100.0), "never");
    assert_eq!(line.verdict, Verdict::Violated);
    assert_eq!(
        line.reason,
        "remedy `restart-api` happened, 45s after impact"
    );
}

fn cadence(every: u64, must_have: Vec<UpdatePart>) -> Expectation {
    line(
        "cadence",
        Expected::Cadence {
            every: Millis::seconds(every),
            until: Anchor::Recovered,
            audience: None,
            must_have,
        },
    )
}

#[test]
fn a_cadence_is_met_when_no_gap_from_the_first_update_to_the_end_is_longer() {
    let script = hurt(cadence(60, Vec::new()))
        .at(40.0)
        .says("one")
        .at(95.0)
        .says("two");
    let line = only(team(script, 150.0), "cadence");
    assert_eq!(line.verdict, Verdict::Met);
    assert_eq!(
        line.reason,
        "2 updates until recovery, longest gap 57s; due every 1m"
    );
}

#[test]
fn a_cadence_names_its_longest_gap_and_each_missing_part() {
    let script = hurt(cadence(60, vec![UpdatePart::NextUpdateAt]))
        .at(40.0)
        .person(update("one", true))
        .at(120.0)
        .says("two");
    let line = only(team(script, 150.0), "cadence");
    assert_eq!(line.verdict, Verdict::Missed);
    assert_eq!(
        line.reason,
        "2 updates until recovery, longest gap 1m20s; due every 1m; the one at 1m45s lacks when the next update comes"
    );
    assert_eq!(line.evidence.len(), 2);
}

#[test]
fn a_cadence_without_updates_is_missed_not_met() {
    let script = hurt(cadence(600, Vec::new()));
    assert_eq!(
        only(timer(script, 100.0), "cadence").verdict,
        Verdict::Missed
    );
    let late = hurt(cadence(600, Vec::new()))
        .at(100.0)
        .remedies("rollback", "slow-signer")
        .at(102.0)
        .passes("send")
        .at(110.0)
        .says("it was us")
        .at(120.0)
        .observed();
    let line = only(late, "cadence");
    assert_eq!(line.verdict, Verdict::Missed);
    assert_eq!(line.reason, "no update was posted before recovery");
}

#[test]
fn a_cadence_cut_before_its_second_update_was_due_is_censored() {
    let script = hurt(cadence(600, Vec::new()))
        .at(40.0)
        .says("one")
        .at(100.0)
        .stop(StopCause::Signal)
        .ends(RunVerdict::Aborted);
    assert_eq!(only(script, "cadence").verdict, Verdict::Censored);
}

#[test]
fn a_cadence_kept_by_a_machine_earns_nothing() {
    let script = hurt(cadence(600, Vec::new()))
        .at(40.0)
        .machine(update("automatic", true));
    let line = only(timer(script, 100.0), "cadence");
    assert_eq!((line.verdict, line.earns), (Verdict::Met, false));
}

#[test]
fn one_update_must_hold_a_phrase_of_every_set() {
    let advice = || {
        line(
            "advice",
            Expected::MessageContains {
                phrases: vec![PhraseSet::DoNotRetry, PhraseSet::NeverShareKeys],
            },
        )
    };
    let both = hurt(advice())
        .at(60.0)
        .says("Do not retry. Never share your seed phrase.");
    assert_eq!(only(team(both, 100.0), "advice").verdict, Verdict::Met);
    let apart = hurt(advice())
        .at(60.0)
        .says("Do not retry.")
        .at(70.0)
        .says("Never share your seed phrase.");
    let line = only(team(apart, 100.0), "advice");
    assert_eq!(line.verdict, Verdict::Missed);
    assert!(
        line.reason.contains("the nearest lacks “never share keys”"),
        "{}",
        line.reason
    );
    let line = only(timer(hurt(advice()), 100.0), "advice");
    assert_eq!(line.verdict, Verdict::Missed);
    assert_eq!(line.reason, "no update was posted");
}

#[test]
fn a_probe_line_is_timed_to_that_probe_alone() {
    let nonce = || {
        line(
            "nonce",
            Expected::Probe {
                probe: name("nonce"),
                within: Millis::seconds(60),
                limit: None,
                from: Anchor::ImpactObserved,
            },
        )
    };
    let script = hurt(nonce())
        .at(31.0)
        .fails("nonce")
        .at(50.0)
        .remedies("rollback", "slow-signer")
        .at(51.0)
        .passes("nonce")
        .at(200.0)
        .passes("send")
        .at(220.0)
        .observed()
        .ends(RunVerdict::Passed);
    let line = only(script, "nonce");
    assert_eq!((line.verdict, line.took_ms), (Verdict::Met, Some(36_000)));
    assert_eq!(
        only(team(hurt(nonce()), 100.0), "nonce").verdict,
        Verdict::NotApplicable
    );
}

#[test]
fn what_staff_must_judge_is_not_observed_until_they_have() {
    let manual = line(
        "judged",
        Expected::Manual {
            text: "The handover named the open risks.".into(),
        },
    );
    assert_eq!(
        only(team(hurt(manual), 100.0), "judged").verdict,
        Verdict::NotObserved
    );
}

#[test]
fn while_a_run_goes_on_an_open_line_is_pending_with_its_due_time() {
    let line = only(hurt(acknowledge()), "ack");
    assert_eq!(line.verdict, Verdict::Pending);
    assert_eq!(line.due, Some(stamp(330.0)));
    assert_eq!(line.reason, "not acknowledged yet");
    let overdue = hurt(acknowledge())
        .at(700.0)
        .engine(Fact::InjectDelivered { index: 0 });
    assert_eq!(only(overdue, "ack").verdict, Verdict::Missed);
    let done = hurt(acknowledge()).at(60.0).acknowledges();
    assert_eq!(only(done, "ack").verdict, Verdict::Met);
}

#[test]
fn every_open_line_of_a_live_run_is_pending() {
    let lines = [
        recover(Some(By::Team)),
        cadence(60, Vec::new()),
        forbid("never", "restart-api"),
        before(
            "cause",
            Milestone::CauseNamed("x".into()),
            Target::Anchor(Anchor::Recovered),
        ),
        timed("public", any_update(), None, 600, None, Anchor::Declared),
    ];
    let report = Script::new(drill(lines))
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
        .judge();
    let scorecard = report.scorecard.expect("a drill");
    for line in &scorecard.lines {
        assert_eq!(line.verdict, Verdict::Pending, "{}", line.id);
    }
    assert_eq!(scorecard.score.outcome, None);
}

fn calls(to: &str, rung: Option<usize>) -> Fact {
    Fact::Escalated {
        to: vec![to.into()],
        reason: None,
        rung,
    }
}

#[test]
fn to_call_somebody_else_is_a_line_and_what_the_chain_does_earns_nothing() {
    let asked = |to: Option<&str>, by| {
        let event = Milestone::Escalated {
            to: to.map(str::to_owned),
        };
        timed("help", event, by, 300, None, Anchor::Detected)
    };
    let story = |line: Expectation| hurt(line).at(60.0).engine(calls("bo", Some(0)));
    let by_chain = only(team(story(asked(None, None)), 700.0), "help");
    assert_eq!((by_chain.verdict, by_chain.earns), (Verdict::Met, false));
    let missed = only(team(story(asked(None, Some(By::Human))), 700.0), "help");
    assert_eq!(
        (missed.verdict, missed.reason.as_str()),
        (Verdict::Missed, "not escalated (the chain called bo)")
    );
    let called = |to| {
        let story = story(asked(Some("dana"), Some(By::Human)));
        only(team(story.at(90.0).person(calls(to, None)), 700.0), "help")
    };
    let met = called("dana");
    assert_eq!(
        (met.verdict, met.reason.as_str(), met.earns),
        (
            Verdict::Met,
            "escalated to dana 1m after detection; due within 5m",
            true
        )
    );
    assert_eq!(called("chris").verdict, Verdict::Missed);
}

fn says_nothing_is_wrong() -> Fact {
    Fact::Dismissed {
        reason: "a release".into(),
    }
}

/// Nothing breaks for a minute; a message comes at 10 s.
fn decoy(line: Expectation) -> Script {
    let mut plan = drill([line]);
    plan.injections.clear();
    let exercise = plan.drill.as_mut().expect("a drill");
    exercise.drill.decoy = Some(Millis::seconds(60));
    Script::new(plan)
        .at(10.0)
        .engine(Fact::InjectDelivered { index: 0 })
}

#[test]
fn to_dismiss_is_a_line_where_nothing_is_broken_and_only_there() {
    let asked = || {
        timed(
            "calm",
            Milestone::Dismissed,
            Some(By::Human),
            30,
            None,
            Anchor::Alerted,
        )
    };
    let over = |script: Script| only(script.at(60.0).observed().ends(RunVerdict::Passed), "calm");
    let calm = over(decoy(asked()).at(25.0).person(says_nothing_is_wrong()));
    assert_eq!(
        (calm.verdict, calm.reason.as_str()),
        (
            Verdict::Met,
            "dismissed 15s after the first alert or message; due within 30s"
        )
    );
    assert_eq!(over(decoy(asked())).verdict, Verdict::Missed);
    let broken = hurt(asked()).at(60.0).person(says_nothing_is_wrong());
    assert_eq!(only(broken.clone(), "calm").verdict, Verdict::Pending);
    assert_eq!(
        only(team(broken, 100.0), "calm").verdict,
        Verdict::NotApplicable
    );
}

#[test]
fn to_dismiss_what_is_broken_can_be_forbidden() {
    let never = || {
        let target = Target::Anchor(Anchor::Dismissed);
        line("look", Expected::Forbid { target })
    };
    let story = hurt(never()).at(60.0).person(says_nothing_is_wrong());
    assert_eq!(only(team(story, 100.0), "look").verdict, Verdict::Violated);
    assert_eq!(
        only(team(hurt(never()), 100.0), "look").verdict,
        Verdict::Met
    );
    let calm = decoy(never()).at(20.0).person(says_nothing_is_wrong());
    let calm = calm.at(60.0).observed().ends(RunVerdict::Passed);
    assert_eq!(only(calm, "look").verdict, Verdict::NotApplicable);
}
