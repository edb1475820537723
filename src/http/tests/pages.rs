//! The pages over HTTP: what they say, what they keep to themselves, and what their forms do.

use hyper::Method;
use serde_json::json;

use super::world::{Reply, Server};

fn location(reply: &Reply) -> &str {
    assert_eq!(reply.status, 303, "{}", reply.body);
    reply.header("location")
}

#[tokio::test]
async fn the_overview_lists_what_can_be_started_and_starts_it() {
    let server = Server::start().await;
    let page = server.get("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for part in [
        "Nothing runs.",
        "SEV2, team crew",
        "Payments stop and nothing else does.",
        "1 finding",
        "2126-03-01",
    ] {
        assert!(page.body.contains(part), "no `{part}`");
    }
    assert!(
        page.body.contains("Ada &lt;Lovelace&gt;"),
        "a name is shown as it is written"
    );

    let started = server.form("/start", "kind=drill&name=outage").await;
    let room = location(&started).to_owned();
    let run = room.strip_prefix("/runs/").expect("a room").to_owned();
    server
        .until(&run, "probe_changed", |event| {
            event["fact"]["standing"] == "failing"
        })
        .await;
    let page = server.get("/").await.body;
    assert!(
        page.contains(&format!("href=\"{room}\""))
            && page.contains("Faults are hidden while a drill goes on.")
    );
    let busy = server.form("/start", "kind=experiment&name=cut").await;
    assert_eq!(busy.status, 409);
    assert!(
        busy.body.contains("<h1>Conflict</h1>") && busy.body.contains("stack-busy"),
        "{}",
        busy.body
    );
    let broken = server.form("/start", "kind=experiment&name=broken").await;
    assert_eq!(broken.status, 422);
    assert!(broken.body.contains("broken.yaml:5"), "{}", broken.body);
    assert_eq!(
        server.form("/start", "kind=stack&name=tiny").await.status,
        400
    );
    server.halt(&run).await;
}

