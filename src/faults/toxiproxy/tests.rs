//! The driver against a server that refuses, hangs and lies on demand, and against real ones.

use serde_json::{Value, json};

use super::super::proving::{
    Say, Scripted, Ticking, after_a_crash, arm, arm_until, clock, injection, link, run, say, stack,
};
use super::*;
use crate::model::fault::Toxic;
use crate::model::time::Millis;

const VERSION: &str = r#"{"version": "2.12.0"}"#;

fn driver(clock: &Arc<Ticking>) -> ToxiproxyDriver {
    let clock: Arc<dyn Clock> = Arc::<Ticking>::clone(clock);
    ToxiproxyDriver::new(clock, Arc::new(Outbound::new()))
}

fn a_link() -> Link {
    link("127.0.0.1:7101", "127.0.0.1:7001")
}

fn latency(link: &Link) -> Injection {
    injection(
        "slow-signer",
        Act::AddToxic {
            link: link.clone(),
            stream: Stream::Downstream,
            toxicity: 0.3,
            toxic: Toxic::Latency {
                latency: Millis::seconds(2),
                jitter: Millis::new(200),
            },
            ramp: None,
        },
    )
}

fn down(link: &Link) -> Injection {
    injection("cut", Act::DisableProxy { link: link.clone() })
}

fn proxy(enabled: bool) -> Value {
    json!({"name": "api-signer", "listen": "127.0.0.1:7101", "upstream": "localhost:7001",
           "enabled": enabled, "Logger": {}, "toxics": []})
}

fn toxic(name: &str, latency: u64) -> Value {
    json!({"name": name, "type": "latency", "stream": "downstream", "toxicity": 0.3,
           "attributes": {"latency": latency, "jitter": 200}})
}

fn not_found(what: &str) -> Say {
    say(
        404,
        json!({"error": format!("{what} not found"), "status": 404}),
    )
}

fn armed_by_hand(url: &str, run: &RunId, injection: &Injection, clock: &Ticking) -> Armed {
    let owner = owner::tag(run, &injection.id);
    let toxic = matches!(injection.act, Act::AddToxic { .. }).then(|| ToxicMark {
        name: owner::toxic_name(&owner),
        stream: Stream::Downstream,
    });
    let mark = Mark {
        url: url.to_owned(),
        proxy: "api-signer".to_owned(),
        owner,
        patch: true,
        enabled: true,
        embedded: false,
        toxic,
    };
    arm(run, injection, sealed(&mark).expect("a token"), clock)
}

fn paths(run: &RunId) -> (String, String) {
    let name = format!("firedrill-{run}-slow-signer");
    let path = format!("/proxies/api-signer/toxics/{name}");
    (name, path)
}

