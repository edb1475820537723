//! Alertmanager's hook: who may, what is kept, and which runs hear of it.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};

use super::world::{Reply, Server, TOKEN};

fn message(name: &str, status: &str) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "drill",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am:9093",
        "alerts": [{
            "status": status, "labels": {"alertname": name, "severity": "critical"}, "annotations": {},
            "startsAt": "2026-01-01T10:00:00.123Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": name,
        }],
    })
}

async fn hook(server: &Server, token: Option<&str>, body: impl Into<bytes::Bytes>) -> Reply {
    let mut request = server
        .request(Method::POST, "/hooks/alertmanager")
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    server.send(request, body).await
}

#[tokio::test]
async fn only_a_known_token_opens_it() {
    let server = Server::start().await;
    let body = message("X", "firing").to_string();
    for token in [
        None,
        Some(""),
        Some("wrong"),
        Some("correct horse battery stapl"),
    ] {
        let refused = hook(&server, token, body.clone()).await;
        assert_eq!(refused.problem(401), "bad-token");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    assert!(
        server
            .services
            .database
            .unmatched_signals(9)
            .await
            .expect("asked")
            .is_empty()
    );
    assert_eq!(
        hook(&server, Some("another"), body.clone()).await.status,
        200
    );

    let closed = Server::start_with(|services| services.senders = Arc::default()).await;
    let refused = hook(&closed, Some(""), body).await;
    assert_eq!(refused.problem(403), "hooks-off");
    assert!(refused.body.contains("hint: "));
}

#[tokio::test]
async fn an_alert_that_matches_nothing_is_kept_as_it_came() {
    let server = Server::start().await;
    let body = message("SomethingElse", "firing").to_string();
    let taken = hook(&server, Some(TOKEN), body.clone()).await;
    assert_eq!(
        (taken.status.as_u16(), &taken.json()["unmatched"]),
        (200, &json!(1))
    );
    let again = hook(&server, Some(TOKEN), body.clone()).await.json();
    assert_eq!(again["repeated"], 1);
    // The same alert resolved is another one.
    assert_eq!(
        hook(
            &server,
            Some(TOKEN),
            message("SomethingElse", "resolved").to_string()
        )
        .await
        .json()["repeated"],
        0
    );
    let kept = server
        .services
        .database
        .unmatched_signals(9)
        .await
        .expect("asked");
    assert_eq!(kept.len(), 2);
    assert_eq!((kept[1].body.as_str(), kept[1].repeats), (body.as_str(), 1));
    assert!(
        server
            .get("/")
            .await
            .body
            .contains("Signals that no run waited for")
    );
}

#[tokio::test]
async fn an_alert_reaches_the_run_that_waits_for_it_once() {
    let server = Server::start().await;
    let run = server.drill().await;
    let body = message("PaymentsFail", "firing").to_string();
    for repeated in [0, 1] {
        let taken = hook(&server, Some(TOKEN), body.clone()).await.json();
        assert_eq!(
            (&taken["matched"], &taken["repeated"]),
            (&json!(1), &json!(repeated))
        );
    }
    let event = server.until(&run, "alert_received", |_| true).await;
    assert_eq!(event["fact"]["alert"]["qualifies"], true);
    assert_eq!(event["origin"]["source"], "alertmanager");
    assert_eq!(event["origin"]["kind"], "automation");
    assert_eq!(event["origin"]["event_time"], "2026-01-01T10:00:00.123Z");
    let log = server
        .get(&format!("/api/v1/runs/{run}/events"))
        .await
        .json();
    let count = log["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter(|event| event["type"] == "alert_received")
        .count();
    assert_eq!(count, 1);
    assert!(
        server
            .services
            .database
            .unmatched_signals(9)
            .await
            .expect("asked")
            .is_empty()
    );
    server.halt(&run).await;
    // A run that is over hears nothing any more.
    let late = hook(
        &server,
        Some(TOKEN),
        message("PaymentsFail", "resolved").to_string(),
    )
    .await
    .json();
    assert_eq!(late["unmatched"], 1);
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let server = Server::start().await;
    for body in [
        "",
        "{",
        "[]",
        r#"{"version":"4"}"#,
        r#"{"version":"4","alerts":[{}]}"#,
        r#"{"version":"1","alerts":[]}"#,
    ] {
        assert_eq!(
            hook(&server, Some(TOKEN), body).await.problem(400),
            "bad-webhook",
            "{body}"
        );
    }
    assert_eq!(
        hook(&server, Some(TOKEN), vec![b' '; (1 << 20) + 1])
            .await
            .problem(413),
        "too-large"
    );
    assert_eq!(server.get("/hooks/alertmanager").await.status, 405);
}

#[tokio::test]
async fn what_could_not_be_recorded_is_to_be_sent_again() {
    let server = Server::start().await;
    server.services.database.close().await.expect("closed");
    let body = message("X", "firing").to_string();
    assert_eq!(
        hook(&server, Some(TOKEN), body).await.problem(503),
        "not-recorded"
    );
}
