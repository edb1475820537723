//! Who was there, how messages were answered, and drills in which nothing was broken.

use super::script::{Script, any_update, drill, judged, line, name, stamp, timed};
use crate::engine::event::{Attribution, Fact, Judgement, UndoCause, Verdict};
use crate::model::drill::{Inject, Severity};
use crate::model::plan::Plan;
use crate::model::runbook::{Anchor, By, Expectation, Expected, Milestone};
use crate::model::signal::Sender;
use crate::model::team::Seat;
use crate::model::time::Millis;
use crate::score::expectations::Verdict as LineVerdict;
use crate::score::people::Answer;
use crate::score::recovery::Ender;

fn asked(within: Option<u64>) -> Plan {
    let mut plan = drill([]);
    let exercise = plan.drill.as_mut().expect("a drill");
    exercise.drill.injects = vec![Inject {
        at: Millis::seconds(10),
        to: None,
        text: "Are funds safe?".into(),
        expect_reply_within: within.map(Millis::seconds),
    }];
    plan
}

fn decoy() -> Plan {
    let mut plan = drill([timed(
        "public",
        any_update(),
        None,
        60,
        None,
        Anchor::Detected,
    )]);
    plan.injections.clear();
    let exercise = plan.drill.as_mut().expect("a drill");
    exercise.drill.decoy = Some(Millis::seconds(60));
    plan
}

fn replied() -> Fact {
    Fact::Replied {
        inject: 0,
        text: "They are.".into(),
    }
}

#[test]
fn a_reply_is_timed_from_the_moment_its_message_was_shown() {
    let answer = |within, reply: Option<f64>, end: f64| {
        let shown = Script::new(asked(within))
            .at(10.0)
            .engine(Fact::InjectDelivered { index: 0 });
        let replied = match reply {
            Some(second) => shown.at(second).person(replied()),
            None => shown,
        };
        let report = replied.at(end).observed().ends(Verdict::Passed).judge();
        let message = report.scorecard.expect("a drill").messages.remove(0);
        (message.answer, message.took_ms)
    };
    assert_eq!(
        answer(Some(60), Some(40.0), 200.0),
        (Answer::Answered, Some(30_000))
    );
    assert_eq!(
        answer(Some(60), Some(80.0), 200.0),
        (Answer::Late, Some(70_000))
    );
    assert_eq!(answer(Some(60), None, 200.0), (Answer::Unanswered, None));
    assert_eq!(
        answer(Some(60), None, 50.0),
        (Answer::Open, None),
        "its time was not over"
    );
    assert_eq!(answer(None, None, 200.0), (Answer::Open, None));
    assert_eq!(
        answer(None, Some(40.0), 200.0),
        (Answer::Answered, Some(30_000))
    );
}

#[test]
fn a_message_that_never_came_is_nobodys_omission() {
    let report = Script::new(asked(Some(60)))
        .at(5.0)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    let messages = report.scorecard.expect("a drill").messages;
    assert_eq!(messages[0].answer, Answer::NotShown);
}

#[test]
fn who_was_there_is_who_said_so_or_did_something() {
    let report = Script::new(drill([]))
        .at(3.0)
        .person(Fact::Joined {
            seat: Seat::Responder,
        })
        .at(9.0)
        .acknowledges()
        .machine(Fact::Acknowledged)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    let present = report.scorecard.expect("a drill").attendance;
    assert_eq!(present.len(), 1);
    assert_eq!(
        (
            present[0].who.as_str(),
            present[0].since.map(|since| since.seq)
        ),
        ("p1", Some(2))
    );
}

#[test]
fn a_decoy_passes_while_nobody_raises_the_alarm() {
    let quiet = Script::new(decoy())
        .at(20.0)
        .person(Fact::Dismissed {
            reason: "a release".into(),
        })
        .at(60.0)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    let overall = quiet.overall.expect("it is over");
    assert_eq!(
        (overall.verdict, overall.exit_code),
        (Verdict::Passed, 0),
        "{}",
        overall.reason
    );
    assert!(overall.reason.contains("nothing is wrong (event 2)"));
}

#[test]
fn who_declares_an_incident_in_a_decoy_raises_a_false_alarm() {
    for alarm in [
        Fact::Declared {
            severity: Severity::Sev2,
        },
        Fact::RemedyChosen {
            remedy: name("failover"),
            uses: name("remedy:failover#1"),
            acts_at: stamp(30.0),
            approvals: None,
            rule: None,
        },
    ] {
        let loud = Script::new(decoy())
            .at(20.0)
            .person(alarm)
            .at(60.0)
            .observed()
            .ends(Verdict::Passed)
            .judge();
        let overall = loud.overall.expect("it is over");
        assert_eq!((overall.verdict, overall.exit_code), (Verdict::Failed, 1));
        assert!(
            overall.reason.contains("a false alarm was raised"),
            "{}",
            overall.reason
        );
    }
}

