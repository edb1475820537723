//! Pages over many runs, over HTTP: what they say after a drill, to whom, and what is published.

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
        let page = server.get_as("/trends/outage", &session).await;
        assert_eq!(page.status == 200, sees, "{name}");
    }
}

#[tokio::test]
async fn nothing_is_published_unless_it_is_asked_for_and_then_to_anybody() {
    let server = Server::start().await;
    assert_eq!(server.get("/transparency").await.status, 404);

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
    }
    // The page's own clock is for its scripts, and is no day of a drill.
    let told = page.body.replace(&format!("data-now=\"{day}"), "");
    assert!(!told.contains(&day), "a day is published: {told}");
}
