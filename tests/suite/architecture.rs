//! Dependencies point one way: every path that the code of `src` names, in `use` lines and elsewhere, is held to what
//! its part may know. Tests beside the code are free.

mod paths;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::ground::project;
use paths::Source;

/// What is pure: no input or output, no clock, no randomness of its own.
const PURE: [&str; 10] = [
    "model",
    "spec",
    "engine",
    "score",
    "stats",
    "narrative",
    "review",
    "layout",
    "messages",
    "signals",
];

/// Where firedrill meets the world, each part on its own.
const ADAPTERS: [&str; 5] = ["faults", "probes", "signals", "notify", "store"];

/// Of the crate, what each part may name besides itself. A part that is not here may name anything.
const MAY_NAME: [(&str, &[&str]); 27] = [
    ("model", &[]),
    ("address", &[]),
    ("layout", &[]),
    ("secret", &[]),
    ("program", &["model", "secret"]),
    ("messages", &["model"]),
    ("spec", &["model", "secret", "layout", "messages"]),
    ("engine", &["model", "spec"]),
    ("score", &["model", "spec", "engine", "layout"]),
    ("stats", &["model", "spec", "engine"]),
    ("narrative", &["model", "engine"]),
    ("review", &["model", "engine", "score", "narrative"]),
    ("evidence", &["model", "engine", "score", "store"]),
    ("ports", &["model", "engine"]),
    ("runtime", &["model", "engine", "ports"]),
    ("outbound", &["model", "address", "secret"]),
    ("clock", &["model", "ports"]),
    (
        "faults",
        &[
            "model", "engine", "ports", "outbound", "address", "program", "secret",
        ],
    ),
    (
        "probes",
        &[
            "model", "engine", "ports", "outbound", "address", "program", "secret",
        ],
    ),
    ("signals", &["model", "engine"]),
    (
        "notify",
        &["model", "engine", "ports", "outbound", "address", "secret"],
    ),
    ("store", &["model", "engine", "ports"]),
    ("toxiproxy", &[]),
    ("wallet", &[]),
    ("compose", &["wallet"]),
    ("lifecycle", &[]),
    ("telemetry", &[]),
];

/// What the edges, which go through what the composition root gives them, must not name.
const HIDDEN_FROM_EDGES: [(&str, &[&str]); 3] = [
    (
        "http",
        &[
            "faults",
            "probes",
            "notify",
            "toxiproxy",
            "wallet",
            "compose",
            "cli",
        ],
    ),
    ("cli", &["faults", "probes", "notify", "signals"]),
    ("app", &["cli", "http"]),
];

/// What does input or output, reads a clock or draws, which pure parts must not name.
const WORLD: [&str; 21] = [
    "tokio",
    "tokio_util",
    "sqlx",
    "axum",
    "bollard",
    "hyper",
    "hyper_util",
    "hyper_rustls",
    "rustix",
    "socket2",
    "getrandom",
    "futures_util",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::env",
    "std::process",
    "std::thread",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
];

/// The files of `spec` that read what users wrote.
const READERS: [&str; 3] = ["spec/source.rs", "spec/library.rs", "spec/load.rs"];

/// Crates that only some parts may name.
const CONFINED: [(&str, &[&str]); 5] = [
    ("sqlx", &["store"]),
    ("lettre", &["notify"]),
    ("bollard", &["faults", "compose"]),
    ("axum", &["http", "toxiproxy", "wallet", "cli"]),
    (
        "hyper",
        &[
            "outbound",
            "address",
            "probes",
            "toxiproxy",
            "wallet",
            "http",
        ],
    ),
];

/// Everything in `src` that is no test, read once.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(sources);

