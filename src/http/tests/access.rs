//! Every address, asked by everybody: what the table says is what happens.

use http_body_util::BodyExt as _;
use hyper::header::{CONTENT_TYPE, COOKIE};
use serde_json::Value;

use super::world::{CODE, Server};
use crate::http::reference::is_answered;
use crate::http::router::table;
use crate::http::routes::{About, Needs, Row};
use crate::model::access::{Grant, Permission, Role, Scope};
use crate::store::signals::NewSignal;

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Somebody answered, be it that the request makes no sense.
    Answered,
    /// Nobody is known.
    WhoAreYou,
    /// Somebody is, and may not.
    NotYou,
    /// The token or the signature is missing.
    NoToken,
    /// There is no account yet.
    NotSetUp,
}

impl Server {
    /// Asks at an address of the table; `run` stands for any run.
    async fn ask(&self, row: &Row, run: &str, session: Option<&str>) -> Answer {
        let name = match row.needs {
            Needs::To(_, About::Stack) => "tiny",
            Needs::To(_, About::Drill) => "outage",
            _ => "cut",
        };
        let path = row
            .path
            .replace("{run}", run)
            .replace("{name}", name)
            .replace("{*path}", "app.css")
            .replace("{id}", "1")
            .replace("{code}", "0000");
        assert!(!path.contains('{'), "{path}: say here what to ask for");
        let mut request = self.request(row.method.clone(), &path);
        let mut body = String::new();
        if let Some(session) = session {
            request = request.header(COOKIE, format!("session={session}"));
        }
        if row.takes_a_form() {
            let token = self.form_token(session).await;
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            body = format!("csrf={}", token.0);
            if session.is_none() {
                request = request.header(COOKIE, format!("visit={}", token.1));
            }
        } else if !row.method.is_safe() {
            request = request.header(CONTENT_TYPE, "application/json");
            body = "{}".to_owned();
        }
        // A form is answered with a page unless the problem itself is asked for.
        let request = request.header("accept", "application/problem+json");
        let request = request
            .body(http_body_util::Full::new(body.into()))
            .expect("a request");
        let (head, body) = self.open(request).await.into_parts();
        if head.status == 303 {
            let to = head.headers["location"].to_str().expect("text");
            return if to.starts_with("/login?") {
                Answer::WhoAreYou
            } else {
                Answer::Answered
            };
        }
        if !head.status.is_client_error() && !head.status.is_server_error() {
            return Answer::Answered;
        }
        assert!(
            !head.status.is_server_error(),
            "{} {path}: {}",
            row.method,
            head.status
        );
        let body = body.collect().await.expect("a body").to_bytes();
        let problem: Value = serde_json::from_slice(&body).expect("a problem");
        match problem["code"].as_str().expect("a code") {
            "not-logged-in" => Answer::WhoAreYou,
            "not-allowed" => Answer::NotYou,
            // Who was refused often enough is told to wait, and no more than that.
            "bad-token" | "bad-signature" | "too-many-tries" => Answer::NoToken,
            "not-set-up" => Answer::NotSetUp,
            "stale-form" => panic!("{} {path}: the form's token was not taken", row.method),
            _ => Answer::Answered,
        }
    }
}

/// The table, what ends a run last.
fn rows() -> Vec<Row> {
    let mut rows = table();
    rows.sort_by_key(|row| row.path.ends_with("/real"));
    rows
}

fn everywhere(role: Role) -> Vec<Grant> {
    vec![Grant {
        role,
        scope: Scope::default(),
    }]
}

#[tokio::test]
async fn every_address_is_answered_to_whom_the_table_says_and_to_nobody_else() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    let operator = server.login_as("Root").await;
    let run = server.drill_as(&operator).await;
    for who in [None].into_iter().chain(Role::ALL.map(Some)) {
        if let Some(role) = who {
            server.add(role.as_str(), &everywhere(role)).await;
        }
        for row in rows() {
            // Each with a session of its own: some of them end it.
            let session = match who {
                Some(role) => Some(server.login_as(role.as_str()).await),
                None => None,
            };
            let over = row.path.ends_with("/real");
            let answer = server.ask(&row, &run, session.as_deref()).await;
            let expected = match (is_answered(row.needs, who, !over), who) {
                (true, _) => Answer::Answered,
                (false, _) if row.needs == Needs::HookToken => Answer::NoToken,
                (false, None) => Answer::WhoAreYou,
                (false, Some(_)) => Answer::NotYou,
            };
            assert_eq!(answer, expected, "{} {} as {who:?}", row.method, row.path);
        }
    }
}

