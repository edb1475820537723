//! What can be started: stacks, experiments and drills.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::http::Services;
use crate::http::actor::{Actor, Visitor};
use crate::http::catalogue::{Contents, Entry, Finding, Kind, StackEntry, listed};
use crate::http::problem::Problem;
use crate::http::tagged;
use crate::model::drill::Severity;
use crate::model::ids::{ExperimentName, StackName, TeamName};
use crate::spec::explain::explain as in_words;

/// What a file says, in the words of files: docs/files.md tells them.
type Said = Map<String, Value>;

/// All stacks.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Stacks {
    stacks: Vec<StackInShort>,
}

/// A stack in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct StackInShort {
    name: String,
    /// Its file.
    path: String,
    /// What it claims to be; null where nothing that can be started uses it.
    environment: Option<String>,
    /// The experiments and drills that run on it.
    used_by: Vec<String>,
}

/// One stack.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Stack {
    #[serde(flatten)]
    short: StackInShort,
    /// What it is made of; null where nothing that can be started uses it.
    stack: Option<Said>,
}

/// All experiments.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Experiments {
    experiments: Vec<InShort>,
}

/// All drills.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Drills {
    drills: Vec<InShort>,
}

/// An experiment or a drill in a list.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct InShort {
    name: String,
    /// Its file.
    path: String,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<StackName>,
    /// What is believed to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    hypothesis: Option<String>,
    /// A drill's experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<ExperimentName>,
    /// Who is drilled.
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<TeamName>,
    /// How bad a drill's scenario is.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<Severity>,
    /// When it starts by itself; null in a drill that does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Value>,
    /// What is wrong with it, where it can't be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Finding>>,
}

/// One experiment or drill.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Startable {
    #[serde(flatten)]
    short: InShort,
    /// All that a run would do; null where its files have findings.
    plan: Option<Said>,
}

fn said(value: &impl Serialize) -> Option<Said> {
    match serde_json::to_value(value) {
        Ok(Value::Object(said)) => Some(said),
        _ => None,
    }
}

/// All stacks.
pub(in crate::http) async fn stacks(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let contents = contents(&services).await?;
    let stacks: Vec<StackInShort> = contents
        .stacks
        .iter()
        .filter(|entry| actor.sees_stack(&entry.name))
        .map(|stack| stack_in_short(&contents, stack, &actor))
        .collect();
    tagged::json(&headers, &Stacks { stacks })
}

/// One stack.
pub(in crate::http) async fn stack(
    State(services): State<Services>,
    actor: Actor,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let contents = contents(&services).await?;
    let entry = contents.stacks.iter().find(|stack| stack.name == name);
    let entry = entry
        .ok_or_else(|| Problem::missing("no-such-stack", format!("there is no stack `{name}`")))?;
    let stack = Stack {
        short: stack_in_short(&contents, entry, &actor),
        stack: entry.stack().and_then(said),
    };
    tagged::json(&headers, &stack)
}

/// All experiments.
pub(in crate::http) async fn experiments(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let contents = contents(&services).await?;
    let all = contents
        .of(Kind::Experiment)
        .filter(|entry| actor.sees_entry(entry));
    let experiments = all.map(in_short).collect();
    tagged::json(&headers, &Experiments { experiments })
}

/// One experiment.
pub(in crate::http) async fn experiment(
    State(services): State<Services>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    one(&services, &headers, Kind::Experiment, &name).await
}

/// All drills.
pub(in crate::http) async fn drills(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let contents = contents(&services).await?;
    let all = contents
        .of(Kind::Drill)
        .filter(|entry| actor.sees_entry(entry));
    let drills = all.map(in_short).collect();
    tagged::json(&headers, &Drills { drills })
}

/// One drill.
pub(in crate::http) async fn drill(
    State(services): State<Services>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    one(&services, &headers, Kind::Drill, &name).await
}

/// What a run of an experiment would do, in words.
pub(in crate::http) async fn explain_experiment(
    State(services): State<Services>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    explained(&services, &headers, Kind::Experiment, &name).await
}

