//! Every sender's message as it comes, and signatures that were made with openssl, not with this code.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::engine::event::ActorKind;
use crate::model::drill::Severity;
use crate::model::runbook::Audience;
use crate::model::signal::{GrafanaSigning, Secret};
use crate::model::team::{Role, Seat};

const ALERTMANAGER: &str = include_str!("tests/alertmanager.json");
const GRAFANA: &str = include_str!("tests/grafana.json");
const PAGERDUTY: &str = include_str!("tests/pagerduty.json");
const CLOUDEVENT: &str = include_str!("tests/cloudevent.json");
const STATUSPAGE: &str = include_str!("tests/statuspage.json");

/// `openssl dgst -sha256 -hmac SECRET` over the file's line, of Grafana also after `1767261730:`.
const SECRET: &str = "s3cret of the tests";
const PAGERDUTY_SIGNED: &str = "8bdd9c7df94538434343950787ac3ad0a1e0f0b4d4e3ce87bde4824b18d09f3c";
const GRAFANA_SIGNED: &str = "5ed3041c8d3361eb732cc9f2b5f93dc1f0a390ad7460603c6b9155ee2c78e9d3";
const GRAFANA_TIMED: &str = "f618e28738570791a20cf3b071d22bdca5e3749f2d0edd2894e9de37a97de988";

/// The example of Slack's own page on verifying requests.
const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const SLACK_TIME: &str = "1531420618";
const SLACK_SIGNED: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const SLACK: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
    &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https\
    %3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015\
    .47445629121.803a0bc887a14d10d2c447fce8b6703c";

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn known() -> Senders {
    Senders {
        tokens: vec![Secret::new("first"), Secret::new("second")],
        grafana: Some(GrafanaSigning {
            secret: Secret::new(SECRET),
            signature_header: "X-Grafana-Alerting-Signature".to_owned(),
            timestamp_header: None,
        }),
        pagerduty: vec![Secret::new("next"), Secret::new(SECRET)],
        slack: vec![Secret::new(SLACK_SECRET)],
        ..Senders::default()
    }
}

fn send(
    sender: Sender,
    headers: &[(&str, &str)],
    body: &str,
    received: &str,
) -> Result<Message, Refusal> {
    let headers: Headers = headers.iter().copied().collect();
    let arrival = Arrival {
        headers: &headers,
        body: body.trim_end().as_bytes(),
        token: None,
        received: at(received),
    };
    read(sender, &arrival, &known())
}

const NOW: &str = "2026-01-01T10:02:20Z";

fn with_token(sender: Sender, body: &str) -> Result<Message, Refusal> {
    let headers = [
        ("Authorization", "Bearer second"),
        (
            "Content-Type",
            "application/cloudevents+json; charset=utf-8",
        ),
    ];
    send(sender, &headers, body, NOW)
}

#[test]
fn alerts_carry_when_their_rule_fired_and_what_they_are_known_by() {
    let message = with_token(Sender::Alertmanager, ALERTMANAGER).expect("a message");
    assert_eq!((message.signals.len(), message.truncated), (2, 3));
    let [firing, resolved] = message.signals.as_slice() else {
        panic!("two signals")
    };
    assert_eq!(
        firing.identity,
        "1a30ba71cca2921f/2026-01-01T10:02:10.123Z/firing"
    );
    assert_eq!(firing.event_time, Some(at("2026-01-01T10:02:10.123Z")));
    assert_eq!(firing.kind, ActorKind::Automation);
    assert!(matches!(
        &firing.what,
        What::Alert { firing: true, labels, .. } if labels["alertname"] == "TransfersFailing"
    ));
    assert_eq!(resolved.summary(), "SignerSlow is resolved");
    let part = firing.part.as_ref().expect("its own part of the body");
    assert!(!String::from_utf8_lossy(part).contains("SignerSlow"));
}

