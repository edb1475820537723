//! `docs/toxiproxy.md`: its table of differences is made from the one of these tests, and its examples are played.

use std::fmt::Write as _;

use serde_json::Value;

use super::differences::DIFFERENCES;
use super::server::Server;
use crate::ground::{own_address, project};
use crate::http;

const PAGE: &str = "docs/toxiproxy.md";
const BEGIN: &str = "<!-- differences -->\n";
const END: &str = "<!-- end of differences -->\n";

fn page() -> String {
    std::fs::read_to_string(project().join(PAGE)).expect("the page is there")
}

fn table() -> String {
    let mut table = "| Toxiproxy 2.12.0 | firedrill |\n|---|---|\n".to_owned();
    for difference in DIFFERENCES {
        let _ = writeln!(
            table,
            "| {} | {} |",
            difference.toxiproxy, difference.firedrill
        );
    }
    table
}

#[test]
fn the_docs_tell_every_difference() {
    let page = page();
    let (before, rest) = page.split_once(BEGIN).expect("the table begins");
    let (kept, after) = rest.split_once(END).expect("the table ends");
    let made = table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let whole = [before, BEGIN, &made, END, after].concat();
        std::fs::write(project().join(PAGE), whole).expect("the page can be written");
        return;
    }
    assert!(
        kept == made,
        "the differences in {PAGE} are not those of the tests: `UPDATE_DOCS=1 cargo test docs::` rewrites them"
    );
}

/// A request and its answer, as the page shows them: `POST /path`, the body, `→ 201`, the answer.
fn examples(page: &str) -> Vec<(String, String, String, u16, String)> {
    let mut examples = Vec::new();
    for block in page.split("```http\n").skip(1) {
        let (block, _) = block.split_once("```").expect("the example ends");
        let (request, answer) = block.split_once("→ ").expect("there is an answer");
        let (first, body) = request.split_once('\n').expect("a request");
        let (method, path) = first.split_once(' ').expect("a method and a path");
        let (status, answer) = answer.split_once('\n').unwrap_or((answer, ""));
        examples.push((
            method.to_owned(),
            path.to_owned(),
            body.trim().to_owned(),
            status.trim().parse().expect("a status"),
            answer.trim().to_owned(),
        ));
    }
    examples
}

#[test]
fn the_examples_in_the_docs_are_true() {
    let server = Server::start(["--metrics"]);
    // The page's addresses are this machine's; the test's are its own.
    let own = own_address().to_string();
    let examples = examples(&page().replace("127.0.0.1", &own));
    assert!(examples.len() >= 8, "{} examples", examples.len());
    for (method, path, body, status, expected) in examples {
        let got = http::send(server.api, &method, &path, &body).expect("the server answers");
        assert_eq!(got.status(), status, "{method} {path} {body}: {}", got.body);
        if expected.starts_with(['{', '[']) {
            let expected: Value = serde_json::from_str(&expected).expect("the example is JSON");
            assert_eq!(got.json(), expected, "{method} {path} {body}");
        } else {
            for line in expected.lines() {
                assert!(got.body.contains(line), "{line} is not in {}", got.body);
            }
        }
    }
}
