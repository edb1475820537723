//! Messages made from templates: pure, with the time given.
//!
//! A template says what is wrong, in minijinja's syntax. What every message needs is added behind it: details that
//! somebody typed, phrases, the expected recovery and the time of the next update, each a sentence of the same language.
//! A value that somebody typed is only ever put in, never read as a template.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{Environment, UndefinedBehavior, Value, context};

use crate::model::message::{Failure, Stage};
use crate::model::messages::Messages;
use crate::model::runbook::PhraseSet;

/// The names that a template may ask for.
pub const NAMES: [&str; 2] = ["stack", "detail"];

/// Texts by language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts(BTreeMap<String, Messages>);

/// What is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// In which language.
    pub language: String,
    /// Of what point of the incident.
    pub stage: Stage,
    /// Of what kind of failure.
    pub failure: Failure,
    /// The stack, as people know it.
    pub stack: String,
    /// What else is known, in somebody's words.
    pub detail: String,
    /// Which phrases.
    pub phrases: Vec<PhraseSet>,
    /// When the next update comes.
    pub next_update_at: Option<Timestamp>,
    /// Between when recovery is expected.
    pub estimated_recovery: Option<(Timestamp, Timestamp)>,
    /// Now, so that a time of today needs no date.
    pub now: Timestamp,
}

/// Why a message can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmade {
    /// Nobody has written anything in it.
    #[error("there are no messages in `{language}`; hint: there are some in {known}")]
    NoSuchLanguage {
        /// As asked for.
        language: String,
        /// Those there are.
        known: String,
    },
    /// The language lacks a piece.
    #[error("the messages in `{language}` have no {what}")]
    Missing {
        /// The language.
        language: String,
        /// Which piece.
        what: String,
    },
    /// A template asks for what there is not.
    #[error("the {what} in `{language}` can't be made: {why}")]
    Template {
        /// The language.
        language: String,
        /// Which piece.
        what: String,
        /// Why.
        why: String,
    },
}

impl Texts {
    /// Puts texts over those of the same language that are there.
    pub fn add(&mut self, messages: Messages) {
        let own = self.0.entry(messages.language.clone()).or_default();
        own.language = messages.language;
        own.phrases.extend(messages.phrases);
        own.texts.extend(messages.texts);
        own.next_update = messages.next_update.or(own.next_update.take());
        own.estimated_recovery = messages
            .estimated_recovery
            .or(own.estimated_recovery.take());
    }

    /// The languages there are.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A phrase, ready to send.
    pub fn phrase(&self, language: &str, set: PhraseSet) -> Option<&str> {
        let phrase = self.0.get(language)?.phrases.get(&set)?;
        Some(phrase.as_str())
    }

    /// A message, without the mark of a drill, which is put before it when it is sent.
    pub fn compose(&self, wish: &Wish) -> Result<String, Unmade> {
        let language = &wish.language;
        let messages = self.0.get(language).ok_or_else(|| Unmade::NoSuchLanguage {
            language: language.clone(),
            known: self.languages().collect::<Vec<_>>().join(", "),
        })?;
        let missing = |what: String| Unmade::Missing {
            language: language.clone(),
            what,
        };
        let text = messages.texts.get(&(wish.stage, wish.failure));
        let what = format!("{} of {}", wish.stage.as_str(), wish.failure.as_str());
        let text = text.ok_or_else(|| missing(what.clone()))?;
        let made = |what: &str, template: &str, values: Value| {
            rendered(template, values).map_err(|why| Unmade::Template {
                language: language.clone(),
                what: what.to_owned(),
                why,
            })
        };
        let values = context! { stack => &*wish.stack, detail => &*wish.detail };
        let mut pieces = vec![made(&what, text, values)?];
        // A template may put it where it belongs.
        if !wish.detail.trim().is_empty() && !pieces[0].contains(wish.detail.trim()) {
            pieces.push(wish.detail.trim().to_owned());
        }
        for set in &wish.phrases {
            let phrase = messages.phrases.get(set);
            let phrase = phrase.ok_or_else(|| missing(format!("phrase `{}`", set.as_str())))?;
            pieces.push(phrase.trim().to_owned());
        }
        let clock = |at: Timestamp| clock(at, wish.now);
        if let Some((from, to)) = wish.estimated_recovery {
            let what = "estimated_recovery";
            let template = messages.estimated_recovery.as_deref();
            let template = template.ok_or_else(|| missing(what.to_owned()))?;
            let values = context! { from => clock(from), to => clock(to) };
            pieces.push(made(what, template, values)?);
        }
        if let Some(next) = wish.next_update_at {
            let what = "next_update";
            let template = messages.next_update.as_deref();
            let template = template.ok_or_else(|| missing(what.to_owned()))?;
            pieces.push(made(what, template, context! { at => clock(next) })?);
        }
        // Japanese and Chinese put no space between sentences.
        let spaced = !language.starts_with("ja") && !language.starts_with("zh");
        Ok(pieces.join(if spaced { " " } else { "" }))
    }
}

/// A time for whoever reads it on the same day: the hour and minute, else the date too. In UTC, which is said.
fn clock(at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (at.to_zoned(TimeZone::UTC), now.to_zoned(TimeZone::UTC));
    let form = if at.date() == now.date() {
        "%H:%M UTC"
    } else {
        "%Y-%m-%d %H:%M UTC"
    };
    at.strftime(form).to_string()
}

