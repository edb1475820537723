//! Times: where they begin and end, and when they stay unknown.

use super::script::{Script, drill, name, stamp};
use crate::engine::event::{
    ActorKind, Event, Fact, Origin, Source, StopCause, UndoCause, UndoneBy, Verdict,
};
use crate::model::drill::Detection;
use crate::model::time::{Epoch, Stamp};
use crate::score::detection::Class;
use crate::score::measures::{Censoring, Reading};
use crate::score::recovery::Ender;

/// A fault at 10 s hurts users from 15 s on.
fn hurt() -> Script {
    Script::new(drill([]))
        .at(0.0)
        .passes("send")
        .passes("nonce")
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
}

fn measured(value_ms: u64) -> Reading {
    Reading::Measured { value_ms }
}

fn censored(at_least_ms: u64, because: Censoring) -> Reading {
    Reading::Censored {
        at_least_ms,
        because,
    }
}

#[test]
fn a_log_that_does_not_begin_with_its_creation_is_not_judged() {
    assert_eq!(crate::score::judge(&[]), None);
    let headless = hurt().events().split_off(1);
    assert_eq!(crate::score::judge(&headless), None);
}

#[test]
fn impact_is_the_send_time_of_the_first_bad_sample_with_its_interval() {
    let measures = hurt().judge().measures;
    let impact = measures.impact.expect("impact");
    assert_eq!(impact.moment.at, stamp(15.0));
    assert_eq!(impact.last_good, Some(stamp(13.0)));
    assert_eq!(impact.probe, name("send"));
    assert_eq!(measures.fault_sent.expect("sent").at, stamp(10.0));
    assert_eq!(measures.fault_effective.expect("effective").at, stamp(10.2));
}

#[test]
fn impact_is_never_before_the_fault_was_sent() {
    let report = Script::new(drill([]))
        .at(10.0)
        .fault("slow-signer")
        .at(9.0)
        .fails("send")
        .judge();
    let impact = report.measures.impact.expect("impact");
    assert_eq!(impact.moment.at, stamp(10.0));
    assert_eq!(report.measures.impact_intervals[0].from.at, stamp(10.0));
}

#[test]
fn a_probe_that_already_failed_before_the_fault_is_not_its_impact() {
    let report = Script::new(drill([]))
        .at(1.0)
        .fails("send")
        .at(10.0)
        .fault("slow-signer")
        .at(60.0)
        .observed()
        .judge();
    assert_eq!(report.measures.impact, None);
    assert_eq!(
        report.measures.time_to_detect.reading,
        Reading::NotApplicable
    );
}

#[test]
fn a_failing_probe_that_is_not_an_impact_probe_is_no_impact() {
    let report = Script::new(drill([]))
        .at(10.0)
        .fault("slow-signer")
        .at(12.0)
        .fails("nonce")
        .at(60.0)
        .observed()
        .judge();
    assert_eq!(report.measures.impact, None);
}

#[test]
fn ttd_counts_from_impact_to_the_first_detection_with_machines_and_people_apart() {
    let measures = hurt()
        .at(40.0)
        .alert()
        .at(75.0)
        .detects("wallet-api")
        .judge()
        .measures;
    assert_eq!(measures.time_to_detect.reading, measured(25_000));
    assert_eq!(measures.time_to_detect_machine.reading, measured(25_000));
    assert_eq!(measures.time_to_detect_human.reading, measured(60_000));
    let ttd = measures.time_to_detect;
    assert_eq!(ttd.from.expect("an endpoint").moment.at, stamp(15.0));
    assert_eq!(ttd.to.expect("an endpoint").moment.at, stamp(40.0));
}

#[test]
fn a_detection_between_fault_and_impact_takes_no_time_and_says_before_users() {
    let measures = hurt().at(12.0).alert().judge().measures;
    assert_eq!(measures.time_to_detect.reading, measured(0));
    assert!(measures.time_to_detect.reason.contains("before users"));
}

#[test]
fn an_alert_that_fired_before_the_fault_is_pre_existing_even_when_it_arrives_later() {
    let measures = hurt()
        .at(20.0)
        .alert_from(9.0)
        .at(60.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.signals[0].class, Class::PreExisting);
    assert_eq!(
        measures.time_to_detect.reading,
        censored(45_000, Censoring::ObservationEnded)
    );
    assert_eq!(measures.time_to_acknowledge.reading, Reading::NotApplicable);
}

