//! Pages over many runs, over HTTP: what they say after a drill, to whom, and what is published.

use serde_json::{Value, json};

use super::world::Server;
use crate::http::Published;
use crate::model::access::{Grant, Role, Scope};
use crate::score;

/// Plays the drill to its end, and keeps what it came to as a server does.
async fn drilled(server: &Server) -> String {
    let run = server.drill().await;
    for act in [
        "act=detected&service=signer&symptom=x",
        "act=remedy_chosen&remedy=mend",
    ] {
        let reply = server.form(&format!("/runs/{run}/acts"), act).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
    }
    server.until(&run, "run_ended", |_| true).await;
    summarise(server, &run).await;
    run
}

async fn summarise(server: &Server, run: &str) {
    use crate::ports::Journal as _;
    let id = run.parse().expect("an id");
    let database = &server.services.database;
    let events = database.load(&id).await.expect("a log");
    let report = score::judge(&events).expect("judged");
    let summary = score::summary::summary(&report, &events).expect("it is over");
    database.save_summary(&id, &summary).await.expect("saved");
}

#[tokio::test]
async fn before_the_first_run_each_page_says_what_to_do() {
    let server = Server::start().await;
    for (path, part) in [
        ("/trends", "Start a drill from the"),
        ("/forecast", "Start a drill"),
        ("/coverage", "Nothing has hit this stack yet."),
    ] {
        let page = server.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(
            page.body.contains(part),
            "{path} has no `{part}`: {}",
            page.body
        );
    }
    assert_eq!(server.get("/trends/outage").await.status, 404);
    let odd = server.get("/coverage?stack=moon").await;
    assert_eq!(odd.status, 404);
}