#[tokio::test]
async fn capture_says_which_proxies_there_are_when_the_one_is_missing() {
    let server = Scripted::new(vec![
        ("GET /version", say(200, VERSION)),
        ("GET /proxies/api-signer", not_found("proxy")),
        ("GET /proxies", say(200, r#"{"a":{},"b":{}}"#)),
    ]);
    let link = a_link();
    let refused = driver(&clock())
        .capture(
            &run(),
            &stack(&server.url, vec![link.clone()]),
            &latency(&link),
        )
        .await
        .expect_err("there is no such proxy");
    assert_eq!(
        refused.to_string(),
        format!(
            "proxy api-signer at {} is not there; hint: the proxies there are a, b",
            server.url
        )
    );
    server.bodies();
}

#[tokio::test]
async fn capture_creates_a_missing_proxy_only_where_the_stack_allows_it() {
    let server = Scripted::new(vec![
        ("GET /version", say(200, VERSION)),
        ("GET /proxies/api-signer", not_found("proxy")),
        ("POST /proxies", say(201, proxy(true))),
        ("GET /proxies/api-signer", say(200, proxy(true))),
    ]);
    let link = a_link();
    let mut stack = stack(&server.url, vec![link.clone()]);
    stack.toxiproxy.as_mut().expect("a server").create_proxies = true;
    driver(&clock())
        .capture(&run(), &stack, &latency(&link))
        .await
        .expect("it is created");
    let sent: Value = serde_json::from_str(&server.bodies()[2]).expect("JSON");
    assert_eq!(
        sent,
        json!({"name": "api-signer", "listen": "127.0.0.1:7101", "upstream": "127.0.0.1:7001", "enabled": true})
    );
}

#[tokio::test]
async fn capture_refuses_a_proxy_that_carries_something_else_or_is_not_the_stacks() {
    let other = json!({"name": "api-signer", "listen": "127.0.0.1:7101", "upstream": "127.0.0.1:9", "enabled": true});
    let server = Scripted::new(vec![
        ("GET /version", say(200, VERSION)),
        ("GET /proxies/api-signer", say(200, other)),
    ]);
    let link = a_link();
    let driver = driver(&clock());
    let refused = driver
        .capture(
            &run(),
            &stack(&server.url, vec![link.clone()]),
            &latency(&link),
        )
        .await
        .expect_err("it leads elsewhere");
    assert_eq!(
        refused.to_string(),
        "proxy api-signer reads back wrong: its upstream is 127.0.0.1:9, the stack says 127.0.0.1:7001"
    );
    let refused = driver
        .capture(&run(), &stack(&server.url, Vec::new()), &latency(&link))
        .await
        .expect_err("the stack has no such link");
    assert!(matches!(refused, FaultError::Foreign { .. }), "{refused}");
    server.bodies();
}

#[tokio::test]
async fn capture_refuses_a_proxy_that_somebody_else_disabled() {
    for act in [latency(&a_link()), down(&a_link())] {
        let server = Scripted::new(vec![
            ("GET /version", say(200, VERSION)),
            ("GET /proxies/api-signer", say(200, proxy(false))),
        ]);
        let refused = driver(&clock())
            .capture(&run(), &stack(&server.url, vec![a_link()]), &act)
            .await
            .expect_err("it is disabled");
        assert!(matches!(refused, FaultError::Foreign { .. }), "{refused}");
        server.bodies();
    }
}

#[tokio::test]
async fn a_toxic_is_sent_with_its_owner_and_read_back() {
    let (run, clock) = (run(), clock());
    let (name, path) = paths(&run);
    let path = format!("GET {path}");
    let server = Scripted::new(vec![
        (
            "POST /proxies/api-signer/toxics",
            say(200, toxic(&name, 2000)),
        ),
        (&path, say(200, toxic(&name, 2000))),
    ]);
    let armed = armed_by_hand(&server.url, &run, &latency(&a_link()), &clock);
    let applied = driver(&clock).apply(&armed).await.expect("it is applied");
    assert!(applied.sent.is_before(&applied.effective));
    assert_eq!(
        applied.evidence,
        format!(
            "toxic {name} on proxy api-signer reads back as sent: latency, downstream, toxicity 0.3; \
             the server does not end it by itself"
        )
    );
    let sent: Value = serde_json::from_str(&server.bodies()[0]).expect("JSON");
    assert_eq!(sent["name"], name);
    assert_eq!(sent["owner"], name);
    assert_eq!(sent["attributes"], json!({"latency": 2000, "jitter": 200}));
    let ttl = sent["ttl"].as_u64().expect("a time to live");
    assert!((60_000..=65_000).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn a_time_to_live_counts_only_where_it_is_read_back() {
    let (run, clock) = (run(), clock());
    let (name, path) = paths(&run);
    let (get_toxic, get_proxy) = (format!("GET {path}"), "GET /proxies/api-signer");
    let kept = |mut shown: Value| {
        shown["ttl"] = json!(65_000);
        shown
    };
    for (act, sent, read, get, answer) in [
        (
            latency(&a_link()),
            "POST /proxies/api-signer/toxics",
            toxic(&name, 2000),
            get_toxic.as_str(),
            toxic(&name, 2000),
        ),
        (
            down(&a_link()),
            "PATCH /proxies/api-signer",
            proxy(false),
            get_proxy,
            proxy(false),
        ),
    ] {
        for (reads_back, says) in [
            (answer.clone(), "the server does not end it by itself"),
            (
                kept(answer.clone()),
                "the server ends it by itself after 65000 ms",
            ),
        ] {
            // What the answer to the request says is not what the server holds.
            let server = Scripted::new(vec![
                (sent, say(200, kept(read.clone()))),
                (get, say(200, reads_back)),
            ]);
            let armed = armed_by_hand(&server.url, &run, &act, &clock);
            let applied = driver(&clock).apply(&armed).await.expect("it is applied");
            assert!(applied.evidence.ends_with(says), "{}", applied.evidence);
            let asked: Value = serde_json::from_str(&server.bodies()[0]).expect("JSON");
            let ttl = asked["ttl"].as_u64().expect("a time to live");
            assert!((60_000..=65_000).contains(&ttl), "{ttl}");
        }
    }
}

#[tokio::test]
async fn a_conflict_on_our_own_name_is_read_back_and_keeps_the_first_stamp() {
    let (run, clock) = (run(), clock());
    let (name, path) = paths(&run);
    let get = format!("GET {path}");
    let server = Scripted::new(vec![
        ("POST /proxies/api-signer/toxics", Say::Close),
        (
            "POST /proxies/api-signer/toxics",
            say(409, r#"{"error":"toxic already exists","status":409}"#),
        ),
        (&get, say(200, toxic(&name, 2000))),
    ]);
    let armed = armed_by_hand(&server.url, &run, &latency(&a_link()), &clock);
    let driver = driver(&clock);
    let before = clock.now();
    let lost = driver.apply(&armed).await.expect_err("the answer is lost");
    assert!(matches!(lost, FaultError::Unreachable { .. }), "{lost}");
    let between = clock.now();
    let applied = driver.apply(&armed).await.expect("it was applied");
    assert!(before.is_before(&applied.sent) && applied.sent.is_before(&between));
    server.bodies();
}

#[tokio::test]
async fn a_toxic_that_reads_back_otherwise_is_an_error_that_names_the_attribute() {
    let (run, clock) = (run(), clock());
    let (name, path) = paths(&run);
    let get = format!("GET {path}");
    for (read, why) in [
        (say(200, toxic(&name, 1)), "latency is 1, expected 2000"),
        (not_found("toxic"), "it is not there after it was added"),
    ] {
        let server = Scripted::new(vec![
            (
                "POST /proxies/api-signer/toxics",
                say(200, toxic(&name, 2000)),
            ),
            (&get, read),
        ]);
        let armed = armed_by_hand(&server.url, &run, &latency(&a_link()), &clock);
        let wrong = driver(&clock).apply(&armed).await.expect_err("it is wrong");
        assert_eq!(
            wrong.to_string(),
            format!("toxic {name} on proxy api-signer reads back wrong: {why}")
        );
        server.bodies();
    }
}

#[tokio::test]
async fn refusals_carry_the_servers_words_and_nonsense_is_shown() {
    let (run, clock) = (run(), clock());
    let (name, path) = paths(&run);
    let get = format!("GET {path}");
    let post = "POST /proxies/api-signer/toxics";
    for (script, shown) in [
        (
            vec![(
                post,
                say(400, r#"{"error":"invalid toxic type","status":400}"#),
            )],
            "refused: 400 invalid toxic type",
        ),
        (vec![(post, say(500, "boom"))], "refused: 500 boom"),
        (
            vec![(post, say(404, "404 page not found\n"))],
            "refused: 404 404 page not found",
        ),
        (
            vec![(post, not_found("proxy"))],
            "is not there; hint: it was there when the run looked",
        ),
        (
            vec![
                (post, say(200, toxic(&name, 2000))),
                (get.as_str(), say(200, "<html>")),
            ],
            "in \"<html>\"",
        ),
    ] {
        let server = Scripted::new(script);
        let armed = armed_by_hand(&server.url, &run, &latency(&a_link()), &clock);
        let error = driver(&clock)
            .apply(&armed)
            .await
            .expect_err("it fails")
            .to_string();
        assert!(
            error.ends_with(shown) && error.contains(&server.url),
            "{error}"
        );
        server.bodies();
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_on() {
    let (run, clock) = (run(), clock());
    let server = Scripted::new(vec![("POST /proxies/api-signer/toxics", Say::Nothing)]);
    let armed = armed_by_hand(&server.url, &run, &latency(&a_link()), &clock);
    let began = tokio::time::Instant::now();
    let late = driver(&clock).apply(&armed).await.expect_err("it hangs");
    assert!(
        late.to_string().ends_with("no answer within 5000 ms"),
        "{late}"
    );
    assert!(began.elapsed() < Duration::from_secs(8));
    server.bodies();
}

#[tokio::test]
async fn nothing_is_applied_once_its_deadline_has_passed() {
    let (run, clock) = (run(), clock());
    let server = Scripted::new(Vec::new());
    for act in [latency(&a_link()), down(&a_link())] {
        let token = armed_by_hand(&server.url, &run, &act, &clock)
            .token()
            .clone();
        let at = clock.now();
        let late = arm_until(&run, &act, token, at, at);
        for armed in [late.clone(), after_a_crash(&late)] {
            let refused = driver(&clock).apply(&armed).await.expect_err("it is late");
            assert!(
                refused.to_string().ends_with("its deadline has passed"),
                "{refused}"
            );
        }
    }
    server.bodies();
}

#[tokio::test]
async fn a_deletion_is_read_back_and_attributed() {
    let clock = clock();
    for (answer, by) in [
        (say(204, ""), UndoneBy::Us),
        (not_found("toxic"), UndoneBy::Other),
    ] {
        let run = run();
        let (_, path) = paths(&run);
        let (delete, get) = (format!("DELETE {path}"), format!("GET {path}"));
        let server = Scripted::new(vec![(&delete, answer), (&get, not_found("toxic"))]);
        let armed = armed_by_hand(&server.url, &run, &latency(&a_link()), &clock);
        let removed = driver(&clock)
            .undo(&after_a_crash(&armed))
            .await
            .expect("it is gone");
        assert_eq!(removed.by, by);
        server.bodies();
    }
}

#[tokio::test]
async fn an_absence_after_our_own_lost_deletion_is_ours() {
    let (run, clock) = (run(), clock());
    let (_, path) = paths(&run);
    let (delete, get) = (format!("DELETE {path}"), format!("GET {path}"));
    let server = Scripted::new(vec![
        (&delete, say(503, "Timeout")),
        (&delete, not_found("toxic")),
        (&get, not_found("toxic")),
    ]);
    let armed = armed_by_hand(&server.url, &run, &latency(&a_link()), &clock);
    let driver = driver(&clock);
    driver
        .undo(&armed)
        .await
        .expect_err("the server waits for a lock");
    assert_eq!(
        driver.undo(&armed).await.expect("it is gone").by,
        UndoneBy::Us
    );
    server.bodies();
}

#[tokio::test]
async fn an_undo_does_not_believe_a_404_of_another_server_nor_a_deletion_that_left_it_there() {
    let (run, clock) = (run(), clock());
    let (name, path) = paths(&run);
    let (delete, get) = (format!("DELETE {path}"), format!("GET {path}"));
    for script in [
        vec![(delete.as_str(), say(404, "404 page not found\n"))],
        vec![(delete.as_str(), say(404, r#"{"detail":"Not Found"}"#))],
        vec![
            (delete.as_str(), say(204, "")),
            (get.as_str(), say(200, toxic(&name, 2000))),
        ],
    ] {
        let server = Scripted::new(script);
        let armed = armed_by_hand(&server.url, &run, &latency(&a_link()), &clock);
        driver(&clock)
            .undo(&armed)
            .await
            .expect_err("nothing proves that it is gone");
        server.bodies();
    }
}

#[tokio::test]
async fn a_proxy_is_enabled_only_where_it_is_disabled_and_not_held_by_another() {
    let clock = clock();
    let get = "GET /proxies/api-signer";
    let mut held = proxy(false);
    held["owner"] = json!("somebody");
    for (script, by) in [
        (
            vec![
                (get, say(200, proxy(false))),
                ("PATCH /proxies/api-signer", say(200, proxy(true))),
                (get, say(200, proxy(true))),
            ],
            UndoneBy::Us,
        ),
        (vec![(get, say(200, proxy(true)))], UndoneBy::Other),
        (vec![(get, not_found("proxy"))], UndoneBy::Other),
        (vec![(get, say(200, held))], UndoneBy::Other),
    ] {
        let server = Scripted::new(script);
        let run = run();
        let armed = armed_by_hand(&server.url, &run, &down(&a_link()), &clock);
        let removed = driver(&clock)
            .undo(&after_a_crash(&armed))
            .await
            .expect("it is undone");
        assert_eq!(removed.by, by, "{}", removed.evidence);
        server.bodies();
    }
}

#[tokio::test]
async fn servers_before_2_6_are_spoken_to_with_post() {
    let link = a_link();
    for (version, method) in [
        (r#"{"version": "2.12.0"}"#, "PATCH"),
        (r#"{"version": "2.6.0"}"#, "PATCH"),
        (r#"{"version": "2.5.9"}"#, "POST"),
        ("2.1.4", "POST"),
        (r#"{"version": "git"}"#, "POST"),
    ] {
        let change = format!("{method} /proxies/api-signer");
        let server = Scripted::new(vec![
            ("GET /version", say(200, version)),
            ("GET /proxies/api-signer", say(200, proxy(true))),
            (&change, say(200, proxy(false))),
            ("GET /proxies/api-signer", say(200, proxy(false))),
        ]);
        let (run, clock) = (run(), clock());
        let driver = driver(&clock);
        let act = down(&link);
        let token = driver
            .capture(&run, &stack(&server.url, vec![link.clone()]), &act)
            .await
            .expect("it is there");
        driver
            .apply(&arm(&run, &act, token, &clock))
            .await
            .expect("it is disabled");
        server.bodies();
    }
}

#[tokio::test]
async fn a_proxy_this_run_disabled_may_get_a_toxic_but_is_not_disabled_twice() {
    let get = "GET /proxies/api-signer";
    let server = Scripted::new(vec![
        ("PATCH /proxies/api-signer", say(200, proxy(false))),
        (get, say(200, proxy(false))),
        ("GET /version", say(200, VERSION)),
        (get, say(200, proxy(false))),
        ("GET /version", say(200, VERSION)),
        (get, say(200, proxy(false))),
    ]);
    let (run, clock) = (run(), clock());
    let driver = driver(&clock);
    let armed = armed_by_hand(&server.url, &run, &down(&a_link()), &clock);
    driver.apply(&armed).await.expect("it is disabled");
    let stack = stack(&server.url, vec![a_link()]);
    driver
        .capture(&run, &stack, &latency(&a_link()))
        .await
        .expect("a toxic may be added");
    let again = injection("again", Act::DisableProxy { link: a_link() });
    let refused = driver
        .capture(&run, &stack, &again)
        .await
        .expect_err("it is down already");
    assert!(matches!(refused, FaultError::Refused { .. }), "{refused}");
    server.bodies();
}

#[tokio::test]
async fn a_look_tells_a_changed_toxic_from_a_missing_one() {
    let (run, clock) = (run(), clock());
    let (name, path) = paths(&run);
    let get = format!("GET {path}");
    let server = Scripted::new(vec![
        (&get, say(200, toxic(&name, 2000))),
        (&get, say(200, toxic(&name, 5))),
        (&get, not_found("toxic")),
        (&get, not_found("proxy")),
        (&get, say(500, "")),
    ]);
    let armed = armed_by_hand(&server.url, &run, &latency(&a_link()), &clock);
    let driver = driver(&clock);
    assert_eq!(driver.look(&armed).await, Ok(Presence::Present));
    for reason in [
        "latency is 5, expected 2000",
        "is not found",
        "proxy api-signer is not found",
    ] {
        match driver.look(&armed).await {
            Ok(Presence::Gone(why)) => assert!(why.ends_with(reason), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    driver
        .look(&armed)
        .await
        .expect_err("a refusal says nothing about the toxic");
    server.bodies();
}

#[tokio::test]
async fn a_toxic_of_an_embedded_server_whose_process_died_is_gone_with_it() {
    let clock = clock();
    let driver = driver(&clock);
    // Bound and let go: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let (run, injection) = (run(), latency(&a_link()));
    for (embedded, settles) in [(true, true), (false, false)] {
        let armed = armed_by_hand(&url, &run, &injection, &clock);
        let mut mark: Mark = opened(&armed).expect("a token");
        mark.embedded = embedded;
        let armed = arm(&run, &injection, sealed(&mark).expect("a token"), &clock);
        let undone = driver.undo(&armed).await;
        assert_eq!(undone.is_ok(), settles, "{undone:?}");
        if let Ok(removed) = undone {
            assert_eq!(removed.by, UndoneBy::Other);
        }
    }
}
