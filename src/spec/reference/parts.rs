//! The parts of the reference: one section for each map that a file can hold, each described once and linked from
//! wherever it may stand. What only one kind of file uses stands below that kind, the rest at the end.

use std::fmt::Write as _;

use super::words::{absent, holds, rules};
use crate::spec::check::stack::HEAD;
use crate::spec::check::step::{LASTING, LINKED, TIMING};
use crate::spec::form::{Field, Form, Object, Rule, Variant};

/// Keys that many maps have in common: their heading, the keys, and the rules that come with them.
static COMMON: [(&str, &[Field], &[Rule]); 3] = [
    ("Keys of every file", HEAD, &[]),
    ("When a step begins and ends", TIMING, LASTING),
    ("Which bytes and connections a step hits", LINKED, &[]),
];

/// A map that has a section of its own.
#[derive(Debug, Clone, Copy)]
enum Body {
    Object(&'static Object),
    Choice(&'static str, &'static [Variant]),
}

impl Body {
    fn of(form: &'static Form) -> Option<Self> {
        match form {
            Form::Object(object) => Some(Self::Object(object)),
            Form::Choice(what, variants) => Some(Self::Choice(what, variants)),
            _ => None,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Object(object) => object.what,
            Self::Choice(what, _) => what,
        }
    }

    /// The same table, wherever it is used. Constants may be copied, so choices are told apart by what they hold.
    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Object(one), Self::Object(two)) => std::ptr::eq(one, two),
            (Self::Choice(one, ones), Self::Choice(two, twos)) => {
                one == two
                    && ones.len() == twos.len()
                    && ones.iter().zip(twos).all(|(one, two)| one.name == two.name)
            }
            _ => false,
        }
    }
}

#[derive(Debug)]
struct Part {
    body: Body,
    heading: String,
    /// The kinds of files it can stand in, by their titles.
    kinds: Vec<String>,
}

/// Every part of the reference.
#[derive(Debug)]
pub(super) struct Parts {
    parts: Vec<Part>,
}

impl Parts {
    /// Finds everything that can stand in these files.
    pub(super) fn gather(roots: &[(String, &'static Object)]) -> Self {
        let mut all = Self { parts: Vec::new() };
        for (title, object) in roots {
            for field in own(object) {
                all.form(title, field.name, object.what, &field.form);
            }
        }
        for (title, fields, _) in &COMMON {
            for field in *fields {
                all.form(title, field.name, "a file", &field.form);
            }
        }
        all
    }

    fn form(&mut self, kind: &str, key: &str, inside: &str, form: &'static Form) {
        match form {
            Form::List(of, ..) | Form::Map(_, of) => self.form(kind, key, inside, of),
            Form::Either(forms) => {
                for form in *forms {
                    self.form(kind, key, inside, form);
                }
            }
            form => {
                if let Some(body) = Body::of(form) {
                    self.body(kind, key, inside, body);
                }
            }
        }
    }

    fn body(&mut self, kind: &str, key: &str, inside: &str, body: Body) {
        if let Some(part) = self.parts.iter_mut().find(|part| part.body.is(body)) {
            if part.kinds.iter().any(|known| known == kind) {
                return;
            }
            part.kinds.push(kind.to_owned());
        } else {
            let mut heading = capital(body.what());
            // Two maps may go by one name in messages; here each says where it stands.
            if self
                .parts
                .iter()
                .any(|part| part.body.what() == body.what())
            {
                let _ = write!(heading, ", `{key}` of {inside}");
            }
            self.parts.push(Part {
                body,
                heading,
                kinds: vec![kind.to_owned()],
            });
        }
        match body {
            Body::Object(object) => {
                for field in own(object) {
                    self.form(kind, field.name, object.what, &field.form);
                }
            }
            Body::Choice(what, variants) => {
                for variant in variants {
                    if let Some(form) = &variant.form {
                        self.form(kind, variant.name, what, form);
                    }
                }
            }
        }
    }

    /// A file's own keys, then the parts that only this kind has.
    pub(super) fn write_root(&self, text: &mut String, title: &str, object: &'static Object) {
        self.write_object(text, object);
        for part in self.parts.iter().filter(|part| part.kinds == [title]) {
            self.write_part(text, part);
        }
    }

    /// The parts that several kinds of files have, and the keys that many maps have.
    pub(super) fn write_shared(&self, text: &mut String) {
        text.push_str("## Shared parts\n\n");
        for (title, fields, common) in &COMMON {
            let _ = write!(text, "### {title}\n\n");
            self.write_fields(text, fields.iter());
            write_rules(text, common);
        }
        let titles = COMMON.each_ref().map(|(title, ..)| *title);
        let shared = self.parts.iter().filter(|part| {
            part.kinds.len() > 1 || titles.iter().any(|title| part.kinds == [*title])
        });
        for part in shared {
            self.write_part(text, part);
        }
    }

    fn write_part(&self, text: &mut String, part: &Part) {
        let _ = write!(text, "### {}\n\n", part.heading);
        match part.body {
            Body::Object(object) => self.write_object(text, object),
            Body::Choice(_, variants) => self.write_choice(text, variants),
        }
    }

    fn write_object(&self, text: &mut String, object: &'static Object) {
        let _ = write!(text, "{}\n\n", object.about);
        self.write_fields(text, own(object));
        let also: Vec<String> = common(object)
            .map(|(title, ..)| format!("[{}]({})", lower(title), anchor(title)))
            .collect();
        if !also.is_empty() {
            let _ = write!(text, "And: {}.\n\n", also.join("; "));
        }
        let said = common(object).any(|(.., common)| rules(common) == rules(object.rules));
        if !said {
            write_rules(text, object.rules);
        }
    }

    fn write_fields<'a>(
        &self,
        text: &mut String,
        fields: impl Iterator<Item = &'static Field> + 'a,
    ) {
        let fields: Vec<_> = fields.collect();
        if !fields.is_empty() {
            text.push_str("| key | holds | when absent | meaning |\n|---|---|---|---|\n");
        }
        for field in &fields {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                field.name,
                cell(&holds(&field.form, &|form| self.link(form))),
                absent(field.need),
                cell(field.about)
            );
        }
        text.push('\n');
        let forms = fields.iter().map(|field| (field.name, &field.form));
        write_words(text, forms);
    }

