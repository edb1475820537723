//! The library: files with what is wrong in them; one of them to be read, edited and tried dry.

use serde::Serialize;

use super::Badge;
use super::layout::Layout;
use super::topology::{Disturbed, Stage, Topology};
use crate::http::actor::encoded;
use crate::http::catalogue::Finding;
use crate::http::desk::{Considered, Listed};
use crate::http::templates::Page;
use crate::model::fault::{Act, Cause};
use crate::model::plan::Plan;
use crate::spec;
use crate::spec::explain::explain;

/// All files.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Library {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) groups: Vec<Group>,
    pub(in crate::http) kinds: Vec<&'static str>,
    pub(in crate::http) may_open: bool,
    pub(in crate::http) may_make: bool,
}

impl Page for Library {
    const TEMPLATE: &'static str = "library.html";
}

/// Files of one kind.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Group {
    pub(in crate::http) title: &'static str,
    pub(in crate::http) files: Vec<Line>,
}

/// A file in the list.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Line {
    pub(in crate::http) path: String,
    /// As an address has it; none where whoever looks may not open it.
    pub(in crate::http) address: Option<String>,
    pub(in crate::http) name: String,
    pub(in crate::http) about: String,
    pub(in crate::http) state: Badge,
    pub(in crate::http) start: Option<Start>,
}

/// What can be started.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct Start {
    pub(in crate::http) kind: &'static str,
    pub(in crate::http) name: String,
}

/// How a file stands.
pub(in crate::http) fn state(listed: &Listed) -> Badge {
    let many =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match (listed.errors, listed.warnings) {
        (0, 0) => Badge::new("checked", '✓', "good"),
        (0, warnings) => Badge::new(many(warnings, "warning"), '!', "warn"),
        (errors, _) => Badge::new(many(errors, "error"), '✗', "bad"),
    }
}

/// A kind's files, as a heading.
pub(in crate::http) fn plural(kind: spec::Kind) -> &'static str {
    match kind {
        spec::Kind::Stack => "Stacks",
        spec::Kind::Experiment => "Experiments",
        spec::Kind::Drill => "Drills",
        spec::Kind::GameDay => "Game days",
        spec::Kind::Runbook => "Runbooks",
        spec::Kind::Team => "Teams",
        spec::Kind::Channel => "Channels",
        spec::Kind::Messages => "Messages",
    }
}

/// One file.
#[derive(Debug, Serialize)]
pub(in crate::http) struct File {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) path: String,
    pub(in crate::http) title: String,
    pub(in crate::http) kind: Option<&'static str>,
    pub(in crate::http) text: String,
    pub(in crate::http) rows: usize,
    /// What it was known by when it was read; empty for a new one.
    pub(in crate::http) tag: String,
    /// The kind and the name of a new file.
    pub(in crate::http) new: Option<(String, String)>,
    pub(in crate::http) may_save: bool,
    pub(in crate::http) used_by: String,
    pub(in crate::http) own: Vec<FindingLine>,
    pub(in crate::http) others: Vec<FindingLine>,
    pub(in crate::http) commands: Vec<String>,
    /// Why it was not saved.
    pub(in crate::http) refused: Option<(String, Option<String>)>,
    /// What became of it.
    pub(in crate::http) done: Option<&'static str>,
    pub(in crate::http) trial: Option<Trial>,
    /// What a game day would do.
    pub(in crate::http) words: Option<String>,
    pub(in crate::http) start: Option<Start>,
}

impl Page for File {
    const TEMPLATE: &'static str = "file.html";
}

/// What is wrong at a place.
#[derive(Debug, Clone, Serialize)]
pub(in crate::http) struct FindingLine {
    pub(in crate::http) severity: Badge,
    pub(in crate::http) place: String,
    pub(in crate::http) message: String,
    pub(in crate::http) hint: Option<String>,
    pub(in crate::http) code: String,
}

impl FindingLine {
    /// A finding; with its file where that is another.
    pub(in crate::http) fn new(finding: &Finding, elsewhere: bool) -> Self {
        let place = match (finding.line, finding.column) {
            (Some(line), Some(column)) => format!("{line}:{column}"),
            (Some(line), None) => line.to_string(),
            _ => "the whole file".to_owned(),
        };
        Self {
            severity: if finding.severity == "error" {
                Badge::new("error", '✗', "bad")
            } else {
                Badge::new("warning", '!', "warn")
            },
            place: if elsewhere {
                format!("{}:{place}", finding.file)
            } else {
                place
            },
            message: finding.message.clone(),
            hint: finding.hint.clone(),
            code: finding.code.clone(),
        }
    }
}

/// All that an edit would do, as lines.
pub(in crate::http) fn lines(found: &Considered) -> (Vec<FindingLine>, Vec<FindingLine>) {
    let own = found.own.iter().map(|one| FindingLine::new(one, false));
    let others = found.others.iter().map(|one| FindingLine::new(one, true));
    (own.collect(), others.collect())
}

/// A run that is only thought of: what it would hit, and in words.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Trial {
    pub(in crate::http) topology: Topology,
    pub(in crate::http) hit: Vec<String>,
    pub(in crate::http) limits: Vec<String>,
    pub(in crate::http) explanation: String,
    pub(in crate::http) look: Option<Look>,
}

/// What a look at every target found.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Look {
    pub(in crate::http) good: bool,
    pub(in crate::http) lines: Vec<String>,
}

impl Trial {
    /// A plan that nobody runs.
    pub(in crate::http) fn new(
        plan: &Plan,
        look: Option<Result<Vec<String>, Vec<String>>>,
    ) -> Self {
        let steps = plan
            .injections
            .iter()
            .filter(|injection| matches!(injection.cause, Cause::Step(_)));
        let disturbed: Vec<Disturbed> = steps
            .clone()
            .map(|injection| Disturbed::of(injection, plan.called(&injection.id), Stage::On))
            .collect();
        let mut hit: Vec<String> = steps.map(|injection| place(&injection.act)).collect();
        hit.sort();
        hit.dedup();
        Self {
            topology: Topology::new(&plan.stack, &disturbed),
            hit,
            limits: limits(plan),
            explanation: explain(plan),
            look: look.map(|found| match found {
                Ok(lines) => Look { good: true, lines },
                Err(lines) => Look { good: false, lines },
            }),
        }
    }
}

fn place(act: &Act) -> String {
    match act {
        Act::AddToxic { link, .. } | Act::DisableProxy { link } => {
            format!("link {} → {}", link.from, link.to)
        }
        Act::Container { service, .. } | Act::Cut { service, .. } => format!("service {service}"),
        Act::Hook(_) => "whatever its hooks reach".to_owned(),
    }
}

fn limits(plan: &Plan) -> Vec<String> {
    let limits = &plan.experiment.limits;
    let counted = [
        ("service", limits.services),
        ("link", limits.links),
        ("container", limits.containers),
    ];
    let mut lines: Vec<String> = counted
        .into_iter()
        .filter_map(|(what, most)| {
            let most = most?;
            let s = if most == 1 { "" } else { "s" };
            Some(format!("at most {most} {what}{s} at once"))
        })
        .collect();
    lines.push(format!("at most {} in all", limits.duration));
    lines
}

/// Where a file of the library is shown.
pub(in crate::http) fn address(path: &str) -> String {
    format!("/library/file?path={}", encoded(path))
}
