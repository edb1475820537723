//! The API's description: whole, and true of every answer that any test gets.

use std::sync::LazyLock;

use hyper::Method;
use serde_json::{Value, json};

use super::schema;
use super::world::{Reply, Server};
use crate::http::openapi::document;
use crate::http::routes::Needs;

pub(super) static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// Holds an answer of the API to what the document says of it.
pub(super) fn conforms(method: &Method, path: &str, reply: &Reply) {
    let path = path.split('?').next().unwrap_or_default();
    let Some(path) = path.strip_prefix("/api/v1") else {
        return;
    };
    let Some(operation) = operation(method, path) else {
        // Not in the document: then it must not be there.
        assert!(
            matches!(reply.status.as_u16(), 401 | 403..=405),
            "{method} {path} is answered with {} and not described",
            reply.status
        );
        return;
    };
    let status = reply.status.as_u16().to_string();
    let described = &operation["responses"][&status];
    assert!(
        described.is_object(),
        "{method} {path} is answered with {status}, which is not described: {}",
        reply.body
    );
    let media_type = reply.header("content-type");
    let media_type = media_type.split(';').next().unwrap_or_default();
    let Some(content) = described["content"].as_object() else {
        assert_eq!(reply.body, "", "{method} {path} {status} has a body");
        return;
    };
    let Some(content) = content.get(media_type) else {
        panic!("{method} {path} {status}: `{media_type}` is not described");
    };
    if media_type.ends_with("json") {
        let body: Value = serde_json::from_str(&reply.body).expect("JSON");
        if let Err(why) = schema::check(&DOCUMENT, &content["schema"], &body) {
            panic!("{method} {path} {status} is not as described: {why}\n{body:#}");
        }
    }
}

fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let matches = |template: &str| {
        let (mut one, mut other) = (template.split('/'), path.split('/'));
        loop {
            match (one.next(), other.next()) {
                (None, None) => return true,
                (Some(one), Some(other)) if one == other || one.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let (_, operations) = DOCUMENT["paths"]
        .as_object()?
        .iter()
        .find(|(template, _)| matches(template))?;
    operations.get(method.as_str().to_lowercase())
}

#[test]
fn what_is_described_is_what_the_table_of_addresses_has() {
    let rows = crate::http::router::table();
    let mut there: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let path = row.path.strip_prefix("/api/v1")?;
            Some(format!("{} {path}", row.method))
        })
        .collect();
    let mut described: Vec<String> = DOCUMENT["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, operations)| {
            let methods = operations.as_object().expect("operations").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    there.sort();
    described.sort();
    assert_eq!(there, described);
}

#[test]
fn what_is_said_to_need_a_token_does_and_nothing_else() {
    assert_eq!(DOCUMENT["security"], json!([{"token": []}]));
    for row in crate::http::router::table() {
        let Some(path) = row.path.strip_prefix("/api/v1") else {
            continue;
        };
        let operation = operation(&row.method, path).expect("described");
        let open = matches!(row.needs, Needs::Nothing | Needs::Door);
        assert_eq!(
            operation["security"],
            if open { json!([]) } else { Value::Null },
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_operation_that_is_described_is_there() {
    let server = Server::start_with(|services| {
        services.published = Some(crate::http::Published::of("Example Wallet"));
    })
    .await;
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        for method in operations.as_object().expect("operations").keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let path = path.replace("{name}", "none").replace("{run}", "none");
            let request = server
                .request(method.clone(), &format!("/api/v1{path}"))
                .header("content-type", "application/json");
            let reply = server.send(request, "{}").await;
            assert!(
                reply.status != 405 && !reply.body.contains("no-such-address"),
                "{method} {path}: {}",
                reply.body
            );
        }
    }
}

#[tokio::test]
async fn the_document_is_served_and_known_by_its_tag() {
    let server = Server::start().await;
    let reply = server.get("/api/v1/openapi.json").await;
    assert_eq!(reply.json(), *DOCUMENT);
    let request = server
        .request(Method::GET, "/api/v1/openapi.json")
        .header("if-none-match", reply.header("etag"));
    let again = server.send(request, "").await;
    assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));
}

/// Everything that is referred to.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn operations_are_named_once_and_schemas_that_are_named_are_there() {
    let mut names: Vec<&str> = DOCUMENT["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|operations| operations.as_object().expect("operations").values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    let mut found = Vec::new();
    references(&DOCUMENT, &mut found);
    assert!(found.len() > 20, "{}", found.len());
    for reference in found {
        let place = reference
            .strip_prefix('#')
            .expect("a place in the document");
        assert!(
            DOCUMENT.pointer(place).is_some(),
            "{reference} leads nowhere"
        );
    }
}