#[test]
fn what_a_rule_does_is_automations_and_earns_the_team_nothing() {
    let report = Script::new(drill([]))
        .at(10.0)
        .fault("slow-signer")
        .fails("send")
        .at(30.0)
        .remedies_itself("failover", "slow-signer")
        .passes("send")
        .at(60.0)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    let ended = report.measures.mitigation.expect("it ended");
    assert_eq!(ended.by, Ender::Automation);
}

#[test]
fn a_correction_moves_an_act_and_shows_what_the_score_was_without_it() {
    let acknowledged = timed(
        "ack",
        Milestone::Acknowledged,
        None,
        60,
        None,
        Anchor::Paged,
    );
    let story = || {
        Script::new(drill([acknowledged.clone()]))
            .at(10.0)
            .fault("slow-signer")
            .fails("send")
            .at(20.0)
            .alert()
            .at(200.0)
            .acknowledges()
            .person(Fact::Noted {
                text: "seen".into(),
            })
            .remedies("failover", "slow-signer")
            .passes("send")
            .at(400.0)
            .observed()
            .ends(Verdict::Passed)
    };
    let events = story().events();
    let seq = |wanted: fn(&Fact) -> bool| {
        let found = events.iter().find(|event| wanted(&event.fact));
        found.expect("an event").seq
    };
    let ack = seq(|fact| matches!(fact, Fact::Acknowledged));
    let note = seq(|fact| matches!(fact, Fact::Noted { .. }));
    let before = story().judge();
    let report = story()
        .at(500.0)
        .person(Fact::Corrected {
            seq: ack,
            at: Some(stamp(50.0).wall),
            text: None,
            reason: "it was done by telephone".into(),
        })
        .person(Fact::Corrected {
            seq: note,
            at: None,
            text: Some("seen by all".into()),
            reason: "a slip".into(),
        })
        .judge();
    let value = |report: &crate::score::Report| report.measures.time_to_acknowledge.value_ms();
    assert_eq!(
        (value(&before), value(&report)),
        (Some(180_000), Some(30_000))
    );
    let corrected = report.corrected.as_ref().expect("corrected");
    assert_eq!(corrected.before.time_to_acknowledge_ms, Some(180_000));
    assert_eq!(corrected.changes.len(), 2);
    assert_eq!(judged(&before, "ack").verdict, LineVerdict::Missed);
    assert_eq!(judged(&report, "ack").verdict, LineVerdict::Met);
    let text = crate::score::report::text::render(&report);
    assert!(text.contains("it was done by telephone"), "{text}");
    let ender = report.measures.mitigation.expect("it ended");
    assert_eq!(ender.by, Ender::Team);
}

#[test]
fn what_only_a_deaf_source_could_tell_is_not_observed() {
    let lines = || {
        [
            timed(
                "machine",
                Milestone::Detected,
                Some(By::Automation),
                60,
                None,
                Anchor::ImpactObserved,
            ),
            timed(
                "ack",
                Milestone::Acknowledged,
                None,
                60,
                None,
                Anchor::Paged,
            ),
        ]
    };
    let story = |tested: Option<Fact>, alert: bool| {
        let script = Script::new(drill(lines()));
        let script = match tested {
            Some(fact) => script.at(1.0).engine(fact),
            None => script,
        };
        let script = script.at(10.0).fault("slow-signer").fails("send").at(20.0);
        let script = if alert { script.alert() } else { script };
        let report = script.at(400.0).observed().ends(Verdict::Passed).judge();
        (
            judged(&report, "machine").verdict,
            judged(&report, "ack").verdict,
        )
    };
    let tested = |took_ms| Fact::SourceTested {
        sender: Sender::Alertmanager,
        took_ms,
        heard_at: None,
        reason: Some("it did not come".into()),
    };
    let unseen = LineVerdict::NotObserved;
    assert_eq!(story(Some(tested(None)), false), (unseen, unseen));
    assert_eq!(
        story(Some(tested(Some(40))), false),
        (LineVerdict::Missed, LineVerdict::NotApplicable)
    );
    let heard = Fact::SourceTested {
        sender: Sender::Alertmanager,
        took_ms: None,
        heard_at: Some(stamp(0.0).wall),
        reason: None,
    };
    assert_eq!(
        story(Some(heard), false),
        (LineVerdict::Missed, LineVerdict::NotApplicable),
        "a tool that was heard of late is proven"
    );
    assert_eq!(
        story(Some(tested(None)), true).1,
        LineVerdict::Missed,
        "what came all the same was seen"
    );
}

fn manual() -> Expectation {
    line(
        "handover",
        Expected::Manual {
            text: "The handover named the open risks".into(),
        },
    )
}

