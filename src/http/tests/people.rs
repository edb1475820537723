//! Accounts and sessions through the API: all that the pages can do, with the same refusals.

use hyper::Method;
use hyper::header::{CONTENT_TYPE, COOKIE};
use serde_json::{Value, json};

use super::openapi::DOCUMENT;
use super::world::{Reply, Server};
use crate::http::router::table;
use crate::model::access::{Grant, Role, Scope};

const PASSWORD: &str = "a long enough one";

fn everywhere(role: Role) -> Vec<Grant> {
    vec![Grant {
        role,
        scope: Scope::default(),
    }]
}

impl Server {
    /// Asks the API as somebody; `tag` is what was looked at before.
    async fn ask_as(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        (session, tag): (&str, Option<&str>),
    ) -> Reply {
        let mut request = self
            .request(method, &format!("/api/v1{path}"))
            .header(COOKIE, format!("session={session}"))
            .header(CONTENT_TYPE, "application/json");
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        self.send(request, body.to_string()).await
    }
}

/// What does through the API what a form does.
enum Twin {
    /// An operation of the API's description.
    Operation(&'static str),
    /// Nothing, for a reason.
    None(&'static str),
}

#[test]
fn everything_that_forms_can_do_the_api_can() {
    use Twin::{None, Operation};
    let twins = [
        (
            "/setup/{code}",
            None("the one-time link is opened by a person"),
        ),
        ("/login", None("machines show tokens, and log in nowhere")),
        ("/logout", Operation("endSession")),
        ("/start", Operation("startRun")),
        ("/start", Operation("startGameDay")),
        ("/gamedays/{id}/end", Operation("endGameDay")),
        ("/name", None("a request names its `actor` itself")),
        ("/halt", Operation("haltEverything")),
        ("/halt/lift", Operation("liftHalt")),
        ("/runs/{run}/acts", Operation("act")),
        ("/runs/{run}/corrections", Operation("correctRun")),
        ("/runs/{run}/halt", Operation("haltRun")),
        ("/runs/{run}/real", Operation("act")),
        ("/runs/{run}/draft", Operation("composeMessage")),
        ("/runs/{run}/remarks", Operation("addRemark")),
        ("/runs/{run}/remarks/{id}/remove", Operation("removeRemark")),
        ("/runs/{run}/actions", Operation("addAction")),
        ("/runs/{run}/survey", Operation("answerSurvey")),
        ("/actions/{id}/close", Operation("closeAction")),
        ("/actions/{id}/reopen", Operation("reopenAction")),
        ("/signals/{id}/attach", Operation("attachSignal")),
        ("/library/file", Operation("saveFile")),
        ("/library/file", Operation("checkFile")),
        ("/library/new", Operation("makeFile")),
        ("/library/look", Operation("lookAtDrill")),
        ("/library/look", Operation("lookAtExperiment")),
        ("/settings/password", Operation("setOwnPassword")),
        ("/settings/first", Operation("makeAccount")),
        ("/settings/sessions/end", Operation("endSession")),
        ("/settings/people", Operation("makeAccount")),
        ("/settings/people/change", Operation("setRoles")),
        ("/settings/people/change", Operation("setPassword")),
        ("/settings/people/change", Operation("removeAccount")),
        ("/settings/tokens", Operation("makeToken")),
        ("/settings/tokens/revoke", Operation("revokeToken")),
    ];
    let rows = table();
    let forms: Vec<&str> = rows
        .iter()
        .filter(|row| row.takes_a_form())
        .map(|row| row.path.as_str())
        .collect();
    for form in &forms {
        assert!(
            twins.iter().any(|(path, _)| path == form),
            "POST {form}: say here which operation of the API does the same, or why none does"
        );
    }
    held_to_operations(&forms, twins);
}

/// That each of these twins is of an address that is there, and is an operation that is described.
fn held_to_operations(addresses: &[&str], twins: impl IntoIterator<Item = (&'static str, Twin)>) {
    let paths = DOCUMENT["paths"].as_object().expect("paths").values();
    let operations: Vec<&str> = paths
        .flat_map(|path| path.as_object().expect("operations").values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    for (address, twin) in twins {
        assert!(addresses.contains(&address), "nothing is at {address}");
        match twin {
            Twin::Operation(id) => {
                assert!(operations.contains(&id), "{address}: there is no `{id}`");
            }
            Twin::None(why) => assert!(!why.is_empty()),
        }
    }
}

#[test]
fn everything_that_pages_show_the_api_tells() {
    use Twin::{None, Operation};
    let twins = [
        (
            "/setup/{code}",
            None("the one-time link is opened by a person"),
        ),
        ("/login", None("machines show tokens, and log in nowhere")),
        ("/transparency", Operation("getTransparency")),
        ("/", Operation("listRuns")),
        ("/", Operation("listUpcoming")),
        ("/", Operation("listStuck")),
        ("/", Operation("getHalt")),
        ("/", Operation("listActions")),
        ("/", Operation("listSignals")),
        ("/runs", Operation("listRuns")),
        ("/runs/{run}", Operation("getRun")),
        ("/runs/{run}", Operation("listPeople")),
        ("/runs/{run}/changes", Operation("listEvents")),
        (
            "/status/{run}",
            None("a page for customers, whom its messages are for"),
        ),
        (
            "/status/{run}/banner",
            None("a part of the page for customers"),
        ),
        ("/runs/{run}/scorecard", Operation("getScorecard")),
        ("/library", Operation("listFiles")),
        ("/library/file", Operation("getFile")),
        ("/library/file", Operation("checkFile")),
        ("/library/new", Operation("beginFile")),
        ("/trends", Operation("listTrends")),
        ("/trends/{name}", Operation("getTrends")),
        ("/calendar", Operation("getCalendar")),
        ("/gamedays", Operation("listGameDays")),
        ("/gamedays/{id}", Operation("getGameDay")),
        ("/coverage", Operation("getCoverage")),
        ("/forecast", Operation("forecast")),
        ("/runs/{run}/report", Operation("getReview")),
        ("/runs/{run}/report.md", Operation("getReview")),
        ("/runs/{run}/evidence.json", Operation("getEvidence")),
        ("/actions", Operation("listActions")),
        ("/signals", Operation("listSignals")),
        ("/settings", Operation("whoAmI")),
        ("/settings", Operation("listSessions")),
        ("/settings/people", Operation("listAccounts")),
        ("/settings/tokens", Operation("listTokens")),
        ("/settings/audit", Operation("listAudit")),
    ];
    let rows = table();
    let pages: Vec<&str> = rows
        .iter()
        .filter(|row| row.page && !row.takes_a_form())
        .map(|row| row.path.as_str())
        .collect();
    for page in &pages {
        assert!(
            twins.iter().any(|(path, _)| path == page),
            "GET {page}: say here which operation of the API tells the same, or why none does"
        );
    }
    held_to_operations(&pages, twins);
}

#[tokio::test]
async fn people_are_added_changed_and_forgotten_through_the_api() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    let root = server.login_as("Root").await;
    let wanted = json!({"name": "Bob Ross", "password": PASSWORD,
        "roles": [{"role": "responder", "stack": "tiny"}]});
    let made = server
        .post_as("/api/v1/people", wanted.clone(), &root)
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.header("location"), "/api/v1/people/Bob%20Ross");
    let again = server.post_as("/api/v1/people", wanted, &root).await;
    assert_eq!(again.problem(409), "name-taken");
    for (wrong, code) in [
        (json!({"name": "Al", "password": "short"}), "bad-password"),
        (json!({"name": " ", "password": PASSWORD}), "bad-name"),
        // A bound that is misspelt is no bound: it must not be taken for none.
        (
            json!({"name": "Al", "password": PASSWORD, "roles": [{"role": "viewer", "stak": "tiny"}]}),
            "unfit-json",
        ),
    ] {
        let refused = server.post_as("/api/v1/people", wrong, &root).await;
        assert_eq!(refused.problem(422), code);
    }
    let listed = server.get_as("/api/v1/people", &root).await.json();
    assert_eq!(listed["people"][0]["name"], "Bob Ross");
    assert_eq!(
        listed["people"][0]["roles"],
        json!([{"role": "responder", "stack": "tiny"}])
    );

    // Two administrators look at the same roles; the second does not undo what the first did.
    let seen = server.get_as("/api/v1/people/bob%20ross", &root).await;
    let tag = seen.header("etag").to_owned();
    let roles = |role: &str| json!({"roles": [{"role": role}, {"role": role}]});
    let (path, nothing) = ("/people/Bob%20Ross/roles", Value::Null);
    let first = server
        .ask_as(Method::PUT, path, &roles("operator"), (&root, Some(&tag)))
        .await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.json()["roles"], json!([{"role": "operator"}]), "once");
    assert_ne!(first.header("etag"), tag);
    let second = server
        .ask_as(Method::PUT, path, &roles("viewer"), (&root, Some(&tag)))
        .await;
    assert_eq!(second.problem(412), "changed-meanwhile");
    let unseen = server
        .ask_as(Method::PUT, path, &roles("viewer"), (&root, None))
        .await;
    assert_eq!(unseen.status, 200, "{}", unseen.body);
    let last = server
        .ask_as(
            Method::PUT,
            "/people/Root/roles",
            &json!({"roles": []}),
            (&root, None),
        )
        .await;
    assert_eq!(last.problem(409), "last-administrator");
    let unknown = server
        .ask_as(
            Method::PUT,
            "/people/Eve/roles",
            &json!({"roles": []}),
            (&root, None),
        )
        .await;
    assert_eq!(unknown.problem(404), "no-such-person");

    let bob = server.login_as("Bob Ross").await;
    let other = json!({"password": "another long enough one"});
    let set = server
        .ask_as(
            Method::PUT,
            "/people/Bob%20Ross/password",
            &other,
            (&root, None),
        )
        .await;
    assert_eq!(set.status, 204, "{}", set.body);
    let gone = server.get_as("/api/v1/me", &bob).await;
    assert_eq!(
        gone.problem(401),
        "not-logged-in",
        "another password ends sessions"
    );

    let removed = server
        .ask_as(
            Method::DELETE,
            "/people/bob%20ross?forget=true",
            &nothing,
            (&root, None),
        )
        .await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    assert!(!server.keeps("Bob Ross"), "a forgotten name is left");
    let again = server
        .ask_as(
            Method::DELETE,
            "/people/Bob%20Ross?forget=true",
            &nothing,
            (&root, None),
        )
        .await;
    assert_eq!(again.problem(404), "no-such-person");
    assert!(
        !server.keeps("Bob Ross"),
        "that nobody is known keeps no name"
    );

    // The audit says what was done to whom, by pseudonym, and to which roles.
    let audit = server.get_as("/api/v1/audit", &root).await;
    assert!(!audit.body.contains("Bob"), "{}", audit.body);
    assert!(!audit.body.contains("long enough"), "{}", audit.body);
    let entries = audit.json()["entries"].as_array().expect("entries").clone();
    let of = |act: &str| {
        let mut of = entries.iter().rev();
        of.find(|entry| entry["act"] == act)
            .unwrap_or_else(|| panic!("no {act}"))["about"]["subject"]
            .clone()
    };
    let person = of("POST /api/v1/people")["person"].clone();
    assert!(person.as_str().is_some_and(|name| name.starts_with("p-")));
    let given = of("PUT /api/v1/people/{name}/roles");
    assert_eq!(given["person"], person);
    assert!(
        given["roles"]
            .as_str()
            .is_some_and(|roles| roles.contains("operator"))
    );
    let forgotten = of("DELETE /api/v1/people/{name}");
    assert_eq!(
        (&forgotten["person"], &forgotten["forget"]),
        (&person, &json!("true"))
    );
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_whose_they_are_and_by_administrators() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    server.add("Ada", &everywhere(Role::Viewer)).await;
    let root = server.login_as("Root").await;
    let (here, there) = (server.login_as("Ada").await, server.login_as("Ada").await);
    let own = server.get_as("/api/v1/sessions", &here).await.json();
    let own = own["sessions"].as_array().expect("sessions").clone();
    assert_eq!(own.len(), 2);
    assert!(own.iter().all(|one| one["user"] == "Ada"));
    let current: Vec<&Value> = own.iter().filter(|one| one["current"] == true).collect();
    assert_eq!(current.len(), 1);
    let refused = server.get_as("/api/v1/sessions?all=true", &here).await;
    assert_eq!(refused.problem(403), "not-allowed");
    let all = server
        .get_as("/api/v1/sessions?all=true", &root)
        .await
        .json();
    let all = all["sessions"].as_array().expect("sessions").clone();
    assert_eq!(all.len(), 3);

    let id = |user: &str, current: bool| {
        let mut of = all.iter();
        let known: Vec<&Value> = own
            .iter()
            .filter(|one| one["current"] == current)
            .map(|one| &one["id"])
            .collect();
        of.find(|one| one["user"] == user && (user == "Root" || known.contains(&&one["id"])))
            .expect("a session")["id"]
            .to_string()
    };
    let end = async |id: &str, who: &str| {
        let path = format!("/sessions/{id}");
        server
            .ask_as(Method::DELETE, &path, &Value::Null, (who, None))
            .await
    };
    let foreign = end(&id("Root", false), &here).await;
    assert_eq!(foreign.problem(404), "no-such-session");
    assert_eq!(end("x", &here).await.problem(404), "no-such-session");
    assert_eq!(end(&id("Ada", false), &here).await.status, 204);
    assert_eq!(server.get_as("/api/v1/me", &there).await.status, 401);
    assert_eq!(end(&id("Ada", true), &root).await.status, 204);
    assert_eq!(server.get_as("/api/v1/me", &here).await.status, 401);
}

#[tokio::test]
async fn a_password_of_ones_own_takes_the_one_until_now() {
    let server = Server::beyond_loopback().await;
    let hash = crate::http::password::hash(PASSWORD.to_owned())
        .await
        .expect("hashed");
    let database = &server.services.database;
    let now = server.services.now().wall;
    database
        .add_first_user("Ada", &hash, now)
        .await
        .expect("made");
    let (here, there) = (server.login_as("Ada").await, server.login_as("Ada").await);
    let change = async |current: &str, password: &str| {
        let body = json!({"current": current, "password": password});
        server
            .ask_as(Method::PUT, "/me/password", &body, (&here, None))
            .await
    };
    let other = "another long enough one";
    assert_eq!(
        change("wrong one, sorry", other).await.problem(422),
        "wrong-password"
    );
    assert_eq!(change(PASSWORD, "short").await.problem(422), "bad-password");
    assert_eq!(change(PASSWORD, other).await.status, 204);
    assert_eq!(server.get_as("/api/v1/me", &here).await.status, 200);
    assert_eq!(server.get_as("/api/v1/me", &there).await.status, 401);
}

#[tokio::test]
async fn on_loopback_the_first_account_is_an_administrators() {
    let server = Server::start().await;
    let wanted =
        |role: &str| json!({"name": "Ada", "password": PASSWORD, "roles": [{"role": role}]});
    let viewer = server.post("/api/v1/people", wanted("viewer")).await;
    assert_eq!(viewer.problem(409), "no-administrator");
    let none = json!({"current": PASSWORD, "password": PASSWORD});
    let request = server
        .request(Method::PUT, "/api/v1/me/password")
        .header(CONTENT_TYPE, "application/json");
    let nobody = server.send(request, none.to_string()).await;
    assert_eq!(nobody.problem(409), "no-account");
    let made = server.post("/api/v1/people", wanted("administrator")).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let now = server.get("/api/v1/people").await;
    assert_eq!(
        now.problem(401),
        "not-logged-in",
        "from then on everybody logs in"
    );
}
