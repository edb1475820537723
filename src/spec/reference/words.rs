//! Forms and rules in words, as the tables of the reference show them.

use crate::model::time::Millis;
use crate::spec::check::names::listed;
use crate::spec::check::shape;
use crate::spec::form::{Form, Keys, LONGEST, Need, Range, Rule};

/// What a value can be. `link` gives the link to the part of the reference that describes a map, where there is one.
pub(super) fn holds(form: &'static Form, link: &dyn Fn(&'static Form) -> Option<String>) -> String {
    if let Some(link) = link(form) {
        return link;
    }
    match form {
        Form::Duration(low, high) => {
            let low = (*low > 1).then(|| format!(", at least `{}`", Millis::new(*low)));
            let high = (*high < LONGEST).then(|| format!(", at most `{}`", Millis::new(*high)));
            format!(
                "a duration{}{}",
                low.unwrap_or_default(),
                high.unwrap_or_default()
            )
        }
        Form::Integer(low, i64::MAX) => format!("a whole number, at least {low}"),
        Form::Integer(low, high) => format!("a whole number from {low} to {high}"),
        Form::Number(range) => format!("a number{}", between(*range)),
        Form::List(of, least, most) => {
            let of = holds(of, link);
            match (*least, *most) {
                (least, most) if least == most => format!("a list of {least}; each: {of}"),
                (0, _) => format!("a list; each: {of}"),
                (least, _) => format!("a list of at least {least}; each: {of}"),
            }
        }
        Form::Map(keys, of) => {
            let keys = match keys {
                Keys::Name => "names",
                Keys::JsonPath => "JSONPaths",
                Keys::Header => "header names",
                Keys::Text => "texts",
            };
            format!("a map from {keys} to: {}", holds(of, link))
        }
        Form::Either(forms) => forms
            .iter()
            .map(|form| holds(form, link))
            .collect::<Vec<_>>()
            .join("; or "),
        Form::Word(words) => match words {
            [(word, _)] => format!("`{word}`"),
            words => listed(words.iter().map(|(word, _)| *word), "or"),
        },
        form => shape::describe(form),
    }
}

fn between(range: Range) -> String {
    let low = (range.low > f64::MIN).then(|| {
        let word = if range.closed { "at least" } else { "above" };
        format!("{word} {}", range.low)
    });
    let high = (range.high < f64::MAX).then(|| format!("at most {}", range.high));
    let both = [low, high]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" and ");
    if both.is_empty() {
        both
    } else {
        format!(", {both}")
    }
}

/// What holds where a key is absent.
pub(super) fn absent(need: Need) -> String {
    match need {
        Need::Required => "required".to_owned(),
        Need::Default("") => "empty".to_owned(),
        Need::Default(text) => format!("`{text}`"),
        Need::Optional => "–".to_owned(),
    }
}

/// What must hold between keys, in sentences.
pub(super) fn rules(rules: &[Rule]) -> String {
    let sentences = rules.iter().map(|rule| match rule {
        Rule::ExactlyOne(names) => format!("It has exactly one of {}.", all(names)),
        Rule::AtMostOne(names) => format!("It has at most one of {}.", all(names)),
        Rule::AtLeastOne(names) => format!("It has at least one of {}.", all(names)),
        Rule::Needs(name, other) => format!("`{name}` needs `{other}` beside it."),
        Rule::Never(name, why) => format!("It has no `{name}`: {why}."),
    });
    sentences.collect::<Vec<_>>().join(" ")
}

fn all(names: &[&str]) -> String {
    listed(names.iter().copied(), "and")
}
