use insta::assert_snapshot;

use super::*;

pub(super) const EXPERIMENT: &str = r#"
kind: Experiment
name: token-rollout
stack: wallet-staging
hypothesis: The team ends it.
steady_state: [{probe: send-transaction}, {probe: nonce-gap}]
method:
  - hook: {id: bad-token, do: {run: ["./rollout", "v42"]}, undo: {run: ["./rollout", "v41"]}, until: remedied, at_most: 1h}
"#;

pub(super) const DRILL: &str = r#"
kind: Drill
name: bad-token
experiment: token-rollout
runbook: runbooks/authentication.md
team: wallet-oncall
severity: SEV1
brief: The narrative exercise staff read.
schedule: {cron: "0 10 * * TUE", timezone: Europe/Berlin, tolerance: 10m}
detection: [{alertmanager: {alertname: LoginFailures}}, human]
injects: [{at: 8m, to: incident_commander, text: The CEO asks whether funds are safe., expect_reply_within: 5m}]
remedies:
  - {id: rollback, label: Roll back the token service, ends: [bad-token], takes: 20s}
  - {id: restart-api, label: Restart the wallet API, http: {method: POST, url: "http://127.0.0.1:7000/restart"}}
  - {id: failover, label: Fail over the signer, run: ["./failover"], restore: ["./failback"]}
pass: {outcome: 80, observed: 75}
"#;

pub(super) const RUNBOOK: &str = r"---
kind: Runbook
name: authentication
class: availability
expect:
  - {id: detect,  event: detected, by: human, within: 2m, limit: 10m, from: impact_observed, weight: 3, critical: true}
  - {id: ack,     event: acknowledged, by: human, within: 5m, from: paged}
  - {id: command, event: role_assigned, role: incident_commander, within: 10m, from: declared}
  - {id: cause,   event: cause_named, is: bad-token, before: {remedy: rollback}}
  - {id: never,   forbid: {remedy: restart-api}}
  - {id: public,  event: update, audience: customers, within: 10m, from: detected, channels: [status_page, telegram]}
  - {id: cadence, event: update, every: 20m, until: recovered, must_have: [next_update_at]}
  - {id: advice,  message_contains: [do_not_retry, never_share_keys]}
  - {id: probe,   probe: nonce-gap, within: 10m}
  - {id: recover, event: recovered, by: team, within: 30m, limit: 60m, from: impact_observed, weight: 3, critical: true}
  - {id: judged,  manual: Handover named the open risks}
---
## 1. Confirm that log-ins fail for everybody
";

pub(super) const TEAM: &str = "kind: Team\nname: wallet-oncall\nmembers: [ana, bo]\n";

fn with(drill: &str, runbook: &str) -> String {
    check(&[
        ("stacks/wallet.yaml", STACK),
        ("experiments/token.yaml", EXPERIMENT),
        ("runbooks/authentication.md", runbook),
        ("teams/oncall.yaml", TEAM),
        ("drills/bad-token.yaml", drill),
    ])
}

#[test]
fn the_drill_of_the_design_becomes_a_plan() {
    assert_eq!(with(DRILL, RUNBOOK), "");
    let files = [
        ("stacks/wallet.yaml", STACK),
        ("experiments/token.yaml", EXPERIMENT),
        ("runbooks/authentication.md", RUNBOOK),
        ("teams/oncall.yaml", TEAM),
        ("drills/bad-token.yaml", DRILL),
    ];
    let plan = plan(&files, &[]).expect("a plan");
    let json = serde_json::to_string(&plan).expect("JSON");
    assert_eq!(serde_json::from_str::<Plan>(&json).expect("the plan"), plan);
    let exercise = plan.drill.as_ref().expect("a drill");
    assert_eq!(exercise.runbook.expect.len(), 11);
    assert_eq!(
        exercise.runbook.body,
        "## 1. Confirm that log-ins fail for everybody\n"
    );
    assert_eq!(plan.files.len(), 5);
    assert_eq!(plan.name(), "bad-token");
    let folder = exercise.drill.remedies[2]
        .act
        .as_ref()
        .map(|call| format!("{call:?}"));
    assert!(folder.is_some_and(|text| text.contains("folder: Some(\"drills\")")));
}

