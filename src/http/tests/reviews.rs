//! After-action reports: written on pages and through the API, read in every form, and proven from one file.

use hyper::Method;
use serde_json::{Value, json};

use super::world::{Reply, Server};
use crate::evidence::Bundle;

/// A drill that Ada acted in and that is over.
async fn over(server: &Server) -> String {
    let run = server.drill().await;
    let acts = format!("/runs/{run}/acts");
    for act in [
        "act=acknowledged",
        "act=detected&service=signer&symptom=payments+fail",
    ] {
        assert_eq!(server.form(&acts, act).await.status, 303);
    }
    server.halt(&run).await;
    run
}

async fn delete(server: &Server, path: &str) -> Reply {
    server.send(server.request(Method::DELETE, path), "").await
}

#[tokio::test]
async fn a_run_that_goes_on_has_no_report_yet() {
    let server = Server::start().await;
    let run = server.drill().await;
    for path in ["review", "evidence"] {
        let refused = server.get(&format!("/api/v1/runs/{run}/{path}")).await;
        assert_eq!(refused.problem(409), "run-goes-on");
    }
    assert_eq!(server.get(&format!("/runs/{run}/report")).await.status, 409);
    let remark = json!({"kind": "well", "text": "x"});
    let refused = server
        .post(&format!("/api/v1/runs/{run}/remarks"), remark)
        .await;
    assert_eq!(refused.problem(409), "run-goes-on");
    server.halt(&run).await;
    assert_eq!(server.get("/api/v1/runs/none/review").await.status, 404);
}

