//! Walks a tree along a form and reports everything that doesn't fit, each at its own bytes.
//!
//! What passes here can be read without looking again: [`View`](super::view::View) hands out values without
//! findings of its own.

use crate::secret::{self, Piece};
use crate::spec::check::names::{did_you_mean, listed, nearest};
use crate::spec::check::scalar::{check_key, check_leaf, shown};
use crate::spec::code::Code;
use crate::spec::diagnostic::Span;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Need, Object, Rule, Variant};
use crate::spec::tree::{Kind, Node, Secret, short};

/// Checks a value; `anchor` is where to point when the value itself has no bytes: the key that leads to it.
pub(crate) fn check(node: &Node, anchor: Span, form: &'static Form, sink: &mut Sink) {
    if node.kind == Kind::Broken {
        return;
    }
    if !fits(node, form) {
        wrong_type(node, anchor, form, sink);
        return;
    }
    let forks = matches!(form, Form::Either(_));
    if !forks && !form.may_hold_secrets() {
        // What is captured may also be compared with: those texts are no secrets.
        let compared = matches!(form, Form::Any | Form::Text);
        if misplaced_secret(node, anchor, compared, sink) {
            return;
        }
    }
    match form {
        Form::List(of, least, most) => {
            let items = node.items();
            if items.len() < *least || items.len() > *most {
                let wanted = if least == most {
                    format!("exactly {least}")
                } else if items.len() > *most {
                    format!("at most {most}")
                } else {
                    format!("at least {least}")
                };
                sink.error(
                    Code::WrongLength,
                    place(node, anchor),
                    format!("expected {wanted} here, found {}", items.len()),
                );
            }
            for item in items {
                check(item, head(item), of, sink);
            }
        }
        Form::Map(keys, of) => {
            for entry in node.entries() {
                check_key(*keys, &entry.key, entry.span, sink);
                check(&entry.value, entry.span, of, sink);
            }
        }
        Form::Object(object) => check_object(node, anchor, object, sink),
        Form::Choice(what, variants) => check_choice(node, anchor, what, variants, sink),
        Form::Any => {
            for item in node.items() {
                check(item, head(item), &Form::Any, sink);
            }
            for entry in node.entries() {
                check(&entry.value, entry.span, &Form::Any, sink);
            }
        }
        Form::Either(forms) => {
            if let Some(form) = forms.iter().find(|form| fits(node, form)) {
                check(node, anchor, form, sink);
            }
        }
        _ => check_leaf(node, place(node, anchor), form, sink),
    }
}

/// Reports a reference to a secret in this very value, and to what is captured unless that may be here.
pub(crate) fn misplaced_secret(
    node: &Node,
    anchor: Span,
    captured_may: bool,
    sink: &mut Sink,
) -> bool {
    let Some(Secret::Reference(template)) = &node.secret else {
        return false;
    };
    let pieces = secret::pieces(template);
    let is_secret = pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Variable(_)));
    if is_secret {
        sink.error(
            Code::MisplacedSecret,
            place(node, anchor),
            "no secret can stand here: this is read before the run, or shown",
        )
        .with_hint(
            "secrets are sent in a URL's path or query, a header, a body or an argument; elsewhere use a variable",
        );
    } else if !captured_may {
        sink.error(
            Code::MisplacedCaptured,
            place(node, anchor),
            "`${captured}` can't stand here: this is read before anything is captured",
        )
        .with_hint(
            "it stands in a URL's path or query, a header, a body, an argument, or in what `verify_undone` expects",
        );
    }
    is_secret || !captured_may
}

/// Where to point for a value: at its bytes, or at its anchor when it has none or is a whole map or list.
pub(crate) fn place(node: &Node, anchor: Span) -> Span {
    match node.kind {
        Kind::List(_) | Kind::Map(_) => anchor,
        _ if node.span.is_empty() => anchor,
        _ => node.span,
    }
}

/// Where to point for an item of a list: at its first key, or at itself.
pub(crate) fn head(item: &Node) -> Span {
    match item.entries() {
        [first, ..] => first.span,
        [] => item.span,
    }
}

