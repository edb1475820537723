//! Hooks with real programs and a server that says what it is told.

use std::path::PathBuf;

use serde_json::json;

use super::super::proving::{
    Say, Scripted, Ticking, after_a_crash, arm, clock, injection, run, say, stack,
};
use super::*;
use crate::model::probe::{Expect, HttpRequest};
use crate::model::time::Millis;
use crate::program::scripts::{Scripts, is_alive};
use crate::secret::Environment;

/// A folder of its own, gone when the test is.
struct Folder(Scripts);

impl Folder {
    fn new() -> Self {
        Self(Scripts::new(run().as_str()))
    }

    fn script(&self, name: &str, text: &str) {
        self.0.put(name, &format!("#!/bin/sh\n{text}\n"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }

    fn call(&self, command: &[&str]) -> Call {
        Call::Run(self.0.program(command))
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }
}

fn driver(clock: &Arc<Ticking>) -> HookDriver {
    HookDriver::new(Arc::<Ticking>::clone(clock), Arc::new(Outbound::new()))
}

fn http(method: &str, url: String) -> Call {
    Call::Http(HttpRequest {
        method: method.to_owned(),
        url,
        headers: std::collections::BTreeMap::new(),
        body: None,
    })
}

fn expect() -> Expect {
    Expect {
        status: None,
        json: std::collections::BTreeMap::new(),
        body: None,
        headers: std::collections::BTreeMap::new(),
        exit: None,
        below: None,
        above: None,
        within: Millis::seconds(1),
    }
}

fn hook(act: Call, undo: Call) -> Hook {
    Hook {
        capture: None,
        act,
        verify: None,
        undo: Some(undo),
        verify_undone: None,
    }
}

async fn armed(driver: &HookDriver, clock: &Ticking, hook: Hook) -> Armed {
    let (run, injection) = (run(), injection("bad-token", Act::Hook(hook)));
    let stack = stack("http://127.0.0.1:1", Vec::new());
    let token = driver
        .capture(&run, &stack, &injection)
        .await
        .expect("it is captured");
    arm(&run, &injection, token, clock)
}

#[tokio::test]
async fn programs_do_verify_undo_and_verify_undone_even_after_a_crash() {
    let folder = Folder::new();
    folder.script("rollout", "echo once >> log; touch \"$1\"");
    folder.script("rollback", "rm -f \"$1\"");
    let clock = clock();
    let driver = driver(&clock);
    let armed = armed(
        &driver,
        &clock,
        Hook {
            verify: Some(Verify {
                call: folder.call(&["test", "-e", "v42"]),
                expect: expect(),
            }),
            verify_undone: Some(Verify {
                call: folder.call(&["test", "-e", "v42"]),
                expect: Expect {
                    exit: Some(1),
                    ..expect()
                },
            }),
            ..hook(
                folder.call(&["./rollout", "v42"]),
                folder.call(&["./rollback", "v42"]),
            )
        },
    )
    .await;
    let applied = driver.apply(&armed).await.expect("it is done");
    assert_eq!(
        applied.evidence,
        "program ./rollout exited with 0; program test exited with 0"
    );
    assert!(folder.has("v42"));
    let again = driver
        .apply(&armed)
        .await
        .expect("a repeat is only looked at");
    assert_eq!(again.sent, applied.sent);
    assert_eq!(
        std::fs::read_to_string(folder.path("log")).expect("a log"),
        "once\n"
    );
    assert_eq!(driver.look(&armed).await, Ok(Presence::Present));
    let recovering =
        super::HookDriver::new(Arc::<Ticking>::clone(&clock), Arc::new(Outbound::new()));
    let late = after_a_crash(&armed);
    for _ in 0..2 {
        let removed = recovering.undo(&late).await.expect("it is undone");
        assert_eq!(removed.by, UndoneBy::Us);
        assert!(!folder.has("v42"));
    }
    assert_eq!(
        recovering.look(&late).await,
        Ok(Presence::Gone(
            "program test: exit 1, expected 0".to_owned()
        ))
    );
}

#[tokio::test]
async fn requests_are_judged_and_a_verification_is_asked_until_it_holds() {
    let server = Scripted::new(vec![
        ("POST /rollout?key=s3cret", say(202, "")),
        ("GET /version", say(200, json!({"v": 41}))),
        ("GET /version", say(200, json!({"v": 42}))),
        ("GET /version", say(200, json!({"v": 40}))),
        ("GET /version", Say::Close),
        ("POST /rollback", say(500, "")),
        ("POST /rollback", say(200, "")),
    ]);
    let clock = clock();
    let driver = driver(&clock);
    let url = |path: &str| format!("{}{path}", server.url);
    let armed = armed(
        &driver,
        &clock,
        Hook {
            verify: Some(Verify {
                call: http("GET", url("/version")),
                expect: Expect {
                    json: [("$.v".to_owned(), json!(42))].into(),
                    ..expect()
                },
            }),
            ..hook(
                http("POST", url("/rollout?key=s3cret")),
                http("POST", url("/rollback")),
            )
        },
    )
    .await;
    let applied = driver.apply(&armed).await.expect("it is done");
    assert_eq!(
        applied.evidence,
        format!(
            "POST {0}/rollout answered 202; GET {0}/version answered 200",
            server.url
        )
    );
    let gone = driver.look(&armed).await;
    assert_eq!(
        gone,
        Ok(Presence::Gone(format!(
            "GET {}/version: $.v is 40, expected 42",
            server.url
        )))
    );
    driver
        .look(&armed)
        .await
        .expect_err("no answer says nothing about the fault");
    let refused = driver.undo(&armed).await.expect_err("the server refuses");
    assert_eq!(
        refused.to_string(),
        format!(
            "POST {}/rollback refused: status 500, expected 200 to 299",
            server.url
        )
    );
    let removed = driver.undo(&armed).await.expect("the second try works");
    assert_eq!(
        removed.evidence,
        format!("POST {}/rollback answered 200", server.url)
    );
    server.bodies();
}

#[tokio::test]
async fn a_failing_program_is_a_refusal_with_the_end_of_what_it_said() {
    let folder = Folder::new();
    folder.script(
        "fail",
        "head -c 200000 /dev/zero | tr '\\0' x >&2; echo no such token >&2; exit 3",
    );
    let clock = clock();
    let driver = driver(&clock);
    let armed = armed(
        &driver,
        &clock,
        hook(folder.call(&["./fail"]), folder.call(&["true"])),
    )
    .await;
    match driver.apply(&armed).await {
        Err(FaultError::Refused { what, why }) => {
            assert_eq!(what, "program ./fail");
            assert!(why.starts_with("exit 3, expected 0; it said: xxx"), "{why}");
            assert!(why.len() < (4 << 10) + 100, "{}", why.len());
        }
        other => panic!("{other:?}"),
    }
    let quiet = hook(
        folder.call(&["sh", "-c", "echo no such token >&2; kill -9 $$"]),
        folder.call(&["true"]),
    );
    let armed = self::armed(&driver, &clock, quiet).await;
    let refused = driver.apply(&armed).await.expect_err("it dies");
    assert_eq!(
        refused.to_string(),
        "program sh refused: killed by SIGKILL; it said: no such token"
    );
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_its_children() {
    let folder = Folder::new();
    folder.script("hang", "sleep 60 & echo $! > child; echo $$ > leader; wait");
    let clock = clock();
    let driver = driver(&clock);
    let verify = Verify {
        call: folder.call(&["./hang"]),
        expect: Expect {
            within: Millis::new(500),
            ..expect()
        },
    };
    let armed = armed(
        &driver,
        &clock,
        Hook {
            verify: Some(verify),
            ..hook(folder.call(&["true"]), folder.call(&["true"]))
        },
    )
    .await;
    let late = driver.look(&armed).await.expect_err("it hangs");
    assert_eq!(
        late.to_string(),
        "program ./hang could not be reached: it was killed with its children after 500 ms"
    );
    for name in ["leader", "child"] {
        let process = std::fs::read_to_string(folder.path(name)).expect("a process");
        let process = process.trim().parse().expect("its number");
        for _ in 0..100 {
            if !is_alive(process) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!is_alive(process), "{name} {process} still runs");
    }
}

#[tokio::test]
async fn a_child_left_in_the_background_delays_nothing() {
    let folder = Folder::new();
    folder.script("start", "sleep 5 & echo started");
    let clock = clock();
    let driver = driver(&clock);
    let armed = armed(
        &driver,
        &clock,
        hook(folder.call(&["./start"]), folder.call(&["true"])),
    )
    .await;
    let began = Instant::now();
    driver.apply(&armed).await.expect("it is done");
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn what_can_not_be_run_or_undone_is_refused_before_anything_is_touched() {
    let folder = Folder::new();
    std::fs::write(folder.path("plain"), "text").expect("a file");
    let driver = driver(&clock());
    let stack = stack("http://127.0.0.1:1", Vec::new());
    let good = || folder.call(&["true"]);
    for bad in [
        hook(folder.call(&["./absent"]), good()),
        hook(good(), folder.call(&["./plain"])),
        hook(good(), folder.call(&["no-such-program-anywhere"])),
        hook(folder.call(&[]), good()),
        Hook {
            verify_undone: Some(Verify {
                call: folder.call(&["./absent"]),
                expect: expect(),
            }),
            ..hook(good(), good())
        },
    ] {
        let missing = driver
            .capture(&run(), &stack, &injection("bad-token", Act::Hook(bad)))
            .await
            .expect_err("a program is missing");
        assert!(matches!(missing, FaultError::Missing { .. }), "{missing}");
    }
    let without = Hook {
        undo: None,
        ..hook(good(), good())
    };
    let refused = driver
        .capture(&run(), &stack, &injection("bad-token", Act::Hook(without)))
        .await
        .expect_err("a step must have an undo");
    assert!(matches!(refused, FaultError::Refused { .. }), "{refused}");
}

#[tokio::test]
async fn a_secret_that_is_not_set_is_refused_before_anything_is_touched() {
    let folder = Folder::new();
    let environment: Environment = Arc::new(|name| (name == "SET").then(|| "hunter2".to_owned()));
    let driver = HookDriver::new(clock(), Arc::new(Outbound::with_environment(environment)));
    let stack = stack("http://127.0.0.1:1", Vec::new());
    let header = |value: &str| {
        Call::Http(HttpRequest {
            method: "POST".to_owned(),
            url: "http://127.0.0.1:1/${env:SET}?key=${env:SET}".to_owned(),
            headers: [("authorization".to_owned(), value.to_owned())].into(),
            body: None,
        })
    };
    let good = || folder.call(&["true", "${env:SET}"]);
    let mut said = Vec::new();
    for undo in [folder.call(&["true", "${env:GONE}"]), header("${env:GONE}")] {
        let injection = injection("bad-token", Act::Hook(hook(good(), undo)));
        let missing = driver.capture(&run(), &stack, &injection).await;
        said.push(missing.expect_err("it could not be undone").to_string());
    }
    insta::assert_snapshot!(said.join("\n"), @r"
    the environment variable `GONE` of program true is not there; hint: set it where firedrill runs
    the environment variable `GONE` of POST http://127.0.0.1:1/${env:SET} is not there; hint: set it where firedrill runs
    ");
    let injection = injection("bad-token", Act::Hook(hook(good(), header("${env:SET}"))));
    let token = driver.capture(&run(), &stack, &injection).await;
    let token = serde_json::to_string(&token.expect("all are set")).expect("tokens are JSON");
    assert!(
        token.contains("${env:SET}") && !token.contains("hunter2"),
        "{token}"
    );
}

#[tokio::test]
async fn a_remedy_without_restore_leaves_nothing_to_undo() {
    let folder = Folder::new();
    let clock = clock();
    let driver = driver(&clock);
    let run = run();
    let mut remedy = injection(
        "remedy:restart#1",
        Act::Hook(Hook {
            undo: None,
            ..hook(folder.call(&["true"]), folder.call(&["true"]))
        }),
    );
    remedy.cause = Cause::Remedy("restart".parse().expect("a name"));
    let stack = stack("http://127.0.0.1:1", Vec::new());
    let token = driver
        .capture(&run, &stack, &remedy)
        .await
        .expect("a remedy needs no undo");
    let armed = arm(&run, &remedy, token, &clock);
    driver.apply(&armed).await.expect("it is done");
    let removed = driver.undo(&armed).await.expect("there is nothing to undo");
    assert_eq!(
        (removed.by, removed.evidence.as_str()),
        (UndoneBy::Us, "nothing to restore")
    );
}

/// A rollout that puts back, by its number in the body, the release that it found.
fn captured_rollout(url: &str) -> Hook {
    let post = |body: &str| {
        Call::Http(HttpRequest {
            method: "POST".to_owned(),
            url: format!("{url}/release"),
            headers: std::collections::BTreeMap::new(),
            body: Some(body.to_owned()),
        })
    };
    let read = || http("GET", format!("{url}/release"));
    Hook {
        capture: Some(Capture {
            call: read(),
            read: Some("$.version".to_owned()),
        }),
        verify_undone: Some(Verify {
            call: read(),
            expect: Expect {
                json: [("$.version".to_owned(), json!("${captured}"))].into(),
                ..expect()
            },
        }),
        ..hook(
            post(r#"{"version":42}"#),
            post(r#"{"version":${captured}}"#),
        )
    }
}

#[tokio::test]
async fn what_was_there_before_is_put_back_whatever_it_was_even_after_a_crash() {
    let server = Scripted::new(vec![
        ("GET /release", say(200, json!({"version": 40}))),
        ("POST /release", say(200, "")),
        ("POST /release", say(200, "")),
        ("GET /release", say(200, json!({"version": 40}))),
    ]);
    let clock = clock();
    let armed = armed(&driver(&clock), &clock, captured_rollout(&server.url)).await;
    let applied = driver(&clock).apply(&armed).await.expect("it is done");
    let begins = "40 was there before; POST ";
    assert!(applied.evidence.starts_with(begins), "{}", applied.evidence);
    let removed = driver(&clock).undo(&after_a_crash(&armed)).await;
    assert!(removed.is_ok(), "{removed:?}");
    assert_eq!(
        server.bodies(),
        ["", r#"{"version":42}"#, r#"{"version":40}"#, ""]
    );
}

#[tokio::test]
async fn where_what_is_there_can_not_be_read_nothing_is_armed() {
    for (answer, why) in [
        (say(503, ""), "status 503"),
        (say(200, json!({"release": 40})), "$.version is missing"),
        (say(200, json!({"version": null})), "$.version is null"),
    ] {
        let server = Scripted::new(vec![("GET /release", answer)]);
        let clock = clock();
        let injection = injection("bad-token", Act::Hook(captured_rollout(&server.url)));
        let refused = driver(&clock)
            .capture(&run(), &stack("http://127.0.0.1:1", Vec::new()), &injection)
            .await
            .expect_err("it can't be undone");
        assert_eq!(
            refused.to_string(),
            format!(
                "what is there, by GET {}/release reads back wrong: {why}",
                server.url
            )
        );
        server.bodies();
    }
}

#[tokio::test]
async fn a_program_says_what_is_there_in_one_line() {
    let folder = Folder::new();
    folder.script("active", "cat active-signer");
    folder.script("failover", "echo \"$1\" > active-signer");
    std::fs::write(folder.path("active-signer"), "signer b; $HOME\n").expect("a file");
    let clock = clock();
    let driver = driver(&clock);
    let capture = Capture {
        call: folder.call(&["./active"]),
        read: None,
    };
    let hook = Hook {
        capture: Some(capture),
        ..hook(
            folder.call(&["./failover", "signer-x"]),
            folder.call(&["./failover", "${captured}"]),
        )
    };
    let armed = armed(&driver, &clock, hook).await;
    let active = || std::fs::read_to_string(folder.path("active-signer")).expect("a file");
    driver.apply(&armed).await.expect("it is done");
    assert_eq!(active(), "signer-x\n");
    driver.undo(&armed).await.expect("it is undone");
    assert_eq!(active(), "signer b; $HOME\n");
}

#[tokio::test]
async fn the_way_to_undo_it_by_hand_shows_no_secret() {
    let (folder, clock) = (Folder::new(), clock());
    let driver = driver(&clock);
    let url = "http://user:word@127.0.0.1:9/rollback?key=word".to_owned();
    let undo = http("POST", url);
    let armed = armed(&driver, &clock, hook(folder.call(&["true"]), undo)).await;
    assert_eq!(
        driver.by_hand(&armed).as_deref(),
        Some("curl -X POST http://127.0.0.1:9/rollback")
    );
}
