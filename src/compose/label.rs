//! The labels of everything that a containerised demo makes.

use std::collections::HashMap;

/// Which demo a thing belongs to. Nothing without it is ever touched.
pub(super) const DEMO: &str = "firedrill.demo";

/// The process that made it: see [`super::owner`].
pub(super) const OWNER: &str = "firedrill.demo.owner";

/// Where that process keeps its journal.
pub(super) const DATA: &str = "firedrill.demo.data";

/// When the demo began, in seconds since 1970.
pub(super) const BEGAN: &str = "firedrill.demo.began";

/// Which service a container is.
pub(super) const SERVICE: &str = "firedrill.service";

/// Labels by key.
pub(super) type Labels = HashMap<String, String>;

/// Labels as the lines that a `Dockerfile` has them in. Only for values of letters, digits and plain signs.
pub(super) fn instructions(labels: &[(&str, &str)]) -> Vec<String> {
    labels
        .iter()
        .map(|(key, value)| format!("LABEL {key}=\"{value}\""))
        .collect()
}

/// Labels as the API takes them.
pub(super) fn map(labels: &[(&str, &str)]) -> Labels {
    labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
