//! A surprise drill, looked for by its responders: on every page, in every answer of the API, in every stream.

use std::sync::Arc;

use hyper::Method;
use hyper::header::{ACCEPT, COOKIE};
use jiff::Timestamp;
use serde_json::json;

use super::senders::slack;
use super::world::{Once, Reply, Server};
use crate::http::Timetable;
use crate::http::router::table;
use crate::http::routes::{About, Needs};
use crate::model::access::{Grant, Role, Scope};

/// Everything that a surprise is called by has this word in it.
const WORD: &str = "heron";

const EXPERIMENT: &str = r#"
kind: Experiment
name: dark-heron
stack: tiny
hypothesis: Herons are seen at once.
steady_state: [{probe: pay}]
method:
  - hook:
      id: unplug-heron
      do: {http: {method: POST, url: "http://127.0.0.1:9/heron"}}
      undo: {http: {method: POST, url: "http://127.0.0.1:9/heron"}}
      at: 0s
      until: remedied
      at_most: 2m
limits: {duration: 5m}
recovery: {within: 5s, stable_for: 400ms}
"#;

const DRILL: &str = r#"
kind: Drill
name: night-heron
experiment: dark-heron
runbook: heron-book
team: crew
severity: SEV2
brief: The heron is unplugged.
schedule: {cron: "0 10 * * TUE", surprise: true}
detection: [{alertmanager: {alertname: PaymentsFail}}, human]
injects: [{at: 100ms, text: Has anybody seen the heron?}]
remedies: [{id: replug-heron, label: Plug the heron in, ends: [unplug-heron]}]
"#;

const RUNBOOK: &str = "---\nkind: Runbook\nname: heron-book\nclass: availability\nexpect:\n  - {id: heron-seen, event: detected, within: 30s}\n---\n# Herons\n";

fn everywhere(role: Role) -> Vec<Grant> {
    vec![Grant {
        role,
        scope: Scope::default(),
    }]
}

/// A server with a surprise drill in its library, and the sessions of an operator and a responder.
async fn set() -> (Server, String, String) {
    set_with(|_| {
        Arc::new(Once(crate::http::Planned {
            what: "night-heron".parse().expect("a name"),
            at: "2126-03-01T10:00:00Z".parse().expect("an instant"),
            range: None,
            barred: None,
        }))
    })
    .await
}

/// The same with another timetable, made at this instant.
pub(super) async fn set_with(
    timetable: impl FnOnce(Timestamp) -> Arc<dyn Timetable>,
) -> (Server, String, String) {
    let server = Server::start_with(|services| {
        services.gate = crate::http::Gate::beyond("c0de");
        services.upcoming = timetable(services.now().wall);
    })
    .await;
    server.write("dark.yaml", EXPERIMENT);
    server.write("night.yaml", DRILL);
    server.write("book.md", RUNBOOK);
    server.add("Root", &everywhere(Role::Administrator)).await;
    server.add("ann", &everywhere(Role::Responder)).await;
    let staff = server.login_as("Root").await;
    let responder = server.login_as("ann").await;
    (server, staff, responder)
}

/// Every address that answers a look, with what it names filled in.
fn addresses(run: &str) -> Vec<(String, bool)> {
    let rows = table().into_iter().filter(|row| row.method == Method::GET);
    let filled = rows.flat_map(|row| {
        // Whoever names a run in the address knows its name.
        let about_run = row.path.contains("{run}");
        let names: &[&str] = match row.needs {
            Needs::To(_, About::Stack) => &["tiny"],
            Needs::To(_, About::Drill) => &["outage", "night-heron"],
            _ => &["cut", "dark-heron"],
        };
        let names = if row.path.contains("{name}") {
            names
        } else {
            &[""]
        };
        let fill = |name: &&str| {
            let path = row
                .path
                .replace("{run}", run)
                .replace("{name}", name)
                .replace("{*path}", "app.css")
                .replace("{id}", "1")
                .replace("{code}", "0000");
            (path, about_run)
        };
        names.iter().map(fill).collect::<Vec<_>>()
    });
    let mut all: Vec<_> = filled.collect();
    for more in ["?staff=1", "?all=1", "?all=true"] {
        let extended: Vec<_> = all
            .iter()
            .map(|(path, about_run)| (format!("{path}{more}"), *about_run))
            .collect();
        all.extend(
            extended
                .into_iter()
                .filter(|(path, _)| path.matches('?').count() == 1),
        );
    }
    all
}