#[tokio::test]
async fn a_role_with_bounds_reaches_what_is_within_them() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    let root = server.login_as("Root").await;
    let run = server.drill_as(&root).await;
    let bounded = |team: Option<&str>, stack: Option<&str>| {
        vec![Grant {
            role: Role::Administrator,
            scope: Scope {
                team: team.map(|name| name.parse().expect("a name")),
                stack: stack.map(|name| name.parse().expect("a name")),
            },
        }]
    };
    for (name, grants, reaches) in [
        ("here", bounded(None, Some("tiny")), true),
        ("ours", bounded(Some("crew"), None), true),
        ("both", bounded(Some("crew"), Some("tiny")), true),
        ("there", bounded(None, Some("elsewhere")), false),
        ("theirs", bounded(Some("others"), Some("tiny")), false),
    ] {
        server.add(name, &grants).await;
        for row in rows() {
            let session = server.login_as(name).await;
            let Needs::To(_, about) = row.needs else {
                continue;
            };
            let expected = match about {
                About::Anywhere | About::Named => true,
                About::Everywhere => false,
                About::Run | About::AnyRun | About::Drill => reaches,
                // They have no team.
                About::Stack | About::Experiment => name == "here",
            };
            let answer = server.ask(&row, &run, Some(&session)).await;
            let expected = if expected {
                Answer::Answered
            } else {
                Answer::NotYou
            };
            assert_eq!(answer, expected, "{} {} as {name}", row.method, row.path);
        }
        let session = server.login_as(name).await;
        let listed = server.get_as("/api/v1/runs", &session).await.json();
        assert_eq!(
            listed["runs"].as_array().expect("runs").len(),
            usize::from(reaches)
        );
        let page = server.get_as("/runs", &session).await.body;
        assert_eq!(page.contains(&run), reaches, "{name}");
        let drills = server.get_as("/api/v1/drills", &session).await.json();
        assert_eq!(
            drills["drills"].as_array().expect("drills").len(),
            usize::from(reaches)
        );
        if !reaches {
            let drill = serde_json::json!({"drill": "outage"});
            let started = server.post_as("/api/v1/runs", drill, &session).await;
            assert_eq!(started.problem(403), "not-allowed");
        }
    }
}

#[tokio::test]
async fn before_the_first_account_only_its_link_is_served() {
    let server = Server::beyond_loopback().await;
    for row in table() {
        let answer = server.ask(&row, "r1", None).await;
        let expected = if row.needs == Needs::Nothing {
            Answer::Answered
        } else {
            Answer::NotSetUp
        };
        assert_eq!(answer, expected, "{} {}", row.method, row.path);
    }
    let page = server.get(&format!("/setup/{CODE}")).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("The first administrator"));
    assert_eq!(server.get("/setup/another").await.status, 404);
}

#[tokio::test]
async fn raw_signals_are_offered_to_exercise_staff_alone() {
    let server = Server::beyond_loopback().await;
    let kept = server.services.database.keep_signal(NewSignal {
        source: "alertmanager",
        dedupe_key: None,
        thread: None,
        received: server.services.now(),
        body: b"the signer is down",
        reading: None,
        run: None,
        person: None,
    });
    kept.await.expect("kept");
    for role in Role::ALL {
        server.add(role.as_str(), &everywhere(role)).await;
        let session = server.login_as(role.as_str()).await;
        let page = server.get_as("/", &session).await.body;
        let staff = role >= Role::Operator;
        assert_eq!(page.contains("href=\"/signals\""), staff, "{role:?}");
        assert_eq!(page.contains("the signer is down"), staff, "{role:?}");
    }
}

#[test]
fn what_takes_nothing_tells_nothing() {
    let open: Vec<String> = table()
        .iter()
        .filter(|row| matches!(row.needs, Needs::Nothing | Needs::Door))
        .map(|row| format!("{} {}", row.method, row.path))
        .collect();
    // Whoever adds a line here says in the commit why nobody need be known.
    insta::assert_snapshot!(open.join("\n"), @r"
    GET /healthz
    GET /readyz
    GET /static/{*path}
    GET /setup/{code}
    POST /setup/{code}
    GET /login
    POST /login
    GET /transparency
    GET /api/v1/transparency
    GET /api/v1/openapi.json
    ");
    let changes = table()
        .into_iter()
        .filter(|row| !row.method.is_safe())
        .filter(|row| {
            matches!(
                row.needs,
                Needs::To(Permission::See | Permission::SeeAnswers, _)
            )
        });
    assert_eq!(changes.count(), 0, "seeing is no leave to change");
}
