//! Following a run: no gap, no repeat, and an end.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Method;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::world::Server;
use crate::model::access::{Grant, Role, Scope};

/// A stream as a client reads it.
struct Stream {
    body: Incoming,
    text: String,
}

impl Stream {
    async fn open(server: &Server, path: &str, last: Option<u64>) -> Self {
        Self::open_with(server, path, last, ("x-nothing", "")).await
    }

    /// As somebody whom this header shows.
    async fn open_with(
        server: &Server,
        path: &str,
        last: Option<u64>,
        (name, value): (&str, &str),
    ) -> Self {
        let mut request = server
            .request(Method::GET, path)
            .header("accept", "text/event-stream")
            .header(name, value);
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let answer = server
            .open(request.body(Full::new(Bytes::new())).expect("a request"))
            .await;
        assert_eq!(answer.status(), 200);
        Self {
            body: answer.into_body(),
            text: String::new(),
        }
    }

    /// The next event's id, name and data; nothing at the end of the stream.
    async fn next(&mut self) -> Option<(u64, String, String)> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    message
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::trim)
                        .unwrap_or_default()
                        .to_owned()
                };
                let found = (field("id:"), field("event:"), field("data:"));
                self.text = rest.to_owned();
                if found.0.is_empty() {
                    continue;
                }
                return Some((found.0.parse().expect("a sequence"), found.1, found.2));
            }
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame())
                .await
                .expect("no event came")?;
            let data = frame.expect("a frame").into_data().expect("data");
            self.text
                .push_str(std::str::from_utf8(&data).expect("text"));
        }
    }
}

#[tokio::test]
async fn a_follower_that_drops_out_gets_every_event_once() {
    let server = Server::start().await;
    let run = server.drill().await;
    let path = format!("/api/v1/runs/{run}/events");
    let mut seen: Vec<(u64, String)> = Vec::new();
    let mut stream = Stream::open(&server, &path, None).await;
    for _ in 0..3 {
        let (seq, kind, data) = stream.next().await.expect("stored events");
        let data: Value = serde_json::from_str(&data).expect("JSON");
        assert_eq!((&data["seq"], &data["type"]), (&json!(seq), &json!(kind)));
        seen.push((seq, kind));
    }
    drop(stream);
    // While nobody listens, more happens.
    for text in ["one", "two"] {
        server
            .post(&path, json!({"type": "noted", "text": text}))
            .await;
    }
    let mut stream = Stream::open(&server, &path, Some(seen.len() as u64)).await;
    let notes = async {
        for text in ["three", "four"] {
            server
                .post(&path, json!({"type": "noted", "text": text}))
                .await;
        }
        server
            .post(
                &format!("/api/v1/runs/{run}/halt"),
                json!({"reason": "enough"}),
            )
            .await;
    };
    let rest = async {
        let mut rest = Vec::new();
        while let Some((seq, kind, _)) = stream.next().await {
            rest.push((seq, kind));
        }
        rest
    };
    let ((), rest) = tokio::join!(notes, rest);
    seen.extend(rest);
    let stored = server.get(&path).await.json();
    let stored: Vec<(u64, String)> = stored["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| {
            (
                event["seq"].as_u64().expect("a sequence"),
                event["type"].as_str().expect("a type").to_owned(),
            )
        })
        .collect();
    assert_eq!(seen, stored);
    assert_eq!(
        seen.last().map(|(_, kind)| kind.as_str()),
        Some("run_ended")
    );
    assert_eq!(seen.iter().filter(|(_, kind)| kind == "noted").count(), 4);
    // One that comes back after the end is told so by an empty stream.
    let mut stream = Stream::open(&server, &path, Some(seen.len() as u64)).await;
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn the_rooms_stream_tells_that_there_is_news_and_when_to_look_and_not_what() {
    let server = Server::start().await;
    let run = server.drill().await;
    let path = format!("/api/v1/runs/{run}/events");
    let mut stream = Stream::open(&server, &format!("/runs/{run}/changes?after=2"), None).await;
    let acts = async {
        for text in ["one", "two", "three"] {
            let act = json!({"type": "noted", "text": text});
            server.post(&path, act).await;
        }
        server.halt(&run).await;
    };
    let told = async {
        let mut told = Vec::new();
        while let Some((seq, kind, data)) = stream.next().await {
            let within: u64 = data.parse().expect("milliseconds");
            assert!((1..100).contains(&within), "one follower looks soon");
            assert_eq!(kind, "");
            told.push(seq);
        }
        told
    };
    let ((), told) = tokio::join!(acts, told);
    let stored = server.get(&path).await.json();
    let last = stored["events"].as_array().expect("events").len() as u64;
    assert_eq!(told, (3..=last).collect::<Vec<_>>());
}