#[tokio::test]
async fn responders_act_and_see_no_fault_until_the_end() {
    let server = Server::start().await;
    let run = server.drill().await;
    let room = format!("/runs/{run}");
    let page = server.get(&room).await.body;
    assert!(
        page.contains("Faults are hidden until the end, probes until somebody detects something.")
    );
    assert!(
        !page.contains("is on (read back)") && !page.contains("Mending it is the remedy."),
        "the answer is given away"
    );
    assert!(
        !page.contains("503 &lt;unavailable"),
        "what probes say comes before the detection"
    );
    assert!(
        page.contains("2 more about the cause and remedies are judged at the end."),
        "withheld lines are not counted"
    );
    assert!(
        page.contains("<option>cut-signer</option>"),
        "the right cause is among those offered"
    );
    assert!(page.contains("to the incident commander: Are funds safe?"));
    assert!(page.contains("team crew · on call grace, ada"), "{page}");
    let staff = server.get(&format!("{room}?staff=1")).await.body;
    assert!(
        staff.contains("is on (read back)")
            && staff.contains("class=\"fault\"")
            && staff.contains("Mending it is the remedy.")
    );

    assert!(page.contains("It opens once somebody has detected something."));
    let act = async |body: &str| server.form(&format!("{room}/acts"), body).await;
    assert_eq!(
        location(&act("act=detected&service=signer&symptom=payments+fail").await),
        room
    );
    assert_eq!(
        location(&act("act=acknowledged&staff=1").await),
        format!("{room}?staff=1")
    );
    for body in [
        "act=declared&severity=SEV2",
        "act=role_taken&role=incident_commander",
        "act=cause_named&cause=cut-signer",
        "act=update_posted&audience=customers&channel=status_page&text=Payments+%3Cb%3Efail&advice=funds_are_safe&next_in=15",
        "act=action_attested&text=looked",
        "act=noted&text=%3Cscript%3E",
    ] {
        location(&act(body).await);
    }
    let page = server.get(&room).await.body;
    for part in [
        "Ada &lt;Lovelace&gt; reports signer: payments fail",
        "Payments &lt;b&gt;fail Your funds are safe.",
        "notes: &lt;script&gt;",
        "503 &lt;unavailable",
        "Faults are hidden until the end.",
    ] {
        assert!(page.contains(part), "no `{part}`");
    }
    assert!(!page.contains("is on (read back)"));
    let refused = act("act=detected&service=moon&symptom=x").await;
    assert_eq!(refused.status, 422);
    assert!(
        refused
            .body
            .contains("the stack has no service <code>moon</code>")
            && refused.body.contains("<strong>What to do:</strong>")
    );
    let (token, _) = server.form_token(None).await;
    let script = server
        .request(Method::POST, &format!("{room}/acts"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/problem+json");
    assert_eq!(
        server
            .send(script, format!("act=dance&csrf={token}"))
            .await
            .problem(422),
        "unfit-act"
    );

    assert_eq!(
        server.get(&format!("{room}/scorecard")).await.status,
        403,
        "the scorecard gives the answer away"
    );
    assert!(
        server
            .get(&format!("{room}/scorecard?staff=1"))
            .await
            .body
            .contains("Provisional.")
    );
    location(&act("act=remedy_chosen&remedy=mend").await);
    server.until(&run, "run_ended", |_| true).await;
    let page = server.get(&room).await.body;
    assert!(
        page.contains("is on (read back)")
            && page.contains("Mending it is the remedy.")
            && page.contains("It is over")
    );
    let card = server.get(&format!("{room}/scorecard")).await.body;
    for part in [
        "TTD",
        "chain head",
        "class=\"chart\"",
        "Impact was ended by",
        "detected by a person within 30s of impact",
    ] {
        assert!(card.contains(part), "no `{part}` in {card}");
    }
    let runs = server.get("/runs").await.body;
    assert!(runs.contains("outage") && runs.contains("passed"));
}

#[tokio::test]
async fn a_name_is_kept_and_acts_are_under_it() {
    let server = Server::start().await;
    let kept = server.form("/name", "name=Zo%C3%AB+M.").await;
    assert_eq!(location(&kept), "/");
    let cookie = kept
        .header("set-cookie")
        .split(';')
        .next()
        .expect("a cookie")
        .to_owned();
    assert!(kept.header("set-cookie").contains("HttpOnly; SameSite=Lax"));
    let page = server
        .send(
            server.request(Method::GET, "/").header("cookie", &cookie),
            "",
        )
        .await;
    assert!(page.body.contains("value=\"Zoë M.\""));
    assert_eq!(server.form("/name", "name=+").await.status, 422);
    let run = server.drill().await;
    let request = server
        .request(Method::POST, &format!("/runs/{run}/acts"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", &cookie);
    let (token, _) = server.form_token(None).await;
    let act = format!("act=acknowledged&csrf={token}");
    location(&server.send(request, act).await);
    assert!(
        server
            .get(&format!("/runs/{run}"))
            .await
            .body
            .contains("Zoë M. acknowledges")
    );
    assert!(
        !server
            .get(&format!("/api/v1/runs/{run}/events"))
            .await
            .body
            .contains("Zoë")
    );
    server.halt(&run).await;
}

#[tokio::test]
async fn a_real_incident_and_a_halt_end_it() {
    let server = Server::start().await;
    let run = server.drill().await;
    location(&server.form(&format!("/runs/{run}/real"), "").await);
    let ended = server.until(&run, "run_ended", |_| true).await;
    assert_eq!(ended["fact"]["verdict"], "aborted");
    let card = server.get(&format!("/runs/{run}/scorecard")).await.body;
    assert!(card.contains("a responder said that the incident is real"));
    while server
        .services
        .supervisor
        .get(&run.parse().expect("an id"))
        .is_some()
    {
        tokio::task::yield_now().await;
    }

    let run = server.drill().await;
    location(
        &server
            .form(&format!("/runs/{run}/halt"), "reason=enough")
            .await,
    );
    server.until(&run, "run_ended", |_| true).await;
    assert_eq!(
        server.form(&format!("/runs/{run}/real"), "").await.status,
        409
    );
}

#[tokio::test]
async fn halting_everything_stops_runs_and_starts() {
    let server = Server::start().await;
    let run = server.drill().await;
    assert_eq!(server.form("/halt", "reason=").await.status, 422);
    location(&server.form("/halt", "reason=storm").await);
    server.until(&run, "run_ended", |_| true).await;
    let page = server.get("/runs").await.body;
    assert!(page.contains("Everything is halted") && page.contains("storm"));
    let refused = server.form("/start", "kind=experiment&name=cut").await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("halted"));
    let metrics = server.get("/metrics").await.body;
    for line in [
        "firedrill_halted 1",
        "firedrill_faults_active 0",
        "firedrill_obligations_open 0",
        "firedrill_runs_ended_total{verdict=\"aborted\"} 1",
        "firedrill_runs_ended_total{verdict=\"passed\"} 0",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }
    location(&server.form("/halt/lift", "").await);
    assert!(!server.get("/").await.body.contains("Everything is halted"));
}

#[tokio::test]
async fn troubles_are_pages_and_files_are_kept_by_browsers() {
    let server = Server::start().await;
    let missing = server.get("/nowhere").await;
    assert_eq!(missing.status, 404);
    assert!(
        missing
            .body
            .contains("there is nothing at <code>&#x2f;nowhere</code>")
            && missing.header("content-type").starts_with("text/html")
    );
    assert_eq!(server.get("/runs/none").await.status, 404);
    assert_eq!(server.get("/runs/none/scorecard").await.status, 404);

    let home = server.get("/").await.body.replace("&#x2f;", "/");
    let link = home
        .split("href=\"")
        .find(|part| part.starts_with("/static/app.css"))
        .expect("a link")
        .split('"')
        .next()
        .expect("an address")
        .to_owned();
    let sheet = server.get(&link).await;
    assert_eq!(sheet.header("content-type"), "text/css; charset=utf-8");
    assert!(sheet.header("cache-control").contains("immutable"));
    let tag = sheet.header("etag").to_owned();
    let again = server
        .send(
            server
                .request(Method::GET, "/static/app.css")
                .header("if-none-match", &tag),
            "",
        )
        .await;
    assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));
    assert_eq!(again.header("cache-control"), "no-cache");
    assert_eq!(server.get("/static/none.css").await.status, 404);
    let script = server.get("/static/app.js").await.body;
    assert!(
        home.len() + sheet.body.len() + script.len() < 100_000,
        "the first load is too large"
    );

    server.services.database.close().await.expect("closed");
    let broken = server.get("/").await;
    assert_eq!(broken.status, 500);
    assert!(
        broken.body.contains("its log says why") && broken.body.contains("<header class=\"top\">")
    );
}

#[tokio::test]
async fn an_experiment_hides_nothing_and_asks_nobody() {
    let server = Server::start().await;
    let started = server.form("/start", "kind=experiment&name=cut").await;
    let room = location(&started).to_owned();
    let run = room.strip_prefix("/runs/").expect("a room").to_owned();
    server
        .until(&run, "probe_changed", |event| {
            event["fact"]["standing"] == "failing"
        })
        .await;
    let page = server.get(&room).await.body;
    assert!(page.contains("is on (read back)") && page.contains("class=\"fault\""));
    assert!(page.contains("This is real, or halt") && !page.contains("Report a detection"));
    assert!(server.get("/").await.body.contains("On: hook"));
    let card = server.get(&format!("{room}/scorecard")).await.body;
    assert!(card.contains("Provisional.") && !card.contains("What the runbook expects"));
    server.halt(&run).await;
    let page = server.get(&room).await.body;
    assert!(page.contains("<strong>It is over:</strong> the run was aborted: halted: enough."));
}

#[tokio::test]
async fn the_room_shows_how_far_the_escalation_chain_has_come_and_who_is_next() {
    let server = Server::start().await;
    server.write(
        "ladder.yaml",
        "kind: Team\nname: ladder\nmembers: [ada]\nescalation:\n  - {after: 1s, to: [bo]}\n  - {after: 10m, to: [chris, dana]}\n",
    );
    server.write(
        "climb.yaml",
        "kind: Drill\nname: climb\nexperiment: cut\nrunbook: cutting\nteam: ladder\nseverity: SEV2\nbrief: It is cut.\n\
         detection: [{alertmanager: {alertname: PaymentsFail}}, human]\n\
         remedies: [{id: mend, label: Mend it, ends: [cut-signer]}, {id: restart, label: Restart, http: \"http://127.0.0.1:9/restart\"}]\n",
    );
    // The listing is read anew every two seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let started = server.post("/api/v1/runs", json!({"drill": "climb"})).await;
    assert_eq!(started.status, 201, "{}", started.body);
    let run = started.json()["id"].as_str().expect("an id").to_owned();
    server
        .until(&run, "probe_changed", |event| {
            event["fact"]["standing"] == "failing"
        })
        .await;
    let room = format!("/runs/{run}");
    let chain = async |path: &str| {
        let page = server.get(path).await.body;
        let (_, rest) = page.split_once("<div id=\"escalation\"").expect("a chain");
        let (chain, _) = rest.split_once("</section>").expect("its end");
        chain.to_owned()
    };
    let before = chain(&room).await;
    assert!(
        before.contains("It begins with the first alert") && before.contains("<strong>bo</strong>"),
        "{before}"
    );
    assert_eq!(server.alert("PaymentsFail").await.status, 200);
    server.until(&run, "escalated", |_| true).await;
    // Responders and staff see the same.
    for path in [room.clone(), format!("{room}?staff=1")] {
        let called = chain(&path).await;
        for part in [
            "Nobody has answered.",
            "called <time",
            "chris, dana",
            "10m after the step before, at <time",
            "data-until=",
        ] {
            assert!(called.contains(part), "no `{part}` in {called}");
        }
    }
    let events = format!("/api/v1/runs/{run}/events");
    let ack = json!({"type": "acknowledged", "actor": "ada"});
    assert_eq!(server.post(&events, ack).await.status, 201);
    let answered = chain(&room).await;
    assert!(
        answered.contains("Somebody has answered") && answered.contains("not called"),
        "{answered}"
    );
    assert!(!answered.contains("data-until="), "{answered}");
    server.halt(&run).await;
}