/// Whether a value is of the type, not yet whether it is in range.
fn fits(node: &Node, form: &Form) -> bool {
    match form {
        Form::Any => true,
        Form::Scalar => matches!(
            node.kind,
            Kind::Text(_) | Kind::Int(_) | Kind::Float(_) | Kind::Bool(_)
        ),
        Form::Integer(..) => matches!(node.kind, Kind::Int(_)),
        Form::Number(_) => matches!(node.kind, Kind::Int(_) | Kind::Float(_)),
        Form::Flag => matches!(node.kind, Kind::Bool(_)),
        Form::List(..) => matches!(node.kind, Kind::List(_)),
        Form::Map(..) | Form::Object(_) | Form::Choice(..) => matches!(node.kind, Kind::Map(_)),
        Form::Either(forms) => forms.iter().any(|form| fits(node, form)),
        _ => matches!(node.kind, Kind::Text(_)),
    }
}

/// The type in words.
pub(crate) fn describe(form: &Form) -> String {
    match form {
        Form::Text | Form::Free | Form::Sent => "a text".to_owned(),
        Form::Name => "a name".to_owned(),
        Form::Duration(..) => "a duration such as `30s`".to_owned(),
        Form::FineDuration => "a duration such as `50us` or `1ms`".to_owned(),
        Form::Size => "a size such as `64MiB`".to_owned(),
        Form::Integer(..) => "a whole number".to_owned(),
        Form::Number(_) => "a number".to_owned(),
        Form::Flag => "`true` or `false`".to_owned(),
        Form::Word(words) => listed(words.iter().map(|(word, _)| *word), "or"),
        Form::Url => "a URL such as `http://127.0.0.1:7000/health`".to_owned(),
        Form::Address => "an address such as `127.0.0.1:7000`".to_owned(),
        Form::Network => "a network such as `127.0.0.0/8`".to_owned(),
        Form::DockerHost => "a Docker host such as `unix:///var/run/docker.sock`".to_owned(),
        Form::Label => "a label such as `env=staging`".to_owned(),
        Form::LabelSelector => "a label such as `app=wallet` or `app`".to_owned(),
        Form::JsonPath => "a JSONPath such as `$.state`".to_owned(),
        Form::Cron => "a cron pattern such as `0 10 * * TUE`".to_owned(),
        Form::Timezone => "a time zone such as `Europe/Berlin`".to_owned(),
        Form::Scalar => "a text, a number, `true` or `false`".to_owned(),
        Form::Any => "anything".to_owned(),
        Form::List(..) => "a list".to_owned(),
        Form::Map(..) => "a map".to_owned(),
        Form::Object(object) => format!("{}, a map", object.what),
        Form::Choice(what, _) => format!("{what}, a map with one key"),
        Form::Either(forms) => forms.iter().map(describe).collect::<Vec<_>>().join(", or "),
    }
}

fn wrong_type(node: &Node, anchor: Span, form: &'static Form, sink: &mut Sink) {
    let message = format!("expected {}, found {}", describe(form), node.what());
    let written = shown(node, sink);
    let scalar = matches!(node.kind, Kind::Int(_) | Kind::Float(_) | Kind::Bool(_));
    let at = if node.span.is_empty() {
        anchor
    } else {
        node.span
    };
    let finding = sink.error(Code::WrongType, at, message);
    match form {
        Form::Duration(..) | Form::FineDuration if scalar => {
            finding.with_hint(format!("give it a unit: `{written}s` or `{written}ms`"));
        }
        Form::Size if scalar => {
            finding.with_hint(format!("give it a unit: `{written}MiB` or `{written}B`"));
        }
        Form::Text | Form::Free | Form::Sent | Form::Name if scalar => {
            finding.with_hint(format!("quote it to make it a text: \"{written}\""));
        }
        Form::List(..) if matches!(node.kind, Kind::Text(_)) => {
            finding.with_hint(format!("write it as a list: [{written}]"));
        }
        Form::Integer(..) | Form::Number(_)
            if node.text().is_some_and(|t| t.parse::<f64>().is_ok()) =>
        {
            finding.with_hint("write the number without quotes");
        }
        _ => {}
    }
}

