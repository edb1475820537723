//! What arrives: golden payloads, threads, retries, and limits.

use insta::{assert_json_snapshot, assert_snapshot};

use super::receiver::Receiver;
use super::*;
use crate::ports::{Delivered, Notifier as _};

/// Sends messages one after the other, each with the thread that the first opened.
async fn sent(
    receiver: &Receiver,
    way: impl Fn() -> Way,
    texts: &[(Stage, &str)],
) -> Vec<Delivered> {
    let notifiers = notifiers(&receiver.address);
    let mut all: Vec<Delivered> = Vec::new();
    for (nth, (stage, text)) in texts.iter().enumerate() {
        let mut post = post(way(), *stage, text);
        post.key += u64::try_from(nth).expect("a few");
        post.thread = all.iter().find_map(|taken| taken.reference.clone());
        let taken = notifiers.send(&post).await;
        all.push(taken.expect("it is taken"));
    }
    all
}

const THREE: [(Stage, &str); 3] = [
    (
        Stage::FirstNotice,
        "[DRILL] Transfers fail. <!channel> & more",
    ),
    (Stage::Update, "[DRILL] Still so."),
    (Stage::Resolved, "[DRILL] Transfers work."),
];

#[tokio::test]
async fn slack_gets_an_escaped_text() {
    let receiver = Receiver::willing().await;
    let taken = sent(
        &receiver,
        || Way::Slack {
            webhook: key("WEBHOOK"),
        },
        &THREE[..1],
    )
    .await;
    let heard = receiver.heard();
    assert_eq!(heard[0].line, "POST /services/T0/B0/s3cret HTTP/1.1");
    assert_eq!(heard[0].header("content-type"), Some("application/json"));
    assert_json_snapshot!(heard[0].body, @r#"
    {
      "text": "[DRILL] Transfers fail. &lt;!channel&gt; &amp; more",
      "unfurl_links": false,
      "unfurl_media": false
    }
    "#);
    assert_eq!(taken[0].evidence, "Slack took it");
}

#[tokio::test]
async fn discord_gets_a_content_that_mentions_nobody() {
    let receiver = Receiver::willing().await;
    let long = format!("[DRILL] {}", "é".repeat(3000));
    let texts = [THREE[0], (Stage::Update, long.as_str())];
    let taken = sent(
        &receiver,
        || Way::Discord {
            webhook: key("WEBHOOK"),
        },
        &texts,
    )
    .await;
    let heard = receiver.heard();
    assert_eq!(
        heard[0].line,
        "POST /services/T0/B0/s3cret?wait=true HTTP/1.1"
    );
    assert_json_snapshot!(heard[0].body, @r#"
    {
      "content": "[DRILL] Transfers fail. <!channel> & more",
      "allowed_mentions": {
        "parse": []
      }
    }
    "#);
    let content = heard[1].body["content"].as_str().expect("a text");
    assert_eq!(content.chars().count(), 2000);
    assert!(content.starts_with("[DRILL] é") && content.ends_with(" …"));
    assert_eq!(taken[0].reference.as_deref(), Some("x1"));
}

#[tokio::test]
async fn telegram_gets_plain_text_that_is_not_too_long() {
    let receiver = Receiver::answering(|_, _| {
        (
            "200 OK".into(),
            r#"{"ok":true,"result":{"message_id":42}}"#.into(),
        )
    })
    .await;
    let long = format!("[DRILL] {}", "🔑".repeat(3000));
    let texts = [THREE[0], (Stage::Update, long.as_str())];
    let way = || Way::Telegram {
        url: format!("http://{}", receiver.address),
        token: key("KEY"),
        chat: "-100".into(),
    };
    let taken = sent(&receiver, way, &texts).await;
    let heard = receiver.heard();
    assert_eq!(heard[0].line, "POST /botk3y/sendMessage HTTP/1.1");
    assert_json_snapshot!(heard[0].body, @r#"
    {
      "chat_id": "-100",
      "text": "[DRILL] Transfers fail. <!channel> & more",
      "link_preview_options": {
        "is_disabled": true
      }
    }
    "#);
    let text = heard[1].body["text"].as_str().expect("a text");
    assert!((4090..=4096).contains(&text.encode_utf16().count()));
    assert_eq!(taken[0].reference.as_deref(), Some("42"));
}

#[tokio::test]
async fn pagerduty_gets_one_incident_a_run() {
    let receiver = Receiver::answering(|_, _| {
        (
            "202 Accepted".into(),
            r#"{"status":"success","dedup_key":"firedrill-r1"}"#.into(),
        )
    })
    .await;
    let way = || Way::Pagerduty {
        url: format!("http://{}/", receiver.address),
        routing_key: key("KEY"),
    };
    sent(&receiver, way, &THREE).await;
    let heard = receiver.heard();
    assert_eq!(heard[0].line, "POST /v2/enqueue HTTP/1.1");
    assert_json_snapshot!(heard[0].body, @r#"
    {
      "routing_key": "k3y",
      "event_action": "trigger",
      "dedup_key": "firedrill-r1",
      "client": "firedrill",
      "payload": {
        "summary": "[DRILL] Transfers fail. <!channel> & more",
        "source": "firedrill",
        "severity": "error",
        "class": "drill",
        "custom_details": {
          "drill": true,
          "stage": "first_notice",
          "title": "[DRILL] Incident on wallet",
          "text": "[DRILL] Transfers fail. <!channel> & more"
        }
      }
    }
    "#);
    let told: Vec<(&str, &str)> = heard
        .iter()
        .map(|one| {
            let text = |key: &str| one.body[key].as_str().expect("a text");
            (text("event_action"), text("dedup_key"))
        })
        .collect();
    let key = "firedrill-r1";
    assert_eq!(told, [("trigger", key), ("trigger", key), ("resolve", key)]);
}

#[tokio::test]
async fn statuspage_gets_one_incident_a_run_and_no_subscriber_hears_of_it() {
    let receiver = Receiver::answering(|line, _| {
        let answer = if line.starts_with("GET") {
            "[]"
        } else {
            r#"{"id":"inc1"}"#
        };
        ("201 Created".into(), answer.into())
    })
    .await;
    let way = || Way::Statuspage {
        url: format!("http://{}", receiver.address),
        page: "p1".into(),
        key: key("KEY"),
    };
    sent(&receiver, way, &THREE).await;
    let heard = receiver.heard();
    let lines: Vec<&str> = heard.iter().map(|one| one.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/pages/p1/incidents/unresolved HTTP/1.1",
            "POST /v1/pages/p1/incidents HTTP/1.1",
            "PATCH /v1/pages/p1/incidents/inc1 HTTP/1.1",
            "PATCH /v1/pages/p1/incidents/inc1 HTTP/1.1",
        ]
    );
    assert!(
        heard
            .iter()
            .all(|one| one.header("authorization") == Some("OAuth k3y"))
    );
    assert_json_snapshot!(heard[1].body, @r#"
    {
      "incident": {
        "status": "investigating",
        "body": "[DRILL] Transfers fail. <!channel> & more",
        "deliver_notifications": false,
        "name": "[DRILL] Incident on wallet",
        "metadata": {
          "firedrill": {
            "run": "r1"
          }
        }
      }
    }
    "#);
    assert_json_snapshot!(heard[3].body, @r#"
    {
      "incident": {
        "status": "resolved",
        "body": "[DRILL] Transfers work.",
        "deliver_notifications": false
      }
    }
    "#);
}

#[tokio::test]
async fn an_incident_that_nobody_remembers_is_found_again() {
    let receiver = Receiver::answering(|line, _| {
        let open =
            r#"[{"id":"other","metadata":{}},{"id":"inc7","metadata":{"firedrill":{"run":"r1"}}}]"#;
        let answer = if line.starts_with("GET") { open } else { "{}" };
        ("200 OK".into(), answer.into())
    })
    .await;
    let way = || Way::Statuspage {
        url: format!("http://{}", receiver.address),
        page: "p1".into(),
        key: key("KEY"),
    };
    let taken = sent(
        &receiver,
        way,
        &[(Stage::DrillOver, "[DRILL] The drill is over.")],
    )
    .await;
    assert_eq!(taken[0].reference.as_deref(), Some("inc7"));
    let last = receiver.heard().pop().expect("a request");
    assert_eq!(last.line, "PATCH /v1/pages/p1/incidents/inc7 HTTP/1.1");
    assert_eq!(last.body["incident"]["status"], "resolved");
}

#[tokio::test]
async fn a_webhook_gets_everything_and_a_key_that_stays() {
    let receiver = Receiver::answering(|_, before| {
        if before == 0 {
            return (String::new(), String::new());
        }
        ("204 No Content".into(), String::new())
    })
    .await;
    let way = || ways(&receiver.address).remove(5);
    let taken = sent(&receiver, way, &THREE[..1]).await;
    let heard = receiver.heard();
    assert_eq!(
        heard.len(),
        2,
        "what may have arrived is sent again where that is safe"
    );
    assert_eq!(heard[0].header("idempotency-key"), Some("r1.7"));
    assert_eq!(heard[1].header("idempotency-key"), Some("r1.7"));
    assert_eq!(heard[1].header("x-token"), Some("Bearer k3y"));
    assert_eq!(heard[1].line, "POST /in/k3y HTTP/1.1");
    assert_json_snapshot!(heard[1].body, @r#"
    {
      "drill": true,
      "run": "r1",
      "key": "r1.7",
      "channel": "c",
      "audience": "customers",
      "stage": "first_notice",
      "title": "[DRILL] Incident on wallet",
      "text": "[DRILL] Transfers fail. <!channel> & more"
    }
    "#);
    assert_eq!(taken[0].evidence, "the webhook answered 204");
}

#[tokio::test]
async fn a_banner_is_put_and_taken_away() {
    let receiver = Receiver::willing().await;
    let way = || ways(&receiver.address).remove(7);
    sent(&receiver, way, &THREE).await;
    let heard = receiver.heard();
    assert_eq!(heard[0].line, "PUT /banner HTTP/1.1");
    assert_json_snapshot!(heard[0].body, @r#"
    {
      "drill": true,
      "run": "r1",
      "visible": true,
      "stage": "first_notice",
      "title": "[DRILL] Incident on wallet",
      "text": "[DRILL] Transfers fail. <!channel> & more"
    }
    "#);
    let visible: Vec<_> = heard
        .iter()
        .map(|one| one.body["visible"].clone())
        .collect();
    assert_eq!(visible, [true, true, false]);
}

#[tokio::test]
async fn a_mail_server_is_spoken_to_as_it_expects() {
    let receiver = Receiver::willing().await;
    let way = || Way::Email(mail(&receiver.address));
    let taken = sent(&receiver, way, &THREE[..2]).await;
    assert_eq!(taken[0].reference.as_deref(), Some("<r1.7@firedrill>"));
    assert_eq!(
        taken[0].evidence,
        "the mail server answered 250 queued as 42"
    );
    let mail = receiver.mail();
    let without_date = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("C: Date: "));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(without_date(&mail[0]), @r"
    S: 220 mail.staging.example ESMTP
    C: EHLO [127.0.0.1]
    S: 250-mail.staging.example
    250 AUTH PLAIN
    C: AUTH PLAIN AGRyaWxsAGszeQ==
    S: 235 welcome
    C: MAIL FROM:<drill@staging.example>
    S: 250 fine
    C: RCPT TO:<team@staging.example>
    S: 250 fine
    C: RCPT TO:<boss@staging.example>
    S: 250 fine
    C: DATA
    S: 354 go on
    C: From: Drills <drill@staging.example>
    C: To: team@staging.example, boss@staging.example
    C: Subject: [DRILL] Incident on wallet
    C: Message-ID: <r1.7@firedrill>
    C: Auto-Submitted: auto-generated
    C: Content-Type: text/plain; charset=utf-8
    C: Content-Transfer-Encoding: 7bit
    C: 
    C: [DRILL] Transfers fail. <!channel> & more
    C: .
    S: 250 queued as 42
    C: QUIT
    ");
    assert!(
        mail[1].contains("C: In-Reply-To: <r1.7@firedrill>"),
        "{}",
        mail[1]
    );
    assert!(mail[1].contains("C: References: <r1.7@firedrill>"));
}

#[tokio::test]
async fn what_would_be_read_twice_is_tried_again_only_where_it_surely_did_not_arrive() {
    let hangs_up = Receiver::answering(|_, _| (String::new(), String::new())).await;
    let busy = Receiver::answering(|_, before| {
        if before == 0 {
            ("429 Too Many Requests".into(), "slow down".into())
        } else {
            ("200 OK".into(), "ok".into())
        }
    })
    .await;
    let refuses =
        Receiver::answering(|_, _| ("403 Forbidden".into(), "no  such\nhook".into())).await;
    let slack = || {
        post(
            Way::Slack {
                webhook: key("WEBHOOK"),
            },
            Stage::Update,
            "[DRILL] x",
        )
    };
    let why = notifiers(&hangs_up.address)
        .send(&slack())
        .await
        .expect_err("it hung up");
    assert!(
        why.ends_with("it may have arrived, and is not sent again"),
        "{why}"
    );
    assert_eq!(hangs_up.heard().len(), 1);
    assert!(notifiers(&busy.address).send(&slack()).await.is_ok());
    assert_eq!(busy.heard().len(), 2);
    let why = notifiers(&refuses.address)
        .send(&slack())
        .await
        .expect_err("it refuses");
    assert_eq!(why, "Slack answered 403: no such hook");
    assert_eq!(refuses.heard().len(), 1);
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let absent = "127.0.0.1:1";
    for way in ways(absent) {
        let title = way.title();
        let why = notifiers(absent)
            .send(&post(way, Stage::Update, "[DRILL] x"))
            .await;
        let why = why.expect_err("nobody is there");
        for secret in ["s3cret", "k3y"] {
            assert!(!why.contains(secret), "{title}: {why}");
        }
    }
    let echoes = Receiver::answering(|line, _| ("400 Bad Request".into(), line.to_owned())).await;
    let slack = Way::Slack {
        webhook: key("WEBHOOK"),
    };
    let why = notifiers(&echoes.address)
        .send(&post(slack, Stage::Update, "[DRILL] x"))
        .await;
    let why = why.expect_err("it refuses");
    assert!(!why.contains("s3cret"), "{why}");
}