#[tokio::test]
async fn a_drill_is_in_trends_and_coverage_once_it_is_over() {
    let server = Server::start().await;
    let run = drilled(&server).await;
    let page = server.get("/trends").await.body;
    for part in [
        "href=\"/trends/outage#",
        "crew",
        "too few for a median: 5 more runs",
        &run,
    ] {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
    assert!(
        server
            .get("/trends?team=others")
            .await
            .body
            .contains("No scenario is like that.")
    );
    let page = server.get("/trends/outage").await.body;
    assert!(
        page.contains("1 run in all") && page.contains("Weaknesses"),
        "{page}"
    );
    let page = server.get("/coverage").await.body;
    assert!(
        page.contains("whatever hooks reach") && page.contains("cell drilled"),
        "{page}"
    );
    let page = server.get("/forecast").await.body;
    assert!(
        page.contains("So far: outage, announced drills of crew on tiny: 1 so far"),
        "{page}"
    );
    let refused = server.get("/forecast?counted=soon").await.body;
    assert!(refused.contains("none has so many yet"), "{refused}");
}

#[tokio::test]
async fn the_api_tells_the_same_in_figures() {
    let server = Server::start().await;
    let none = server.get("/api/v1/trends").await.json();
    assert_eq!((&none["trends"], &none["next"]), (&json!([]), &Value::Null));
    let unknown = server.get("/api/v1/trends/outage").await;
    assert_eq!(unknown.problem(404), "no-such-scenario");
    let odd = server.get("/api/v1/coverage?stack=moon").await;
    assert_eq!(odd.problem(404), "no-such-stack");
    let run = drilled(&server).await;

    let listed = server.get("/api/v1/trends").await.json();
    let trend = &listed["trends"][0];
    assert_eq!(trend["scenario"]["name"], "outage");
    assert_eq!(trend["scenario"]["failures"], json!(["changed"]));
    let recover = &trend["times"]["recover"];
    assert_eq!(
        (&recover["of"], &recover["measured"], &recover["median"]),
        (&json!(1), &json!(1), &Value::Null)
    );
    for (query, count) in [
        ("kind=drills&team=crew&failure=changed", 1),
        ("kind=experiments", 0),
        ("team=others", 0),
        ("failure=slow", 0),
    ] {
        let listed = server.get(&format!("/api/v1/trends?{query}")).await.json();
        assert_eq!(listed["trends"].as_array().expect("trends").len(), count);
    }
    for wrong in ["kind=moons", "failure=loud", "limit=0", "cursor=x"] {
        let refused = server.get(&format!("/api/v1/trends?{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.body);
    }
    let whole = server.get("/api/v1/trends/outage").await.json();
    let whole = &whole["trends"][0];
    assert_eq!((&whole["all"], &whole["runs"]), (&json!(1), &json!(1)));
    let latest = &whole["latest_runs"][0];
    assert_eq!(latest["run"], run.as_str());
    assert!(latest["recover"]["ms"].is_u64() && latest["recover"]["at_least"] == false);

    let covered = server.get("/api/v1/coverage").await.json();
    assert_eq!(covered["stack"], "tiny");
    let cells = covered["cells"].as_array().expect("cells");
    let drilled: Vec<&Value> = cells
        .iter()
        .filter(|cell| cell["state"] == "drilled")
        .collect();
    assert_eq!(drilled.len(), 1, "{covered:#}");
    assert_eq!(drilled[0]["drill"]["run"], run.as_str());
    assert_eq!(drilled[0]["place"], json!({"is": "elsewhere"}));
    assert_eq!(drilled[0]["stale"], false);
    assert!(
        drilled[0]["starts"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );

    let asked = server.get("/api/v1/forecast").await.json();
    let choice = &asked["choices"][0];
    assert_eq!(
        (&choice["enough"], &choice["drills"], &asked["answer"]),
        (&json!(false), &json!(1), &Value::Null)
    );
    let id = choice["scenario"]["id"].as_i64().expect("a number");
    for (query, status, code) in [
        (format!("incidents={id}:2"), 422, "no-forecast"),
        (format!("incidents={id}:2,{id}:3"), 422, "no-forecast"),
        ("incidents=999:2".to_owned(), 422, "no-such-scenario"),
        ("incidents=soon".to_owned(), 400, "bad-query"),
        ("counted_months=soon".to_owned(), 400, "bad-query"),
    ] {
        let refused = server.get(&format!("/api/v1/forecast?{query}")).await;
        assert_eq!(refused.problem(status), code, "{query}");
    }
}

/// Keeps so many drills beside the one that was played, each as it was.
async fn more_like_it(server: &Server, run: &str, count: usize) {
    use crate::ports::{Durability, Journal as _};
    let database = &server.services.database;
    let events = database
        .load(&run.parse().expect("an id"))
        .await
        .expect("a log");
    let report = score::judge(&events).expect("judged");
    let summary = score::summary::summary(&report, &events).expect("it is over");
    for index in 0..count {
        let id = format!("20260101-0000{index:02}-abcdef")
            .parse()
            .expect("an id");
        let kept = database.append(&id, 0, &events, Durability::Durable);
        kept.await.expect("kept");
        database.save_summary(&id, &summary).await.expect("saved");
    }
}

#[tokio::test]
async fn enough_drills_have_a_median_and_a_forecast_that_is_the_same_when_asked_again() {
    let server = Server::start().await;
    let run = drilled(&server).await;
    more_like_it(&server, &run, 5).await;
    let whole = server.get("/api/v1/trends/outage").await.json();
    let recover = &whole["trends"][0]["times"]["recover"];
    assert_eq!(recover["of"], 6);
    assert_eq!(recover["median"]["ms"], recover["median"]["low_ms"]);
    let steps = &whole["trends"][0]["survival"]["recover"];
    assert_eq!(steps[0]["left"].as_f64(), Some(0.0), "{whole:#}");

    let asked = server.get("/api/v1/forecast").await.json();
    assert_eq!(asked["choices"][0]["enough"], true);
    let id = asked["choices"][0]["scenario"]["id"]
        .as_i64()
        .expect("a number");
    let path = format!("/api/v1/forecast?incidents={id}:3&ahead_months=24&budget_ms=1&seed=7");
    let answer = server.get(&path).await.json()["answer"].clone();
    assert_eq!(
        (&answer["trials"], &answer["seed"]),
        (&json!(10_000), &json!(7))
    );
    assert!(answer["hurt_ms"]["p50"].as_u64().is_some_and(|ms| ms > 0));
    assert!(
        answer["beyond_budget"]
            .as_f64()
            .is_some_and(|share| share > 0.9)
    );
    assert_eq!(server.get(&path).await.json()["answer"], answer);
    let refused = server.get(&format!("{path}&counted_months=0")).await;
    assert_eq!(refused.problem(422), "no-forecast");
}

#[tokio::test]
async fn whoever_sees_no_run_sees_no_trend_of_it() {
    let server = Server::start().await;
    let run = drilled(&server).await;
    let bounded = |team: &str| {
        vec![Grant {
            role: Role::Viewer,
            scope: Scope {
                team: Some(team.parse().expect("a name")),
                stack: None,
            },
        }]
    };
    server.add("ours", &bounded("crew")).await;
    server.add("theirs", &bounded("others")).await;
    for (name, sees) in [("ours", true), ("theirs", false)] {
        let session = server.login_as(name).await;
        for path in ["/trends", "/coverage"] {
            let page = server.get_as(path, &session).await.body;
            assert_eq!(page.contains(&run), sees, "{path} as {name}: {page}");
        }
        for path in ["/trends/outage", "/api/v1/trends/outage"] {
            let page = server.get_as(path, &session).await;
            assert_eq!(page.status == 200, sees, "{path} as {name}");
        }
        for path in ["/api/v1/trends", "/api/v1/forecast"] {
            let told = server.get_as(path, &session).await.body;
            assert_eq!(told.contains("outage"), sees, "{path} as {name}: {told}");
        }
        let covered = server.get_as("/api/v1/coverage", &session).await.body;
        assert_eq!(covered.contains(&run), sees, "{name}: {covered}");
    }
}

#[tokio::test]
async fn nothing_is_published_unless_it_is_asked_for_and_then_to_anybody() {
    let server = Server::start().await;
    assert_eq!(server.get("/transparency").await.status, 404);
    let none = server.get("/api/v1/transparency").await;
    assert_eq!(none.problem(404), "no-such-address");

    let server = Server::start_with(|services| {
        services.published = Some(Published::of("Example Wallet"));
    })
    .await;
    let run = drilled(&server).await;
    let everywhere = vec![Grant {
        role: Role::Administrator,
        scope: Scope::default(),
    }];
    server.add("Root", &everywhere).await;
    let page = server.get("/transparency").await;
    assert_eq!(page.status, 200, "{}", page.body);
    for part in [
        "Example Wallet: incident drills",
        "1 of 1",
        "too few drills",
    ] {
        assert!(page.body.contains(part), "no `{part}` in {}", page.body);
    }
    let told = server.get("/api/v1/transparency").await;
    let figures = told.json();
    assert_eq!(figures["platform"], "Example Wallet");
    assert_eq!(figures["year"]["drills"], 1);
    assert_eq!(figures["detected"], json!({"part": 1, "of": 1}));
    assert_eq!(figures["scenarios"][0]["letter"], "A");
    assert_eq!(figures["scenarios"][0]["recover"]["median"], Value::Null);
    let day = server.services.now().wall.strftime("%Y-%m-%d").to_string();
    for telling in [
        "outage",
        "signer",
        "tiny",
        "crew",
        "mend",
        "127.0.0.1",
        &run,
        "2126",
    ] {
        assert!(
            !page.body.contains(telling),
            "`{telling}` is published: {}",
            page.body
        );
        assert!(
            !told.body.contains(telling),
            "`{telling}` is published: {}",
            told.body
        );
    }
    // The page's own clock is for its scripts, and is no day of a drill.
    let shown = page.body.replace(&format!("data-now=\"{day}"), "");
    assert!(!shown.contains(&day), "a day is published: {shown}");
    assert!(
        !told.body.contains(&day),
        "a day is published: {}",
        told.body
    );
}
