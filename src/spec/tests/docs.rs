//! `docs/errors/`: a page for every code, whose example really gives it. With `UPDATE_DOCS=1` the index and what the
//! examples show are rewritten.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::*;
use crate::spec::Code;
use crate::spec::findings::Findings;

/// Findings that no text in memory brings about: files that can't be read, keys that are planned, of which there are none
/// now, and a mistake of firedrill's own. What the disk gives is shown by the tests in `disk`.
const WITHOUT_EXAMPLE: [Code; 5] = [
    Code::UnreadableFile,
    Code::TooLarge,
    Code::NotUtf8,
    Code::Unsupported,
    Code::Unread,
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors")
}

fn page(name: &str) -> String {
    let path = folder().join(format!("{name}.md"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares a page with what it should be, or rewrites it.
fn keep(name: &str, kept: &str, made: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        // Whole at every instant: other tests read the pages meanwhile, and list their folder.
        let draft = folder().join(format!("../.{name}.draft"));
        std::fs::write(&draft, made).expect("the page can be written");
        std::fs::rename(&draft, folder().join(format!("{name}.md"))).expect("the page can be put");
    } else {
        assert!(
            kept == made,
            "docs/errors/{name}.md is not what the checker says: `UPDATE_DOCS=1 cargo test docs::` rewrites it\n{made}"
        );
    }
}

/// One fenced block of a page: its language, what stands behind it, its text, and where that text is.
struct Block<'a> {
    language: &'a str,
    path: &'a str,
    text: &'a str,
    start: usize,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut all = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut at = 0;
    for line in page.split_inclusive('\n') {
        if let Some(info) = line.strip_prefix("```") {
            open = match open {
                None => Some((info.trim(), at + line.len())),
                Some((info, start)) => {
                    let (language, path) = info.split_once(' ').unwrap_or((info, ""));
                    all.push(Block {
                        language,
                        path,
                        text: &page[start..at],
                        start,
                    });
                    None
                }
            };
        }
        at += line.len();
    }
    all
}

/// The files of a page, by their paths.
fn files(page: &str) -> BTreeMap<String, String> {
    blocks(page)
        .into_iter()
        .filter(|block| ["yaml", "markdown"].contains(&block.language))
        .map(|block| (block.path.to_owned(), block.text.to_owned()))
        .collect()
}

/// What the command of a page, or a check of its files, finds.
fn found(page: &str, shared: &BTreeMap<String, String>) -> Findings {
    let own = files(page);
    let command = blocks(page)
        .into_iter()
        .find(|block| block.language == "sh")
        .map(|block| block.text.trim().to_owned())
        .unwrap_or_default();
    let words: Vec<&str> = command.split_whitespace().collect();
    let vars: Vec<(&str, &str)> = words
        .windows(2)
        .filter(|pair| pair[0] == "--var")
        .map(|pair| pair[1].split_once('=').expect("NAME=VALUE"))
        .collect();
    let mut all = shared.clone();
    all.extend(own.clone());
    let texts: Vec<(&str, &str)> = all
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let mut library = library(&texts, &vars);
    if let ["firedrill", "run", file, ..] = words[..] {
        return library
            .plan(Path::new(file))
            .expect_err("the example is wrong");
    }
    let paths: Vec<PathBuf> = own.keys().map(PathBuf::from).collect();
    library.validate(&paths).findings
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let pages: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the folder of pages")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a plain name")
        })
        .filter(|name| name != "README.md")
        .collect();
    let codes: BTreeSet<String> = Code::ALL
        .iter()
        .map(|code| format!("{}.md", code.as_str()))
        .collect();
    assert_eq!(pages, codes);
    for code in Code::ALL {
        let page = page(code.as_str());
        let head = format!("# `{}`\n\n{}\n\n## Cause\n\n", code.as_str(), code.about());
        assert!(page.starts_with(&head), "{}", code.as_str());
        assert!(page.contains("\n## What to do\n\n"), "{}", code.as_str());
    }
}

#[test]
fn every_page_shows_what_its_example_gives() {
    let shared = files(&page("README"));
    let mut wrong = Vec::new();
    for code in Code::ALL
        .iter()
        .filter(|code| !WITHOUT_EXAMPLE.contains(code))
    {
        let name = code.as_str();
        let page = page(name);
        let findings = found(&page, &shared);
        let codes: BTreeSet<Code> = findings.iter().map(|one| one.code).collect();
        if codes != BTreeSet::from([*code]) {
            wrong.push(format!("{name}:\n{}", findings.render(false)));
            continue;
        }
        let shown = blocks(&page)
            .into_iter()
            .find(|block| block.language == "text")
            .unwrap_or_else(|| panic!("{name}: the page does not show what its example gives"));
        let (before, after) = (
            &page[..shown.start],
            &page[shown.start + shown.text.len()..],
        );
        let text = tidy(&findings.render(false));
        keep(
            name,
            &page,
            &format!("{before}{}\n{after}", text.trim_end()),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_files_that_examples_stand_on_are_in_order() {
    let shared = files(&page("README"));
    assert_eq!(shared.len(), 4);
    let texts: Vec<(&str, &str)> = shared
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    assert_eq!(check(&texts), "");
}

#[test]
fn the_index_of_pages_lists_every_code() {
    let kept = page("README");
    let (open, close) = ("<!-- index -->\n", "<!-- /index -->\n");
    let (before, rest) = kept.split_once(open).expect("where the index begins");
    let (_, after) = rest.split_once(close).expect("where the index ends");
    let mut codes = Code::ALL.to_vec();
    codes.sort_by_key(|code| code.as_str());
    let rows: Vec<String> = codes
        .iter()
        .map(|code| {
            let name = code.as_str();
            format!("| [`{name}`]({name}.md) | {} |", code.about())
        })
        .collect();
    let index = format!("| code | meaning |\n|---|---|\n{}\n", rows.join("\n"));
    keep(
        "README",
        &kept,
        &format!("{before}{open}\n{index}\n{close}{after}"),
    );
}
