//! The page that says what went wrong.

use serde::Serialize;

use super::layout::Layout;
use crate::http::problem::Problem;
use crate::http::templates::Page;

/// What went wrong, and the way back.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Trouble {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) status: u16,
    pub(in crate::http) title: String,
    pub(in crate::http) code: &'static str,
    pub(in crate::http) detail: String,
    pub(in crate::http) hint: Option<String>,
    /// Findings in files: place and message.
    pub(in crate::http) findings: Vec<(String, String)>,
    pub(in crate::http) back: String,
}

impl Trouble {
    /// The page of a problem; `back` is where the reader came from.
    pub(in crate::http) fn new(layout: Layout, problem: Problem, back: String) -> Self {
        let (detail, hint) = match problem.detail.split_once("; hint: ") {
            Some((detail, hint)) => (detail.to_owned(), Some(hint.to_owned())),
            None => (problem.detail, None),
        };
        let findings = problem.findings.iter().map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            let mut message = text("message");
            if !text("hint").is_empty() {
                message = format!("{message}; {}", text("hint"));
            }
            let place = match finding["line"].as_u64() {
                Some(line) => format!("{}:{line}", text("file")),
                None => text("file"),
            };
            (place, message)
        });
        Self {
            layout,
            status: problem.status,
            title: problem.title,
            code: problem.code,
            detail,
            hint,
            findings: findings.collect(),
            back,
        }
    }
}

impl Page for Trouble {
    const TEMPLATE: &'static str = "trouble.html";
}
