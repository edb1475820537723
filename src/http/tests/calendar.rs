//! What starts by itself, through the API: and a surprise, which nobody whom it surprises finds by asking.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::surprise::set_with;
use super::world::{Once, Server};
use crate::http::{Planned, Timetable};

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn surprise(at: Timestamp, range: (Timestamp, Timestamp)) -> Planned {
    Planned {
        what: "night-heron".parse().expect("a name"),
        at,
        range: Some(range),
        barred: None,
    }
}

/// One start that is past: a schedule's next is another day's.
struct Gone(Planned);

impl Timetable for Gone {
    fn next(&self) -> Vec<Planned> {
        let day = SignedDuration::from_hours(24);
        let later = |at: Timestamp| at + day;
        vec![Planned {
            at: later(self.0.at),
            range: self.0.range.map(|(from, to)| (later(from), later(to))),
            ..self.0.clone()
        }]
    }

    fn between(&self, from: Timestamp, to: Timestamp) -> Vec<Planned> {
        let mut all = vec![self.0.clone()];
        all.extend(self.next());
        all.retain(|one| from < one.at && one.at <= to);
        all
    }
}

async fn starts(server: &Server, session: &str, (from, to): (Timestamp, Timestamp)) -> Vec<Value> {
    let path = format!("/api/v1/calendar?from={from}&to={to}");
    let told = server.get_as(&path, session).await.json();
    told["starts"].as_array().expect("starts").clone()
}

#[tokio::test]
async fn a_month_or_a_time_is_told_with_what_starts_in_it() {
    let server = Server::start().await;
    let month = server.get("/api/v1/calendar?month=2126-03").await.json();
    assert_eq!(
        (&month["from"], &month["to"]),
        (
            &json!("2126-03-01T00:00:00Z"),
            &json!("2126-04-01T00:00:00Z")
        )
    );
    assert_eq!(
        month["starts"],
        json!([{
            "state": "planned", "drill": "outage", "at": "2126-03-01T10:00:00Z",
            "from": null, "to": null, "why": null, "run": null, "game_day": null, "held": null,
        }])
    );
    let there = server
        .get("/api/v1/calendar?month=2126-03&zone=Pacific/Auckland")
        .await
        .json();
    assert_eq!(there["from"], "2126-02-28T11:00:00Z");

    let now = server.services.now().wall;
    let hours = |hours| now + SignedDuration::from_hours(hours);
    let drill = "outage".parse().expect("a name");
    let database = &server.services.database;
    for (due, outcome) in [
        (hours(-3), "started run r1"),
        (hours(-2), "skipped: it came late"),
        (hours(-1), "claimed"),
    ] {
        let kept = database.record_start(&drill, due, outcome);
        assert!(kept.await.expect("kept"));
    }
    let path = format!("/api/v1/calendar?from={}&to={}", hours(-10), hours(1));
    let told = server.get(&path).await.json();
    let told: Vec<_> = told["starts"]
        .as_array()
        .expect("starts")
        .iter()
        .map(|start| (&start["state"], &start["why"], &start["run"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("started"), &Value::Null, &json!("r1")),
            (&json!("skipped"), &json!("it came late"), &Value::Null),
            (&json!("claimed"), &Value::Null, &Value::Null),
        ]
    );
    for wrong in [
        "month=2026-13",
        "month=March",
        "month=2026-3",
        "month=",
        "zone=Moon",
        "from=2026-03-01T00:00:00Z",
        "from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z",
        "from=2026-03-01T00:00:00Z&to=2027-03-01T00:00:00Z",
        "from=9999-03-01T00:00:00Z&to=9999-03-02T00:00:00Z",
        "from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z&month=2026-03",
    ] {
        let refused = server.get(&format!("/api/v1/calendar?{wrong}")).await;
        assert_eq!(refused.problem(400), "bad-query", "{wrong}");
    }
}

#[tokio::test]
async fn narrow_questions_do_not_find_the_time_of_a_surprise() {
    let range = (at("2126-03-01T10:00:00Z"), at("2126-03-01T16:00:00Z"));
    let (server, staff, responder) = set_with(|_| {
        let planned = surprise(at("2126-03-01T13:23:45Z"), range);
        Arc::new(Once(planned))
    })
    .await;
    let hour = SignedDuration::from_hours(1);
    let mut found = Vec::new();
    for index in 0..24 {
        let from = at("2126-03-01T00:00:00Z") + hour * index;
        let span = (from, from + hour);
        let told = starts(&server, &responder, span).await;
        for start in &told {
            assert_eq!(
                (&start["drill"], &start["at"]),
                (&Value::Null, &Value::Null)
            );
            assert_eq!(start["from"], "2126-03-01T10:00:00Z");
            assert_eq!(start["to"], "2126-03-01T16:00:00Z");
        }
        let whole = starts(&server, &staff, span).await;
        found.push((index, told.len(), whole.len()));
        if let Some(start) = whole.first() {
            assert_eq!(start["drill"], "night-heron");
            assert_eq!(start["at"], "2126-03-01T13:23:45Z");
        }
    }
    found.retain(|(_, told, whole)| told + whole > 0);
    // Told where its hours begin, and to staff where it comes.
    assert_eq!(found, [(10, 1, 0), (13, 0, 1)]);
    // A page's month ends at another instant in each zone.
    for zone in ["UTC", "Pacific/Auckland", "Pacific/Honolulu"] {
        let path = format!("/calendar?month=2126-03&zone={zone}");
        let page = server.get_as(&path, &responder).await.body;
        assert!(page.contains("a surprise"), "{zone}: {page}");
    }
}

#[tokio::test]
async fn that_a_surprise_came_does_not_show_in_what_is_to_come() {
    let mut hours = None;
    let (server, staff, responder) = set_with(|now| {
        let range = (
            now - SignedDuration::from_hours(2),
            now + SignedDuration::from_hours(2),
        );
        hours = Some(range);
        let planned = surprise(now - SignedDuration::from_hours(1), range);
        Arc::new(Gone(planned))
    })
    .await;
    let (from, to) = hours.expect("set");
    let came = from + SignedDuration::from_hours(1);
    let drill = "night-heron".parse().expect("a name");
    let kept = server
        .services
        .database
        .record_start(&drill, came, "started run r1");
    assert!(kept.await.expect("kept"));

    let span = (from - SignedDuration::from_hours(1), to);
    let told = starts(&server, &responder, span).await;
    assert_eq!(
        told,
        [json!({
            "state": "planned", "drill": null, "at": null, "from": from.to_string(), "to": to.to_string(),
            "why": null, "run": null, "game_day": null, "held": null,
        })]
    );
    let whole = starts(&server, &staff, span).await;
    let whole: Vec<_> = whole.iter().map(|start| &start["state"]).collect();
    assert_eq!(whole, [&json!("started")]);

    let next = |told: Value| told["upcoming"][0]["from"].clone();
    let told = server.get_as("/api/v1/upcoming", &responder).await.json();
    assert_eq!(
        next(told),
        json!(from.to_string()),
        "today's is still waited for"
    );
    let whole = server.get_as("/api/v1/upcoming", &staff).await.json();
    let tomorrow = from + SignedDuration::from_hours(24);
    assert_eq!(next(whole), json!(tomorrow.to_string()));
}