fn everywhere(role: Role) -> Vec<Grant> {
    vec![Grant {
        role,
        scope: Scope::default(),
    }]
}

#[tokio::test]
async fn a_stream_ends_with_what_let_its_follower_in() {
    let server = Server::beyond_loopback().await;
    for (name, role) in [
        ("Root", Role::Administrator),
        ("Ops", Role::Operator),
        ("Vi", Role::Viewer),
    ] {
        server.add(name, &everywhere(role)).await;
    }
    let root = server.login_as("Root").await;
    let (ops, vi) = (server.login_as("Ops").await, server.login_as("Vi").await);
    let bot = json!({"name": "bot", "role": "operator"});
    let bot = server.post_as("/api/v1/tokens", bot, &root).await.json();
    let bot = format!("Bearer {}", bot["token"].as_str().expect("a token"));
    let run = server.drill_as(&root).await;
    let (log, changes) = (
        format!("/api/v1/runs/{run}/events"),
        format!("/runs/{run}/changes"),
    );
    let cookie = |session: &str| format!("session={session}");
    let open = async |path: &str, shows: (&str, &str)| {
        let mut stream = Stream::open_with(&server, path, None, shows).await;
        stream.next().await.expect("the first event");
        stream
    };
    let mut own = open(&log, ("cookie", &cookie(&root))).await;
    let ended = open(&log, ("cookie", &cookie(&ops))).await;
    let revoked = open(&log, ("authorization", &bot)).await;
    let demoted = open(&changes, ("cookie", &cookie(&vi))).await;

    let database = &server.services.database;
    let now = server.services.now().wall;
    let sessions = database.sessions(Some("Ops"), now).await.expect("asked");
    assert!(
        database
            .end_session(sessions[0].id, None)
            .await
            .expect("ended")
    );
    assert!(database.revoke_token("bot").await.expect("revoked"));
    database
        .set_grants("Vi", &[], None)
        .await
        .expect("the role is taken");
    let over = async |mut stream: Stream| while stream.next().await.is_some() {};
    let all = async { tokio::join!(over(ended), over(revoked), over(demoted)) };
    tokio::time::timeout(Duration::from_secs(8), all)
        .await
        .expect("they end within seconds");

    // Whoever still may goes on following.
    server.add("Ann", &everywhere(Role::Responder)).await;
    let ann = server.login_as("Ann").await;
    let note = json!({"type": "noted", "text": "still here"});
    assert_eq!(server.post_as(&log, note, &ann).await.status, 201);
    while own.next().await.expect("an event").1 != "noted" {}
}

#[tokio::test]
async fn a_session_does_not_lapse_under_somebody_who_watches() {
    let server = Server::beyond_loopback().await;
    server.add("Root", &everywhere(Role::Administrator)).await;
    let (watched, left) = (server.login_as("Root").await, server.login_as("Root").await);
    let run = server.drill_as(&watched).await;
    let log = format!("/api/v1/runs/{run}/events");
    let cookie = format!("session={watched}");
    let mut stream = Stream::open_with(&server, &log, None, ("cookie", &cookie)).await;
    stream.next().await.expect("the first event");
    for _ in 0..3 {
        server.move_on(20);
        // Nobody asks for anything: the stream alone keeps it in use.
        let used = async || {
            let now = server.services.now().wall;
            let sessions = server.services.database.sessions(Some("Root"), now);
            let mut sessions = sessions.await.expect("asked").into_iter();
            sessions.any(|session| now.duration_since(session.seen).as_mins() < 5)
        };
        let mut tries = 0;
        while !used().await {
            tries += 1;
            assert!(tries < 160, "its use was not kept");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let gone = server.get_as("/api/v1/me", &left).await;
    assert_eq!(gone.problem(401), "not-logged-in");
    server.add("Ann", &everywhere(Role::Responder)).await;
    let ann = server.login_as("Ann").await;
    let note = json!({"type": "noted", "text": "still here"});
    assert_eq!(server.post_as(&log, note, &ann).await.status, 201);
    while stream.next().await.expect("an event").1 != "noted" {}
}

#[tokio::test]
async fn streams_end_when_the_server_goes() {
    let server = Server::start().await;
    let run = server.drill().await;
    let mut stream = Stream::open(
        &server,
        &format!("/api/v1/runs/{run}/events?after=1000"),
        None,
    )
    .await;
    server.services.shutdown.cancel();
    assert_eq!(stream.next().await, None);
    let handle = server
        .services
        .supervisor
        .get(&run.parse().expect("an id"))
        .expect("a live run");
    handle
        .stop(
            crate::engine::event::StopCause::Signal,
            crate::engine::event::Origin::engine(),
        )
        .await;
    handle.clone().ended().await;
}
