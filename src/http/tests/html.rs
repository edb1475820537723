//! Pages as a browser's parser reads them: no parse error, every id once, every reference to one answered, every field
//! with a name, nothing that the content policy would stop.

use std::collections::{BTreeMap, BTreeSet};

use html5ever::tendril::TendrilSink as _;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// Holds a page to all of that.
#[track_caller]
pub(in crate::http) fn check(page: &str) {
    let findings = findings(page);
    assert!(
        findings.is_empty(),
        "the page is not in order: {findings:#?}\n{page}"
    );
}

fn findings(page: &str) -> Vec<String> {
    let dom = parse_document(RcDom::default(), ParseOpts::default()).one(page);
    let errors = dom.errors.borrow();
    let mut findings: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let mut all = Vec::new();
    elements(&dom.document, &mut Vec::new(), &mut all);
    let mut ids = BTreeSet::new();
    for one in &all {
        if let Some(id) = one.get("id")
            && !ids.insert(id.to_owned())
        {
            findings.push(format!("the id `{id}` is there twice"));
        }
    }
    for one in &all {
        for key in ["aria-labelledby", "aria-describedby", "for", "list"] {
            for id in one.get(key).unwrap_or_default().split_whitespace() {
                if !ids.contains(id) {
                    findings.push(format!(
                        "{}'s {key} names `{id}`, which is nowhere",
                        one.name
                    ));
                }
            }
        }
        if let Some(place) = one.get("href").and_then(|href| href.strip_prefix('#'))
            && !place.is_empty()
            && !ids.contains(place)
        {
            findings.push(format!("a link leads to `#{place}`, which is nowhere"));
        }
        for key in one.attributes.keys() {
            if key == "style" || key.starts_with("on") {
                findings.push(format!("{} has the attribute `{key}`", one.name));
            }
        }
        match one.name.as_str() {
            "style" => findings.push("a style stands in the page".to_owned()),
            "script" if one.get("src").is_none() => {
                findings.push("a script stands in the page".to_owned());
            }
            "input" | "select" | "textarea" if one.get("type") != Some("hidden") => {
                let named = one.inside.iter().any(|outer| outer == "label")
                    || one.get("aria-label").is_some()
                    || one.get("aria-labelledby").is_some()
                    || one.get("id").is_some_and(|id| {
                        all.iter()
                            .any(|label| label.name == "label" && label.get("for") == Some(id))
                    });
                if !named {
                    let field = one.get("name").unwrap_or("?");
                    findings.push(format!("the field `{field}` has no label"));
                }
            }
            "button" | "a" if one.text.trim().is_empty() && one.get("aria-label").is_none() => {
                findings.push(format!("a {} has no name", one.name));
            }
            "form" if one.get("method") == Some("post") && !one.text.contains("\u{0}csrf") => {
                findings.push(format!("a form to {:?} has no token", one.get("action")));
            }
            "html" if one.get("lang").is_none() => findings.push("no language".to_owned()),
            "img" if one.get("alt").is_none() => findings.push("a picture has no text".to_owned()),
            "form" if one.inside.iter().any(|outer| outer == "form") => {
                findings.push("a form stands in a form".to_owned());
            }
            _ => {}
        }
    }
    let headings = all.iter().filter(|one| one.name == "h1").count();
    if headings != 1 {
        findings.push(format!("{headings} first headings"));
    }
    findings
}

/// An element, with what is around and in it.
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    inside: Vec<String>,
    /// Its words, and the names of its fields after a mark.
    text: String,
}

impl Element {
    fn get(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).map(String::as_str)
    }
}

fn elements(node: &Handle, around: &mut Vec<String>, all: &mut Vec<Element>) {
    let entered = if let NodeData::Element { name, attrs, .. } = &node.data {
        let name = name.local.to_string();
        all.push(Element {
            attributes: attrs
                .borrow()
                .iter()
                .map(|one| (one.name.local.to_string(), one.value.to_string()))
                .collect(),
            inside: around.clone(),
            text: text(node),
            name: name.clone(),
        });
        around.push(name);
        true
    } else {
        false
    };
    for child in node.children.borrow().iter() {
        elements(child, around, all);
    }
    if entered {
        around.pop();
    }
}

fn text(node: &Handle) -> String {
    match &node.data {
        NodeData::Text { contents } => contents.borrow().to_string(),
        NodeData::Element { attrs, .. } => {
            let named = attrs
                .borrow()
                .iter()
                .find(|one| &*one.name.local == "name")
                .map(|one| format!("\u{0}{}", one.value));
            let inner: String = node.children.borrow().iter().map(text).collect();
            named.unwrap_or_default() + &inner
        }
        _ => node.children.borrow().iter().map(text).collect(),
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let page = |body: &str| {
        format!(
            "<!doctype html><html lang=\"en\"><head><title>t</title></head><body><h1>h</h1>{body}</body></html>"
        )
    };
    assert_eq!(findings(&page("<p>well</p>")), [""; 0]);
    for (body, part) in [
        ("<p></div>", "Unexpected token"),
        ("<p id=\"a\"></p><p id=\"a\"></p>", "twice"),
        ("<p aria-labelledby=\"b\">x</p>", "nowhere"),
        ("<p style=\"color:red\">x</p>", "`style`"),
        ("<p onclick=\"x()\">x</p>", "`onclick`"),
        ("<script>x()</script>", "a script stands"),
        ("<input name=\"q\">", "no label"),
        ("<button></button>", "no name"),
        (
            "<form method=\"post\" action=\"/x\"><button>b</button></form>",
            "no token",
        ),
        ("<h1>second</h1>", "2 first headings"),
        ("<table><p>x</p></table>", "Unexpected"),
    ] {
        let findings = findings(&page(body));
        assert!(
            findings.iter().any(|one| one.contains(part)),
            "{body}: {findings:?}"
        );
    }
}
