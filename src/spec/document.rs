//! Documents: what one file holds, each of a kind, with variables filled in and its shape checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::secret::Environment;
use crate::spec::check::channel::CHANNEL;
use crate::spec::check::drill::DRILL;
use crate::spec::check::experiment::EXPERIMENT;
use crate::spec::check::gameday::GAME_DAY;
use crate::spec::check::messages::MESSAGES;
use crate::spec::check::names::{did_you_mean, listed, nearest};
use crate::spec::check::runbook::RUNBOOK;
use crate::spec::check::scalar::shown;
use crate::spec::check::shape::{self, head};
use crate::spec::check::stack::STACK;
use crate::spec::check::team::TEAM;
use crate::spec::code::Code;
use crate::spec::diagnostic::{Diagnostic, Source, Span};
use crate::spec::findings::Sink;
use crate::spec::form::Object;
use crate::spec::tree::{self, Kind as NodeKind, Node, short};
use crate::spec::vars::{self, Secrets};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A staging system under test.
    Stack,
    /// What is tried on a stack.
    Experiment,
    /// An experiment with a team and a runbook.
    Drill,
    /// Drills, one after the other.
    GameDay,
    /// What responders should do.
    Runbook,
    /// Who is drilled.
    Team,
    /// Where messages are sent.
    Channel,
    /// Texts of messages in one language.
    Messages,
}

impl Kind {
    /// All, as the documentation lists them.
    pub const ALL: [Self; 8] = [
        Self::Stack,
        Self::Experiment,
        Self::Drill,
        Self::GameDay,
        Self::Runbook,
        Self::Team,
        Self::Channel,
        Self::Messages,
    ];

    /// As files write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stack => "Stack",
            Self::Experiment => "Experiment",
            Self::Drill => "Drill",
            Self::GameDay => "GameDay",
            Self::Runbook => "Runbook",
            Self::Team => "Team",
            Self::Channel => "Channel",
            Self::Messages => "Messages",
        }
    }

    /// As people say it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Experiment => "experiment",
            Self::Drill => "drill",
            Self::GameDay => "game day",
            Self::Runbook => "runbook",
            Self::Team => "team",
            Self::Channel => "channel",
            Self::Messages => "set of messages",
        }
    }

    /// The form of its files.
    pub(crate) fn object(self) -> &'static Object {
        match self {
            Self::Stack => &STACK,
            Self::Experiment => &EXPERIMENT,
            Self::Drill => &DRILL,
            Self::GameDay => &GAME_DAY,
            Self::Runbook => &RUNBOOK,
            Self::Team => &TEAM,
            Self::Channel => &CHANNEL,
            Self::Messages => &MESSAGES,
        }
    }
}

/// There is no such kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no kind `{text}`: it is Stack, Experiment, Drill, GameDay, Runbook, Team, Channel or Messages"
)]
pub struct UnknownKindName {
    text: String,
}

impl FromStr for Kind {
    type Err = UnknownKindName;

    /// Reads a kind's name, in capitals or not: people type `firedrill schema stack`.
    fn from_str(text: &str) -> Result<Self, UnknownKindName> {
        let found = Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| UnknownKindName { text: short(text) })
    }
}

/// One document of a file.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The file.
    pub(crate) source: Arc<Source>,
    /// What it is.
    pub(crate) kind: Kind,
    /// Its `name`, where it has one that can be used.
    pub(crate) name: Option<String>,
    /// Its values, variables filled in.
    pub(crate) root: Node,
    /// For a runbook, the Markdown after the front matter.
    pub(crate) body: String,
    /// Variables it declares.
    pub(crate) variables: BTreeSet<String>,
}