#[test]
fn a_report_must_name_a_service_that_is_hit_or_that_calls_one_that_is() {
    for (service, class) in [
        ("signer", Class::Qualified),
        ("wallet-api", Class::Qualified),
        ("web", Class::Qualified),
        ("node", Class::FalseAlarm),
        ("billing", Class::FalseAlarm),
        ("unheard-of", Class::FalseAlarm),
        ("archive", Class::Qualified),
    ] {
        let report = hurt().at(30.0).detects(service).judge();
        assert_eq!(report.measures.signals[0].class, class, "{service}");
    }
}

#[test]
fn a_service_hit_only_later_is_not_yet_affected() {
    let report = hurt()
        .at(30.0)
        .detects("node")
        .at(40.0)
        .fault("dead-node")
        .at(50.0)
        .detects("node")
        .judge();
    let classes: Vec<_> = report.measures.signals.iter().map(|s| s.class).collect();
    assert_eq!(classes, [Class::FalseAlarm, Class::Qualified]);
    let ttd = report.measures.time_to_detect_human;
    assert_eq!(ttd.reading, measured(35_000));
}

#[test]
fn a_hook_says_nothing_of_what_it_hits_so_no_service_is_ruled_out() {
    let report = Script::new(drill([]))
        .at(10.0)
        .fault("bad-token")
        .at(30.0)
        .detects("billing")
        .judge();
    assert_eq!(report.measures.signals[0].class, Class::Qualified);
}

#[test]
fn a_report_from_before_the_fault_is_pre_existing() {
    let report = hurt().at(5.0).detects("signer").judge();
    assert_eq!(report.measures.signals[0].class, Class::PreExisting);
}

#[test]
fn people_count_only_where_the_drill_lists_them() {
    let mut plan = drill([]);
    let exercise = plan.drill.as_mut().expect("a drill");
    exercise.drill.detection.retain(|d| *d != Detection::Human);
    let report = Script::new(plan)
        .at(10.0)
        .fault("slow-signer")
        .at(30.0)
        .detects("signer")
        .judge();
    assert_eq!(report.measures.signals[0].class, Class::NotListed);
}

#[test]
fn tta_counts_from_the_first_qualifying_alert_to_the_first_human_acknowledgement() {
    let tta = hurt()
        .at(30.0)
        .alert()
        .at(31.0)
        .machine(Fact::Acknowledged)
        .at(90.0)
        .acknowledges()
        .judge()
        .measures
        .time_to_acknowledge;
    assert_eq!(tta.reading, measured(60_000));
    assert_eq!(tta.error_bound_ms, 0);
}

#[test]
fn nobody_is_late_to_a_page_that_never_came() {
    let measures = hurt()
        .at(60.0)
        .acknowledges()
        .at(100.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.time_to_acknowledge.reading, Reading::NotApplicable);
}

#[test]
fn ttm_and_ttr_end_where_the_last_stretch_begins() {
    let measures = hurt()
        .at(16.0)
        .fails("nonce")
        .at(100.0)
        .remedies("rollback", "slow-signer")
        .at(101.0)
        .passes("send")
        .at(110.0)
        .passes("nonce")
        .at(125.0)
        .observed()
        .ends(Verdict::Passed)
        .judge()
        .measures;
    assert_eq!(measures.time_to_mitigate.reading, measured(86_000));
    assert_eq!(measures.time_to_recover.reading, measured(95_000));
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Team);
    assert_eq!(measures.recovery.expect("an end").by, Ender::Team);
}

#[test]
fn the_error_bound_is_every_times_within_over_every_rounded_up_of_the_widest_probe() {
    let measures = hurt()
        .at(30.0)
        .alert()
        .at(100.0)
        .observed()
        .judge()
        .measures;
    // send: 2 s × ⌈1.5/2⌉ = 2 s; nonce: 1 s × ⌈2.5/1⌉ = 3 s.
    assert_eq!(measures.time_to_detect.error_bound_ms, 2_000);
    assert_eq!(measures.time_to_mitigate.error_bound_ms, 2_000);
    assert_eq!(measures.time_to_recover.error_bound_ms, 3_000);
}

#[test]
fn an_earlier_stretch_is_a_remission_and_does_not_end_the_clock() {
    let measures = hurt()
        .at(50.0)
        .passes("send")
        .at(80.0)
        .fails("send")
        .at(120.0)
        .remedies("rollback", "slow-signer")
        .at(121.0)
        .passes("send")
        .at(140.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.time_to_mitigate.reading, measured(106_000));
    assert_eq!(measures.remissions.len(), 1);
    let remission = measures.remissions[0];
    assert_eq!(remission.from.at, stamp(50.0));
    assert_eq!(remission.to.expect("an end").at, stamp(80.0));
    assert_eq!(measures.impact_intervals.len(), 2);
}

