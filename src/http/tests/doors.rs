//! Every act goes through every door: the room's form, the API, `firedrill event` and Slack's command.

use hyper::Method;
use serde_json::{Value, json};

use super::senders::slack;
use super::world::Server;
use crate::cli::event::body_of;

/// One act, as each door takes it.
struct Act {
    /// What the log calls it.
    kind: &'static str,
    api: Value,
    form: &'static str,
    words: &'static [&'static str],
    slack: &'static str,
}

fn acts() -> Vec<Act> {
    let act = |kind, api: Value, form, words, slack| Act {
        kind,
        api,
        form,
        words,
        slack,
    };
    vec![
        act(
            "joined",
            json!({"seat": "responder"}),
            "seat=responder",
            &["join"],
            "join",
        ),
        act(
            "detected",
            json!({"service": "api", "symptom": "payments fail"}),
            "service=api&symptom=payments+fail",
            &["detected", "api", "payments fail"],
            "detected api payments fail",
        ),
        act("acknowledged", json!({}), "", &["ack"], "ack"),
        act(
            "declared",
            json!({"severity": "SEV2"}),
            "severity=SEV2",
            &["declare", "sev2"],
            "declare SEV2",
        ),
        act(
            "role_taken",
            json!({"role": "deputy"}),
            "role=deputy",
            &["role", "deputy"],
            "role deputy",
        ),
        act(
            "role_taken",
            json!({"role": "scribe", "to": "grace"}),
            "role=scribe&to=grace",
            &["role", "scribe", "--to", "grace"],
            "role scribe to=grace",
        ),
        act(
            "escalated",
            json!({"to": "grace", "reason": "she built it"}),
            "to=grace&reason=she+built+it",
            &["escalate", "grace", "--because", "she built it"],
            "escalate grace she built it",
        ),
        act(
            "noted",
            json!({"text": "look"}),
            "text=look",
            &["note", "look"],
            "note look",
        ),
        act(
            "replied",
            json!({"text": "they are safe"}),
            "inject=0&text=they+are+safe",
            &["reply", "they are safe", "--message", "1"],
            "reply 1 they are safe",
        ),
        act(
            "dismissed",
            json!({"reason": "a release"}),
            "reason=a+release",
            &["nothing", "a release"],
            "nothing a release",
        ),
        act(
            "cause_named",
            json!({"cause": "cut-signer"}),
            "cause=cut-signer",
            &["cause", "cut-signer"],
            "cause cut-signer",
        ),
        act(
            "remedy_chosen",
            json!({"remedy": "restart"}),
            "remedy=restart",
            &["remedy", "restart"],
            "remedy restart",
        ),
        act(
            "remedy_approved",
            json!({"remedy": "failover"}),
            "remedy=failover",
            &["approve", "failover"],
            "approve failover",
        ),
        act(
            "action_attested",
            json!({"text": "restarted it"}),
            "text=restarted+it",
            &["did", "restarted it"],
            "did restarted it",
        ),
        act(
            "update_posted",
            json!({"audience": "customers", "channels": ["status_page"], "text": "Payments fail."}),
            "audience=customers&channel=status_page&text=Payments+fail.",
            &["update", "Payments fail.", "--on", "status_page"],
            "update customers on=status_page Payments fail.",
        ),
        act(
            "step_ticked",
            json!({"step": 1}),
            "step=1",
            &["step", "1"],
            "step 1",
        ),
        act("resolved", json!({}), "", &["resolve"], "resolved"),
    ]
}

/// The people at the doors, each another one.
const DOORS: [&str; 4] = ["room", "api", "command line", "slack"];

impl Server {
    /// Does an act through a door, which must take it.
    async fn through(&self, door: &str, run: &str, kind: &str, act: &Act, id: &str) {
        let api = format!("/api/v1/runs/{run}/events");
        match door {
            "room" => {
                let body = format!("act={kind}&{}", act.form);
                let reply = self.form(&format!("/runs/{run}/acts"), &body).await;
                assert_eq!(reply.status, 303, "{kind} in the room: {}", reply.body);
            }
            "api" => {
                let mut body = act.api.clone();
                body["type"] = json!(kind);
                body["actor"] = json!("lin");
                let reply = self.post(&api, body).await;
                assert_eq!(reply.status, 201, "{kind} by the API: {}", reply.body);
            }
            "command line" => {
                let mut body = body_of(act.words, self.services.now().wall);
                body["actor"] = json!("max");
                let reply = self.post(&api, body).await;
                assert_eq!(reply.status, 201, "{kind} by a command: {}", reply.body);
            }
            _ => {
                let reply = slack(self, act.slack, "U1", id).await;
                assert!(
                    reply.body.contains("[DRILL] taken: ann"),
                    "{kind} in Slack: {}",
                    reply.body
                );
            }
        }
    }

    async fn count(&self, run: &str, kind: &str) -> usize {
        let path = format!("/api/v1/runs/{run}/events");
        let log = self.get(&path).await.json();
        let events = log["events"].as_array().expect("events");
        events.iter().filter(|event| event["type"] == kind).count()
    }
}

