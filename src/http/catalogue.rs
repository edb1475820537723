//! What can be started, as pages list it and the API starts it.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::desk::Desk;
use crate::messages::Texts;
use crate::model::gameday::Programme;
use crate::model::plan::Plan;
use crate::model::stack::Stack;

/// What a file describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A staging system.
    Stack,
    /// What is tried on one.
    Experiment,
    /// An experiment with a team and a runbook.
    Drill,
}

impl Kind {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Experiment => "experiment",
            Self::Drill => "drill",
        }
    }
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// `error` or `warning`.
    pub severity: String,
    /// A code that never changes.
    pub code: String,
    /// The file.
    pub file: String,
    /// From 1, where it is about a place in the file.
    pub line: Option<u64>,
    /// From 1.
    pub column: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// One experiment or drill.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// As users name it.
    pub name: String,
    /// Its file.
    pub path: String,
    /// All it does, or what is wrong with it. Secrets stay references.
    pub plan: Result<Arc<Plan>, Vec<Finding>>,
    /// Whether it is a surprise drill, or an experiment of one: only staff are told that there is such a thing.
    pub secret: bool,
}

/// One game day.
#[derive(Debug, Clone)]
pub struct DayEntry {
    /// As users name it.
    pub name: String,
    /// Its file.
    pub path: String,
    /// All its drills do, or what is wrong with it. Secrets stay references.
    pub programme: Result<Arc<Programme>, Vec<Finding>>,
}

/// One stack.
#[derive(Debug, Clone)]
pub struct StackEntry {
    /// As other files name it.
    pub name: String,
    /// Its file.
    pub path: String,
    /// What it is made of, where a plan that can be started uses it.
    pub stack: Option<Arc<Plan>>,
}

impl StackEntry {
    /// What it is made of.
    pub fn stack(&self) -> Option<&Stack> {
        self.stack.as_ref().map(|plan| &plan.stack)
    }
}

/// Everything there is, by kind and name.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Stacks.
    pub stacks: Vec<StackEntry>,
    /// Experiments and drills.
    pub entries: Vec<Entry>,
    /// Game days.
    pub days: Vec<DayEntry>,
}

impl Contents {
    /// The entries of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }

    /// Says which of them are to be kept from responders: surprise drills, and the experiments that they run.
    #[must_use]
    pub fn veiled(mut self) -> Self {
        let plans = self
            .entries
            .iter()
            .filter_map(|entry| entry.plan.as_ref().ok());
        let surprises = plans.filter(|plan| plan.is_surprise());
        let experiments: Vec<String> = surprises
            .map(|plan| plan.experiment.name.to_string())
            .collect();
        for entry in &mut self.entries {
            let surprise = entry.plan.as_ref().is_ok_and(|plan| plan.is_surprise());
            let part = entry.kind == Kind::Experiment && experiments.contains(&entry.name);
            entry.secret = surprise || part;
        }
        self
    }

    /// One entry.
    pub fn get(&self, kind: Kind, name: &str) -> Option<&Entry> {
        self.of(kind).find(|entry| entry.name == name)
    }

    /// One game day.
    pub fn day(&self, name: &str) -> Option<&DayEntry> {
        self.days.iter().find(|day| day.name == name)
    }

    /// The ids of every step of every experiment that is no surprise, sorted: what a responder may name as the cause,
    /// without the right one standing out.
    pub fn causes(&self) -> Vec<String> {
        let told = self.entries.iter().filter(|entry| !entry.secret);
        let plans = told.filter_map(|entry| entry.plan.as_ref().ok());
        let mut causes: Vec<String> = plans
            .flat_map(|plan| &plan.experiment.method)
            .map(|step| step.id.to_string())
            .collect();
        causes.sort();
        causes.dedup();
        causes
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Refused {
    /// Nothing has this name.
    Unknown,
    /// The files are wrong.
    Findings(Vec<Finding>),
}

/// A library of files. Calls read from disk: they belong on a blocking thread.
pub trait Catalogue: Send + Sync {
    /// Its files, to be read and edited. Each call of it reads from disk as well.
    fn desk(&self) -> &Desk;

    /// Reads everything anew when it is next asked for: something was saved.
    fn forget(&self);

    /// Everything there is, secrets left as references. It may be a second or two old.
    fn contents(&self) -> Arc<Contents>;

    /// Checks every file, and all against each other. Answers with how many they are, and what is wrong.
    fn check(&self) -> (usize, Vec<Finding>);

    /// The texts of messages: the shipped ones, with the library's own over them. They may be a second or two old.
    fn messages(&self) -> Arc<Texts>;

    /// The plan to start, read anew.
    fn plan(
        &self,
        kind: Kind,
        name: &str,
        vars: &BTreeMap<String, String>,
    ) -> Result<Plan, Refused>;

    /// The game day to start, read anew.
    fn programme(&self, name: &str, vars: &BTreeMap<String, String>) -> Result<Programme, Refused>;
}

/// Findings as a problem lists them.
pub(super) fn listed(findings: &[Finding]) -> Vec<Value> {
    findings
        .iter()
        .filter_map(|finding| serde_json::to_value(finding).ok())
        .collect()
}
