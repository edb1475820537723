//! How a team told others, on logs written by hand.

use super::script::{Script, drill, judged, line, name, stamp, timed};
use crate::engine::event::{Fact, Update, Verdict};
use crate::engine::posts::Message;
use crate::model::message::Stage;
use crate::model::plan::Plan;
use crate::model::runbook::{
    Anchor, Audience, Class, Expectation, Expected, Milestone, Regulation,
};
use crate::model::time::Millis;
use crate::score::communication::{Communication, Held, Told};
use crate::score::expectations::Verdict as Line;

fn plan(class: Class, clocks: &[Regulation], line: Option<Expectation>) -> Plan {
    let mut plan = drill(line);
    let exercise = plan.drill.as_mut().expect("a drill");
    exercise.runbook.class = class;
    exercise.runbook.clocks = clocks.to_vec();
    plan
}

/// A fault at 10 s hurts users from 15 s on, and the alert comes at 30 s.
fn hurt(plan: Plan) -> Script {
    Script::new(plan)
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
        .at(30.0)
        .alert()
}

/// The team ends the fault at this second, and users are served two seconds later.
fn team(script: Script, second: f64) -> Communication {
    let report = script
        .at(second)
        .remedies("rollback", "slow-signer")
        .at(second + 2.0)
        .passes("send")
        .at(second + 20.0)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    report.scorecard.expect("a drill").communication
}

/// An update with a promise and an estimate, in seconds of the run.
fn tells(audience: Audience, next: Option<f64>, recovery: Option<(f64, f64)>) -> Fact {
    Fact::UpdatePosted {
        update: Update {
            audience,
            channels: vec!["page".into()],
            text: "Transfers fail.".into(),
            stage: None,
            next_update_at: next.map(|second| stamp(second).wall),
            estimated_recovery: recovery.map(|(from, to)| (stamp(from).wall, stamp(to).wall)),
        },
    }
}

fn customers(next: Option<f64>) -> Fact {
    tells(Audience::Customers, next, None)
}

fn due(channel: &str, update: u64) -> Fact {
    Fact::MessageDue {
        message: Message {
            channel: name(channel),
            stage: Stage::FirstNotice,
            title: "[DRILL] x".into(),
            text: "[DRILL] Transfers fail.".into(),
            update: Some(update),
        },
    }
}

#[test]
fn each_audience_is_told_of_with_its_first_notice_gaps_and_promises() {
    let plan = plan(Class::Availability, &[], None);
    let told = team(
        hurt(plan)
            .at(90.0)
            .person(customers(Some(600.0)))
            .at(200.0)
            .person(tells(Audience::Internal, None, None))
            .at(500.0)
            .person(customers(Some(900.0)))
            .at(1000.0)
            .person(customers(Some(9000.0))),
        3000.0,
    );
    assert!(
        told.clock
            .starts_with("availability: customers hear within 5m")
    );
    let sentences: Vec<_> = told.audiences.iter().map(Told::told).collect();
    assert_eq!(
        sentences,
        [
            "1m after the detection, 3 updates, longest gap 33m22s, the next promised in 3 of 3 (kept 1 of 2); the first \
             came in time, the longest gap was 13m22s too long",
            "2m50s after the detection, 1 update, longest gap 46m42s",
        ]
    );
}

#[test]
fn a_security_incident_has_four_hours_and_nothing_to_repeat() {
    let late = |second: f64| {
        let plan = plan(Class::Security, &[], None);
        let told = team(hurt(plan).at(second).person(customers(None)), 20_000.0);
        told.audiences[0]
            .usual
            .clone()
            .expect("customers are asked for")
    };
    assert_eq!(late(10_000.0), "the first came in time");
    assert_eq!(late(30.0 + 4.0 * 3600.0 + 60.0), "the first came 1m late");
    let silent = team(hurt(plan(Class::Availability, &[], None)), 100.0);
    assert_eq!(
        silent.audiences[0].told(),
        "no update; the first never came"
    );
}

#[test]
fn an_estimate_is_held_against_the_recovery_that_was_measured() {
    let estimates = |script: Script| -> (Vec<Held>, Option<String>) {
        let told = team(script, 1000.0);
        let held = told.estimates.iter().map(|one| one.held).collect();
        (held, told.calibration)
    };
    let with = |range| tells(Audience::Customers, None, Some(range));
    let script = hurt(plan(Class::Availability, &[], None))
        .at(100.0)
        .person(with((300.0, 900.0)))
        .at(200.0)
        .person(with((900.0, 1200.0)))
        .at(300.0)
        .person(with((1100.0, 1500.0)));
    let (held, calibration) = estimates(script);
    assert_eq!(held, [Held::After, Held::Inside, Held::Before]);
    assert_eq!(calibration.as_deref(), Some("1 of 3 held the recovery"));
    let (held, calibration) = estimates(hurt(plan(Class::Availability, &[], None)));
    assert_eq!((held.len(), calibration), (0, None));
}