#[tokio::test]
async fn what_went_well_and_what_did_not_is_written_down_and_read_in_every_form() {
    let server = Server::start().await;
    let run = over(&server).await;
    let page = format!("/runs/{run}/report");
    let written = server
        .form(
            &format!("/runs/{run}/remarks"),
            "kind=badly&text=We+paged+the+wrong+team",
        )
        .await;
    assert_eq!(
        (written.status.as_u16(), written.header("location")),
        (303, page.as_str())
    );
    let api = format!("/api/v1/runs/{run}");
    let kept = server
        .post(
            &format!("{api}/remarks"),
            json!({"kind": "lucky", "text": "It was noon"}),
        )
        .await;
    assert_eq!(kept.status, 201);
    let lucky = kept.json()["id"].as_i64().expect("a number");
    for (remark, code) in [
        (json!({"kind": "well", "text": " "}), "empty-text"),
        (
            json!({"kind": "well", "text": "x".repeat(2001)}),
            "text-too-long",
        ),
    ] {
        let refused = server.post(&format!("{api}/remarks"), remark).await;
        assert_eq!(refused.problem(422), code);
    }

    let body = server.get(&page).await.body;
    for part in [
        "We paged the wrong team",
        "It was noon",
        "What went well",
        "detected by a person within 30s of impact",
        "the run was aborted: halted: enough",
        "None was agreed on yet",
        "Answer the survey",
    ] {
        assert!(body.contains(part), "no `{part}` in {body}");
    }
    let review = server.get(&format!("{api}/review")).await.json();
    assert_eq!(review["overview"]["name"], "outage");
    assert_eq!(review["ratings"]["run"], run.as_str());
    let said: Vec<&Value> = review["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|finding| !finding["by"].is_null())
        .collect();
    assert_eq!(said[0]["text"], "We paged the wrong team");
    assert_eq!(said[0]["by"], "Ada <Lovelace>", "names, not pseudonyms");
    let request = server
        .request(Method::GET, &format!("{api}/review"))
        .header("accept", "text/markdown");
    let text = server.send(request, "").await.body;
    for part in [
        "# After-action report: outage",
        "## What didn't",
        "- We paged the wrong team (Ada &lt;Lovelace>)",
        "None was agreed on.",
        "Nobody has answered.",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert_eq!(
        delete(&server, &format!("{api}/remarks/{lucky}"))
            .await
            .status,
        204
    );
    let gone = delete(&server, &format!("{api}/remarks/{lucky}")).await;
    assert_eq!(gone.problem(404), "no-such-remark");
    assert!(!server.get(&page).await.body.contains("It was noon"));
}

#[tokio::test]
async fn an_action_is_open_everywhere_until_it_is_closed() {
    let server = Server::start().await;
    let run = over(&server).await;
    let add = |due: &str| format!("text=Page+two+people&owner=Grace&due={due}");
    let path = format!("/runs/{run}/actions");
    assert_eq!(server.form(&path, &add("soon")).await.status, 422);
    assert_eq!(server.form(&path, &add("2020-01-02")).await.status, 303);
    let kept = server
        .post(
            &format!("/api/v1/runs/{run}/actions"),
            json!({"text": "Write it down", "owner": "crew", "due": "2126-01-02"}),
        )
        .await;
    assert_eq!(kept.status, 201);

    let list = server.get("/api/v1/actions").await.json();
    let texts: Vec<&Value> = list["actions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|action| &action["text"])
        .collect();
    assert_eq!(
        texts,
        ["Page two people", "Write it down"],
        "what is due first is in front"
    );
    let id = list["actions"][0]["id"].as_i64().expect("a number");
    let overview = server.get("/").await.body;
    assert!(overview.contains("Page two people") && overview.contains("2, 1 overdue"));
    let page = server.get("/actions").await.body;
    assert!(page.contains("overdue") && page.contains("Grace"), "{page}");
    assert!(
        server
            .get(&format!("/runs/{run}/report"))
            .await
            .body
            .contains("Page two people")
    );

    let close = format!("/actions/{id}/close");
    assert_eq!(server.form(&close, "outcome=+").await.status, 422);
    let closed = server
        .form(&close, "outcome=They+are&back=%2Factions")
        .await;
    assert_eq!(closed.header("location"), "/actions");
    let again = server
        .post(
            &format!("/api/v1/actions/{id}/close"),
            json!({"outcome": "twice"}),
        )
        .await;
    assert_eq!(again.problem(409), "action-closed");
    assert!(!server.get("/").await.body.contains("Page two people"));
    let list = server.get("/api/v1/actions?closed=true").await.json();
    assert_eq!(list["actions"][0]["closed"]["outcome"], "They are");
    assert_eq!(list["actions"][0]["closed"]["by"], "Ada <Lovelace>");
    let opened = server
        .form(
            &format!("/actions/{id}/reopen"),
            "back=https%3A%2F%2Fevil.example",
        )
        .await;
    assert_eq!(
        opened.header("location"),
        "/actions",
        "a form leads nowhere else"
    );
    assert!(server.get("/").await.body.contains("Page two people"));
    let unknown = server.post("/api/v1/actions/99/reopen", json!({})).await;
    assert_eq!(unknown.problem(404), "no-such-action");
    let audit = server.get("/api/v1/audit").await.json();
    let acts: Vec<&Value> = audit["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| &entry["act"])
        .collect();
    for act in [
        "POST /runs/{run}/actions",
        "POST /actions/{id}/close",
        "POST /actions/{id}/reopen",
    ] {
        assert!(
            acts.iter().any(|one| *one == act),
            "`{act}` is not audited: {acts:?}"
        );
    }
}

#[tokio::test]
async fn only_participants_answer_and_few_answers_are_not_shown() {
    let server = Server::start().await;
    let run = over(&server).await;
    let answers = "knew_what_to_do=4&knew_who_does_what=5&runbook_helped=2&tools_showed_it=3&comment=Less+noise";
    let path = format!("/runs/{run}/survey");
    assert_eq!(server.form(&path, answers).await.status, 303);
    let bad = answers.replace("=5", "=9");
    assert_eq!(server.form(&path, &bad).await.status, 422);
    let page = server.get(&format!("/runs/{run}/report")).await.body;
    assert!(page.contains("1 answered") && page.contains("Change your answers"));
    let review = server
        .get(&format!("/api/v1/runs/{run}/review"))
        .await
        .json();
    assert_eq!(review["survey"]["answers"], 1);
    assert_eq!(
        review["survey"]["comments"],
        json!([]),
        "one answer would tell whose it is"
    );

    // Somebody who did not act.
    let kept = server.form("/name", "name=Passer-by").await;
    let cookie = kept
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap_or_default()
        .to_owned();
    let (token, _) = server.form_token(None).await;
    let request = server
        .request(Method::POST, &path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/problem+json")
        .header("cookie", &cookie);
    let refused = server
        .send(request, format!("{answers}&csrf={token}"))
        .await;
    assert_eq!(refused.problem(403), "not-a-participant");
}

#[tokio::test]
async fn evidence_is_the_same_each_time_and_proves_itself() {
    let server = Server::start().await;
    let run = over(&server).await;
    let path = format!("/api/v1/runs/{run}/evidence");
    let file = server.get(&path).await.body;
    assert_eq!(file, server.get(&path).await.body);
    assert_eq!(
        file,
        server.get(&format!("/runs/{run}/evidence.json")).await.body
    );
    let proven = Bundle::read(&file)
        .expect("readable")
        .prove()
        .expect("proven");
    let told = proven.to_string();
    assert!(
        told.contains(&format!("run {run}")) && told.contains("the log is whole"),
        "{told}"
    );
    assert!(!file.contains("Lovelace"), "names stay outside");

    let value: Value = serde_json::from_str(&file).expect("JSON");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value = value.clone();
        change(&mut value);
        let bundle = Bundle::read(&value.to_string()).expect("readable");
        bundle.prove().expect_err("it was changed").to_string()
    };
    for (change, part) in [
        (
            (&|value: &mut Value| value["log"][3]["header"] = json!("{}")) as &dyn Fn(&mut Value),
            "the log is not whole",
        ),
        (
            &|value| {
                value["log"].as_array_mut().map(Vec::pop);
            },
            "its tail was cut off",
        ),
        (
            &|value| value["scorecard"]["took_ms"] = json!(1),
            "/took_ms differs",
        ),
        (
            &|value| {
                let file = json!({"path": "x.yaml", "sha256": "00", "text": null});
                value["files"].as_array_mut().expect("a list").push(file);
            },
            "x.yaml is not the one",
        ),
        (
            &|value| value["rubric"] = json!(999),
            "rubric 999 is not known",
        ),
    ] {
        let told = changed(change);
        assert!(told.contains(part), "no `{part}` in {told}");
    }
    assert!(Bundle::read("{}").is_err());
    let other = value
        .to_string()
        .replace("firedrill evidence 1", "something else");
    assert!(Bundle::read(&other).is_err());
}
