//! Messages: what a template may say, and the shipped ones in every language.

use super::*;
use crate::messages::{Texts, Wish};
use crate::model::message::{Failure, Stage};
use crate::model::runbook::PhraseSet;
use crate::score::phrases::says;
use crate::spec::Library;

fn of(rest: &str) -> String {
    check(&[(
        "m.yaml",
        &format!("kind: Messages\nname: own\nlanguage: en\n{rest}"),
    )])
}

#[test]
fn a_template_that_can_not_be_made_is_found_at_its_token() {
    assert_eq!(
        of("update: {api_outage: \"On {{ stack }}: {{ detail }}.\"}\n"),
        ""
    );
    for bad in [
        "update: {api_outage: \"On {{ stak }}.\"}\n",
        "next_update: Soon.\n",
        "estimated_recovery: \"By {{ to }}.\"\n",
    ] {
        let found = of(bad);
        assert!(found.contains("error[bad-template]"), "{found}");
    }
    let slip = of("update: {api_outrage: x}\n");
    assert!(slip.contains("api_outage"), "{slip}");
}

/// The shipped texts.
fn shipped() -> Texts {
    let sources = crate::shipped::FILES
        .iter()
        .filter(|(path, _)| path.starts_with("messages/"))
        .map(|(path, text)| Source::new(*path, *text));
    let mut texts = Texts::default();
    let mut library = Library::of(sources, Options::default());
    for messages in library.messages(&[]) {
        texts.add(messages);
    }
    texts
}

#[test]
fn every_shipped_language_says_everything_and_its_phrases_are_known_for_what_they_are() {
    let texts = shipped();
    let languages: Vec<_> = texts.languages().map(str::to_owned).collect();
    assert_eq!(languages, ["de", "en", "es", "fr", "ja", "pt"]);
    for language in languages {
        for stage in Stage::WRITTEN {
            for failure in Failure::ALL {
                let wish = Wish {
                    language: language.clone(),
                    stage,
                    failure,
                    stack: "wallet".into(),
                    detail: String::new(),
                    phrases: PhraseSet::ALL.to_vec(),
                    next_update_at: Some("2026-03-01T10:20:00Z".parse().expect("a time")),
                    estimated_recovery: Some((
                        "2026-03-01T10:30:00Z".parse().expect("a time"),
                        "2026-03-01T10:50:00Z".parse().expect("a time"),
                    )),
                    now: "2026-03-01T10:00:00Z".parse().expect("a time"),
                };
                let text = texts.compose(&wish).unwrap_or_else(|why| panic!("{why}"));
                for time in ["10:20 UTC", "10:30 UTC", "10:50 UTC"] {
                    assert!(text.contains(time), "{language}: {text}");
                }
                for set in PhraseSet::ALL {
                    assert!(says(&text, set), "{language} {set:?}: {text}");
                }
            }
        }
        // Each phrase for itself, and not by another.
        for set in PhraseSet::ALL {
            let phrase = texts.phrase(&language, set).expect("it is shipped");
            for other in PhraseSet::ALL {
                assert_eq!(
                    says(phrase, other),
                    set == other,
                    "{language} {other:?}: {phrase}"
                );
            }
        }
    }
}
