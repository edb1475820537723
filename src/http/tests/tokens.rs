//! Tokens as machines use them, and the audit of who changed what.

use hyper::Method;
use hyper::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::world::{Reply, Server};
use crate::http::gate::{digest, new_token};
use crate::model::access::{Grant, Role, Scope};
use crate::store::tokens::NewToken;

fn everywhere(role: Role) -> Vec<Grant> {
    vec![Grant {
        role,
        scope: Scope::default(),
    }]
}

impl Server {
    async fn bearing(&self, method: Method, path: &str, token: &str, body: &Value) -> Reply {
        let request = self
            .request(method, path)
            .header("authorization", format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json");
        self.send(request, body.to_string()).await
    }
}

#[tokio::test]
async fn a_token_is_shown_once_does_what_its_role_may_and_ends() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    let root = server.login_as("Root").await;
    let wanted = json!({"name": "ci", "role": "operator", "scope": {"stack": "tiny"}, "days": 30});
    let made = server
        .post_as("/api/v1/tokens", wanted.clone(), &root)
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let token = made.json()["token"].as_str().expect("a token").to_owned();
    assert!(
        token.starts_with("firedrill_") && token.len() == 74,
        "{token}"
    );
    let again = server.post_as("/api/v1/tokens", wanted, &root).await;
    assert_eq!(again.problem(409), "name-taken");
    let listed = server.get_as("/api/v1/tokens", &root).await;
    assert!(listed.body.contains("\"ci\"") && !listed.body.contains(&token[10..]));

    let me = server
        .bearing(Method::GET, "/api/v1/me", &token, &Value::Null)
        .await
        .json();
    assert_eq!(
        me,
        json!({"kind": "token", "name": "ci", "roles": [{"role": "operator", "stack": "tiny"}]})
    );
    let drill = json!({"drill": "outage"});
    let started = server
        .bearing(Method::POST, "/api/v1/runs", &token, &drill)
        .await;
    assert_eq!(started.status, 201, "{}", started.body);
    let refused = server
        .bearing(Method::GET, "/api/v1/tokens", &token, &Value::Null)
        .await;
    assert_eq!(refused.problem(403), "not-allowed");
    // A token needs no form's token: no browser sends it by itself.
    let run = started.json()["id"].as_str().expect("an id").to_owned();
    let request = server
        .request(Method::POST, &format!("/runs/{run}/halt"))
        .header("authorization", format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    assert_eq!(server.send(request, "reason=enough").await.status, 303);

    let request = server
        .request(Method::DELETE, "/api/v1/tokens/ci")
        .header("cookie", format!("session={root}"));
    assert_eq!(server.send(request, "").await.status, 204);
    let gone = server
        .bearing(Method::GET, "/api/v1/me", &token, &Value::Null)
        .await;
    assert_eq!(gone.problem(401), "bad-token");
}

#[tokio::test]
async fn a_token_that_has_ended_or_never_was_is_nobodys() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    let (token, now) = (new_token(), server.services.now().wall);
    let grant = &everywhere(Role::Administrator)[0];
    let new = NewToken {
        name: "old",
        token_sha256: &digest(&token),
        grant,
        created_by: "p-1",
        now,
        expires: now,
    };
    assert!(
        server
            .services
            .database
            .add_token(&new)
            .await
            .expect("made")
    );
    for bad in [token.as_str(), "", "firedrill_", "nonsense"] {
        let reply = server
            .bearing(Method::GET, "/api/v1/runs", bad, &Value::Null)
            .await;
        assert_eq!(reply.problem(401), "bad-token", "{bad}");
    }
    // Hooks have tokens of their own.
    let hook = server
        .bearing(Method::POST, "/hooks/alertmanager", &token, &json!({}))
        .await;
    assert_eq!(hook.problem(401), "bad-token");
}

#[tokio::test]
async fn a_token_acts_under_its_name_as_a_machine_or_speaks_for_a_person() {
    let server = Server::start().await;
    let made = server
        .post(
            "/api/v1/tokens",
            json!({"name": "bot", "role": "responder"}),
        )
        .await;
    let token = made.json()["token"].as_str().expect("a token").to_owned();
    let run = server.drill().await;
    let path = format!("/api/v1/runs/{run}/events");
    for (actor, kind) in [(None, "automation"), (Some("Ada"), "human")] {
        let mut act = json!({"type": "noted", "text": format!("as {kind}")});
        if let Some(actor) = actor {
            act["actor"] = json!(actor);
        }
        let done = server.bearing(Method::POST, &path, &token, &act).await;
        assert_eq!(done.status, 201, "{}", done.body);
        let event = server
            .until(&run, "noted", |event| {
                event["fact"]["text"] == format!("as {kind}")
            })
            .await;
        assert_eq!(event["origin"]["kind"], kind);
    }
    server.halt(&run).await;
}