fn judged_as(verdict: Judgement, reason: &str) -> Fact {
    Fact::LineJudged {
        line: name("handover"),
        verdict,
        reason: reason.into(),
    }
}

#[test]
fn what_only_people_can_judge_is_scored_once_staff_have_and_both_scores_are_shown() {
    let story = |acts: bool| {
        let script = Script::new(drill([manual()]))
            .at(10.0)
            .fault("slow-signer")
            .fails("send");
        let script = if acts { script.acknowledges() } else { script };
        let script = script.at(30.0).undo("slow-signer", UndoCause::Timer);
        script
            .passes("send")
            .at(60.0)
            .observed()
            .ends(Verdict::Passed)
            .at(9000.0)
    };
    let before = story(true).judge();
    assert_eq!(
        judged(&before, "handover").verdict,
        LineVerdict::NotObserved
    );
    let after = story(true)
        .person(judged_as(Judgement::Missed, "nobody wrote one"))
        .person(judged_as(Judgement::Met, "it was in the chat"))
        .judge();
    let found = judged(&after, "handover");
    assert_eq!(
        (found.verdict, found.reason.as_str(), found.earns),
        (LineVerdict::Met, "staff: it was in the chat", true)
    );
    let corrected = after.corrected.as_ref().expect("corrected");
    assert_eq!(corrected.judged.len(), 2, "both are on record");
    assert_eq!(
        (corrected.before.outcome, corrected.before.observed),
        (None, Some(0.0))
    );
    let score = &after.scorecard.as_ref().expect("a drill").score;
    assert_eq!((score.outcome, score.observed), (Some(100.0), Some(100.0)));
    assert_eq!(
        after.chain.seq,
        before.chain.seq + 2,
        "what was said afterwards was read, too"
    );
    assert_eq!(after.took_ms, before.took_ms, "and is no part of the run");
    let text = crate::score::report::text::render(&after);
    assert!(
        text.contains("line `handover` judged met by p1: it was in the chat"),
        "{text}"
    );
    // A team that does nothing scores nothing.
    let idle = story(false).machine(judged_as(Judgement::Met, "kind of"));
    let idle = idle.judge();
    assert!(!judged(&idle, "handover").earns);
    let score = idle.scorecard.expect("a drill").score;
    assert_eq!(score.outcome, Some(0.0));
}

#[test]
fn who_ended_it_is_for_staff_to_say_where_nothing_on_record_does() {
    let recover = || {
        timed(
            "recover",
            Milestone::Recovered,
            Some(By::Team),
            60,
            None,
            Anchor::ImpactObserved,
        )
    };
    let said = |by| Fact::EndAttributed {
        by,
        reason: "they switched it by hand".into(),
    };
    // An action that was attested only later: nobody can tell whether it was done in time.
    let story = || {
        Script::new(drill([recover()]))
            .at(10.0)
            .fault("slow-signer")
            .fails("send")
            .at(30.0)
            .passes("send")
            .at(50.0)
            .person(Fact::ActionAttested {
                text: "switched".into(),
            })
            .at(80.0)
            .observed()
            .ends(Verdict::Passed)
            .at(500.0)
    };
    let before = story().judge();
    let ended = before.measures.recovery.clone().expect("it ended");
    assert_eq!(ended.by, Ender::Unattributed);
    assert!(before.is_unattributed());
    assert_eq!(judged(&before, "recover").verdict, LineVerdict::Missed);
    let after = story().person(said(Attribution::Team)).judge();
    let ended = after.measures.recovery.clone().expect("it ended");
    assert_eq!(
        (ended.by, ended.reason.as_str()),
        (
            Ender::Team,
            "staff say so: they switched it by hand (event 8)"
        )
    );
    assert_eq!(judged(&after, "recover").verdict, LineVerdict::Met);
    assert!(after.is_unattributed(), "it can be said otherwise");
    let corrected = after.corrected.expect("corrected");
    assert_eq!(corrected.before.outcome, Some(0.0));
    let outside = story()
        .person(said(Attribution::Team))
        .person(said(Attribution::Outside))
        .judge();
    assert_eq!(
        judged(&outside, "recover").verdict,
        LineVerdict::Censored,
        "the last counts"
    );
    // What is on record stands.
    let known = Script::new(drill([recover()]))
        .at(10.0)
        .fault("slow-signer")
        .fails("send")
        .at(30.0)
        .undo("slow-signer", UndoCause::Timer)
        .passes("send")
        .at(80.0)
        .observed()
        .ends(Verdict::Passed)
        .person(said(Attribution::Team))
        .judge();
    assert_eq!(
        known.measures.recovery.as_ref().expect("it ended").by,
        Ender::Timer
    );
    assert!(!known.is_unattributed());
}
