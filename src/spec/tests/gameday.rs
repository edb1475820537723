use std::path::Path;

use insta::assert_snapshot;

use super::drill::{DRILL, EXPERIMENT, RUNBOOK, TEAM};
use super::*;
use crate::model::gameday::{GoesOn, Programme};
use crate::model::time::Millis;
use crate::spec::explain::explain_game_day_within;

pub(super) const GAME_DAY: &str = r#"
kind: GameDay
name: lost-keys
about: Two ways to lose the signer, in one afternoon.
drills:
  - {drill: bad-token}
  - {drill: bad-token, pause: 15m}
  - {drill: bad-token}
goes_on: passed
schedule: {cron: "0 13 1 * *", timezone: Europe/Berlin, tolerance: 10m, blackout: ["2026-12-20/2027-01-03"]}
"#;

fn files(game_day: &str) -> [(&str, &str); 6] {
    [
        ("stacks/wallet.yaml", STACK),
        ("experiments/token.yaml", EXPERIMENT),
        ("runbooks/authentication.md", RUNBOOK),
        ("teams/oncall.yaml", TEAM),
        ("drills/bad-token.yaml", DRILL),
        ("gamedays/lost-keys.yaml", game_day),
    ]
}

fn with(game_day: &str) -> String {
    check(&files(game_day))
}

fn programme(game_day: &str) -> Programme {
    library(&files(game_day), &[])
        .programme(Path::new("gamedays/lost-keys.yaml"))
        .expect("a programme")
}

#[test]
fn a_game_day_has_a_plan_for_each_of_its_drills_in_their_order() {
    assert_eq!(with(GAME_DAY), "");
    let programme = programme(GAME_DAY);
    let day = &programme.day;
    let pauses: Vec<String> = day
        .drills
        .iter()
        .map(|part| part.pause.to_string())
        .collect();
    assert_eq!(pauses, ["0s", "15m", "5m"], "the default is 5m");
    assert_eq!(day.goes_on, GoesOn::Passed);
    assert!(
        day.schedule
            .as_ref()
            .is_some_and(|schedule| !schedule.surprise)
    );
    let names: Vec<&str> = programme.plans.iter().map(Plan::name).collect();
    assert_eq!(names, ["bad-token"; 3]);
    assert_eq!(programme.files[0].path, "gamedays/lost-keys.yaml");
    assert_eq!(programme.files.len(), 6, "each file once");
    let each = programme.plans[0].longest().get();
    assert_eq!(programme.longest(), Millis::new(3 * each + 20 * 60_000));
}