#[test]
fn grafana_is_known_by_its_signature_with_or_without_a_time() {
    let header = "x-grafana-alerting-signature";
    let message = send(Sender::Grafana, &[(header, GRAFANA_SIGNED)], GRAFANA, NOW);
    let message = message.expect("a message");
    assert_eq!(message.signals[0].summary(), "TransfersFailing fires");
    let upper = GRAFANA_SIGNED.to_uppercase();
    assert!(send(Sender::Grafana, &[(header, &upper)], GRAFANA, NOW).is_ok());
    for wrong in ["", "zz", &GRAFANA_SIGNED[..62], GRAFANA_TIMED] {
        let refused = send(Sender::Grafana, &[(header, wrong)], GRAFANA, NOW);
        assert!(matches!(refused, Err(Refusal::Unproven(_))), "{wrong}");
    }
    let token = [("authorization", "Bearer second")];
    let refused = send(Sender::Grafana, &token, GRAFANA, NOW);
    assert!(matches!(refused, Err(Refusal::Unproven(_))), "it must sign");

    let mut timed = known();
    if let Some(signing) = &mut timed.grafana {
        signing.timestamp_header = Some("X-Grafana-Time".to_owned());
    }
    let ask = |time: Option<&str>, received: &str| {
        let mut headers = vec![(header, GRAFANA_TIMED)];
        headers.extend(time.map(|time| ("X-Grafana-Time", time)));
        let headers: Headers = headers.into_iter().collect();
        let arrival = Arrival {
            headers: &headers,
            body: GRAFANA.trim_end().as_bytes(),
            token: None,
            received: at(received),
        };
        read(Sender::Grafana, &arrival, &timed).is_ok()
    };
    // It was signed at 10:02:10.
    assert!(ask(Some("1767261730"), "2026-01-01T10:07:10Z"));
    assert!(ask(Some("1767261730"), "2026-01-01T09:57:10Z"));
    assert!(!ask(Some("1767261730"), "2026-01-01T10:07:11Z"), "a copy");
    assert!(!ask(Some("1767261730"), "2026-01-01T09:57:09Z"), "a copy");
    assert!(
        !ask(Some("1767261731"), "2026-01-01T10:02:11Z"),
        "not what was signed"
    );
    assert!(!ask(None, "2026-01-01T10:02:11Z"));
}

fn pagerduty(signature: &str, body: &str) -> Result<Message, Refusal> {
    send(
        Sender::Pagerduty,
        &[("X-PagerDuty-Signature", signature)],
        body,
        NOW,
    )
}

#[test]
fn pagerduty_is_known_by_any_of_its_signatures() {
    for right in [
        format!("v1={PAGERDUTY_SIGNED}"),
        format!("v1={GRAFANA_SIGNED},v1={PAGERDUTY_SIGNED}"),
        format!("v1={PAGERDUTY_SIGNED}, v2=what-comes-later"),
    ] {
        assert!(pagerduty(&right, PAGERDUTY).is_ok(), "{right}");
    }
    for wrong in [
        String::new(),
        PAGERDUTY_SIGNED.to_owned(),
        format!("v0={PAGERDUTY_SIGNED}"),
        format!("v1={GRAFANA_SIGNED}"),
    ] {
        let refused = pagerduty(&wrong, PAGERDUTY);
        assert!(matches!(refused, Err(Refusal::Unproven(_))), "{wrong}");
    }
    let changed = PAGERDUTY.replace("PF9KMXH", "PF9KMXI");
    assert!(pagerduty(&format!("v1={PAGERDUTY_SIGNED}"), &changed).is_err());
}

/// An event as it is read once it has proven itself.
fn event(kind: &str, change: impl FnOnce(&mut serde_json::Value)) -> Signal {
    let mut event: serde_json::Value = serde_json::from_str(PAGERDUTY).expect("JSON");
    event["event"]["event_type"] = kind.into();
    change(&mut event["event"]);
    let body = event.to_string();
    let headers = Headers::default();
    let arrival = Arrival {
        headers: &headers,
        body: body.as_bytes(),
        token: None,
        received: at(NOW),
    };
    let mut message = super::pagerduty::read(&arrival).expect("a message");
    message.signals.remove(0)
}

