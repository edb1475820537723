//! Accounts as people meet them: set up, log in, act under their own name, and out again.

use hyper::Method;
use hyper::header::{CONTENT_TYPE, COOKIE};
use serde_json::json;

use super::world::{CODE, Reply, Server};
use crate::model::access::{Grant, Role, Scope};

const PASSWORD: &str = "a long enough one";

fn everywhere(role: Role) -> Vec<Grant> {
    vec![Grant {
        role,
        scope: Scope::default(),
    }]
}

/// The value of a cookie that an answer sets; nothing where it is taken away.
fn cookie(reply: &Reply, name: &str) -> Option<String> {
    let set = reply.headers.get_all("set-cookie").iter();
    set.filter_map(|value| value.to_str().ok())
        .filter_map(|value| value.split(';').next()?.split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

impl Server {
    /// Sends a stranger's form, with these cookies beside the visit's.
    async fn knock(&self, path: &str, body: &str, cookies: &str) -> Reply {
        let (token, visit) = self.form_token(None).await;
        let request = self
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(COOKIE, format!("visit={visit}; {cookies}"));
        self.send(request, format!("{body}&csrf={token}")).await
    }

    async fn login(&self, name: &str, password: &str) -> Reply {
        let body = format!("name={name}&password={}", password.replace(' ', "+"));
        self.knock("/login", &body, "").await
    }
}

#[tokio::test]
async fn the_link_makes_one_administrator_who_makes_the_others() {
    let server = Server::beyond_loopback().await;
    let link = format!("/setup/{CODE}");
    let form = format!(
        "name=Ada&password={0}&again={0}",
        PASSWORD.replace(' ', "+")
    );
    let short = server
        .knock(&link, "name=Ada&password=short&again=short", "")
        .await;
    assert_eq!(short.status, 422, "{}", short.body);
    let made = server.knock(&link, &form, "").await;
    assert_eq!(made.status, 303, "{}", made.body);
    let ada = cookie(&made, "session").expect("logged in");
    let again = server.knock(&link, &form, "").await;
    assert_eq!(again.status, 404, "the link works once");

    let page = server.get_as("/settings/people", &ada).await.body;
    assert!(page.contains("Ada") && page.contains("administrator"));
    let body = format!(
        "name=Bob&password={}&role=responder&team=&stack=tiny",
        PASSWORD.replace(' ', "+")
    );
    let made = server.form_as("/settings/people", &body, &ada).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let taken = server.form_as("/settings/people", &body, &ada).await;
    assert_eq!(taken.status, 409, "{}", taken.body);
    let bob = cookie(&server.login("bob", PASSWORD).await, "session").expect("logged in");
    let settings = server.get_as("/settings", &bob).await.body;
    assert!(
        settings.contains("<strong>responder</strong> on stack tiny"),
        "{settings}"
    );
    assert_eq!(server.get_as("/settings/people", &bob).await.status, 403);

    let grant = "name=Bob&do=grant&role=operator&team=&stack=";
    assert_eq!(
        server
            .form_as("/settings/people/change", grant, &ada)
            .await
            .status,
        303
    );
    assert!(
        server
            .get_as("/settings", &bob)
            .await
            .body
            .contains("<strong>operator</strong> everywhere")
    );
    let last = server
        .form_as("/settings/people/change", "name=Ada&do=remove", &ada)
        .await;
    assert_eq!(last.status, 409, "an administrator stays");
    assert_eq!(
        server
            .form_as("/settings/people/change", "name=Bob&do=remove", &ada)
            .await
            .status,
        303
    );
    assert_eq!(
        server.get_as("/api/v1/runs", &bob).await.problem(401),
        "not-logged-in"
    );
}

#[tokio::test]
async fn a_log_in_begins_a_session_of_its_own_and_a_log_out_ends_it() {
    let server = Server::beyond_loopback().await;
    let hash = crate::http::password::hash(PASSWORD.to_owned())
        .await
        .expect("hashed");
    let now = server.services.now().wall;
    server
        .services
        .database
        .add_first_user("Ada", &hash, now)
        .await
        .expect("made");

    let asked = server.get("/runs?before=r1").await;
    assert_eq!(asked.status, 303);
    assert_eq!(
        asked.header("location"),
        "/login?back=%2Fruns%3Fbefore%3Dr1"
    );

    // Somebody put a session of their choice into the browser: it is worth nothing, before and after.
    let fixed = "f".repeat(64);
    let body = format!(
        "name=Ada&password={}&back=%2Fruns",
        PASSWORD.replace(' ', "+")
    );
    let begun = server
        .knock("/login", &body, &format!("session={fixed}"))
        .await;
    assert_eq!(
        (begun.status.as_u16(), begun.header("location")),
        (303, "/runs")
    );
    let session = cookie(&begun, "session").expect("a session");
    assert_ne!(session, fixed);
    let set = begun.headers.get_all("set-cookie").iter();
    let set: Vec<&str> = set.filter_map(|value| value.to_str().ok()).collect();
    assert!(
        set.iter().any(|cookie| cookie.starts_with("session=")
            && cookie.contains("; HttpOnly")
            && cookie.contains("; SameSite=Lax")),
        "{set:?}"
    );
    assert_eq!(
        server.get_as("/api/v1/runs", &fixed).await.problem(401),
        "not-logged-in"
    );
    assert_eq!(server.get_as("/api/v1/runs", &session).await.status, 200);

    // Another log-in in the same browser ends the one before.
    let again = server.form_as("/login", &body, &session).await;
    let renewed = cookie(&again, "session").expect("a session");
    assert_eq!(
        server.get_as("/api/v1/runs", &session).await.problem(401),
        "not-logged-in"
    );

    let out = server.form_as("/logout", "", &renewed).await;
    assert_eq!(
        (out.status.as_u16(), out.header("location")),
        (303, "/login")
    );
    assert_eq!(
        server.get_as("/api/v1/runs", &renewed).await.problem(401),
        "not-logged-in"
    );
}

#[tokio::test]
async fn a_log_in_that_fails_says_nothing_of_whom_there_is_and_soon_has_to_wait() {
    let server = Server::beyond_loopback().await;
    let hash = crate::http::password::hash(PASSWORD.to_owned())
        .await
        .expect("hashed");
    let now = server.services.now().wall;
    server
        .services
        .database
        .add_first_user("Ada", &hash, now)
        .await
        .expect("made");
    let wrong = server.login("Ada", "not the right one").await;
    let nobody = server.login("Eve", "not the right one").await;
    assert_eq!((wrong.status.as_u16(), nobody.status.as_u16()), (403, 403));
    assert!(wrong.body.contains("The name or the password is wrong."));
    assert!(nobody.body.contains("The name or the password is wrong."));
    // Hashing takes its time, in which tries come back: soon is not after an exact number.
    let mut tries = 2;
    while server.login("Ada", "not the right one").await.status == 403 {
        tries += 1;
        assert!(tries < 40, "nobody has to wait");
    }
    assert!(tries >= 10, "only {tries} tries");
    let limited = server.login("Ada", PASSWORD).await;
    assert_eq!(limited.status, 429, "the right one has to wait, too");
    let wait: u64 = limited.header("retry-after").parse().expect("seconds");
    assert!((1..=7).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_session_is_listed_and_revoked() {
    let server = Server::beyond_loopback().await;
    server.add("Ada", &everywhere(Role::Viewer)).await;
    server.add("Bob", &everywhere(Role::Viewer)).await;
    let (here, there) = (server.login_as("Ada").await, server.login_as("Ada").await);
    let bob = server.login_as("Bob").await;
    let page = server.get_as("/settings", &here).await.body;
    assert_eq!(page.matches("/settings/sessions/end").count(), 2, "{page}");
    let now = server.services.now().wall;
    let sessions = server
        .services
        .database
        .sessions(None, now)
        .await
        .expect("asked");
    let of = |name: &str| {
        let mine = sessions.iter().filter(|one| one.user == name);
        mine.map(|one| one.id).max().expect("a session")
    };
    // The last begun of Ada's is `there`.
    let body = format!("session={}", of("Ada"));
    assert_eq!(
        server
            .form_as("/settings/sessions/end", &body, &bob)
            .await
            .status,
        404
    );
    assert_eq!(
        server
            .form_as("/settings/sessions/end", &body, &here)
            .await
            .status,
        303
    );
    assert_eq!(
        server.get_as("/api/v1/runs", &there).await.problem(401),
        "not-logged-in"
    );
    assert_eq!(server.get_as("/api/v1/runs", &here).await.status, 200);
}

#[tokio::test]
async fn whoever_is_logged_in_acts_under_their_own_name() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    server.add("Ada", &everywhere(Role::Responder)).await;
    let (root, ada) = (server.login_as("Root").await, server.login_as("Ada").await);
    let run = server.drill_as(&root).await;
    let path = format!("/api/v1/runs/{run}/events");
    let act = |actor: &str| json!({"type": "noted", "text": "looked", "actor": actor});
    assert_eq!(
        server.post_as(&path, act("Root"), &ada).await.problem(403),
        "not-you"
    );
    assert_eq!(server.post_as(&path, act("ada"), &ada).await.status, 201);
    assert_eq!(server.form_as("/name", "name=Root", &ada).await.status, 409);
    let room = server.get_as(&format!("/runs/{run}"), &ada).await.body;
    assert!(room.contains("Ada notes: looked"), "{room}");
    assert!(!room.contains("Staff view"), "responders are not led there");
    assert_eq!(
        server
            .get_as(&format!("/runs/{run}?staff=1"), &ada)
            .await
            .status,
        403
    );
    assert!(
        server
            .get_as(&format!("/runs/{run}"), &root)
            .await
            .body
            .contains("Staff view")
    );
    let halted = server
        .form_as(&format!("/runs/{run}/halt"), "reason=enough", &ada)
        .await;
    assert_eq!(halted.status, 303, "{}", halted.body);
}

#[tokio::test]
async fn a_form_without_its_token_or_with_anothers_is_refused() {
    let server = Server::beyond_loopback().await;
    for name in ["Ada", "Eve"] {
        server.add(name, &everywhere(Role::Administrator)).await;
    }
    let (ada, eve) = (server.login_as("Ada").await, server.login_as("Eve").await);
    let (others, _) = server.form_token(Some(&eve)).await;
    for row in crate::http::router::table()
        .iter()
        .filter(|row| row.takes_a_form())
    {
        let path = row.path.replace("{run}", "r1").replace("{code}", CODE);
        for body in [String::new(), format!("csrf={others}"), "csrf=".to_owned()] {
            let request = self::form(&server, &path, &ada);
            let refused = server.send(request, body.clone()).await;
            assert_eq!(refused.problem(403), "stale-form", "{path} with `{body}`");
        }
    }
    // The local operator's forms have one, too.
    let local = Server::start().await;
    let request = local
        .request(Method::POST, "/halt")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("accept", "application/problem+json");
    assert_eq!(
        local.send(request, "reason=x").await.problem(403),
        "stale-form"
    );
}

fn form(server: &Server, path: &str, session: &str) -> hyper::http::request::Builder {
    server
        .request(Method::POST, path)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("accept", "application/problem+json")
        .header(COOKIE, format!("session={session}"))
}

#[tokio::test]
async fn the_local_operator_is_shown_and_gone_with_the_first_account() {
    let server = Server::start().await;
    assert!(server.get("/").await.body.contains("local operator"));
    assert!(
        server
            .get("/settings")
            .await
            .body
            .contains("Make the first administrator")
    );
    let form = format!(
        "name=Ada&password={0}&again={0}",
        PASSWORD.replace(' ', "+")
    );
    let made = server.form("/settings/first", &form).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let ada = cookie(&made, "session").expect("logged in");
    assert_eq!(
        server.get("/api/v1/runs").await.problem(401),
        "not-logged-in"
    );
    let page = server.get_as("/", &ada).await.body;
    assert!(page.contains("Logged in as") && !page.contains("local operator"));
}

#[test]
fn every_form_of_every_template_carries_its_token() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web/templates");
    let mut forms = 0;
    for file in std::fs::read_dir(folder).expect("a folder") {
        let path = file.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a template");
        for form in text
            .split("<form")
            .skip(1)
            .filter(|form| form.contains("method=\"post\""))
        {
            let form = form.split("</form>").next().unwrap_or_default();
            let direct = form.contains("name=\"csrf\"");
            let through = form.contains("{{ wanted(");
            assert!(direct || through, "{}: <form{form}", path.display());
            forms += 1;
        }
    }
    assert!(forms > 15, "only {forms} forms were seen");
}