async fn look(server: &Server, path: &str, session: &str, accept: &str) -> Reply {
    let request = server
        .request(Method::GET, path)
        .header(COOKIE, format!("session={session}"))
        .header(ACCEPT, accept);
    server.send(request, "").await
}

/// An answer without what differs from one moment, or from one run, to the next.
fn timeless(reply: &Reply, run: &str) -> String {
    let body = reply.body.replace(run, "RUN");
    let body: String = body
        .chars()
        .map(|one| if one.is_ascii_digit() { '#' } else { one })
        .collect();
    let mut body = body;
    while body.contains("##") {
        body = body.replace("##", "#");
    }
    format!("{} {body}", reply.status)
}

async fn begin(server: &Server, staff: &str) -> String {
    let wanted = json!({"drill": "night-heron"});
    let started = server.post_as("/api/v1/runs", wanted, staff).await;
    assert_eq!(started.status, 201, "{}", started.body);
    started.json()["id"].as_str().expect("an id").to_owned()
}

async fn until(server: &Server, run: &str, kind: &str, staff: &str) {
    for _ in 0..400 {
        let path = format!("/api/v1/runs/{run}/events");
        let log = server.get_as(&path, staff).await.json();
        let events = log["events"].as_array().expect("events");
        if events.iter().any(|event| event["type"] == kind) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("no `{kind}` came");
}

#[tokio::test]
async fn nothing_that_a_responder_can_ask_for_tells_of_it() {
    let (server, staff, responder) = set().await;
    // The listing is read anew every two seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let nowhere = "20260101-000000-abcdef";
    let accepts = [
        "text/html",
        "application/json",
        "text/markdown",
        "text/event-stream",
    ];
    let mut before = std::collections::BTreeMap::new();
    for (path, about_run) in addresses(nowhere) {
        for accept in accepts {
            let reply = look(&server, &path, &responder, accept).await;
            let key = (path.replace(nowhere, "RUN"), accept, about_run);
            before.insert(key, timeless(&reply, nowhere));
        }
    }

    let run = begin(&server, &staff).await;
    until(&server, &run, "probe_changed", &staff).await;
    until(&server, &run, "inject_delivered", &staff).await;
    for (path, about_run) in addresses(&run) {
        for accept in accepts {
            let reply = look(&server, &path, &responder, accept).await;
            let key = (path.replace(&run, "RUN"), accept, about_run);
            assert_eq!(
                timeless(&reply, &run),
                before[&key],
                "{path} as {accept} tells that something runs"
            );
            // What is asked for by name is named in the refusal, and no more.
            let told = reply
                .body
                .replace("night-heron", "")
                .replace("dark-heron", "");
            let told = if path.contains(WORD) {
                told
            } else {
                reply.body.clone()
            };
            assert!(!told.contains(WORD), "{path} as {accept} tells: {told}");
            assert!(
                about_run || !reply.body.contains(&run),
                "{path} tells {run}"
            );
        }
    }

    // A signal that reaches it looks like one that reached nothing.
    let answer = server.alert("PaymentsFail").await.json();
    assert_eq!(
        (&answer["matched"], &answer["unmatched"]),
        (&json!(0), &json!(1))
    );
    until(&server, &run, "alert_received", &staff).await;
    let elsewhere = Grant {
        role: Role::Operator,
        scope: Scope {
            team: Some("others".parse().expect("a name")),
            stack: None,
        },
    };
    server.add("oona", &[elsewhere]).await;
    let oona = server.login_as("oona").await;
    for path in [
        "/",
        "/signals",
        "/signals?all=1",
        "/api/v1/signals",
        "/api/v1/signals?all=true",
        "/api/v1/signals/1",
    ] {
        for session in [&responder, &oona] {
            let reply = look(&server, path, session, "text/html").await;
            let told = reply.body.contains(&run) || reply.body.contains(WORD);
            assert!(!told, "{path}: {}", reply.body);
        }
        let reply = look(&server, path, &oona, "text/html").await;
        assert!(reply.body.contains("PaymentsFail"), "{path} lost the alert");
    }
    let shown = look(&server, "/api/v1/signals?all=true", &staff, "text/html").await;
    assert!(shown.body.contains(&run), "staff see which run it reached");

    // A command is taken, and answered as when nothing runs.
    let said = slack(&server, "ack", "U1", "t1").await;
    assert!(
        said.body.contains("no drill is running; this was kept"),
        "{}",
        said.body
    );
    until(&server, &run, "acknowledged", &staff).await;
    for text in ["remedy nothing-like-it", "run=none ack"] {
        let said = slack(&server, text, "U1", text).await;
        assert!(
            said.body.contains("no drill is running; this was kept"),
            "{}",
            said.body
        );
    }
    let path = format!("/api/v1/runs/{run}/events");
    let refused = server
        .post_as(&path, json!({"type": "acknowledged"}), &responder)
        .await;
    assert_eq!(refused.problem(404), "no-such-run");

    // And whoever knows of it all the same can say that it is real.
    let real = server
        .post_as(&path, json!({"type": "real"}), &responder)
        .await;
    assert_eq!(real.status, 201, "{}", real.body);
}

#[tokio::test]
async fn once_it_is_revealed_its_responders_are_asked_when_they_knew() {
    let (server, staff, responder) = set().await;
    let run = begin(&server, &staff).await;
    until(&server, &run, "inject_delivered", &staff).await;
    let path = format!("/api/v1/runs/{run}/events");
    let room = format!("/runs/{run}");
    assert_eq!(
        look(&server, &room, &responder, "text/html").await.status,
        404
    );
    let reveal = json!({"type": "revealed"});
    assert_eq!(
        server
            .post_as(&path, reveal.clone(), &responder)
            .await
            .status,
        404
    );
    assert_eq!(
        server.post_as(&path, reveal.clone(), &staff).await.status,
        201
    );
    assert_eq!(
        server.post_as(&path, reveal, &staff).await.problem(409),
        "nothing-to-reveal"
    );

    let page = look(&server, &room, &responder, "text/html").await;
    assert!(page.body.contains("When did you know?"), "{}", page.body);
    let acked = server
        .post_as(&path, json!({"type": "acknowledged"}), &responder)
        .await;
    assert_eq!(acked.status, 201, "{}", acked.body);
    let knew = json!({"type": "knew", "when": "during", "at": "2026-03-01T10:00:00Z"});
    assert_eq!(server.post_as(&path, knew, &responder).await.status, 201);

    let halt = json!({"reason": "enough"});
    let halted = server
        .post_as(&format!("/api/v1/runs/{run}/halt"), halt, &staff)
        .await;
    assert_eq!(halted.status, 202, "{}", halted.body);
    until(&server, &run, "run_ended", &staff).await;
    while server
        .services
        .supervisor
        .get(&run.parse().expect("an id"))
        .is_some()
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // Who thinks again says it again, in a run that is over.
    let form = "act=knew&when=before";
    let said = server
        .form_as(&format!("{room}/acts"), form, &responder)
        .await;
    assert_eq!(said.status, 303, "{}", said.body);
    let card = look(
        &server,
        &format!("/api/v1/runs/{run}/scorecard"),
        &responder,
        "application/json",
    )
    .await;
    let people = card.json()["scorecard"]["attendance"].clone();
    let known: Vec<_> = people
        .as_array()
        .expect("people")
        .iter()
        .map(|one| (one["seat"].clone(), one["knew"].clone()))
        .collect();
    assert!(
        known.contains(&(json!("responder"), json!("before"))),
        "{known:?}"
    );
    assert!(
        known.iter().any(|(seat, _)| *seat == json!("coordinator")),
        "{known:?}"
    );
}

#[tokio::test]
async fn nobody_with_an_account_responds_and_looks_behind() {
    let (server, staff, _) = set().await;
    server.add("lin", &everywhere(Role::Operator)).await;
    let lin = server.login_as("lin").await;
    let run = server.drill_as(&staff).await;
    let path = format!("/api/v1/runs/{run}/events");
    let ack = || json!({"type": "acknowledged"});
    assert_eq!(
        server.post_as(&path, ack(), &staff).await.problem(409),
        "on-both-sides"
    );
    assert_eq!(server.post_as(&path, ack(), &lin).await.status, 201);
    for hidden in [
        path.clone(),
        format!("/runs/{run}?staff=1"),
        format!("/runs/{run}/scorecard"),
    ] {
        let reply = look(&server, &hidden, &lin, "application/problem+json").await;
        assert_eq!(reply.status, 409, "{hidden}: {}", reply.body);
        assert!(
            reply.body.contains("on-both-sides") || reply.body.contains("both sides"),
            "{}",
            reply.body
        );
    }
    let room = look(&server, &format!("/runs/{run}"), &lin, "text/html").await;
    assert_eq!(room.status, 200);
}