    fn write_choice(&self, text: &mut String, variants: &'static [Variant]) {
        text.push_str("A map with exactly one of these keys.\n\n");
        text.push_str("| key | holds | meaning |\n|---|---|---|\n");
        for variant in variants {
            if let Some(form) = &variant.form {
                let _ = writeln!(
                    text,
                    "| `{}` | {} | {} |",
                    variant.name,
                    cell(&holds(form, &|form| self.link(form))),
                    cell(variant.about)
                );
            }
        }
        text.push('\n');
        let planned = variants.iter().filter(|variant| variant.form.is_none());
        write_planned(text, planned.map(|variant| (variant.name, variant.about)));
    }

    fn link(&self, form: &'static Form) -> Option<String> {
        let body = Body::of(form)?;
        let part = self.parts.iter().find(|part| part.body.is(body))?;
        Some(format!("[{}]({})", body.what(), anchor(&part.heading)))
    }
}

/// The keys that only this map has.
fn own(object: &'static Object) -> impl Iterator<Item = &'static Field> {
    let groups = object.groups.iter();
    groups
        .filter(|group| !COMMON.iter().any(|(_, fields, _)| same(group, fields)))
        .flat_map(|group| group.iter())
}

/// The keys that it has in common with others.
fn common(
    object: &'static Object,
) -> impl Iterator<Item = (&'static str, &'static [Field], &'static [Rule])> {
    COMMON
        .iter()
        .copied()
        .filter(|(_, fields, _)| object.groups.iter().any(|group| same(group, fields)))
}

fn same(one: &[Field], two: &[Field]) -> bool {
    one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.name == two.name)
}

fn write_rules(text: &mut String, of: &[Rule]) {
    if !of.is_empty() {
        let _ = write!(text, "{}\n\n", rules(of));
    }
}

fn write_planned<'a>(text: &mut String, planned: impl Iterator<Item = (&'a str, &'a str)>) {
    let planned: Vec<String> = planned
        .map(|(name, about)| format!("`{name}` ({})", lower(about.trim_end_matches('.'))))
        .collect();
    if !planned.is_empty() {
        let _ = write!(
            text,
            "Planned, and refused until then: {}.\n\n",
            planned.join(", ")
        );
    }
}

/// Words that a value can be, each with what it means.
type Words = &'static [(&'static str, &'static str)];

/// What the words of these keys mean; keys with the same words share a list.
fn write_words(text: &mut String, fields: impl Iterator<Item = (&'static str, &'static Form)>) {
    let mut lists: Vec<(Words, Vec<&str>)> = Vec::new();
    for (name, form) in fields {
        if let Some(words) = words(form) {
            match lists.iter_mut().find(|(known, _)| *known == words) {
                Some((_, names)) => names.push(name),
                None => lists.push((words, vec![name])),
            }
        }
    }
    for (words, names) in lists {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let _ = write!(text, "{}:\n\n", names.join(", "));
        for (word, about) in words {
            let _ = writeln!(text, "- `{word}`: {about}");
        }
        text.push('\n');
    }
}

/// The words that a value can be, if it can be more than one.
fn words(form: &'static Form) -> Option<Words> {
    match form {
        Form::Word(words) => (words.len() > 1).then_some(*words),
        Form::List(of, ..) | Form::Map(_, of) => words(of),
        Form::Either(forms) => forms.iter().find_map(words),
        _ => None,
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

/// The address of a heading within the page, as Markdown renderers make it.
pub(super) fn anchor(heading: &str) -> String {
    let slug: String = heading
        .to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            letter => letter.is_alphanumeric().then_some(letter),
        })
        .collect();
    format!("#{slug}")
}
