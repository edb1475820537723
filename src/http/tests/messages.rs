//! Messages over HTTP: made, looked over, sent, told of, and shown on the sandbox status page.

use serde_json::{Value, json};

use super::world::Server;

/// The drill once it can be acted in.
async fn begun(server: &Server) -> String {
    let run = server.drill().await;
    server
        .until(&run, "probe_changed", |event| {
            event["fact"]["standing"] == "failing"
        })
        .await;
    run
}

/// Waits until so many messages are delivered.
async fn deliveries(server: &Server, run: &str, count: usize) {
    for _ in 0..400 {
        let log = server
            .get(&format!("/api/v1/runs/{run}/events"))
            .await
            .json();
        let events = log["events"].as_array().expect("events");
        let delivered = events
            .iter()
            .filter(|one| one["type"] == "message_delivered");
        if delivered.count() >= count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("{count} messages were not delivered");
}

fn lacks(answer: &Value) -> Vec<String> {
    let all = answer["lacks"].as_array().into_iter().flatten();
    all.map(|lack| lack["what"].as_str().expect("a text").to_owned())
        .collect()
}

#[tokio::test]
async fn a_message_is_made_from_a_template_and_looked_over_before_it_is_sent() {
    let server = Server::start().await;
    let run = begun(&server).await;
    let compose = format!("/api/v1/runs/{run}/compose");
    let made = server
        .post(
            &compose,
            json!({"stage": "first_notice", "failure": "api_outage", "language": "de",
                   "next_update_at": "2126-03-01T10:20:00Z"}),
        )
        .await
        .json();
    let text = made["text"].as_str().expect("a text");
    assert!(text.starts_with("[DRILL] Die Wallet antwortet"), "{text}");
    assert!(
        text.contains("nicht erneut"),
        "the runbook's phrase is in it: {text}"
    );
    assert!(text.ends_with("bis 2126-03-01 10:20 UTC."), "{text}");
    assert_eq!(lacks(&made), ["when recovery is expected"]);
    let own = server
        .post(
            &compose,
            json!({"stage": "first_notice", "failure": "authentication", "phrases": []}),
        )
        .await
        .json();
    assert_eq!(own["text"], "[DRILL] Nobody gets in to tiny.");
    let looked_over = server
        .post(&compose, json!({"text": "It is broken."}))
        .await
        .json();
    assert_eq!(
        lacks(&looked_over),
        [
            "“do not retry”",
            "when the next update comes",
            "when recovery is expected"
        ]
    );
    for (body, code) in [
        (json!({}), "nothing-to-say"),
        (
            json!({"stage": "update", "failure": "api_outage", "language": "xx"}),
            "no-such-message",
        ),
    ] {
        assert_eq!(server.post(&compose, body).await.problem(422), code);
    }
    server.halt(&run).await;
}

#[tokio::test]
async fn an_update_is_delivered_and_what_it_lacks_is_said_and_shown() {
    let server = Server::start().await;
    let run = begun(&server).await;
    let events = format!("/api/v1/runs/{run}/events");
    let posted = server
        .post(
            &events,
            json!({"type": "update_posted", "audience": "customers", "channels": ["page", "notice", "elsewhere"],
                   "text": "Payments fail."}),
        )
        .await;
    assert_eq!(posted.status, 201, "{}", posted.body);
    assert_eq!(lacks(&posted.json())[0], "“do not retry”");
    server.until(&run, "message_delivered", |_| true).await;
    let lost = json!({"type": "update_posted", "audience": "internal", "channels": ["chat"],
                      "text": "unreachable"});
    assert_eq!(server.post(&events, lost).await.status, 201);
    server
        .until(&run, "message_failed", |event| {
            event["fact"]["error"] == "nobody is there"
        })
        .await;
    let wrong = json!({"type": "update_posted", "audience": "internal", "channels": ["page"],
                       "text": "The keys are gone."});
    assert_eq!(
        server.post(&events, wrong).await.problem(422),
        "wrong-readers"
    );
    let room = server.get(&format!("/runs/{run}")).await.body;
    for part in [
        "What others were told",
        "delivered",
        "not delivered",
        "by hand on elsewhere",
        "“do not retry”",
        &format!("/status/{run}"),
    ] {
        assert!(
            room.replace('`', "").contains(part),
            "no `{part}` in {room}"
        );
    }
    server.halt(&run).await;
}

#[tokio::test]
async fn the_room_makes_a_message_from_a_template_and_keeps_what_was_written() {
    let server = Server::start().await;
    let run = begun(&server).await;
    let room = server.get(&format!("/runs/{run}")).await.body;
    for part in [
        "<option value=\"first_notice\" selected>",
        "<option value=\"ja\"",
        "name=\"channel\" value=\"page\"",
        "Posted by hand on",
    ] {
        assert!(room.contains(part), "no `{part}` in {room}");
    }
    let draft = format!("/runs/{run}/draft");
    let form = "audience=customers&stage=first_notice&language=fr&next_in=20&advice=funds_are_safe&channel=page&fill=1&text=Seulement+iOS.";
    let unmade = server.form(&draft, form).await.body;
    for part in ["choose what it is about", ">Seulement iOS.</textarea>"] {
        assert!(unmade.contains(part), "no `{part}` in {unmade}");
    }
    let filled = server
        .form(&draft, &format!("{form}&failure=key_management"))
        .await
        .body;
    for part in [
        "<details class=\"act\" id=\"composer\" open>",
        ">Les transferts ne peuvent pas",
        "Vos fonds sont en sécurité.",
        "Seulement iOS.</textarea>",
        "<option value=\"fr\" selected>",
        "value=\"page\" checked",
        "name=\"next_in\" type=\"number\" min=\"1\" max=\"1440\" inputmode=\"numeric\" value=\"20\"",
        "<span class=\"visually-hidden\">missing:</span> “do not retry”",
    ] {
        assert!(filled.contains(part), "no `{part}` in {filled}");
    }
    assert!(
        !filled.contains("“funds are safe”")
            || !filled.contains("missing:</span> “funds are safe”")
    );
    let sent = server
        .form(
            &format!("/runs/{run}/acts"),
            "act=update_posted&stage=first_notice&audience=customers&channel=page&text=Les+transferts.&language=fr&advice=funds_are_safe&next_in=20",
        )
        .await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    let due = server.until(&run, "message_due", |_| true).await;
    assert_eq!(
        due["fact"]["message"]["text"],
        "[DRILL] Les transferts. Vos fonds sont en sécurité."
    );
    assert_eq!(due["fact"]["message"]["stage"], "first_notice");
    // Whoever writes next most likely writes an update.
    let room = server.get(&format!("/runs/{run}")).await.body;
    assert!(
        room.contains("<option value=\"update\" selected>"),
        "{room}"
    );
    server.halt(&run).await;
}

#[tokio::test]
async fn the_sandbox_status_page_shows_what_customers_were_told_and_nothing_else() {
    let server = Server::start().await;
    let run = begun(&server).await;
    let (page, banner) = (format!("/status/{run}"), format!("/status/{run}/banner"));
    let empty = server.get(&page).await;
    assert_eq!(empty.header("x-robots-tag"), "noindex");
    for part in [
        "This is a drill.",
        "No incident has been reported.",
        "[DRILL] Status of tiny",
    ] {
        assert!(empty.body.contains(part), "no `{part}` in {}", empty.body);
    }
    assert_eq!(server.get(&banner).await.json()["visible"], false);
    let events = format!("/api/v1/runs/{run}/events");
    for (audience, channels, text) in [
        ("customers", json!(["page", "notice"]), "Payments <fail>."),
        ("internal", json!(["chat"]), "It is the signer."),
    ] {
        let body = json!({"type": "update_posted", "audience": audience, "channels": channels, "text": text});
        assert_eq!(server.post(&events, body).await.status, 201);
    }
    deliveries(&server, &run, 3).await;
    let told = server.get(&page).await.body;
    for part in [
        "An incident is being looked into.",
        "first notice",
        "[DRILL] Payments &lt;fail&gt;.",
    ] {
        assert!(told.contains(part), "no `{part}` in {told}");
    }
    for part in [
        "It is the signer.",
        "outage",
        "cut-signer",
        "crew",
        "/runs/",
    ] {
        assert!(!told.contains(part), "`{part}` is given away in {told}");
    }
    let shown = server.get(&banner).await.json();
    assert_eq!(
        (&shown["visible"], &shown["drill"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(shown["text"], "[DRILL] Payments <fail>.");
    server.halt(&run).await;
    let over = server.get(&page).await.body;
    assert!(
        over.contains("The drill is over.") || over.contains("The drill was broken off."),
        "{over}"
    );
    assert_eq!(server.get(&banner).await.json()["visible"], false);
}

#[tokio::test]
async fn a_status_page_needs_an_account_unless_it_is_published() {
    use crate::http::Gate;
    use crate::http::tests::world::CODE;
    use crate::model::access::{Grant, Role, Scope};
    for publishes in [false, true] {
        let server = Server::start_with(|services| {
            services.gate = Gate::beyond(CODE);
            services.publishes = publishes;
        })
        .await;
        let page = "/status/run-1";
        let before = server.get(page).await;
        assert_eq!(
            before.status, 403,
            "there is no account yet: {}",
            before.body
        );
        let grants = [Grant {
            role: Role::Administrator,
            scope: Scope::default(),
        }];
        server.add("Root", &grants).await;
        let run = server.drill_as(&server.login_as("Root").await).await;
        let asked = server.get(&format!("/status/{run}")).await;
        let expected = if publishes { 200 } else { 303 };
        assert_eq!(asked.status, expected, "{}", asked.body);
        // Nothing else is published with it.
        assert_eq!(server.get(&format!("/runs/{run}")).await.status, 303);
    }
}
