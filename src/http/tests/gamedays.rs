//! Game days from outside: begun, followed, ended, and told to those who may know of all their drills.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::world::{Reply, Server};
use crate::model::access::{Grant, Role, Scope};

/// A drill of which nothing is to be seen: it is over in a moment.
fn with_quiet(server: &Server) {
    server.write(
        "calm.yaml",
        "kind: Experiment\nname: calm\nstack: tiny\nhypothesis: Nothing happens.\nsteady_state: [{probe: pay, pass_after: 1}]\n\
         method: []\nrecovery: {within: 5s, stable_for: 100ms}\n",
    );
    server.write(
        "calm.md",
        "---\nkind: Runbook\nname: calm\nexpect:\n  - {id: judged, manual: Nobody was alarmed}\n---\n",
    );
    server.write(
        "quiet.yaml",
        "kind: Drill\nname: quiet\nexperiment: calm\nrunbook: calm\nteam: crew\nseverity: SEV3\ndecoy: 500ms\n",
    );
}

fn with_day(server: &Server, rest: &str) {
    with_quiet(server);
    server.write(
        "afternoon.yaml",
        &format!("kind: GameDay\nname: afternoon\n{rest}\n"),
    );
    server.services.library.forget();
}

fn everywhere(role: Role) -> Vec<Grant> {
    vec![Grant {
        role,
        scope: Scope::default(),
    }]
}

fn states(day: &Value) -> Vec<&str> {
    let drills = day["drills"].as_array().expect("drills").iter();
    drills
        .map(|drill| drill["state"].as_str().expect("a state"))
        .collect()
}

impl Server {
    async fn begin_day(&self) -> Value {
        let reply = self
            .post("/api/v1/gamedays", json!({"game_day": "afternoon"}))
            .await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
        let day = reply.json();
        assert_eq!(reply.header("location"), day["url"]);
        day
    }