#[tokio::test]
async fn every_change_is_audited_with_who_what_and_from_where() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    server.add("Ada", &everywhere(Role::Responder)).await;
    let (root, ada) = (server.login_as("Root").await, server.login_as("Ada").await);
    let run = server.drill_as(&root).await;
    let halt = server
        .form_as(&format!("/runs/{run}/halt"), "reason=enough", &ada)
        .await;
    assert_eq!(halt.status, 303, "{}", halt.body);
    let unknown = server
        .post_as("/api/v1/runs", json!({"drill": "moon"}), &root)
        .await;
    assert_eq!(unknown.problem(404), "no-such-drill");
    // Nothing of what may not be done is done, and so nothing is kept of it.
    let refused = server
        .post_as("/api/v1/runs", json!({"drill": "outage"}), &ada)
        .await;
    assert_eq!(refused.problem(403), "not-allowed");

    let audit = server.get_as("/api/v1/audit", &root).await.json();
    let told: Vec<String> = audit["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| {
            let who = entry["actor"].as_str().expect("a pseudonym");
            assert!(who.starts_with("p-"), "{who}");
            assert_eq!(entry["about"]["from"], "127.0.0.1");
            format!(
                "{} {} {} {} {}",
                audit["names"][who].as_str().expect("a name"),
                entry["through"].as_str().expect("a word"),
                entry["act"].as_str().expect("a deed"),
                entry["about"]["subject"].to_string().replace(&run, "RUN"),
                entry["about"]["refused"],
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    Root session POST /api/v1/runs {"drill":"moon"} "no-such-drill"
    Root session POST /api/v1/runs {"drill":"moon"} null
    Ada session POST /runs/{run}/halt {"run":"RUN"} null
    Root session POST /api/v1/runs {"drill":"outage"} null
    "#);
    let page = server.get_as("/settings/audit", &root).await.body;
    assert!(
        page.contains("POST &#x2f;runs&#x2f;{run}&#x2f;halt")
            && page.contains("refused: no-such-drill")
    );
    assert_eq!(
        server.get_as("/api/v1/audit", &ada).await.problem(403),
        "not-allowed"
    );
    // In parts, each behind the one before.
    let mut parts = Vec::new();
    let mut path = "/api/v1/audit?limit=3".to_owned();
    loop {
        let part = server.get_as(&path, &root).await.json();
        parts.extend(part["entries"].as_array().expect("entries").clone());
        let Some(next) = part["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/audit?limit=3&cursor={next}");
    }
    let whole = server.get_as("/api/v1/audit", &root).await.json();
    assert_eq!(json!(parts), whole["entries"]);
    assert_eq!(
        server
            .services
            .database
            .verify_audit()
            .await
            .expect("whole"),
        4
    );
}

#[tokio::test]
async fn somebody_forgotten_is_nobody_in_an_audit_that_stays_whole() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    server.add("Ada", &everywhere(Role::Responder)).await;
    let (root, ada) = (server.login_as("Root").await, server.login_as("Ada").await);
    assert_eq!(
        server.form_as("/halt", "reason=storm", &ada).await.status,
        303
    );
    let forgotten = server
        .form_as("/settings/people/change", "name=Ada&do=forget", &root)
        .await;
    assert_eq!(forgotten.status, 303, "{}", forgotten.body);
    let audit = server.get_as("/api/v1/audit", &root).await;
    let entries = audit.json()["entries"].clone();
    let of = entries.as_array().expect("entries").iter();
    let halt = of
        .into_iter()
        .find(|entry| entry["act"] == "POST /halt")
        .expect("the halt");
    assert_eq!(halt["about"], Value::Null);
    assert_eq!(halt["erased"], "the person was forgotten");
    assert!(!audit.body.contains("Ada"), "{}", audit.body);
    assert_eq!(
        server.get_as("/api/v1/me", &ada).await.problem(401),
        "not-logged-in"
    );
    let entries = server
        .services
        .database
        .verify_audit()
        .await
        .expect("whole");
    assert_eq!(entries, 2);
}

#[tokio::test]
async fn the_key_of_a_start_is_an_accounts_or_a_tokens_and_never_a_names() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    server.add("ci", &everywhere(Role::Operator)).await;
    let root = server.login_as("Root").await;
    let wanted = json!({"name": "ci", "role": "operator"});
    let made = server.post_as("/api/v1/tokens", wanted, &root).await;
    let token = made.json()["token"].as_str().expect("a token").to_owned();
    let start = async |who: (&str, String), name: &str| {
        let request = server
            .request(Method::POST, "/api/v1/runs")
            .header(who.0, who.1)
            .header("idempotency-key", "k-1")
            .header(CONTENT_TYPE, "application/json");
        server
            .send(request, json!({"drill": name}).to_string())
            .await
    };
    let session = async || ("cookie", format!("session={}", server.login_as("ci").await));
    let first = start(session().await, "outage").await;
    assert_eq!(first.status, 201, "{}", first.body);
    let again = start(session().await, "outage").await;
    assert_eq!(again.json(), first.json(), "whichever session asks");
    // A token of the same name has keys of its own.
    let bearer = ("authorization", format!("Bearer {token}"));
    let other = start(bearer, "outage").await;
    assert_eq!(other.problem(409), "stack-busy");
    // So has whoever has that name next, and be it under the same number.
    let database = &server.services.database;
    database.remove_user("ci").await.expect("removed");
    server.add("ci", &everywhere(Role::Operator)).await;
    let next = start(session().await, "another").await;
    assert_eq!(next.problem(404), "no-such-drill");
}