#[tokio::test]
async fn every_act_goes_through_every_door() {
    let server = Server::start().await;
    let run = server.drill().await;
    server.until(&run, "inject_delivered", |_| true).await;
    let choose = json!({"type": "remedy_chosen", "remedy": "failover", "actor": "ada"});
    for (nth, act) in acts().iter().enumerate() {
        for door in DOORS {
            if act.kind == "remedy_approved" {
                let path = format!("/api/v1/runs/{run}/events");
                let chosen = server.post(&path, choose.clone()).await;
                assert_eq!(chosen.status, 201, "{}", chosen.body);
            }
            let before = server.count(&run, act.kind).await;
            let id = format!("{nth}-{door}");
            server.through(door, &run, act.kind, act, &id).await;
            let after = server.count(&run, act.kind).await;
            // Of the first act of all, each door has had one.
            assert_eq!(after, before + 1, "{} through {door}", act.kind);
        }
    }
    let people = server.get(&format!("/api/v1/runs/{run}/people")).await.body;
    for name in ["Ada", "lin", "max", "ann", "grace"] {
        assert!(people.contains(name), "{name} is not there: {people}");
    }
    let card = server.get(&format!("/api/v1/runs/{run}/scorecard")).await;
    let card = card.json();
    let present = card["scorecard"]["attendance"].as_array().expect("people");
    assert_eq!(present.len(), 5, "{present:?}");
    assert_eq!(card["scorecard"]["messages"][0]["answer"], "answered");
    server.halt(&run).await;
}