#[test]
fn no_schema_has_the_name_that_is_left_when_two_types_share_one() {
    let schemas = DOCUMENT["components"]["schemas"].as_object();
    let numbered: Vec<&String> = schemas
        .expect("schemas")
        .keys()
        .filter(|name| name.ends_with(|last: char| last.is_ascii_digit()))
        .collect();
    assert!(
        numbered.is_empty(),
        "give these names of their own: {numbered:?}"
    );
}

#[tokio::test]
async fn every_error_is_problem_details() {
    let server = Server::start().await;
    let long = json!({"drill": "x".repeat(2 << 20)}).to_string();
    for (method, path, kind, body, status, code) in [
        (
            Method::GET,
            "/api/v1/nothing",
            "",
            "",
            404,
            "no-such-address",
        ),
        (
            Method::PUT,
            "/api/v1/runs",
            "",
            "",
            405,
            "method-not-allowed",
        ),
        (Method::GET, "/api/v1/runs/%FF", "", "", 400, "bad-request"),
        (
            Method::GET,
            "/api/v1/runs?limit=0",
            "",
            "",
            400,
            "bad-query",
        ),
        (
            Method::GET,
            "/api/v1/runs?cursor=x",
            "",
            "",
            400,
            "bad-cursor",
        ),
        (Method::GET, "/api/v1/runs?x=1", "", "", 400, "bad-query"),
        (
            Method::POST,
            "/api/v1/runs",
            "application/json",
            "{",
            400,
            "bad-json",
        ),
        (
            Method::POST,
            "/api/v1/runs",
            "text/plain",
            "{}",
            415,
            "not-json",
        ),
        (
            Method::POST,
            "/api/v1/runs",
            "application/json",
            "[]",
            422,
            "unfit-json",
        ),
        (
            Method::POST,
            "/api/v1/runs",
            "application/json",
            &long,
            413,
            "too-large",
        ),
        (Method::PATCH, "/healthz", "", "", 405, "method-not-allowed"),
    ] {
        let mut request = server.request(method.clone(), path);
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let reply = server.send(request, body.to_owned()).await;
        assert_eq!(reply.problem(status), code, "{method} {path}");
        let told = reply.json();
        assert_eq!(told["type"], format!("urn:firedrill:problem:{code}"));
        assert_eq!(told["status"], status);
        assert!(
            told["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
        if status == 405 {
            assert!(!reply.header("allow").is_empty(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_does_not_change_is_sent_once() {
    let server = Server::start().await;
    let run = server.drill().await;
    let live = server.get(&format!("/api/v1/runs/{run}")).await;
    assert_eq!(live.header("etag"), "", "what changes has no tag");
    server.halt(&run).await;
    for path in [
        "/api/v1/stacks".to_owned(),
        "/api/v1/stacks/tiny".to_owned(),
        "/api/v1/experiments/cut".to_owned(),
        "/api/v1/drills/outage".to_owned(),
        "/api/v1/drills/outage/explanation".to_owned(),
        format!("/api/v1/runs/{run}"),
        format!("/api/v1/runs/{run}/scorecard"),
    ] {
        let first = server.get(&path).await;
        assert_eq!(first.status, 200, "{path}: {}", first.body);
        let request = server
            .request(Method::GET, &path)
            .header("if-none-match", first.header("etag"));
        let again = server.send(request, "").await;
        assert_eq!(
            (again.status.as_u16(), again.body.as_str()),
            (304, ""),
            "{path}"
        );
    }
    // Each form of a scorecard is known by itself.
    let card = format!("/api/v1/runs/{run}/scorecard");
    let tag = server.get(&card).await.header("etag").to_owned();
    let request = server
        .request(Method::GET, &card)
        .header("accept", "text/markdown")
        .header("if-none-match", tag);
    assert_eq!(server.send(request, "").await.status, 200);
}

#[tokio::test]
async fn the_library_is_explained_and_checked_and_what_comes_is_told() {
    let server = Server::start().await;
    let told = server.get("/api/v1/drills/outage/explanation").await;
    assert!(told.body.contains("outage"), "{}", told.body);
    let broken = server.get("/api/v1/experiments/broken/explanation").await;
    assert_eq!(broken.problem(422), "file-findings");
    let checked = server.get("/api/v1/findings").await.json();
    assert_eq!(checked["findings"][0]["code"], "unknown-probe");
    assert!(checked["files"].as_u64().is_some_and(|files| files >= 6));
    assert!(server.get("/api/v1/upcoming").await.json()["upcoming"][0]["drill"].is_string());
    assert_eq!(
        server.get("/api/v1/stuck").await.json(),
        json!({"stuck": []})
    );
}