#[test]
fn a_stretch_counts_only_from_when_the_last_fault_took_effect() {
    let measures = hurt()
        .at(40.0)
        .remedies("rollback", "slow-signer")
        .at(41.0)
        .passes("send")
        .at(60.0)
        .fault("dead-node")
        .at(80.0)
        .observed()
        .judge()
        .measures;
    let end = measures.time_to_mitigate.to.expect("an endpoint");
    assert_eq!(end.moment.at, stamp(60.2));
}

#[test]
fn a_stretch_shorter_than_stable_for_does_not_count() {
    let measures = hurt()
        .at(40.0)
        .remedies("rollback", "slow-signer")
        .at(41.0)
        .passes("send")
        .at(50.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(
        measures.time_to_mitigate.reading,
        censored(35_000, Censoring::Unstable)
    );
    assert_eq!(measures.mitigation, None);
    assert_eq!(measures.remissions.len(), 1);
}

#[test]
fn a_probe_that_still_fails_at_the_end_censors_at_the_end() {
    let measures = hurt().at(115.0).observed().judge().measures;
    assert_eq!(
        measures.time_to_recover.reading,
        censored(100_000, Censoring::ObservationEnded)
    );
}

#[test]
fn what_the_timer_ended_is_censored_at_the_instant_of_the_timer() {
    let measures = hurt()
        .at(75.0)
        .undo("slow-signer", UndoCause::Timer)
        .undone("slow-signer", UndoneBy::Us)
        .at(77.0)
        .passes("send")
        .at(90.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(
        measures.time_to_mitigate.reading,
        censored(60_000, Censoring::Timer)
    );
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Timer);
}

#[test]
fn what_an_abort_ended_is_censored_at_the_instant_of_the_abort() {
    let measures = hurt()
        .at(75.0)
        .stop(StopCause::Halt {
            reason: "enough".into(),
        })
        .undo("slow-signer", UndoCause::Abort)
        .at(77.0)
        .passes("send")
        .ends(Verdict::Aborted)
        .judge()
        .measures;
    assert_eq!(
        measures.time_to_recover.reading,
        censored(60_000, Censoring::Abort)
    );
    assert_eq!(
        measures.time_to_detect.reading,
        censored(60_000, Censoring::Abort)
    );
}

#[test]
fn a_fault_that_somebody_else_removed_was_ended_from_outside() {
    for noticed in [70.0, 79.0] {
        let measures = hurt()
            .at(75.0)
            .passes("send")
            .at(noticed)
            .engine(Fact::Lost {
                injection: name("slow-signer"),
                evidence: "no such toxic".into(),
            })
            .at(90.0)
            .observed()
            .judge()
            .measures;
        assert_eq!(measures.mitigation.expect("an end").by, Ender::Outside);
        let expected = if noticed < 75.0 { 55_000 } else { 60_000 };
        assert_eq!(
            measures.time_to_mitigate.reading,
            censored(expected, Censoring::Outside)
        );
    }
}

#[test]
fn a_fault_that_was_gone_when_its_time_was_up_was_ended_from_outside() {
    let measures = hurt()
        .at(75.0)
        .undo("slow-signer", UndoCause::Timer)
        .at(75.5)
        .undone("slow-signer", UndoneBy::Other)
        .at(77.0)
        .passes("send")
        .at(90.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Outside);
}

#[test]
fn a_fault_that_a_remedy_had_already_cleared_away_was_not_removed_by_a_stranger() {
    let remedy = name("remedy:rollback#1");
    let measures = hurt()
        .at(70.0)
        .chooses("rollback")
        .at(75.0)
        .undo("slow-signer", UndoCause::Remedied { by: remedy })
        .undone("slow-signer", UndoneBy::Other)
        .at(77.0)
        .passes("send")
        .at(90.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Team);
}

#[test]
fn what_a_rule_remedied_was_ended_by_automation_and_is_measured() {
    let measures = hurt()
        .at(75.0)
        .remedies_itself("rollback", "slow-signer")
        .at(77.0)
        .passes("send")
        .at(90.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Automation);
    assert_eq!(measures.time_to_mitigate.reading, measured(62_000));
}

#[test]
fn what_people_did_with_their_own_tools_is_theirs_when_they_attest_to_it() {
    let measures = hurt()
        .at(75.0)
        .person(Fact::ActionAttested {
            text: "restarted the signer".into(),
        })
        .at(77.0)
        .passes("send")
        .at(90.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Team);
}

#[test]
fn a_stack_that_is_well_with_every_fault_still_on_and_nobody_acting_ended_it_by_itself() {
    let report = hurt().at(77.0).passes("send").at(90.0).observed().judge();
    let mitigation = report.measures.mitigation.expect("an end");
    assert_eq!(mitigation.by, Ender::Stack);
    assert_eq!(
        mitigation.reason,
        "every fault was still on, and no action is on record"
    );
    assert_eq!(report.measures.time_to_mitigate.reading, measured(62_000));
}

#[test]
fn what_may_have_been_done_before_it_was_attested_is_unattributed() {
    let report = hurt()
        .at(60.0)
        .passes("send")
        .at(75.0)
        .person(Fact::ActionAttested {
            text: "failed over by hand, some minutes ago".into(),
        })
        .at(90.0)
        .observed()
        .judge();
    let mitigation = report.measures.mitigation.expect("an end");
    assert_eq!(mitigation.by, Ender::Unattributed);
    assert_eq!(report.measures.time_to_mitigate.reading, measured(45_000));
}

/// A node is killed and users are hurt; its container is seen running again at 74 s, and they are well from 75 s on.
fn came_back(before: impl FnOnce(Script) -> Script) -> Ender {
    let script = Script::new(drill([]))
        .at(0.0)
        .passes("send")
        .at(10.0)
        .fault("dead-node")
        .at(15.0)
        .fails("send");
    before(script)
        .at(74.0)
        .engine(Fact::Lost {
            injection: name("dead-node"),
            evidence: "running since 10:01:13".into(),
        })
        .at(75.0)
        .passes("send")
        .at(90.0)
        .observed()
        .judge()
        .measures
        .mitigation
        .expect("an end")
        .by
}

#[test]
fn a_container_that_ran_again_though_nobody_had_acted_was_brought_back_by_the_stack() {
    assert_eq!(came_back(|script| script), Ender::Stack);
    let acknowledged = came_back(|script| script.at(30.0).acknowledges());
    assert_eq!(acknowledged, Ender::Stack, "who only looks does nothing");
}

#[test]
fn a_container_that_ran_again_after_somebody_acted_is_not_credited_to_the_stack() {
    let attested = came_back(|script| {
        script.at(70.0).person(Fact::ActionAttested {
            text: "started the node".into(),
        })
    });
    assert_eq!(attested, Ender::Outside);
}

#[test]
fn a_container_that_ran_already_when_its_time_was_up_was_brought_back_by_the_stack() {
    let measures = Script::new(drill([]))
        .at(0.0)
        .passes("send")
        .at(10.0)
        .fault("dead-node")
        .at(15.0)
        .fails("send")
        .at(75.0)
        .undo("dead-node", UndoCause::Timer)
        .at(75.5)
        .undone("dead-node", UndoneBy::Other)
        .at(77.0)
        .passes("send")
        .at(90.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Stack);
    assert_eq!(measures.time_to_mitigate.reading, measured(62_000));
}

#[test]
fn what_is_over_after_one_of_several_faults_has_ended_is_unattributed() {
    let measures = Script::new(drill([]))
        .at(0.0)
        .passes("send")
        .at(5.0)
        .fault("slow-signer")
        .at(6.0)
        .fault("dead-node")
        .at(8.0)
        .undo("dead-node", UndoCause::Closing)
        .undone("dead-node", UndoneBy::Us)
        .at(15.0)
        .fails("send")
        .at(75.0)
        .passes("send")
        .at(90.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Unattributed);
}

#[test]
fn a_cause_from_before_impact_explains_nothing() {
    let measures = hurt()
        .at(11.0)
        .person(Fact::ActionAttested {
            text: "made coffee".into(),
        })
        .at(77.0)
        .passes("send")
        .at(90.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Unattributed);
}

#[test]
fn an_attestation_made_after_the_timer_and_after_recovery_takes_nothing() {
    let measures = hurt()
        .at(75.0)
        .undo("slow-signer", UndoCause::Timer)
        .at(76.0)
        .passes("send")
        .at(76.5)
        .person(Fact::ActionAttested {
            text: "that was me".into(),
        })
        .at(90.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Timer);
}

#[test]
fn a_remedy_may_come_up_to_the_error_bound_after_the_sample_that_it_made_pass() {
    let measures = hurt()
        .at(30.0)
        .fault("dead-node")
        .at(60.0)
        .undo("dead-node", UndoCause::Timer)
        .at(75.0)
        .passes("send")
        .at(76.0)
        .remedies("rollback", "slow-signer")
        .at(90.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.mitigation.expect("an end").by, Ender::Team);
}

#[test]
fn an_interrupted_run_is_censored_at_its_last_durable_event_and_clocks_are_never_mixed() {
    let report = hurt()
        .at(30.0)
        .alert()
        .at(45.0)
        .engine(Fact::InjectDelivered { index: 0 })
        .at(3.0)
        .interrupted()
        .at(50.0)
        .acknowledges()
        .undo("slow-signer", UndoCause::Interrupted)
        .passes("send")
        .at(70.0)
        .observed()
        .ends(Verdict::Errored)
        .judge();
    let measures = report.measures;
    assert_eq!(measures.time_to_detect.reading, measured(15_000));
    assert_eq!(
        measures.time_to_acknowledge.reading,
        censored(15_000, Censoring::Interrupted)
    );
    assert_eq!(
        measures.time_to_mitigate.reading,
        censored(30_000, Censoring::Interrupted)
    );
}

#[test]
fn a_turn_after_observation_ended_changes_no_time() {
    let measures = hurt()
        .at(40.0)
        .remedies("rollback", "slow-signer")
        .at(41.0)
        .passes("send")
        .at(60.0)
        .observed()
        .at(70.0)
        .fails("send")
        .judge()
        .measures;
    assert_eq!(measures.time_to_mitigate.reading, measured(26_000));
}

#[test]
fn while_a_run_goes_on_its_open_times_are_pending() {
    let measures = hurt().at(30.0).passes("send").judge().measures;
    for measure in [
        &measures.time_to_detect,
        &measures.time_to_acknowledge,
        &measures.time_to_mitigate,
        &measures.time_to_recover,
    ] {
        assert_eq!(measure.reading, Reading::Pending);
    }
}

#[test]
fn a_signal_from_nobody_known_is_a_detection_of_neither_kind() {
    let measures = hurt()
        .at(30.0)
        .unknown(Fact::Detected {
            service: name("signer"),
            symptom: "slow".into(),
        })
        .at(60.0)
        .observed()
        .judge()
        .measures;
    assert_eq!(measures.signals[0].by, ActorKind::Unknown);
    assert_eq!(measures.time_to_detect.reading, measured(15_000));
    assert_eq!(measures.time_to_detect_human.value_ms(), None);
    assert_eq!(measures.time_to_detect_machine.value_ms(), None);
}

/// A log that is over, with an alert of second 20 attached by somebody whose clock is another one.
fn attached(epoch_of_the_run: bool) -> Vec<Event> {
    let mut events = hurt().at(60.0).observed().ends(Verdict::Failed).events();
    let seq = events.last().map_or(0, |event| event.seq) + 1;
    let mut received = stamp(20.0);
    if !epoch_of_the_run {
        received = Stamp {
            epoch: Epoch(77),
            mono_ns: 5,
            ..received
        };
    }
    let Some(Fact::AlertReceived { alert }) = hurt()
        .at(20.0)
        .alert()
        .events()
        .pop()
        .map(|event| event.fact)
    else {
        panic!("an alert")
    };
    events.push(Event {
        seq,
        at: Stamp {
            epoch: Epoch(78),
            ..stamp(4000.0)
        },
        origin: Origin::person(Source::Room, "p-1"),
        fact: Fact::SignalAttached {
            signal: 7,
            received,
            told: Box::new(Origin::machine(Source::Alertmanager)),
            fact: Box::new(Fact::AlertReceived { alert }),
            reason: "it was ours".into(),
        },
    });
    events
}

#[test]
fn a_signal_attached_after_the_run_counts_where_it_belongs_and_the_score_without_it_stays() {
    for exact in [true, false] {
        let events = attached(exact);
        let report = crate::score::judge(&events).expect("a report");
        assert_eq!(
            report.measures.time_to_detect.reading,
            measured(5_000),
            "{exact}"
        );
        assert_eq!(report.chain.seq, events.last().expect("events").seq);
        let corrected = report.corrected.as_ref().expect("a correction");
        assert_eq!(corrected.before.time_to_detect_ms, None);
        assert_eq!(corrected.attached[0].estimated, !exact);
        let text = crate::score::report::text::render(&report);
        // The page is cut at its width, wherever that is.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains("corrected after the run") && text.contains("it was ours"),
            "{text}"
        );
        let page = crate::score::report::markdown::render(&report);
        assert!(page.contains("### Corrected after the run"), "{page}");
    }
    let without = &attached(true)[..];
    let without = crate::score::judge(&without[..without.len() - 1]).expect("a report");
    assert_eq!(without.corrected, None);
    assert_ne!(without.measures.time_to_detect.reading, measured(5_000));
}
