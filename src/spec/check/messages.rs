//! Messages: templates of what is told to others, in one language.

use std::collections::BTreeMap;

use crate::messages::{NAMES, Piece, check};
use crate::model::message::{Failure, Stage};
use crate::model::messages::Messages;
use crate::model::runbook::PhraseSet;
use crate::spec::check::names::listed;
use crate::spec::check::stack::HEAD;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Object, optional, required};
use crate::spec::tree::Node;

pub(crate) static MESSAGES: Object = Object {
    what: "messages",
    about: "Texts of messages in one language: minijinja templates, which may say `{{ stack }}` and `{{ detail }}`, what \
            whoever posts it typed. What is absent is taken from the shipped ones of that language.",
    groups: &[
        HEAD,
        &[
            required("name", Form::Name, "Their name in the library."),
            required(
                "language",
                Form::Name,
                "The tag of the language, such as `en` or `pt-BR`.",
            ),
            optional(
                "phrases",
                Form::Object(&PHRASES),
                "Advice and assurances, ready to send.",
            ),
            optional(
                "next_update",
                Form::Text,
                "Says when the next update comes: `{{ at }}`.",
            ),
            optional(
                "estimated_recovery",
                Form::Text,
                "Says between when recovery is expected: `{{ from }}` and `{{ to }}`.",
            ),
            optional(
                "first_notice",
                Form::Object(&FAILURES),
                "That something is wrong.",
            ),
            optional("update", Form::Object(&FAILURES), "How it goes on."),
            optional("resolved", Form::Object(&FAILURES), "That it is over."),
        ],
    ],
    rules: &[],
};

static PHRASES: Object = Object {
    what: "phrases",
    about: "Each says what a runbook can ask for by its name.",
    groups: &[&[
        optional("do_not_retry", Form::Text, "Users shall not send again."),
        optional(
            "never_share_keys",
            Form::Text,
            "Users shall not give their keys away.",
        ),
        optional("funds_are_safe", Form::Text, "Users' money is safe."),
    ]],
    rules: &[],
};

static FAILURES: Object = Object {
    what: "texts by failure",
    about: "One for each kind of failure.",
    groups: &[&[
        optional(
            "key_management",
            Form::Text,
            "Nothing can be signed, or keys may be in danger.",
        ),
        optional(
            "api_outage",
            Form::Text,
            "The app or the API does not answer.",
        ),
        optional(
            "transaction_delays",
            Form::Text,
            "Transfers are slow, or wait.",
        ),
        optional("authentication", Form::Text, "Log-ins fail."),
    ]],
    rules: &[],
};

pub(crate) fn read(root: &Node, sink: &mut Sink) -> Option<Messages> {
    let view = View::new(root, &MESSAGES);
    let mut whole = true;
    let mut template = |piece: Piece, node: &Node, sink: &mut Sink| -> Option<String> {
        let text = node.text()?;
        match check(piece, text) {
            Ok(()) => Some(text.to_owned()),
            Err(why) => {
                let named = match piece {
                    Piece::Text => listed(NAMES.into_iter(), "and"),
                    Piece::NextUpdate => "`at`".to_owned(),
                    Piece::EstimatedRecovery => "`from` and `to`".to_owned(),
                };
                sink.error(
                    Code::BadTemplate,
                    node.span,
                    format!("this template can't be made: {why}"),
                )
                .with_hint(format!("it may ask for {named}"));
                whole = false;
                None
            }
        }
    };
    let mut piece = |key: &str, piece: Piece, sink: &mut Sink| {
        view.value(key).and_then(|node| template(piece, node, sink))
    };
    let next_update = piece("next_update", Piece::NextUpdate, sink);
    let estimated_recovery = piece("estimated_recovery", Piece::EstimatedRecovery, sink);
    let mut texts = BTreeMap::new();
    for stage in Stage::WRITTEN {
        let Some(node) = view.value(stage.as_str()) else {
            continue;
        };
        for failure in Failure::ALL {
            let node = node.get(failure.as_str());
            if let Some(text) = node.and_then(|node| template(Piece::Text, node, sink)) {
                texts.insert((stage, failure), text);
            }
        }
    }
    let phrases = view.value("phrases");
    let phrases = PhraseSet::ALL.into_iter().filter_map(|set| {
        let text = phrases?.get(set.as_str())?.text()?;
        Some((set, text.to_owned()))
    });
    let messages = Messages {
        language: view.text("language")?.to_owned(),
        phrases: phrases.collect(),
        next_update,
        estimated_recovery,
        texts,
    };
    whole.then_some(messages)
}
