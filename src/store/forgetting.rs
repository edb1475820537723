//! What kept signals have of somebody who is forgotten: bodies of what they did themselves are erased, and everywhere
//! else what they were called is taken out, word by word. A signal stays: that something came, when, and through which hook.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::Result;
use super::database::Database;

/// What stands where a name was.
const FORGOTTEN: &str = "[forgotten]";

/// Why a body is gone.
const REASON: &str = "the person was forgotten";

/// Keys of readings whose values are words of firedrill's own, whatever somebody is called.
const OWN_WORDS: [&str; 5] = ["type", "kind", "role", "severity", "audience"];

impl Database {
    /// Erases `name` from kept signals, with what senders call whoever is behind `pseudonym`.
    pub(super) async fn forget_in_signals(
        &self,
        name: &str,
        pseudonym: Option<&str>,
    ) -> Result<()> {
        let own: Vec<(i64, Option<String>)> =
            sqlx::query_as("SELECT id, reading FROM signals WHERE person = ?1")
                .bind(pseudonym)
                .fetch_all(self.readers())
                .await?;
        let mut terms = BTreeSet::from([name.to_owned()]);
        for (_, reading) in &own {
            terms.extend(called(reading.as_deref()));
        }
        // One letter is everywhere, and says nothing about anybody.
        terms.retain(|term| term.chars().count() > 1);
        for (id, _) in own {
            sqlx::query("UPDATE signals SET body = x'', erased = ?2, person = NULL WHERE id = ?1")
                .bind(id)
                .bind(REASON)
                .execute(self.writer())
                .await?;
            self.redact(id, &terms, true).await?;
        }
        for id in self.naming(&terms).await? {
            self.redact(id, &terms, false).await?;
        }
        Ok(())
    }

    /// Signals in which one of these stands anywhere.
    async fn naming(&self, terms: &BTreeSet<String>) -> Result<BTreeSet<i64>> {
        let mut found = BTreeSet::new();
        for term in terms.iter().flat_map(|term| [term.clone(), escaped(term)]) {
            let ids: Vec<i64> = sqlx::query_scalar(
                "SELECT id FROM signals WHERE instr(CAST(body AS TEXT), ?1) > 0
                 OR instr(coalesce(reading, ''), ?1) > 0 OR instr(coalesce(dedupe_key, ''), ?1) > 0",
            )
            .bind(&term)
            .fetch_all(self.readers())
            .await?;
            found.extend(ids);
        }
        Ok(found)
    }

    async fn redact(&self, id: i64, terms: &BTreeSet<String>, own: bool) -> Result<()> {
        let (body, reading, key): (Vec<u8>, Option<String>, Option<String>) =
            sqlx::query_as("SELECT body, reading, dedupe_key FROM signals WHERE id = ?1")
                .bind(id)
                .fetch_one(self.writer())
                .await?;
        let text = String::from_utf8_lossy(&body);
        let clean = without(&text, terms);
        let body = if clean == *text {
            body
        } else {
            clean.into_bytes()
        };
        let reading = reading.and_then(|reading| {
            let mut value: Value = serde_json::from_str(&reading).ok()?;
            if own {
                value.as_object_mut()?.remove("person");
            }
            scrub(&mut value, terms);
            Some(value.to_string())
        });
        // What names somebody is no key any more: a repeat that still comes is kept anew.
        let key = key.filter(|key| without(key, terms) == *key);
        sqlx::query("UPDATE signals SET body = ?2, reading = ?3, dedupe_key = ?4 WHERE id = ?1")
            .bind(id)
            .bind(body)
            .bind(reading)
            .bind(key)
            .execute(self.writer())
            .await?;
        Ok(())
    }
}

/// What the sender of a signal calls whoever is behind it.
fn called(reading: Option<&str>) -> Vec<String> {
    let read: Option<Value> = reading.and_then(|reading| serde_json::from_str(reading).ok());
    let person = read.as_ref().map(|read| &read["person"]);
    ["id", "name"]
        .into_iter()
        .filter_map(|key| Some(person?.get(key)?.as_str()?.to_owned()))
        .collect()
}