#[test]
fn an_estimate_can_not_be_judged_where_the_timer_ended_it() {
    use crate::engine::event::UndoCause;
    let report = hurt(plan(Class::Availability, &[], None))
        .at(100.0)
        .person(tells(Audience::Customers, None, Some((300.0, 900.0))))
        .at(400.0)
        .undo("slow-signer", UndoCause::Timer)
        .at(402.0)
        .passes("send")
        .at(420.0)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    let told = report.scorecard.expect("a drill").communication;
    assert_eq!(told.estimates[0].held, Held::Unknown);
    assert!(
        told.calibration
            .is_some_and(|text| text.contains("can be judged"))
    );
}

#[test]
fn an_update_counts_on_a_channel_only_once_it_is_delivered_there() {
    let public = || {
        timed(
            "public",
            Milestone::Update {
                audience: Some(Audience::Customers),
                channels: vec!["page".into()],
                must_have: Vec::new(),
            },
            None,
            600,
            None,
            Anchor::Detected,
        )
    };
    let posted = |outcome: fn(u64) -> Fact| {
        let script = hurt(plan(Class::Availability, &[], Some(public())))
            .at(60.0)
            .person(customers(None));
        let update = script.clone().events().last().expect("the update").seq;
        let script = script.engine(due("page", update));
        let message = script.clone().events().last().expect("the message").seq;
        let report = script
            .at(61.5)
            .engine(outcome(message))
            .at(100.0)
            .remedies("rollback", "slow-signer")
            .at(102.0)
            .passes("send")
            .at(1000.0)
            .observed()
            .ends(Verdict::Passed)
            .judge();
        let line = judged(&report, "public");
        let told = report.scorecard.expect("a drill").communication;
        (line, told.deliveries[0].told())
    };
    let (line, delivery) = posted(|message| Fact::MessageDelivered {
        message,
        sent: stamp(60.5),
        reference: None,
        evidence: "taken".into(),
    });
    assert_eq!(
        (line.verdict, delivery.as_str()),
        (Line::Met, "delivered after 1.5s")
    );
    let (line, delivery) = posted(|message| Fact::MessageFailed {
        message,
        error: "nobody is there".into(),
    });
    assert_eq!(line.verdict, Line::Missed);
    assert!(
        line.reason
            .contains("a message to `page` was not delivered: nobody is there"),
        "{}",
        line.reason
    );
    assert_eq!(delivery, "not delivered: nobody is there");
}

#[test]
fn legal_clocks_count_from_the_detection_and_the_declaration() {
    let all = [Regulation::Dora, Regulation::Nydfs, Regulation::Gdpr];
    let dates = |script: Script, end: f64| -> Vec<String> {
        let told = team(script, end);
        told.deadlines
            .iter()
            .map(|one| format!("{} {}", one.regulation.title(), one.told()))
            .collect()
    };
    // Detected at 10:00:30, declared at 10:02:00.
    let script = || {
        hurt(plan(Class::Availability, &all, None))
            .at(120.0)
            .declares()
    };
    assert_eq!(
        dates(script(), 300.0),
        [
            "DORA due 2026-03-02 14:02:00 UTC (4 h after the declaration)",
            "DORA due 2026-03-05 14:02:00 UTC (72 h after the initial one, if that is sent when it is due)",
            "DORA due 2026-04-05 14:02:00 UTC (a month after the intermediate one, if that is sent when it is due)",
            "NYDFS due 2026-03-05 10:02:00 UTC (72 h after it was declared)",
            "GDPR due 2026-03-05 10:00:30 UTC (72 h after the detection)",
        ]
    );
    let told = script()
        .at(200.0)
        .person(tells(Audience::Regulator, None, None));
    let told = dates(told, 300.0);
    assert_eq!(
        told[0],
        "DORA due 2026-03-02 14:02:00 UTC (4 h after the declaration); the team told the regulator in time"
    );
    assert!(
        told[1].starts_with("DORA due 2026-03-05 10:03:20 UTC (72 h after the regulator was told)")
    );
    let undeclared = dates(hurt(plan(Class::Availability, &all, None)), 300.0);
    assert_eq!(
        undeclared[0],
        "DORA no date (nothing was declared, so nothing was classified)"
    );
    assert_eq!(undeclared[3], "NYDFS no date (nothing was declared)");
    // Declared 23 h after the detection: the day is over first. Declared a day and a half after it: four hours from then.
    let hours = |count: f64| 30.0 + count * 3600.0;
    let declared = |second: f64| {
        let script = hurt(plan(Class::Availability, &[Regulation::Dora], None));
        dates(script.at(second).declares(), second + 100.0).remove(0)
    };
    assert_eq!(
        declared(hours(23.0)),
        "DORA due 2026-03-03 10:00:30 UTC (24 h after the detection)"
    );
    assert_eq!(
        declared(hours(36.0)),
        "DORA due 2026-03-04 02:00:30 UTC (4 h after the declaration, more than 24 h after the detection)"
    );
}

