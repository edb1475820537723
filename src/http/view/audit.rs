//! Who changed what.

use std::collections::BTreeMap;

use serde::Serialize;

use super::layout::Layout;
use super::time::Moment;
use super::word;
use crate::http::templates::Page;
use crate::store::audit::Entry;

/// A part of the list.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Audit {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) lines: Vec<Line>,
    /// Before which entry the next part ends.
    pub(in crate::http) next: Option<u64>,
}

impl Page for Audit {
    const TEMPLATE: &'static str = "audit.html";
}

/// An entry.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Line {
    pub(in crate::http) seq: u64,
    pub(in crate::http) at: Moment,
    pub(in crate::http) who: String,
    pub(in crate::http) through: String,
    pub(in crate::http) act: String,
    /// What in particular, in words.
    pub(in crate::http) subject: String,
    pub(in crate::http) from: String,
    /// Why it was not done after all.
    pub(in crate::http) refused: Option<String>,
    pub(in crate::http) hash: String,
}

impl Line {
    /// An entry as it is listed.
    pub(in crate::http) fn new(entry: &Entry, names: &BTreeMap<String, String>) -> Self {
        let about = &entry.deed.about;
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut subject: Vec<String> = about["subject"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key} {}", text(value)))
            .collect();
        if let Some(of) = about["of"].as_u64() {
            subject.push(format!("entry {of}"));
        }
        let actor = entry.deed.actor.as_deref();
        Self {
            seq: entry.seq,
            at: entry.deed.at.into(),
            who: match actor {
                Some(pseudonym) => names
                    .get(pseudonym)
                    .map_or_else(|| pseudonym.to_owned(), Clone::clone),
                None => "nobody known".to_owned(),
            },
            through: word(&entry.deed.through),
            act: entry.deed.act.clone(),
            subject: subject.join(", "),
            from: match (&entry.erased, about["from"].as_str()) {
                (Some(_), _) => "erased".to_owned(),
                (None, from) => from.unwrap_or("–").to_owned(),
            },
            refused: Some(&about["refused"])
                .filter(|refused| !refused.is_null())
                .map(text),
            hash: entry.hash.chars().take(12).collect(),
        }
    }
}