#[test]
fn an_acknowledgement_is_a_persons_only_where_a_user_did_it() {
    let signal = event("incident.acknowledged", |_| ());
    assert!(matches!(
        &signal.what,
        What::Act { act: TeamAct::Acknowledged, labels } if labels["service"] == "PF9KMXH"
    ));
    assert_eq!(signal.kind, ActorKind::Human);
    assert_eq!(
        signal.person.map(|person| person.id).as_deref(),
        Some("PLH1HKV")
    );
    assert_eq!(signal.event_time, Some(at("2026-01-01T10:03:00.169Z")));
    // To the second, and not before its end.
    assert_eq!(signal.since, Some(at("2026-01-01T10:02:00.999Z")));
    assert_eq!(signal.thread.as_deref(), Some("PGR0VU2"));

    for agent in [
        serde_json::Value::Null,
        serde_json::json!({"id": "PX", "type": "service_reference", "summary": "A rule"}),
        serde_json::json!({"id": "PX", "type": "integration_reference"}),
    ] {
        let signal = event("incident.acknowledged", |event| event["agent"] = agent);
        assert_eq!(signal.kind, ActorKind::Automation);
        assert_eq!(signal.person, None);
    }
}

#[test]
fn what_pagerduty_says_becomes_what_a_drill_knows() {
    let page = event("incident.triggered", |_| ());
    let What::Alert {
        labels, starts_at, ..
    } = &page.what
    else {
        panic!("no page: {page:?}")
    };
    assert_eq!(labels["title"], "Transfers fail");
    assert_eq!(*starts_at, at("2026-01-01T10:03:00.169Z"));

    let act = |kind: &str, data: serde_json::Value| {
        let signal = event(kind, |event| {
            if !data.is_null() {
                event["data"] = data;
            }
        });
        assert_eq!(signal.thread.as_deref(), Some("PGR0VU2"), "{kind}");
        match signal.what {
            What::Act { act, .. } => act,
            other => panic!("{kind}: {other:?}"),
        }
    };
    let none = serde_json::Value::Null;
    let incident = serde_json::json!({"id": "PGR0VU2", "type": "incident_reference"});
    assert_eq!(
        act("incident.priority_updated", none.clone()),
        TeamAct::Declared {
            severity: Severity::Sev1
        }
    );
    assert_eq!(act("incident.resolved", none.clone()), TeamAct::Resolved);
    assert_eq!(
        act(
            "incident.role.assigned",
            serde_json::json!({"incident": incident, "role": {"summary": "Incident Commander"}})
        ),
        TeamAct::RoleTaken {
            role: Role::IncidentCommander,
            to: None,
        }
    );
    let TeamAct::UpdatePosted(update) = act(
        "incident.status_update_published",
        serde_json::json!({"incident": incident, "message": "A fix is being made", "type": "incident_status_update"}),
    ) else {
        panic!("no update")
    };
    assert_eq!(update.audience, Audience::Internal);
    let noted = |text: &str| TeamAct::Noted {
        text: text.to_owned(),
    };
    assert_eq!(
        act(
            "incident.annotated",
            serde_json::json!({"incident": incident, "content": "the signer is cut off"})
        ),
        noted("the signer is cut off")
    );
    assert_eq!(
        act("incident.escalated", none.clone()),
        noted("escalated to Ann Example")
    );
    assert_eq!(
        act("incident.unacknowledged", none),
        noted("the acknowledgement lapsed")
    );
    let by_a_rule = event("incident.resolved", |event| {
        event["agent"] = serde_json::Value::Null;
    });
    assert!(matches!(
        by_a_rule.what,
        What::Act { act: TeamAct::Noted { text }, .. } if text == "resolved by automation"
    ));
    // What comes later than this was written is taken, and means nothing.
    for other in ["pagey.ping", "service.updated", "incident.service_updated"] {
        assert!(
            matches!(event(other, |_| ()).what, What::Other { .. }),
            "{other}"
        );
    }
}

fn slack(time: &str, signature: &str, body: &str, received: &str) -> Result<Message, Refusal> {
    let headers = [
        ("X-Slack-Request-Timestamp", time),
        ("X-Slack-Signature", signature),
    ];
    send(Sender::Slack, &headers, body, received)
}