#[tokio::test]
async fn that_it_is_real_is_taken_at_every_door() {
    let server = Server::start().await;
    for door in DOORS {
        let run = server.drill().await;
        let api = format!("/api/v1/runs/{run}/events");
        match door {
            "room" => {
                let reply = server.form(&format!("/runs/{run}/real"), "").await;
                assert_eq!(reply.status, 303, "{}", reply.body);
            }
            "api" => {
                let reply = server.post(&api, json!({"type": "real"})).await;
                assert_eq!(reply.status, 201, "{}", reply.body);
            }
            "command line" => {
                let body = body_of(&["real"], server.services.now().wall);
                assert_eq!(server.post(&api, body).await.status, 201);
            }
            _ => {
                let reply = slack(&server, "real", "U1", "real").await;
                assert!(reply.body.contains("nothing is scored"), "{}", reply.body);
            }
        }
        let ended = server.until(&run, "run_ended", |_| true).await;
        assert_eq!(ended["fact"]["verdict"], "aborted", "through the {door}");
        let id = run.parse().expect("an id");
        while server.services.supervisor.get(&id).is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn nobody_is_on_both_sides_of_a_drill() {
    let server = Server::start().await;
    let run = server.drill().await;
    let path = format!("/api/v1/runs/{run}/events");
    let act = |actor: &str, act: Value| {
        let mut body = act;
        body["actor"] = json!(actor);
        server.post(&path, body)
    };
    let watch = || json!({"type": "joined", "seat": "observer"});
    assert_eq!(act("lin", watch()).await.status, 201);
    let refused = act("lin", json!({"type": "acknowledged"})).await;
    assert_eq!(refused.problem(409), "on-both-sides");
    assert!(refused.body.contains("exercise staff"), "{}", refused.body);
    assert_eq!(
        act("max", json!({"type": "acknowledged"})).await.status,
        201
    );
    let refused = act("max", watch()).await;
    assert_eq!(refused.problem(409), "on-both-sides");
    // Whoever it is may say that it is real.
    assert_eq!(act("lin", json!({"type": "real"})).await.status, 201);
}

#[tokio::test]
async fn a_time_is_corrected_after_the_run_at_three_doors_and_both_scores_are_shown() {
    let server = Server::start().await;
    let run = server.drill().await;
    let events = format!("/api/v1/runs/{run}/events");
    let ack = json!({"type": "acknowledged", "actor": "lin"});
    let taken = server.post(&events, ack).await.json();
    let seq = taken["seq"].as_u64().expect("a number");
    let path = format!("/api/v1/runs/{run}/corrections");
    let at = server.services.now().wall.to_string();
    let correction = json!({"seq": seq, "at": at, "reason": "by telephone"});
    assert_eq!(
        server.post(&path, correction.clone()).await.problem(409),
        "run-goes-on"
    );
    server.halt(&run).await;
    let done = server.post(&path, correction).await;
    assert_eq!(done.status, 201, "{}", done.body);
    let number = seq.to_string();
    let words = ["correct", &number, "--at", &at, "--because", "a slip"];
    let body = body_of(&words, server.services.now().wall);
    assert_eq!(server.post(&path, body).await.status, 201);
    let time = at.trim_end_matches('Z');
    let form = format!("seq={seq}&at={time}&text=&reason=the+form");
    let led = server
        .form(&format!("/runs/{run}/corrections"), &form)
        .await;
    assert_eq!(led.status, 303, "{}", led.body);
    let card = server.get(&format!("/api/v1/runs/{run}/scorecard")).await;
    let card = card.json();
    let changes = card["corrected"]["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 3);
    assert!(card["corrected"]["before"].is_object());
    let page = server.get(&format!("/runs/{run}/scorecard")).await.body;
    assert!(
        page.contains("by telephone") && page.contains("Correct a time or words"),
        "{page}"
    );
    for (bad, code) in [
        (json!({"seq": seq, "reason": "x"}), "nothing-corrected"),
        (
            json!({"seq": 1, "at": at, "reason": "x"}),
            "not-correctable",
        ),
        (
            json!({"seq": seq, "at": "2001-01-01T00:00:00Z", "reason": "x"}),
            "outside-the-run",
        ),
        (json!({"seq": seq, "at": at, "reason": " "}), "empty-text"),
    ] {
        assert_eq!(server.post(&path, bad).await.problem(422), code);
    }
}

#[tokio::test]
async fn staff_judge_what_only_people_can_at_three_doors_and_whoever_responded_does_not() {
    let server = Server::start().await;
    server.write(
        "handing.md",
        "---\nkind: Runbook\nname: handing\nclass: availability\nexpect:\n\
         - {id: ack, event: acknowledged, by: human, within: 30s, from: paged}\n\
         - {id: handover, manual: The handover named the open risks}\n---\n# Hand over\n",
    );
    server.write(
        "handed.yaml",
        "kind: Drill\nname: handed\nexperiment: cut\nrunbook: handing\nteam: crew\nseverity: SEV2\nbrief: It is cut.\n\
         remedies: [{id: mend, label: Mend it, ends: [cut-signer]}]\n",
    );
    // The listing is read anew every two seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let started = server
        .post("/api/v1/runs", json!({"drill": "handed"}))
        .await;
    assert_eq!(started.status, 201, "{}", started.body);
    let run = started.json()["id"].as_str().expect("an id").to_owned();
    server
        .until(&run, "probe_changed", |event| {
            event["fact"]["standing"] == "failing"
        })
        .await;
    let events = format!("/api/v1/runs/{run}/events");
    let ack = json!({"type": "acknowledged", "actor": "lin"});
    assert_eq!(server.post(&events, ack).await.status, 201);
    let path = format!("/api/v1/runs/{run}/corrections");
    let judged =
        |verdict: &str| json!({"line": "handover", "verdict": verdict, "reason": "I read it"});
    assert_eq!(
        server.post(&path, judged("met")).await.problem(409),
        "run-goes-on"
    );
    server.halt(&run).await;
    let page = format!("/runs/{run}/scorecard");
    let asked = server.get(&page).await.body;
    assert!(
        asked.contains("handover: The handover named the open risks"),
        "{asked}"
    );
    assert!(!asked.contains("Say who ended it"), "{asked}");
    let taken = server.post(&path, judged("missed")).await;
    assert_eq!(taken.status, 201, "{}", taken.body);
    let words = ["judge", "handover", "met", "--because", "I read it again"];
    let body = body_of(&words, server.services.now().wall);
    assert_eq!(server.post(&path, body).await.status, 201);
    let form = "line=handover&verdict=met&reason=so+did+I";
    let led = server.form(&format!("/runs/{run}/corrections"), form).await;
    assert_eq!(led.status, 303, "{}", led.body);
    let card = server.get(&format!("/api/v1/runs/{run}/scorecard")).await;
    let card = card.json();
    let lines = card["scorecard"]["lines"].as_array().expect("lines");
    let handover = lines
        .iter()
        .find(|line| line["id"] == "handover")
        .expect("the line");
    assert_eq!(handover["verdict"], "met", "{handover}");
    assert_eq!(handover["reason"], "staff: so did I");
    let corrected = &card["corrected"];
    assert_eq!(corrected["judged"].as_array().expect("all").len(), 3);
    assert_eq!(corrected["before"]["observed"], json!(0.0), "{corrected}");
    assert!(
        server.get(&page).await.body.contains("I read it again"),
        "all that was said is shown"
    );
    let words = ["ended-by", "team", "--because", "they did"];
    let ended = body_of(&words, server.services.now().wall);
    assert_eq!(
        server.post(&path, ended).await.problem(409),
        "not-unattributed"
    );
    for (bad, code) in [
        (
            json!({"line": "ack", "verdict": "met", "reason": "x"}),
            "not-manual",
        ),
        (
            json!({"line": "risks", "verdict": "met", "reason": "x"}),
            "no-such-line",
        ),
        (json!({"line": "handover", "reason": "x"}), "unfit-json"),
        (
            json!({"line": "handover", "verdict": "met", "reason": " "}),
            "empty-text",
        ),
    ] {
        assert_eq!(server.post(&path, bad).await.problem(422), code);
    }
    // Whoever responded does not judge the response.
    let request = server
        .request(Method::POST, &path)
        .header("content-type", "application/json")
        .header("cookie", "name=lin");
    let refused = server.send(request, judged("met").to_string()).await;
    assert_eq!(refused.problem(409), "on-both-sides");
}