/// Takes the terms out of every text of a reading.
fn scrub(value: &mut Value, terms: &BTreeSet<String>) {
    match value {
        Value::String(text) => *text = without(text, terms),
        Value::Array(all) => all.iter_mut().for_each(|value| scrub(value, terms)),
        Value::Object(fields) => {
            let theirs = fields
                .iter_mut()
                .filter(|(key, _)| !OWN_WORDS.contains(&key.as_str()));
            theirs.for_each(|(_, value)| scrub(value, terms));
        }
        _ => {}
    }
}

/// The text without the terms, where they stand as words of their own, be it escaped as JSON may be.
pub(super) fn without(text: &str, terms: &BTreeSet<String>) -> String {
    let mut clean = text.to_owned();
    // The longest first: a first name must not take itself out of a whole one.
    let mut terms: Vec<&String> = terms.iter().collect();
    terms.sort_by_key(|term| std::cmp::Reverse(term.len()));
    for term in terms {
        clean = without_word(&clean, term);
        let escaped = escaped(term);
        if escaped != *term {
            clean = without_word(&clean, &escaped);
        }
    }
    clean
}

fn without_word(text: &str, word: &str) -> String {
    let is_inner = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let begins = before.chars().next_back().or(clean.chars().next_back());
        let whole = !begins.is_some_and(is_inner) && !after.chars().next().is_some_and(is_inner);
        clean.push_str(before);
        clean.push_str(if whole { FORGOTTEN } else { word });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// The text as JSON in ASCII writes it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a string can't fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;
    use crate::store::signals::{NewSignal, Which};

    fn terms(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|term| (*term).to_owned()).collect()
    }

    #[test]
    fn words_are_taken_out_whole() {
        for (text, expected) in [
            ("Zoë acks", "[forgotten] acks"),
            ("by Zoë.", "by [forgotten]."),
            (r#"{"who":"Zo\u00eb"}"#, r#"{"who":"[forgotten]"}"#),
            ("Zoëlle and aZoë", "Zoëlle and aZoë"),
            ("Zoë Zoë", "[forgotten] [forgotten]"),
            ("Zoë Ek is on", "[forgotten] is on"),
        ] {
            assert_eq!(
                without(text, &terms(&["Zoë", "Zoë Ek"])),
                expected,
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn whoever_is_forgotten_is_in_no_signal_any_more() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let ann = database
            .pseudonym_of("ann", || [7; 6])
            .await
            .expect("a pseudonym");
        let base = NewSignal {
            source: "pagerduty",
            dedupe_key: Some("event/1"),
            thread: Some("incident/1"),
            received: sample::at(1),
            body: br#"{"agent":{"id":"PUSER77","summary":"Annabel Lee"}}"#,
            reading: Some(
                r#"{"identity":"event/1","kind":"human","person":{"id":"PUSER77","name":"Annabel Lee"},"what":{"type":"other","text":"Annabel Lee is human"}}"#,
            ),
            run: None,
            person: Some(&ann),
        };
        let own = database.keep_signal(base).await.expect("kept");
        let another = NewSignal {
            dedupe_key: Some("by PUSER77/2"),
            body: br#"{"note":"ann and PUSER77 say the channel is down"}"#,
            reading: Some(r#"{"what":{"type":"other","text":"ann says so"}}"#),
            person: None,
            ..base
        };
        let another = database.keep_signal(another).await.expect("kept");
        assert!(
            folder.holds(b"Annabel Lee"),
            "the search finds what is there"
        );

        assert!(database.forget("ann").await.expect("forgotten"));
        let read = async |id| database.signal(id).await.expect("asked").expect("a signal");
        let own = read(own.id).await;
        assert_eq!(
            (own.body.as_str(), own.erased.as_deref()),
            ("", Some(REASON))
        );
        let reading: Value = serde_json::from_str(&own.reading.expect("read")).expect("JSON");
        assert_eq!(
            reading,
            serde_json::json!({"identity": "event/1", "kind": "human",
                "what": {"type": "other", "text": "[forgotten] is human"}})
        );
        let another = read(another.id).await;
        assert_eq!(
            another.body,
            r#"{"note":"[forgotten] and [forgotten] say the channel is down"}"#
        );
        assert_eq!(another.erased, None);
        let all = database.signals(Which::All, None, 9).await.expect("asked");
        assert_eq!(all.len(), 2, "that something came stays");
        for gone in ["Annabel Lee", "PUSER77", "\"ann\"", "ann says"] {
            assert!(!folder.holds(gone.as_bytes()), "`{gone}` is left");
        }
    }
}
