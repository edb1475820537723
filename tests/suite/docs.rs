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
fn the_reference_of_commands_is_what_their_help_says() {
    keep("docs/commands.md", &firedrill::cli::reference::reference());
}