/// What a run of a drill would do, in words.
pub(in crate::http) async fn explain_drill(
    State(services): State<Services>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    explained(&services, &headers, Kind::Drill, &name).await
}

async fn explained(
    services: &Services,
    headers: &HeaderMap,
    kind: Kind,
    name: &str,
) -> Result<Response, Problem> {
    let contents = contents(services).await?;
    let entry = contents
        .get(kind, name)
        .ok_or_else(|| unknown(kind, name))?;
    match &entry.plan {
        Ok(plan) => Ok(tagged::answer(
            headers,
            "text/plain; charset=utf-8",
            in_words(plan),
        )),
        Err(found) => Err(faulty(kind, name, found)),
    }
}

/// The files of what has this name are wrong.
pub(in crate::http) fn faulty(kind: Kind, name: &str, found: &[Finding]) -> Problem {
    Problem::unprocessable(
        "file-findings",
        format!(
            "the {} `{name}` can't be started: its files have findings",
            kind.as_str()
        ),
    )
    .with_findings(listed(found))
}

/// The same of a game day's files.
pub(in crate::http) fn faulty_day(name: &str, found: &[Finding]) -> Problem {
    Problem::unprocessable(
        "file-findings",
        format!("the game day `{name}` can't be started: its files have findings"),
    )
    .with_findings(listed(found))
}

/// Everything there is, read where reading may block.
pub(in crate::http) async fn contents(services: &Services) -> Result<Arc<Contents>, Problem> {
    let library = services.library.clone();
    tokio::task::spawn_blocking(move || library.contents())
        .await
        .map_err(|error| Problem::internal(&error))
}

async fn one(
    services: &Services,
    headers: &HeaderMap,
    kind: Kind,
    name: &str,
) -> Result<Response, Problem> {
    let contents = contents(services).await?;
    let entry = contents
        .get(kind, name)
        .ok_or_else(|| unknown(kind, name))?;
    let startable = Startable {
        short: in_short(entry),
        plan: entry
            .plan
            .as_ref()
            .ok()
            .and_then(|plan| said(plan.as_ref())),
    };
    tagged::json(headers, &startable)
}

/// Nothing of this kind has this name.
pub(in crate::http) fn unknown(kind: Kind, name: &str) -> Problem {
    let code = match kind {
        Kind::Stack => "no-such-stack",
        Kind::Experiment => "no-such-experiment",
        Kind::Drill => "no-such-drill",
    };
    Problem::missing(code, format!("there is no {} `{name}`", kind.as_str()))
}

fn in_short(entry: &Entry) -> InShort {
    let mut short = InShort {
        name: entry.name.clone(),
        path: entry.path.clone(),
        ..InShort::default()
    };
    match &entry.plan {
        Ok(plan) => {
            short.stack = Some(plan.stack.name.clone());
            short.hypothesis = Some(plan.experiment.hypothesis.clone());
            if let Some(exercise) = &plan.drill {
                short.experiment = Some(plan.experiment.name.clone());
                short.team = Some(exercise.team.name.clone());
                short.severity = Some(exercise.drill.severity);
                short.schedule = serde_json::to_value(&exercise.drill.schedule).ok();
            }
        }
        Err(findings) => short.findings = Some(findings.clone()),
    }
    short
}

fn stack_in_short(contents: &Contents, entry: &StackEntry, visitor: &Visitor) -> StackInShort {
    let seen = contents
        .entries
        .iter()
        .filter(|user| visitor.sees_entry(user));
    let users = seen.filter(|user| {
        user.plan
            .as_ref()
            .is_ok_and(|plan| plan.stack.name.as_str() == entry.name)
    });
    StackInShort {
        name: entry.name.clone(),
        path: entry.path.clone(),
        environment: entry.stack().map(|stack| stack.environment.clone()),
        used_by: users.map(|user| user.name.clone()).collect(),
    }
}