#[test]
fn windows_and_blackouts_are_held_to_how_they_are_written() {
    let scheduled = |schedule: &str| {
        with(
            &format!(
                "{}schedule: {{cron: \"0 10 * * TUE\", {schedule}}}\n",
                unscheduled()
            ),
            RUNBOOK,
        )
    };
    assert_eq!(
        scheduled("surprise: true, window: \"10:00-16:00\", blackout: [\"2026-12-20/2027-01-03\"]"),
        ""
    );
    let found = scheduled("surprise: true, window: \"16-10\", blackout: [soon]");
    assert!(
        found.contains("error[bad-window]: `16-10` is no window: write it like `10:00-16:00`")
            && found.contains("error[bad-window]: `soon` is no blackout"),
        "{found}"
    );
    let found = scheduled("window: \"10:00-16:00\"");
    assert!(
        found.contains("`surprise`"),
        "a window without a surprise: {found}"
    );
}

/// The drill of the design without its schedule.
fn unscheduled() -> String {
    let lines = DRILL.split_inclusive('\n');
    lines
        .filter(|line| !line.starts_with("schedule:"))
        .collect()
}

#[test]
fn keys_that_are_planned_are_told_from_slips() {
    assert_snapshot!(with(r#"
kind: Drill
name: bad-token
experiment: token-rolout
runbook: authentication
team: wallet-oncal
severity: SEV0
schedule: {cron: "0 10 * *", timezone: Europe/Berln, window: "10:00-16:00", surprise: true, blackout: []}
detection: [{pagerduty: {service: PF9KMXH}}, robot]
injects: [{at: 8m, to: commander, text: ""}]
remedies:
  - {id: rollback, ends: [bad-tokn], approvals: 1}
  - {id: rollback, http: "http://127.0.0.1/", run: ["./x"], starts: [cold-cache]}
  - {id: idle}
pass: {outcome: 101}
"#, RUNBOOK), @r#"
    error[unknown-file]: there is no experiment `token-rolout`
     --> drills/bad-token.yaml:4:13
      |
    4 | experiment: token-rolout
      |             ^^^^^^^^^^^^
      |
      = help: did you mean `token-rollout`? there is `token-rollout`

    error[unknown-file]: there is no team `wallet-oncal`
     --> drills/bad-token.yaml:6:7
      |
    6 | team: wallet-oncal
      |       ^^^^^^^^^^^^
      |
      = help: did you mean `wallet-oncall`? there is `wallet-oncall`

    error[unknown-word]: `SEV0` is not one of the words allowed here
     --> drills/bad-token.yaml:7:11
      |
    7 | severity: SEV0
      |           ^^^^
      |
      = help: did you mean `SEV1`? it is `SEV1`, `SEV2`, `SEV3`, `SEV4` or `SEV5`

    error[bad-cron]: `0 10 * *` is not a usable cron pattern
     --> drills/bad-token.yaml:8:18
      |
    8 | schedule: {cron: "0 10 * *", timezone: Europe/Berln, window: "10:00-16:00", surprise: true, blackout: []}
      |                  ^^^^^^^^^^
      |
      = help: it has five fields: minute, hour, day of month, month, day of week

    error[bad-timezone]: `Europe/Berln` is not a usable time zone
     --> drills/bad-token.yaml:8:40
      |
    8 | schedule: {cron: "0 10 * *", timezone: Europe/Berln, window: "10:00-16:00", surprise: true, blackout: []}
      |                                        ^^^^^^^^^^^^
      |
      = help: use a name of the IANA database, such as `Europe/Berlin` or `UTC`

    error[unknown-word]: `robot` is not one of the words allowed here
     --> drills/bad-token.yaml:9:46
      |
    9 | detection: [{pagerduty: {service: PF9KMXH}}, robot]
      |                                              ^^^^^
      |
      = help: it is `human`

    error[unknown-word]: `commander` is not one of the words allowed here
      --> drills/bad-token.yaml:10:24
       |
    10 | injects: [{at: 8m, to: commander, text: ""}]
       |                        ^^^^^^^^^
       |
       = help: it is `incident_commander`, `deputy`, `scribe`, `communications`, `operations` or `subject_expert`

    error[out-of-range]: this text must not be empty
      --> drills/bad-token.yaml:10:41
       |
    10 | injects: [{at: 8m, to: commander, text: ""}]
       |                                         ^^

    error[duplicate-id]: the remedy `rollback` stands here a second time
      --> drills/bad-token.yaml:13:10
       |
    13 |   - {id: rollback, http: "http://127.0.0.1/", run: ["./x"], starts: [cold-cache]}
       |          ^^^^^^^^

    error[conflicting-keys]: `run` and `http` exclude each other
      --> drills/bad-token.yaml:13:47
       |
    13 |   - {id: rollback, http: "http://127.0.0.1/", run: ["./x"], starts: [cold-cache]}
       |                                               ^^^
       |
       = help: keep one of `http` or `run`

    error[missing-key]: a remedy needs at least one of `ends`, `http` or `run`
      --> drills/bad-token.yaml:14:6
       |
    14 |   - {id: idle}
       |      ^^

    error[out-of-range]: 101 is out of range: it must be at least 0 and at most 100
      --> drills/bad-token.yaml:15:17
       |
    15 | pass: {outcome: 101}
       |                 ^^^
    "#);
}

#[test]
fn a_runbook_is_checked_against_its_drill_at_its_own_tokens() {
    let runbook = r"---
kind: Runbook
name: authentication
expect:
  - {id: cause,   event: cause_named, is: bad-tken, before: {remedy: rolback}}
  - {id: never,   forbid: {remedy: restart}}
  - {id: probe,   probe: nonce, within: 10m}
  - {id: late,    event: recovered, by: team, within: 30m, limit: 61m}
  - {id: cadence, event: update, every: 2h, until: recovered}
---
";
    assert_snapshot!(with(DRILL, runbook), @r"
    error[unknown-step]: there is no step `bad-tken` in the drill `bad-token`
     --> runbooks/authentication.md:5:43
      |
    5 |   - {id: cause,   event: cause_named, is: bad-tken, before: {remedy: rolback}}
      |                                           ^^^^^^^^
      |
      = help: did you mean `bad-token`? there is `bad-token`

    error[unknown-remedy]: there is no remedy `rolback` in the drill `bad-token`
     --> runbooks/authentication.md:5:70
      |
    5 |   - {id: cause,   event: cause_named, is: bad-tken, before: {remedy: rolback}}
      |                                                                      ^^^^^^^
      |
      = help: did you mean `rollback`? there is `rollback`, `restart-api` and `failover`

    error[unknown-remedy]: there is no remedy `restart` in the drill `bad-token`
     --> runbooks/authentication.md:6:36
      |
    6 |   - {id: never,   forbid: {remedy: restart}}
      |                                    ^^^^^^^
      |
      = help: there is `rollback`, `restart-api` and `failover`

    error[unknown-probe]: there is no probe `nonce` in the drill `bad-token`
     --> runbooks/authentication.md:7:26
      |
    7 |   - {id: probe,   probe: nonce, within: 10m}
      |                          ^^^^^
      |
      = help: there is `backup-fresh`, `error-rate`, `node-lag`, `nonce-gap`, `send-transaction` and `signer-port`

    error[late-limit]: `limit` is 1h1m, and a run of the drill `bad-token` lasts 1h at most
     --> runbooks/authentication.md:8:67
      |
    8 |   - {id: late,    event: recovered, by: team, within: 30m, limit: 61m}
      |                                                                   ^^^
      |
      = help: shorten it, or raise the experiment's `at_most` and `limits: {duration: …}`

    error[late-limit]: `every` is 2h, and a run of the drill `bad-token` lasts 1h at most
     --> runbooks/authentication.md:9:41
      |
    9 |   - {id: cadence, event: update, every: 2h, until: recovered}
      |                                         ^^
      |
      = help: shorten it, or raise the experiment's `at_most` and `limits: {duration: …}`
    ");
}

#[test]
fn an_expectation_has_the_keys_of_its_kind_only() {
    let runbook = r"---
# A comment, and an umlaut: ü
kind: Runbook
name: authentication
class: secret
expect:
  - {id: a, event: detected, role: scribe, from: detected, within: 1m}
  - {id: a, event: role_assigned, limit: 1m}
  - {id: c, event: updated, within: 1m}
  - {id: d, event: acknowledged, by: team, within: 5m, limit: 1m}
  - {id: e, probe: nonce-gap, every: 1m}
  - {id: f, manual: x, forbid: recovered}
  - {id: g, message_contains: [do_not_retri], weight: 0}
  - {event: declared, critical: yes}
  - {id: i, forbid: {remdy: x}}
---
";
    assert_snapshot!(with(DRILL, runbook), @r"
    error[unknown-word]: `secret` is not one of the words allowed here
     --> runbooks/authentication.md:5:8
      |
    5 | class: secret
      |        ^^^^^^
      |
      = help: it is `availability` or `security`

    error[conflicting-keys]: `role` has no meaning in the event `detected`
     --> runbooks/authentication.md:7:30
      |
    7 |   - {id: a, event: detected, role: scribe, from: detected, within: 1m}
      |                              ^^^^
      |
      = help: it has `event`, `by`, `within`, `limit`, `from` and `before`

    error[out-of-range]: the time of `detected` can't count from itself
     --> runbooks/authentication.md:7:50
      |
    7 |   - {id: a, event: detected, role: scribe, from: detected, within: 1m}
      |                                                  ^^^^^^^^

    error[duplicate-id]: the expectation `a` stands here a second time
     --> runbooks/authentication.md:8:10
      |
    8 |   - {id: a, event: role_assigned, limit: 1m}
      |          ^

    error[missing-key]: the event `role_assigned` needs `role` beside it
     --> runbooks/authentication.md:8:20
      |
    8 |   - {id: a, event: role_assigned, limit: 1m}
      |                    ^^^^^^^^^^^^^

    error[missing-key]: `limit` needs `within` beside it
     --> runbooks/authentication.md:8:35
      |
    8 |   - {id: a, event: role_assigned, limit: 1m}
      |                                   ^^^^^

    error[unknown-word]: `updated` is not one of the words allowed here
     --> runbooks/authentication.md:9:20
      |
    9 |   - {id: c, event: updated, within: 1m}
      |                    ^^^^^^^
      |
      = help: did you mean `update`? it is `detected`, `acknowledged`, `declared`, `escalated`, `dismissed`, `role_assigned`, `cause_named`, `remedy_chosen`, `update`, `mitigated`, `recovered` or `resolved`

    error[unknown-word]: `by: team` has no meaning for the event `acknowledged`
      --> runbooks/authentication.md:10:38
       |
    10 |   - {id: d, event: acknowledged, by: team, within: 5m, limit: 1m}
       |                                      ^^^^
       |
       = help: it says that a person's action ended it: for `mitigated` and `recovered`; elsewhere write `human`

    error[out-of-range]: the limit is 1m, less than `within`, which is 5m
      --> runbooks/authentication.md:10:63
       |
    10 |   - {id: d, event: acknowledged, by: team, within: 5m, limit: 1m}
       |                                                               ^^

    error[missing-key]: a probe's line needs `within` beside it
      --> runbooks/authentication.md:11:13
       |
    11 |   - {id: e, probe: nonce-gap, every: 1m}
       |             ^^^^^

    error[missing-key]: `every` needs `until` beside it
      --> runbooks/authentication.md:11:31
       |
    11 |   - {id: e, probe: nonce-gap, every: 1m}
       |                               ^^^^^

    error[conflicting-keys]: `every` has no meaning in a probe's line
      --> runbooks/authentication.md:11:31
       |
    11 |   - {id: e, probe: nonce-gap, every: 1m}
       |                               ^^^^^
       |
       = help: it has `probe`, `within`, `limit` and `from`

    error[conflicting-keys]: `manual` has no meaning in a forbidding line
      --> runbooks/authentication.md:12:13
       |
    12 |   - {id: f, manual: x, forbid: recovered}
       |             ^^^^^^
       |
       = help: it has `forbid`

    error[conflicting-keys]: `forbid` and `manual` exclude each other
      --> runbooks/authentication.md:12:24
       |
    12 |   - {id: f, manual: x, forbid: recovered}
       |                        ^^^^^^
       |
       = help: keep one of `event`, `message_contains`, `estimates_hold`, `forbid`, `probe` or `manual`

    error[unknown-word]: `do_not_retri` is not one of the words allowed here
      --> runbooks/authentication.md:13:32
       |
    13 |   - {id: g, message_contains: [do_not_retri], weight: 0}
       |                                ^^^^^^^^^^^^
       |
       = help: did you mean `do_not_retry`? it is `do_not_retry`, `never_share_keys` or `funds_are_safe`

    error[out-of-range]: 0 is out of range: it must be above 0 and at most 1000000
      --> runbooks/authentication.md:13:55
       |
    13 |   - {id: g, message_contains: [do_not_retri], weight: 0}
       |                                                       ^

    error[missing-key]: an expectation needs `id`
      --> runbooks/authentication.md:14:6
       |
    14 |   - {event: declared, critical: yes}
       |      ^^^^^
       |
       = help: add `id:` (a name)

    error[wrong-type]: expected `true` or `false`, found a text
      --> runbooks/authentication.md:14:33
       |
    14 |   - {event: declared, critical: yes}
       |                                 ^^^

    error[unknown-key]: `remdy` is not a moment
      --> runbooks/authentication.md:15:22
       |
    15 |   - {id: i, forbid: {remdy: x}}
       |                      ^^^^^
       |
       = help: did you mean `remedy`? a moment is one of `remedy`
    ");
}

#[test]
fn files_that_a_drill_needs_are_looked_for_and_named() {
    let drill = "kind: Drill\nname: d\nexperiment: none\nrunbook: runbooks/none.md\nteam: t\nseverity: SEV1\n";
    assert_snapshot!(check(&[("drills/d.yaml", drill)]), @r"
    error[unknown-file]: there is no experiment `none`
     --> drills/d.yaml:3:13
      |
    3 | experiment: none
      |             ^^^^
      |
      = help: none was found

    error[unknown-file]: there is no file `runbooks/none.md`
     --> drills/d.yaml:4:10
      |
    4 | runbook: runbooks/none.md
      |          ^^^^^^^^^^^^^^^^
      |
      = help: looked for `drills/runbooks/none.md`, `runbooks/none.md` and `runbooks/none.md`

    error[unknown-file]: there is no team `t`
     --> drills/d.yaml:5:7
      |
    5 | team: t
      |       ^
      |
      = help: none was found
    ");
    let stack = ("drills/d.md", "# Nothing in front\n");
    assert_snapshot!(check(&[stack]), @r"
    error[bad-front-matter]: this Markdown file has no front matter
     --> drills/d.md:1:1
      |
    1 | # Nothing in front
      | ^^^^^^^^^^^^^^^^^^
      |
      = help: a runbook begins with a line `---`, then YAML, then another line `---`
    ");
    assert_snapshot!(check(&[("drills/d.md", "---\nkind: Runbook\n")]), @r"
    error[bad-front-matter]: the front matter of this Markdown file never ends
     --> drills/d.md:1:1
      |
    1 | ---
      | ^^^
      |
      = help: a runbook begins with a line `---`, then YAML, then another line `---`
    ");
}

#[test]
fn an_alert_without_labels_would_be_any_alert() {
    let drill = DRILL.replace("{alertname: LoginFailures}", "{}");
    assert_snapshot!(with(&drill, RUNBOOK), @r"
    error[wrong-length]: expected at least 1 label here, found 0
      --> drills/bad-token.yaml:10:14
       |
    10 | detection: [{alertmanager: {}}, human]
       |              ^^^^^^^^^^^^
    ");
}

#[test]
fn kinds_are_named_in_capitals_or_not() {
    assert_eq!("stack".parse(), Ok(crate::spec::Kind::Stack));
    let unknown = "stak".parse::<crate::spec::Kind>().expect_err("no kind");
    assert_snapshot!(unknown, @"there is no kind `stak`: it is Stack, Experiment, Drill, GameDay, Runbook, Team, Channel or Messages");
}

#[test]
fn a_step_that_no_remedy_can_end_is_a_warning() {
    let remedies = DRILL.find("\nremedies:").expect("remedies");
    let rest = DRILL[remedies + 1..]
        .find("\npass:")
        .expect("what follows them");
    let without = format!("{}{}", &DRILL[..remedies], &DRILL[remedies + 1 + rest..]);
    let runbook = RUNBOOK.replace("before: {remedy: rollback}", "within: 5m");
    let found = with(&without, &runbook);
    assert!(
        found.contains("warning[unremedied]: no remedy can end the step `bad-token`"),
        "{found}"
    );
    let acting = DRILL.replace("ends: [bad-token], takes: 20s", "run: [\"./x\"]");
    assert!(!with(&acting, RUNBOOK).contains("unremedied"));
}

#[test]
fn a_name_that_two_files_have_is_ambiguous() {
    let twice = [
        ("s/one.yaml", STACK),
        ("s/two.yaml", STACK),
        ("e/e.yaml", EXPERIMENT),
    ];
    assert_snapshot!(check(&twice), @r"
    error[ambiguous-name]: 2 files hold a stack `wallet-staging`
     --> e/e.yaml:4:8
      |
    4 | stack: wallet-staging
      |        ^^^^^^^^^^^^^^
      |
      = help: rename all but one in `s/one.yaml` and `s/two.yaml`
    ");
}

#[test]
fn only_members_are_on_call() {
    let of = |on_call: &str| check(&[("t.yaml", &format!("{TEAM}on_call: [{on_call}]\n"))]);
    assert!(!of("bo, ana").contains("unknown-member"));
    assert_snapshot!(of("bo, dana"), @r"
    error[unknown-member]: there is no member `dana`
     --> t.yaml:4:15
      |
    4 | on_call: [bo, dana]
      |               ^^^^
      |
      = help: did you mean `ana`? there is `ana` and `bo`
    ");
}

#[test]
fn only_experiments_and_drills_can_be_run() {
    assert_snapshot!(plan(&[("t.yaml", TEAM)], &[]).expect_err("no plan"), @r"
    error[wrong-kind]: a team can't be run
     --> t.yaml:1:7
      |
    1 | kind: Team
      |       ^^^^
      |
      = help: name a file of `kind: Experiment`, `kind: Drill` or `kind: GameDay`
    ");
    let two = format!("{EXPERIMENT}---{EXPERIMENT}");
    assert_snapshot!(plan(&[("s.yaml", STACK), ("t.yaml", &two)], &[]).expect_err("no plan"), @r"
    error[wrong-kind]: this file holds more than one experiment
      --> t.yaml:10:7
       |
    10 | kind: Experiment
       |       ^^^^^^^^^^
       |
       = help: a run is made of one: put the others into files of their own
    ");
}

#[test]
fn a_drill_is_explained_in_words() {
    let files = [
        ("stacks/wallet.yaml", STACK),
        ("experiments/token.yaml", EXPERIMENT),
        ("runbooks/authentication.md", RUNBOOK),
        ("teams/oncall.yaml", TEAM),
        ("drills/bad-token.yaml", DRILL),
    ];
    let text = crate::spec::explain(&plan(&files, &[]).expect("a plan"));
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    assert_snapshot!(text, @r#"
    Drill bad-token, SEV1, on wallet-staging (staging)
      Team wallet-oncall: 2 members
      Starts by itself: 0 10 * * TUE in Europe/Berlin, at most 10m late
      The narrative exercise staff read.

    Experiment token-rollout
      The team ends it.

    Proof that the stack is staging, read before the run and before each fault
      answer      POST http://127.0.0.1:7002/: $.result is "0x7a69", within 1s
      containers  every container carries the label env=staging
      upstreams   every link leads into 127.0.0.0/8, 172.16.0.0/12

    Steady state, before and after
      send-transaction  POST http://127.0.0.1:7000/v1/transfers/canary, every 2s: status 201, $.state is
                        "broadcast", within 1s500ms; fails after 3, passes after 3 in a row
      nonce-gap         GET http://127.0.0.1:7000/v1/invariants, every 1s: $.nonce_gap is 0, within 1s;
                        fails after 3, passes after 3 in a row
      The run ends once all of it, and every probe that shows users hurt, has passed for 10s without a
      break, counted at the earliest from when the last fault took effect, and has passed again since
      the stack was last touched. It does not end before the last step is undone.
      Where users were hurt, steps that last until they are remedied may still be on then: they are
      undone, and it must pass once more within 1m.
      Where that has not come about 1m and 10s after the last undo, it fails.

    Users are hurt when one of these fails
      send-transaction  POST http://127.0.0.1:7000/v1/transfers/canary, every 2s: status 201, $.state is
                        "broadcast", within 1s500ms

    Timeline
      bad-token at 0s, until it is remedied, at most 1h
        does    run ./rollout v42
        undo    run ./rollout v41

    What ends it early
      1h after the first step
      a halt, or a responder who says that this is real

    What counts as a detection
      an Alertmanager alert with alertname=LoginFailures
      a person's report that names a service and a symptom

    Messages to the team
      8m  to incident_commander: The CEO asks whether funds are safe. (a reply within 5m)

    What responders can do
      rollback     Roll back the token service: ends bad-token; takes 20s
      restart-api  Restart the wallet API: POST http://127.0.0.1:7000/restart
      failover     Fail over the signer: run ./failover; put back after the run by run ./failback

    What the team is judged by (runbook authentication)
      detect   detected by a person within 2m, in part up to 10m, of the impact (weight 3, critical)
      ack      acknowledged by a person within 5m of the page (weight 1)
      command  incident_commander taken within 10m of the declaration (weight 1)
      cause    the cause named: bad-token, before the remedy rollback (weight 1)
      never    never: the remedy restart-api (weight 1)
      public   an update for customers on status_page or telegram within 10m of the detection (weight 1)
      cadence  an update with the next update's time at least every 20m until the recovery (weight 1)
      advice   updates say: do not send again; never share your keys (weight 1)
      probe    nonce-gap holds again within 10m of the impact (weight 1)
      recover  recovered by the team within 30m, in part up to 1h, of the impact (weight 3, critical)
      judged   staff judge: Handover named the open risks (weight 1)
      It passes with 80% of the points and 75% of the weight observed.

    Files
      stacks/wallet.yaml
      experiments/token.yaml
      runbooks/authentication.md
      teams/oncall.yaml
      drills/bad-token.yaml
    "#);
}

#[test]
fn what_people_and_machines_do_is_checked_against_what_there_is() {
    let drill = r#"
kind: Drill
name: bad-token
experiment: token-rollout
runbook: runbooks/authentication.md
team: wallet-oncall
severity: SEV1
decoy: 15m
remedies:
  - {id: rollback, ends: [bad-token], approvals: 2}
  - {id: restart-api, http: "http://127.0.0.1:7000/restart", starts: [cold-cash]}
automation:
  - {when: {probe: nonce-gap}, remedy: rolback}
  - {when: {probe: signer-port}, remedy: rollback}
  - {when: {alertmanager: {}}, remedy: rollback}
  - {when: {pager: x}, remedy: rollback}
"#;
    let found = with(drill, RUNBOOK);
    assert_snapshot!(found, @r#"
error[conflicting-keys]: a decoy breaks nothing, and the experiment `token-rollout` has the step `bad-token`
 --> drills/bad-token.yaml:8:8
  |
8 | decoy: 15m
  |        ^^^
  |
  = help: name an experiment with `method: []`, or leave `decoy` out

error[out-of-range]: 2 others must agree, and the team `wallet-oncall` has 1 beside whoever chooses
  --> drills/bad-token.yaml:10:50
   |
10 |   - {id: rollback, ends: [bad-token], approvals: 2}
   |                                                  ^

error[unknown-step]: there is no step `cold-cash`
  --> drills/bad-token.yaml:11:71
   |
11 |   - {id: restart-api, http: "http://127.0.0.1:7000/restart", starts: [cold-cash]}
   |                                                                       ^^^^^^^^^
   |
   = help: there is `bad-token`

error[unknown-remedy]: there is no remedy `rolback`
  --> drills/bad-token.yaml:13:40
   |
13 |   - {when: {probe: nonce-gap}, remedy: rolback}
   |                                        ^^^^^^^
   |
   = help: did you mean `rollback`? there is `rollback` and `restart-api`

error[unknown-probe]: there is no probe that the run asks, `signer-port`
  --> drills/bad-token.yaml:14:20
   |
14 |   - {when: {probe: signer-port}, remedy: rollback}
   |                    ^^^^^^^^^^^
   |
   = help: there is `nonce-gap` and `send-transaction`

error[wrong-length]: expected at least 1 label here, found 0
  --> drills/bad-token.yaml:15:13
   |
15 |   - {when: {alertmanager: {}}, remedy: rollback}
   |             ^^^^^^^^^^^^

error[unknown-key]: `pager` is not a rule's signal
  --> drills/bad-token.yaml:16:13
   |
16 |   - {when: {pager: x}, remedy: rollback}
   |             ^^^^^
   |
   = help: a rule's signal is one of `probe`, `alertmanager`, `grafana`, `pagerduty` or `cloudevents`
"#);
}

#[test]
fn a_chain_names_whom_and_when() {
    let team = "kind: Team\nname: wallet-oncall\nmembers: [ana, bo]\nescalation:\n  - {after: 0s, to: []}\n  - {to: bo}\n";
    let found = check(&[("teams/oncall.yaml", team)]);
    assert_snapshot!(found, @r#"
error[out-of-range]: `0s` is too short: it must be at least 1ms
 --> teams/oncall.yaml:5:13
  |
5 |   - {after: 0s, to: []}
  |             ^^

error[wrong-length]: expected at least 1 here, found 0
 --> teams/oncall.yaml:5:17
  |
5 |   - {after: 0s, to: []}
  |                 ^^

error[missing-key]: a step of an escalation chain needs `after`
 --> teams/oncall.yaml:6:6
  |
6 |   - {to: bo}
  |      ^^
  |
  = help: add `after:` (a duration such as `30s`)

error[wrong-type]: expected a list, found a text
 --> teams/oncall.yaml:6:10
  |
6 |   - {to: bo}
  |          ^^
  |
  = help: write it as a list: [bo]
"#);
}

#[test]
fn lines_about_calls_dismissals_and_estimates_are_read_and_explained() {
    let runbook = "---
kind: Runbook
name: authentication
expect:
  - {id: help,  event: escalated, by: human, to: head-of-operations, within: 15m, from: declared}
  - {id: calm,  event: dismissed, within: 10m}
  - {id: look,  forbid: dismissed}
  - {id: sure,  estimates_hold: 50, widest: 30m, audience: customers}
---
";
    let files = [
        ("stacks/wallet.yaml", STACK),
        ("experiments/token.yaml", EXPERIMENT),
        ("runbooks/authentication.md", runbook),
        ("teams/oncall.yaml", TEAM),
        ("drills/bad-token.yaml", DRILL),
    ];
    let text = crate::spec::explain(&plan(&files, &[]).expect("a plan"));
    let (_, judged) = text.split_once("What the team is judged by").expect("it");
    let lines: Vec<&str> = judged.lines().skip(1).take(5).map(str::trim).collect();
    assert_snapshot!(lines.join("\n"), @r"
    help  head-of-operations called by a person within 15m of the declaration (weight 1)
    calm  the alarm dismissed within 10m of the first alert or message (weight 1)
    look  never: the dismissal (weight 1)
    sure  at least 50% of the estimated recoveries for customers held the measured one and spanned at
    most 30m (weight 1)
    ");
    let wrong = "---
kind: Runbook
name: authentication
expect:
  - {id: help, event: declared, to: bo, within: 15m}
  - {id: sure, estimates_hold: 0, within: 30m}
---
";
    let found = with(DRILL, wrong);
    for part in [
        "`to` has no meaning in the event `declared`",
        "`within` has no meaning in a line about estimates",
        "it has `estimates_hold`, `widest` and `audience`",
        "above",
    ] {
        assert!(found.contains(part), "no `{part}` in {found}");
    }
}
