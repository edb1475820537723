//! Texts of messages in one language: templates for each point of an incident and kind of failure, and phrases that are
//! the same in all of them.

use std::collections::BTreeMap;

use super::message::{Failure, Stage};
use super::runbook::PhraseSet;

/// Texts in one language. What is absent is taken from the shipped ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Messages {
    /// Its tag, such as `en` or `pt-BR`.
    pub language: String,
    /// Advice and assurances, ready to send.
    pub phrases: BTreeMap<PhraseSet, String>,
    /// Says when the next update comes: `{{ at }}`.
    pub next_update: Option<String>,
    /// Says between when recovery is expected: `{{ from }}` and `{{ to }}`.
    pub estimated_recovery: Option<String>,
    /// What is said.
    pub texts: BTreeMap<(Stage, Failure), String>,
}