/// A line that asks for this share of held estimates, of at most so many seconds each.
fn estimates(hold: f64, widest: Option<u64>) -> Expectation {
    let what = Expected::Estimates {
        hold,
        widest: widest.map(Millis::seconds),
        audience: None,
    };
    line("calibrated", what)
}

#[test]
fn a_runbook_can_ask_how_well_the_recovery_is_foreseen() {
    let with = |range| tells(Audience::Customers, None, Some(range));
    let told = |asked: Expectation, ranges: &[(f64, f64)]| {
        let mut script = hurt(plan(Class::Availability, &[], Some(asked))).at(100.0);
        for range in ranges {
            script = script.person(with(*range));
        }
        let report = script
            .at(1000.0)
            .remedies("rollback", "slow-signer")
            .at(1002.0)
            .passes("send")
            .at(1020.0)
            .observed()
            .ends(Verdict::Passed)
            .judge();
        let line = judged(&report, "calibrated");
        (line.verdict, line.reason)
    };
    let ranges = [(300.0, 900.0), (900.0, 1200.0)];
    assert_eq!(
        told(estimates(50.0, None), &ranges),
        (
            Line::Met,
            "1 of 2 estimates held the recovery; 50% are asked for".into()
        )
    );
    assert_eq!(told(estimates(51.0, None), &ranges).0, Line::Missed);
    // A range that promises nothing holds everything.
    let vague = [(100.0, 100_000.0)];
    assert_eq!(told(estimates(50.0, None), &vague).0, Line::Met);
    assert_eq!(
        told(estimates(50.0, Some(1800)), &vague),
        (
            Line::Missed,
            "0 of 1 estimates held the recovery; 50% are asked for; 1 more did, but spanned more than 30m".into()
        )
    );
    assert_eq!(
        told(estimates(50.0, None), &[]),
        (Line::Missed, "no update estimated the recovery".into())
    );
}

#[test]
fn an_estimate_from_after_the_recovery_says_nothing() {
    let script = hurt(plan(Class::Availability, &[], Some(estimates(50.0, None))))
        .at(100.0)
        .remedies("rollback", "slow-signer")
        .at(102.0)
        .passes("send")
        .at(110.0)
        .person(tells(Audience::Customers, None, Some((90.0, 200.0))))
        .at(120.0)
        .observed()
        .ends(Verdict::Passed);
    let report = script.judge();
    let line = judged(&report, "calibrated");
    assert_eq!(
        (line.verdict, line.reason.as_str()),
        (
            Line::Missed,
            "no update estimated the recovery before it came"
        )
    );
    let told = report.scorecard.expect("a drill").communication;
    assert_eq!(told.estimates[0].held, Held::Hindsight);
    assert_eq!(told.calibration, None);
}

#[test]
fn estimates_of_a_recovery_that_nobody_saw_are_not_scored() {
    use crate::engine::event::UndoCause;
    let report = hurt(plan(Class::Availability, &[], Some(estimates(50.0, None))))
        .at(100.0)
        .person(tells(Audience::Customers, None, Some((300.0, 900.0))))
        .at(400.0)
        .undo("slow-signer", UndoCause::Timer)
        .at(402.0)
        .passes("send")
        .at(420.0)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    let line = judged(&report, "calibrated");
    assert_eq!(
        (line.verdict, line.reason.as_str()),
        (
            Line::Censored,
            "the recovery is not known, so that 1 estimate can't be judged"
        )
    );
    let live = hurt(plan(Class::Availability, &[], Some(estimates(50.0, None))));
    assert_eq!(judged(&live.judge(), "calibrated").verdict, Line::Pending);
}