fn sources() -> Vec<Source> {
    let root = project().join("src");
    let mut found = Vec::new();
    collect(&root, &mut found);
    let sources: Vec<Source> = found
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a source can be read");
            Source::read(path.strip_prefix(&root).expect("it is in src"), &text)
        })
        .collect();
    let tests: BTreeSet<Vec<String>> = sources
        .iter()
        .flat_map(|source| source.test_modules.clone())
        .collect();
    let is_test = |source: &Source| {
        (0..=source.module.len()).any(|end| tests.contains(&source.module[..end]))
    };
    sources
        .into_iter()
        .filter(|source| !is_test(source))
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every path that breaks a rule, with where it stands.
fn breaches(sources: &[Source], breaks: impl Fn(&Source, &str, &[String]) -> bool) -> Vec<String> {
    let mut breaches = BTreeSet::new();
    for source in sources {
        let Some(part) = source.module.first() else {
            continue;
        };
        for path in source
            .paths
            .iter()
            .filter(|path| breaks(source, part, path))
        {
            breaches.insert(format!("{} names {}", source.file, path.join("::")));
        }
    }
    breaches.into_iter().collect()
}

/// The part of the crate that a path leads into.
fn part_of(path: &[String]) -> Option<&str> {
    match path {
        [first, part, ..] if first == "crate" => Some(part),
        _ => None,
    }
}

fn is_under(path: &[String], place: &str) -> bool {
    let place: Vec<&str> = place.split("::").collect();
    path.len() >= place.len() && path.iter().zip(place).all(|(is, wanted)| is == wanted)
}

#[test]
fn parts_name_only_what_is_further_in() {
    let allowed: BTreeMap<_, _> = MAY_NAME.into_iter().collect();
    let found = breaches(&SOURCES, |_, part, path| {
        let Some(named) = part_of(path) else {
            return false;
        };
        allowed
            .get(part)
            .is_some_and(|allowed| named != part && !allowed.contains(&named))
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn adapters_never_name_each_other() {
    let found = breaches(&SOURCES, |_, part, path| {
        let other = part_of(path).filter(|named| *named != part);
        ADAPTERS.contains(&part) && other.is_some_and(|named| ADAPTERS.contains(&named))
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn edges_name_no_adapter_that_the_composition_root_hides() {
    let hidden: BTreeMap<_, _> = HIDDEN_FROM_EDGES.into_iter().collect();
    let found = breaches(&SOURCES, |_, part, path| {
        let Some(named) = part_of(path) else {
            return false;
        };
        hidden
            .get(part)
            .is_some_and(|hidden| hidden.contains(&named))
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_core_is_pure() {
    let found = breaches(&SOURCES, |source, part, path| {
        let reads = is_under(path, "std::fs") && !READERS.contains(&source.file.as_str());
        PURE.contains(&part) && (reads || WORLD.iter().any(|place| is_under(path, place)))
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn databases_containers_and_servers_have_their_places() {
    let found = breaches(&SOURCES, |_, part, path| {
        CONFINED
            .iter()
            .any(|(name, places)| is_under(path, name) && !places.contains(&part))
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_reading_of_sources_sees_what_there_is() {
    let sources = &SOURCES;
    let parts: BTreeSet<&str> = sources
        .iter()
        .filter_map(|s| s.module.first())
        .map(String::as_str)
        .collect();
    for part in [
        "model",
        "spec",
        "engine",
        "score",
        "runtime",
        "faults",
        "probes",
        "store",
        "toxiproxy",
        "wallet",
    ] {
        assert!(parts.contains(part), "{part} is not in {parts:?}");
    }
    let names = |part: &str, place: &str| {
        sources
            .iter()
            .any(|s| s.module[..] == [part] && s.paths.iter().any(|path| is_under(path, place)))
    };
    // One of each kind: a `use`, and a path in the middle of code.
    assert!(names("app", "crate::store::database::Database"));
    assert!(names("app", "tokio::select"));
    let tests: Vec<_> = sources
        .iter()
        .filter(|s| s.module.iter().any(|name| name == "tests"))
        .map(|s| &s.file)
        .collect();
    assert!(tests.is_empty(), "tests are left out: {tests:?}");
}
