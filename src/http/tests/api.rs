//! The JSON API: each endpoint's success and failure.

use hyper::Method;
use serde_json::json;

use super::world::Server;
use crate::http::reading::{Log, Reading};
use crate::model::ids::RunId;

#[tokio::test]
async fn the_library_is_listed_with_what_is_wrong_in_it() {
    let server = Server::start().await;
    let experiments = server.get("/api/v1/experiments").await.json();
    let names: Vec<_> = experiments["experiments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["broken", "cut"]);
    assert_eq!(
        experiments["experiments"][0]["findings"][0]["code"],
        "unknown-probe"
    );
    assert_eq!(experiments["experiments"][1]["stack"], "tiny");

    let drill = server.get("/api/v1/drills/outage").await.json();
    assert_eq!(drill["severity"], "SEV2");
    assert_eq!(drill["plan"]["drill"]["team"]["name"], "crew");
    let text = drill.to_string();
    assert!(
        text.contains("${env:SECRET_TOKEN}") && !text.contains("s3cret"),
        "a secret is shown"
    );
    assert_eq!(
        server.get("/api/v1/drills").await.json()["drills"][0]["name"],
        "outage"
    );

    let stack = server.get("/api/v1/stacks/tiny").await.json();
    assert_eq!(stack["used_by"], json!(["cut", "outage"]));
    assert_eq!(stack["stack"]["environment"], "staging");
    assert_eq!(
        server.get("/api/v1/stacks").await.json()["stacks"][0]["name"],
        "tiny"
    );

    assert_eq!(
        server.get("/api/v1/drills/none").await.problem(404),
        "no-such-drill"
    );
    assert_eq!(
        server.get("/api/v1/experiments/none").await.problem(404),
        "no-such-experiment"
    );
    assert_eq!(
        server.get("/api/v1/stacks/none").await.problem(404),
        "no-such-stack"
    );
    assert_eq!(
        server.get("/api/v1/nothing").await.problem(404),
        "no-such-address"
    );
}

#[tokio::test]
async fn a_run_starts_once_and_only_from_good_files() {
    let server = Server::start().await;
    let start = |body| server.post("/api/v1/runs", body);
    assert_eq!(start(json!({})).await.problem(400), "nothing-to-start");
    assert_eq!(
        start(json!({"drill": "outage", "experiment": "cut"}))
            .await
            .problem(400),
        "nothing-to-start"
    );
    assert_eq!(
        start(json!({"drill": "none"})).await.problem(404),
        "no-such-drill"
    );
    assert_eq!(
        start(json!({"dril": "outage"})).await.problem(422),
        "unfit-json"
    );
    assert_eq!(
        start(json!({"experiment": "cut", "vars": {"tokn": "x"}}))
            .await
            .problem(422),
        "file-findings"
    );
    let refused = start(json!({"experiment": "broken"})).await;
    assert_eq!(refused.problem(422), "file-findings");
    assert_eq!(refused.json()["findings"][0]["line"], 5);

    let started = start(json!({"drill": "outage", "seed": 7})).await;
    assert_eq!(started.status, 201, "{}", started.body);
    let run = started.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(started.header("location"), format!("/api/v1/runs/{run}"));
    assert_eq!(
        start(json!({"experiment": "cut"})).await.problem(409),
        "stack-busy"
    );

    server.until(&run, "run_created", |_| true).await;
    let list = server.get("/api/v1/runs").await.json();
    assert_eq!(list["runs"][0]["id"], run);
    assert_eq!(list["runs"][0]["seed"], 7);
    server.halt(&run).await;
}

#[tokio::test]
async fn runs_are_listed_a_part_at_a_time() {
    let server = Server::start().await;
    for _ in 0..3 {
        let run = server.drill().await;
        server.halt(&run).await;
    }
    let all = server.get("/api/v1/runs").await.json();
    assert_eq!(
        (all["runs"].as_array().map(Vec::len), &all["next"]),
        (Some(3), &json!(null))
    );
    let first = server.get("/api/v1/runs?limit=2").await.json();
    let next = first["next"].as_str().expect("more");
    let rest = server
        .get(&format!("/api/v1/runs?limit=2&cursor={next}"))
        .await
        .json();
    assert_eq!(rest["runs"], json!([all["runs"][2]]));
    assert_eq!(rest["next"], json!(null));
    assert_eq!(
        server.get("/api/v1/runs?limit=many").await.problem(400),
        "bad-query"
    );
}

#[tokio::test]
async fn acts_are_durable_under_pseudonyms_and_bring_the_run_to_its_end() {
    let server = Server::start().await;
    let run = server.drill().await;
    let events = format!("/api/v1/runs/{run}/events");
    let act = |body| server.post(&events, body);

    let detected = act(json!({"type": "detected", "service": "signer", "symptom": "payments fail", "actor": "Grace Hopper"})).await;
    assert_eq!(detected.status, 201, "{}", detected.body);
    let seq = detected.json()["seq"].as_u64().expect("a sequence");
    let page = server
        .get(&format!("{events}?after={}&limit=1", seq - 1))
        .await
        .json();
    let stored = &page["events"][0];
    assert_eq!(stored["type"], "detected");
    assert_eq!(stored["origin"]["source"], "api");
    assert!(
        stored["origin"]["actor"]
            .as_str()
            .expect("a pseudonym")
            .starts_with("p-")
    );
    assert!(stored["hash"].is_string());
    assert!(
        !server.get(&events).await.body.contains("Grace"),
        "a name is in the log"
    );

    let update = json!({"type": "update_posted", "audience": "customers", "channels": ["status_page"], "text": "Payments fail."});
    assert_eq!(act(update).await.status, 201);
    let dated = json!({"type": "acknowledged", "source_id": "a1", "event_time": "2026-01-01T00:00:00Z", "estimated": true});
    assert_eq!(act(dated.clone()).await.status, 201);
    let acknowledged = server.until(&run, "acknowledged", |_| true).await;
    assert_eq!(acknowledged["origin"]["event_time"], "2026-01-01T00:00:00Z");
    assert_eq!(act(dated).await.status, 201, "a repeat is no error");
    let log = server.get(&events).await.json();
    let count = log["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter(|event| event["type"] == "acknowledged")
        .count();
    assert_eq!(count, 1, "a repeat was recorded twice");

    assert_eq!(
        act(json!({"type": "dance"})).await.problem(422),
        "unfit-act"
    );
    assert_eq!(
        act(json!({"type": "noted", "text": "x", "colour": "red"}))
            .await
            .problem(422),
        "unfit-act"
    );
    assert_eq!(
        act(json!({"type": "noted", "text": " "}))
            .await
            .problem(422),
        "empty-text"
    );
    assert_eq!(
        act(json!({"type": "noted", "text": "x", "actor": "\n"}))
            .await
            .problem(422),
        "bad-name"
    );
    assert_eq!(
        act(json!({"type": "detected", "service": "moon", "symptom": "x"}))
            .await
            .problem(422),
        "no-such-service"
    );
    assert_eq!(
        act(json!({"type": "remedy_chosen", "remedy": "pray"}))
            .await
            .problem(422),
        "no-such-remedy"
    );
    assert_eq!(act(json!([])).await.problem(422), "unfit-json");

    let live = server.get(&format!("/api/v1/runs/{run}")).await.json();
    assert_eq!(
        (&live["live"], &live["status"]["state"]),
        (&json!(true), &json!("live"))
    );
    assert_eq!(
        live["measures"]["time_to_detect_human"]["state"],
        "measured"
    );
    let card = server
        .get(&format!("/api/v1/runs/{run}/scorecard"))
        .await
        .json();
    assert_eq!(card["provisional"], true);

    assert_eq!(
        act(json!({"type": "remedy_chosen", "remedy": "mend"}))
            .await
            .status,
        201
    );
    server.until(&run, "run_ended", |_| true).await;
    let card = server
        .get(&format!("/api/v1/runs/{run}/scorecard"))
        .await
        .json();
    assert_eq!(
        (&card["provisional"], &card["overall"]["verdict"]),
        (&json!(false), &json!("failed"))
    );
    assert_eq!(card["run"], run);
    assert!(card["chain"]["head"].is_string());
    for accept in ["text/markdown", "text/plain"] {
        let reply = server
            .send(
                server
                    .request(Method::GET, &format!("/api/v1/runs/{run}/scorecard"))
                    .header("accept", accept),
                "",
            )
            .await;
        assert!(reply.header("content-type").starts_with(accept));
        assert!(
            reply.body.contains("outage") && reply.body.contains("TTD"),
            "{}",
            reply.body
        );
    }
    while server
        .services
        .supervisor
        .get(&run.parse().expect("an id"))
        .is_some()
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        act(json!({"type": "acknowledged"})).await.problem(409),
        "run-ended"
    );
    assert_eq!(
        server
            .post(
                &format!("/api/v1/runs/{run}/halt"),
                json!({"reason": "late"})
            )
            .await
            .problem(409),
        "run-ended"
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_everywhere() {
    let server = Server::start().await;
    for path in ["", "/events", "/scorecard"] {
        assert_eq!(
            server
                .get(&format!("/api/v1/runs/none{path}"))
                .await
                .problem(404),
            "no-such-run"
        );
    }
    assert_eq!(
        server.get("/api/v1/runs/not%20a%20name").await.problem(404),
        "no-such-run"
    );
    assert_eq!(
        server
            .post("/api/v1/runs/none/events", json!({"type": "acknowledged"}))
            .await
            .problem(404),
        "no-such-run"
    );
    assert_eq!(
        server
            .post("/api/v1/runs/none/halt", json!({"reason": "x"}))
            .await
            .problem(404),
        "no-such-run"
    );
    let run = server.drill().await;
    assert_eq!(
        server
            .post(&format!("/api/v1/runs/{run}/halt"), json!({"reason": " "}))
            .await
            .problem(422),
        "empty-text"
    );
    server.halt(&run).await;
    let ended = server.get(&format!("/api/v1/runs/{run}")).await.json();
    assert_eq!(ended["verdict"], "aborted");
    assert_eq!(ended["reasons"], json!(["halted: enough"]));
}

#[tokio::test]
async fn an_experiment_has_no_team_and_a_real_incident_stops_it() {
    let server = Server::start().await;
    let run = server
        .post("/api/v1/runs", json!({"experiment": "cut"}))
        .await
        .json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    server.until(&run, "active", |_| true).await;
    let events = format!("/api/v1/runs/{run}/events");
    assert_eq!(
        server
            .post(&events, json!({"type": "acknowledged"}))
            .await
            .problem(422),
        "run-without-team"
    );
    assert_eq!(
        server.post(&events, json!({"type": "real"})).await.status,
        201
    );
    let ended = server.until(&run, "run_ended", |_| true).await;
    assert_eq!(ended["fact"]["verdict"], "aborted");
    server.until(&run, "undone", |_| true).await;
}

#[tokio::test]
async fn readiness_waits_for_the_first_recovery_and_so_do_runs() {
    let ready = crate::http::Readiness::default();
    let server = Server::start_with(|services| services.ready = ready.clone()).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.problem(503), "recovering");
    assert_eq!(
        server
            .post("/api/v1/runs", json!({"experiment": "cut"}))
            .await
            .problem(503),
        "recovering"
    );
    ready.set();
    assert_eq!(server.get("/readyz").await.status, 200);
    let metrics = server.get("/metrics").await.body;
    assert!(
        metrics.contains("\nfiredrill_runs_live 0\n") && metrics.contains("\nfiredrill_ready 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn strangers_are_refused_and_every_answer_is_dressed() {
    let server = Server::start().await;
    let foreign = server
        .request(Method::POST, "/api/v1/runs")
        .header("origin", "https://evil.example")
        .header("content-type", "application/json");
    assert_eq!(
        server
            .send(foreign, r#"{"experiment":"cut"}"#)
            .await
            .problem(403),
        "foreign-origin"
    );
    let mut rebound = server.request(Method::GET, "/api/v1/runs");
    rebound
        .headers_mut()
        .expect("headers")
        .insert("host", "evil.example".parse().expect("a host"));
    assert_eq!(server.send(rebound, "").await.problem(421), "unknown-host");
    let page = server.get("/").await;
    assert!(
        page.header("content-security-policy")
            .contains("script-src 'self'")
    );
    assert_eq!(
        (
            page.header("x-content-type-options"),
            page.header("x-frame-options")
        ),
        ("nosniff", "DENY")
    );
    assert_eq!(page.header("cache-control"), "no-store");
    let huge = vec![b' '; (1 << 20) + 1];
    let request = server
        .request(Method::POST, "/api/v1/runs")
        .header("content-type", "application/json");
    assert_eq!(server.send(request, huge).await.problem(413), "too-large");
}

#[tokio::test]
async fn a_log_is_read_once_until_it_grows_or_something_of_it_is_erased() {
    let server = Server::start().await;
    let run = server.drill().await;
    let id: RunId = run.parse().expect("an id");
    let read = async || Reading::of(&server.services, &id).await.expect("read");
    let seen = read().await.events.len();
    let note = json!({"type": "noted", "text": "a word too many"});
    let noted = server
        .post(&format!("/api/v1/runs/{run}/events"), note)
        .await;
    assert_eq!(noted.status, 201, "{}", noted.body);
    assert!(read().await.events.len() > seen, "a live log grows");
    server.halt(&run).await;

    let (first, second) = tokio::join!(read(), read());
    let (one, two): (&Log, &Log) = (&first, &second);
    assert!(std::ptr::eq(one, two), "both were read");
    let seq = noted.json()["seq"].as_u64().expect("a sequence");
    let database = &server.services.database;
    database
        .erase_payload(&id, seq, "it says too much")
        .await
        .expect("erased");
    let after = read().await;
    assert_eq!(after.events.len(), first.events.len() - 1);
    assert!(after.events.iter().all(|event| event.seq != seq));
}