/// Parses and checks the shape of every document of a file.
pub(crate) fn parse(
    source: &Arc<Source>,
    overrides: &BTreeMap<String, String>,
    environment: &Environment,
) -> (Vec<Document>, Vec<Diagnostic>) {
    let (range, body) = match parts(source) {
        Ok(parts) => parts,
        Err(finding) => return (Vec::new(), vec![finding]),
    };
    let (nodes, mut found) = tree::parse(source, range);
    if nodes.is_empty() && found.is_empty() {
        found.push(no_kind(source, Span::new(range.start, range.start)));
    }
    let mut documents = Vec::new();
    for mut root in nodes {
        let mut sink = Sink::new(source);
        let variables =
            vars::substitute(&mut root, overrides, Secrets::Kept(environment), &mut sink);
        if let Some(kind) = kind(&root, &mut sink) {
            let anchor = root.entry("kind").map_or(root.span, |entry| entry.span);
            shape::check_object(&root, anchor, kind.object(), &mut sink);
            let name = root.get("name").and_then(Node::text).map(str::to_owned);
            documents.push(Document {
                source: Arc::clone(source),
                kind,
                name,
                root,
                body: body.to_owned(),
                variables,
            });
        }
        found.extend(sink.into_found());
    }
    (documents, found)
}

/// The YAML of a file and what follows it: all of a YAML file, the front matter of a Markdown file.
fn parts(source: &Arc<Source>) -> Result<(Span, &str), Diagnostic> {
    let text = &source.text;
    if !is_markdown(&source.path) {
        return Ok((Span::new(0, text.len()), ""));
    }
    let missing = |message: &str| {
        Diagnostic::error(
            Code::BadFrontMatter,
            source,
            Span::new(0, text.find('\n').unwrap_or(text.len())),
            message,
        )
        .hint("a runbook begins with a line `---`, then YAML, then another line `---`")
    };
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or("");
    if first.trim_start_matches('\u{feff}').trim_end() != "---" {
        return Err(missing("this Markdown file has no front matter"));
    }
    let start = first.len();
    let mut at = start;
    for line in lines {
        if line.trim_end() == "---" {
            return Ok((Span::new(start, at), &text[at + line.len()..]));
        }
        at += line.len();
    }
    Err(missing("the front matter of this Markdown file never ends"))
}

/// Whether a path is that of a Markdown file.
pub(crate) fn is_markdown(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("md"))
}

fn no_kind(source: &Arc<Source>, span: Span) -> Diagnostic {
    let kinds = listed(Kind::ALL.iter().map(|kind| kind.as_str()), "or");
    Diagnostic::error(
        Code::MissingKind,
        source,
        span,
        "this file doesn't say what it is",
    )
    .hint(format!("begin it with `kind:` and one of {kinds}"))
}

fn kind(root: &Node, sink: &mut Sink) -> Option<Kind> {
    let source = Arc::clone(&sink.source);
    if !matches!(root.kind, NodeKind::Map(_)) {
        let message = format!("expected a map of keys and values, found {}", root.what());
        let finding = no_kind(&source, root.span);
        let written = sink.error(Code::WrongType, root.span, message);
        written.hint = finding.hint;
        return None;
    }
    let Some(entry) = root.entry("kind") else {
        let finding = no_kind(&source, head(root));
        let written = sink.error(finding.code, head(root), finding.message);
        written.hint = finding.hint;
        return None;
    };
    let name = entry.value.text();
    let found = Kind::ALL
        .into_iter()
        .find(|kind| Some(kind.as_str()) == name);
    if found.is_none() && entry.value.kind != NodeKind::Broken {
        let name = &shown(&entry.value, sink);
        let span = if entry.value.span.is_empty() {
            entry.span
        } else {
            entry.value.span
        };
        let known = || Kind::ALL.iter().map(|kind| kind.as_str());
        let all = format!("it is one of {}", listed(known(), "and"));
        sink.error(
            Code::UnknownKind,
            span,
            format!("there is no kind `{}`", short(name)),
        )
        .with_hint(did_you_mean(nearest(name, known()), &all));
    }
    found
}
