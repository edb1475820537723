//! Owner tags: by which what is ours is known, and nothing else is.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::model::fault::Injection;
use crate::model::ids::{InjectionId, RunId};

/// What all tags begin with that need not hide whose they are.
const OURS: &str = "firedrill-";

/// The longest toxic name: it stays readable in other clients' listings and well inside a URL.
const LONGEST_TOXIC_NAME: usize = 96;

/// The tag of one injection: `firedrill-<run>-<injection>`.
pub(super) fn tag(run: &RunId, injection: &InjectionId) -> String {
    format!("{}{injection}", run_prefix(run))
}

/// The same of an injection that may be one of a surprise drill: then it is a name that says nothing, and still ours.
pub(super) fn tag_of(run: &RunId, injection: &Injection) -> String {
    if !injection.veiled {
        return tag(run, &injection.id);
    }
    format!(
        "{}{}",
        prefix_of(run, injection),
        digits(injection.id.as_str())
    )
}

/// What the tags of a run begin with, of an injection that may be one of a surprise drill.
pub(super) fn prefix_of(run: &RunId, injection: &Injection) -> String {
    if injection.veiled {
        format!("n{}-", digits(run.as_str()))
    } else {
        run_prefix(run)
    }
}

/// The label that holds an owner, the run and the end of what is left on a daemon: of a surprise drill without our name.
pub(super) fn labels(owner: &str) -> [&'static str; 3] {
    if owner.starts_with(OURS) {
        ["firedrill.owner", "firedrill.run", "firedrill.until"]
    } else {
        ["owner", "batch", "until"]
    }
}

/// The run as it stands in a label beside its owner.
pub(super) fn run_label(run: &RunId, owner: &str) -> String {
    if owner.starts_with(OURS) {
        run.to_string()
    } else {
        digits(run.as_str())
    }
}

/// A name of which nothing can be read.
pub(super) fn veil(text: &str) -> String {
    digits(text)
}

fn digits(text: &str) -> String {
    let mut name = String::new();
    for byte in &Sha256::digest(text)[..6] {
        write!(name, "{byte:02x}").expect("writing to a String never fails");
    }
    name
}

/// What the tags of one run begin with.
pub(super) fn run_prefix(run: &RunId) -> String {
    format!("{OURS}{run}-")
}

/// The tag as a toxic's name: only characters that no server or client misreads in a path. What is replaced or cut is
/// made unique again by the tag's digest.
pub(super) fn toxic_name(tag: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if tag.len() <= LONGEST_TOXIC_NAME && tag.chars().all(plain) {
        return tag.to_owned();
    }
    let mut name: String = tag
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .take(LONGEST_TOXIC_NAME - 13)
        .collect();
    name.push('-');
    for byte in &Sha256::digest(tag)[..6] {
        write!(name, "{byte:02x}").expect("writing to a String never fails");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_tag_is_the_toxics_name() {
        let tag = tag(
            &"01J0".parse().expect("a run"),
            &"slow-signer".parse().expect("an injection"),
        );
        assert_eq!(tag, "firedrill-01J0-slow-signer");
        assert_eq!(toxic_name(&tag), tag);
    }

    #[test]
    fn what_a_surprise_leaves_at_a_target_says_neither_whose_it_is_nor_what() {
        let mut injection = crate::engine::tests::plans::experiment()
            .injections
            .remove(0);
        let run: RunId = "20261128-145500-abcdef".parse().expect("a run");
        assert!(tag_of(&run, &injection).starts_with("firedrill-20261128"));
        injection.veiled = true;
        let tag = tag_of(&run, &injection);
        assert!(tag.starts_with(&prefix_of(&run, &injection)));
        assert_eq!(toxic_name(&tag), tag);
        for word in [
            "firedrill",
            "2026",
            "abcdef",
            injection.id.as_str(),
            "drill",
        ] {
            assert!(!tag.contains(word), "{tag} tells {word}");
        }
        assert!(labels(&tag).iter().all(|key| !key.contains("drill")));
        assert_ne!(run_label(&run, &tag), run.to_string());
    }

    #[test]
    fn names_that_would_collide_once_cleaned_or_cut_stay_apart() {
        let long = |end: char| format!("firedrill-{}{end}", "x".repeat(160));
        for (one, other) in [
            ("firedrill-r-a#2".to_owned(), "firedrill-r-a:2".to_owned()),
            ("firedrill-r-a#2".to_owned(), "firedrill-r-a-2".to_owned()),
            (long('1'), long('2')),
        ] {
            let (one, other) = (toxic_name(&one), toxic_name(&other));
            assert_ne!(one, other);
            for name in [one, other] {
                assert!(name.len() <= LONGEST_TOXIC_NAME, "{name}");
                assert!(!name.contains(['#', ':', '/']), "{name}");
            }
        }
    }
}
