//! Senders beside Alertmanager, from the socket to the log: who is let in, what each is answered, and what becomes of it.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use super::world::{Reply, Server, TOKEN};

/// The signature of these bytes, in hex.
fn signed(bytes: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(TOKEN.as_bytes()).expect("a key");
    mac.update(bytes);
    let code = mac.finalize().into_bytes();
    code.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) async fn slack(server: &Server, text: &str, user: &str, trigger: &str) -> Reply {
    let text = text.replace(' ', "+");
    let body = format!(
        "token=legacy&user_id={user}&user_name=nobody&command=%2Fdrill&text={text}&trigger_id={trigger}"
    );
    let now = server
        .services
        .supervisor
        .ports()
        .clock
        .now()
        .wall
        .as_second();
    let signature = signed(format!("v0:{now}:{body}").as_bytes());
    let request = server
        .request(Method::POST, "/hooks/slack")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-slack-request-timestamp", now.to_string())
        .header("x-slack-signature", format!("v0={signature}"));
    server.send(request, body).await
}

fn event(id: &str, kind: &str, agent: &Value, at: jiff::Timestamp) -> Value {
    json!({"event": {
        "id": id, "event_type": kind, "resource_type": "incident", "occurred_at": at.to_string(), "agent": agent,
        "data": {"id": "PGR0VU2", "type": "incident", "created_at": at.to_string(), "title": "Payments fail",
                 "service": {"id": "PF9KMXH", "summary": "Payments"}, "urgency": "high"},
    }})
}

async fn pagerduty(server: &Server, event: &Value) -> Reply {
    let body = event.to_string();
    let request = server
        .request(Method::POST, "/hooks/pagerduty")
        .header("content-type", "application/json")
        .header(
            "x-pagerduty-signature",
            format!("v1={}", signed(body.as_bytes())),
        );
    server.send(request, body).await
}

async fn statuspage(server: &Server, page: &str, update: &str, at: jiff::Timestamp) -> Reply {
    let body = json!({
        "page": {"id": page},
        "incident": {"id": "i1", "name": "Payments fail", "created_at": at.to_string(), "incident_updates": [
            {"id": update, "status": "investigating", "body": "Payments fail.", "created_at": at.to_string()},
        ]},
    });
    // Tokens in addresses are plain: the other of the two is.
    let request = server
        .request(Method::POST, "/hooks/statuspage?token=another")
        .header("content-type", "application/json");
    server.send(request, body.to_string()).await
}

fn ann() -> Value {
    json!({"id": "U1", "type": "user_reference", "summary": "Ann Example"})
}

