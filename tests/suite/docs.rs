//! Generated documents say what the code says. With `UPDATE_DOCS=1` they are rewritten instead of compared.

use std::path::{Path, PathBuf};

/// Compares a document with what it is made from, or rewrites it.
fn keep(path: &str, made: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, made).expect("the document can be written");
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = kept
        .lines()
        .zip(made.lines())
        .position(|(kept, made)| kept != made)
        .unwrap_or_else(|| kept.lines().count().min(made.lines().count()));
    assert!(
        kept == made,
        "{path} is not what the code says, from line {}: `UPDATE_DOCS=1 cargo test docs::` rewrites it",
        differs + 1
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn the_reference_of_files_is_what_the_checker_knows() {
    keep(
        "docs/files.md",
        &firedrill::spec::reference(firedrill::shipped::FILES),
    );
}

#[test]
fn the_reference_of_access_is_what_the_gate_holds_addresses_to() {
    keep("docs/access.md", &firedrill::http::access_reference());
}

#[test]
fn the_description_of_the_api_is_what_its_types_say() {
    keep("docs/openapi.json", firedrill::http::openapi());
}

#[test]
fn the_reference_of_commands_is_what_their_help_says() {
    keep("docs/commands.md", &firedrill::cli::reference::reference());
}

/// Where a test of this path is: one of this binary, or one of the library.
fn file_of(module: &str) -> String {
    let path = module.replace("::", "/");
    let suite = format!("tests/suite/{path}.rs");
    if root().join(&suite).is_file() {
        suite
    } else {
        format!("src/{path}.rs")
    }
}

#[test]
fn every_test_that_the_page_on_undoing_names_is_there() {
    let page = std::fs::read_to_string(root().join("docs/undoing.md")).expect("the page");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let mut named = 0;
    for row in rows {
        let last = row.trim_end_matches(['|', ' ']).rsplit('|').next();
        let Some(test) = last.map(str::trim).and_then(|cell| {
            let test = cell.strip_prefix('`')?.strip_suffix('`')?;
            test.contains("::").then_some(test)
        }) else {
            continue;
        };
        named += 1;
        let (module, name) = test.rsplit_once("::").expect("it has a module");
        let file = file_of(module);
        let code = std::fs::read_to_string(root().join(&file)).unwrap_or_default();
        let (before, _) = code
            .split_once(&format!("fn {name}("))
            .unwrap_or_else(|| panic!("{test} is not in {file}"));
        let attributes = before.rsplit("\n\n").next().unwrap_or_default();
        let is_test = attributes.contains("#[test]") || attributes.contains("#[tokio::test");
        assert!(
            is_test && !attributes.contains("#[ignore"),
            "{test} is no test that runs"
        );
    }
    assert!(named >= 20, "the table is not found: {named} rows");
}