#[test]
fn a_game_day_explains_itself() {
    assert_snapshot!(explain_game_day_within(&programme(GAME_DAY), 100), @r"
    Game day lost-keys: 3 drills
      Starts by itself: 0 13 1 * * in Europe/Berlin, at most 10m late; never on 2026-12-20/2027-01-03
      Two ways to lose the signer, in one afternoon.

    In this order
      1  bad-token, SEV1, team wallet-oncall, on wallet-staging (staging); 1h1m10s at most
         15m after everything of it is undone:
      2  bad-token, SEV1, team wallet-oncall, on wallet-staging (staging); 1h1m10s at most
         5m after everything of it is undone:
      3  bad-token, SEV1, team wallet-oncall, on wallet-staging (staging); 1h1m10s at most

    When it ends
      The next drill begins after one that passed. After one that was aborted, that errored or that is
      stuck, nothing more begins.
      It takes 3h23m30s at most, beside looking at the stack before each drill and undoing at its end.

    Files
      gamedays/lost-keys.yaml
      stacks/wallet.yaml
      experiments/token.yaml
      runbooks/authentication.md
      teams/oncall.yaml
      drills/bad-token.yaml
    ");
}

#[test]
fn a_drill_that_there_is_not_is_told_with_the_nearest_one_and_unknown_keys_are_told_too() {
    let text = "kind: GameDay\nname: d\ndrills: [{drill: bad-tokn}, {drill: bad-token, paus: 5m}]\ngo_on: passed\n";
    assert_snapshot!(with(text), @r"
    error[unknown-file]: there is no drill `bad-tokn`
     --> gamedays/lost-keys.yaml:3:18
      |
    3 | drills: [{drill: bad-tokn}, {drill: bad-token, paus: 5m}]
      |                  ^^^^^^^^
      |
      = help: did you mean `bad-token`? there is `bad-token`

    error[unknown-key]: a drill of a game day has no key `paus`
     --> gamedays/lost-keys.yaml:3:48
      |
    3 | drills: [{drill: bad-tokn}, {drill: bad-token, paus: 5m}]
      |                                                ^^^^
      |
      = help: did you mean `pause`? a drill of a game day has `drill` and `pause`

    error[unknown-key]: a game day has no key `go_on`
     --> gamedays/lost-keys.yaml:4:1
      |
    4 | go_on: passed
      | ^^^^^
      |
      = help: did you mean `goes_on`? a game day has `kind`, `vars`, `name`, `about`, `drills`, `goes_on` and `schedule`
    ");
}

#[test]
fn the_first_drill_has_no_pause_and_there_is_a_first() {
    assert_snapshot!(with("kind: GameDay\nname: d\ndrills: [{drill: bad-token, pause: 5m}]\n"), @r"
    error[misplaced-pause]: the first drill of a game day has no `pause`: it begins when the game day does
     --> gamedays/lost-keys.yaml:3:29
      |
    3 | drills: [{drill: bad-token, pause: 5m}]
      |                             ^^^^^
      |
      = help: leave it out, or give it to the drill after
    ");
    let none = with("kind: GameDay\nname: d\ndrills: []\n");
    assert!(
        none.contains("error[wrong-length]: expected at least 1 here"),
        "{none}"
    );
}

#[test]
fn a_game_day_is_never_a_surprise_and_says_why() {
    let text = GAME_DAY.replace("tolerance: 10m", "surprise: true, window: \"10:00-16:00\"");
    assert_snapshot!(with(&text), @r#"
    error[unknown-key]: a game day's schedule has no key `surprise`
      --> gamedays/lost-keys.yaml:10:57
       |
    10 | schedule: {cron: "0 13 1 * *", timezone: Europe/Berlin, surprise: true, window: "10:00-16:00", blackout: ["2026-...
       |                                                         ^^^^^^^^
       |
       = help: a game day is told to everybody in it; schedule a drill by itself for a surprise

    error[unknown-key]: a game day's schedule has no key `window`
      --> gamedays/lost-keys.yaml:10:73
       |
    10 | schedule: {cron: "0 13 1 * *", timezone: Europe/Berlin, surprise: true, window: "10:00-16:00", blackout: ["2026-...
       |                                                                         ^^^^^^
       |
       = help: a game day is told to everybody in it; schedule a drill by itself for a surprise
    "#);
}

#[test]
fn a_surprise_drill_is_refused_where_it_is_named() {
    let surprise = DRILL.replace("tolerance: 10m", "surprise: true");
    let mut files = files("kind: GameDay\nname: d\ndrills: [{drill: bad-token}]\n");
    files[4].1 = &surprise;
    assert_snapshot!(check(&files), @r"
    error[surprise-in-game-day]: `bad-token` is a surprise drill, and a game day tells of it
     --> gamedays/lost-keys.yaml:3:18
      |
    3 | drills: [{drill: bad-token}]
      |                  ^^^^^^^^^
      |
      = help: leave it out, or take `surprise` out of its schedule
    ");
}

#[test]
fn what_is_wrong_with_a_drill_is_wrong_with_its_game_day() {
    let wrong = DRILL.replace("wallet-oncall", "wallet-onkall");
    let mut files = files(GAME_DAY);
    files[4].1 = &wrong;
    let found = library(&files, &[])
        .programme(Path::new("gamedays/lost-keys.yaml"))
        .expect_err("it is wrong");
    let found = found.render(false);
    assert_eq!(found.matches("error[unknown-file]").count(), 1, "{found}");
    assert!(found.contains("did you mean `wallet-oncall`"), "{found}");
}

#[test]
fn a_game_day_may_stand_in_one_file_with_its_drills() {
    let both = format!("{DRILL}---\n{}", GAME_DAY.trim_start());
    let mut files = files(GAME_DAY);
    files[4].1 = &both;
    let mut library = library(&files[..5], &[]);
    let path = Path::new("drills/bad-token.yaml");
    assert!(library.holds_game_day(path));
    assert_eq!(library.programme(path).expect("a programme").plans.len(), 3);
}

#[test]
fn a_game_day_is_no_plan_and_a_file_holds_one() {
    let found = plan(&files(GAME_DAY), &[]).expect_err("it is none");
    assert!(
        found.contains("error[wrong-kind]: a game day can't be run"),
        "{found}"
    );
    let two = format!(
        "{GAME_DAY}---\n{}",
        GAME_DAY.trim_start().replace("lost-keys", "other")
    );
    let found = library(&files(&two), &[])
        .programme(Path::new("gamedays/lost-keys.yaml"))
        .expect_err("there are two");
    let found = found.render(false);
    assert!(
        found.contains("this file holds more than one game day"),
        "{found}"
    );
}