    /// Waits until the game day stands so.
    async fn day_until(&self, day: &Value, is: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let told = self.get(day["url"].as_str().expect("a URL")).await.json();
            if is(&told) {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it never stood so");
    }

    async fn page_of(&self, day: &Value) -> Reply {
        self.get(day["page"].as_str().expect("a page")).await
    }
}

#[tokio::test]
async fn drills_of_a_game_day_begin_one_after_the_other_and_each_run_says_which_it_is() {
    let server = Server::start().await;
    with_day(
        &server,
        "drills: [{drill: quiet}, {drill: quiet, pause: 200ms}]",
    );
    let day = server.begin_day().await;
    assert_eq!(states(&day), ["live", "waits"]);
    assert_eq!(day["going"], true);
    let over = server.day_until(&day, |day| day["going"] == false).await;
    assert_eq!(states(&over), ["ended", "ended"], "{over:#}");
    let mut created = Vec::new();
    for (index, position) in [(0, 1), (1, 2)] {
        let run = over["drills"][index]["run"].as_str().expect("a run");
        let row = server.get(&format!("/api/v1/runs/{run}")).await.json();
        let turn = &row["trigger"]["game_day"];
        assert_eq!(turn["id"], day["id"]);
        assert_eq!(
            (&turn["name"], &turn["position"], &turn["of"]),
            (&json!("afternoon"), &json!(position), &json!(2))
        );
        assert_eq!(turn["drills"], Value::Null, "a row tells of itself alone");
        created.push((row["created"].clone(), row["ended"].clone()));
    }
    assert!(
        created[1].0.as_str() > created[0].1.as_str(),
        "one at a time: {created:?}"
    );
    let page = server.page_of(&over).await;
    assert_eq!(page.status, 200);
    for part in ["afternoon", "2 of 2 drills begun", "over", "/scorecard"] {
        assert!(page.body.contains(part), "no `{part}` in {}", page.body);
    }
    assert!(!page.body.contains("End the rest"));
    let listed = server.get("/api/v1/gamedays").await.json();
    assert_eq!(listed["game_days"][0], over);
    let runs = server.get("/runs").await.body;
    assert!(runs.contains("game day"), "what started it is told");
}

#[tokio::test]
async fn a_person_ends_the_rest_and_the_drill_that_goes_on_goes_on() {
    let server = Server::start().await;
    with_day(
        &server,
        "drills: [{drill: outage}, {drill: quiet, pause: 1h}]",
    );
    let day = server.begin_day().await;
    let overview = server.get("/").await.body;
    let address = format!("href=\"{}\"", day["page"].as_str().expect("a page"));
    assert!(overview.contains(&address), "it is on the overview");
    assert!(server.page_of(&day).await.body.contains("End the rest"));
    let end = format!("{}/end", day["url"].as_str().expect("a URL"));
    let ended = server.post(&end, json!({})).await;
    assert_eq!(ended.status, 200, "{}", ended.body);
    let ended = ended.json();
    assert_eq!(states(&ended), ["live", "not_begun"]);
    assert_eq!(
        ended["drills"][1]["why"],
        "not begun: somebody ended the game day"
    );
    let again = server.post(&end, json!({})).await;
    assert_eq!(again.problem(409), "game-day-over");
    let run = ended["drills"][0]["run"].as_str().expect("a run");
    server.halt(run).await;
    let page = server.page_of(&day).await.body;
    assert!(page.contains("somebody ended the game day"), "{page}");
    assert!(page.contains("ended early"), "{page}");
}

#[tokio::test]
async fn after_a_drill_that_was_halted_nothing_more_begins_and_who_held_it_is_not_needed_to_tell_why()
 {
    let server = Server::start().await;
    with_day(&server, "drills: [{drill: outage}, {drill: quiet}]");
    let day = server.begin_day().await;
    let run = day["drills"][0]["run"].as_str().expect("a run");
    server.halt(run).await;
    let over = server.day_until(&day, |day| day["going"] == false).await;
    let why = "not begun: drill `outage` of the game day was aborted";
    assert_eq!(over["drills"][1]["why"], why);
    // As after a restart: only the logs are left.
    let id = over["id"].as_str().expect("an id").parse().expect("an id");
    let rows = server.services.database.runs_of_game_day(&id).await;
    let told = crate::http::gamedays::Day::of(rows.expect("rows"), None).expect("a game day");
    assert_eq!(
        told.drills[1].stands,
        crate::http::gamedays::Stands::NotBegun(why.to_owned())
    );
}

#[tokio::test]
async fn a_game_day_starts_from_the_library_and_the_overview_by_who_operates_all_its_drills() {
    let server = Server::beyond_loopback().await;
    with_day(
        &server,
        "drills: [{drill: quiet}, {drill: quiet, pause: 1h}]",
    );
    server.add("Op", &everywhere(Role::Operator)).await;
    let bounded = |stack: &str| {
        vec![Grant {
            role: Role::Operator,
            scope: Scope {
                team: None,
                stack: Some(stack.parse().expect("a name")),
            },
        }]
    };
    server.add("Elsewhere", &bounded("elsewhere")).await;
    server.add("Bob", &everywhere(Role::Responder)).await;
    let [op, elsewhere, bob] = [
        server.login_as("Op").await,
        server.login_as("Elsewhere").await,
        server.login_as("Bob").await,
    ];
    for (path, session, told, offered) in [
        ("/library", &op, true, true),
        ("/", &op, true, true),
        ("/library", &bob, true, false),
        ("/", &bob, true, false),
        ("/library", &elsewhere, false, false),
        ("/", &elsewhere, false, false),
    ] {
        let page = server.get_as(path, session).await.body;
        assert_eq!(page.contains("afternoon"), told, "{path}");
        let button = page.contains("value=\"game day\"");
        assert_eq!(button, offered, "{path}");
    }
    let file = server.get_as("/library/file?path=", &op).await;
    assert_eq!(file.status, 404);
    let wanted = json!({"game_day": "afternoon"});
    for session in [&elsewhere, &bob] {
        let refused = server
            .post_as("/api/v1/gamedays", wanted.clone(), session)
            .await;
        assert_eq!(refused.problem(403), "not-allowed");
    }
    let started = server
        .form_as("/start", "kind=game%20day&name=afternoon&autopilot=", &op)
        .await;
    assert_eq!(started.status, 303, "{}", started.body);
    let page = started.header("location").to_owned();
    assert!(page.starts_with("/gamedays/"), "{page}");
    assert_eq!(server.get_as(&page, &bob).await.status, 200);
    assert_eq!(server.get_as(&page, &elsewhere).await.status, 404);
    let list = server.get_as("/api/v1/gamedays", &elsewhere).await.json();
    assert_eq!(list["game_days"], json!([]));
    let audited = server.services.database.audited(50, None).await;
    let audited = format!("{:?}", audited.expect("read"));
    assert!(
        audited.contains("game_day"),
        "what was asked for is audited: {audited}"
    );
    let end = format!("{page}/end");
    assert_eq!(server.form_as(&end, "", &bob).await.status, 403);
    assert_eq!(server.form_as(&end, "", &op).await.status, 303);
}

#[tokio::test]
async fn a_wrong_game_day_is_refused_with_what_is_wrong_and_one_that_there_is_not_too() {
    let server = Server::start().await;
    with_day(&server, "drills: [{drill: quite}]");
    let wanted = json!({"game_day": "afternoon"});
    let refused = server.post("/api/v1/gamedays", wanted).await;
    assert_eq!(refused.problem(422), "file-findings");
    assert_eq!(refused.json()["findings"][0]["code"], "unknown-file");
    let unknown = json!({"game_day": "morning"});
    let refused = server.post("/api/v1/gamedays", unknown).await;
    assert_eq!(refused.problem(404), "no-such-game-day");
    let other = json!({"game_day": "afternoon", "files": []});
    with_day(&server, "drills: [{drill: quiet}]");
    let refused = server.post("/api/v1/gamedays", other).await;
    assert_eq!(refused.problem(409), "files-differ");
    assert_eq!(server.get("/gamedays/none").await.status, 404);
    let none = server.get("/gamedays").await.body;
    assert!(none.contains("No game day was held yet."), "{none}");
}

#[tokio::test]
async fn a_scheduled_game_day_is_in_the_calendar() {
    let server = Server::start().await;
    with_day(
        &server,
        "drills: [{drill: quiet}]\nschedule: {cron: \"0 13 1 * *\", timezone: Europe/Berlin}",
    );
    let calendar = server.get("/api/v1/calendar").await.json();
    let schedules = calendar["schedules"].as_array().expect("schedules");
    let day = schedules.iter().find(|one| one["game_day"] == "afternoon");
    assert_eq!(day.expect("listed")["drill"], Value::Null);
    let due = server.services.now().wall;
    let what = "game day afternoon".parse().expect("one");
    let database = &server.services.database;
    let claimed = database
        .record_start(&what, due, "started game day d1")
        .await;
    assert!(claimed.expect("recorded"));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let starts = server.get("/api/v1/calendar").await.json()["starts"].clone();
    assert_eq!(
        (
            &starts[0]["game_day"],
            &starts[0]["held"],
            &starts[0]["state"]
        ),
        (&json!("afternoon"), &json!("d1"), &json!("started"))
    );
    let page = server.get("/calendar?zone=UTC").await.body;
    for part in ["game day afternoon", "href=\"/gamedays/d1\""] {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
}