fn rendered(template: &str, values: Value) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let text = environment
        .template_from_str(template)
        .and_then(|template| template.render(values))
        .map_err(|error| {
            let line = error
                .line()
                .map_or(String::new(), |line| format!(" (line {line})"));
            format!("{error}{line}")
        })?;
    let words: Vec<&str> = text.split_whitespace().collect();
    Ok(words.join(" "))
}

/// Which piece a template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// What is said.
    Text,
    /// Says when the next update comes.
    NextUpdate,
    /// Says between when recovery is expected.
    EstimatedRecovery,
}

/// Whether a template can be made with what its piece is given; else why not.
pub fn check(piece: Piece, template: &str) -> Result<(), String> {
    let values = match piece {
        Piece::Text => context! { stack => "wallet", detail => "" },
        Piece::NextUpdate => context! { at => "10:20 UTC" },
        Piece::EstimatedRecovery => context! { from => "10:20 UTC", to => "10:40 UTC" },
    };
    let text = rendered(template, values)?;
    let lacks = |name: &str| Err(format!("it never says `{{{{ {name} }}}}`"));
    match piece {
        Piece::NextUpdate if !text.contains("10:20") => lacks("at"),
        Piece::EstimatedRecovery if !text.contains("10:20") => lacks("from"),
        Piece::EstimatedRecovery if !text.contains("10:40") => lacks("to"),
        _ if text.is_empty() => Err("it says nothing".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        let mut texts = Texts::default();
        texts.add(Messages {
            language: "en".into(),
            phrases: [(PhraseSet::DoNotRetry, "Do not retry.".to_owned())].into(),
            next_update: Some("More at {{ at }}.".into()),
            estimated_recovery: Some("Back {{ from }} to {{ to }}.".into()),
            texts: [(
                (Stage::FirstNotice, Failure::Authentication),
                "Log-ins fail{% if detail %}: {{ detail }}{% endif %}.".to_owned(),
            )]
            .into(),
        });
        texts
    }

    fn wish() -> Wish {
        Wish {
            language: "en".into(),
            stage: Stage::FirstNotice,
            failure: Failure::Authentication,
            stack: "wallet".into(),
            detail: String::new(),
            phrases: vec![PhraseSet::DoNotRetry],
            next_update_at: Some("2026-03-01T10:20:00Z".parse().expect("a time")),
            estimated_recovery: Some((
                "2026-03-01T23:00:00Z".parse().expect("a time"),
                "2026-03-02T01:00:00Z".parse().expect("a time"),
            )),
            now: "2026-03-01T10:00:00Z".parse().expect("a time"),
        }
    }

    #[test]
    fn a_message_is_its_text_and_all_that_it_needs() {
        assert_eq!(
            texts().compose(&wish()).as_deref(),
            Ok(
                "Log-ins fail. Do not retry. Back 23:00 UTC to 2026-03-02 01:00 UTC. More at 10:20 UTC."
            )
        );
    }

    #[test]
    fn what_somebody_typed_is_never_read_as_a_template() {
        let typed = Wish {
            detail: "{{ stack }} {% raw %}${env:TOKEN}".into(),
            phrases: Vec::new(),
            next_update_at: None,
            estimated_recovery: None,
            ..wish()
        };
        assert_eq!(
            texts().compose(&typed).as_deref(),
            Ok("Log-ins fail: {{ stack }} {% raw %}${env:TOKEN}.")
        );
    }

    #[test]
    fn a_library_puts_its_own_over_what_is_there() {
        let mut texts = texts();
        texts.add(Messages {
            language: "en".into(),
            next_update: Some("Again at {{ at }}.".into()),
            ..Messages::default()
        });
        let made = texts.compose(&wish()).expect("a message");
        assert!(made.starts_with("Log-ins fail. Do not retry."), "{made}");
        assert!(made.ends_with("Again at 10:20 UTC."), "{made}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let of = |wish: Wish| texts().compose(&wish).expect_err("nothing").to_string();
        let other = Wish {
            language: "xx".into(),
            ..wish()
        };
        assert_eq!(
            of(other),
            "there are no messages in `xx`; hint: there are some in en"
        );
        let other = Wish {
            failure: Failure::ApiOutage,
            ..wish()
        };
        assert_eq!(
            of(other),
            "the messages in `en` have no first_notice of api_outage"
        );
        let other = Wish {
            phrases: vec![PhraseSet::FundsAreSafe],
            ..wish()
        };
        assert_eq!(
            of(other),
            "the messages in `en` have no phrase `funds_are_safe`"
        );
    }

    #[test]
    fn a_template_that_asks_for_what_there_is_not_is_refused() {
        assert_eq!(check(Piece::Text, "On {{ stack }}."), Ok(()));
        assert!(check(Piece::Text, "On {{ stak }}.").is_err());
        assert!(check(Piece::Text, "{% if detail %}x{% endif %}").is_err());
        assert!(check(Piece::NextUpdate, "Soon.").is_err());
        assert!(check(Piece::EstimatedRecovery, "From {{ from }}.").is_err());
        assert!(check(Piece::Text, "{{ stack").is_err());
    }
}
