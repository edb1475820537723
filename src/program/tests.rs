//! Real programs, in real process groups.

use std::fs;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::scripts::{FAMILY, Scripts, all_gone, is_alive, shell};
use super::*;

const ENOUGH: Duration = Duration::from_secs(10);

fn environment() -> Environment {
    Arc::new(|name| (name == "TOKEN").then(|| "hunter2".to_owned()))
}

async fn ended(program: &Program, leftovers: Leftovers) -> Result<Ended, RunError> {
    run(program, &environment(), ENOUGH, leftovers).await
}

/// The exit status, or why there is none.
async fn exit(program: &Program) -> Result<Option<i32>, String> {
    let ended = ended(program, Leftovers::Killed).await;
    ended.map(|ended| ended.code()).map_err(|e| e.to_string())
}

#[tokio::test]
async fn programs_are_found_in_their_folder_or_on_the_path_and_run_there() {
    let scripts = Scripts::new("found")
        .with(
            "check",
            "#!/bin/sh\n[ \"$1\" = \"a b\" ] && [ -f ./check ]\n",
        )
        .with("true", "#!/bin/sh\nexit 1\n");
    let run = async |command: &[&str]| exit(&scripts.program(command)).await;
    assert_eq!(run(&["./check", "a b"]).await, Ok(Some(0)));
    // The one on the path, not the file of that name in the folder.
    assert_eq!(run(&["true"]).await, Ok(Some(0)));
    assert_eq!(run(&["./true"]).await, Ok(Some(1)));
}

#[tokio::test]
async fn a_relative_folder_is_meant_from_where_firedrill_runs() {
    let here = std::env::current_dir().expect("a working folder");
    let scripts = Scripts::new("relative").with("check", "#!/bin/sh\nexit 0\n");
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let relative = up.join(scripts.0.strip_prefix("/").expect("an absolute folder"));
    let program = Program {
        command: vec!["./check".into()],
        folder: Some(relative.display().to_string()),
    };
    assert_eq!(exit(&program).await, Ok(Some(0)));
}

#[tokio::test]
async fn standard_input_is_empty() {
    assert_eq!(exit(&shell("[ -z \"$(cat)\" ]")).await, Ok(Some(0)));
}

#[tokio::test]
async fn secrets_reach_a_program_in_its_arguments_and_nothing_else_of_it() {
    let scripts = Scripts::new("secret").with(
        "check",
        "#!/bin/sh\n[ \"$1 $2\" = 'key=hunter2 ${env:TOKEN}' ]\n",
    );
    let program = scripts.program(&["./check", "key=${env:TOKEN}", "${env:}TOKEN}"]);
    assert_eq!(exit(&program).await, Ok(Some(0)));
    assert_eq!(
        exit(&scripts.program(&["./check", "${env:NOBODY}"])).await,
        Err("the environment variable `NOBODY` is not set".to_owned())
    );
    let named = exit(&scripts.program(&["${env:TOKEN}"])).await;
    assert_eq!(
        named,
        Err("it could not be started: No such file or directory (os error 2)".to_owned())
    );
}

#[tokio::test]
async fn megabytes_on_both_outputs_neither_block_nor_are_kept() {
    let noisy = shell(
        "head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero | tr '\\0' y >&2; exit 1",
    );
    let ended = ended(&noisy, Leftovers::Killed).await.expect("it ends");
    assert_eq!(ended.code(), Some(1));
    assert_eq!(ended.tail().len(), 4 << 10);
    assert_eq!(ended.last_lines().chars().count(), 301);
}

#[tokio::test]
async fn the_deadline_ends_children_and_grandchildren() {
    for leftovers in [Leftovers::Killed, Leftovers::Kept] {
        let scripts = Scripts::new(&format!("deadline-{leftovers:?}"))
            .with("check", &format!("{FAMILY}wait\n"));
        let limit = Duration::from_millis(1500);
        let program = scripts.program(&["./check"]);
        let late = run(&program, &environment(), limit, leftovers).await;
        let late = late.expect_err("it never ends");
        assert!(
            matches!(late, RunError::Late(after) if after == limit),
            "{late}"
        );
        all_gone(&scripts.family().await).await;
    }
}

#[tokio::test]
async fn dropping_the_run_ends_children_and_grandchildren() {
    for leftovers in [Leftovers::Killed, Leftovers::Kept] {
        let scripts = Scripts::new(&format!("dropped-{leftovers:?}"))
            .with("check", &format!("{FAMILY}wait\n"));
        let (program, environment) = (scripts.program(&["./check"]), environment());
        let family = tokio::select! {
            ended = run(&program, &environment, Duration::from_mins(1), leftovers) => panic!("it ended: {ended:?}"),
            family = scripts.family() => family,
        };
        all_gone(&family).await;
    }
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_ended_or_left_alone_and_its_open_outputs_delay_nothing() {
    for leftovers in [Leftovers::Killed, Leftovers::Kept] {
        let scripts = Scripts::new(&format!("leftover-{leftovers:?}"))
            .with("check", &format!("{FAMILY}echo left; exit 2\n"));
        let began = Instant::now();
        let ended = ended(&scripts.program(&["./check"]), leftovers).await;
        let ended = ended.expect("it ends");
        assert_eq!((ended.code(), ended.tail().as_str()), (Some(2), "left"));
        assert!(began.elapsed() < Duration::from_secs(5));
        let family = scripts.family().await;
        if leftovers == Leftovers::Kept {
            assert!(is_alive(family[1]) && is_alive(family[2]), "{family:?}");
            for id in &family[1..] {
                let id = i32::try_from(*id).ok().and_then(Pid::from_raw);
                kill_process(id.expect("a process"), Signal::KILL).expect("it is ours");
            }
        }
        all_gone(&family).await;
    }
}

#[tokio::test]
async fn an_output_held_open_beyond_the_group_does_not_delay_the_answer() {
    let began = Instant::now();
    let away = shell("setsid sleep 3 & exit 0");
    assert_eq!(exit(&away).await, Ok(Some(0)));
    assert!(began.elapsed() < Duration::from_millis(2500));
}

#[tokio::test]
async fn what_can_not_be_started_says_why() {
    let scripts = Scripts::new("unstartable")
        .with("no-program", "neither a binary nor a script\n")
        .with("forbidden", "#!/bin/sh\nexit 0\n")
        .with("orphan", "#!/nowhere/interpreter\n");
    let forbidden = fs::Permissions::from_mode(0o644);
    fs::set_permissions(scripts.0.join("forbidden"), forbidden).expect("permissions");
    let mut gone = scripts.program(&["./check"]);
    gone.folder = Some(format!("{}/gone", scripts.0.display()));
    let mut texts = Vec::new();
    for program in [
        scripts.program(&["./absent"]),
        scripts.program(&["absent-from-the-path"]),
        scripts.program(&["./forbidden"]),
        scripts.program(&["./no-program"]),
        scripts.program(&["./orphan"]),
        scripts.program(&[]),
        gone,
    ] {
        let why = exit(&program).await.expect_err("it can't be started");
        texts.push(why.replace(&scripts.0.display().to_string(), "FOLDER"));
    }
    insta::assert_snapshot!(texts.join("\n"), @r#"
    it could not be started: No such file or directory (os error 2)
    it could not be started: No such file or directory (os error 2)
    it could not be started: Permission denied (os error 13)
    it could not be started: Exec format error (os error 8)
    it could not be started: No such file or directory (os error 2)
    no program is named
    it could not be started: its folder FOLDER/gone is not there
    "#);
}
