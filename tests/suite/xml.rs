//! Just enough XML to tell whether a document is well-formed and what is in it.

use std::collections::BTreeMap;

/// An element with its attributes, in document order.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// The names of the elements it is in, outermost first.
    pub(crate) within: Vec<String>,
}

impl Element {
    /// An attribute that is a number.
    pub(crate) fn number(&self, name: &str) -> usize {
        let value = self
            .attributes
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"));
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {value}"))
    }
}

/// Reads a document; panics where it is not well-formed.
pub(crate) fn elements(document: &str) -> Vec<Element> {
    let declared = document
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
        .expect("a declaration");
    let mut open: Vec<String> = Vec::new();
    let mut found = Vec::new();
    let mut rest = declared;
    while let Some(start) = rest.find('<') {
        is_text(&rest[..start]);
        let end = tag_end(&rest[start..]) + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(
                open.pop().as_deref(),
                Some(name),
                "</{name}> closes something else"
            );
            continue;
        }
        let (tag, is_empty) = tag
            .strip_suffix('/')
            .map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(
            !open.is_empty() || found.is_empty(),
            "<{name}> is a second root"
        );
        found.push(Element {
            name: name.to_owned(),
            attributes: pairs(attributes),
            within: open.clone(),
        });
        if !is_empty {
            open.push(name.to_owned());
        }
    }
    assert_eq!(rest.trim(), "", "text after the root");
    assert!(open.is_empty(), "{open:?} stay open");
    found
}

/// Where a tag that begins `text` ends: `>` may stand in quotes.
fn tag_end(text: &str) -> usize {
    let mut quoted = false;
    let end = text.char_indices().find(|(_, character)| {
        quoted ^= *character == '"';
        *character == '>' && !quoted
    });
    end.expect("a tag ends").0
}

fn pairs(mut text: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    while !text.trim().is_empty() {
        let (name, rest) = text.trim_start().split_once("=\"").expect("name=\"value\"");
        let (value, rest) = rest.split_once('"').expect("a quoted value");
        is_text(value);
        assert!(!value.contains('<'), "< in {name}");
        assert_eq!(
            pairs.insert(name.to_owned(), value.to_owned()),
            None,
            "{name} twice"
        );
        text = rest;
    }
    pairs
}

/// Character data: every `&` begins a reference, and no control character is there.
fn is_text(text: &str) {
    for (at, _) in text.match_indices('&') {
        let reference = text[at + 1..].split_once(';').expect("a reference ends").0;
        let known =
            ["amp", "lt", "gt", "quot", "apos"].contains(&reference) || reference.starts_with('#');
        assert!(known, "&{reference};");
    }
    let control = text
        .chars()
        .find(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r'));
    assert_eq!(control, None, "in {text:?}");
}

#[test]
#[should_panic(expected = "</a> closes something else")]
fn elements_that_overlap_are_refused() {
    elements("<?xml version=\"1.0\" encoding=\"UTF-8\"?><a><b></a></b>");
}

#[test]
fn attributes_and_places_are_read() {
    let read = elements(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a><b n=\"2\" m=\"x &gt; >\"/></a>\n",
    );
    assert_eq!((read[1].name.as_str(), read[1].number("n")), ("b", 2));
    assert_eq!(read[1].within, ["a"]);
}