pub(crate) fn check_object(node: &Node, anchor: Span, object: &'static Object, sink: &mut Sink) {
    let known = || object.fields().map(|field| field.name);
    for entry in node.entries() {
        match object.field(&entry.key) {
            None => {
                let never = object.rules.iter().find_map(|rule| match rule {
                    Rule::Never(name, why) if **name == *entry.key => Some((*why).to_owned()),
                    _ => None,
                });
                let near = nearest(&entry.key, known());
                let all = format!("{} has {}", object.what, listed(known(), "and"));
                sink.error(
                    Code::UnknownKey,
                    entry.span,
                    format!("{} has no key `{}`", object.what, short(&entry.key)),
                )
                .with_hint(never.unwrap_or_else(|| did_you_mean(near, &all)));
            }
            Some(field) => check(&entry.value, entry.span, &field.form, sink),
        }
    }
    for field in object.fields() {
        if field.need == Need::Required && node.entry(field.name).is_none() {
            sink.error(
                Code::MissingKey,
                anchor,
                format!("{} needs `{}`", object.what, field.name),
            )
            .with_hint(format!("add `{}:` ({})", field.name, describe(&field.form)));
        }
    }
    for rule in object.rules {
        check_rule(node, anchor, object, rule, sink);
    }
}

fn unsupported(name: &str, span: Span, sink: &mut Sink) {
    sink.error(
        Code::Unsupported,
        span,
        format!("`{name}` is not supported yet"),
    )
    .with_hint("it is planned: leave it out until then");
}

fn check_rule(node: &Node, anchor: Span, object: &Object, rule: &Rule, sink: &mut Sink) {
    let (names, least, most) = match rule {
        Rule::ExactlyOne(names) => (*names, 1, 1),
        Rule::AtMostOne(names) => (*names, 0, 1),
        Rule::AtLeastOne(names) => (*names, 1, usize::MAX),
        Rule::Needs(name, other) => {
            if let Some(entry) = node.entry(name)
                && node.entry(other).is_none()
            {
                sink.error(
                    Code::MissingKey,
                    entry.span,
                    format!("`{name}` needs `{other}` beside it"),
                );
            }
            return;
        }
        // Said where the key stands.
        Rule::Never(..) => return,
    };
    let there: Vec<_> = node
        .entries()
        .iter()
        .filter(|entry| names.contains(&&*entry.key))
        .collect();
    if there.len() < least {
        let all = listed(names.iter().copied(), "or");
        let one = if most == 1 { "one" } else { "at least one" };
        sink.error(
            Code::MissingKey,
            anchor,
            format!("{} needs {one} of {all}", object.what),
        );
    }
    for extra in there.iter().skip(most) {
        let first = &there[0].key;
        sink.error(
            Code::ConflictingKeys,
            extra.span,
            format!("`{}` and `{first}` exclude each other", extra.key),
        )
        .with_hint(format!(
            "keep one of {}",
            listed(names.iter().copied(), "or")
        ));
    }
}

fn check_choice(
    node: &Node,
    anchor: Span,
    what: &str,
    variants: &'static [Variant],
    sink: &mut Sink,
) {
    let known = || {
        variants
            .iter()
            .filter(|one| one.form.is_some())
            .map(|one| one.name)
    };
    let at = if node.span.is_empty() {
        anchor
    } else {
        head(node)
    };
    if node.entries().is_empty() {
        sink.error(
            Code::MissingKey,
            at,
            format!("{what} needs one of {}", listed(known(), "or")),
        );
    }
    for (index, entry) in node.entries().iter().enumerate() {
        match variants.iter().find(|one| one.name == &*entry.key) {
            None if index > 0 => {
                let first = &node.entries()[0].key;
                sink.error(
                    Code::UnknownKey,
                    entry.span,
                    format!("`{}` is not {what}", short(&entry.key)),
                )
                .with_hint(format!(
                    "to make it a key of `{}`, write it further in",
                    short(first)
                ));
            }
            None => {
                let near = nearest(&entry.key, known());
                let all = format!("{what} is one of {}", listed(known(), "or"));
                sink.error(
                    Code::UnknownKey,
                    entry.span,
                    format!("`{}` is not {what}", short(&entry.key)),
                )
                .with_hint(did_you_mean(near, &all));
            }
            Some(_) if index > 0 => {
                sink.error(
                    Code::ConflictingKeys,
                    entry.span,
                    format!(
                        "{what} has exactly one key, and `{}` stands here already",
                        node.entries()[0].key
                    ),
                )
                .with_hint("begin a list item of its own with `- `");
            }
            Some(Variant {
                form: Some(form), ..
            }) => check(&entry.value, entry.span, form, sink),
            Some(_) => unsupported(&entry.key, entry.span, sink),
        }
    }
}