#[test]
fn slacks_own_example_is_known_and_its_copy_is_not() {
    // It was signed at 18:36:58.
    let signed = |received| slack(SLACK_TIME, SLACK_SIGNED, SLACK, received);
    let message = signed("2018-07-12T18:41:58Z").expect("a message");
    let signal = &message.signals[0];
    assert!(
        matches!(&signal.what, What::Unclear { answer } if answer.contains("detected SERVICE"))
    );
    assert_eq!(
        signal.identity,
        "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    );
    let kept = String::from_utf8_lossy(signal.part.as_deref().expect("what is kept"));
    assert!(kept.contains("user_id=U2CERLKJA"), "{kept}");
    assert!(
        !kept.contains("xyzz0") && !kept.contains("response_url"),
        "{kept}"
    );

    assert!(signed("2018-07-12T18:41:59Z").is_err(), "older than 300 s");
    assert!(
        signed("2018-07-12T18:31:57Z").is_err(),
        "300 s from the future"
    );
    let now = "2018-07-12T18:37:00Z";
    assert!(slack("1531420619", SLACK_SIGNED, SLACK, now).is_err());
    assert!(slack(SLACK_TIME, &SLACK_SIGNED[3..], SLACK, now).is_err());
    assert!(slack(SLACK_TIME, SLACK_SIGNED, &SLACK.replace("U2C", "U2D"), now).is_err());
}

#[test]
fn a_command_is_the_act_that_the_rooms_form_would_be() {
    let now = at(NOW);
    let act = |text: &str| super::slack::command(text, now);
    let ok = |text: &str| {
        act(text)
            .1
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    assert_eq!(
        ok("detected wallet-api transfers time out"),
        TeamAct::Detected {
            service: "wallet-api".parse().expect("a name"),
            symptom: "transfers time out".to_owned()
        }
    );
    for text in ["ack", "ACK ", "acknowledge"] {
        assert_eq!(ok(text), TeamAct::Acknowledged);
    }
    assert_eq!(
        ok("declare sev-2"),
        TeamAct::Declared {
            severity: Severity::Sev2
        }
    );
    assert_eq!(
        ok("role incident commander"),
        TeamAct::RoleTaken {
            role: Role::IncidentCommander,
            to: None,
        }
    );
    assert_eq!(
        ok("cause signer-outage"),
        TeamAct::CauseNamed {
            cause: "signer-outage".to_owned()
        }
    );
    assert_eq!(
        ok("remedy failover"),
        TeamAct::RemedyChosen {
            remedy: "failover".parse().expect("a name")
        }
    );
    assert_eq!(
        ok("note look"),
        TeamAct::Noted {
            text: "look".to_owned()
        }
    );
    assert_eq!(
        ok("role deputy to=bo"),
        TeamAct::RoleTaken {
            role: Role::Deputy,
            to: Some("bo".to_owned()),
        }
    );
    assert_eq!(
        ok("join"),
        TeamAct::Joined {
            seat: Seat::Responder
        }
    );
    assert_eq!(
        ok("escalate dana nobody knows the signer"),
        TeamAct::Escalated {
            to: "dana".to_owned(),
            reason: Some("nobody knows the signer".to_owned()),
        }
    );
    let reply = |inject| TeamAct::Replied {
        inject,
        text: "they are safe".to_owned(),
    };
    assert_eq!(ok("reply they are safe"), reply(None));
    assert_eq!(ok("reply 2 they are safe"), reply(Some(1)));
    assert_eq!(
        ok("nothing a planned release"),
        TeamAct::Dismissed {
            reason: "a planned release".to_owned()
        }
    );
    assert_eq!(
        ok("approve failover"),
        TeamAct::RemedyApproved {
            remedy: "failover".parse().expect("a name")
        }
    );
    assert_eq!(ok("resolved"), TeamAct::Resolved);
    assert_eq!(ok("real"), TeamAct::Real);
    assert_eq!(
        act("run=r7 real"),
        (Some("r7".to_owned()), Ok(TeamAct::Real))
    );
    let TeamAct::UpdatePosted(update) =
        ok("update customers on=status_page,telegram next=20m recovery=10m-30m Transfers fail.")
    else {
        panic!("no update")
    };
    assert_eq!(update.audience, Audience::Customers);
    assert_eq!(update.channels, ["status_page", "telegram"]);
    assert_eq!(update.next_update_at, Some(at("2026-01-01T10:22:20Z")));
    assert_eq!(
        update.estimated_recovery,
        Some((at("2026-01-01T10:12:20Z"), at("2026-01-01T10:32:20Z")))
    );
    assert_eq!(update.text, "Transfers fail.");
    for (bad, part) in [
        ("", "say one of"),
        ("dance", "`dance` is no command"),
        ("detected", "detected SERVICE SYMPTOM"),
        ("detected wallet-api", "detected SERVICE SYMPTOM"),
        ("declare SEV9", "severity"),
        ("role king", "role"),
        ("update next=soon x", "`soon`"),
        ("update customers", "says something"),
        ("update recovery=30m-10m x", "before it begins"),
        ("note", "note"),
    ] {
        let answer = act(bad).1.expect_err(bad);
        assert!(answer.contains(part), "{bad}: {answer}");
    }
}

#[test]
fn cloud_events_come_in_two_modes() {
    let message = with_token(Sender::Cloudevents, CLOUDEVENT).expect("a message");
    let structured = &message.signals[0];
    assert_eq!(structured.identity, "/probes/wallet#A234-1234-1234");
    let What::Alert { labels, .. } = &structured.what else {
        panic!("no alert")
    };
    let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        labels,
        [
            "attempt=3",
            "region=eu",
            "source=/probes/wallet",
            "subject=transfers",
            "type=com.example.wallet.degraded"
        ]
    );
    let headers = [
        ("Authorization", "Bearer first"),
        ("Content-Type", "application/json"),
        ("ce-specversion", "1.0"),
        ("CE-Type", "com.example.wallet.degraded"),
        ("ce-source", "/probes/wallet"),
        ("ce-id", "A234-1234-1234"),
        ("ce-subject", "transfers%20out"),
    ];
    let message = send(Sender::Cloudevents, &headers, r#"{"rate":0.4}"#, NOW).expect("a message");
    let binary = &message.signals[0];
    assert_eq!(binary.identity, structured.identity);
    let What::Alert {
        labels, starts_at, ..
    } = &binary.what
    else {
        panic!("no alert")
    };
    assert_eq!(labels["subject"], "transfers out");
    assert_eq!(*starts_at, at(NOW), "without a time it is when it came");
    for (change, part) in [
        (r#""1.0""#, "specversion"),
        (r#""A234-1234-1234""#, "`id`"),
        (r#""/probes/wallet""#, "`source`"),
    ] {
        let body = CLOUDEVENT.replace(change, r#""""#);
        let refused = with_token(Sender::Cloudevents, &body).expect_err("refused");
        assert!(refused.to_string().contains(part), "{refused}");
    }
}

#[test]
fn a_status_page_tells_each_update_once_and_in_order() {
    let message = with_token(Sender::Statuspage, STATUSPAGE).expect("a message");
    let told: Vec<_> = message
        .signals
        .iter()
        .map(|signal| match &signal.what {
            What::Post { page, status, text } => (page.as_str(), status.as_str(), text.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "j2mfxwj97wnj",
                "investigating",
                "We are looking into failing transfers."
            ),
            (
                "j2mfxwj97wnj",
                "identified",
                "We found the cause. Please do not retry transfers."
            ),
        ]
    );
    assert_eq!(
        message.signals[0].identity,
        "j2mfxwj97wnj/lbkhbwn21v5q/2rryghr4qgrh"
    );
    assert_eq!(message.signals[0].kind, ActorKind::Unknown);
    assert_eq!(
        message.signals[1].event_time,
        Some(at("2026-01-01T10:09:00.918Z"))
    );
    let component = r#"{"page":{"id":"p1"},"component_update":{"id":"u1","new_status":"major_outage","created_at":"2026-01-01T10:00:00Z"},"component":{"name":"Wallet"}}"#;
    let message = with_token(Sender::Statuspage, component).expect("a message");
    assert_eq!(
        message.signals[0].summary(),
        "Wallet is major_outage on page p1"
    );

    // It can give its token only in its address.
    let headers = Headers::default();
    let ask = |token| {
        let arrival = Arrival {
            headers: &headers,
            body: STATUSPAGE.as_bytes(),
            token,
            received: at(NOW),
        };
        read(Sender::Statuspage, &arrival, &known())
    };
    assert!(ask(Some("first")).is_ok());
    assert!(matches!(ask(Some("wrong")), Err(Refusal::Unproven(_))));
    assert!(matches!(ask(None), Err(Refusal::Unproven(_))));
}

#[test]
fn nobody_is_let_in_where_nothing_is_configured() {
    let headers: Headers = [("authorization", "Bearer ")].into_iter().collect();
    let arrival = Arrival {
        headers: &headers,
        body: b"{}",
        token: Some(""),
        received: at(NOW),
    };
    for sender in Sender::ALL {
        let refused = read(sender, &arrival, &Senders::default());
        assert_eq!(refused, Err(Refusal::Closed), "{sender}");
    }
}

#[test]
fn no_secret_is_in_what_is_shown() {
    let shown = format!("{:?}", known());
    for secret in ["first", "second", SECRET, SLACK_SECRET, "next"] {
        assert!(!shown.contains(&format!("\"{secret}\"")), "{shown}");
    }
}

/// The readers alone, since no random body proves itself.
fn read_anyhow(sender: Sender, headers: &Headers, body: &[u8]) -> Result<Message, Refusal> {
    let arrival = Arrival {
        headers,
        body,
        token: None,
        received: at(NOW),
    };
    match sender {
        Sender::Alertmanager => super::alertmanager::read(&arrival),
        Sender::Grafana => super::grafana::read(&arrival),
        Sender::Pagerduty => super::pagerduty::read(&arrival),
        Sender::Slack => super::slack::read(&arrival),
        Sender::Cloudevents => super::cloudevents::read(&arrival),
        Sender::Statuspage => super::statuspage::read(&arrival),
    }
}

fn golden(sender: Sender) -> &'static str {
    match sender {
        Sender::Alertmanager => ALERTMANAGER,
        Sender::Grafana => GRAFANA,
        Sender::Pagerduty => PAGERDUTY,
        Sender::Slack => SLACK,
        Sender::Cloudevents => CLOUDEVENT,
        Sender::Statuspage => STATUSPAGE,
    }
}

/// A body of at most 1 MB: random bytes, a real one damaged somewhere, or one made long by a value.
fn body() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let sender = 0..Sender::ALL.len();
    let random = prop::collection::vec(any::<u8>(), 0..4000);
    let damage = (
        any::<prop::sample::Index>(),
        prop::collection::vec(any::<u8>(), 0..20),
    );
    let long = prop_oneof![
        Just("["),
        Just("{\"a\":"),
        Just("x"),
        Just("%41"),
        Just("&a=b"),
        Just("\u{e4}")
    ];
    (sender, random, damage, long, 0_usize..4).prop_map(
        |(sender, random, (place, bytes), long, how)| {
            let golden = golden(Sender::ALL[sender]).as_bytes();
            let place = place.index(golden.len());
            let mut body = golden.to_vec();
            match how {
                0 => body = random,
                1 => {
                    let end = (place + bytes.len()).min(body.len());
                    body.splice(place..end, bytes);
                }
                2 => body.truncate(place),
                _ => {
                    let room = (1_000_000 - body.len()) / long.len();
                    body.splice(place..place, long.repeat(room).into_bytes());
                }
            }
            (sender, body)
        },
    )
}

/// How long a body may take, the best of three times: other work on the machine is not the reader's. The bar of 50 ms is
/// of optimised builds; without optimisation, reading JSON is many times slower.
const SLOWEST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 50 });

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is the real time that is bounded")]
    fn no_body_panics_or_takes_long((sender, body) in body()) {
        let sender = Sender::ALL[sender];
        let headers: Headers = [("content-type", "application/cloudevents+json")].into_iter().collect();
        let took = (0..3)
            .map(|_| {
                let began = Instant::now();
                let read = read_anyhow(sender, &headers, &body);
                if let Ok(message) = &read {
                    for signal in &message.signals {
                        prop_assert!(signal.summary().chars().count() <= 201);
                    }
                }
                Ok(began.elapsed())
            })
            .collect::<Result<Vec<_>, _>>()?;
        let best = took.into_iter().min().unwrap_or_default();
        prop_assert!(best < SLOWEST, "{sender} took {best:?} for {} bytes", body.len());
    }
}
