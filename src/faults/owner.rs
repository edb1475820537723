//! Owner tags: by which what is ours is known, and nothing else is.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::model::ids::{InjectionId, RunId};

/// The longest toxic name: it stays readable in other clients' listings and well inside a URL.
const LONGEST_TOXIC_NAME: usize = 96;

/// The tag of one injection: `firedrill-<run>-<injection>`.
pub(super) fn tag(run: &RunId, injection: &InjectionId) -> String {
    format!("{}{injection}", run_prefix(run))
}

/// What the tags of one run begin with.
pub(super) fn run_prefix(run: &RunId) -> String {
    format!("firedrill-{run}-")
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