#[tokio::test]
async fn who_does_not_prove_themselves_is_refused_and_leaves_nothing() {
    let server = Server::start().await;
    for (path, header, value) in [
        ("/hooks/grafana", "x-grafana-alerting-signature", "00"),
        ("/hooks/pagerduty", "x-pagerduty-signature", "v1=00"),
        ("/hooks/slack", "x-slack-signature", "v0=00"),
        ("/hooks/cloudevents", "authorization", "Bearer wrong"),
        ("/hooks/statuspage", "authorization", "Bearer wrong"),
    ] {
        for header in [Some(header), None] {
            let mut request = server.request(Method::POST, path);
            if let Some(header) = header {
                request = request.header(header, value);
            }
            let refused = server.send(request, "{}").await;
            let code = refused.problem(401);
            assert!(
                code == "bad-token" || code == "bad-signature",
                "{path}: {code}"
            );
        }
    }
    let kept = server.services.database.unmatched_signals(9).await;
    assert!(kept.expect("asked").is_empty());
    let closed = Server::start_with(|services| services.senders = std::sync::Arc::default()).await;
    for path in ["grafana", "pagerduty", "slack", "cloudevents", "statuspage"] {
        let request = closed.request(Method::POST, &format!("/hooks/{path}"));
        assert_eq!(
            closed.send(request, "{}").await.problem(403),
            "hooks-off",
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_proves_itself_and_makes_no_sense_is_refused_and_kept() {
    let server = Server::start().await;
    let refused = pagerduty(&server, &json!({"event": 7})).await;
    assert_eq!(refused.problem(400), "bad-webhook");
    let kept = server.get("/api/v1/signals").await.json();
    let text = kept["signals"][0]["text"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert!(text.starts_with("not understood"), "{text}");
    let id = kept["signals"][0]["id"].to_string();
    let whole = server.get(&format!("/api/v1/signals/{id}")).await.json();
    assert_eq!(whole["body"], r#"{"event":7}"#);
    assert_eq!(
        server.get("/api/v1/signals/77").await.problem(404),
        "no-such-signal"
    );
    assert_eq!(
        server.get("/api/v1/signals/x").await.problem(404),
        "no-such-signal"
    );
}

#[tokio::test]
async fn a_page_is_a_detection_and_only_a_person_acknowledges_it() {
    let server = Server::start().await;
    let run = server.drill().await;
    let now = || server.services.supervisor.ports().clock.now().wall;
    let page = event("e1", "incident.triggered", &Value::Null, now());
    for repeated in [0, 1] {
        let taken = pagerduty(&server, &page).await;
        assert_eq!(taken.status.as_u16(), 202);
        let taken = taken.json();
        assert_eq!(
            (&taken["matched"], &taken["repeated"]),
            (&json!(1), &json!(repeated))
        );
    }
    pagerduty(
        &server,
        &event("e2", "incident.acknowledged", &Value::Null, now()),
    )
    .await;
    pagerduty(
        &server,
        &event("e3", "incident.acknowledged", &ann(), now()),
    )
    .await;
    // A note names the incident and no service: it goes where the page went.
    let mut note = event("e4", "incident.annotated", &ann(), now());
    note["event"]["data"] =
        json!({"incident": {"id": "PGR0VU2"}, "content": "looking", "type": "incident_note"});
    assert_eq!(pagerduty(&server, &note).await.json()["matched"], 1);
    let noted = server.until(&run, "noted", |_| true).await;
    assert_eq!(noted["fact"]["text"], "looking");

    let log = server
        .get(&format!("/api/v1/runs/{run}/events"))
        .await
        .json();
    let kinds: Vec<_> = log["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter(|event| event["origin"]["source"] == "pagerduty")
        .map(|event| (event["type"].clone(), event["origin"]["kind"].clone()))
        .collect();
    assert_eq!(
        kinds,
        [
            (json!("alert_received"), json!("automation")),
            (json!("acknowledged"), json!("automation")),
            (json!("acknowledged"), json!("human")),
            (json!("noted"), json!("human")),
        ]
    );
    assert!(
        !log.to_string().contains("Ann Example"),
        "a name is in the log"
    );
    let measures = server.get(&format!("/api/v1/runs/{run}")).await.json()["measures"].clone();
    let acknowledged = &measures["time_to_acknowledge"];
    assert_eq!(
        acknowledged["to"]["seq"],
        log["events"]
            .as_array()
            .expect("events")
            .iter()
            .find(|event| event["origin"]["source_id"] == "e3")
            .expect("the person's")["seq"]
    );
    let parts = &measures["time_to_detect_machine"]["delays"];
    assert_eq!(parts["sender"], "pagerduty");
    let sum = parts["rule_ms"].as_i64().expect("a number")
        + parts["delivery_ms"].as_i64().expect("a number");
    let whole = measures["time_to_detect_machine"]["value_ms"]
        .as_i64()
        .expect("a number");
    assert!((sum - whole).abs() <= 2, "{sum} is not {whole}");
    server.halt(&run).await;
}

#[tokio::test]
async fn what_is_about_an_older_incident_answers_nothing() {
    let server = Server::start().await;
    let run = server.drill().await;
    let now = server.services.supervisor.ports().clock.now().wall;
    let old = now - jiff::SignedDuration::from_mins(10);
    pagerduty(
        &server,
        &event("e1", "incident.triggered", &Value::Null, now),
    )
    .await;
    let mut late = event("e2", "incident.acknowledged", &ann(), now);
    late["event"]["data"]["created_at"] = json!(old.to_string());
    assert_eq!(pagerduty(&server, &late).await.json()["matched"], 1);
    server.until(&run, "acknowledged", |_| true).await;
    let measures = server.get(&format!("/api/v1/runs/{run}")).await.json()["measures"].clone();
    assert_eq!(measures["time_to_acknowledge"]["state"], "pending");
    server.halt(&run).await;
}

#[tokio::test]
async fn a_command_does_what_the_room_does_and_says_what_came_of_it() {
    let server = Server::start().await;
    let text = |reply: &Reply| reply.json()["text"].as_str().expect("a text").to_owned();
    let idle = slack(&server, "ack", "U1", "t0").await;
    assert_eq!(idle.status.as_u16(), 200);
    assert!(text(&idle).contains("no drill is running"), "{}", idle.body);
    let run = server.drill().await;
    let stranger = slack(&server, "ack", "U9", "t1").await;
    assert!(
        text(&stranger).contains("U9 under `people`"),
        "{}",
        stranger.body
    );
    for _ in 0..2 {
        let taken = slack(&server, "detected api payments fail", "U1", "t2").await;
        assert!(
            text(&taken).starts_with("[DRILL] taken: "),
            "{}",
            taken.body
        );
    }
    let wrong = slack(&server, "remedy pray", "U1", "t3").await;
    assert!(text(&wrong).contains("no remedy `pray`"), "{}", wrong.body);
    let unclear = slack(&server, "dance", "U1", "t4").await;
    assert!(
        text(&unclear).contains("`dance` is no command"),
        "{}",
        unclear.body
    );
    let detected = server.until(&run, "detected", |_| true).await;
    assert_eq!(detected["origin"]["source"], "slack");
    assert_eq!(detected["origin"]["kind"], "human");
    let log = server
        .get(&format!("/api/v1/runs/{run}/events"))
        .await
        .json();
    let events = log["events"].as_array().expect("events");
    let count = events
        .iter()
        .filter(|event| event["type"] == "detected")
        .count();
    assert_eq!(count, 1, "a repeat is one");

    let real = slack(&server, "real", "U1", "t5").await;
    assert!(text(&real).contains("nothing is scored"), "{}", real.body);
    let ended = server.until(&run, "run_ended", |_| true).await;
    assert_eq!(ended["fact"]["verdict"], "aborted");
    let page = server.get("/signals?all=1").await.body;
    assert!(
        page.contains("says that this is real") && page.contains("Slack"),
        "{page}"
    );
    assert!(!page.contains("legacy"), "a token is shown");
}

#[tokio::test]
async fn a_post_counts_on_the_teams_page_and_halts_on_any_other() {
    let server = Server::start().await;
    let run = server.drill().await;
    let now = server.services.supervisor.ports().clock.now().wall;
    let old = now - jiff::SignedDuration::from_mins(10);
    let posted = statuspage(&server, "sandbox", "u1", now).await;
    assert_eq!(
        (posted.status.as_u16(), &posted.json()["matched"]),
        (200, &json!(1))
    );
    let update = server.until(&run, "update_posted", |_| true).await;
    assert_eq!(update["fact"]["update"]["audience"], "customers");
    assert_eq!(update["fact"]["update"]["channels"], json!(["status_page"]));
    assert_eq!(update["origin"]["kind"], "human");
    // What customers read since before the drill is no leak.
    assert_eq!(
        statuspage(&server, "public", "u0", old).await.json()["matched"],
        0
    );
    let row = server.get(&format!("/api/v1/runs/{run}")).await.json();
    assert_eq!(row["stop"], Value::Null);
    assert_eq!(
        statuspage(&server, "public", "u2", now).await.json()["matched"],
        1
    );
    let stopped = server.until(&run, "stop_requested", |_| true).await;
    assert_eq!(stopped["origin"]["source"], "statuspage");
    assert!(
        stopped["fact"].to_string().contains("no sandbox"),
        "{stopped}"
    );
    server.until(&run, "run_ended", |_| true).await;
}

#[tokio::test]
async fn events_and_alerts_of_other_monitors_are_detections_where_the_drill_says_so() {
    let server = Server::start().await;
    let run = server.drill().await;
    let now = server.services.supervisor.ports().clock.now().wall;
    let alert = json!({
        "version": "1", "alerts": [{
            "status": "firing", "labels": {"alertname": "PaymentsFail"}, "startsAt": now.to_string(),
            "fingerprint": "f1",
        }],
    })
    .to_string();
    let request = server
        .request(Method::PUT, "/hooks/grafana")
        .header("x-grafana-alerting-signature", signed(alert.as_bytes()));
    assert_eq!(server.send(request, alert).await.json()["matched"], 1);
    let event =
        json!({"specversion": "1.0", "type": "payments.fail", "source": "/probe", "id": "1"})
            .to_string();
    for (content, matched) in [
        ("application/cloudevents+json", 202),
        ("application/json", 400),
    ] {
        let request = server
            .request(Method::POST, "/hooks/cloudevents")
            .header("content-type", content)
            .header("authorization", format!("Bearer {TOKEN}"));
        assert_eq!(
            server.send(request, event.clone()).await.status.as_u16(),
            matched
        );
    }
    let of = |source: &'static str| move |event: &Value| event["origin"]["source"] == source;
    for source in ["grafana", "cloudevents"] {
        let event = server.until(&run, "alert_received", of(source)).await;
        assert_eq!(event["fact"]["alert"]["qualifies"], true, "{source}");
    }
    server.halt(&run).await;
}

#[tokio::test]
async fn the_inbox_says_who_can_be_heard_and_leads_on() {
    let server = Server::start().await;
    for number in 0..52 {
        let now = server.services.supervisor.ports().clock.now().wall;
        let id = format!("e{number}");
        pagerduty(
            &server,
            &event(&id, "incident.triggered", &Value::Null, now),
        )
        .await;
    }
    let page = server.get("/signals").await.body;
    for part in [
        "What reached no run",
        "Payments fail fires",
        "hooks&#x2f;pagerduty",
        "never",
        "Earlier",
    ] {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
    let list = server.get("/api/v1/signals?limit=50").await.json();
    let next = list["next"].as_str().expect("a cursor").to_owned();
    let rest = server
        .get(&format!("/api/v1/signals?cursor={next}"))
        .await
        .json();
    assert_eq!(rest["signals"].as_array().expect("signals").len(), 2);
    let pager = list["sources"]
        .as_array()
        .expect("sources")
        .iter()
        .find(|one| one["source"] == "pagerduty")
        .expect("the pager")
        .clone();
    assert_eq!(
        (&pager["configured"], &pager["signals"]),
        (&json!(true), &json!(52))
    );
    assert!(pager["last_heard"].is_string());
    assert_eq!(rest["next"], Value::Null);
    for bad in ["cursor=r.1", "limit=0", "before=7"] {
        let refused = server.get(&format!("/api/v1/signals?{bad}")).await;
        assert_eq!(refused.status, 400, "{bad}");
    }
    let last = list["signals"][49]["id"].to_string();
    assert!(
        server
            .get(&format!("/signals?before={last}"))
            .await
            .body
            .contains("Latest")
    );
}

#[tokio::test]
async fn a_signal_is_attached_to_a_run_that_is_over_and_both_scores_are_shown() {
    let server = Server::start().await;
    let run = server.drill().await;
    let now = || server.services.supervisor.ports().clock.now().wall;
    let at = now();
    // Of a service that the drill does not list: it reaches no run.
    let mut page = event("e1", "incident.triggered", &Value::Null, at);
    page["event"]["data"]["service"]["id"] = json!("POTHER");
    assert_eq!(pagerduty(&server, &page).await.json()["unmatched"], 1);
    let id = server.get("/api/v1/signals").await.json()["signals"][0]["id"].to_string();
    let path = format!("/api/v1/signals/{id}/attach");
    let wanted = |reason: &str| json!({"run": run, "reason": reason});
    let early = server.post(&path, wanted("it was ours")).await;
    assert_eq!(early.problem(409), "run-goes-on");
    let before = server.get(&format!("/api/v1/runs/{run}")).await.json()["measures"].clone();
    assert_eq!(before["time_to_detect_machine"]["state"], "pending");
    server.halt(&run).await;

    assert_eq!(
        server.post(&path, wanted(" ")).await.problem(422),
        "empty-text"
    );
    let elsewhere = json!({"run": "r-none", "reason": "x"});
    assert_eq!(
        server.post(&path, elsewhere).await.problem(404),
        "no-such-run"
    );
    let first = server.post(&path, wanted("the service was renamed")).await;
    assert_eq!(first.status.as_u16(), 201, "{}", first.body);
    let again = server.post(&path, wanted("the service was renamed")).await;
    assert_eq!(
        again.json()["seq"],
        first.json()["seq"],
        "it is attached once"
    );

    let card = server
        .get(&format!("/api/v1/runs/{run}/scorecard"))
        .await
        .json();
    let corrected = &card["corrected"];
    assert_eq!(
        corrected["attached"][0]["reason"],
        "the service was renamed"
    );
    assert_eq!(
        corrected["attached"][0]["estimated"], false,
        "one clock took both"
    );
    assert_eq!(corrected["before"]["time_to_detect_ms"], Value::Null);
    let detected = &card["measures"]["time_to_detect_machine"];
    assert_eq!(detected["state"], "measured");
    assert_eq!(detected["to"]["seq"], first.json()["seq"]);
    let log = server
        .get(&format!("/api/v1/runs/{run}/events"))
        .await
        .json();
    let last = log["events"]
        .as_array()
        .expect("events")
        .last()
        .expect("one")
        .clone();
    assert_eq!(last["type"], "signal_attached");
    assert_eq!(last["origin"]["kind"], "human");
    assert_eq!(last["fact"]["fact"]["alert"]["qualifies"], true);
    let page = server.get(&format!("/runs/{run}/scorecard")).await.body;
    assert!(
        page.contains("Corrected after the run") && page.contains("TTD -"),
        "{page}"
    );
    assert!(
        server
            .get("/signals")
            .await
            .body
            .contains("Nothing waits here.")
    );
    assert!(
        server
            .get("/signals?all=1")
            .await
            .body
            .contains("attached to")
    );
    let room = server.get(&format!("/runs/{run}?staff=1")).await.body;
    assert!(room.contains("attaches a signal of"), "{room}");
    server
        .services
        .database
        .verify(&run.parse().expect("an id"))
        .await
        .expect("its chain holds");
}

#[tokio::test]
async fn a_test_signal_shows_which_tools_a_drill_can_hear() {
    use crate::model::probe::HttpRequest;
    use crate::model::signal::{Sender, SignalTest};
    use crate::model::time::Millis;
    let test = |within| SignalTest {
        request: HttpRequest {
            method: "POST".to_owned(),
            url: "http://127.0.0.1:9/alerts".to_owned(),
            headers: std::collections::BTreeMap::new(),
            body: Some("number {nonce}".to_owned()),
        },
        within: Millis::new(within),
    };
    let (asked, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start_with(|services| {
        let mut senders = (*services.senders).clone();
        senders.tests = [
            (Sender::Alertmanager, test(20_000)),
            (Sender::Grafana, test(300)),
        ]
        .into();
        senders.pagerduty.clear();
        services.senders = std::sync::Arc::new(senders);
        services.courier = std::sync::Arc::new(move |request| {
            let asked = asked.clone();
            Box::pin(async move {
                let _ = asked.send(request);
                Ok(())
            })
        });
    })
    .await;
    let run = server.drill().await;
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let request = requests.recv().await.expect("a test is sent");
        let body = request.body.expect("a body");
        numbers.push(body.trim_start_matches("number ").to_owned());
    }
    // Alertmanager sends on what it was given; Grafana stays silent.
    for number in numbers {
        let message = json!({
            "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "receiver": "drill",
            "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am:9093",
            "alerts": [{
                "status": "firing", "labels": {"alertname": "SignalTest", "number": number}, "annotations": {},
                "startsAt": "2026-01-01T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
                "fingerprint": number,
            }],
        });
        let request = server
            .request(Method::POST, "/hooks/alertmanager")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {TOKEN}"));
        assert_eq!(server.send(request, message.to_string()).await.status, 200);
    }
    let of = |sender: &'static str| {
        server.until(&run, "source_tested", move |event| {
            event["fact"]["sender"] == sender
        })
    };
    assert!(of("alertmanager").await["fact"]["took_ms"].is_u64());
    let grafana = of("grafana").await;
    assert!(
        grafana["fact"]["reason"]
            .as_str()
            .is_some_and(|why| why.contains("did not come within"))
    );
    let pagerduty = of("pagerduty").await;
    assert_eq!(pagerduty["fact"]["reason"], "its hook is closed");
    server.halt(&run).await;
}

/// A server with a surprise that counts Alertmanager's alerts, and a test through it that nobody answers.
async fn with_surprise(
    test_within: Option<u64>,
) -> (
    Server,
    tokio::sync::mpsc::UnboundedReceiver<crate::model::probe::HttpRequest>,
) {
    use crate::model::signal::{Sender, SignalTest};
    let (asked, requests) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start_with(|services| {
        let mut senders = (*services.senders).clone();
        senders.tests = test_within
            .map(|within| {
                let test = SignalTest {
                    request: crate::model::probe::HttpRequest {
                        method: "POST".to_owned(),
                        url: "http://127.0.0.1:9/alerts".to_owned(),
                        headers: std::collections::BTreeMap::new(),
                        body: Some("number {nonce}".to_owned()),
                    },
                    within: crate::model::time::Millis::new(within),
                };
                (Sender::Alertmanager, test)
            })
            .into_iter()
            .collect();
        senders.tested_every = Some(crate::model::time::Millis::seconds(3600));
        services.senders = std::sync::Arc::new(senders);
        services.courier = std::sync::Arc::new(move |request| {
            let asked = asked.clone();
            Box::pin(async move {
                let _ = asked.send(request);
                Ok(())
            })
        });
    })
    .await;
    server.write(
        "surprise.yaml",
        "kind: Drill\nname: unseen\nexperiment: cut\nrunbook: cutting\nteam: crew\nseverity: SEV2\nbrief: It is cut.\n\
         schedule: {cron: \"0 10 * * TUE\", surprise: true}\n\
         detection: [{alertmanager: {alertname: PaymentsFail}}, human]\n\
         remedies: [{id: mend, label: Mend it, ends: [cut-signer]}, {id: restart, label: Restart, http: \"http://127.0.0.1:9/restart\"}]\n",
    );
    // The listing is read anew every two seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    (server, requests)
}

/// What the log of a surprise that begins now says of Alertmanager.
async fn said_of_alertmanager(server: &Server) -> Value {
    let started = server
        .post("/api/v1/runs", json!({"drill": "unseen"}))
        .await;
    assert_eq!(started.status, 201, "{}", started.body);
    let run = started.json()["id"].as_str().expect("an id").to_owned();
    let told = server.until(&run, "source_tested", |_| true).await;
    server.halt(&run).await;
    told["fact"].clone()
}

/// A message as Alertmanager sends it, with this name of an alert and this number.
async fn alertmanager_says(server: &Server, name: &str, number: &str) {
    let message = json!({
        "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "receiver": "drill",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am:9093",
        "alerts": [{
            "status": "firing", "labels": {"alertname": name, "number": number}, "annotations": {},
            "startsAt": "2026-01-01T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
            "fingerprint": number,
        }],
    });
    let request = server
        .request(Method::POST, "/hooks/alertmanager")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {TOKEN}"));
    assert_eq!(server.send(request, message.to_string()).await.status, 200);
}

#[tokio::test]
async fn nothing_is_sent_for_a_surprise_and_a_tool_is_proven_by_when_it_was_last_heard() {
    let (server, mut requests) = with_surprise(Some(20_000)).await;
    let unproven = said_of_alertmanager(&server).await;
    assert!(
        unproven["reason"]
            .as_str()
            .is_some_and(|why| why.contains("was not heard in the last 24 h")),
        "{unproven}"
    );
    alertmanager_says(&server, "Anything", "f7").await;
    let proven = said_of_alertmanager(&server).await;
    assert!(proven["heard_at"].is_string(), "{proven}");
    assert!(proven["took_ms"].is_null(), "{proven}");
    assert!(requests.try_recv().is_err(), "something was sent for it");
}

#[tokio::test]
async fn tools_are_tested_on_a_clock_of_their_own_and_a_failed_test_outweighs_what_came_before() {
    let (server, mut requests) = with_surprise(Some(300)).await;
    alertmanager_says(&server, "Anything", "f7").await;
    let rounds = crate::http::test_rounds(server.services.clone());
    server.services.supervisor.own(rounds);
    requests.recv().await.expect("a test is sent");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let deaf = said_of_alertmanager(&server).await;
    assert!(
        deaf["reason"]
            .as_str()
            .is_some_and(|why| why.contains("its last test, at") && why.contains("failed")),
        "{deaf}"
    );
    // What comes afterwards proves it again.
    alertmanager_says(&server, "Anything", "f8").await;
    assert!(said_of_alertmanager(&server).await["heard_at"].is_string());
}

#[tokio::test]
async fn of_a_tool_without_a_test_that_was_never_heard_a_surprise_says_nothing() {
    let (server, _requests) = with_surprise(None).await;
    let started = server
        .post("/api/v1/runs", json!({"drill": "unseen"}))
        .await;
    let run = started.json()["id"].as_str().expect("an id").to_owned();
    server.until(&run, "probe_changed", |_| true).await;
    let log = server
        .get(&format!("/api/v1/runs/{run}/events"))
        .await
        .json();
    let events = log["events"].as_array().expect("events");
    assert!(events.iter().all(|event| event["type"] != "source_tested"));
    server.halt(&run).await;
}
