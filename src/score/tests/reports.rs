//! Reports as people and programs read them.

use super::script::{
    Script, any_update, before, critical, drill, experiment, forbid, line, name, timed, update,
    weighing,
};
use crate::engine::event::{Event, Fact, StopCause, UndoCause, UndoneBy, Verdict};
use crate::model::runbook::{
    Anchor, Audience, By, Expected, Milestone, PhraseSet, Target, UpdatePart,
};
use crate::model::team::Role;
use crate::model::time::Millis;
use crate::score::report::{Report, junit, markdown, text};

/// A drill as it goes on a fair day: detected and declared, acknowledged late, something forbidden done, recovered.
fn story() -> Vec<Event> {
    let impact = Anchor::ImpactObserved;
    let detect = timed(
        "detect",
        Milestone::Detected,
        Some(By::Human),
        120,
        Some(600),
        impact,
    );
    let recover = timed(
        "recover",
        Milestone::Recovered,
        Some(By::Team),
        1800,
        Some(3000),
        impact,
    );
    let command = Milestone::RoleAssigned(Role::IncidentCommander);
    let public = Milestone::Update {
        audience: Some(Audience::Customers),
        channels: vec!["status_page".into(), "telegram".into()],
        must_have: Vec::new(),
    };
    let lines = [
        critical(weighing(3.0, detect)),
        timed(
            "ack",
            Milestone::Acknowledged,
            Some(By::Human),
            60,
            Some(300),
            Anchor::Paged,
        ),
        timed("command", command, None, 600, None, Anchor::Declared),
        before(
            "cause",
            Milestone::CauseNamed("slow-signer".into()),
            Target::Remedy(name("rollback")),
        ),
        forbid("never", "restart-api"),
        timed("public", public, None, 600, None, Anchor::Detected),
        line(
            "cadence",
            Expected::Cadence {
                every: Millis::seconds(300),
                until: Anchor::Recovered,
                audience: None,
                must_have: vec![UpdatePart::NextUpdateAt],
            },
        ),
        line(
            "advice",
            Expected::MessageContains {
                phrases: vec![PhraseSet::DoNotRetry, PhraseSet::NeverShareKeys],
            },
        ),
        timed(
            "clear",
            Milestone::Resolved,
            None,
            300,
            None,
            Anchor::Recovered,
        ),
        critical(weighing(3.0, recover)),
        line(
            "judged",
            Expected::Manual {
                text: "The handover named the open risks".into(),
            },
        ),
    ];
    Script::new(drill(lines))
        .at(0.0)
        .passes("send")
        .passes("nonce")
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
        .at(45.5)
        .alert()
        .at(80.0)
        .detects("wallet-api")
        .at(82.0)
        .declares()
        .takes(Role::IncidentCommander)
        .at(165.5)
        .acknowledges()
        .at(200.0)
        .person(update(
            "Transfers are slow. Please do not retry. Never share your seed phrase.",
            true,
        ))
        .at(240.0)
        .chooses("restart-api")
        .at(260.0)
        .passes("send")
        .at(290.0)
        .fails("send")
        .at(420.0)
        .person(Fact::CauseNamed {
            cause: "slow-signer".into(),
        })
        .at(600.0)
        .remedies("rollback", "slow-signer")
        .at(602.0)
        .passes("send")
        .at(620.0)
        .observed()
        .ends(Verdict::Passed)
        .events()
}

fn judge(events: &[Event]) -> Report {
    crate::score::judge(events)
        .expect("a log that begins with its creation")
        .identified(name("r-1"), Some("c0ffee".into()))
}

#[test]
fn a_scorecard_on_a_terminal_tells_every_point_and_why() {
    insta::assert_snapshot!(text::render(&judge(&story())), @r"
    drill slow-signer-drill: passed (exit 0)
      stack and team passed

      run        r-1, begun 2026-03-02 10:00:00 UTC
      log        to event 22, chain head c0ffee; rubric 4
      hypothesis A slow signer delays transfers but loses none.
      stack      wallet-staging: passed

    score
      team       oncall, SEV1, runbook signing: passed
                   outcome 81.2 (80 needed), observed 86.6 (75 needed)
      outcome    81.2 (10.75 of 12 points, less 1 for what was forbidden)
      observed   86.6 (13 of 15 weight could be seen)
      rating     P, performed (P by outcome 81.2)

    times to detect (TTD), to acknowledge (TTA), to mitigate (TTM), to recover (TTR)
      impact     observed by send, 5s after the fault; last good 2s earlier (event 5 at +00:15.0)
      TTD        30.5s ±2s: impact observed by send (event 5 at +00:15.0) to alert Slow
                 (event 6 at +00:45.5)
        machine  30.5s ±2s: impact observed by send (event 5 at +00:15.0) to alert Slow
                 (event 6 at +00:45.5)
                   of it 30.5s until Alertmanager's rule fired, by its clock, and 0s until the signal
                   was here
        people   1m5s ±2s: impact observed by send (event 5 at +00:15.0) to wallet-api: transfers hang
                 (event 7 at +01:20.0)
      TTA        2m: first page: alert Slow (event 6 at +00:45.5) to acknowledged by a person
                 (event 10 at +02:45.5)
      TTM        9m47s ±2s: impact observed by send (event 5 at +00:15.0) to impact probes hold again
                 (event 20 at +10:02.0)
      TTR        9m47s ±3s: impact observed by send (event 5 at +00:15.0) to all of steady state holds
                 again (event 20 at +10:02.0)
      remission  held for 30s and was lost again (events 13 to 14)
      mitigated  by team: fault slow-signer was undone: remedy `rollback` ended it
                 (event 18 at +10:00.0)
      recovered  by team: fault slow-signer was undone: remedy `rollback` ended it
                 (event 18 at +10:00.0)

    checks
      steady state  send: held
      steady state  nonce: held
      during        nonce: held

    runbook, line by line: verdict, points, what was expected and what happened
      met                3/3   detect, critical: detected by a person within 2m of impact, at the latest
                               10m
                                 detected 1m5s after impact; due within 2m, at the latest 10m (event 7)
      late            0.75/1   ack: acknowledged by a person within 1m of the page, at the latest 5m
                                 acknowledged 2m after the page; due within 1m, at the latest 5m
                                 (event 10)
      met                1/1   command: incident commander taken within 10m of the declaration
                                 incident commander taken 0s after the declaration; due within 10m
                                 (event 9)
      met                1/1   cause: cause `slow-signer` named before remedy `rollback`
                                 cause `slow-signer` named; before remedy `rollback` (events 15, 16)
      violated            -1   never: never remedy `restart-api`
                                 remedy `restart-api` happened, 3m45s after impact (event 12)
      met                1/1   public: update posted for customers on status page or telegram within 10m
                               of detection
                                 update posted for customers on status page or telegram 2m34.5s after
                                 detection; due within 10m (event 11)
      missed             0/1   cadence: an update every 5m until recovery, each of which says when the
                               next update comes
                                 1 update until recovery, longest gap 6m42s; due every 5m (event 11)
      met                1/1   advice: an update that says “do not retry” and “never share keys”
                                 an update says “do not retry” and “never share keys” (event 11)
      censored             -   clear: all-clear given within 5m of recovery
                                 no all-clear given, but observation ended before it was due
      met                3/3   recover, critical: recovered by the team within 30m of impact, at the
                               latest 50m
                                 recovered 9m47s after impact, ended by team; due within 30m, at the
                                 latest 50m (events 20, 18)
      not observed         -   judged: staff judge: The handover named the open risks
                                 staff have not judged it yet

    communication: shown, and scored only by the runbook's lines
      clock         availability: customers hear within 5m of the detection, then every 20m
      customers     2m34.5s after the detection, 1 update, longest gap 6m42s, the next promised in 1 of
                    1 (kept 0 of 1); the first came in time, and none was too long in coming

    who was there
      responder    p1 (event 7 at +01:20.0)
    ");
}

#[test]
fn a_run_as_junit_has_a_case_for_the_hypothesis_each_probe_the_team_and_each_line() {
    insta::assert_snapshot!(junit::render(&judge(&story())), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="firedrill" tests="16" failures="3" errors="0" skipped="2" time="620.000">
      <testsuite name="slow-signer-drill" tests="16" failures="3" errors="0" skipped="2" time="620.000" timestamp="2026-03-02T10:00:00Z">
        <properties>
          <property name="stack" value="wallet-staging"/>
          <property name="rubric" value="4"/>
          <property name="seq" value="22"/>
          <property name="run" value="r-1"/>
          <property name="chain" value="c0ffee"/>
          <property name="team" value="oncall"/>
          <property name="outcome" value="81.2"/>
          <property name="observed" value="86.6"/>
          <property name="rating" value="P"/>
        </properties>
        <testcase classname="slow-signer-drill.stack" name="hypothesis: A slow signer delays transfers but loses none." time="620.000"/>
        <testcase classname="slow-signer-drill.steady_state" name="steady state: send" time="0.000"/>
        <testcase classname="slow-signer-drill.steady_state" name="steady state: nonce" time="0.000"/>
        <testcase classname="slow-signer-drill.during" name="during: nonce" time="610.000"/>
        <testcase classname="slow-signer-drill.team" name="team oncall" time="0.000">
          <system-out>outcome 81.2 (80 needed), observed 86.6 (75 needed)</system-out>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="detect: detected by a person within 2m of impact, at the latest 10m" time="65.000">
          <system-out>detected 1m5s after impact; due within 2m, at the latest 10m (event 7)</system-out>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="ack: acknowledged by a person within 1m of the page, at the latest 5m" time="120.000">
          <failure type="late" message="acknowledged 2m after the page; due within 1m, at the latest 5m (event 10)">acknowledged 2m after the page; due within 1m, at the latest 5m (event 10)</failure>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="command: incident commander taken within 10m of the declaration" time="0.000">
          <system-out>incident commander taken 0s after the declaration; due within 10m (event 9)</system-out>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="cause: cause `slow-signer` named before remedy `rollback`" time="0.000">
          <system-out>cause `slow-signer` named; before remedy `rollback` (events 15, 16)</system-out>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="never: never remedy `restart-api`" time="0.000">
          <failure type="violated" message="remedy `restart-api` happened, 3m45s after impact (event 12)">remedy `restart-api` happened, 3m45s after impact (event 12)</failure>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="public: update posted for customers on status page or telegram within 10m of detection" time="154.500">
          <system-out>update posted for customers on status page or telegram 2m34.5s after detection; due within 10m (event 11)</system-out>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="cadence: an update every 5m until recovery, each of which says when the next update comes" time="0.000">
          <failure type="missed" message="1 update until recovery, longest gap 6m42s; due every 5m (event 11)">1 update until recovery, longest gap 6m42s; due every 5m (event 11)</failure>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="advice: an update that says “do not retry” and “never share keys”" time="0.000">
          <system-out>an update says “do not retry” and “never share keys” (event 11)</system-out>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="clear: all-clear given within 5m of recovery" time="0.000">
          <skipped message="censored: no all-clear given, but observation ended before it was due"/>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="recover: recovered by the team within 30m of impact, at the latest 50m" time="587.000">
          <system-out>recovered 9m47s after impact, ended by team; due within 30m, at the latest 50m (events 20, 18)</system-out>
        </testcase>
        <testcase classname="slow-signer-drill.runbook" name="judged: staff judge: The handover named the open risks" time="0.000">
          <skipped message="not observed: staff have not judged it yet"/>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn a_report_in_markdown_is_a_summary_with_tables() {
    insta::assert_snapshot!(markdown::render(&judge(&story())), @r"
    ## slow-signer-drill: passed

    stack and team passed (exit 0).

    > A slow signer delays transfers but loses none.

    Stack wallet-staging: **passed**

    ### Team oncall, SEV1: passed

    outcome 81.2 (80 needed), observed 86.6 (75 needed).

    | | | why |
    |---|---|---|
    | outcome | 81.2 | 10.75 of 12 points, less 1 for what was forbidden |
    | observed | 86.6 | 13 of 15 weight could be seen |
    | rating | P | P by outcome 81.2 |

    | line | verdict | points | expected | why |
    |---|---|---|---|---|
    | detect (critical) | met | 3/3 | detected by a person within 2m of impact, at the latest 10m | detected 1m5s after impact; due within 2m, at the latest 10m (event 7) |
    | ack | late | 0.75/1 | acknowledged by a person within 1m of the page, at the latest 5m | acknowledged 2m after the page; due within 1m, at the latest 5m (event 10) |
    | command | met | 1/1 | incident commander taken within 10m of the declaration | incident commander taken 0s after the declaration; due within 10m (event 9) |
    | cause | met | 1/1 | cause `slow-signer` named before remedy `rollback` | cause `slow-signer` named; before remedy `rollback` (events 15, 16) |
    | never | violated | -1 | never remedy `restart-api` | remedy `restart-api` happened, 3m45s after impact (event 12) |
    | public | met | 1/1 | update posted for customers on status page or telegram within 10m of detection | update posted for customers on status page or telegram 2m34.5s after detection; due within 10m (event 11) |
    | cadence | missed | 0/1 | an update every 5m until recovery, each of which says when the next update comes | 1 update until recovery, longest gap 6m42s; due every 5m (event 11) |
    | advice | met | 1/1 | an update that says “do not retry” and “never share keys” | an update says “do not retry” and “never share keys” (event 11) |
    | clear | censored | - | all-clear given within 5m of recovery | no all-clear given, but observation ended before it was due |
    | recover (critical) | met | 3/3 | recovered by the team within 30m of impact, at the latest 50m | recovered 9m47s after impact, ended by team; due within 30m, at the latest 50m (events 20, 18) |
    | judged | not observed | - | staff judge: The handover named the open risks | staff have not judged it yet |

    ### Who was there

    - p1 (responder), from event 7

    ### Times

    | | | from, to |
    |---|---|---|
    | TTD | 30.5s ±2s | impact observed by send (event 5 at +00:15.0) to alert Slow (event 6 at +00:45.5) |
    | machine | 30.5s ±2s | impact observed by send (event 5 at +00:15.0) to alert Slow (event 6 at +00:45.5); of it 30.5s until Alertmanager's rule fired, by its clock, and 0s until the signal was here |
    | people | 1m5s ±2s | impact observed by send (event 5 at +00:15.0) to wallet-api: transfers hang (event 7 at +01:20.0) |
    | TTA | 2m | first page: alert Slow (event 6 at +00:45.5) to acknowledged by a person (event 10 at +02:45.5) |
    | TTM | 9m47s ±2s | impact observed by send (event 5 at +00:15.0) to impact probes hold again (event 20 at +10:02.0) |
    | TTR | 9m47s ±3s | impact observed by send (event 5 at +00:15.0) to all of steady state holds again (event 20 at +10:02.0) |

    Mitigated by team: fault slow-signer was undone: remedy `rollback` ended it (event 18 at +10:00.0).

    Recovered by team: fault slow-signer was undone: remedy `rollback` ended it (event 18 at +10:00.0).

    ### Communication

    Shown, and scored only by the lines above. availability: customers hear within 5m of the detection, then every 20m.

    | | |
    |---|---|
    | customers | 2m34.5s after the detection, 1 update, longest gap 6m42s, the next promised in 1 of 1 (kept 0 of 1); the first came in time, and none was too long in coming |

    ### Checks

    - steady state send: held
    - steady state nonce: held
    - during nonce: held

    Run r-1, begun 2026-03-02 10:00:00 UTC, read to event 22, chain head c0ffee, rubric 4.
    ");
}

#[test]
fn the_same_log_gives_the_same_bytes_at_every_point_of_it() {
    let events = story();
    let stored = serde_json::to_string(&events).expect("events serialise");
    let read: Vec<Event> = serde_json::from_str(&stored).expect("events are read back");
    for length in 1..=events.len() {
        let render = |events: &[Event]| {
            let report = judge(&events[..length]);
            let json = serde_json::to_string(&report).expect("reports serialise");
            let parts = [
                json,
                text::render(&report),
                markdown::render(&report),
                junit::render(&report),
            ];
            parts.concat()
        };
        assert_eq!(render(&events), render(&read), "after {length} events");
    }
}

#[test]
fn a_report_names_its_rubric_its_sequence_and_its_chain_head() {
    let json = serde_json::to_value(judge(&story())).expect("reports serialise");
    assert_eq!(json["rubric"], 4);
    assert_eq!(json["chain"]["seq"], story().len());
    assert_eq!(json["chain"]["head"], "c0ffee");
    assert_eq!(json["run"], "r-1");
    let ttd = &json["measures"]["time_to_detect"];
    assert_eq!(ttd["state"], "measured");
    assert_eq!(ttd["value_ms"], 30_500);
    for end in ["from", "to"] {
        assert!(ttd[end]["seq"].is_u64(), "{ttd}");
        assert!(ttd[end]["at"]["mono_ns"].is_u64(), "{ttd}");
        assert!(ttd[end]["what"].is_string(), "{ttd}");
    }
}

#[test]
fn an_experiment_shows_no_times_of_a_team_and_its_recovery_is_not_cut_by_its_own_timer() {
    let report = Script::new(experiment())
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
        .at(60.0)
        .undo("slow-signer", UndoCause::Timer)
        .undone("slow-signer", UndoneBy::Us)
        .at(62.0)
        .passes("send")
        .at(90.0)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    for page in [text::render(&report), markdown::render(&report)] {
        for word in ["TTD", "TTA", "TTM", "TTR", "team", "cut by"] {
            assert!(!page.contains(word), "{word} in\n{page}");
        }
        assert!(
            page.contains("recovery") && page.contains("by timer"),
            "{page}"
        );
    }
}

#[test]
fn a_narrow_terminal_wraps_every_line_and_keeps_words_whole() {
    for width in [60, 80] {
        let page = text::render_within(&judge(&story()), width);
        for line in page.lines() {
            assert!(line.chars().count() <= width, "{line:?}");
        }
        assert!(page.contains("times to detect (TTD)") && page.contains("restart-api"));
    }
}

#[test]
fn no_line_on_a_terminal_is_wider_than_100_columns_and_none_moves_the_cursor() {
    let mut plan = drill([timed(
        "public",
        any_update(),
        None,
        600,
        None,
        Anchor::Detected,
    )]);
    plan.experiment.hypothesis = "long ".repeat(60) + "ü".repeat(350).as_str() + "\u{1b}[2J";
    let report = Script::new(plan)
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
        .at(20.0)
        .person(Fact::Detected {
            service: name("signer"),
            symptom: "a very long symptom ".repeat(20) + "\u{1b}[31m\r\n",
        })
        .at(600.0)
        .observed()
        .ends(Verdict::Failed)
        .judge();
    let page = text::render(&report);
    for line in page.lines() {
        assert!(line.chars().count() <= 100, "{line:?}");
    }
    assert!(!page.contains('\u{1b}') && !page.contains('\r'));
    assert_eq!(page.matches('ü').count(), 350);
}

#[test]
fn what_people_typed_breaks_no_table_and_draws_nothing_in_markdown() {
    let report = Script::new(drill([]))
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
        .at(20.0)
        .person(Fact::Detected {
            service: name("signer"),
            symptom: "a | b\n| c | <img src=x> ![p](http://x)".into(),
        })
        .at(600.0)
        .observed()
        .ends(Verdict::Passed)
        .judge();
    let page = markdown::render(&report);
    assert!(
        page.contains("a \\| b \\| c \\| &lt;img src=x> !\\[p\\](http://x)"),
        "{page}"
    );
}

#[test]
fn an_errored_run_is_an_error_in_junit_and_what_was_not_reached_is_skipped() {
    let report = Script::new(experiment())
        .at(5.0)
        .engine(Fact::ProbeUnusable {
            probe: name("nonce"),
            reason: "no such <host>".into(),
        })
        .stop(StopCause::Error {
            reason: "nonce could not be asked".into(),
        })
        .ends(Verdict::Errored)
        .judge();
    let page = junit::render(&report);
    assert!(page.contains("<error type=\"errored\""), "{page}");
    assert!(
        page.contains("<error type=\"unusable\" message=\"no such &lt;host&gt;\">"),
        "{page}"
    );
    assert!(
        page.contains("tests=\"4\" failures=\"0\" errors=\"3\" skipped=\"1\""),
        "{page}"
    );
}

#[test]
fn what_was_not_observed_to_the_end_is_skipped_and_never_passed() {
    let cut_short = Script::new(experiment())
        .at(10.0)
        .passes("send")
        .passes("nonce")
        .fault("slow-signer")
        .at(40.0)
        .stop(StopCause::Signal)
        .ends(Verdict::Aborted)
        .judge();
    let page = junit::render(&cut_short);
    let skipped = "<skipped message=\"not observed to the end: the run was stopped\"/>";
    assert_eq!(page.matches(skipped).count(), 3, "{page}");
    assert!(
        page.contains("tests=\"4\" failures=\"0\" errors=\"1\" skipped=\"3\""),
        "{page}"
    );
    let text = text::render(&cut_short);
    assert!(
        text.contains("nonce: held so far, not observed to the end"),
        "{text}"
    );
}

#[test]
fn a_probe_that_failed_while_the_fault_was_on_fails_its_during_case() {
    let report = Script::new(experiment())
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("nonce")
        .at(60.0)
        .passes("nonce")
        .at(90.0)
        .observed()
        .ends(Verdict::Failed)
        .judge();
    let page = junit::render(&report);
    assert!(
        page.contains("<failure type=\"during\" message=\"it failed 5s after the first fault"),
        "{page}"
    );
    assert!(
        page.contains("<failure type=\"deviated\" message=\"because of the story\">"),
        "{page}"
    );
}

#[test]
fn what_was_not_observed_is_said_in_every_form_and_is_never_held() {
    let story = |verdict| {
        Script::new(experiment())
            .at(0.0)
            .passes("send")
            .passes("nonce")
            .at(10.0)
            .fault("slow-signer")
            .at(11.0)
            .undo("slow-signer", crate::engine::event::UndoCause::Timer)
            .undone("slow-signer", crate::engine::event::UndoneBy::Us)
            .at(30.0)
            .observed()
            .ends(verdict)
            .judge()
    };
    let report = story(Verdict::Errored);
    assert_eq!(report.exit_code(), Some(4));
    let json = serde_json::to_value(&report).expect("a report is JSON");
    assert_eq!(json["checks"][2]["result"], "not_observed");
    assert_eq!(
        json["overall"]["reason"],
        "the hypothesis was not observed: because of the story"
    );
    let shown = text::render(&report);
    assert!(
        shown.contains(
            "during        nonce: not observed: it was asked fewer than 3 times in a row"
        ),
        "{shown}"
    );
    let shown = markdown::render(&report);
    assert!(
        shown.contains("- during nonce: **not observed**: it was asked"),
        "{shown}"
    );
    let shown = junit::render(&report);
    assert!(
        shown.contains("<error type=\"not_observed\" message=\"it was asked"),
        "{shown}"
    );
    let old = serde_json::to_value(story(Verdict::Passed)).expect("a report is JSON");
    assert_eq!(
        old["checks"][2]["result"], "held",
        "a log from before observation was recorded passed without it"
    );
}

#[test]
fn a_team_that_was_seen_is_scored_where_only_the_hypothesis_was_not() {
    let detect = timed(
        "detect",
        Milestone::Detected,
        Some(By::Human),
        120,
        Some(600),
        Anchor::ImpactObserved,
    );
    let script = Script::new(drill([detect]))
        .at(0.0)
        .passes("send")
        .at(10.0)
        .fault("slow-signer")
        .at(15.0)
        .fails("send")
        .at(20.0)
        .detects("wallet-api")
        .at(25.0)
        .remedies("rollback", "slow-signer")
        .at(26.0)
        .passes("send")
        .at(50.0)
        .observed();
    let report = script.ends(Verdict::Errored).judge();
    let scorecard = report.scorecard.as_ref().expect("a drill");
    assert_eq!(scorecard.score.outcome, Some(100.0));
    assert!(scorecard.score.rating.is_some());
    assert_eq!(report.exit_code(), Some(4));
}
